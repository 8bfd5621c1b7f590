//! Extended JSON in and out: one line of text, one document.
//!
//! Called by the import and by everything that shows documents; calls `serde_json` for the text and
//! the `bson` crate for the `$` forms of single values.
//!
//! In: relaxed and canonical MongoDB extended JSON v2. A JSON integer becomes int32 when it fits,
//! else int64, else double. An object with a `$` form that we know becomes that value; other keys
//! with `$` are ordinary keys. Nesting is limited to [`JSON_NESTING_MAX`], and what comes out
//! always passes [`super::validate()`].
//!
//! Out: relaxed extended JSON, so a small int64 comes back as int32 and a NaN as the NaN;
//! everything else comes back as it was. A document whose own keys spell a `$` form is the known
//! exception of the format.
//!
//! Source: MongoDB specification "Extended JSON", version 2.1.

use super::error::{Error, Result};
use super::validate::{NESTING_MAX, validate};
use bson::raw::CString;
use bson::{Bson, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Most levels of objects and arrays inside each other in a line of JSON; the outermost object is
/// level 1.
pub const JSON_NESTING_MAX: usize = 100;

/// The keys that make an object a single value.
const FORMS: [&str; 16] = [
    "$oid",
    "$symbol",
    "$regularExpression",
    "$numberInt",
    "$numberLong",
    "$numberDouble",
    "$numberDecimal",
    "$binary",
    "$uuid",
    "$code",
    "$timestamp",
    "$date",
    "$minKey",
    "$maxKey",
    "$dbPointer",
    "$undefined",
];

/// Reads one JSON object as a document.
///
/// ```
/// use alluvium::bson::{parse_json, to_json};
///
/// let line = r#"{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"title":"Gold","year":1849}"#;
/// let document = parse_json(line)?;
/// assert_eq!(document.get_i32("year").unwrap(), 1849);
/// assert_eq!(to_json(&document), line);
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
///
/// # Errors
/// [`Error::Json`] with the column for text that is not JSON; [`Error::JsonValue`] with the path of
/// a value that cannot become BSON; [`Error::TooDeep`], [`Error::TooLarge`].
pub fn parse_json(line: impl AsRef<[u8]>) -> Result<RawDocumentBuf> {
    let value: Value = serde_json::from_slice(line.as_ref()).map_err(|error| {
        let shown = error.to_string();
        // The message ends with a place of its own, which the error shows already.
        let message = shown.rsplit_once(" at line ").map_or(shown.as_str(), |(message, _)| message);
        Error::Json { line: error.line(), column: error.column(), message: message.to_owned() }
    })?;
    let mut path = String::new();
    let Value::Object(fields) = value else {
        return Err(refused(&path, "expected an object in braces"));
    };
    let RawBson::Document(document) = raw_object(fields, &mut path, 1)? else {
        return Err(refused(&path, "expected fields, found a single value in `$` form"));
    };
    validate(document.as_bytes(), NESTING_MAX)?;
    Ok(document)
}

fn refused(path: &str, message: &(impl ToString + ?Sized)) -> Error {
    Error::JsonValue { path: path.to_owned(), message: message.to_string() }
}

/// `path` names the value while it is read, for errors.
fn raw_value(value: Value, path: &mut String, level: usize) -> Result<RawBson> {
    match value {
        Value::Object(fields) => raw_object(fields, path, level + 1),
        Value::Array(elements) => {
            if level + 1 > JSON_NESTING_MAX {
                return Err(Error::TooDeep { nesting_max: JSON_NESTING_MAX });
            }
            let mut array = RawArrayBuf::new();
            let outer_len = path.len();
            for (index, element) in elements.into_iter().enumerate() {
                let _ = write!(path, ".{index}");
                array.push(raw_value(element, path, level + 1)?);
                path.truncate(outer_len);
            }
            Ok(RawBson::Array(array))
        }
        Value::String(text) => Ok(RawBson::String(text)),
        Value::Bool(value) => Ok(RawBson::Boolean(value)),
        Value::Null => Ok(RawBson::Null),
        Value::Number(number) => Bson::try_from(Value::Number(number))
            .and_then(RawBson::try_from)
            .map_err(|error| refused(path, &error)),
    }
}

fn raw_object(fields: Map<String, Value>, path: &mut String, level: usize) -> Result<RawBson> {
    if level > JSON_NESTING_MAX {
        return Err(Error::TooDeep { nesting_max: JSON_NESTING_MAX });
    }
    if FORMS.iter().any(|form| fields.contains_key(*form)) {
        return Bson::try_from(fields)
            .and_then(RawBson::try_from)
            .map_err(|error| refused(path, &error));
    }
    let mut document = RawDocumentBuf::new();
    let outer_len = path.len();
    for (name, value) in fields {
        if outer_len > 0 {
            path.push('.');
        }
        path.push_str(&name);
        let value = raw_value(value, path, level)?;
        let name = CString::try_from(name)
            .map_err(|_| refused(path, "a field name must not contain NUL"))?;
        document.append(name, value);
        path.truncate(outer_len);
    }
    Ok(RawBson::Document(document))
}

/// Writes a document as relaxed extended JSON, on one line, without spaces.
///
/// Never fails: bytes that were not validated end the object or array in which they become
/// unreadable, and what lies deeper than [`NESTING_MAX`] is written as `null`.
///
/// ```
/// use alluvium::bson::{rawdoc, to_json};
///
/// assert_eq!(to_json(&rawdoc! { "a": [1, 2.0, "x\n"] }), r#"{"a":[1,2.0,"x\n"]}"#);
/// ```
pub fn to_json(document: &RawDocument) -> String {
    let mut out = String::with_capacity(document.as_bytes().len());
    put_document(document, 1, &mut out);
    out
}

fn put_document(document: &RawDocument, level: usize, out: &mut String) {
    out.push('{');
    for (at, (name, value)) in document.iter().map_while(std::result::Result::ok).enumerate() {
        if at > 0 {
            out.push(',');
        }
        put_text(name.as_str(), out);
        out.push(':');
        put_value(value, level + 1, out);
    }
    out.push('}');
}

fn put_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

/// `level` is the level that `value` would have as a document or array.
fn put_value(value: RawBsonRef<'_>, level: usize, out: &mut String) {
    /// The last millisecond of year 9999, where the short form of dates ends.
    const SHORT_DATE_MILLIS_MAX: i64 = 253_402_300_799_999;
    use RawBsonRef as V;
    match value {
        V::Document(_) | V::Array(_) | V::JavaScriptCodeWithScope(_) if level > NESTING_MAX => {
            out.push_str("null");
        }
        V::Document(document) => put_document(document, level, out),
        V::Array(array) => {
            out.push('[');
            for (at, element) in array.into_iter().map_while(std::result::Result::ok).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                put_value(element, level + 1, out);
            }
            out.push(']');
        }
        V::JavaScriptCodeWithScope(code) => {
            out.push_str("{\"$code\":");
            put_text(code.code, out);
            out.push_str(",\"$scope\":");
            put_document(code.scope, level, out);
            out.push('}');
        }
        V::String(text) => put_text(text, out),
        V::Int32(value) => out.push_str(&value.to_string()),
        V::Int64(value) => out.push_str(&value.to_string()),
        V::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
        V::Null => out.push_str("null"),
        // The specification knows one NaN, without a sign.
        V::Double(value) if value.is_nan() => out.push_str(r#"{"$numberDouble":"NaN"}"#),
        V::DateTime(date) if !(0..=SHORT_DATE_MILLIS_MAX).contains(&date.timestamp_millis()) => {
            let _ = write!(out, r#"{{"$date":{{"$numberLong":"{}"}}}}"#, date.timestamp_millis());
        }
        single => match Bson::try_from(single) {
            Ok(single) => out.push_str(&single.into_relaxed_extjson().to_string()),
            Err(_) => out.push_str("null"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::samples::Samples;
    use super::*;
    use std::cmp::Ordering;

    fn error(line: &str) -> String {
        parse_json(line).expect_err("refused").to_string()
    }

    #[test]
    fn documents_of_every_type_come_back_equal() {
        let mut samples = Samples::new(20);
        for _ in 0..2000 {
            let document = samples.document(3);
            let line = to_json(&document);
            let back = parse_json(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let order = compare(RawBsonRef::Document(&document), RawBsonRef::Document(&back));
            assert_eq!(order, Ordering::Equal, "{line}");
            assert_eq!(to_json(&back), line);
        }
    }

    proptest::proptest! {
        #[test]
        fn doubles_and_strings_come_back_bit_for_bit(double: f64, text: String) {
            let document = bson::rawdoc! { "d": double, "t": text };
            let back = parse_json(to_json(&document)).expect("our own JSON");
            if !double.is_nan() {
                proptest::prop_assert_eq!(back, document);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in r#"[\{\}\[\]",:0-9a$\\ \.eE-]{0,40}"#) {
            let _ = parse_json(text);
        }
    }

    #[test]
    fn integers_take_the_smallest_type_that_holds_them() {
        let document = parse_json(
            r#"{"a":2147483647,"b":2147483648,"c":-9223372036854775808,"d":9223372036854775808,"e":1.0}"#,
        )
        .expect("valid");
        assert_eq!(document.get("a").expect("valid"), Some(RawBsonRef::Int32(i32::MAX)));
        assert_eq!(document.get("b").expect("valid"), Some(RawBsonRef::Int64(2_147_483_648)));
        assert_eq!(document.get("c").expect("valid"), Some(RawBsonRef::Int64(i64::MIN)));
        let two_to_63 = RawBsonRef::Double(9_223_372_036_854_775_808.0);
        assert_eq!(document.get("d").expect("valid"), Some(two_to_63));
        assert_eq!(document.get("e").expect("valid"), Some(RawBsonRef::Double(1.0)));
    }

    #[test]
    fn canonical_forms_are_read() {
        let line = r#"{"i":{"$numberInt":"1"},"l":{"$numberLong":"2"},"d":{"$numberDouble":"-0.0"},
            "t":{"$date":{"$numberLong":"-5"}},"r":{"$date":"1970-01-01T00:00:01Z"},
            "x":{"$numberDecimal":"1.50"},"b":{"$binary":{"base64":"AQI=","subType":"80"}},
            "s":{"$code":"f","$scope":{"a":{"$numberLong":"3"}}},"n":{"$ref":"x","$id":1}}"#;
        let document = parse_json(line).expect("valid");
        let shown = r#"{"i":1,"l":2,"d":-0.0,"t":{"$date":{"$numberLong":"-5"}},"r":{"$date":"1970-01-01T00:00:01Z"},"x":{"$numberDecimal":"1.50"},"b":{"$binary":{"base64":"AQI=","subType":"80"}},"s":{"$code":"f","$scope":{"a":3}},"n":{"$ref":"x","$id":1}}"#;
        assert_eq!(to_json(&document), shown);
        assert_eq!(document.get_i64("l").expect("kept as int64"), 2);
    }

    #[test]
    fn errors_tell_the_column_or_the_path() {
        assert_eq!(error(r#"{"a": }"#), "invalid JSON at column 7: expected value");
        assert_eq!(error("{\n\"a\" 1}"), "invalid JSON at line 2, column 5: expected `:`");
        assert!(error(r#"{"a":1} x"#).starts_with("invalid JSON at column 9: trailing"));
        assert_eq!(error("[1]"), "JSON that is not a document: expected an object in braces");
        assert!(error(r#"{"$oid":"65a1b2c3d4e5f60718293a4b"}"#).contains("single value"));
        assert!(error(r#"{"a":[1,{"b":{"$oid":"z"}}]}"#).starts_with("JSON value at a.1.b cannot"));
        assert!(error(r#"{"a\u0000":1}"#).contains("must not contain NUL"));
        assert!(parse_json(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_is_limited_to_100_levels() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(parse_json(nested(JSON_NESTING_MAX)).is_ok());
        assert!(matches!(
            parse_json(nested(JSON_NESTING_MAX + 1)),
            Err(Error::TooDeep { nesting_max: JSON_NESTING_MAX })
        ));
        assert!(parse_json(nested(100_000)).is_err());
        let arrays = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        assert!(matches!(parse_json(arrays), Err(Error::TooDeep { .. })));
    }
}
