//! What `$mod`, `$size` and the comparisons ask of a number: its whole part, and whether it is NaN.
//!
//! Called by the conditions on documents' values and by the compiler on operands. Doubles and
//! Decimal128 are taken apart by their bits, which is exact and allocates nothing; a decimal as text
//! would be a string for each document.
//!
//! Source: IEEE 754-2008, binary64 and decimal128 with a binary integer significand. As in the
//! `bson` crate a coefficient above the largest counts as 0.

use super::super::compare::compare;
use bson::RawBsonRef;
use std::cmp::Ordering;

/// The number without its fraction, or `None` for what is no number, not finite, or beyond 64 bits.
pub(super) fn truncated(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(value) => Some(value.into()),
        RawBsonRef::Int64(value) => Some(value),
        RawBsonRef::Double(value) => truncated_double(value.to_bits()),
        RawBsonRef::Decimal128(value) => truncated_decimal(u128::from_le_bytes(value.bytes())),
        _ => None,
    }
}

/// The number if it has no fraction, else as [`truncated`].
pub(super) fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    truncated(value).filter(|&whole| compare(value, RawBsonRef::Int64(whole)) == Ordering::Equal)
}

/// Whether the value is a NaN of either kind.
pub(super) fn is_nan(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Double(value) => value.is_nan(),
        RawBsonRef::Decimal128(value) => {
            (u128::from_le_bytes(value.bytes()) >> 122) & 0b1_1111 == 0b1_1111
        }
        _ => false,
    }
}

/// Takes apart `sign:1 exponent:11 significand:52`.
fn truncated_double(bits: u64) -> Option<i64> {
    let significand = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let magnitude = match (bits >> 52) & 0x7ff {
        0..1023 => 0,
        exponent @ 1023..1075 => significand >> (1075 - exponent),
        exponent @ 1075..1087 => significand << (exponent - 1075),
        _ => return None,
    };
    i64::try_from(if bits >> 63 == 1 { -magnitude } else { magnitude }).ok()
}

/// Takes apart `sign:1 exponent:14 coefficient:113`; what starts with 11 behind the sign is a
/// special value or has a coefficient above the largest.
fn truncated_decimal(bits: u128) -> Option<i64> {
    const COEFFICIENT_MAX: u128 = 10u128.pow(34) - 1;
    const EXPONENT_BIAS: u32 = 6176;
    if (bits >> 123) & 0b1111 == 0b1111 {
        return None;
    }
    let coefficient = bits & ((1 << 113) - 1);
    if (bits >> 125) & 0b11 == 0b11 || coefficient == 0 || coefficient > COEFFICIENT_MAX {
        return Some(0);
    }
    let exponent = u32::try_from((bits >> 113) & 0x3fff).expect("invariant: 14 bits");
    let magnitude = match exponent.checked_sub(EXPONENT_BIAS) {
        Some(zeros) => 10u128.checked_pow(zeros)?.checked_mul(coefficient)?,
        None => 10u128.checked_pow(EXPONENT_BIAS - exponent).map_or(0, |scale| coefficient / scale),
    };
    let magnitude = i128::try_from(magnitude).ok()?;
    i64::try_from(if bits >> 127 == 1 { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::Samples;
    use super::*;
    use bson::Bson;

    /// The whole part as text gives it: digits before the point, once the exponent is written out.
    fn from_text(value: &Bson) -> Option<i64> {
        let text = match value {
            Bson::Double(value) => format!("{value:.1074}"),
            value => value.to_string(),
        };
        let (negative, text) = text.strip_prefix('-').map_or((false, &*text), |text| (true, text));
        let (digits, exponent) = text.split_once('E').unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().ok()?;
        let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
        if !before.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut all = format!("{before}{after}");
        let point = i64::try_from(before.len()).expect("short") + exponent;
        if all.trim_start_matches('0').is_empty() || point <= 0 {
            return Some(0);
        }
        let point = usize::try_from(point).expect("positive");
        while all.len() < point {
            all.push('0');
        }
        let whole: i128 = all[..point].parse().ok()?;
        i64::try_from(if negative { -whole } else { whole }).ok()
    }

    #[test]
    fn the_whole_part_of_any_number_is_what_its_text_says() {
        let mut samples = Samples::new(31);
        let mut finite = 0;
        for _ in 0..20_000 {
            let value = samples.number();
            let raw = bson::RawBson::try_from(value.clone()).expect("a number");
            let found = truncated(raw.as_raw_bson_ref());
            assert_eq!(found, from_text(&value), "{value:?}");
            finite += usize::from(found.is_some_and(|found| found != 0));
            assert_eq!(is_nan(raw.as_raw_bson_ref()), value.to_string() == "NaN", "{value:?}");
        }
        assert!(finite > 5_000, "{finite} of the samples have a whole part");
    }

    #[test]
    fn only_numbers_without_a_fraction_are_whole() {
        assert_eq!(whole(RawBsonRef::Double(-3.0)), Some(-3));
        assert_eq!(whole(RawBsonRef::Double(3.5)), None);
        assert_eq!(whole(RawBsonRef::Double(f64::NAN)), None);
        assert_eq!(whole(RawBsonRef::Decimal128("3.00".parse().expect("a decimal"))), Some(3));
        assert_eq!(whole(RawBsonRef::Decimal128("3E-1".parse().expect("a decimal"))), None);
        assert_eq!(whole(RawBsonRef::String("3")), None);
    }
}
