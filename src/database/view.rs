//! What a read of a collection looks at: a snapshot of its own, or the transaction that asks. Searches hold one, so that the
//! same code serves both.

use super::snapshot::SnapshotCollection;
use crate::collection::CollectionReader;
use crate::error::Result;
use crate::lsm;

/// A collection in a consistent view, owned or borrowed.
#[derive(Debug)]
pub(super) enum View<'a> {
    Snapshot(SnapshotCollection),
    Transaction { transaction: &'a lsm::Transaction, name: String },
}

impl View<'_> {
    /// The collection's name.
    pub(super) fn name(&self) -> &str {
        match self {
            View::Snapshot(collection) => collection.name(),
            View::Transaction { name, .. } => name,
        }
    }

    /// The collection, if it exists.
    pub(super) fn collection(&self) -> Result<Option<CollectionReader<'_>>> {
        match self {
            View::Snapshot(collection) => collection.open(),
            View::Transaction { transaction, name } => {
                Ok(CollectionReader::open(*transaction, name)?)
            }
        }
    }
}
