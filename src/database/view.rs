//! What a read looks at: a snapshot of its own, or the transaction that asks. Searches hold one, so that the same code
//! serves both.

use crate::collection::CollectionReader;
use crate::error::Result;
use crate::lsm::{self, Reader};

/// A consistent view, owned or borrowed.
#[derive(Debug)]
pub(super) enum View<'a> {
    Snapshot(lsm::Snapshot),
    Transaction(&'a lsm::Transaction),
}

impl View<'_> {
    pub(super) fn reader(&self) -> &dyn Reader {
        match self {
            View::Snapshot(snapshot) => snapshot,
            View::Transaction(transaction) => *transaction,
        }
    }

    /// The collection of this name, if it exists.
    pub(super) fn collection(&self, name: &str) -> Result<Option<CollectionReader<'_>>> {
        Ok(CollectionReader::open(self.reader(), name)?)
    }
}
