//! [`Table`]: what a transaction has written to one keyspace and what still is in memory.
//!
//! Entries by key, and range tombstones beneath them: deleting a range forgets the entries in it, so no tombstone and
//! no operand stands within a range, as in a fresh run. Two tables become one as fresh runs do.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{FreshTableBuilder, combine};
use crate::lsm::ids::{SegmentId, VALUE_BYTES_MAX};
use crate::lsm::merge_operator::MergeOperator;
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::scan::{PendingCursor, PendingTable, RunRanges, Source};
use crate::lsm::value::Reference;

/// Bytes that a pending entry takes besides its key and value.
const OVERHEAD_BYTES: usize = 96;

/// An entry's kind and its value or operand.
pub(super) type Entry = (EntryKind, Bytes);

/// Pending writes to one keyspace.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: PendingTable,
    pub(super) ranges: Arc<Ranges>,
}

/// Bytes that an entry takes.
pub(super) fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD_BYTES
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.ranges.is_empty()
    }

    /// Bytes that it takes; walks all entries.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries.iter().map(|(key, (_, value))| entry_bytes(key, value));
        entries.sum::<usize>() + self.ranges.memory_bytes()
    }

    /// Bytes that the entry of `key` takes.
    pub(super) fn bytes_of(&self, key: &[u8]) -> usize {
        self.entries.get(key).map_or(0, |(_, value)| entry_bytes(key, value))
    }

    /// What stands at `key` when `entry` is written there; `None` when nothing does.
    pub(super) fn written(
        &self,
        key: &[u8],
        entry: Entry,
        operator: Option<&dyn MergeOperator>,
    ) -> Result<Option<Entry>> {
        // Nothing is below an entry in a deleted range.
        match (self.entries.get(key), entry.0) {
            (_, EntryKind::Delete) if self.ranges.covers(key) => Ok(None),
            (Some(have), _) => {
                let combined = combine(key, have, entry, operator)?;
                if combined.1.len() > VALUE_BYTES_MAX {
                    let (bytes, bytes_max) = (combined.1.len() as u64, VALUE_BYTES_MAX as u64);
                    return Err(Error::ValueTooLong { bytes, bytes_max });
                }
                Ok(Some(combined))
            }
            (None, EntryKind::Merge) if self.ranges.covers(key) => {
                Ok(Some((EntryKind::Put, entry.1)))
            }
            (None, _) => Ok(Some(entry)),
        }
    }

    pub(super) fn set(&mut self, key: &[u8], entry: Option<Entry>) {
        match entry {
            None => drop(self.entries.remove(key)),
            Some(entry) => match self.entries.get_mut(key) {
                Some(have) => *have = entry,
                None => drop(self.entries.insert(key.to_vec(), entry)),
            },
        }
    }

    /// Bytes that the entries of `range` take.
    pub(super) fn bytes_within(&self, range: &KeyRange) -> usize {
        let within = self.entries.range::<[u8], _>(range.bounds());
        within.map(|(key, (_, value))| entry_bytes(key, value)).sum()
    }

    /// Forgets the entries of `range` and deletes it from what is older.
    pub(super) fn hide(&mut self, range: KeyRange) {
        let within = self.entries.range::<[u8], _>(range.bounds());
        let forgotten: Vec<Vec<u8>> = within.map(|(key, _)| key.clone()).collect();
        for key in forgotten {
            self.entries.remove(&key);
        }
        Arc::make_mut(&mut self.ranges).insert(range);
    }

    /// What has to be written to `self` besides the ranges of `newer`, so that it says what both say.
    pub(super) fn join_of(
        &self,
        newer: &Table,
        operator: Option<&dyn MergeOperator>,
    ) -> Result<Vec<(Vec<u8>, Option<Entry>)>> {
        let joined = newer.entries.iter().map(|(key, entry)| {
            // What it would be combined with is hidden by a range that is newer than that.
            let is_hidden = newer.ranges.covers(key);
            let written = if is_hidden {
                Some(entry.clone())
            } else {
                self.written(key, entry.clone(), operator)?
            };
            Ok((key.clone(), written))
        });
        joined.collect()
    }

    /// The value segments to which entries refer, some more than once.
    pub(super) fn referred(&self) -> impl Iterator<Item = SegmentId> + '_ {
        let references = self.entries.values().filter(|(kind, _)| *kind == EntryKind::Refer);
        references.filter_map(|(_, value)| Some(Reference::decode(value).ok()?.segment))
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source {
            cursor: Box::new(PendingCursor::new(&self.entries)),
            ranges: RunRanges::Memory(Arc::clone(&self.ranges)),
        }
    }

    /// The form of a fresh run. Entry by entry, so that both are not in memory whole.
    pub(super) fn into_builder(self) -> FreshTableBuilder {
        let mut builder = FreshTableBuilder::new(self.ranges);
        for (key, (kind, value)) in self.entries {
            builder.add(&key, kind, &value);
        }
        builder
    }
}
