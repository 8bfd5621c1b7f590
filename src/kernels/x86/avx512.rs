//! The kernels for AVX-512 with byte and word instructions, VBMI, VBMI2 and VPOPCNTDQ (Ice Lake, Zen 4 and later).
//!
//! [`table`] is the face; `x86` gives it to processors that have all of this. What makes the difference to narrower
//! registers: `vpmultishiftqb` takes 8 bit strings out of 64 bits at once, `vpcompressb` turns a mask of 64 documents into
//! their offsets, `vpexpandb` turns packed impacts and such a mask into a column.

use std::arch::x86_64 as arch;
use std::hint::black_box;

use super::super::portable;
use super::super::table::{Bitmap, Kernels, Line, Sums, WINDOW};
use super::{
    avx2, behind, load_64, load_u16x32, load_up_to_64, low_bits, store_u16x32, store_up_to_u16x32,
    to_i32x16,
};

/// The place of each byte.
static IOTA: [u8; 64] = {
    let mut iota = [0; 64];
    let mut at = 0;
    while at < 64 {
        iota[at as usize] = at;
        at += 1;
    }
    iota
};

#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,bmi1,bmi2,lzcnt,popcnt"
)]
pub(super) const fn table() -> Kernels {
    Kernels {
        name: "AVX-512",
        unpack,
        unpack_ascending,
        bitmap_offsets,
        count_bits,
        and,
        or,
        and_not,
        ranks,
        select: avx2::select,
        set_bits: avx2::set_bits,
        // Sums are changed one by one, and shares in narrower registers are as fast.
        add_listed: avx2::add_listed,
        add_bitmap,
        at_least,
        within,
        impacts_at_least,
        skip_varints,
        sum_varints: avx2::sum_varints,
        sum_marked: avx2::sum_marked,
        // The positions of a document are few.
        keep_followed: avx2::keep_followed,
        count_followed: avx2::count_followed,
    }
}

/// How 32 numbers of one width are taken out of 64 bytes, in two steps: `bytes` says for each group of four numbers which
/// 8 bytes hold it, `bits` where in these 64 bits each byte of the numbers begins.
///
/// Four numbers are `4 · width` bits, so that a group begins 0 or 4 bits into a byte, and 64 bits hold it: with 4 bits to
/// skip the width is odd, and 15 at most.
#[derive(Clone, Copy)]
struct Places {
    bytes: [u8; 64],
    bits: [u8; 64],
}

static PLACES: [Places; 17] = {
    let mut places = [Places { bytes: [0; 64], bits: [0; 64] }; 17];
    let mut width = 0;
    while width <= 16 {
        let mut at = 0;
        while at < 64 {
            // Where the group begins: in half bytes, that 8 bits are enough.
            let group = at / 8 * width;
            let bit = group % 2 * 4 + at % 8 / 2 * width + at % 2 * 8;
            places[width as usize].bytes[at as usize] = group / 2 + at % 8;
            places[width as usize].bits[at as usize] = bit % 64;
            at += 1;
        }
        width += 1;
    }
    places
};

/// For each of 32 numbers the last one of the quarter before its own, and of the half before its own. What has none before
/// it is masked.
static ENDS: ([u32; 2], [[u16; 32]; 2]) = {
    let mut ends = [[0; 32]; 2];
    let mut at = 8;
    while at < 32 {
        ends[0][at as usize] = at / 8 * 8 - 1;
        ends[1][at as usize] = 15;
        at += 1;
    }
    ([0xFF00_FF00, 0xFFFF_0000], ends)
};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
fn unpack(packed: &[u8], bits: u8, out: &mut [u16]) {
    let group_bytes = 4 * usize::from(bits);
    let unpacker = Unpacker::new(bits, 0);
    let mut rest = packed;
    for out in out.chunks_mut(32) {
        store_up_to_u16x32(unpacker.gaps(load_up_to_64(rest)), out);
        rest = behind(rest, group_bytes);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
fn unpack_ascending(packed: &[u8], bits: u8, base: u16, out: &mut [u16]) -> bool {
    let group_bytes = 4 * usize::from(bits);
    let len = out.len();
    let mut unpacker = Unpacker::new(bits, base);
    let mut rest = packed;
    let (groups, tail) = out.as_chunks_mut::<32>();
    for out in groups {
        let gaps = unpacker.gaps(load_up_to_64(rest));
        rest = behind(rest, group_bytes);
        store_u16x32(unpacker.offsets(gaps), out);
    }
    if !tail.is_empty() {
        // Behind the last number there may be bits of anything.
        let there = (low_bits(tail.len()) & 0xFFFF_FFFF) as u32;
        let gaps = arch::_mm512_maskz_mov_epi16(there, unpacker.gaps(load_up_to_64(rest)));
        store_up_to_u16x32(unpacker.offsets(gaps), tail);
    }
    // Offsets wrap within 16 bits; what tells that they did is the sum of all gaps, exact.
    let total: i64 = to_i32x16(unpacker.total).iter().map(|pairs| i64::from(*pairs)).sum();
    let biased = if bits == 16 { len.next_multiple_of(32) << 15 } else { 0 };
    i64::try_from(usize::from(base) + len + biased).is_ok_and(|more| total + more <= 1 << 16)
}

/// [`Places`] of one width in registers, and how far the list is.
struct Unpacker {
    bytes: arch::__m512i,
    bits: arch::__m512i,
    mask: arch::__m512i,
    /// Products are of signed numbers: what is taken from those of 16 bits before they are added up.
    bias: arch::__m512i,
    /// For each number the last one of the quarter before its own.
    quarter_ends: arch::__m512i,
    /// The same for halves.
    half_ends: arch::__m512i,
    /// What has a quarter before its own to be added, and what a half.
    after: [u32; 2],
    /// The last offset, in all lanes.
    carry: arch::__m512i,
    /// The sum of all gaps, in 16 parts.
    total: arch::__m512i,
}

impl Unpacker {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(bits: u8, base: u16) -> Self {
        let places = &PLACES[usize::from(bits)];
        let mask = (((1_u32 << bits) - 1) & 0xFFFF) as u16;
        // A compiler that knows these numbers makes permutations of two registers of them, three times as slow.
        let (after, [quarter_ends, half_ends]) = *black_box(&ENDS);
        Self {
            bytes: load_64(&places.bytes),
            bits: load_64(&places.bits),
            mask: arch::_mm512_set1_epi16(mask.cast_signed()),
            bias: arch::_mm512_set1_epi16(if bits == 16 { i16::MIN } else { 0 }),
            quarter_ends: load_u16x32(&quarter_ends),
            half_ends: load_u16x32(&half_ends),
            after,
            carry: arch::_mm512_set1_epi16(base.wrapping_sub(1).cast_signed()),
            total: arch::_mm512_setzero_si512(),
        }
    }

    /// The first 32 numbers of what was packed.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn gaps(&self, packed: arch::__m512i) -> arch::__m512i {
        let groups = arch::_mm512_permutexvar_epi8(self.bytes, packed);
        arch::_mm512_and_si512(arch::_mm512_multishift_epi64_epi8(self.bits, groups), self.mask)
    }

    /// The offsets behind these gaps, which follow those before.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn offsets(&mut self, gaps: arch::__m512i) -> arch::__m512i {
        let one = arch::_mm512_set1_epi16(1);
        let pairs = arch::_mm512_madd_epi16(arch::_mm512_xor_si512(gaps, self.bias), one);
        self.total = arch::_mm512_add_epi32(self.total, pairs);
        let sums = self.prefix_sums(arch::_mm512_add_epi16(gaps, one));
        let offsets = arch::_mm512_add_epi16(sums, self.carry);
        let last = arch::_mm512_permutexvar_epi16(arch::_mm512_set1_epi16(31), sums);
        self.carry = arch::_mm512_add_epi16(self.carry, last);
        offsets
    }

    /// For each of 32 numbers the sum of all up to it.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn prefix_sums(&self, numbers: arch::__m512i) -> arch::__m512i {
        // Within each quarter of 8 numbers.
        let sums = arch::_mm512_add_epi16(numbers, arch::_mm512_bslli_epi128::<2>(numbers));
        let sums = arch::_mm512_add_epi16(sums, arch::_mm512_bslli_epi128::<4>(sums));
        let sums = arch::_mm512_add_epi16(sums, arch::_mm512_bslli_epi128::<8>(sums));
        // The second quarter gets the last sum of the first, the fourth that of the third; then both get that of the
        // second.
        let last = arch::_mm512_maskz_permutexvar_epi16(self.after[0], self.quarter_ends, sums);
        let sums = arch::_mm512_add_epi16(sums, last);
        let last = arch::_mm512_maskz_permutexvar_epi16(self.after[1], self.half_ends, sums);
        arch::_mm512_add_epi16(sums, last)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
fn bitmap_offsets(bitmap: &Bitmap, out: &mut [u16; WINDOW]) -> usize {
    let mut found = 0;
    for (word, base) in portable::words(bitmap).zip((0..).step_by(64)) {
        found = append_bits(word, base, out, found);
    }
    found
}

/// Appends `base` and the place of each bit of `word` to the first `found` numbers of `out`; returns how many they are
/// then. Of what is behind them, up to 64 numbers are overwritten.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
fn append_bits(word: u64, base: u16, out: &mut [u16], found: usize) -> usize {
    let places = arch::_mm512_maskz_compress_epi8(word, load_64(&IOTA));
    let base = arch::_mm512_set1_epi16(base.cast_signed());
    let low = arch::_mm512_cvtepu8_epi16(arch::_mm512_castsi512_si256(places));
    store_up_to_u16x32(arch::_mm512_add_epi16(low, base), &mut out[found..]);
    let count = word.count_ones() as usize;
    if count > 32 {
        let high = arch::_mm512_cvtepu8_epi16(arch::_mm512_extracti64x4_epi64::<1>(places));
        store_up_to_u16x32(arch::_mm512_add_epi16(high, base), &mut out[found + 32..]);
    }
    found + count
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi2,popcnt")]
fn count_bits(bitmap: &Bitmap) -> u32 {
    portable::count_bits(bitmap)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi2,popcnt")]
fn and(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::and(bitmap, other)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi2,popcnt")]
fn or(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::or(bitmap, other)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi2,popcnt")]
fn and_not(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::and_not(bitmap, other)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi2,popcnt")]
fn ranks(bitmap: &Bitmap) -> [u16; 64] {
    portable::ranks(bitmap)
}

/// With so many postings of a window, or fewer, to list them is faster than to make columns of their impacts.
const FEW_POSTINGS: usize = 224;

/// A line as [`WideLine::shares`] wants it: the two bytes of its slope apart, each in all lanes of 16 bits.
///
/// One multiplication that keeps the upper half would do, but compilers take the zeros beside an impact for a reason to
/// widen it to 32 bits, which costs six instructions more than it saves.
#[derive(Clone, Copy)]
struct WideLine {
    lower: arch::__m512i,
    upper: arch::__m512i,
    base: arch::__m512i,
}

impl WideLine {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(line: Line) -> Self {
        let [lower, upper] = line.slope.to_le_bytes();
        Self {
            lower: arch::_mm512_set1_epi16(i16::from(lower)),
            upper: arch::_mm512_set1_epi16(i16::from(upper)),
            base: arch::_mm512_set1_epi16(line.base.cast_signed()),
        }
    }

    /// The shares of those of 32 impacts that `mask` names, and zeros.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shares(self, mask: u32, impacts: arch::__m512i) -> arch::__m512i {
        let lower = arch::_mm512_mullo_epi16(impacts, self.lower);
        let upper = arch::_mm512_mullo_epi16(impacts, self.upper);
        let shares = arch::_mm512_add_epi16(arch::_mm512_srli_epi16::<8>(lower), upper);
        arch::_mm512_maskz_adds_epu16(mask, shares, self.base)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
fn add_bitmap(sums: &mut Sums, bitmap: &Bitmap, impacts: &[u8], line: Line) {
    if impacts.len() <= FEW_POSTINGS {
        let mut offsets = [0; FEW_POSTINGS];
        let mut found = 0;
        for (word, base) in portable::words(bitmap).zip((0..).step_by(64)) {
            found = append_bits(word, base, &mut offsets, found);
        }
        return avx2::add_listed(sums, &offsets[..found], impacts, line);
    }
    let line = WideLine::new(line);
    let mut rest = impacts;
    for (word, sums) in portable::words(bitmap).zip(sums.as_chunks_mut::<64>().0) {
        let column = arch::_mm512_maskz_expand_epi8(word, load_up_to_64(rest));
        rest = behind(rest, word.count_ones() as usize);
        let [low_sums, high_sums] = sums.as_chunks_mut::<32>().0 else { continue };
        let low = arch::_mm512_cvtepu8_epi16(arch::_mm512_castsi512_si256(column));
        let high = arch::_mm512_cvtepu8_epi16(arch::_mm512_extracti64x4_epi64::<1>(column));
        add(low_sums, line.shares((word & 0xFFFF_FFFF) as u32, low));
        add(high_sums, line.shares((word >> 32) as u32, high));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(sums: &mut [u16; 32], shares: arch::__m512i) {
    store_u16x32(arch::_mm512_adds_epu16(load_u16x32(sums), shares), sums);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
fn at_least(sums: &Sums, threshold: u16, out: &mut [u16; WINDOW]) -> usize {
    let mut found = 0;
    for (sums, base) in sums.as_chunks().0.iter().zip((0..).step_by(64)) {
        let word = sums_at_least(sums, threshold);
        if word != 0 {
            found = append_bits(word, base, out, found);
        }
    }
    found
}

/// A bit for each sum of at least `threshold`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sums_at_least(sums: &[u16; 64], threshold: u16) -> u64 {
    let threshold = arch::_mm512_set1_epi16(threshold.cast_signed());
    let [low, high] = sums.as_chunks().0 else { return 0 };
    let low = arch::_mm512_cmpge_epu16_mask(load_u16x32(low), threshold);
    let high = arch::_mm512_cmpge_epu16_mask(load_u16x32(high), threshold);
    u64::from(high) << 32 | u64::from(low)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn within(numbers: &[u16; WINDOW], first: u16, span: u16, out: &mut Bitmap) {
    let first = arch::_mm512_set1_epi16(first.cast_signed());
    let span = arch::_mm512_set1_epi16(span.cast_signed());
    for (word, numbers) in out.as_chunks_mut::<4>().0.iter_mut().zip(numbers.as_chunks().0) {
        let above = arch::_mm512_sub_epi16(load_u16x32(numbers), first);
        *word = arch::_mm512_cmplt_epu16_mask(above, span).to_le_bytes();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
fn impacts_at_least(impacts: &[u8], threshold: u8, out: &mut [u16]) -> usize {
    let least = arch::_mm512_set1_epi8(threshold.cast_signed());
    let mut found = 0;
    // Most impacts are small: of 256 only the largest is compared at first.
    for (impacts, base) in impacts.chunks(256).zip((0..).step_by(256)) {
        if let Some(impacts) = impacts.first_chunk::<256>() {
            let [a, b, c, d] = impacts.as_chunks().0 else { continue };
            let low = arch::_mm512_max_epu8(load_64(a), load_64(b));
            let high = arch::_mm512_max_epu8(load_64(c), load_64(d));
            if arch::_mm512_cmpge_epu8_mask(arch::_mm512_max_epu8(low, high), least) == 0 {
                continue;
            }
        }
        for (impacts, base) in impacts.chunks(64).zip((base..).step_by(64)) {
            let there = low_bits(impacts.len());
            let word = arch::_mm512_mask_cmpge_epu8_mask(there, load_up_to_64(impacts), least);
            if word != 0 {
                found = append_bits(word, base, out, found);
            }
        }
    }
    found
}

#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2,popcnt")]
fn skip_varints(bytes: &[u8], count: usize) -> Option<usize> {
    let mut left = count;
    for (bytes, index) in bytes.chunks(64).zip((0..).step_by(64)) {
        let there = low_bits(bytes.len());
        let ends = !arch::_mm512_movepi8_mask(load_up_to_64(bytes)) & there;
        let here = ends.count_ones() as usize;
        if left <= here {
            // The bit of the last one, put at the place of the end that it counts.
            let end = arch::_pdep_u64(1 << (left - 1), ends);
            return Some(index + end.trailing_zeros() as usize + 1);
        }
        left -= here;
    }
    None
}
