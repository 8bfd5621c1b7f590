//! Numbers of some fixed count of bits each, side by side, from the lowest bit of the first byte on.
//!
//! Dictionaries keep their gaps so, and rows their ordinals. Unlike those of `kernels`, numbers have up to 64 bits. The last byte
//! is filled up with zeros, and a reader insists on that. Cost: one or two nanoseconds a number in either direction.

use crate::lsm::{ByteReader, Result};

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
    let bits = count.checked_mul(usize::from(width)).filter(|_| width <= 64);
    let Some(bits) = bits else {
        return Err(reader.error(format_args!("{count} numbers of {width} bits")));
    };
    let bytes = reader.take(bits.div_ceil(8))?;
    let left_over = bytes.last().map_or(0, |&last| u16::from(last) >> ((bits + 7) % 8 + 1));
    if left_over != 0 {
        return Err(reader.error("bits behind the last number"));
    }
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
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
            for count in 0..20 {
                let numbers: Vec<u64> = (0..count).map(|_| rng.u64(..) & greatest).collect();
                let mut out = Vec::new();
                pack(numbers.iter().copied(), bits, &mut out);
                assert_eq!(out.len(), packed_bytes(count, bits));
                let mut reader = ByteReader::new("test", &out);
                assert!(unpack(&mut reader, count, bits).unwrap().eq(numbers));
                reader.expect_end().unwrap();
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
