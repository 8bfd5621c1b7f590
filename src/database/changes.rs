//! What changed in a collection since a number, for programs that follow it: an index elsewhere, a cache, a pipeline.
//!
//! The collection layer knows what a change is; here they are read a page at a time, so that nobody holds a snapshot while
//! working on them.

use std::time::Duration;

use super::collection::Collection;
use super::snapshot::SnapshotCollection;
use crate::bson::{self, Bson, RawDocumentBuf};
use crate::collection;
use crate::error::Result;
use crate::fts::DocId;
use crate::lsm::{Clock, SystemClock};

/// A change of a collection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A document was stored, new or in the place of another one.
    Stored(RawDocumentBuf),
    /// The document with this `_id` was removed.
    Removed(Bson),
}

/// Some changes in the order in which they were made; a document that was replaced is told in its last form.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// The number of each: what [`SnapshotCollection::changes`] begins with when it is given that number.
    pub numbers: Vec<u64>,
    /// Where to go on: what the next call is given.
    pub next: u64,
}

impl SnapshotCollection {
    /// What changed since `since`, at most `limit` changes: 0 for everything, and then [`Changes::next`].
    ///
    /// Removals are among them as far as they were tracked ([`Collection::track_removals`]). Whoever applies all changes in their order has
    /// the same documents. A copy that was made by repair or by reordering has other numbers and tracks nothing: who follows it begins
    /// anew.
    ///
    /// ```
    /// use alluvium::{Change, Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }])?;
    /// notes.track_removals()?;
    /// let first = notes.changes(0, 100)?;
    /// assert_eq!(first.changes.len(), 2);
    /// notes.upsert(doc! { "_id": 2, "text": "gold" })?;
    /// notes.remove(1)?;
    /// let then = notes.changes(first.next, 100)?;
    /// let [Change::Stored(document), Change::Removed(id)] = &then.changes[..] else { panic!() };
    /// assert_eq!((document.get_str("text").unwrap(), id.as_i32()), ("gold", Some(1)));
    /// assert_eq!(notes.changes(then.next, 100)?.changes, []);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn changes(&self, since: u64, limit: usize) -> Result<Changes> {
        let mut page = Changes { next: since, ..Changes::default() };
        let Some(collection) = self.open()? else { return Ok(page) };
        let Some(start) = DocId::new(since) else { return Ok(page) };
        for change in collection.changes_from(start)? {
            if page.changes.len() == limit {
                return Ok(page);
            }
            let (number, change) = change?;
            page.numbers.push(number.number());
            page.changes.push(match change {
                collection::Change::Stored(document) => Change::Stored(document),
                collection::Change::Removed(removed) => {
                    let id = removed.get("_id").map_err(bson::Error::from)?;
                    Change::Removed(match id {
                        Some(id) => Bson::try_from(id).map_err(bson::Error::from)?,
                        None => Bson::Null,
                    })
                }
            });
            page.next = number.number() + 1;
        }
        // Numbers of documents that are gone are behind it too.
        page.next = page.next.max(collection.next_doc_id().number());
        Ok(page)
    }

    /// The least number that the next change can have: with it [`changes`](Self::changes) tells only of what comes from now on. 0 where the collection
    /// does not exist.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "_id": 1 })?;
    /// let next = notes.next_change()?;
    /// notes.insert(doc! { "_id": 2 })?;
    /// assert_eq!(notes.changes(next, 100)?.numbers, [next]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_change(&self) -> Result<u64> {
        Ok(self.open()?.map_or(0, |collection| collection.next_doc_id().number()))
    }
}

impl Collection {
    /// The number of the next change, as of [`SnapshotCollection::next_change`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_change(&self) -> Result<u64> {
        self.now()?.next_change()
    }

    /// What changed since `since`, as of [`SnapshotCollection::changes`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn changes(&self, since: u64, limit: usize) -> Result<Changes> {
        self.now()?.changes(since, limit)
    }

    /// Waits until something changed since `since`, or as long as `timeout`; whether something did.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// let other = notes.clone();
    /// let writer = std::thread::spawn(move || other.insert(doc! { "text": "gold" }));
    /// assert!(notes.wait_for_changes(0, Duration::MAX)?);
    /// assert_eq!(notes.changes(0, 100)?.changes.len(), 1);
    /// # writer.join().unwrap()?;
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read, or a write has failed.
    pub fn wait_for_changes(&self, since: u64, timeout: Duration) -> Result<bool> {
        let clock = SystemClock::default();
        let store = &self.database().shared.store;
        loop {
            let snapshot = self.database().snapshot();
            let collection = snapshot.collection(self.name())?;
            if collection.open()?.is_some_and(|open| open.next_doc_id().number() > since) {
                return Ok(true);
            }
            let left = timeout.saturating_sub(clock.now());
            if !store.wait_for_commit(snapshot.commit(), left)? {
                return Ok(false);
            }
        }
    }

    /// Has the collection note from now on what is removed from it, for [`changes`](Self::changes); whether it did not before. A note
    /// is as large as the `_id`, and is kept until it is forgotten.
    ///
    /// # Errors
    /// When there is no such collection ([`is_unknown_collection`](crate::Error::is_unknown_collection)).
    pub fn track_removals(&self) -> Result<bool> {
        let mut transaction = self.database().begin()?;
        let is_new = collection::track_removals(transaction.inner(), self.name())?;
        transaction.commit()?;
        Ok(is_new)
    }

    /// Forgets removals before `before`, which everybody who follows the collection knows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_removals(&self, before: u64) -> Result<()> {
        let Some(before) = DocId::new(before) else { return Ok(()) };
        let mut transaction = self.database().begin()?;
        collection::forget_removals(transaction.inner(), self.name(), before)?;
        transaction.commit()?;
        Ok(())
    }
}
