//! Reordering: a copy of a database in which similar documents are neighbours, so that searches are faster and indexes
//! smaller.
//!
//! The collection layer finds the order; here documents are inserted in it into a new file, which gets its name when it is
//! whole. So documents, ids, indexes and postings move together, because nothing but documents is moved. Cost: that of ordering,
//! see [`similar_order`], and of writing all documents anew.

use std::path::Path;

use serde::Serialize;

use super::batches::{Batches, create_like, put_marks};
use super::handle::Database;
use super::options::Options;
use crate::collection::{self, CollectionReader, import_marks, similar_order};
use crate::error::{Error, Result};
use crate::lsm::{self, PartialFile};

/// The part of the budget that ordering takes, and that the new file is written with: both beside what is read.
const MEMORY_SHARE: usize = 4;

/// What a reordered copy holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReorderReport {
    /// Its collections.
    pub collections: u64,
    /// Its documents.
    pub documents: u64,
    /// Length of the file.
    pub file_bytes: u64,
}

/// How far reordering is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReorderProgress {
    /// Documents that are in the new file.
    pub documents: u64,
    /// Documents in all collections.
    pub total: u64,
}

impl Database {
    /// Writes a copy of everything that is committed now into a new file, like [`compact_into`](Self::compact_into), with documents
    /// that share words next to each other.
    ///
    /// Searches for several words become faster by that and the index smaller, the more so the less the order in which documents
    /// were written has to do with what they are about. Hits of the same score, and documents when all are listed, come in the new
    /// order; all else is as it was. It takes as long as importing all documents, and somewhat longer to find the order. Reads and
    /// commits go on meanwhile and do not show in the copy.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let db = Database::open(folder.path().join("notes.alv"))?;
    /// db.collection("notes")?.insert(doc! { "_id": 1, "text": "gold" })?;
    /// let copy = folder.path().join("copy.alv");
    /// assert_eq!(db.reorder_into(&copy)?.documents, 1);
    /// assert_eq!(Database::open(&copy)?.collection("notes")?.search("gold")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileExists`] when there is something at `path`, which is left alone; when damage was met on the way, when the
    /// device fails. What could not be finished is removed.
    pub fn reorder_into(&self, path: impl AsRef<Path>) -> Result<ReorderReport> {
        self.reorder_into_with(path, |_| ())
    }

    /// Like [`reorder_into`](Self::reorder_into); `progress` hears how far it is.
    ///
    /// # Errors
    /// Those of [`reorder_into`](Self::reorder_into).
    pub fn reorder_into_with(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(ReorderProgress),
    ) -> Result<ReorderReport> {
        let path = path.as_ref();
        if path.symlink_metadata().is_ok() {
            return Err(Error::FileExists { path: path.to_owned() });
        }
        let (partial, storage) = PartialFile::create(path)?;
        let memory_bytes = self.shared.options.memory_bytes / MEMORY_SHARE;
        let store_options = lsm::Options {
            memory_bytes,
            log: true,
            scheduler: lsm::Options::default().scheduler,
            ..self.shared.store.options().clone()
        };
        let options = Options::new().memory_bytes(memory_bytes);
        let target = Database::on_storage(storage, store_options, options)?;
        let mut report = self.fill_reordered(&target, &mut progress)?;
        target.compact()?;
        target.shrink()?;
        report.file_bytes = target.stats().file_bytes;
        target.close()?;
        partial.publish()?;
        Ok(report)
    }

    fn fill_reordered(
        &self,
        target: &Database,
        progress: &mut dyn FnMut(ReorderProgress),
    ) -> Result<ReorderReport> {
        let snapshot = self.shared.store.snapshot();
        let (mut report, mut told) = (ReorderReport::default(), ReorderProgress::default());
        let mut collections = Vec::new();
        for name in collection::collection_names(&snapshot)? {
            collections.extend(CollectionReader::open(&snapshot, &name)?);
        }
        let counts = collections.iter().map(CollectionReader::count);
        told.total = counts.fold(0, u64::saturating_add);
        for collection in &collections {
            create_like(target, collection.name(), collection.definition())?;
            let order = similar_order(collection, self.shared.options.memory_bytes / MEMORY_SHARE)?;
            let mut batches = Batches::new(target, collection.name());
            for doc in order {
                progress(told);
                let Some(document) = collection.document(doc)? else { continue };
                let bytes = document.as_bytes().len();
                batches.write(bytes, |collection| collection.insert(document))??;
                told.documents += 1;
            }
            batches.finish()?;
            // It has the very documents that they speak of.
            put_marks(target, collection.name(), &import_marks(&snapshot, collection.name())?)?;
        }
        progress(told);
        report.collections = collections.len() as u64;
        report.documents = told.documents;
        Ok(report)
    }
}
