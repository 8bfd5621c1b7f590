//! Anything that holds documents as a stream of records, and documents back into files.
//!
//! [`Source`] reads JSON lines, JSON arrays, tables (CSV, TSV), BSON, dumps and archives of mongodump, and folders of text,
//! Markdown and HTML; packed by gzip or not; from files or from a stream. Each [`Record`] has its [`Place`], so that a person
//! finds it, a [`Mark`], so that a program goes on behind it, and a document or the reason why there is none.
//!
//! The library has no opinion on what becomes of a record that is no document: that is for the caller to say. It has one on
//! hostile bytes: memory is bounded whatever they claim, and nothing panics.
//!
//! What the formats are, and what becomes of documents, is described for users:
#![doc = include_str!("../../docs/import.md")]

mod archive;
mod bson;
mod cells;
mod csv;
mod decoding;
mod dump;
mod dumped;
mod error;
mod exact;
mod export;
mod folder;
mod format;
mod html;
mod indexes;
mod input;
mod json;
mod lines;
mod markdown;
mod meter;
mod ndjson;
mod options;
mod page;
#[cfg(feature = "parquet")]
mod parquet;
mod place;
mod record;
mod records;
mod rejects;
mod shape;
mod source;
mod table;
mod tsv;

pub use dumped::DumpedCollection;
pub use error::{Error, Result};
pub use export::{Export, ExportFormat};
pub use format::Format;
pub use indexes::DumpedIndexes;
pub use meter::Meter;
pub use options::{ColumnType, RECORD_BYTES_MAX, SourceOptions, Typing};
pub use place::{Mark, Place, Position};
pub use record::{Record, Refusal};
pub use rejects::Rejects;
pub use shape::Shape;
pub use source::Source;
