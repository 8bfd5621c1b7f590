//! Bytes that sort as the values do: `sort_key(a) < sort_key(b)` exactly when `compare(a, b)` is
//! `Less`.
//!
//! Called for the keys of the `ids` and `value` keyspaces and for the ranges of such keys that a
//! filter asks for; calls [`super::compare`] only for its
//! exact decimal digits. Keys are one-way: the value is read from the document, never from its key.
#![doc = include_str!("../../docs/format/sort_key.md")]
//!
//! Cost: one pass over the value. Nothing is allocated except for pointers and for a Decimal128
//! that is no whole number below 2^64. Recursion is bounded by [`NESTING_MAX`].

use super::compare::{Digits, pointer_bytes};
use super::error::{Error, Result};
use super::validate::NESTING_MAX;
use bson::{Decimal128, RawBsonRef, RawDocument};
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// First bytes; the format page is their home.
mod tag {
    pub(super) const END: u8 = 0x00;
    pub(super) const MIN_KEY: u8 = 0x08;
    pub(super) const NULL: u8 = 0x0C;
    pub(super) const NAN: u8 = 0x10;
    pub(super) const NEGATIVE_INFINITY: u8 = 0x11;
    pub(super) const ZERO: u8 = 0x1D;
    pub(super) const INFINITY: u8 = 0x29;
    /// Distance from `ZERO` for magnitudes below 1; whole parts of n bytes are n further.
    pub(super) const BELOW_ONE: u8 = 1;
    /// Distance from `ZERO` for magnitudes of 2^64 and above.
    pub(super) const LARGE: u8 = 11;
    pub(super) const STRING: u8 = 0x30;
    pub(super) const DOCUMENT: u8 = 0x34;
    pub(super) const ARRAY: u8 = 0x38;
    pub(super) const BINARY: u8 = 0x3C;
    pub(super) const OBJECT_ID: u8 = 0x40;
    pub(super) const BOOLEAN: u8 = 0x44;
    pub(super) const DATE: u8 = 0x48;
    pub(super) const TIMESTAMP: u8 = 0x4C;
    pub(super) const REGEX: u8 = 0x50;
    pub(super) const POINTER: u8 = 0x54;
    pub(super) const CODE: u8 = 0x58;
    pub(super) const CODE_WITH_SCOPE: u8 = 0x5C;
    pub(super) const MAX_KEY: u8 = 0xF0;
}

/// Appends the sort key of `value` to `out`.
///
/// ```
/// use alluvium::bson::{RawBsonRef, sort_key};
///
/// let key = |value| {
///     let mut out = Vec::new();
///     sort_key(value, &mut out).map(|()| out)
/// };
/// assert!(key(RawBsonRef::Int32(7))? < key(RawBsonRef::Double(7.5))?);
/// assert_eq!(key(RawBsonRef::Int32(7))?, key(RawBsonRef::Double(7.0))?);
/// assert_eq!(key(RawBsonRef::Int32(7))?, [0x1F, 14]);
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unreadable`] or [`Error::TooDeep`], and neither for a value of a validated document;
/// `out` is then as it was before.
pub fn sort_key(value: RawBsonRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let done = put_value(value, 1, out);
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// The first bytes of the keys of all values that have an order with `value`, which NaN has with no
/// number.
pub(super) fn first_bytes(value: RawBsonRef<'_>) -> RangeInclusive<u8> {
    match type_tag(value) {
        tag::NAN => tag::NEGATIVE_INFINITY..=tag::INFINITY,
        tag => tag..=tag,
    }
}

/// What the keys of exactly those strings and symbols start with whose bytes start with `text`.
pub(super) fn string_prefix(text: &[u8]) -> Vec<u8> {
    let mut out = vec![tag::STRING];
    put_escaped(text, &mut out);
    out
}

fn put_value(value: RawBsonRef<'_>, level: usize, out: &mut Vec<u8>) -> Result<()> {
    use RawBsonRef as V;
    let tag = type_tag(value);
    match value {
        V::Int32(value) => put_integer(value.into(), out),
        V::Int64(value) => put_integer(value, out),
        V::Double(value) => put_double(value, out),
        V::Decimal128(value) => put_decimal(value, out),
        _ => out.push(tag),
    }
    match value {
        // These are their tag, or were written with it above.
        V::MinKey
        | V::MaxKey
        | V::Null
        | V::Undefined
        | V::Int32(_)
        | V::Int64(_)
        | V::Double(_)
        | V::Decimal128(_) => {}
        V::String(text) | V::Symbol(text) | V::JavaScriptCode(text) => put_text(text, out),
        V::Document(document) => put_document(document, level, out)?,
        V::Array(array) => {
            check_level(level)?;
            for element in array {
                put_value(element?, level + 1, out)?;
            }
            out.push(tag::END);
        }
        V::Binary(binary) => {
            put_length(binary.bytes.len(), out);
            out.push(binary.subtype.into());
            out.extend_from_slice(binary.bytes);
        }
        V::ObjectId(id) => out.extend_from_slice(&id.bytes()),
        V::Boolean(value) => out.push(value.into()),
        V::DateTime(date) => {
            // With its sign bit flipped, a signed integer sorts as an unsigned one.
            let millis = date.timestamp_millis() ^ i64::MIN;
            out.extend_from_slice(&millis.to_be_bytes());
        }
        V::Timestamp(timestamp) => {
            out.extend_from_slice(&timestamp.time.to_be_bytes());
            out.extend_from_slice(&timestamp.increment.to_be_bytes());
        }
        V::RegularExpression(regex) => {
            put_cstring(regex.pattern.as_str(), out);
            put_cstring(regex.options.as_str(), out);
        }
        V::DbPointer(pointer) => {
            let bytes = pointer_bytes(pointer);
            put_length(bytes.len(), out);
            out.extend_from_slice(&bytes);
        }
        V::JavaScriptCodeWithScope(code) => {
            put_text(code.code, out);
            put_document(code.scope, level, out)?;
        }
    }
    Ok(())
}

/// The tag of a value's type; all numbers share the lowest of theirs.
fn type_tag(value: RawBsonRef<'_>) -> u8 {
    use RawBsonRef as V;
    match value {
        V::MinKey => tag::MIN_KEY,
        V::Null | V::Undefined => tag::NULL,
        V::Int32(_) | V::Int64(_) | V::Double(_) | V::Decimal128(_) => tag::NAN,
        V::String(_) | V::Symbol(_) => tag::STRING,
        V::Document(_) => tag::DOCUMENT,
        V::Array(_) => tag::ARRAY,
        V::Binary(_) => tag::BINARY,
        V::ObjectId(_) => tag::OBJECT_ID,
        V::Boolean(_) => tag::BOOLEAN,
        V::DateTime(_) => tag::DATE,
        V::Timestamp(_) => tag::TIMESTAMP,
        V::RegularExpression(_) => tag::REGEX,
        V::DbPointer(_) => tag::POINTER,
        V::JavaScriptCode(_) => tag::CODE,
        V::JavaScriptCodeWithScope(_) => tag::CODE_WITH_SCOPE,
        V::MaxKey => tag::MAX_KEY,
    }
}

fn check_level(level: usize) -> Result<()> {
    if level > NESTING_MAX {
        return Err(Error::TooDeep { nesting_max: NESTING_MAX });
    }
    Ok(())
}

fn put_document(document: &RawDocument, level: usize, out: &mut Vec<u8>) -> Result<()> {
    check_level(level)?;
    for field in document {
        let (name, value) = field?;
        out.push(type_tag(value));
        put_cstring(name.as_str(), out);
        put_value(value, level + 1, out)?;
    }
    out.push(tag::END);
    Ok(())
}

/// Text that may hold NUL: 00 becomes 00 FF, and 00 01 ends it.
fn put_text(text: &str, out: &mut Vec<u8>) {
    put_escaped(text.as_bytes(), out);
    out.extend_from_slice(&[0x00, 0x01]);
}

fn put_escaped(text: &[u8], out: &mut Vec<u8>) {
    for (at, part) in text.split(|&byte| byte == 0).enumerate() {
        if at > 0 {
            out.extend_from_slice(&[0x00, 0xFF]);
        }
        out.extend_from_slice(part);
    }
}

/// Text that cannot hold NUL.
fn put_cstring(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn put_length(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len).expect("invariant: a value is shorter than 2^31 bytes");
    out.extend_from_slice(&len.to_be_bytes());
}

fn put_integer(value: i64, out: &mut Vec<u8>) {
    if value == 0 {
        out.push(tag::ZERO);
    } else {
        put_whole(value < 0, value.unsigned_abs(), None, out);
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

fn put_double(value: f64, out: &mut Vec<u8>) {
    let negative = value.is_sign_negative();
    let magnitude = value.abs();
    if value.is_nan() {
        out.push(tag::NAN);
    } else if magnitude == 0.0 {
        out.push(tag::ZERO);
    } else if magnitude.is_infinite() {
        out.push(if negative { tag::NEGATIVE_INFINITY } else { tag::INFINITY });
    } else if magnitude < 1.0 {
        put_rest(negative, tag::BELOW_ONE, &Rest::exact(magnitude), out);
    } else if magnitude >= TWO_TO_64 {
        put_rest(negative, tag::LARGE, &Rest::exact(magnitude), out);
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 ≤ magnitude < 2^64 was checked above"
        )]
        let whole = magnitude.trunc() as u64;
        let rest = (magnitude > magnitude.trunc()).then(|| Rest::exact(magnitude));
        put_whole(negative, whole, rest.as_ref(), out);
    }
}

const COEFFICIENT_MAX: u128 = 10u128.pow(34) - 1;
const EXPONENT_BIAS: i32 = 6176;

/// The fields of a Decimal128, from the top: sign 1 bit, exponent 14 bits, coefficient 113 bits.
/// Top bits 11 mean infinity, NaN or a coefficient too large to be canonical, which counts as zero.
fn put_decimal(value: Decimal128, out: &mut Vec<u8>) {
    let bits = u128::from_le_bytes(value.bytes());
    let negative = bits >> 127 == 1;
    let mut coefficient = bits & ((1 << 113) - 1);
    match (bits >> 122) & 0x1F {
        0x1F => return out.push(tag::NAN),
        0x1E => {
            return out.push(if negative { tag::NEGATIVE_INFINITY } else { tag::INFINITY });
        }
        top if top >> 3 == 3 => coefficient = 0,
        _ => {}
    }
    if coefficient == 0 || coefficient > COEFFICIENT_MAX {
        return out.push(tag::ZERO);
    }
    let field = u16::try_from((bits >> 113) & 0x3FFF).expect("invariant: 14 bits");
    let mut exponent = i32::from(field) - EXPONENT_BIAS;
    while coefficient.is_multiple_of(10) {
        coefficient /= 10;
        exponent += 1;
    }
    let power = 10u128.checked_pow(exponent.unsigned_abs());
    // The whole part; None when it has no u128. Without trailing zeros, a negative exponent means a
    // fraction.
    let whole = match (exponent < 0, power) {
        (true, power) => Some(power.map_or(0, |power| coefficient / power)),
        (false, power) => power.and_then(|power| coefficient.checked_mul(power)),
    };
    match whole.and_then(|whole| u64::try_from(whole).ok()) {
        Some(0) => {
            put_rest(negative, tag::BELOW_ONE, &Rest::of_decimal(coefficient, exponent), out);
        }
        Some(whole) if exponent >= 0 => put_whole(negative, whole, None, out),
        Some(whole) => {
            let rest = Rest::of_decimal(coefficient, exponent);
            put_whole(negative, whole, Some(&rest), out);
        }
        None => put_rest(negative, tag::LARGE, &Rest::of_decimal(coefficient, exponent), out),
    }
}

/// What tells apart magnitudes with the same whole part: the largest double that is not above the
/// magnitude and, when that is not the magnitude itself, its decimal digits.
struct Rest {
    floor: f64,
    decimal: Option<(u128, i32)>,
}

impl Rest {
    fn exact(magnitude: f64) -> Self {
        Self { floor: magnitude, decimal: None }
    }

    fn of_decimal(coefficient: u128, exponent: i32) -> Self {
        let text = format!("{coefficient}E{exponent}");
        let nearest: f64 = text.parse().expect("invariant: digits and an exponent are a number");
        let order = if nearest.is_infinite() {
            Ordering::Greater
        } else {
            Digits::of_double(nearest).cmp(&Digits::parse(&text))
        };
        // A Decimal128 far below every double meets 0, whose digits have no order of their own.
        match order {
            _ if nearest == 0.0 => Self { floor: 0.0, decimal: Some((coefficient, exponent)) },
            Ordering::Equal => Self::exact(nearest),
            Ordering::Less => Self { floor: nearest, decimal: Some((coefficient, exponent)) },
            Ordering::Greater => {
                Self { floor: nearest.next_down(), decimal: Some((coefficient, exponent)) }
            }
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.floor.to_bits().to_be_bytes());
        let Some((coefficient, exponent)) = self.decimal else {
            return out.push(0);
        };
        out.push(1);
        let digits = coefficient.to_string().into_bytes();
        // 0.d₁d₂… × 10^scale; scale lies in -6175..=6145.
        let scale = exponent + i32::try_from(digits.len()).expect("invariant: at most 34 digits");
        let biased = u16::try_from(scale + EXPONENT_BIAS).expect("invariant: scale ≥ -6175");
        out.extend_from_slice(&biased.to_be_bytes());
        for pair in digits.chunks(2) {
            let (tens, ones) = match *pair {
                [tens, ones] => (tens - b'0', ones - b'0'),
                [tens] => (tens - b'0', 0),
                _ => (0, 0),
            };
            out.push(1 + tens * 10 + ones);
        }
        out.push(0);
    }
}

/// A magnitude with a whole part of at least 1: the whole part and a bit that says whether `rest`
/// follows.
fn put_whole(negative: bool, whole: u64, rest: Option<&Rest>, out: &mut Vec<u8>) {
    let flagged = (u128::from(whole) << 1) | u128::from(rest.is_some());
    let bytes = flagged.to_be_bytes();
    let leading = bytes.iter().take_while(|&&byte| byte == 0).count();
    let width = u8::try_from(bytes.len() - leading).expect("invariant: 1..=9 bytes");
    put_signed(negative, tag::BELOW_ONE + width, out, |out| {
        out.extend(bytes.iter().skip(leading));
        if let Some(rest) = rest {
            rest.put(out);
        }
    });
}

/// A magnitude below 1, or of 2^64 and above.
fn put_rest(negative: bool, distance: u8, rest: &Rest, out: &mut Vec<u8>) {
    put_signed(negative, distance, out, |out| rest.put(out));
}

/// The tag at `distance` from zero on the side of the sign, and a body that is inverted below zero.
fn put_signed(negative: bool, distance: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(if negative { tag::ZERO - distance } else { tag::ZERO + distance });
    let start = out.len();
    body(out);
    if negative {
        out.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::samples::Samples;
    use super::*;
    use bson::{Bson, RawDocumentBuf};

    fn value(document: &RawDocumentBuf) -> RawBsonRef<'_> {
        document.get("v").expect("valid").expect("has v")
    }

    fn key(document: &RawDocumentBuf) -> Vec<u8> {
        let mut out = Vec::new();
        sort_key(value(document), &mut out).expect("valid");
        out
    }

    /// Every pair of `documents` sorts by key as it compares, and no key is a prefix of another.
    fn check_all_pairs(documents: &[RawDocumentBuf]) {
        let keys: Vec<Vec<u8>> = documents.iter().map(key).collect();
        for (a, a_key) in documents.iter().zip(&keys) {
            for (b, b_key) in documents.iter().zip(&keys) {
                let order = compare(value(a), value(b));
                let shown =
                    || format!("{:?}\n{:?}\n{a_key:02x?}\n{b_key:02x?}", value(a), value(b));
                assert_eq!(a_key.cmp(b_key), order, "{}", shown());
                assert!(a_key == b_key || !b_key.starts_with(a_key), "prefix: {}", shown());
            }
        }
    }

    #[test]
    fn keys_of_numbers_sort_as_the_numbers_compare() {
        let mut samples = Samples::new(10);
        for _ in 0..3 {
            let documents: Vec<_> = (0..250).map(|_| Samples::wrapped(samples.number())).collect();
            check_all_pairs(&documents);
        }
    }

    #[test]
    fn keys_of_all_values_sort_as_the_values_compare() {
        let mut samples = Samples::new(11);
        for _ in 0..4 {
            let documents: Vec<_> = (0..250).map(|_| Samples::wrapped(samples.value(3))).collect();
            check_all_pairs(&documents);
        }
    }

    proptest::proptest! {
        #[test]
        fn keys_sort_as_any_two_numbers_compare(a: i64, b: f64, c: u128, digits: u64, scale in 0..30u8) {
            let near = Bson::Decimal128(format!("{digits}E-{scale}").parse().expect("a decimal"));
            #[expect(clippy::cast_precision_loss, reason = "a neighbour is what the test wants")]
            let close = a as f64;
            let documents = [
                Bson::Int64(a),
                Bson::Double(b),
                Bson::Double(close),
                Bson::Double(close.next_up()),
                Bson::Decimal128(Decimal128::from_bytes(c.to_le_bytes())),
                Bson::Decimal128(a.to_string().parse().expect("a decimal")),
                near,
            ]
            .map(Samples::wrapped);
            check_all_pairs(&documents);
        }
    }

    #[test]
    fn bytes_are_those_of_the_format_page() {
        let page = include_str!("../../docs/format/sort_key.md");
        let (_, examples) = page.split_once("## Worked examples").expect("has the section");
        let pages: Vec<String> = examples
            .lines()
            .filter_map(|row| row.trim_end_matches(" |").rsplit_once("| `"))
            .map(|(_, bytes)| bytes.replace(['`', ' '], ""))
            .collect();
        let decimal = |text: &str| Bson::Decimal128(text.parse().expect("a decimal"));
        let cases: [(Bson, &str); 15] = [
            (Bson::Null, "0c"),
            (Bson::Int32(0), "1d"),
            (Bson::Int32(1), "1f02"),
            (Bson::Int32(127), "1ffe"),
            (Bson::Int32(128), "200100"),
            (Bson::Int32(-1), "1bfd"),
            (Bson::Int64(1 << 53), "2540000000000000"),
            (Bson::Double(1.5), "1f033ff800000000000000"),
            (Bson::Double(-0.5), "1cc01fffffffffffffff"),
            (decimal("0.1"), "1e3fb99999999999990118200b00"),
            (Bson::String("a\0b".into()), "306100ff620001"),
            (bson::bson!({ "a": 1, "b": "x" }), "341061001f023062003078000100"),
            (bson::bson!([1, true]), "381f02440100"),
            (Bson::Boolean(false), "4400"),
            (Bson::DateTime(bson::DateTime::from_millis(-1)), "487fffffffffffffff"),
        ];
        assert_eq!(pages.len(), cases.len());
        for ((value, wanted), on_page) in cases.into_iter().zip(pages) {
            let bytes = key(&Samples::wrapped(value.clone()));
            let shown = format!("{bytes:02x?}").replace(['[', ']', ',', ' '], "");
            assert_eq!(shown, wanted, "{value:?}");
            assert_eq!(shown, on_page, "{value:?}");
        }
    }

    #[test]
    fn a_failed_key_leaves_the_buffer_as_it_was() {
        // An array whose element claims more bytes than there are.
        let bytes = b"\x14\0\0\0\x04v\0\x0c\0\0\0\x100\0\x01\0\0\0\0\0";
        let mut bytes = bytes.to_vec();
        bytes[11] = 0x12;
        let document = RawDocument::from_bytes(&bytes).expect("outer length is right");
        let mut out = vec![9];
        let value = document.get("v").expect("readable so far").expect("has v");
        assert!(sort_key(value, &mut out).is_err());
        assert_eq!(out, [9]);
    }
}
