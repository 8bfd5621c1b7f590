//! [`ColumnSource`]: where sorts, aggregations and filters get columns from.
//!
//! Collections implement it, for columns that are stored and for those that are made of documents that were read. Sorts and
//! aggregations ask for the same chunk more than once, so a source keeps what was dear to make.

use std::sync::Arc;

use super::chunk::ColumnChunk;
use super::error::Error;

/// Gives the columns of one collection, as of one state.
pub trait ColumnSource {
    /// What may fail.
    type Error: From<Error>;

    /// The values at `path` in the documents of the chunk numbered `chunk`; `None` when none of them has one.
    ///
    /// # Errors
    /// Whatever the source fails with.
    fn chunk(&self, path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>, Self::Error>;
}
