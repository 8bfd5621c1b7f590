//! Alluvium, an embedded full-text search engine: one file, one commit, one crate.

mod query;

pub use query::{Clause, Occur, ParsedQuery, Pattern, Query, Warning, WarningKind};
