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
//! `comparison` `pattern` `type_set` (what conditions ask of a value), `route` (the values under a
//! path), `tree` (a compiled filter), `operators` `operand` `compile` (how it becomes one). What a
//! filter means is described for its users:
#![doc = include_str!("../../../docs/filters.md")]

mod comparison;
mod compile;
mod number;
mod operand;
mod operators;
mod pattern;
mod position;
mod route;
#[cfg(test)]
mod tests;
mod tree;
mod type_set;

use super::error::{Error, Result};
use super::validate::{NESTING_MAX, validate};
use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf};
use compile::Compiler;
use position::Position;
use route::Scope;
use tree::Node;

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
