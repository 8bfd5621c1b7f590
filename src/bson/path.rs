//! Dotted paths such as `author.name`, and the values that lie under them.
//!
//! Used by whatever names fields: index definitions, filters, `field:word`, snippets. Calls only
//! the `bson` crate.
//!
//! Arrays fan out as in MongoDB: `authors.name` meets the `name` of every document in the array
//! `authors`, and a numeric segment also picks the element with that index (`authors.0.name`).
//! Arrays directly inside arrays are crossed by index only. When a document repeats a key, the
//! first one counts.
//!
//! Cost: a lookup scans the keys of each document on its way, O(bytes before the value), and
//! allocates nothing.

use super::error::{Error, Result};
use super::validate::NESTING_MAX;
use bson::{RawArray, RawBsonRef, RawDocument};
use std::fmt;
use std::str::FromStr;

/// The most segments of a path that may be indexes as well as names: each doubles the ways through arrays of documents.
pub(super) const INDEXES_MAX: usize = 8;

/// A dotted path with at least one segment and no empty one.
///
/// ```
/// use alluvium::bson::{Path, rawdoc};
///
/// let document = rawdoc! { "authors": [{ "name": "Ada" }, { "name": "Grace" }] };
/// let mut names = Vec::new();
/// Path::parse("authors.name")?.each_value(&document, &mut |value| names.extend(value.as_str()))?;
/// assert_eq!(names, ["Ada", "Grace"]);
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    text: String,
}

impl Path {
    /// Reads a dotted path.
    ///
    /// # Errors
    /// [`Error::Path`] when the text is empty, has an empty segment, holds a NUL, which no key can,
    /// or has more segments, or more of them that are numbers, than a walk may take.
    pub fn parse(text: &str) -> Result<Self> {
        let reason = if text.is_empty() {
            "it is empty"
        } else if text.split('.').any(str::is_empty) {
            "it has an empty segment"
        } else if text.contains('\0') {
            "it contains NUL"
        } else if text.split('.').count() > NESTING_MAX {
            "it has more segments than a document has levels"
        } else if text.split('.').filter(|segment| index(segment).is_some()).count() > INDEXES_MAX {
            "it has more than 8 segments that are numbers"
        } else {
            return Ok(Self { text: text.to_owned() });
        };
        Err(Error::Path { path: text.to_owned(), reason })
    }

    /// The path as it is written, `author.name`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field names and indexes of the path, outermost first.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }

    /// Calls `f` with every value under the path, in document order; an array at the end gives its
    /// elements.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and never for a validated document.
    pub fn each_value<'a>(
        &self,
        document: &'a RawDocument,
        f: &mut dyn FnMut(RawBsonRef<'a>),
    ) -> Result<()> {
        let mut failed = Ok(());
        self.each_stored(document, &mut |value| match value {
            RawBsonRef::Array(array) => {
                for element in array {
                    match element {
                        Ok(element) => f(element),
                        Err(error) => return failed = Err(error.into()),
                    }
                }
            }
            value => f(value),
        })?;
        failed
    }

    /// Calls `f` with every value under the path, in document order; an array at the end stays
    /// whole.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and never for a validated document.
    pub fn each_stored<'a>(
        &self,
        document: &'a RawDocument,
        f: &mut dyn FnMut(RawBsonRef<'a>),
    ) -> Result<()> {
        in_document(document, &self.text, f)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The recursion below is as deep as the path has segments, at most as deep as the document.
fn in_document<'a>(
    document: &'a RawDocument,
    path: &str,
    f: &mut dyn FnMut(RawBsonRef<'a>),
) -> Result<()> {
    let (name, rest) = split(path);
    for element in document.iter_elements() {
        let element = element?;
        if element.key().as_str() == name {
            return in_value(element.value()?, rest, f);
        }
    }
    Ok(())
}

fn in_array<'a>(array: &'a RawArray, path: &str, f: &mut dyn FnMut(RawBsonRef<'a>)) -> Result<()> {
    let (name, rest) = split(path);
    let picked = index(name);
    for (at, element) in array.into_iter().enumerate() {
        let element = element?;
        if picked == Some(at) {
            in_value(element, rest, f)?;
        }
        if let RawBsonRef::Document(document) = element {
            in_document(document, path, f)?;
        }
    }
    Ok(())
}

fn in_value<'a>(
    value: RawBsonRef<'a>,
    rest: Option<&str>,
    f: &mut dyn FnMut(RawBsonRef<'a>),
) -> Result<()> {
    match (rest, value) {
        (None, value) => {
            f(value);
            Ok(())
        }
        (Some(path), RawBsonRef::Document(document)) => in_document(document, path, f),
        (Some(path), RawBsonRef::Array(array)) => in_array(array, path, f),
        (Some(_), _) => Ok(()),
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)))
}

/// The array index that a segment spells, if it spells one the way it would be printed.
fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0"
        || (!segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { segment.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    fn values(path: &str, document: &RawDocument) -> Vec<String> {
        let mut found = Vec::new();
        let path = Path::parse(path).expect("a path");
        path.each_value(document, &mut |value| found.push(format!("{value:?}"))).expect("valid");
        found
    }

    #[test]
    fn empty_segments_are_refused_and_others_are_shown_as_written() {
        for text in ["", ".", "a.", ".a", "a..b", "a\0b"] {
            assert!(Path::parse(text).is_err(), "{text:?}");
        }
        assert!(Path::parse(&vec!["a"; NESTING_MAX].join(".")).is_ok());
        assert!(Path::parse(&vec!["a"; NESTING_MAX + 1].join(".")).is_err());
        assert!(Path::parse(&["0"; INDEXES_MAX].join(".")).is_ok());
        assert!(Path::parse(&["0"; INDEXES_MAX + 1].join(".")).is_err());
        let path: Path = "author.name.0".parse().expect("a path");
        assert_eq!(path.to_string(), "author.name.0");
        assert_eq!(path.segments().collect::<Vec<_>>(), ["author", "name", "0"]);
        assert_eq!(
            Path::parse("a..b").expect_err("empty segment").to_string(),
            "invalid path \"a..b\": it has an empty segment; write field names joined by single \
             dots, as in author.name"
        );
    }

    #[test]
    fn arrays_fan_out_and_numbers_index_them() {
        let document = rawdoc! {
            "a": { "b": 1, "0": 7 },
            "list": [{ "x": 1 }, 5, { "x": [2, 3] }, [{ "x": 9 }], { "1": 4 }],
            "empty": [],
        };
        assert_eq!(values("a.b", &document), ["Int32(1)"]);
        assert_eq!(values("a.0", &document), ["Int32(7)"]);
        assert_eq!(values("list.x", &document), ["Int32(1)", "Int32(2)", "Int32(3)"]);
        assert_eq!(values("list.1", &document), ["Int32(5)", "Int32(4)"]);
        assert_eq!(values("list.3.x", &document), ["Int32(9)"]);
        assert_eq!(values("list.2.x.1", &document), ["Int32(3)"]);
        assert_eq!(values("list.01", &document), [""; 0]);
        assert_eq!(values("empty", &document), [""; 0]);
        assert_eq!(values("a.b.c", &document), [""; 0]);
        assert_eq!(values("nothing.here", &document), [""; 0]);
    }

    #[test]
    fn each_stored_keeps_arrays_whole() {
        let document = rawdoc! { "a": [1, 2] };
        let mut found = Vec::new();
        let path = Path::parse("a").expect("a path");
        path.each_stored(&document, &mut |value| found.push(value.element_type())).expect("valid");
        assert_eq!(found, [bson::spec::ElementType::Array]);
    }
}
