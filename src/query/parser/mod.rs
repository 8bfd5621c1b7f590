//! From a line of text to a query tree, whatever the line is; and back.
//!
//! The searcher and the command line come here with what a person typed; out goes a [`ParsedQuery`].
//! [`Query::user`] is total: any string gives a query, and what could not be taken literally gives a
//! [`Warning`] that says what was done and what to type instead. [`Query::parse`] reads the same
//! language the same way, and refuses where the other warns that the text was not taken as written.
//!
//! Invariants
//! * spans lie inside the text and on character boundaries, and are never empty for a clause; clauses
//!   stand in the order of their spans, apart, and those of a group within its span;
//! * at most [`CLAUSES_MAX`] clauses, groups counted, at most [`GROUPS_DEPTH_MAX`] in each other, and
//!   [`WARNINGS_MAX`] + 3 warnings, from at most [`TEXT_BYTES_MAX`] bytes;
//! * the text that a parsed query prints (`Display`) parses to the same query, spans aside, without a
//!   doubt.
//!
//! Cost: one pass, linear in the text. Files, from the characters up: `chars` (which mean something),
//! `escape` (backslashes), `suffix` (weights and slop), `word`, `regex`, `range` and `near` (the forms of
//! a clause), `boolean` (AND, OR, NOT), `group`, `reader` and `clause` (the pass), `options` (what else may be found), `print`
//! (the way back), `warning`, `error`. The language itself is described for its users:
#![doc = include_str!("../../../docs/query.md")]

mod boolean;
mod chars;
mod clause;
mod error;
mod escape;
mod group;
mod near;
mod options;
mod print;
mod range;
mod reader;
mod regex;
mod suffix;
mod warning;
mod word;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::query::ast::Query;
pub use error::ParseError;
pub use options::UserOptions;
pub use warning::{Warning, WarningKind};

/// Bytes of a query text that are read; the rest is dropped with a warning.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Clauses that are kept, groups and keywords counted; the rest is dropped with a warning.
const CLAUSES_MAX: usize = 1024;

/// Groups that stand in each other; what is deeper is dropped with a warning. The planner takes as many.
const GROUPS_DEPTH_MAX: usize = 32;

/// Warnings about one place of the text that are kept; those about the whole text always are.
const WARNINGS_MAX: usize = 32;

/// A query read from text, and what its author should know about how it was read.
///
/// Searches take one with `impl Into<ParsedQuery>`, so that a `&str`, a [`Query`] and a parsed query
/// all do, and no warning is lost on the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParsedQuery {
    /// What will be searched.
    pub query: Query,
    /// The query in which words stand for similar ones too, if [`Query::user_with`] was asked for it. Documents that match
    /// `query` come before all others that match this one, which scores them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relaxed: Option<Query>,
    /// What was not taken as written, in the order of the text, limits last. Never a reason to stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The text that it was read from, in which spans count; empty when it was read from none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Query {
    /// Reads what a person typed into a search box. Never fails: every string is a query.
    ///
    /// The whole language counts (see `docs/query.md`); what is not written as it has it is text. At
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
        reader::read(text)
    }

    /// Reads what a person typed, and lets words stand for what may have been meant by them.
    ///
    /// With [`typos`](UserOptions::typos), words of 4 to 7 characters may differ in one from what was typed, longer ones in two; with
    /// [`prefix`](UserOptions::prefix), the last word may be the beginning of one, unless white space follows. Phrases, patterns
    /// and what is excluded are taken as typed. Documents that match the query as typed always come first.
    ///
    /// ```
    /// use alluvium::{Database, Query, UserOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "the river" },
    ///     doc! { "_id": 2, "text": "a rivr, by mistake, in a much longer text" },
    /// ])?;
    /// let query = Query::user_with("rivr", UserOptions::new().typos(true));
    /// let hits: Vec<_> = notes.search(query)?.run()?.collect();
    /// assert_eq!((hits[0].id()?, hits[0].is_corrected()), (2.into(), false));
    /// assert_eq!((hits[1].id()?, hits[1].is_corrected()), (1.into(), true));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn user_with(text: &str, options: UserOptions) -> ParsedQuery {
        let parsed = Self::user(text);
        let relaxed = options::relaxed(text, &parsed.query, options);
        ParsedQuery { relaxed, ..parsed }
    }

    /// Reads a query that has to be written as the language has it. Linear time.
    ///
    /// What it takes, [`Query::user`] reads the same way and without a warning, but for that about a query
    /// that only excludes.
    ///
    /// ```
    /// use alluvium::Query;
    ///
    /// let query = Query::parse("title:(gold OR silver) AND NOT year:[* TO 1848}")?;
    /// assert_eq!(query.to_string(), "+title:(gold silver) -year:<1848");
    /// assert!(Query::parse("gold AND").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Says the first place that could not be taken as written, and the remedy.
    pub fn parse(text: &str) -> Result<Query, ParseError> {
        let ParsedQuery { query, warnings, .. } = Self::user(text);
        match warnings.into_iter().find(Warning::is_doubt) {
            Some(warning) => Err(ParseError::new(text, warning)),
            None => Ok(query),
        }
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
        Self { query, ..Self::default() }
    }
}

impl From<ParsedQuery> for Query {
    fn from(parsed: ParsedQuery) -> Self {
        parsed.query
    }
}
