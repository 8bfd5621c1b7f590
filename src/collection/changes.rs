//! What changed in a collection behind a point: documents that were stored, and removals where they are tracked.
//!
//! Every stored document gets a DocId that is greater than all before it, a replaced one too, so the living documents from a DocId on
//! are what was stored since that was the next one: each in its last form, in the order in which it got it. A removal leaves nothing there.
//! A collection that tracks removals has a keyspace for them (its being there says so), and a removal takes a DocId whose document
//! is dead from the beginning.
//!
//! ```text
//! removals   DocId ─► { _id: … }
//! ```
//! Invariant: who applies the changes from a DocId on, in their order, to the collection as it was then has what the snapshot shows.
//! Cost: a step a stored document and removal behind the point, those that died since included until they are compacted.

use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;

use super::catalog::definition_to_change;
use super::documents::{Documents, stored_document};
use super::error::Result;
use super::read::CollectionReader;
use crate::bson::RawDocumentBuf;
use crate::fts::{DocId, names};
use crate::lsm::{Cursor, KeyspaceOptions, Reader, Seek, Transaction};

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A document was stored, new or in the place of another.
    Stored(RawDocumentBuf),
    /// The document with the `_id` of this one was removed.
    Removed(RawDocumentBuf),
}

/// Changes by ascending numbers; an iterator.
pub struct Changes<'a> {
    documents: Peekable<Documents<'a>>,
    removals: Option<Cursor<'a>>,
}

/// Has a collection note from now on what is removed from it; whether it did not before.
///
/// # Errors
/// [`Error::UnknownCollection`](super::Error::UnknownCollection), which leaves the transaction as it was; those of the storage core.
pub fn track_removals(transaction: &mut Transaction, name: &str) -> Result<bool> {
    definition_to_change(transaction, name)?;
    let removals = names::removals(name);
    let is_new = transaction.keyspace(&removals).is_none();
    let options = KeyspaceOptions { filter_bits_per_key: 0, ..KeyspaceOptions::default() };
    transaction.create_keyspace(&removals, options)?;
    Ok(is_new)
}

/// Forgets the removals before a number.
///
/// # Errors
/// Those of the storage core.
pub fn forget_removals(transaction: &mut Transaction, name: &str, before: DocId) -> Result<()> {
    if let Some(removals) = transaction.keyspace(&names::removals(name)) {
        let before = before.to_key();
        transaction.delete_range(removals, Bound::Unbounded, Bound::Excluded(&before))?;
    }
    Ok(())
}

impl<'a> CollectionReader<'a> {
    /// What changed since `start` was the number of the next document.
    ///
    /// # Errors
    /// Those of the storage core.
    pub fn changes_from(&self, start: DocId) -> Result<Changes<'a>> {
        let reader = self.reader();
        let mut removals = None;
        if let Some(keyspace) = reader.keyspace(&names::removals(self.name())) {
            let mut cursor = reader.cursor(keyspace)?;
            removals = cursor.seek(&start.to_key(), Seek::Ge)?.then_some(cursor);
        }
        Ok(Changes { documents: self.documents_from(start)?.peekable(), removals })
    }
}

impl Changes<'_> {
    fn removal(&mut self) -> Result<Option<(DocId, Change)>> {
        let Some(cursor) = &mut self.removals else { return Ok(None) };
        let (number, document) = (DocId::from_key(cursor.key())?, cursor.value()?);
        let removed = Change::Removed(stored_document(&document)?.to_owned());
        if !cursor.next()? {
            self.removals = None;
        }
        Ok(Some((number, removed)))
    }

    fn read(&mut self) -> Result<Option<(DocId, Change)>> {
        let removed =
            self.removals.as_ref().map(|cursor| DocId::from_key(cursor.key())).transpose()?;
        let is_removal = match (self.documents.peek(), removed) {
            (Some(Ok((stored, _))), Some(removed)) => removed < *stored,
            (None, Some(_)) => true,
            (_, None) | (Some(Err(_)), _) => false,
        };
        if is_removal {
            return self.removal();
        }
        let stored = self.documents.next().transpose()?;
        Ok(stored.map(|(number, document)| (number, Change::Stored(document))))
    }
}

impl Iterator for Changes<'_> {
    type Item = Result<(DocId, Change)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("removals", &self.removals).finish_non_exhaustive()
    }
}
