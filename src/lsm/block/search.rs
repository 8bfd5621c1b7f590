//! Finding one key in a block without a cursor: for point reads, and for the way down to a leaf.
//!
//! The key of an entry is never put together. What is known of the entry before is how many leading bytes it has in
//! common with the key that is looked for, and that it is smaller; since keys ascend and `shared` is as long as it can be, the two
//! numbers alone decide most entries, and the others by their own bytes.
//!
//! Cost: the search of the heads, then at most one restart interval of entries; no allocation.

use std::cmp::Ordering;

use super::builder::RESTART_INTERVAL_MAX;
use super::cursor::BlockValue;
use super::entry::{ValuePlace, damaged, shared_len};
use super::parsed::Block;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::Result;

/// An entry that a search ended at.
#[derive(Debug)]
pub(crate) struct Found {
    /// Whether it has the key that was looked for.
    pub exact: bool,
    pub kind: EntryKind,
    place: ValuePlace,
}

impl Block {
    /// The first entry whose key is `key` or greater.
    pub(crate) fn find_ge(&self, key: &[u8]) -> Result<Option<Found>> {
        let restart = self.restart_before_key(key)?;
        let mut at = self.restart_offset(restart).unwrap_or_default();
        // Of the key before: its length, and the leading bytes in which it is like `key`.
        let (mut len_before, mut agreed) = (0, 0);
        // One more than an interval holds: a key behind the last of them is the next restart's.
        for _ in 0..=RESTART_INTERVAL_MAX {
            if at == self.entries().len() {
                return Ok(None);
            }
            let entry = self.entry(at)?;
            len_before = entry.key_len(len_before, at)?;
            let order = match entry.shared.cmp(&agreed) {
                // It shares the byte by which the one before is smaller.
                Ordering::Greater => Ordering::Less,
                // It is greater where the one before is like `key`; or a restart, and then the next one.
                Ordering::Less => Ordering::Greater,
                Ordering::Equal => {
                    let rest = key.get(agreed..).unwrap_or_default();
                    let more = shared_len(entry.unshared, rest);
                    agreed += more;
                    entry.unshared.get(more..).cmp(&rest.get(more..))
                }
            };
            if order != Ordering::Less {
                let exact = order == Ordering::Equal;
                return Ok(Some(Found { exact, kind: entry.kind, place: entry.value }));
            }
            at = entry.end;
        }
        Err(damaged("a restart interval is too long", at))
    }

    /// The entry of the restart with this index.
    pub(crate) fn restart_entry(&self, index: usize) -> Result<Found> {
        let entry = self.entry(self.restart_offset(index).unwrap_or(self.entries().len()))?;
        Ok(Found { exact: false, kind: entry.kind, place: entry.value })
    }

    /// The value of an entry that was found in this block.
    pub(crate) fn into_value(self, found: Found) -> BlockValue {
        match found.place {
            ValuePlace::Inline(range) => BlockValue::Inline(self.into_slice(range)),
            ValuePlace::External(value) => BlockValue::External(value),
        }
    }

    /// The value of an entry that was found in this block, where it stands; none when it stands elsewhere.
    pub(crate) fn inline_value(&self, found: &Found) -> Option<&[u8]> {
        match &found.place {
            ValuePlace::Inline(range) => Some(self.bytes(range.clone())),
            ValuePlace::External(_) => None,
        }
    }
}
