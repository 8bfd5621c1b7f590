//! Numbers of some fixed count of bits each, side by side, from the lowest bit of the first byte on.
//!
//! Dictionaries keep their gaps so, and rows their ordinals, which are read where they stand ([`Packed`]). Unlike those of
//! `kernels`, numbers have up to 64 bits. The last byte is filled up with zeros, and a reader insists on that. Cost: one or two
//! nanoseconds a number in either direction, a fraction of one where many of at most 16 bits are read together.

use std::ops::Range;

use bytes::Bytes;

use crate::kernels::Kernels;
use crate::lsm::{ByteReader, Result};

/// Numbers of at most 32 bits where they stand among the bytes of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    bytes: Bytes,
    count: usize,
    width: u8,
    mask: u32,
}

/// Numbers that begin with a byte, whatever their width.
pub(super) const ALIGNED: usize = 8;

/// The greatest width of [`Packed`] numbers, and of those that kernels know.
const WIDTH_MAX: u8 = 32;
const NARROW_WIDTH_MAX: u8 = 16;

impl Packed {
    /// Takes `count` numbers of `width` bits from a reader of `whole`.
    ///
    /// # Errors
    /// Those of [`unpack`], and corruption for a width above 32 bits.
    pub(super) fn take(
        reader: &mut ByteReader<'_>,
        whole: &Bytes,
        count: usize,
        width: u8,
    ) -> Result<Self> {
        if width > WIDTH_MAX {
            return Err(reader.error(format_args!("numbers of {width} bits")));
        }
        let bytes = whole.slice_ref(take_packed(reader, count, width)?);
        let mask = if width == 0 { 0 } else { u32::MAX >> (WIDTH_MAX - width) };
        Ok(Packed { bytes, count, width, mask })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The number at an index; 0 behind the last.
    #[inline]
    pub(super) fn get(&self, index: usize) -> u32 {
        if index >= self.count {
            return 0;
        }
        let bit = index * usize::from(self.width);
        let [a, b, c, d, ..] = (word_at(&self.bytes, bit / 8) >> (bit % 8)).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) & self.mask
    }

    /// Appends the numbers of a range.
    pub(super) fn read(&self, range: Range<usize>, out: &mut Vec<u32>) {
        let end = range.end.min(self.count);
        if self.width > NARROW_WIDTH_MAX {
            return out.extend((range.start..end).map(|index| self.get(index)));
        }
        let mut numbers = [0; 256];
        let mut at = range.start;
        while at < end {
            let skipped = at % ALIGNED;
            let len = (end - at + skipped).min(numbers.len());
            let Some(read) = numbers.get_mut(..len).filter(|_| len > skipped) else { return };
            if !self.read_narrow(at - skipped, read) {
                return;
            }
            out.extend(read.iter().skip(skipped).map(|&number| u32::from(number)));
            at += len - skipped;
        }
    }

    /// Reads the numbers from an index on, which is a multiple of [`ALIGNED`]; whether they are there and have at most 16 bits.
    pub(super) fn read_narrow(&self, start: usize, out: &mut [u16]) -> bool {
        let is_inside = start.is_multiple_of(ALIGNED)
            && start.checked_add(out.len()).is_some_and(|end| end <= self.count);
        let width = usize::from(self.width);
        let first = start / ALIGNED * width;
        let bytes = self.bytes.get(first..first + (out.len() * width).div_ceil(8));
        let bytes = bytes.filter(|_| is_inside);
        bytes.is_some_and(|bytes| Kernels::best().unpack(bytes, self.width, out))
    }
}

/// Bits that numbers up to `greatest` need.
pub(super) fn width(greatest: u64) -> u8 {
    let bits = u64::BITS - greatest.leading_zeros();
    u8::try_from(bits).expect("invariant: at most 64")
}

/// Bytes that `count` numbers of `width` bits take.
pub(super) fn packed_bytes(count: usize, width: u8) -> usize {
    (count * usize::from(width)).div_ceil(8)
}

/// Appends numbers that fit into `width` bits.
pub(super) fn pack(numbers: impl Iterator<Item = u64>, width: u8, out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0_u128, 0_u8);
    for number in numbers {
        debug_assert!(width == 64 || number >> width == 0, "{number} in {width} bits");
        word |= u128::from(number) << filled;
        filled += width;
        while filled >= 8 {
            out.push(word.to_le_bytes()[0]);
            word >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(word.to_le_bytes()[0]);
    }
}

/// Reads `count` numbers of `width` bits; nothing is allocated.
///
/// # Errors
/// Corruption when there are not so many bytes, or when what fills the last one up is not zero.
pub(super) fn unpack<'a>(
    reader: &mut ByteReader<'a>,
    count: usize,
    width: u8,
) -> Result<impl Iterator<Item = u64> + use<'a>> {
    let bytes = take_packed(reader, count, width)?;
    let mask = mask(width);
    Ok((0..count).map(move |index| {
        let bit = index * usize::from(width);
        let (at, shift) = (bit / 8, bit % 8);
        let mut number = word_at(bytes, at) >> shift;
        if shift + usize::from(width) > 64 {
            let beyond = bytes.get(at + 8).copied().unwrap_or_default();
            number |= u64::from(beyond) << (64 - shift);
        }
        number & mask
    }))
}

/// The bytes of so many numbers.
fn take_packed<'a>(reader: &mut ByteReader<'a>, count: usize, width: u8) -> Result<&'a [u8]> {
    let bits = count.checked_mul(usize::from(width)).filter(|_| width <= 64);
    let Some(bits) = bits else {
        return Err(reader.error(format_args!("{count} numbers of {width} bits")));
    };
    let bytes = reader.take(bits.div_ceil(8))?;
    let left_over = bytes.last().map_or(0, |&last| u16::from(last) >> ((bits + 7) % 8 + 1));
    if left_over != 0 {
        return Err(reader.error("bits behind the last number"));
    }
    Ok(bytes)
}

#[inline]
fn mask(width: u8) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width) }
}

/// The 8 bytes from `at` on; those that are not there are zero.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back_as_they_went() {
        let mut rng = fastrand::Rng::with_seed(8);
        for bits in 0..=64_u8 {
            let greatest = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
            assert_eq!(width(greatest), bits);
            for count in (0..20).chain([255, 256, 257, 600]) {
                let numbers: Vec<u64> = (0..count).map(|_| rng.u64(..) & greatest).collect();
                let mut out = Vec::new();
                pack(numbers.iter().copied(), bits, &mut out);
                assert_eq!(out.len(), packed_bytes(count, bits));
                let mut reader = ByteReader::new("test", &out);
                assert!(unpack(&mut reader, count, bits).unwrap().eq(numbers.iter().copied()));
                reader.expect_end().unwrap();
                let whole = Bytes::from(out.clone());
                let mut reader = ByteReader::new("test", &whole);
                let Ok(packed) = Packed::take(&mut reader, &whole, count, bits) else {
                    assert!(bits > 32);
                    continue;
                };
                for start in (0..=count).step_by(1 + count / 30) {
                    let mut read = Vec::new();
                    packed.read(start..count + 3, &mut read);
                    let got = (start..count).map(|at| packed.get(at));
                    assert!(got.eq(read.iter().copied()) && read.len() == count - start);
                    assert!(
                        read.iter()
                            .map(|&number| u64::from(number))
                            .eq(numbers[start..].iter().copied())
                    );
                }
                assert_eq!(packed.get(count), 0);
            }
        }
    }

    #[test]
    fn missing_bytes_and_bits_behind_the_end_are_errors() {
        let bad = |bytes: &[u8], count, width| {
            unpack(&mut ByteReader::new("test", bytes), count, width).is_err()
        };
        assert!(!bad(&[0b0000_0101], 1, 3) && bad(&[0b0000_1101], 1, 3));
        assert!(!bad(&[0xFF], 1, 8) && bad(&[0xFF], 2, 8) && bad(&[0xFF; 9], 1, 65));
        assert!(bad(&[0xFF], usize::MAX, 8));
    }
}
