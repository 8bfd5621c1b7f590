//! Alluvium, an embedded full-text search engine: one file, one commit, one crate. A log-structured merge engine
//! stores BSON documents and their inverted index together, so that a document and its index entries become durable
//! and visible in the same transaction, or not at all.
//!
//! ```
//! use alluvium::{Database, doc};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("notes.alv");
//! let db = Database::open(path)?;
//! let notes = db.collection("notes")?;
//! notes.insert(doc! { "title": "Panning", "body": "Gold settles where the river slows." })?;
//! for hit in notes.search("rivr gold")?.limit(10) {
//!     let hit = hit?;
//!     println!("{:.2}  {}", hit.score, hit.snippet("body")?);
//! }
//! # Ok::<(), alluvium::Error>(())
//! ```
//!
//! No schema is needed, there is nothing to reload, and a search string never raises a syntax error. Start with
//! [`Database`]; the storage core is public as [`lsm`], relevance measures are in [`eval`].

pub mod bson;
pub mod collection;
pub mod columns;
mod database;
mod error;
pub mod eval;
pub mod fts;
mod kernels;
pub mod lsm;
pub mod query;

pub use bson::doc;
pub use collection::{AccessReport, RebuildProgress, Upserted, ValueIndexOptions, WayReport};
pub use columns::{Aggregation, AggregationResult, AggregationResults, Bucket, SortKey};
pub use database::{
    Change, Changes, CheckReport, Collection, CollectionFigures, CollectionOptions, Completions,
    Database, DatabaseReader, Find, FindIter, Found, FoundDocuments, Hit, Hits, Import,
    ImportGauge, ImportReport, IntoDocument, Options, RefusedDocument, ReorderProgress,
    ReorderReport, RepairProgress, RepairReport, RepairedCollection, Search, Snapshot,
    SnapshotCollection, TextIndexRebuild, Transaction, TransactionCollection, Typed,
    TypedCollection, TypedFind, TypedFound, TypedSnapshotCollection, TypedTransactionCollection,
};
pub use error::{Error, Result};
pub use fts::{
    Analyzer, AnalyzerError, AnalyzerOptions, Compounds, Diacritics, Fields, Language,
    LanguageField, QueryWord, Stage, StageToken, Stemmers, TextIndexOptions, Token, Tokenizer,
    register_filter, register_tokenizer,
};
pub use lsm::Durability;
pub use query::{
    Clause, Completion, Correction, Error as QueryError, Explanation, Feedback, LikeOptions, Occur,
    Parameters, ParseError, ParsedQuery, Pattern, Position, Query, Snippet, Suggestion,
    UserOptions, Warning, WarningKind, Weight,
};
