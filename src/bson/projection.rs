//! [`Projection`]: which parts of a document are handed out.
//!
//! The facade compiles one for a search or a find and applies it to each document that is read. It is MongoDB's, without operators:
//! fields are named to be included or to be excluded, and `_id` is there unless it is excluded.
//!
//! ```text
//! { title: 1, "author.name": 1 }      _id, title, and of author the name
//! { body: 0, _id: 0 }                 all but body and _id
//! ```
//! A path goes through arrays: of each document in one the parts are taken that the path says, and what is no document is left out
//! where fields are included, and stays where they are excluded. Numbers in paths are names, not places in arrays. Fields keep their
//! order. Invariant: what comes of a valid document is one. Cost: a look-up in a map for each field that is looked at.

use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::path::Path;
use super::{CStr, RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

/// Which fields of documents are wanted.
///
/// ```
/// use alluvium::bson::{Projection, rawdoc};
///
/// let projection = Projection::parse(&rawdoc! { "author.name": 1 })?;
/// let document = rawdoc! { "_id": 1, "author": { "name": "Ada", "born": 1815 }, "body": "…" };
/// let expected = rawdoc! { "_id": 1, "author": { "name": "Ada" } };
/// assert_eq!(projection.apply(&document)?, expected);
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// Whether what is named stays, and nothing else, or goes.
    includes: bool,
    named: Named,
}

/// Fields that are named, each with those below it; a field with none is named itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Named(BTreeMap<String, Named>);

impl Projection {
    /// Reads a projection: paths with 1 or true to include them, or with 0 or false to exclude them, not both but for `_id`. A document
    /// in the place of the number names paths below. An empty projection excludes nothing.
    ///
    /// # Errors
    /// [`Error::Projection`], which says where and what was expected; [`Error::Path`].
    pub fn parse(projection: &RawDocument) -> Result<Self> {
        let mut entries = Vec::new();
        flatten(projection, "", &mut entries)?;
        let (mut id, mut includes) = (None, None);
        let mut named = Named::default();
        for (path, is_wanted) in entries {
            if path == "_id" {
                id = Some(is_wanted);
                continue;
            }
            if *includes.get_or_insert(is_wanted) != is_wanted {
                let message =
                    "paths are either included or excluded, not both; only _id may differ";
                return Err(refused(&path, message));
            }
            named.insert(&path)?;
        }
        let includes = includes.or(id).unwrap_or(false);
        let is_named = match id {
            Some(is_wanted) => is_wanted == includes,
            None => includes && !named.0.contains_key("_id"),
        };
        if is_named {
            named.insert("_id")?;
        }
        Ok(Projection { includes, named })
    }

    /// The wanted parts of a document.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and never for a validated document.
    pub fn apply(&self, document: &RawDocument) -> Result<RawDocumentBuf> {
        self.of_document(document, &self.named)
    }

    fn of_document(&self, document: &RawDocument, named: &Named) -> Result<RawDocumentBuf> {
        let mut wanted = RawDocumentBuf::new();
        for element in document {
            let (name, value): (&CStr, RawBsonRef<'_>) = element?;
            match named.0.get(name.as_str()) {
                None if self.includes => {}
                None => wanted.append(name, value),
                Some(below) if below.0.is_empty() => {
                    if self.includes {
                        wanted.append(name, value);
                    }
                }
                Some(below) => match value {
                    RawBsonRef::Document(document) => {
                        wanted.append(name, self.of_document(document, below)?);
                    }
                    RawBsonRef::Array(array) => wanted.append(name, self.of_array(array, below)?),
                    _ if self.includes => {}
                    value => wanted.append(name, value),
                },
            }
        }
        Ok(wanted)
    }

    fn of_array(&self, array: &RawArray, named: &Named) -> Result<RawArrayBuf> {
        let mut wanted = RawArrayBuf::new();
        for element in array {
            match element? {
                RawBsonRef::Document(document) => wanted.push(self.of_document(document, named)?),
                RawBsonRef::Array(array) => wanted.push(self.of_array(array, named)?),
                _ if self.includes => {}
                value => wanted.push(value),
            }
        }
        Ok(wanted)
    }
}

impl Named {
    /// Names a path, of which no part is named yet, and no path below.
    fn insert(&mut self, path: &str) -> Result<()> {
        let (mut named, mut is_new) = (self, true);
        for (depth, segment) in Path::parse(path)?.segments().enumerate() {
            if depth > 0 && !is_new && named.0.is_empty() {
                return Err(refused(path, "a field above it is named too"));
            }
            is_new = !named.0.contains_key(segment);
            named = named.0.entry(segment.to_owned()).or_default();
        }
        if is_new { Ok(()) } else { Err(refused(path, "it, or a field below it, is named too")) }
    }
}

/// Paths with what is said of them.
fn flatten(projection: &RawDocument, above: &str, entries: &mut Vec<(String, bool)>) -> Result<()> {
    for element in projection {
        let (name, value): (&CStr, RawBsonRef<'_>) = element?;
        let name = name.as_str();
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        if name.split('.').any(|segment| segment.starts_with('$')) {
            return Err(refused(&path, "there are no operators; expected a path"));
        }
        let is_wanted = match value {
            RawBsonRef::Boolean(is_wanted) => is_wanted,
            RawBsonRef::Int32(number) => number != 0,
            RawBsonRef::Int64(number) => number != 0,
            RawBsonRef::Double(number) => number != 0.0,
            RawBsonRef::Document(below) if !below.is_empty() => {
                flatten(below, &path, entries)?;
                continue;
            }
            _ => return Err(refused(&path, "expected 1 to include it or 0 to exclude it")),
        };
        entries.push((path, is_wanted));
    }
    Ok(())
}

fn refused(position: &str, message: &str) -> Error {
    Error::Projection { position: position.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::{Bson, Document, doc, rawdoc};

    fn raw(document: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).unwrap()
    }

    #[test]
    fn fields_are_included_or_excluded_as_in_mongodb() {
        let document = rawdoc! {
            "_id": 1, "title": "Gold", "author": { "name": "Ada", "born": 1815 },
            "parts": [{ "n": 1, "text": "a" }, "b", [{ "n": 2, "text": "c" }], { "text": "d" }],
        };
        let cases = [
            (
                doc! {},
                doc! { "_id": 1, "title": "Gold", "author": { "name": "Ada", "born": 1815 },
                "parts": [{ "n": 1, "text": "a" }, "b", [{ "n": 2, "text": "c" }], { "text": "d" }] },
            ),
            (doc! { "title": 1 }, doc! { "_id": 1, "title": "Gold" }),
            (doc! { "title": true, "_id": 0 }, doc! { "title": "Gold" }),
            (doc! { "author": { "name": 1_i64 } }, doc! { "_id": 1, "author": { "name": "Ada" } }),
            (doc! { "title.x": 1, "author.x": 1.0 }, doc! { "_id": 1, "author": {} }),
            (doc! { "parts.n": 1 }, doc! { "_id": 1, "parts": [{ "n": 1 }, [{ "n": 2 }], {}] }),
            (doc! { "parts.0": 1 }, doc! { "_id": 1, "parts": [{}, [{}], {}] }),
            (
                doc! { "parts.text": 0, "author": 0, "title": false },
                doc! { "_id": 1, "parts": [{ "n": 1 }, "b", [{ "n": 2 }], {}] },
            ),
            (doc! { "_id": 1 }, doc! { "_id": 1 }),
            (doc! { "_id": 1, "parts": 0, "author": 0 }, doc! { "_id": 1, "title": "Gold" }),
            (
                doc! { "_id": 0, "parts": 0, "author.born": 0 },
                doc! { "title": "Gold", "author": { "name": "Ada" } },
            ),
        ];
        for (projection, expected) in cases {
            let found = Projection::parse(&raw(&projection)).unwrap().apply(&document).unwrap();
            assert_eq!(found, raw(&expected), "{projection}");
        }
    }

    #[test]
    fn what_is_no_projection_is_refused_with_its_place() {
        let cases = [
            (doc! { "a": 1, "b": 0 }, "at b: paths are either included or excluded"),
            (doc! { "_id": 1, "a": 0, "b": 1 }, "at b: paths are either"),
            (doc! { "a": 1, "a.b": 1 }, "at a.b: a field above it"),
            (doc! { "a.b": 1, "a": 1 }, "at a: it, or a field below it"),
            (doc! { "a": { "b": 1 }, "a.b": 1 }, "at a.b: it, or a field below it"),
            (doc! { "a": { "$slice": 2 } }, "at a.$slice: there are no operators"),
            (doc! { "a.$": 1 }, "at a.$: there are no operators"),
            (doc! { "a": "b" }, "at a: expected 1 to include it or 0 to exclude it"),
            (doc! { "a": {} }, "at a: expected 1"),
        ];
        for (projection, message) in cases {
            let error = Projection::parse(&raw(&projection)).unwrap_err().to_string();
            assert!(error.starts_with("invalid projection") && error.contains(message), "{error}");
        }
        assert!(matches!(Projection::parse(&rawdoc! { "a..b": 1 }), Err(Error::Path { .. })));
    }

    /// The same by the paths of all values.
    fn twin(value: Bson, path: &str, paths: &[String], includes: bool) -> Option<Bson> {
        let is_named = paths.iter().any(|named| named == path);
        let is_above = paths.iter().any(|named| named.starts_with(&format!("{path}.")));
        match value {
            value if is_named => includes.then_some(value),
            value if !is_above && !path.is_empty() => (!includes).then_some(value),
            Bson::Document(fields) => {
                let mut kept = Document::new();
                for (name, value) in fields {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    kept.extend(twin(value, &path, paths, includes).map(|value| (name, value)));
                }
                Some(Bson::Document(kept))
            }
            Bson::Array(values) => {
                let values = values.into_iter();
                Some(Bson::Array(
                    values.filter_map(|value| twin(value, path, paths, includes)).collect(),
                ))
            }
            value => (!includes).then_some(value),
        }
    }

    fn random(rng: &mut fastrand::Rng, depth: u32) -> Bson {
        match rng.u32(..4) {
            0 if depth < 4 => {
                Bson::Array((0..rng.usize(..4)).map(|_| random(rng, depth + 1)).collect())
            }
            1 | 2 if depth < 4 => Bson::Document(random_document(rng, depth)),
            _ => Bson::Int32(rng.i32(..9)),
        }
    }

    fn random_document(rng: &mut fastrand::Rng, depth: u32) -> Document {
        let names = ["_id", "a", "b", "c", "0"].into_iter().filter(|_| rng.bool());
        let names: Vec<&str> = names.collect();
        names.into_iter().map(|name| (name.to_owned(), random(rng, depth + 1))).collect()
    }

    #[test]
    fn projections_equal_a_walk_over_all_values() {
        let mut rng = fastrand::Rng::with_seed(21);
        let mut compared = 0;
        for _ in 0..20_000 {
            let document = random_document(&mut rng, 0);
            let includes = rng.bool();
            let mut paths: Vec<String> = (0..rng.usize(1..4))
                .map(|_| {
                    let names =
                        (0..rng.usize(1..4)).map(|_| *rng.choice(&["a", "b", "c", "0"]).unwrap());
                    names.collect::<Vec<_>>().join(".")
                })
                .collect();
            let mut projection: Document =
                paths.iter().map(|path| (path.clone(), Bson::Boolean(includes))).collect();
            let id = rng.bool();
            if id != includes || rng.bool() {
                projection.insert("_id", id);
                if id == includes {
                    paths.push("_id".to_owned());
                }
            } else if includes {
                paths.push("_id".to_owned());
            }
            let Ok(projection) = Projection::parse(&raw(&projection)) else { continue };
            let found = projection.apply(&raw(&document)).unwrap();
            let expected = twin(Bson::Document(document), "", &paths, includes).unwrap();
            assert_eq!(found, raw(expected.as_document().unwrap()), "{paths:?} {includes}");
            compared += 1;
        }
        assert!(compared > 5000, "{compared}");
    }
}
