//! The kernels in plain Rust: what they mean, for every processor.
//!
//! [`TABLE`] serves where nothing faster is known, and is the twin that every other table has to equal. Loops are written
//! so that a compiler finds vectors in them where it can; the tables of `x86` compile some of them anew with wider ones.
//! [`pack`], the inverse of `unpack_ascending`, exists here alone: lists are written once and read often.

use std::iter;

use super::table::{Bitmap, Kernels, Line, Lists, Sums, WINDOW};

pub(super) static TABLE: Kernels = Kernels {
    name: "portable",
    unpack,
    unpack_ascending,
    bitmap_offsets,
    count_bits,
    and,
    or,
    and_not,
    ranks,
    select,
    set_bits,
    add_listed,
    add_bitmap,
    at_least,
    within,
    impacts_at_least,
    skip_varints,
    sum_varints,
    sum_marked,
    keep_followed,
    count_followed,
};

/// Appends `numbers` to `out`, each `bits` bits wide (0..=16), without gaps: number `i` is bits `i · bits` to
/// `(i + 1) · bits` of a string whose bit `n` is bit `n % 8` of byte `n / 8`. The last byte is filled up with zeros.
///
/// Every number fits into `bits` bits; of a larger one only these are written.
pub(crate) fn pack(numbers: &[u16], bits: u8, out: &mut Vec<u8>) {
    assert!(bits <= 16, "{bits} bits for numbers of 16");
    let mask = (1_u64 << bits) - 1;
    out.reserve((numbers.len() * usize::from(bits)).div_ceil(8));
    let (mut word, mut filled) = (0_u64, 0_u8);
    for &number in numbers {
        debug_assert!(u64::from(number) <= mask, "{number} in {bits} bits");
        word |= (u64::from(number) & mask) << filled;
        filled += bits;
        if filled >= 32 {
            let [a, b, c, d, ..] = word.to_le_bytes();
            out.extend_from_slice(&[a, b, c, d]);
            word >>= 32;
            filled -= 32;
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..usize::from(filled.div_ceil(8))]);
}

fn unpack(packed: &[u8], bits: u8, out: &mut [u16]) {
    let mask = (1_u32 << bits) - 1;
    let mut bit = 0;
    for slot in out {
        // 16 bits begin at most 7 bits into a byte, so that 4 bytes hold them.
        *slot = ((word_at(packed, bit / 8) >> (bit % 8)) & mask & 0xFFFF) as u16;
        bit += usize::from(bits);
    }
}

fn unpack_ascending(packed: &[u8], bits: u8, base: u16, out: &mut [u16]) -> bool {
    let mask = (1_u32 << bits) - 1;
    // What the next offset is with a gap of zero. At most 65,536 numbers of 65,536 each: 64 bits are never short.
    let mut next = u64::from(base);
    let mut bit = 0;
    for slot in out {
        // 16 bits begin at most 7 bits into a byte, so that 4 bytes hold them.
        let gap = (word_at(packed, bit / 8) >> (bit % 8)) & mask;
        let offset = next + u64::from(gap);
        *slot = (offset & 0xFFFF) as u16;
        next = offset + 1;
        bit += usize::from(bits);
    }
    next <= 1 << 16
}

/// The 4 bytes from `at` on; those that are not there are zero.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u32 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(word) => u32::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)),
    }
}

#[inline]
pub(super) fn bitmap_offsets(bitmap: &Bitmap, out: &mut [u16; WINDOW]) -> usize {
    let mut found = 0;
    for (word, base) in words(bitmap).zip((0..).step_by(64)) {
        found = append_bits(word, base, out, found);
    }
    found
}

/// Appends `base` and the place of each bit of `word` to the first `found` numbers of `out`; returns how many they are
/// then.
#[inline]
pub(super) fn append_bits(mut word: u64, base: u16, out: &mut [u16], mut found: usize) -> usize {
    while word != 0 {
        out[found] = base + (word.trailing_zeros() & 63) as u16;
        found += 1;
        word &= word - 1;
    }
    found
}

#[inline]
pub(super) fn count_bits(bitmap: &Bitmap) -> u32 {
    words(bitmap).map(u64::count_ones).sum()
}

#[inline]
pub(super) fn and(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    combine(bitmap, other, |word, other| word & other)
}

#[inline]
pub(super) fn or(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    combine(bitmap, other, |word, other| word | other)
}

#[inline]
pub(super) fn and_not(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    combine(bitmap, other, |word, other| word & !other)
}

#[inline]
fn combine(bitmap: &mut Bitmap, other: &Bitmap, join: impl Fn(u64, u64) -> u64) -> u32 {
    let mut count = 0;
    for (word, other) in bitmap.as_chunks_mut().0.iter_mut().zip(words(other)) {
        let joined = join(u64::from_le_bytes(*word), other);
        *word = joined.to_le_bytes();
        count += joined.count_ones();
    }
    count
}

#[inline]
pub(super) fn ranks(bitmap: &Bitmap) -> [u16; 64] {
    let mut ranks = [0; 64];
    let mut before = 0;
    for (rank, word) in ranks.iter_mut().zip(words(bitmap)) {
        *rank = before;
        before += (word.count_ones() & 127) as u16;
    }
    ranks
}

/// Which word it is by a walk, for indexes ascend; which of its bits by halves, six steps that have nothing to guess.
#[inline]
pub(super) fn select(bitmap: &Bitmap, ranks: &[u16; 64], indexes: &[u16], out: &mut [u16]) {
    let words = bitmap.as_chunks::<8>().0;
    let (mut number, mut base) = (0, 0);
    for (&index, to) in indexes.iter().zip(out) {
        while ranks.get(number + 1).is_some_and(|&rank| rank <= index) {
            number += 1;
            base += 64;
        }
        let word = u64::from_le_bytes(words[number]);
        let mut before = u32::from(index.wrapping_sub(ranks[number]));
        let mut place = 0;
        for width in [32, 16, 8, 4, 2, 1] {
            let count = (word >> place & ((1 << width) - 1)).count_ones();
            let is_behind = u32::from(before >= count);
            before -= count * is_behind;
            place += width * is_behind;
        }
        *to = base + (place & 63) as u16;
    }
}

/// By words: fewer instructions than by bytes. Neighbours of one word wait for each other, which shows from one document in
/// eight on, and such lists are bitmaps already.
#[inline]
pub(super) fn set_bits(bitmap: &mut Bitmap, offsets: &[u16]) {
    let words = bitmap.as_chunks_mut::<8>().0;
    for offset in offsets {
        let word = &mut words[usize::from(offset / 64) % 64];
        *word = (u64::from_le_bytes(*word) | 1 << (offset % 64)).to_le_bytes();
    }
}

#[inline]
pub(super) fn add_listed(sums: &mut Sums, offsets: &[u16], impacts: &[u8], line: Line) {
    for (&offset, &impact) in offsets.iter().zip(impacts) {
        add_share(&mut sums[usize::from(offset) % WINDOW], share(impact, line));
    }
}

#[inline]
pub(super) fn add_bitmap(sums: &mut Sums, bitmap: &Bitmap, impacts: &[u8], line: Line) {
    let mut impacts = impacts.iter();
    for (mut word, sums) in words(bitmap).zip(sums.as_chunks_mut::<64>().0) {
        while word != 0 {
            let impact = impacts.next().copied().unwrap_or_default();
            add_share(&mut sums[word.trailing_zeros() as usize % 64], share(impact, line));
            word &= word - 1;
        }
    }
}

/// A saturating addition. Sums that end are rare, and a branch that is not taken costs less than to choose each time.
#[inline]
pub(super) fn add_share(sum: &mut u16, share: u16) {
    match sum.checked_add(share) {
        Some(more) => *sum = more,
        None => end(sum),
    }
}

#[cold]
#[inline(never)]
fn end(sum: &mut u16) {
    *sum = u16::MAX;
}

/// What an impact adds.
#[inline]
pub(super) fn share(impact: u8, line: Line) -> u16 {
    let [_, low, high, _] = (u32::from(impact) * u32::from(line.slope)).to_le_bytes();
    u16::from_le_bytes([low, high]).saturating_add(line.base)
}

fn at_least(sums: &Sums, threshold: u16, out: &mut [u16; WINDOW]) -> usize {
    let mut found = 0;
    for (sums, base) in sums.as_chunks::<64>().0.iter().zip((0..).step_by(64)) {
        found = append_bits(sums_at_least(sums, threshold), base, out, found);
    }
    found
}

fn within(numbers: &[u16; WINDOW], first: u16, span: u16, out: &mut Bitmap) {
    let words = out.as_chunks_mut::<8>().0.iter_mut();
    for (word, numbers) in words.zip(numbers.as_chunks::<64>().0) {
        let bits = numbers.iter().rev();
        let bit = |number: &u16| u64::from(number.wrapping_sub(first) < span);
        *word = bits.fold(0_u64, |bits, number| bits << 1 | bit(number)).to_le_bytes();
    }
}

/// A bit for each sum of at least `threshold`.
#[inline]
fn sums_at_least(sums: &[u16; 64], threshold: u16) -> u64 {
    // Few windows have any: the largest is found by a loop that becomes vectors.
    if sums.iter().fold(0, |most, &sum| most.max(sum)) < threshold {
        return 0;
    }
    sums.iter().rev().fold(0, |bits, &sum| bits << 1 | u64::from(sum >= threshold))
}

fn impacts_at_least(impacts: &[u8], threshold: u8, out: &mut [u16]) -> usize {
    let mut found = 0;
    for (impacts, base) in impacts.chunks(64).zip((0..).step_by(64)) {
        if impacts.iter().fold(0, |most, &impact| most.max(impact)) >= threshold {
            let bits = impacts.iter().rev();
            let bits = bits.fold(0, |bits, &impact| bits << 1 | u64::from(impact >= threshold));
            found = append_bits(bits, base, out, found);
        }
    }
    found
}

fn skip_varints(bytes: &[u8], count: usize) -> Option<usize> {
    let (words, tail) = bytes.as_chunks();
    let mut left = count;
    for (word, index) in words.iter().zip((0..).step_by(8)) {
        let mut ends = !u64::from_le_bytes(*word) & 0x8080_8080_8080_8080;
        let here = ends.count_ones() as usize;
        if left <= here {
            for _ in 1..left {
                ends &= ends - 1;
            }
            return Some(index + ends.trailing_zeros() as usize / 8 + 1);
        }
        left -= here;
    }
    let mut ends = (bytes.len() - tail.len()..).zip(tail).filter(|(_, byte)| **byte < 0x80);
    ends.nth(left - 1).map(|(last, _)| last + 1)
}

fn sum_varints(bytes: &[u8], out: &mut [u32]) -> bool {
    add_varints(bytes, 0, out).is_some()
}

/// Adds the varints with which bytes begin to `sum`, one after the other; gives the last sum.
pub(super) fn add_varints(mut bytes: &[u8], mut sum: u32, out: &mut [u32]) -> Option<u32> {
    for slot in out {
        let (varint, rest) = first_varint(bytes)?;
        sum = sum.checked_add(varint)?;
        (*slot, bytes) = (sum, rest);
    }
    Some(sum)
}

/// The varint with which bytes begin, and what is behind it; `None` when it does not end within five bytes, or 32 bits.
#[inline]
fn first_varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut varint = 0;
    for (index, shift) in [0, 7, 14, 21, 28].into_iter().enumerate() {
        let byte = *bytes.get(index)?;
        varint |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some((u32::try_from(varint).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

fn sum_marked(marks: &[u8], bytes: &[u8], out: &mut [u32]) {
    let (mut sum, mut number) = (0_u32, 0);
    for (out, marks) in out.chunks_mut(8).zip(marks.iter().chain(iter::repeat(&0))) {
        for (slot, bit) in out.iter_mut().zip(0..) {
            let is_marked = marks >> bit & 1;
            let more = u32::from(bytes.get(number).copied().unwrap_or_default()) + 1;
            sum = sum.wrapping_add(1 + u32::from(is_marked) * more);
            number += usize::from(is_marked);
            *slot = sum;
        }
    }
}

pub(super) fn keep_followed(firsts: &mut [u32], sums: &[u32], before: u32, distance: u32) -> usize {
    let (mut kept, mut numbers) = (0, sums.iter().map(|sum| sum.wrapping_sub(before)).peekable());
    for place in 0..firsts.len() {
        let Some(wanted) = firsts[place].checked_add(distance) else { break };
        while numbers.next_if(|&number| number < wanted).is_some() {}
        firsts[kept] = firsts[place];
        kept += usize::from(numbers.peek() == Some(&wanted));
    }
    kept
}

fn count_followed(firsts: Lists<'_>, others: Lists<'_>, distance: u32, out: &mut [u32]) {
    let pairs = firsts.indexes.iter().zip(others.indexes);
    for (slot, (&first, &other)) in out.iter_mut().zip(pairs) {
        *slot = count_followed_in(firsts.list(first), others.list(other), distance);
    }
}

/// How many of some numbers one of others is `distance` higher than; of both the first says what is taken from the rest.
pub(super) fn count_followed_in(firsts: &[u32], others: &[u32], distance: u32) -> u32 {
    let numbers = |sums| {
        let (before, sums) = <[u32]>::split_first(sums).unwrap_or((&0, &[]));
        sums.iter().map(|sum| sum.wrapping_sub(*before))
    };
    let (mut count, mut others) = (0, numbers(others).peekable());
    for wanted in numbers(firsts).map_while(|first| first.checked_add(distance)) {
        while others.next_if(|&number| number < wanted).is_some() {}
        count += u32::from(others.peek() == Some(&wanted));
    }
    count
}

impl<'a> Lists<'a> {
    /// The sums of a list, behind the one that is taken from them.
    #[inline]
    pub(super) fn list(&self, index: u16) -> &'a [u32] {
        let bounds = self.starts.get(usize::from(index)..).and_then(|starts| starts.first_chunk());
        let list = bounds.and_then(|&[start, end]| self.sums.get(start as usize..=end as usize));
        list.unwrap_or_default()
    }
}

/// The words of a bitmap; document `i` is bit `i % 64` of word `i / 64`.
#[inline]
pub(super) fn words(bitmap: &Bitmap) -> impl Iterator<Item = u64> {
    bitmap.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))
}
