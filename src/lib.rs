//! Alluvium, an embedded full-text search engine: one file, one commit, one crate. A log-structured merge engine
//! stores BSON documents and their inverted index together, so both become durable and visible in one transaction.

pub mod bson;
pub mod collection;
pub mod eval;
pub mod fts;
pub mod lsm;
mod query;

pub use query::{Clause, Occur, ParsedQuery, Pattern, Query, Warning, WarningKind};
