//! Looking at a file without writing to it: its structure, its pages, its check. The storage core does the work; here it
//! gets the operators of collections, and the collections are counted.

use std::path::Path;

use serde::Serialize;

use super::handle::{CheckReport, Database, store_options};
use super::options::Options;
use crate::collection::{self, CollectionReader};
use crate::error::Result;
use crate::lsm::{Inspector, Pages};

/// A collection in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CollectionFigures {
    /// Its name.
    pub name: String,
    /// Documents that are alive.
    pub documents: u64,
    /// DocIds that were ever given, to documents that were replaced or removed too.
    pub doc_ids: u64,
    /// Names of its text indexes.
    pub indexes: Vec<String>,
}

impl Database {
    /// Opens the file at `path` to look at its structure, beside a process that writes to it if there is one. Nothing is
    /// written, and the file must exist.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("notes.alv");
    /// let db = Database::open(&path)?;
    /// db.collection("notes")?.insert(doc! { "text": "gold" })?;
    /// db.close()?;
    /// let inspector = Database::inspect(&path)?;
    /// assert!(inspector.structure(true)?.clean);
    /// assert_eq!(Database::collections_in(&inspector)?[0].documents, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`open_reader`](Self::open_reader).
    pub fn inspect(path: impl AsRef<Path>) -> Result<Inspector> {
        Ok(Inspector::open_file(path, store_options(&Options::default(), true))?)
    }

    /// Opens the file at `path` to look at single pages, however damaged it is. Nothing is written.
    ///
    /// # Errors
    /// When the file does not exist, is locked, or cannot be read.
    pub fn pages(path: impl AsRef<Path>) -> Result<Pages> {
        Ok(Pages::open_file(path, store_options(&Options::default(), true))?)
    }

    /// Checks the file at `path` as [`check`](Self::check) does, and writes nothing to it. Beside a process that writes,
    /// that is everything of the newest state; what the rest of the file holds is not known then.
    ///
    /// # Errors
    /// Those of [`inspect`](Self::inspect); the first damage that keeps the check from going on.
    pub fn check_file(path: impl AsRef<Path>, deep: bool) -> Result<CheckReport> {
        let inspector = Database::inspect(path)?;
        let store = inspector.check()?;
        let deep = if deep { Some(collection::check(inspector.snapshot())?) } else { None };
        Ok(CheckReport { store, deep })
    }

    /// The collections of a file that is looked at, by name.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn collections_in(inspector: &Inspector) -> Result<Vec<CollectionFigures>> {
        let snapshot = inspector.snapshot();
        let mut found = Vec::new();
        for name in collection::collection_names(snapshot)? {
            let Some(reader) = CollectionReader::open(snapshot, &name)? else { continue };
            let indexes = reader.definition().indexes.iter().map(|index| index.name.clone());
            found.push(CollectionFigures {
                documents: reader.count(),
                doc_ids: reader.next_doc_id().number(),
                indexes: indexes.collect(),
                name,
            });
        }
        Ok(found)
    }
}
