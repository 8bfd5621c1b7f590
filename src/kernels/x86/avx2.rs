//! The kernels for AVX2 with BMI1, BMI2, LZCNT and POPCNT (Haswell, Excavator, and all that came later).
//!
//! [`table`] is the face; `x86` gives it to processors that have all of this. Masks of documents become offsets by a table
//! of the places of a byte's bits, 8 documents at a time; packed impacts and a bitmap become a column by `pdep`.

use std::arch::x86_64 as arch;
use std::iter;

use super::super::portable;
use super::super::table::{Aligned, Bitmap, Kernels, Line, Lists, Sums, WINDOW};
use super::{
    behind, load_16, load_32, load_u16x16, load_u32x8, load_up_to_u32x8, store_u16x8, store_u16x16,
    store_up_to_u32x8, to_u32x8,
};

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) const fn table() -> Kernels {
    Kernels {
        name: "AVX2",
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
    }
}

/// How 8 numbers of one width are taken out of the bytes they fill, at most 16: for the first four and the last four, the
/// 4 bytes that hold each number, and how many bits of these stand before it.
#[derive(Clone, Copy)]
struct Places {
    /// For both halves of a register, which hold different bytes.
    bytes: [[u8; 32]; 2],
    bits: [[u32; 8]; 2],
}

static PLACES: [Places; 17] = {
    let mut places = [Places { bytes: [[0; 32]; 2], bits: [[0; 8]; 2] }; 17];
    let mut width = 0;
    while width <= 16 {
        let mut number = 0_u8;
        while number < 8 {
            let (group, slot) = (number as usize / 4, number as usize % 4);
            let bit = number * width;
            let mut byte = 0;
            while byte < 4 {
                // A byte behind the 16th holds nothing of the number: 0x80 gives zero.
                let place = if bit / 8 + byte < 16 { bit / 8 + byte } else { 0x80 };
                let at = slot * 4 + byte as usize;
                places[width as usize].bytes[group][at] = place;
                places[width as usize].bytes[group][16 + at] = place;
                byte += 1;
            }
            places[width as usize].bits[group][slot] = bit as u32 % 8;
            places[width as usize].bits[group][4 + slot] = bit as u32 % 8;
            number += 1;
        }
        width += 1;
    }
    places
};

/// With so many bits of a word, or fewer, one after the other is faster than byte by byte.
const FEW_BITS: u32 = 6;

/// As many in all 64 words of a window.
const FEW_POSTINGS: usize = 64 * FEW_BITS as usize;

/// For each byte the places of its set bits, ascending; what is behind them is zero.
static PLACES_OF_BITS: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut found) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte] |= bit << (8 * found);
                found += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// For each byte, at the places of its set bits how many are set before them; 0x80, which gives zero, at the others.
static RANKS_OF_BITS: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut found) = (0, 0);
        while bit < 8 {
            let is_set = byte >> bit & 1 == 1;
            table[byte] |= (if is_set { found } else { 0x80 }) << (8 * bit);
            found += is_set as u64;
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// For each byte where the numbers of 16 bits at the places of its set bits have their bytes; 0x80, which gives zero, behind them.
static BYTES_OF_BITS: [[u8; 16]; 256] = {
    let mut table = [[0x80; 16]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (places, mut found) = (PLACES_OF_BITS[byte].to_le_bytes(), 0);
        while found < byte.count_ones() as usize {
            table[byte][2 * found] = 2 * places[found];
            table[byte][2 * found + 1] = 2 * places[found] + 1;
            found += 1;
        }
        byte += 1;
    }
    table
};

#[target_feature(enable = "avx2")]
fn unpack(packed: &[u8], bits: u8, out: &mut [u16]) {
    let unpacker = Unpacker::new(bits, 0);
    let group_bytes = 2 * usize::from(bits);
    let (groups, tail) = out.as_chunks_mut::<16>();
    let mut rest = packed;
    for out in groups {
        store_u16x16(unpacker.packed_numbers(rest), out);
        rest = behind(rest, group_bytes);
    }
    if !tail.is_empty() {
        let mut numbers = [0; 16];
        store_u16x16(unpacker.packed_numbers(rest), &mut numbers);
        tail.copy_from_slice(&numbers[..tail.len()]);
    }
}

#[target_feature(enable = "avx2")]
fn unpack_ascending(packed: &[u8], bits: u8, base: u16, out: &mut [u16]) -> bool {
    let mut unpacker = Unpacker::new(bits, base);
    let len = out.len();
    let group_bytes = 2 * usize::from(bits);
    let (groups, tail) = out.as_chunks_mut::<16>();
    // Groups with 32 bytes from their first one on; what is left then is less, and read from a copy with room behind it.
    let whole = (packed.len() + group_bytes).saturating_sub(32) / group_bytes.max(1);
    let whole = whole.min(groups.len());
    let (whole, last) = groups.split_at_mut(whole);
    let mut rest = packed;
    for out in whole {
        let [even, odd] = unpacker.numbers(rest);
        rest = behind(rest, group_bytes);
        store_u16x16(unpacker.offsets(arch::_mm256_packus_epi32(even, odd)), out);
    }
    let mut padded = [0; 64];
    padded[..rest.len()].copy_from_slice(rest);
    let mut rest = &padded[..];
    for out in last {
        let [even, odd] = unpacker.numbers(rest);
        rest = behind(rest, group_bytes);
        store_u16x16(unpacker.offsets(arch::_mm256_packus_epi32(even, odd)), out);
    }
    if !tail.is_empty() {
        // Behind the last number there may be bits of anything.
        let [even, odd] = unpacker.numbers(rest);
        let gaps = arch::_mm256_packus_epi32(even, odd);
        let gaps = arch::_mm256_and_si256(gaps, first_lanes(tail.len()));
        let mut numbers = [0; 16];
        store_u16x16(unpacker.offsets(gaps), &mut numbers);
        tail.copy_from_slice(&numbers[..tail.len()]);
    }
    // Offsets wrap within 16 bits; what tells that they did is the sum of all gaps, exact.
    let total: u64 = to_u32x8(unpacker.total).iter().map(|lane| u64::from(*lane)).sum();
    total + u64::from(base) + len as u64 <= 1 << 16
}

/// [`Places`] of one width in registers, and how far the list is.
struct Unpacker {
    width: usize,
    bytes: [arch::__m256i; 2],
    shifts: [arch::__m256i; 2],
    mask: arch::__m256i,
    /// The last offset, in all lanes.
    carry: arch::__m256i,
    /// The sum of all gaps, in 8 parts.
    total: arch::__m256i,
}

impl Unpacker {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(bits: u8, base: u16) -> Self {
        let width = usize::from(bits);
        let Places { bytes, bits: shifts } = &PLACES[width];
        Self {
            width,
            bytes: [load_32(&bytes[0]), load_32(&bytes[1])],
            shifts: [load_u32x8(&shifts[0]), load_u32x8(&shifts[1])],
            mask: arch::_mm256_set1_epi32((1 << bits) - 1),
            carry: arch::_mm256_set1_epi16(base.wrapping_sub(1).cast_signed()),
            total: arch::_mm256_setzero_si256(),
        }
    }

    /// The first 16 numbers of 32 bytes, each in 32 bits: 0..4 and 8..12 in one register, 4..8 and 12..16 in the other.
    /// Packing takes the halves of both by turns, which puts them in their order.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn numbers(&self, packed: &[u8]) -> [arch::__m256i; 2] {
        let low = load_up_to_16(packed);
        let high = load_up_to_16(behind(packed, self.width));
        let both = arch::_mm256_set_m128i(high, low);
        let even = arch::_mm256_shuffle_epi8(both, self.bytes[0]);
        let odd = arch::_mm256_shuffle_epi8(both, self.bytes[1]);
        let even = arch::_mm256_srlv_epi32(even, self.shifts[0]);
        let odd = arch::_mm256_srlv_epi32(odd, self.shifts[1]);
        [arch::_mm256_and_si256(even, self.mask), arch::_mm256_and_si256(odd, self.mask)]
    }

    /// The first 16 numbers of what was packed, in their order; bytes that are not there are zero.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn packed_numbers(&self, packed: &[u8]) -> arch::__m256i {
        let mut padded = [0; 64];
        let [even, odd] = if packed.len() < 32 {
            padded[..packed.len()].copy_from_slice(packed);
            self.numbers(&padded)
        } else {
            self.numbers(packed)
        };
        arch::_mm256_packus_epi32(even, odd)
    }

    /// The offsets behind these gaps, which follow those before.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn offsets(&mut self, gaps: arch::__m256i) -> arch::__m256i {
        let lower = arch::_mm256_and_si256(gaps, arch::_mm256_set1_epi32(0xFFFF));
        let both = arch::_mm256_add_epi32(lower, arch::_mm256_srli_epi32::<16>(gaps));
        self.total = arch::_mm256_add_epi32(self.total, both);
        // Within each half.
        let sums = arch::_mm256_add_epi16(gaps, arch::_mm256_set1_epi16(1));
        let sums = arch::_mm256_add_epi16(sums, arch::_mm256_slli_si256::<2>(sums));
        let sums = arch::_mm256_add_epi16(sums, arch::_mm256_slli_si256::<4>(sums));
        let sums = arch::_mm256_add_epi16(sums, arch::_mm256_slli_si256::<8>(sums));
        // The last sum of each half, everywhere in that half; the upper half still lacks that of the lower one.
        let last = arch::_mm256_shuffle_epi8(sums, arch::_mm256_set1_epi16(0x0F0E));
        let lower = arch::_mm256_permute2x128_si256::<0x08>(last, last);
        let other = arch::_mm256_permute4x64_epi64::<0x4E>(last);
        let offsets = arch::_mm256_add_epi16(arch::_mm256_add_epi16(sums, lower), self.carry);
        self.carry = arch::_mm256_add_epi16(self.carry, arch::_mm256_add_epi16(last, other));
        offsets
    }
}

/// The first 16 bytes; those that are not there are zero.
#[inline]
#[target_feature(enable = "avx2")]
fn load_up_to_16(bytes: &[u8]) -> arch::__m128i {
    if let Some(bytes) = bytes.first_chunk() {
        return load_16(bytes);
    }
    let mut padded = [0; 16];
    padded[..bytes.len()].copy_from_slice(bytes);
    load_16(&padded)
}

/// All ones in the first `count` lanes of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes(count: usize) -> arch::__m256i {
    let mut lanes = [0; 16];
    lanes[..count].fill(u16::MAX);
    load_u16x16(&lanes)
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn bitmap_offsets(bitmap: &Bitmap, out: &mut [u16; WINDOW]) -> usize {
    if portable::count_bits(bitmap) as usize <= FEW_POSTINGS {
        return portable::bitmap_offsets(bitmap, out);
    }
    let mut found = 0;
    for (word, base) in portable::words(bitmap).zip((0..).step_by(64)) {
        found = append_bytes(word, base, out, found);
    }
    found
}

/// Appends `base` and the place of each bit of `word` to the first `found` numbers of `out`; returns how many they are
/// then. Of what is behind them, up to 64 numbers are overwritten.
#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn append_bits(word: u64, base: u16, out: &mut [u16], found: usize) -> usize {
    if word.count_ones() <= FEW_BITS {
        portable::append_bits(word, base, out, found)
    } else {
        append_bytes(word, base, out, found)
    }
}

/// As [`append_bits`], a byte at a time.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn append_bytes(word: u64, base: u16, out: &mut [u16], mut found: usize) -> usize {
    let mut base = arch::_mm_set1_epi16(base.cast_signed());
    for byte in word.to_le_bytes() {
        let places = PLACES_OF_BITS[usize::from(byte)].cast_signed();
        let places = arch::_mm_cvtepu8_epi16(arch::_mm_cvtsi64_si128(places));
        let offsets = arch::_mm_add_epi16(places, base);
        if let Some(out) = out[found..].first_chunk_mut() {
            store_u16x8(offsets, out);
        } else {
            let mut numbers = [0; 8];
            store_u16x8(offsets, &mut numbers);
            let room = out.len() - found;
            out[found..].copy_from_slice(&numbers[..room]);
        }
        found += byte.count_ones() as usize;
        base = arch::_mm_add_epi16(base, arch::_mm_set1_epi16(8));
    }
    found
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn count_bits(bitmap: &Bitmap) -> u32 {
    portable::count_bits(bitmap)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn and(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::and(bitmap, other)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn or(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::or(bitmap, other)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn and_not(bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
    portable::and_not(bitmap, other)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn ranks(bitmap: &Bitmap) -> [u16; 64] {
    portable::ranks(bitmap)
}

#[target_feature(enable = "bmi1,bmi2,popcnt")]
pub(super) fn select(bitmap: &Bitmap, ranks: &[u16; 64], indexes: &[u16], out: &mut [u16]) {
    portable::select(bitmap, ranks, indexes, out);
}

#[target_feature(enable = "bmi2")]
pub(super) fn set_bits(bitmap: &mut Bitmap, offsets: &[u16]) {
    portable::set_bits(bitmap, offsets);
}

/// Shares are computed 16 at once; sums lie apart and are changed one by one.
#[target_feature(enable = "avx2,bmi2")]
pub(super) fn add_listed(sums: &mut Sums, offsets: &[u16], impacts: &[u8], line: Line) {
    let wide = WideLine::new(line);
    let mut shares = Aligned([0; 16]);
    let (offsets, last_offsets) = offsets.as_chunks::<16>();
    let (impacts, last_impacts) = impacts.as_chunks::<16>();
    for (offsets, impacts) in offsets.iter().zip(impacts) {
        store_u16x16(wide.shares(load_16(impacts)), &mut shares.0);
        for (offset, share) in offsets.iter().zip(&shares.0) {
            portable::add_share(&mut sums[usize::from(*offset) % WINDOW], *share);
        }
    }
    portable::add_listed(sums, last_offsets, last_impacts, line);
}

/// A line as [`WideLine::shares`] wants it: the two bytes of its slope apart, each in all lanes of 16 bits.
///
/// One multiplication that keeps the upper half would do, but compilers take the zeros beside an impact for a reason to
/// widen it to 32 bits, which costs more instructions than it saves.
#[derive(Clone, Copy)]
struct WideLine {
    lower: arch::__m256i,
    upper: arch::__m256i,
    base: arch::__m256i,
}

impl WideLine {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(line: Line) -> Self {
        let [lower, upper] = line.slope.to_le_bytes();
        Self {
            lower: arch::_mm256_set1_epi16(i16::from(lower)),
            upper: arch::_mm256_set1_epi16(i16::from(upper)),
            base: arch::_mm256_set1_epi16(line.base.cast_signed()),
        }
    }

    /// The shares of 16 impacts.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn shares(self, impacts: arch::__m128i) -> arch::__m256i {
        let impacts = arch::_mm256_cvtepu8_epi16(impacts);
        let lower = arch::_mm256_mullo_epi16(impacts, self.lower);
        let upper = arch::_mm256_mullo_epi16(impacts, self.upper);
        let shares = arch::_mm256_add_epi16(arch::_mm256_srli_epi16::<8>(lower), upper);
        arch::_mm256_adds_epu16(shares, self.base)
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn add_bitmap(sums: &mut Sums, bitmap: &Bitmap, impacts: &[u8], line: Line) {
    if impacts.len() <= FEW_POSTINGS {
        return portable::add_bitmap(sums, bitmap, impacts, line);
    }
    let wide = WideLine::new(line);
    let bits = arch::_mm256_setr_epi16(
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
        2048,
        4096,
        8192,
        16384,
        i16::MIN,
    );
    let mut rest = impacts;
    for (bytes, sums) in bitmap.as_chunks::<2>().0.iter().zip(sums.as_chunks_mut().0) {
        let columns = bytes.map(|byte| take_column(byte, &mut rest).cast_signed());
        let shares = wide.shares(arch::_mm_set_epi64x(columns[1], columns[0]));
        // All ones where there is a posting.
        let mask = arch::_mm256_set1_epi16(i16::from_le_bytes(*bytes));
        let there = arch::_mm256_cmpeq_epi16(arch::_mm256_and_si256(mask, bits), bits);
        let shares = arch::_mm256_and_si256(shares, there);
        store_u16x16(arch::_mm256_adds_epu16(load_u16x16(sums), shares), sums);
    }
}

/// Takes one impact off the front of `impacts` for each bit of a byte, and puts them to the places of the bits.
#[inline]
#[target_feature(enable = "bmi2,popcnt")]
fn take_column(byte: u8, impacts: &mut &[u8]) -> u64 {
    let next = match impacts.first_chunk() {
        Some(next) => u64::from_le_bytes(*next),
        None => impacts.iter().rev().fold(0, |next, &impact| next << 8 | u64::from(impact)),
    };
    let there = arch::_pdep_u64(u64::from(byte), 0x0101_0101_0101_0101) * 0xFF;
    *impacts = behind(impacts, byte.count_ones() as usize);
    arch::_pdep_u64(next, there)
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
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
#[target_feature(enable = "avx2")]
fn sums_at_least(sums: &[u16; 64], threshold: u16) -> u64 {
    let threshold = arch::_mm256_set1_epi16(threshold.cast_signed());
    let mut word = 0;
    for sums in sums.as_chunks::<32>().0.iter().rev() {
        let [low, high] = sums.as_chunks().0 else { return 0 };
        let [low, high] = [load_u16x16(low), load_u16x16(high)];
        let low = arch::_mm256_cmpeq_epi16(arch::_mm256_max_epu16(low, threshold), low);
        let high = arch::_mm256_cmpeq_epi16(arch::_mm256_max_epu16(high, threshold), high);
        // Packing takes the halves of both registers by turns: the middle quarters change places.
        let both = arch::_mm256_permute4x64_epi64::<0xD8>(arch::_mm256_packs_epi16(low, high));
        word = word << 32 | u64::from(arch::_mm256_movemask_epi8(both).cast_unsigned());
    }
    word
}

#[target_feature(enable = "avx2")]
fn within(numbers: &[u16; WINDOW], first: u16, span: u16, out: &mut Bitmap) {
    let Some(last) = span.checked_sub(1) else { return out.fill(0) };
    let first = arch::_mm256_set1_epi16(first.cast_signed());
    let last = arch::_mm256_set1_epi16(last.cast_signed());
    for (word, numbers) in out.as_chunks_mut::<4>().0.iter_mut().zip(numbers.as_chunks::<32>().0) {
        let [low, high] = numbers.as_chunks().0 else { return };
        let low = arch::_mm256_sub_epi16(load_u16x16(low), first);
        let high = arch::_mm256_sub_epi16(load_u16x16(high), first);
        let low = arch::_mm256_cmpeq_epi16(arch::_mm256_min_epu16(low, last), low);
        let high = arch::_mm256_cmpeq_epi16(arch::_mm256_min_epu16(high, last), high);
        // As above.
        let both = arch::_mm256_permute4x64_epi64::<0xD8>(arch::_mm256_packs_epi16(low, high));
        *word = arch::_mm256_movemask_epi8(both).to_le_bytes();
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn impacts_at_least(impacts: &[u8], threshold: u8, out: &mut [u16]) -> usize {
    let threshold = arch::_mm256_set1_epi8(threshold.cast_signed());
    let mut found = 0;
    for (impacts, base) in impacts.chunks(64).zip((0..).step_by(64)) {
        let mut word = 0;
        for (impacts, shift) in impacts.chunks(32).zip([0, 32]) {
            let (impacts, there) = load_up_to_32(impacts);
            let most = arch::_mm256_max_epu8(impacts, threshold);
            let least = arch::_mm256_movemask_epi8(arch::_mm256_cmpeq_epi8(most, impacts));
            word |= u64::from(least.cast_unsigned() & there) << shift;
        }
        if word != 0 {
            found = append_bits(word, base, out, found);
        }
    }
    found
}

/// The first 32 bytes, and a bit for each of those that are there.
#[inline]
#[target_feature(enable = "avx2,bmi2")]
fn load_up_to_32(bytes: &[u8]) -> (arch::__m256i, u32) {
    if let Some(bytes) = bytes.first_chunk() {
        return (load_32(bytes), u32::MAX);
    }
    let mut padded = [0; 32];
    padded[..bytes.len()].copy_from_slice(bytes);
    (load_32(&padded), (1 << bytes.len()) - 1)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn skip_varints(bytes: &[u8], count: usize) -> Option<usize> {
    let mut left = count;
    for (bytes, index) in bytes.chunks(32).zip((0..).step_by(32)) {
        let (bytes, there) = load_up_to_32(bytes);
        let ends = !arch::_mm256_movemask_epi8(bytes).cast_unsigned() & there;
        let here = ends.count_ones() as usize;
        if left <= here {
            // The bit of the last one, put at the place of the end that it counts.
            let end = arch::_pdep_u32(1 << (left - 1), ends);
            return Some(index + end.trailing_zeros() as usize + 1);
        }
        left -= here;
    }
    None
}

/// Sixteen bytes at a time: each is taken for the end of a varint of one byte or two, and those that are none are left out.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(super) fn sum_varints(bytes: &[u8], out: &mut [u32]) -> bool {
    let (mut sum, mut wrapped) = (arch::_mm256_setzero_si256(), arch::_mm256_setzero_si256());
    let (mut found, mut previous) = (0, arch::_mm_setzero_si128());
    for (block, start) in bytes.chunks(16).zip((0..).step_by(16)) {
        if found >= out.len() {
            break;
        }
        let there = (1 << block.len()) - 1;
        let block = load_up_to_16(block);
        let before = arch::_mm_alignr_epi8::<15>(block, previous);
        let before_that = arch::_mm_alignr_epi8::<14>(block, previous);
        previous = block;
        let ends = !arch::_mm_movemask_epi8(block).cast_unsigned() & there;
        let longer = arch::_mm_and_si128(before, before_that);
        let (here, left) = (ends.count_ones() as usize, out.len() - found);
        // Those behind the last that is asked for may be anything.
        if here > left || ends & arch::_mm_movemask_epi8(longer).cast_unsigned() != 0 {
            let here = here.min(left);
            let ([last, ..], out) = (to_u32x8(sum), &mut out[found..found + here]);
            let begun = bytes[..start].iter().rev().take_while(|byte| **byte >= 0x80).count();
            let Some(last) = portable::add_varints(&bytes[start - begun..], last, out) else {
                return false;
            };
            sum = arch::_mm256_set1_epi32(last.cast_signed());
            found += here;
            continue;
        }
        let pairs =
            [arch::_mm_unpacklo_epi8(before, block), arch::_mm_unpackhi_epi8(before, block)];
        let halves = pairs.into_iter().zip([ends & 0xFF, ends >> 8]);
        for (pairs, ends) in halves {
            let numbers = ends_of_pairs(pairs);
            let places = load_16(&BYTES_OF_BITS[ends as usize & 0xFF]);
            let numbers = arch::_mm256_cvtepu16_epi32(arch::_mm_shuffle_epi8(numbers, places));
            let sums = sums_of_8(numbers);
            let rest = out.get_mut(found..).unwrap_or_default();
            store_up_to_u32x8(arch::_mm256_add_epi32(sums, sum), rest);
            let all = arch::_mm256_permutevar8x32_epi32(sums, arch::_mm256_set1_epi32(7));
            let before = sum;
            sum = arch::_mm256_add_epi32(before, all);
            // A sum that wraps is less than before.
            let less = arch::_mm256_xor_si256(arch::_mm256_max_epu32(sum, before), sum);
            wrapped = arch::_mm256_or_si256(wrapped, less);
            found += ends.count_ones() as usize;
        }
    }
    found >= out.len() && to_u32x8(wrapped)[0] == 0
}

/// The number that ends with the second byte of each pair: of two bytes if the first goes on, else that byte.
#[inline]
#[target_feature(enable = "avx2")]
fn ends_of_pairs(pairs: arch::__m128i) -> arch::__m128i {
    let of_one = arch::_mm_srli_epi16::<8>(pairs);
    let high = arch::_mm_and_si128(arch::_mm_srli_epi16::<1>(pairs), arch::_mm_set1_epi16(0x3F80));
    let low = arch::_mm_and_si128(pairs, arch::_mm_set1_epi16(0x7F));
    let goes_on = arch::_mm_srai_epi16::<15>(arch::_mm_slli_epi16::<8>(pairs));
    arch::_mm_blendv_epi8(of_one, arch::_mm_or_si128(high, low), goes_on)
}

/// For each of 8 numbers the sum of those up to it.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_of_8(numbers: arch::__m256i) -> arch::__m256i {
    let sums = arch::_mm256_add_epi32(numbers, arch::_mm256_slli_si256::<4>(numbers));
    let sums = arch::_mm256_add_epi32(sums, arch::_mm256_slli_si256::<8>(sums));
    let half = arch::_mm256_permutevar8x32_epi32(sums, arch::_mm256_set1_epi32(3));
    let half = arch::_mm256_blend_epi32::<0xF0>(arch::_mm256_setzero_si256(), half);
    arch::_mm256_add_epi32(sums, half)
}

/// Eight numbers at a time: the bytes of those that have one are put to their places.
#[target_feature(enable = "avx2")]
pub(super) fn sum_marked(marks: &[u8], bytes: &[u8], out: &mut [u32]) {
    let bits = arch::_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let one = arch::_mm256_set1_epi32(1);
    let mut sum = arch::_mm256_setzero_si256();
    let mut rest = bytes;
    for (out, marks) in out.chunks_mut(8).zip(marks.iter().chain(iter::repeat(&0))) {
        let next =
            rest.first_chunk().map_or_else(|| up_to_8(rest), |next| u64::from_le_bytes(*next));
        rest = behind(rest, marks.count_ones() as usize);
        let places = arch::_mm_set_epi64x(0, RANKS_OF_BITS[usize::from(*marks)].cast_signed());
        let more = arch::_mm_shuffle_epi8(arch::_mm_set_epi64x(0, next.cast_signed()), places);
        let marked = arch::_mm256_and_si256(arch::_mm256_set1_epi32(i32::from(*marks)), bits);
        let is_marked = arch::_mm256_cmpeq_epi32(marked, bits);
        let numbers = arch::_mm256_add_epi32(arch::_mm256_cvtepu8_epi32(more), one);
        let sums = sums_of_8(arch::_mm256_sub_epi32(numbers, is_marked));
        store_up_to_u32x8(arch::_mm256_add_epi32(sums, sum), out);
        let all = arch::_mm256_permutevar8x32_epi32(sums, arch::_mm256_set1_epi32(7));
        sum = arch::_mm256_add_epi32(sum, all);
    }
}

/// The bytes of a number of 64 bits, fewer than eight; the others are zero.
fn up_to_8(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Eight numbers at a time are compared with what is looked for.
#[target_feature(enable = "avx2")]
pub(super) fn keep_followed(firsts: &mut [u32], sums: &[u32], before: u32, distance: u32) -> usize {
    let mut rest = sums;
    let mut numbers = load_up_to_u32x8(rest);
    let mut there = (1_u32 << rest.len().min(8)) - 1;
    let mut kept = 0;
    for place in 0..firsts.len() {
        let first = firsts[place];
        let Some(wanted) = first.checked_add(distance) else { break };
        while let Some((eight, behind)) = rest.split_first_chunk::<8>()
            && eight[7].wrapping_sub(before) < wanted
        {
            rest = behind;
            numbers = load_up_to_u32x8(rest);
            there = (1 << rest.len().min(8)) - 1;
        }
        let wanted = arch::_mm256_set1_epi32(wanted.wrapping_add(before).cast_signed());
        let equal = arch::_mm256_castsi256_ps(arch::_mm256_cmpeq_epi32(numbers, wanted));
        let equal = arch::_mm256_movemask_ps(equal).cast_unsigned() & there;
        firsts[kept] = first;
        kept += usize::from(equal != 0);
    }
    kept
}

/// Eight numbers of one list and eight of another are compared each with each, without a branch that depends on them.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn count_followed(firsts: Lists<'_>, others: Lists<'_>, distance: u32, out: &mut [u32]) {
    let pairs = firsts.indexes.iter().zip(others.indexes);
    for (slot, (&first, &other)) in out.iter_mut().zip(pairs) {
        *slot = count_followed_in(&firsts, first, &others, other, distance).unwrap_or_else(|| {
            portable::count_followed_in(firsts.list(first), others.list(other), distance)
        });
    }
}

/// The count of one list; `None` where numbers would not fit 32 bits, and where there is no list of some.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn count_followed_in(
    firsts: &Lists<'_>,
    first: u16,
    others: &Lists<'_>,
    other: u16,
    distance: u32,
) -> Option<u32> {
    let (firsts, others) = (List::of(firsts, first)?, List::of(others, other)?);
    firsts.last.checked_add(distance)?;
    let mut right = others.eight(0)?;
    if firsts.len <= 8 && others.len <= 8 {
        return Some(firsts.eight(0)?.followed(&right, distance).count_ones());
    }
    let (mut count, mut right_at) = (0, 0);
    for at in (0..firsts.len).step_by(8) {
        let left = firsts.eight(at)?;
        while right.last < left.first.wrapping_add(distance) && right_at + 8 < others.len {
            right_at += 8;
            right = others.eight(right_at)?;
        }
        let mut found = left.followed(&right, distance);
        for at in (right_at + 8..others.len).step_by(8) {
            let right = others.eight(at)?;
            if right.first > left.last.wrapping_add(distance) {
                break;
            }
            found |= left.followed(&right, distance);
        }
        count += found.count_ones();
    }
    Some(count)
}

/// One of [`Lists`].
struct List<'a> {
    before: u32,
    /// Its sums, and all behind them.
    sums: &'a [u32],
    len: usize,
    last: u32,
}

/// One number to eight of a list.
struct EightOf {
    /// The numbers, the first again where there is none.
    numbers: arch::__m256i,
    /// A bit for each that is there.
    there: u32,
    first: u32,
    last: u32,
}

impl<'a> List<'a> {
    #[inline]
    fn of(lists: &Lists<'a>, index: u16) -> Option<Self> {
        let &[start, end] = lists.starts.get(usize::from(index)..)?.first_chunk()?;
        let len = end.checked_sub(start)? as usize;
        let (&before, sums) = lists.sums.get(start as usize..)?.split_first()?;
        let last = sums.get(len.checked_sub(1)?)?.wrapping_sub(before);
        Some(List { before, sums, len, last })
    }

    /// Those from an index on, which is below `len`; `None` when there are fewer sums than a register takes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(&self, at: usize) -> Option<EightOf> {
        let len = (self.len - at).min(8);
        let eight: &[u32; 8] = self.sums.get(at..)?.first_chunk()?;
        let sums = load_u32x8(eight);
        let lanes = arch::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let there = arch::_mm256_cmpgt_epi32(
            arch::_mm256_set1_epi32(i32::try_from(len).unwrap_or(8)),
            lanes,
        );
        let first = arch::_mm256_broadcastd_epi32(arch::_mm256_castsi256_si128(sums));
        let sums = arch::_mm256_blendv_epi8(first, sums, there);
        let before = arch::_mm256_set1_epi32(self.before.cast_signed());
        Some(EightOf {
            numbers: arch::_mm256_sub_epi32(sums, before),
            there: (1 << len) - 1,
            first: eight[0].wrapping_sub(self.before),
            last: eight[len - 1].wrapping_sub(self.before),
        })
    }
}

impl EightOf {
    /// A bit for each number that one of the others is `distance` higher than.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn followed(&self, others: &EightOf, distance: u32) -> u32 {
        let distance = arch::_mm256_set1_epi32(distance.cast_signed());
        let wanted = arch::_mm256_add_epi32(self.numbers, distance);
        let turn = arch::_mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0);
        let mut others = others.numbers;
        let mut found = arch::_mm256_cmpeq_epi32(wanted, others);
        for _ in 1..8 {
            others = arch::_mm256_permutevar8x32_epi32(others, turn);
            found = arch::_mm256_or_si256(found, arch::_mm256_cmpeq_epi32(wanted, others));
        }
        let found = arch::_mm256_movemask_ps(arch::_mm256_castsi256_ps(found));
        found.cast_unsigned() & self.there
    }
}
