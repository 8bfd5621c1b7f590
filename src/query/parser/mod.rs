//! From a line of text to a query tree, whatever the line is.
//!
//! The searcher and the command line come here with what a person typed; out goes a [`ParsedQuery`].
//! [`Query::user`] is total: any string gives a query, and what could not be taken literally gives a
//! [`Warning`] that says what was done and what to type instead.
//!
//! Invariants
//! * spans lie inside the text and on character boundaries, and are never empty for a clause;
//! * at most [`CLAUSES_MAX`] clauses and [`WARNINGS_MAX`] + 3 warnings, from at most
//!   [`TEXT_BYTES_MAX`] bytes;
//! * the text that a parsed query prints (`Display`) parses to the same query, spans aside.
//!
//! Cost: one pass, linear in the text. Files: `chars` (which characters mean something), `warning`,
//! `user` (the pass), `print` (the way back). The language itself is described for its users:
#![doc = include_str!("../../../docs/query.md")]

mod chars;
mod print;
mod user;
mod warning;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::query::ast::Query;
pub use warning::{Warning, WarningKind};

/// Bytes of a query text that are read; the rest is dropped with a warning.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Clauses that are kept; the rest is dropped with a warning.
const CLAUSES_MAX: usize = 1024;

/// Warnings about one place of the text that are kept; those about the whole text always are.
const WARNINGS_MAX: usize = 32;

/// A query read from text, and what its author should know about how it was read.
///
/// Searches take one with `impl Into<ParsedQuery>`, so that a `&str`, a [`Query`] and a parsed query
/// all do, and no warning is lost on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParsedQuery {
    /// What will be searched.
    pub query: Query,
    /// What was not taken as written, in the order of the text, limits last. Never a reason to stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Query {
    /// Reads what a person typed into a search box. Never fails: every string is a query.
    ///
    /// Words are alternatives, `+word` is required, `-word` is excluded, `"a phrase"` is words side by
    /// side, `field:word` and `field:"a phrase"` look into one field. Everything else is text. At
    /// most 64 KiB and 1,024 clauses are read. Linear time.
    ///
    /// ```
    /// use alluvium::{Occur, Query};
    ///
    /// let parsed = Query::user(r#"gold +title:river -"fool's gold"#);
    /// assert_eq!(parsed.query.clauses[1].occur, Occur::Must);
    /// assert_eq!(parsed.query.clauses[1].field.as_deref(), Some("title"));
    /// assert_eq!(parsed.query.to_string(), r#"gold +title:river -"fool's gold""#);
    /// assert_eq!(
    ///     parsed.warnings[0].to_string(),
    ///     "the quote at byte 19 is never closed: the phrase was read to the end of the text; \
    ///      close it where the phrase ends",
    /// );
    /// ```
    pub fn user(text: &str) -> ParsedQuery {
        user::parse(text)
    }
}

impl From<&str> for ParsedQuery {
    fn from(text: &str) -> Self {
        Query::user(text)
    }
}

impl From<&String> for ParsedQuery {
    fn from(text: &String) -> Self {
        Query::user(text)
    }
}

impl From<String> for ParsedQuery {
    fn from(text: String) -> Self {
        Query::user(&text)
    }
}

impl From<Query> for ParsedQuery {
    fn from(query: Query) -> Self {
        Self { query, warnings: Vec::new() }
    }
}

impl From<ParsedQuery> for Query {
    fn from(parsed: ParsedQuery) -> Self {
        parsed.query
    }
}
