//! Columns: the values of one path, kept by document, for sorting, counting and ranges.
//!
//! Sits beside searches: a search says *which* documents, columns say what they have at a path, without reading them. The layer
//! takes values from documents, keeps them in keyspaces of the storage core, and computes on sets of documents; collections say
//! which documents come and go.
//!
//! ```text
//! document ─► ColumnIndexer ─► ColumnChunkBuilder ─► operand ─► keyspace  columns.<path>   chunk → values
//!                                      │                           │
//!             documents that were read ┴──► ColumnChunk ◄──────────┘   ColumnSource gives it
//!                                               │
//! DocumentSet ──────────────────────────────► sorted, aggregate, range_documents
//! ```
//!
//! | part | answers |
//! |---|---|
//! | [`ColumnIndexer`] | what does this transaction change in a column? |
//! | [`ColumnOperator`] | what do two parts of a chunk make? |
//! | [`ColumnChunk`] | which values have these documents? |
//!
//! Invariants
//! * Equal contents have equal bytes, whatever was joined when.
//! * What is computed depends on the documents of the set alone; where equal values are written differently, as 1 and 1.0, any of
//!   them may stand for all.
//! * Bytes of a file never panic, and never allocate more than a small multiple of themselves and some megabytes.
//!
#![doc = include_str!("../../docs/columns.md")]

mod aggregate;
mod aggregation;
mod buckets;
mod builder;
mod chunk;
mod content;
mod dictionary;
mod documents;
mod error;
mod figures;
mod indexer;
mod intervals;
mod join;
mod numbers;
mod operator;
mod packed;
mod ranges;
mod results;
mod rows;
mod slots;
mod sorting;
mod source;
mod tally;
#[cfg(test)]
mod tests;

pub use aggregate::aggregate;
pub use aggregation::{
    Aggregation, Aggregations, DateHistogram, Distinct, HISTOGRAM_LEN_MAX, Histogram, NamedRange,
    Ranges, Stats, TERMS_LEN_MAX, Terms,
};
pub use builder::ColumnChunkBuilder;
pub use chunk::ColumnChunk;
pub use error::{Error, Result};
pub use indexer::{COLUMN_DOCUMENT_BYTES_MAX, ColumnIndexer};
pub use numbers::number;
pub use operator::{ColumnOperator, column_key, decode_column_key};
pub use ranges::range_documents;
pub use results::{
    AggregationResult, AggregationResults, Bucket, DistinctResult, HistogramResult, RangesResult,
    StatsResult, TermsResult,
};
pub use sorting::{SortKey, Sorted, sorted};
pub use source::ColumnSource;
