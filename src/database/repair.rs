//! Repair: every document of a damaged file that can be read goes into a new file, whose indexes are built by inserting.
//!
//! The storage core salvages entries, the collection layer makes documents of them; here they are inserted in batches.
//! The damaged file is only read. The new one has its name only when it is whole.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::batches::{Batches, create_like, put_marks};
use super::handle::{Database, store_options};
use super::options::{CollectionOptions, Options};
use crate::bson::RawDocument;
use crate::collection::{self, SalvagedCollection, salvage_collections};
use crate::error::{Error, Result};
use crate::lsm::{self, Loss, PartialFile, Salvage};

/// What a repair recovered and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// One for each collection, by name.
    pub collections: Vec<RepairedCollection>,
    /// Documents in the new file.
    pub documents: u64,
    /// Why the damaged file cannot be opened as usual, if it cannot.
    pub trouble: Option<String>,
    /// What is lost: of documents, of what says which are alive, and of the catalog.
    pub losses: Vec<Loss>,
    /// What was damaged in indexes, which are new now.
    pub rebuilt: Vec<Loss>,
    /// Bytes of the file that are lost.
    pub lost_bytes: u64,
}

/// A collection of a repaired file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairedCollection {
    /// Its name.
    pub name: String,
    /// Documents that were recovered.
    pub documents: u64,
    /// Documents that it had, as far as that can be read.
    pub expected: Option<u64>,
}

impl RepairReport {
    /// Whether all documents were recovered, as far as anything in the file tells.
    pub fn is_complete(&self) -> bool {
        let counted = |collection: &RepairedCollection| {
            collection.expected.is_none_or(|expected| expected == collection.documents)
        };
        self.losses.is_empty() && self.collections.iter().all(counted)
    }
}

/// How far a repair is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairProgress {
    /// Bytes of the damaged file that were read and verified.
    pub done_bytes: u64,
    /// Bytes to be read: the file is read twice.
    pub total_bytes: u64,
    /// Documents that are in the new file.
    pub documents: u64,
}

impl Database {
    /// Copies every document of the damaged file `source` that can be read into a new file `target`, and builds all
    /// indexes anew. `source` is read and never written.
    ///
    /// ```
    /// use alluvium::{Database, Options, doc};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let (damaged, repaired) = (folder.path().join("notes.alv"), folder.path().join("new.alv"));
    /// let db = Database::open(&damaged)?;
    /// db.collection("notes")?.insert(doc! { "_id": 1, "text": "gold" })?;
    /// db.close()?;
    /// let mut bytes = std::fs::read(&damaged).unwrap();
    /// bytes[4096..8192].fill(0xFF); // A root is gone,
    /// bytes[8 * 4096..9 * 4096].fill(0xFF); // and the other one.
    /// std::fs::write(&damaged, bytes).unwrap();
    /// assert!(Database::open(&damaged).is_err());
    ///
    /// let report = Database::repair(&damaged, &repaired, Options::new())?;
    /// assert!(report.is_complete());
    /// let db = Database::open(&repaired)?;
    /// assert_eq!(db.collection("notes")?.search("gold")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileExists`] when there is something at `target`, which is left alone; when `source` is locked, cannot be
    /// read, or holds nothing of ours; when `target` cannot be written. What could not be finished is removed; what a
    /// crash leaves stands beside `target` and is named `*.alluvium-partial`.
    pub fn repair(
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        options: Options,
    ) -> Result<RepairReport> {
        Database::repair_with(source, target, options, |_| ())
    }

    /// Like [`repair`](Self::repair); `progress` hears how far it is.
    ///
    /// # Errors
    /// Those of [`repair`](Self::repair).
    pub fn repair_with(
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        options: Options,
        mut progress: impl FnMut(RepairProgress),
    ) -> Result<RepairReport> {
        let target = target.as_ref();
        if target.symlink_metadata().is_ok() {
            return Err(Error::FileExists { path: target.to_owned() });
        }
        let mut told = RepairProgress::default();
        let source = lsm::FileStorage::open_read_only(source)?;
        let source: Arc<dyn lsm::Storage> = Arc::new(source);
        let salvage = salvaged(&source, store_options(&options, true), &mut told, &mut progress)?;
        let (partial, storage) = PartialFile::create(target)?;
        let db = Database::on_storage(storage, store_options(&options, true), options)?;
        let report = fill(&db, &salvage, &mut told, &mut progress)?;
        db.close()?;
        partial.publish()?;
        Ok(report)
    }

    /// Repairs from one storage of the caller's to another, which is empty; `store_options` has the cipher of the damaged
    /// file, if it is encrypted, and the new one gets the same.
    ///
    /// # Errors
    /// Those of [`repair`](Self::repair).
    pub fn repair_storage(
        source: &Arc<dyn lsm::Storage>,
        target: impl lsm::Storage + 'static,
        mut store_options: lsm::Options,
    ) -> Result<RepairReport> {
        let mut told = RepairProgress::default();
        store_options.merge_operators = collection::operators();
        store_options.group_rewriters = collection::rewriters();
        let salvage = salvaged(source, store_options.clone(), &mut told, &mut |_| ())?;
        let db = Database::open_storage(target, store_options)?;
        let report = fill(&db, &salvage, &mut told, &mut |_| ())?;
        db.close()?;
        Ok(report)
    }
}

fn salvaged(
    source: &Arc<dyn lsm::Storage>,
    options: lsm::Options,
    told: &mut RepairProgress,
    progress: &mut dyn FnMut(RepairProgress),
) -> Result<Salvage> {
    Ok(Salvage::open_with(source, options, |read| {
        (told.done_bytes, told.total_bytes) = (read.done_bytes, read.total_bytes);
        progress(*told);
    })?)
}

fn fill(
    db: &Database,
    salvage: &Salvage,
    told: &mut RepairProgress,
    progress: &mut dyn FnMut(RepairProgress),
) -> Result<RepairReport> {
    let (collections, losses) = salvage_collections(salvage)?;
    let trouble = salvage.trouble().map(str::to_owned);
    let mut report = RepairReport { trouble, losses, ..RepairReport::default() };
    for loss in salvage.losses() {
        let is_index = |kind: &str| loss.keyspace.contains(kind);
        let is_rebuilt =
            ["/text.", "/norms.", "/value.", "/columns.", "/ids"].into_iter().any(is_index);
        let list = if is_rebuilt { &mut report.rebuilt } else { &mut report.losses };
        list.push(loss.clone());
    }
    for collection in &collections {
        match &collection.definition {
            Some(definition) => create_like(db, &collection.name, definition)?,
            None => drop(db.create_collection(&collection.name, &CollectionOptions::new())?),
        }
        let mut tell = || {
            told.documents += 1;
            progress(*told);
        };
        let documents = insert(db, salvage, collection, &mut report.losses, &mut tell)?;
        let (name, expected) = (collection.name.clone(), collection.documents);
        report.documents += documents;
        report.collections.push(RepairedCollection { name, documents, expected });
    }
    // Where anything is lost an import would leave out what it has to bring again.
    let all_there = |(salvaged, repaired): &(&SalvagedCollection, &RepairedCollection)| {
        salvaged.documents == Some(repaired.documents)
    };
    if report.is_complete() {
        for (salvaged, _) in collections.iter().zip(&report.collections).filter(all_there) {
            put_marks(db, &salvaged.name, &salvaged.marks)?;
        }
    }
    report.lost_bytes = report.losses.iter().map(|loss| loss.bytes).sum();
    Ok(report)
}

/// Inserts the documents that can be read; gives their number.
fn insert(
    db: &Database,
    salvage: &Salvage,
    collection: &SalvagedCollection,
    losses: &mut Vec<Loss>,
    tell: &mut dyn FnMut(),
) -> Result<u64> {
    let mut refused = Vec::new();
    let mut batches = Batches::new(db, &collection.name);
    let mut failure = None;
    let mut put = |document: &RawDocument| -> Result<()> {
        let bytes = document.as_bytes().len();
        // Where the mark of a dead document is lost, the newer one of the same `_id` comes later and stays.
        match batches.write(bytes, |collection| collection.upsert(document.to_owned()))? {
            Err(error) if error.is_document_refused() => {
                let id = document.get("_id").ok().flatten();
                let id = id.map_or_else(|| "without `_id`".to_owned(), |id| format!("{id:?}"));
                let place = "one document".to_owned();
                let refusal = Loss::new(&collection.name, place, id, error.to_string());
                refused.push(Loss { bytes: bytes as u64, ..refusal });
            }
            other => drop(other?),
        }
        Ok(())
    };
    let visited = collection.documents(salvage, &mut |document| {
        tell();
        put(document).map_err(|error| {
            failure = Some(error);
            lsm::Error::Closed
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    losses.extend(visited?);
    batches.finish()?;
    losses.append(&mut refused);
    db.collection(&collection.name)?.count()
}
