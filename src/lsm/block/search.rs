//! Finding one key in a block without a cursor: for point reads.
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

/// An entry that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub kind: EntryKind,
    place: ValuePlace,
}

impl Block {
    /// The entry of `key`.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Found>> {
        let Some(restart) = self.restart_for(key)? else { return Ok(None) };
        let mut at = self.restart_offset(restart).unwrap_or_default();
        let end = self.restart_offset(restart + 1).unwrap_or(self.entries().len());
        // Of the key before: its length, and the leading bytes in which it is like `key`.
        let (mut len_before, mut agreed) = (0, 0);
        for _ in 0..RESTART_INTERVAL_MAX {
            if at >= end {
                return Ok(None);
            }
            let entry = self.entry(at)?;
            len_before = entry.key_len(len_before, at)?;
            let order = match entry.shared.cmp(&agreed) {
                // It shares the byte by which the one before is smaller.
                Ordering::Greater => Ordering::Less,
                // It is greater where the one before is like `key`.
                Ordering::Less => Ordering::Greater,
                Ordering::Equal => {
                    let rest = key.get(agreed..).unwrap_or_default();
                    let more = shared_len(entry.unshared, rest);
                    agreed += more;
                    entry.unshared.get(more..).cmp(&rest.get(more..))
                }
            };
            match order {
                Ordering::Less => at = entry.end,
                Ordering::Equal => return Ok(Some(Found { kind: entry.kind, place: entry.value })),
                Ordering::Greater => return Ok(None),
            }
        }
        if at >= end { Ok(None) } else { Err(damaged("a restart interval is too long", at)) }
    }

    /// The entry of the restart with this index.
    pub(crate) fn restart_entry(&self, index: usize) -> Result<Found> {
        let entry = self.entry(self.restart_offset(index).unwrap_or(self.entries().len()))?;
        Ok(Found { kind: entry.kind, place: entry.value })
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
