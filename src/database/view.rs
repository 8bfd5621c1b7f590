//! What a read of a collection looks at: a snapshot of its own, or the transaction that asks. Searches hold one, so that the
//! same code serves both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::snapshot::SnapshotCollection;
use crate::collection::{CollectionReader, OpenCollection};
use crate::error::Result;
use crate::lsm::{self, Reader};

/// A collection in a consistent view, owned or borrowed.
#[derive(Debug)]
pub(super) enum View<'a> {
    Snapshot(SnapshotCollection),
    Transaction { transaction: &'a lsm::Transaction, name: String, opened: &'a Opened },
}

/// A collection as the first read of one state found it, if it exists there, for those that follow.
#[derive(Debug, Default)]
pub(super) struct Opened(OnceLock<Option<Arc<OpenCollection>>>);

/// Collections as the searches of one state found them: the store keeps it with the state.
#[derive(Debug, Default)]
pub(super) struct OpenedCollections(Mutex<HashMap<String, Arc<Opened>>>);

/// Collections of a state that are remembered; those that do not exist count too.
const REMEMBERED_LEN_MAX: usize = 1024;

impl OpenedCollections {
    /// What is known of a collection, for all who ask in the same state.
    pub(super) fn of(&self, name: &str) -> Arc<Opened> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = known.get(name) {
            return Arc::clone(opened);
        }
        let opened = Arc::<Opened>::default();
        if known.len() < REMEMBERED_LEN_MAX {
            known.insert(name.to_owned(), Arc::clone(&opened));
        }
        opened
    }
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
            View::Transaction { transaction, name, opened } => opened.read(*transaction, name),
        }
    }
}

impl Opened {
    /// The collection `name` in the state that `reader` shows, which is always the same.
    pub(super) fn read<'r>(
        &self,
        reader: &'r dyn Reader,
        name: &str,
    ) -> Result<Option<CollectionReader<'r>>> {
        if let Some(opened) = self.0.get() {
            let opened = opened.as_ref().map(Arc::clone);
            return Ok(opened.map(|opened| CollectionReader::again(reader, opened)));
        }
        let collection = CollectionReader::open(reader, name)?;
        self.0.get_or_init(|| collection.as_ref().map(CollectionReader::opened));
        Ok(collection)
    }
}
