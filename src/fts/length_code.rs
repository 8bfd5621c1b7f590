//! One byte for the length of a field: exact for short fields, at most an eighth below the truth
//! for long ones.
//!
//! Norms store this byte per document and field, and scoring decodes it through [`DECODED`]. The
//! semantics are exactly those of Lucene's `SmallFloat.intToByte4` and `byte4ToInt`, so that scores
//! can be compared with Lucene's.
//!
//! ```text
//! length < 24   code = length
//! otherwise     rest = length − 24
//!   rest < 8    code = 24 + rest
//!   else        rest = 1mmm… in binary: keep the leading one and the three bits mmm below it,
//!               cut the `shift` bits below those off;  code = 24 + (mmm | (shift + 1) << 3)
//! ```
//! Invariants: all 256 codes are used and stand for strictly growing lengths; `encode` never falls
//! when the length grows; `decode(encode(length)) ≤ length`; `encode(decode(code)) == code`.
//! Lengths above `i32::MAX` get the code 255. Cost: a few instructions to encode, one look-up to
//! decode. Lengths below 40 are exact. Every code's length:
#![doc = include_str!("../../docs/format/length-code.md")]

/// Codes below this are the length itself: what the float part (0..=231 for numbers of 31 bits)
/// leaves of a byte.
const FREE: u32 = 24;
/// Lucene counts lengths in signed integers.
const LENGTH_MAX: u32 = i32::MAX.unsigned_abs();

/// The length that each code stands for.
pub const DECODED: [u32; 256] = decoded();

/// The code of the longest length that has one and is not above `length`.
pub const fn encode(length: u32) -> u8 {
    let length = if length > LENGTH_MAX { LENGTH_MAX } else { length };
    if length < FREE {
        return low_byte(length);
    }
    let rest = length - FREE;
    let bits = u32::BITS - rest.leading_zeros();
    if bits < 4 {
        return low_byte(FREE + rest);
    }
    let shift = bits - 4;
    low_byte(FREE + ((rest >> shift) & 0b111 | (shift + 1) << 3))
}

/// The length that `code` stands for.
pub const fn decode(code: u8) -> u32 {
    DECODED[code as usize]
}

/// `code` as a byte; callers pass at most 255.
const fn low_byte(code: u32) -> u8 {
    debug_assert!(code <= 255);
    code.to_le_bytes()[0]
}

const fn decoded() -> [u32; 256] {
    let mut lengths = [0; 256];
    let mut code = 0;
    let mut index = 0;
    while index < lengths.len() {
        lengths[index] = length_of(code);
        code += 1;
        index += 1;
    }
    lengths
}

const fn length_of(code: u32) -> u32 {
    if code < FREE {
        return code;
    }
    let (exponent, mantissa) = ((code - FREE) >> 3, (code - FREE) & 0b111);
    match exponent {
        0 => FREE + mantissa,
        _ => FREE + ((0b1000 | mantissa) << (exponent - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow twin, without a bit trick: the lengths that have a code, counted up in growing
    /// steps.
    fn lengths_by_counting() -> Vec<u32> {
        let mut lengths: Vec<u32> = (0..=40).collect();
        let mut step = 2;
        while lengths.len() < 256 {
            for _ in 0..8 {
                lengths.push(lengths[lengths.len() - 1] + step);
            }
            step *= 2;
        }
        lengths.truncate(256);
        lengths
    }

    fn slow_encode(length: u32, lengths: &[u32]) -> u8 {
        let above = lengths.partition_point(|&known| known <= length);
        u8::try_from(above - 1).unwrap()
    }

    #[test]
    fn codes_stand_for_lucenes_lengths() {
        assert_eq!(DECODED[..40], (0..40).collect::<Vec<_>>());
        assert_eq!(DECODED[40..48], [40, 42, 44, 46, 48, 50, 52, 54]);
        assert_eq!(DECODED[48..52], [56, 60, 64, 68]);
        assert_eq!(DECODED[255], 2_013_265_944);
    }

    #[test]
    fn every_code_is_strictly_above_the_one_before_and_its_own_encoding() {
        for (code, pair) in DECODED.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "code {code}");
        }
        for code in 0..=255 {
            assert_eq!(encode(decode(code)), code);
        }
    }

    #[test]
    fn encoding_equals_the_slow_twin() {
        let lengths = lengths_by_counting();
        assert_eq!(lengths, DECODED);
        for length in 0..3_000_000 {
            assert_eq!(encode(length), slow_encode(length, &lengths), "length {length}");
        }
        // Above, the code can change only at a length of the table.
        for &border in &lengths {
            for length in border.saturating_sub(1)..=border + 1 {
                assert_eq!(encode(length), slow_encode(length, &lengths), "length {length}");
            }
        }
        assert_eq!(encode(u32::MAX), 255);
    }

    #[test]
    fn the_page_shows_the_table() {
        let page = include_str!("../../docs/format/length-code.md");
        let shown: Vec<u32> = page
            .lines()
            .skip_while(|line| !line.starts_with("| row"))
            .skip(2)
            .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
            .flat_map(|(_row, lengths)| lengths.split(" | "))
            .map(|length| length.parse().unwrap())
            .collect();
        assert_eq!(shown, DECODED);
    }
}
