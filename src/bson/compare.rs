//! The order of all BSON values, written down the obvious way.
//!
//! Called by filters and sorts; [`super::sort_key`] is the same order as bytes and is tested
//! against this file. It calls only the `bson` crate.
//!
//! Types come first, in MongoDB's order: smallest key, null and undefined, numbers, strings and
//! symbols, documents, arrays, binaries, ObjectIds, booleans, dates, timestamps, regular
//! expressions, pointers, code, code with scope, largest key. Inside a type:
//!
//! * null and undefined are equal; so are a string and a symbol of the same text;
//! * numbers compare by exact value across int32, int64, double and Decimal128; every NaN is equal
//!   and below all others, -0 equals 0, 1.0 equals 1.00;
//! * text compares by its UTF-8 bytes;
//! * documents compare field by field: type of the value, then name, then value; a document that
//!   ends first is smaller. Arrays the same without names;
//! * binaries and pointers compare by length first, then subtype, then bytes.
//!
//! Cost: O(bytes) without allocation, except that pointers are copied, and a Decimal128 beside any
//! other number is spelt out, like that number, as decimal digits. Documents nested deeper than
//! [`NESTING_MAX`], which validation never lets in, compare by their bytes; unreadable bytes count
//! as the end of what holds them.
//!
//! Source: MongoDB manual, "BSON comparison order"; we differ in joining null and undefined.

use super::validate::NESTING_MAX;
use bson::{RawArray, RawBsonRef, RawDbPointerRef, RawDocument, RawDocumentBuf};
use std::cmp::Ordering;

/// Orders two values of any types.
///
/// ```
/// use alluvium::bson::{RawBsonRef, compare};
/// use std::cmp::Ordering;
///
/// // 2^53 + 1 has no double of its own.
/// let integer = RawBsonRef::Int64((1 << 53) + 1);
/// assert_eq!(compare(integer, RawBsonRef::Double(9_007_199_254_740_992.0)), Ordering::Greater);
/// assert_eq!(compare(RawBsonRef::Int32(1), RawBsonRef::Double(1.0)), Ordering::Equal);
/// assert_eq!(compare(integer, RawBsonRef::String("1")), Ordering::Less);
/// ```
pub fn compare(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    compare_at(a, b, 1)
}

fn compare_at(a: RawBsonRef<'_>, b: RawBsonRef<'_>, level: usize) -> Ordering {
    use RawBsonRef as V;
    match (a, b) {
        (V::String(a) | V::Symbol(a), V::String(b) | V::Symbol(b))
        | (V::JavaScriptCode(a), V::JavaScriptCode(b)) => a.as_bytes().cmp(b.as_bytes()),
        (V::Document(a), V::Document(b)) => compare_documents(a, b, level),
        (V::Array(a), V::Array(b)) => compare_arrays(a, b, level),
        (V::Binary(a), V::Binary(b)) => (a.bytes.len(), u8::from(a.subtype), a.bytes).cmp(&(
            b.bytes.len(),
            u8::from(b.subtype),
            b.bytes,
        )),
        (V::ObjectId(a), V::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (V::Boolean(a), V::Boolean(b)) => a.cmp(&b),
        (V::DateTime(a), V::DateTime(b)) => a.timestamp_millis().cmp(&b.timestamp_millis()),
        (V::Timestamp(a), V::Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (V::RegularExpression(a), V::RegularExpression(b)) => {
            (a.pattern, a.options).cmp(&(b.pattern, b.options))
        }
        (V::DbPointer(a), V::DbPointer(b)) => {
            let (a, b) = (pointer_bytes(a), pointer_bytes(b));
            (a.len(), a).cmp(&(b.len(), b))
        }
        (V::JavaScriptCodeWithScope(a), V::JavaScriptCodeWithScope(b)) => a
            .code
            .as_bytes()
            .cmp(b.code.as_bytes())
            .then_with(|| compare_documents(a.scope, b.scope, level)),
        (a, b) => rank(a)
            .cmp(&rank(b))
            .then_with(|| if rank(a) == NUMBER { compare_numbers(a, b) } else { Ordering::Equal }),
    }
}

const NUMBER: u8 = 2;

/// The place of a value's type among the types.
fn rank(value: RawBsonRef<'_>) -> u8 {
    use RawBsonRef as V;
    match value {
        V::MinKey => 0,
        V::Null | V::Undefined => 1,
        V::Int32(_) | V::Int64(_) | V::Double(_) | V::Decimal128(_) => NUMBER,
        V::String(_) | V::Symbol(_) => 3,
        V::Document(_) => 4,
        V::Array(_) => 5,
        V::Binary(_) => 6,
        V::ObjectId(_) => 7,
        V::Boolean(_) => 8,
        V::DateTime(_) => 9,
        V::Timestamp(_) => 10,
        V::RegularExpression(_) => 11,
        V::DbPointer(_) => 12,
        V::JavaScriptCode(_) => 13,
        V::JavaScriptCodeWithScope(_) => 14,
        V::MaxKey => 15,
    }
}

fn compare_documents(a: &RawDocument, b: &RawDocument, level: usize) -> Ordering {
    if level > NESTING_MAX {
        return a.as_bytes().cmp(b.as_bytes());
    }
    let (mut a, mut b) = (a.iter(), b.iter());
    loop {
        match (a.next().and_then(Result::ok), b.next().and_then(Result::ok)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((a_name, a)), Some((b_name, b))) => {
                let order = rank(a)
                    .cmp(&rank(b))
                    .then_with(|| a_name.cmp(b_name))
                    .then_with(|| compare_at(a, b, level + 1));
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

fn compare_arrays(a: &RawArray, b: &RawArray, level: usize) -> Ordering {
    if level > NESTING_MAX {
        return a.as_bytes().cmp(b.as_bytes());
    }
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        match (a.next().and_then(Result::ok), b.next().and_then(Result::ok)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let order = compare_at(a, b, level + 1);
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// Namespace and ObjectId of a pointer, which the `bson` crate shows only as the bytes of a
/// document.
pub(super) fn pointer_bytes(pointer: RawDbPointerRef<'_>) -> Vec<u8> {
    let mut document = RawDocumentBuf::new();
    document.append(bson::raw::cstr!(""), RawBsonRef::DbPointer(pointer));
    // length:4 type:1 key:1 length:4 · namespace NUL id:12 · NUL
    let bytes = document.as_bytes();
    bytes.get(10..bytes.len() - 1).unwrap_or_default().to_vec()
}

fn compare_numbers(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    match (a, b) {
        (RawBsonRef::Double(a), RawBsonRef::Double(b)) => match (a.is_nan(), b.is_nan()) {
            (false, false) => a.partial_cmp(&b).expect("invariant: neither is NaN"),
            (a_nan, b_nan) => b_nan.cmp(&a_nan),
        },
        (RawBsonRef::Double(a), b) if integer(b).is_some() => {
            integer(b).map_or(Ordering::Equal, |b| compare_integer(b, a).reverse())
        }
        (a, RawBsonRef::Double(b)) if integer(a).is_some() => {
            integer(a).map_or(Ordering::Equal, |a| compare_integer(a, b))
        }
        (a, b) => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Number::of(a).cmp(&Number::of(b)),
        },
    }
}

fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(value) => Some(value.into()),
        RawBsonRef::Int64(value) => Some(value),
        _ => None,
    }
}

/// Orders an integer and a double by exact value.
fn compare_integer(integer: i64, double: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() || double < -TWO_TO_63 {
        return Ordering::Greater;
    }
    if double >= TWO_TO_63 {
        return Ordering::Less;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let whole = double.trunc() as i64;
    let fraction = double - double.trunc();
    integer
        .cmp(&whole)
        .then_with(|| 0.0.partial_cmp(&fraction).expect("invariant: the double is finite"))
}

/// A number spelt out; the derived order of the variants is their order by value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    Nan,
    NegativeInfinity,
    Negative(std::cmp::Reverse<Digits>),
    Zero,
    Positive(Digits),
    Infinity,
}

impl Number {
    fn of(value: RawBsonRef<'_>) -> Self {
        match value {
            RawBsonRef::Int32(value) => Self::parse(&value.to_string()),
            RawBsonRef::Int64(value) => Self::parse(&value.to_string()),
            RawBsonRef::Double(value) if value.is_finite() => {
                let digits = Digits::of_double(value.abs());
                Self::signed(value.is_sign_negative(), digits)
            }
            RawBsonRef::Double(value) if value.is_nan() => Self::Nan,
            RawBsonRef::Double(value) if value > 0.0 => Self::Infinity,
            RawBsonRef::Double(_) => Self::NegativeInfinity,
            RawBsonRef::Decimal128(value) => Self::parse(&value.to_string()),
            _ => Self::Nan,
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "NaN" => Self::Nan,
            "Infinity" => Self::Infinity,
            "-Infinity" => Self::NegativeInfinity,
            text => match text.strip_prefix('-') {
                Some(magnitude) => Self::signed(true, Digits::parse(magnitude)),
                None => Self::signed(false, Digits::parse(text)),
            },
        }
    }

    fn signed(negative: bool, magnitude: Digits) -> Self {
        match (magnitude.digits.is_empty(), negative) {
            (true, _) => Self::Zero,
            (false, true) => Self::Negative(std::cmp::Reverse(magnitude)),
            (false, false) => Self::Positive(magnitude),
        }
    }
}

/// A magnitude as `0.d₁d₂d₃… × 10^exponent` with no zero at either end; zero has no digits.
///
/// The derived order (exponent, then digits) is the order by value of magnitudes that are not zero.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digits {
    exponent: i32,
    digits: Vec<u8>,
}

impl Digits {
    /// Every double has a finite decimal expansion; the longest ends 1,074 digits after the point.
    pub(super) fn of_double(magnitude: f64) -> Self {
        Self::parse(&format!("{magnitude:.1074}"))
    }

    /// Reads `12`, `1.25` or `1.25E-7`.
    pub(super) fn parse(text: &str) -> Self {
        let (decimal, exponent) = text.split_once('E').unwrap_or((text, "0"));
        let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
        let scale: i32 = exponent.parse().expect("invariant: an exponent of at most 4 digits");
        let all = whole.len() + fraction.len();
        let significant = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0');
        let mut digits: Vec<u8> = significant.collect();
        let leading_zeros = all - digits.len();
        let length = |len: usize| i32::try_from(len).expect("invariant: at most 1,400 digits");
        let exponent = length(whole.len()) - length(leading_zeros) + scale;
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() { Self { exponent: 0, digits } } else { Self { exponent, digits } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::Samples;
    use super::*;
    use bson::Bson;

    fn order(a: impl Into<Bson>, b: impl Into<Bson>) -> Ordering {
        let (a, b) = (Samples::wrapped(a.into()), Samples::wrapped(b.into()));
        let value = |document: &'static RawDocument| document.get("v").expect("valid").expect("v");
        // Leaked so that the small helper can borrow; a few bytes per test.
        compare(value(Box::leak(Box::new(a))), value(Box::leak(Box::new(b))))
    }

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse().expect("a decimal"))
    }

    #[test]
    fn numbers_compare_by_exact_value_across_types() {
        let above = (1i64 << 53) + 1;
        assert_eq!(order(above, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(order(above, 9_007_199_254_740_994.0), Ordering::Less);
        assert_eq!(order(decimal("9007199254740993"), above), Ordering::Equal);
        assert_eq!(order(decimal("0.1"), 0.1), Ordering::Less);
        assert_eq!(order(decimal("0.5"), 0.5), Ordering::Equal);
        assert_eq!(order(decimal("1E+6144"), f64::MAX), Ordering::Greater);
        assert_eq!(order(decimal("1E+6144"), f64::INFINITY), Ordering::Less);
        assert_eq!(order(decimal("-1E-6176"), -0.0), Ordering::Less);
        assert_eq!(order(-0.0, 0), Ordering::Equal);
        assert_eq!(order(decimal("0E+10"), -0.0), Ordering::Equal);
        assert_eq!(order(f64::NAN, decimal("NaN")), Ordering::Equal);
        assert_eq!(order(f64::NAN, f64::NEG_INFINITY), Ordering::Less);
        assert_eq!(order(i64::MAX, 9_223_372_036_854_775_808.0), Ordering::Less);
        assert_eq!(order(i64::MIN, -9_223_372_036_854_775_808.0), Ordering::Equal);
        assert_eq!(order(-1, -1.5), Ordering::Greater);
    }

    #[test]
    fn types_come_in_the_documented_order() {
        let empty = bson::raw::cstr!("");
        let ordered = [
            Bson::MinKey,
            Bson::Null,
            Bson::Int32(5),
            Bson::String("a".into()),
            bson::bson!({ "a": 1 }),
            bson::bson!([1]),
            Bson::Binary(bson::Binary { subtype: 0.into(), bytes: vec![] }),
            Bson::ObjectId(bson::oid::ObjectId::from_bytes([0; 12])),
            Bson::Boolean(false),
            Bson::DateTime(bson::DateTime::from_millis(0)),
            Bson::Timestamp(bson::Timestamp { time: 0, increment: 0 }),
            Bson::RegularExpression(bson::Regex { pattern: empty.into(), options: empty.into() }),
            Bson::JavaScriptCode(String::new()),
            Bson::MaxKey,
        ];
        for pair in ordered.windows(2) {
            assert_eq!(order(pair[0].clone(), pair[1].clone()), Ordering::Less, "{pair:?}");
        }
        assert_eq!(order(Bson::Undefined, Bson::Null), Ordering::Equal);
        assert_eq!(order(Bson::Symbol("a".into()), "a"), Ordering::Equal);
    }

    #[test]
    fn documents_compare_by_type_then_name_then_value() {
        assert_eq!(order(bson::bson!({ "b": 1 }), bson::bson!({ "a": "x" })), Ordering::Less);
        assert_eq!(order(bson::bson!({ "a": 2 }), bson::bson!({ "b": 1 })), Ordering::Less);
        assert_eq!(order(bson::bson!({ "a": 1 }), bson::bson!({ "a": 1, "b": 1 })), Ordering::Less);
        assert_eq!(order(bson::bson!([1, 2]), bson::bson!([1, 10])), Ordering::Less);
        assert_eq!(order(bson::bson!([]), bson::bson!([null])), Ordering::Less);
    }
}
