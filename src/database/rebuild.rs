//! [`TextIndexRebuild`]: a text index built anew step by step, each a transaction of its own. The collection layer knows what a
//! step is; here it gets its snapshot and its transaction.
//!
//! Only the last commit has to be durable: a crash may lose steps that nobody waited for, and the next rebuild goes on in front of
//! them. Cost: that of analyzing the documents, most of it while others write.

use super::handle::Database;
use crate::collection::{BatchLimits, Rebuild, RebuildProgress};
use crate::error::Result;
use crate::fts::TextIndexOptions;
use crate::lsm::Durability;

/// Bytes of documents of one step.
const STEP_BYTES: usize = 4 << 20;

/// A text index that is being built anew, for programs that want to say when.
///
/// Searches use the old index until the last step. Dropping it leaves what was built in the file, where writers keep it right, and
/// the next rebuild with the same options goes on with it.
///
/// ```
/// use alluvium::{AnalyzerOptions, Database, Language, TextIndexOptions, doc};
///
/// let db = Database::in_memory()?;
/// let notes = db.collection("notes")?;
/// notes.insert_many([doc! { "text": "panning for gold" }, doc! { "text": "a river" }])?;
/// let english = TextIndexOptions::all(AnalyzerOptions::for_language(Language::English));
/// let mut rebuild = notes.start_rebuild("default", &english)?;
/// assert_eq!(rebuild.step(1)?.unwrap().documents, 1);
/// notes.insert(doc! { "text": "a pan" })?;
/// assert_eq!(notes.search("pan")?.count()?, 1);
/// assert!(rebuild.step(1)?.is_none());
/// assert_eq!(notes.search("pan")?.count()?, 2);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
pub struct TextIndexRebuild {
    rebuild: Rebuild,
    database: Database,
}

impl TextIndexRebuild {
    /// Begins one, or goes on with one that was begun; without options it has those of the index.
    pub(super) fn start(
        database: &Database,
        collection: &str,
        index: &str,
        options: Option<&TextIndexOptions>,
    ) -> Result<Self> {
        let mut transaction = database.begin()?;
        let rebuild = Rebuild::start(transaction.inner(), collection, index, options)?;
        transaction.commit_with(Durability::Buffered)?;
        Ok(TextIndexRebuild { rebuild, database: database.clone() })
    }

    /// How far it is; `None` when the new index has taken the place of the old one.
    ///
    /// # Errors
    /// When it was cancelled, another one took its place, or the index was dropped.
    pub fn progress(&self) -> Result<Option<RebuildProgress>> {
        Ok(self.rebuild.progress(&self.database.shared.store.snapshot())?)
    }

    /// Indexes the next documents, at most so many (but one) and no more than a few MiB, and says how far it is; `None` when the
    /// new index has taken the place of the old one.
    ///
    /// # Errors
    /// Those of [`progress`](Self::progress), and what the device or a damaged document causes; the index is then as it was, and the
    /// step can be tried again.
    pub fn step(&mut self, documents_max: usize) -> Result<Option<RebuildProgress>> {
        let shared = &self.database.shared;
        let limits = BatchLimits {
            documents: documents_max,
            stored_bytes: STEP_BYTES,
            memory_bytes: shared.options.inverter_bytes_max(),
        };
        let snapshot = shared.store.snapshot();
        let Some(batch) = self.rebuild.gather(&snapshot, limits)? else { return Ok(None) };
        let mut transaction = self.database.begin()?;
        let progress = self.rebuild.apply(transaction.inner(), &snapshot, batch)?;
        // What it pins would count against the memory of the commit.
        drop(snapshot);
        if progress.is_some() {
            transaction.commit_with(Durability::Buffered)?;
        } else {
            transaction.commit()?;
        }
        Ok(progress)
    }

    /// Does all that is left; `progress` hears how far it is before each step.
    ///
    /// # Errors
    /// Those of [`step`](Self::step).
    pub fn finish(mut self, mut progress: impl FnMut(RebuildProgress)) -> Result<()> {
        let mut left = self.progress()?;
        while let Some(told) = left {
            progress(told);
            left = self.step(usize::MAX)?;
        }
        Ok(())
    }

    /// Drops what was built so far and frees its space; the index stays as it is. Nothing happens when all is done already.
    ///
    /// # Errors
    /// Those of [`progress`](Self::progress), and a failing device.
    pub fn cancel(self) -> Result<()> {
        let mut transaction = self.database.begin()?;
        self.rebuild.cancel(transaction.inner())?;
        transaction.commit()?;
        Ok(())
    }
}
