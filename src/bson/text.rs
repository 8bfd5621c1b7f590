//! All strings of a document, for the text index over everything (`$**`).
//!
//! Called when a document is indexed, when it is removed again, and when a snippet is cut: all
//! three must see the same strings in the same order, so there is one walk. Calls only the `bson`
//! crate.
//!
//! A string counts wherever it lies, except under the top-level `_id`, in code, scopes, symbols and
//! regular expressions, and as a key. Its path names the fields above it joined by dots; array
//! indexes are no part of it, so all elements of an array share a path and each call is one
//! element.
//!
//! Cost: one pass; one path buffer is reused for the whole document. Recursion is bounded by
//! [`NESTING_MAX`].

use super::error::{Error, Result as BsonResult};
use super::validate::NESTING_MAX;
use bson::{RawArray, RawBsonRef, RawDocument};

/// Calls `f(path, text)` with every string of `document`, in document order.
///
/// Each call is one string value, so two calls in a row with the same path are two elements of an
/// array (or a repeated key). The first error that `f` returns ends the walk.
///
/// ```
/// use alluvium::bson::{Error, each_string, rawdoc};
///
/// let document = rawdoc! { "_id": "x", "title": "Gold", "notes": [{ "by": "Ada" }, { "by": "Bo" }] };
/// let mut found = Vec::new();
/// each_string(&document, &mut |path, text| {
///     found.push((path.to_owned(), text));
///     Ok::<(), Error>(())
/// })?;
/// assert_eq!(found[0], ("title".to_owned(), "Gold"));
/// assert_eq!(found[1], ("notes.by".to_owned(), "Ada"));
/// assert_eq!(found[2], ("notes.by".to_owned(), "Bo"));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// The error of `f`; [`Error::Unreadable`] or [`Error::TooDeep`], and neither for a validated
/// document.
pub fn each_string<'a, E: From<Error>>(
    document: &'a RawDocument,
    f: &mut dyn FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), E> {
    let mut path = String::new();
    for element in document.iter_elements() {
        let element = element.map_err(Error::from)?;
        let key = element.key().as_str();
        if key == "_id" {
            continue;
        }
        let value = element.value().map_err(Error::from)?;
        path.clear();
        path.push_str(key);
        in_value(value, &mut path, 1, f)?;
    }
    Ok(())
}

fn in_value<'a, E: From<Error>>(
    value: RawBsonRef<'a>,
    path: &mut String,
    level: usize,
    f: &mut dyn FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        RawBsonRef::String(text) => f(path, text),
        RawBsonRef::Document(document) => in_document(document, path, deeper(level)?, f),
        RawBsonRef::Array(array) => in_array(array, path, deeper(level)?, f),
        _ => Ok(()),
    }
}

fn in_document<'a, E: From<Error>>(
    document: &'a RawDocument,
    path: &mut String,
    level: usize,
    f: &mut dyn FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), E> {
    let outer_len = path.len();
    for element in document.iter_elements() {
        let element = element.map_err(Error::from)?;
        let value = element.value().map_err(Error::from)?;
        path.push('.');
        path.push_str(element.key().as_str());
        in_value(value, path, level, f)?;
        path.truncate(outer_len);
    }
    Ok(())
}

fn in_array<'a, E: From<Error>>(
    array: &'a RawArray,
    path: &mut String,
    level: usize,
    f: &mut dyn FnMut(&str, &'a str) -> Result<(), E>,
) -> Result<(), E> {
    for element in array {
        in_value(element.map_err(Error::from)?, path, level, f)?;
    }
    Ok(())
}

fn deeper(level: usize) -> BsonResult<usize> {
    if level < NESTING_MAX {
        Ok(level + 1)
    } else {
        Err(Error::TooDeep { nesting_max: NESTING_MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    fn strings(document: &RawDocument) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        each_string(document, &mut |path, text| {
            found.push((path.to_owned(), text));
            Ok::<(), Error>(())
        })
        .expect("valid");
        found
    }

    #[test]
    fn strings_come_in_document_order_with_paths_without_indexes() {
        let document = rawdoc! {
            "_id": { "a": "not this" },
            "title": "one",
            "deep": { "_id": "two", "list": ["three", ["four"], { "x": "five" }, 7], "end": "six" },
            "n": 1,
            "": "seven",
        };
        let wanted = [
            ("title", "one"),
            ("deep._id", "two"),
            ("deep.list", "three"),
            ("deep.list", "four"),
            ("deep.list.x", "five"),
            ("deep.end", "six"),
            ("", "seven"),
        ];
        let found = strings(&document);
        assert_eq!(found.len(), wanted.len());
        for ((path, text), wanted) in found.iter().zip(wanted) {
            assert_eq!((path.as_str(), *text), wanted);
        }
    }

    #[test]
    fn an_error_of_the_callback_ends_the_walk() {
        let mut calls = 0;
        let result = each_string(&rawdoc! { "a": "1", "b": "2" }, &mut |_, _| {
            calls += 1;
            Err(Error::TooDeep { nesting_max: 0 })
        });
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }
}
