//! Filters: which documents are wanted, written as BSON like MongoDB's.
//!
//! Whoever selects documents by their fields comes here with a filter such as
//! `{year: {$gte: 1990}, tags: "gold"}`. It is compiled once by [`Filter::parse`] and then tried on
//! raw documents by [`Filter::matches`], which builds nothing and allocates nothing per document.
//!
//! Invariants
//! * no bytes make anything here panic: a filter that is not one is an [`Error::Filter`] with its
//!   position, a document that was never validated at worst an [`Error::Unreadable`];
//! * recursion is bounded by the nesting of filters and of documents, both [`NESTING_MAX`];
//! * a compiled filter is bounded: 10,000 parts, 100 regular expressions of 1 MiB.
//!
//! Files, each importing only what stands before it: `position` (where we are in a filter), `number`
//! `comparison` `pattern` `type_set` (what conditions ask of a value), `tree` (a compiled filter),
//! `intervals` `ranges` (the keys of an index that it asks for), `implication` (what it says about
//! other filters), `operators` `operand` `compile` (how a filter becomes a tree). The values under a
//! path come from the routes of the layer. What a filter means is described for its users:
#![doc = include_str!("../../../docs/filters.md")]

mod comparison;
mod compile;
mod implication;
mod intervals;
mod number;
mod operand;
mod operators;
mod pattern;
mod position;
mod ranges;
#[cfg(test)]
mod tests;
mod tree;
mod type_set;

use super::error::{Error, Result};
use super::index_key::KeyShape;
use super::path::Path;
use super::route::{Route, Scope};
use super::validate::{NESTING_MAX, validate};
use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf};
use compile::Compiler;
use position::Position;
use tree::Node;

pub use ranges::{KeyRange, KeyRanges};

/// A compiled filter; see the [module](self) for the language.
#[derive(Debug, Clone)]
pub struct Filter {
    root: Node,
}

impl Filter {
    /// Compiles a filter.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// let filter = Filter::parse(&rawdoc! { "year": { "$gte": 1990 }, "tags": "gold" })?;
    /// assert!(filter.matches(&rawdoc! { "year": 1995, "tags": ["gold", "river"] })?);
    /// assert!(!filter.matches(&rawdoc! { "year": 1985, "tags": "gold" })?);
    ///
    /// let error = Filter::parse(&rawdoc! { "year": { "$gtee": 1990 } }).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "invalid filter at year.$gtee: expected an operator, found $gtee; did you mean $gte?"
    /// );
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Filter`] with the position of what is not a filter; what [`validate`] says of bytes
    /// that are not a document.
    pub fn parse(filter: &RawDocument) -> Result<Self> {
        match validate(filter.as_bytes(), NESTING_MAX) {
            Ok(filter) => Ok(Self { root: Compiler::default().filter(filter)? }),
            Err(Error::TooDeep { .. }) => Err(too_deep(filter)),
            Err(other) => Err(other),
        }
    }

    /// Whether the document is one of those that the filter wants.
    ///
    /// Costs a scan of the document's names for each field of the filter, and no allocation except
    /// where [`compare`](super::compare()) makes one.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and never for a validated document.
    pub fn matches(&self, document: &RawDocument) -> Result<bool> {
        self.root.holds(Scope::Document(document))
    }

    /// Where in a value index the keys of the documents lie that the filter wants; `None` when the
    /// index narrows nothing down. Every document that the filter wants has a key in one of the
    /// ranges.
    ///
    /// `arrays` says under which fields of the index arrays were met, for all of its documents
    /// together: bit i is set when [`IndexKeys::arrays`](super::IndexKeys::arrays) of any had it
    /// set. A document has a single value under the other fields, for which all conditions then
    /// hold.
    ///
    /// ```
    /// use alluvium::bson::{Direction, Filter, KeyField, KeyRange, KeyShape, rawdoc};
    ///
    /// let year = KeyField { path: "year".to_owned(), direction: Direction::Ascending };
    /// let shape = KeyShape::new([year])?;
    /// let filter = Filter::parse(&rawdoc! { "year": { "$gte": 1, "$lt": 3 }, "tags": "gold" })?;
    /// let found = filter.key_ranges(&shape, 0).expect("year is narrowed down");
    /// let from_1_to_3 = KeyRange { lower: vec![0x1F, 2], upper: Some(vec![0x1F, 6]) };
    /// assert_eq!(found.ranges, [from_1_to_3]);
    /// // What lies there still has to be asked for its tags.
    /// assert!(!found.is_exact);
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn key_ranges(&self, shape: &KeyShape, arrays: u32) -> Option<KeyRanges> {
        ranges::key_ranges(&self.root, shape, arrays)
    }

    /// What the keys of all documents begin with that the filter wants, in a value index of this shape that met no arrays, if it wants
    /// one value alone in each of the first `fields` fields.
    ///
    /// ```
    /// use alluvium::bson::{Direction, Filter, KeyField, KeyShape, rawdoc};
    ///
    /// let field = |path: &str| KeyField { path: path.to_owned(), direction: Direction::Ascending };
    /// let shape = KeyShape::new([field("kind"), field("year")])?;
    /// let filter = Filter::parse(&rawdoc! { "kind": "x", "year": { "$gt": 3 } })?;
    /// assert_eq!(filter.key_prefix(&shape, 1), Some(vec![0x30, b'x', 0, 1]));
    /// assert_eq!(filter.key_prefix(&shape, 2), None);
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn key_prefix(&self, shape: &KeyShape, fields: usize) -> Option<Vec<u8>> {
        ranges::key_prefix(&self.root, shape, fields)
    }

    /// The conditions that all have to hold, each as a filter; none when everything is let through.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// let all = rawdoc! { "$and": [{ "year": { "$gt": 1990, "$lt": 2000 }, "tags": "gold" }, {}] };
    /// assert_eq!(Filter::parse(&all)?.conjuncts().len(), 3);
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn conjuncts(&self) -> Vec<Self> {
        let mut found = Vec::new();
        implication::each_conjunct(&self.root, &mut |root| found.push(Self { root }));
        found
    }

    /// The alternatives of each `$or` that has to hold: one list of filters for each of them. A
    /// document that the filter wants is wanted by at least one filter of every list.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// let either = rawdoc! { "$or": [{ "year": 1995 }, { "tags": "gold" }], "author": "Ada" };
    /// let alternatives = Filter::parse(&either)?.alternatives();
    /// assert_eq!(alternatives.len(), 1);
    /// assert!(alternatives[0][1].matches(&rawdoc! { "tags": "gold" })?);
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn alternatives(&self) -> Vec<Vec<Self>> {
        let mut found = Vec::new();
        implication::each_choice(&self.root, &mut |nodes| {
            found.push(nodes.iter().map(|node| Self { root: node.clone() }).collect());
        });
        found
    }

    /// Whether every document that this filter wants is surely one that `other` wants too; false
    /// also when that cannot be told.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// let recent = Filter::parse(&rawdoc! { "year": { "$gte": 1990 } })?;
    /// let one = Filter::parse(&rawdoc! { "year": 1995, "tags": "gold" })?;
    /// assert!(one.implies(&recent));
    /// assert!(!recent.implies(&one));
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn implies(&self, other: &Self) -> bool {
        implication::implies(&self.root, &other.root)
    }

    /// Whether every document that this filter wants surely has a value under the path, null
    /// included; false also when that cannot be told.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// let filter = Filter::parse(&rawdoc! { "year": { "$gt": 1990 }, "author": null })?;
    /// assert!(filter.requires_present("year"));
    /// assert!(!filter.requires_present("author"));
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn requires_present(&self, path: &str) -> bool {
        Path::parse(path).is_ok_and(|path| implication::requires(&self.root, Route::new(&path)))
    }

    /// Whether the filter surely wants every document, as the empty one does.
    ///
    /// ```
    /// use alluvium::bson::{Filter, rawdoc};
    ///
    /// assert!(Filter::parse(&rawdoc! { "$and": [{}, { "$comment": "all" }] })?.is_all());
    /// assert!(!Filter::parse(&rawdoc! { "year": 1995 })?.is_all());
    /// # Ok::<(), alluvium::bson::Error>(())
    /// ```
    pub fn is_all(&self) -> bool {
        implication::is_all(&self.root)
    }
}

impl TryFrom<&Document> for Filter {
    type Error = Error;

    fn try_from(filter: &Document) -> Result<Self> {
        Self::parse(&RawDocumentBuf::try_from(filter)?)
    }
}

/// The error for a filter that nests too deeply, with the first place where it does.
fn too_deep(filter: &RawDocument) -> Error {
    let mut position = Position::default();
    descend(filter, 1, &mut position);
    position.refuse(format!("expected at most {NESTING_MAX} levels of documents, found more"))
}

/// Moves `position` to the first document or array beyond the limit; false if there is none.
fn descend(document: &RawDocument, level: usize, position: &mut Position) -> bool {
    for (name, value) in document.iter().map_while(std::result::Result::ok) {
        let inside = match value {
            RawBsonRef::Document(inside) => inside,
            RawBsonRef::JavaScriptCodeWithScope(code) => code.scope,
            // The bytes of an array are those of a document whose names are the indexes.
            RawBsonRef::Array(array) => match RawDocument::from_bytes(array.as_bytes()) {
                Ok(inside) => inside,
                Err(_) => continue,
            },
            _ => continue,
        };
        let outer = position.enter(name.as_str());
        if level == NESTING_MAX || descend(inside, level + 1, position) {
            return true;
        }
        position.leave(outer);
    }
    false
}
