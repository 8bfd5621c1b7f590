//! The law that every cursor obeys, and what stands at a cursor's place.
//!
//! [`RawCursor`] moves over entries as they were written, tombstones included; blocks, segments, fresh
//! runs and their combinations implement it. What users hold is [`Cursor`](super::Cursor), which shows
//! only what is alive.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Result;
use super::name_filter::{Look, NameFilter};
use super::reserve::Reserve;

/// What an entry says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// The key has this value, whatever older runs say.
    Put,
    /// Like `Put`, with a value that stands in a value segment; the entry's own value is the reference to it.
    Refer,
    /// The key has no value, whatever older runs say; the entry's own value is empty.
    Delete,
    /// The value is an operand, to be combined with what older runs say.
    Merge,
}

/// Where [`Cursor::seek`](super::Cursor::seek) lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// On the key itself, or nowhere.
    Eq,
    /// On the key itself or the nearest one before it.
    Le,
    /// On the key itself or the nearest one after it.
    Ge,
}

/// Moves over entries in key order, both ways.
///
/// The law: a fresh cursor stands nowhere (`!valid()`). `first`, `last` and `seek_*` work from any state.
/// `next` past the last entry and `prev` before the first leave it nowhere; on a cursor that stands
/// nowhere both do nothing. Keys strictly ascend. After an error the cursor stands nowhere.
/// `key`, `kind` and `value` are asked only while `valid()`.
pub(crate) trait RawCursor: Send {
    fn first(&mut self) -> Result<()>;
    fn last(&mut self) -> Result<()>;
    /// To the first entry whose key is `key` or greater.
    fn seek_ge(&mut self, key: &[u8]) -> Result<()>;
    fn next(&mut self) -> Result<()>;
    fn prev(&mut self) -> Result<()>;
    fn valid(&self) -> bool;
    /// The entry's key; empty when the cursor stands nowhere.
    fn key(&self) -> &[u8];
    fn kind(&self) -> EntryKind;
    /// The entry's value or operand; reads the value area when it stands there.
    fn value(&self) -> Result<Bytes>;

    /// How many bytes of memory whoever keeps the value holds beside what the cursor's view holds anyway, and what they would be
    /// taken from; `None` where values are in memory as long as the view.
    fn held(&self) -> Option<(&Arc<Reserve>, usize)> {
        None
    }

    /// How many of its first bytes the key has in common with the one before, as far as that is known without a look: at least
    /// so many.
    fn shared(&self) -> usize {
        0
    }

    /// From the current key on to the first that `filter` takes, and how long its name is; `None` when it takes none.
    fn find_name(&mut self, filter: &mut dyn NameFilter) -> Result<Option<usize>> {
        // The filter did not see what the cursor passed over on its way here.
        let mut shared = 0;
        while self.valid() {
            match self.look_on(filter, shared)? {
                Look::Take(len) => return Ok(Some(len)),
                Look::Leap(key) if self.key() < &key[..] => {
                    self.seek_ge(&key)?;
                    shared = 0;
                }
                Look::Pass | Look::Leap(_) => {
                    self.next()?;
                    shared = self.shared();
                }
                Look::End => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Shows `filter` the keys from the current one on, whose first `shared` bytes are those of the one it saw last, as long as it
    /// passes over them. Stands on the one that it does not pass over, of which it said what is given, or nowhere.
    fn look_on(&mut self, filter: &mut dyn NameFilter, mut shared: usize) -> Result<Look> {
        while self.valid() {
            match filter.look(self.key(), shared)? {
                Look::Pass => {}
                look => return Ok(look),
            }
            self.next()?;
            shared = self.shared();
        }
        Ok(Look::Pass)
    }

    /// Passes the keys of entries from here on to `visit`, tombstones aside, and stands on the first entry that was not looked at: one
    /// whose key is not below `upper`, or the one behind so many as `most` says. Gives how many were looked at.
    fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut walked = 0;
        while walked < most && self.valid() && upper.is_none_or(|upper| self.key() < upper) {
            if self.kind() != EntryKind::Delete {
                visit(self.key())?;
            }
            walked += 1;
            self.next()?;
        }
        Ok(walked)
    }

    /// To the last entry whose key is `key` or smaller.
    fn seek_le(&mut self, key: &[u8]) -> Result<()> {
        self.seek_ge(key)?;
        if !self.valid() {
            return self.last();
        }
        if self.key() == key { Ok(()) } else { self.prev() }
    }
}
