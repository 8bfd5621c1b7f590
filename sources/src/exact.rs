//! [`exact_json`]: a document as extended JSON that reads back as the very same document, or word that there is no such JSON.
//!
//! Numbers and dates have their short forms where these read back as what they were: an int64 that would fit in an int32 has
//! not. Each line is read back and compared before it is given, byte by byte. One difference is let pass: any NaN comes back as
//! the NaN, since JSON knows one. What JSON cannot carry: keys that spell a `$` form, a key twice, arrays whose keys are not 0,
//! 1, 2 and so on, decimals in an encoding that is not the usual one. Cost: writing and reading each document once.

use std::fmt::Write;

use alluvium::bson::{Bson, NESTING_MAX, RawArray, RawBsonRef, RawDocument, parse_json, rawdoc};
use serde_json::Value;

/// The last millisecond of year 9999, where the short form of dates ends.
const SHORT_DATE_MILLIS_MAX: i64 = 253_402_300_799_999;

/// The line that reads back as `document`; an error says why there is none. Canonical JSON shows the type of each number.
pub(crate) fn exact_json(document: &RawDocument, canonical: bool) -> Result<String, String> {
    let mut out = String::with_capacity(document.as_bytes().len() * 3 / 2);
    put_document(document, canonical, 1, &mut out)?;
    let back = parse_json(&out).map_err(|error| error.to_string())?;
    match first_difference(document, &back) {
        None => Ok(out),
        Some(path) => Err(format!("the value at `{path}` would come back as another one")),
    }
}

fn put_document(
    document: &RawDocument,
    canonical: bool,
    level: usize,
    out: &mut String,
) -> Result<(), String> {
    out.push('{');
    for (at, element) in document.iter().enumerate() {
        let (name, value) = element.map_err(|error| error.to_string())?;
        if at > 0 {
            out.push(',');
        }
        put_text(name.as_str(), out);
        out.push(':');
        put_value(value, canonical, level + 1, out)?;
    }
    out.push('}');
    Ok(())
}

fn put_array(
    array: &RawArray,
    canonical: bool,
    level: usize,
    out: &mut String,
) -> Result<(), String> {
    out.push('[');
    for (at, element) in array.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        put_value(element.map_err(|error| error.to_string())?, canonical, level + 1, out)?;
    }
    out.push(']');
    Ok(())
}

fn put_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}", Value::from(text));
}

fn put_value(
    value: RawBsonRef<'_>,
    canonical: bool,
    level: usize,
    out: &mut String,
) -> Result<(), String> {
    use RawBsonRef as V;
    if level > NESTING_MAX + 1 {
        return Err(format!("it has more than {NESTING_MAX} levels"));
    }
    match value {
        V::Document(document) => put_document(document, canonical, level, out)?,
        V::Array(array) => put_array(array, canonical, level, out)?,
        V::JavaScriptCodeWithScope(code) => {
            out.push_str("{\"$code\":");
            put_text(code.code, out);
            out.push_str(",\"$scope\":");
            put_document(code.scope, canonical, level, out)?;
            out.push('}');
        }
        V::String(text) => put_text(text, out),
        single => put_single(single, canonical, out)?,
    }
    Ok(())
}

fn put_single(value: RawBsonRef<'_>, canonical: bool, out: &mut String) -> Result<(), String> {
    let short = match value {
        RawBsonRef::Int64(number) => i32::try_from(number).is_err(),
        RawBsonRef::Double(number) => number.is_finite(),
        RawBsonRef::DateTime(date) => {
            (0..=SHORT_DATE_MILLIS_MAX).contains(&date.timestamp_millis())
        }
        _ => true,
    };
    if let RawBsonRef::Double(number) = value
        && number.is_nan()
    {
        out.push_str(r#"{"$numberDouble":"NaN"}"#);
        return Ok(());
    }
    let value = Bson::try_from(value).map_err(|error| error.to_string())?;
    let json = if short && !canonical {
        value.into_relaxed_extjson()
    } else {
        value.into_canonical_extjson()
    };
    let _ = write!(out, "{json}");
    Ok(())
}

/// The path of the first value that differs; nothing if none does but for NaNs.
fn first_difference(left: &RawDocument, right: &RawDocument) -> Option<String> {
    if left.as_bytes() == right.as_bytes() {
        return None;
    }
    let mut others = right.iter();
    for element in left {
        let (name, value) = element.ok()?;
        let name = name.as_str();
        let Some(Ok((other_name, other))) = others.next() else { return Some(name.to_owned()) };
        if other_name.as_str() != name {
            return Some(name.to_owned());
        }
        let below = |path: Option<String>| path.map(|path| format!("{name}.{path}"));
        let difference = match (value, other) {
            (RawBsonRef::Document(left), RawBsonRef::Document(right)) => {
                below(first_difference(left, right))
            }
            (RawBsonRef::Array(left), RawBsonRef::Array(right)) => below(first_difference(
                RawDocument::from_bytes(left.as_bytes()).ok()?,
                RawDocument::from_bytes(right.as_bytes()).ok()?,
            )),
            (RawBsonRef::Double(left), RawBsonRef::Double(right)) => {
                let same = left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan());
                (!same).then(|| name.to_owned())
            }
            (left, right) => (wrapped(left) != wrapped(right)).then(|| name.to_owned()),
        };
        if difference.is_some() {
            return difference;
        }
    }
    others.next().map(|_| "the end".to_owned())
}

/// The bytes of one value.
fn wrapped(value: RawBsonRef<'_>) -> Vec<u8> {
    rawdoc! { "": value }.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::{RawDocumentBuf, doc, validate};

    fn shown(document: &RawDocument) -> String {
        exact_json(document, false).unwrap()
    }

    #[test]
    fn short_forms_stand_where_they_read_back() {
        let document = rawdoc! {
            "a": 1, "b": 1_i64, "c": 1_i64 << 40, "d": 2.0, "e": -0.0, "f": f64::INFINITY, "g": f64::NAN,
            "h": "x\n", "i": [1, [], {}], "j": true, "k": null,
        };
        let line = r#"{"a":1,"b":{"$numberLong":"1"},"c":1099511627776,"d":2.0,"e":-0.0,"f":{"$numberDouble":"Infinity"},"g":{"$numberDouble":"NaN"},"h":"x\n","i":[1,[],{}],"j":true,"k":null}"#;
        assert_eq!(shown(&document), line);
        let canonical = exact_json(&rawdoc! { "a": 1, "d": 2.0 }, true).unwrap();
        assert_eq!(canonical, r#"{"a":{"$numberInt":"1"},"d":{"$numberDouble":"2.0"}}"#);
        let date = |millis| alluvium::bson::DateTime::from_millis(millis);
        assert_eq!(
            shown(&rawdoc! { "a": date(0), "b": date(-1) }),
            r#"{"a":{"$date":"1970-01-01T00:00:00Z"},"b":{"$date":{"$numberLong":"-1"}}}"#
        );
        // Another NaN comes back as the NaN.
        assert!(exact_json(&rawdoc! { "a": -f64::NAN }, false).is_ok());
    }

    #[test]
    fn what_json_cannot_carry_is_told() {
        let twice = b"\x13\0\0\0\x10a\0\x01\0\0\0\x10a\0\x02\0\0\0\0";
        let array = b"\x14\0\0\0\x04a\0\x0c\0\0\0\x10z\0\x01\0\0\0\0\0";
        for document in [
            rawdoc! { "x": { "a": { "$oid": "65a1b2c3d4e5f60718293a4b" } } },
            rawdoc! { "a": { "$date": 5, "x": 1 } },
            validate(twice, NESTING_MAX).unwrap().to_owned(),
            validate(array, NESTING_MAX).unwrap().to_owned(),
            RawDocumentBuf::try_from(&(0..120).fold(doc! {}, |inside, _| doc! { "a": inside }))
                .unwrap(),
        ] {
            assert!(exact_json(&document, false).is_err(), "{document:?}");
            assert!(exact_json(&document, true).is_err(), "{document:?}");
        }
        assert!(exact_json(&rawdoc! { "a": { "$set": 1 } }, false).is_ok());
    }
}
