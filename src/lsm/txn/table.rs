//! [`Table`]: what a transaction has written to one keyspace and what still is in memory.
//!
//! Entries by key, and range tombstones beneath them: deleting a range forgets the entries in it, so no tombstone and
//! no operand stands within a range, as in a fresh run. Two tables become one as fresh runs do.
//!
//! Entries whose keys ascend are appended to what will be the fresh run, and the commit has nothing left to do. The first
//! key that does not ascend makes a map of them, at the cost of a copy of each entry, once.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{EntryRef, FreshTableBuilder, Parts, PartsCursor, Place, combined};
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
    held: Held,
    ranges: Arc<Ranges>,
}

/// The entries of a table.
#[derive(Debug)]
enum Held {
    /// As long as each key that was written is greater than the one before it: in the form of a fresh run.
    Ascending(FreshTableBuilder),
    Mixed(PendingTable),
}

impl Default for Held {
    fn default() -> Self {
        Held::Ascending(FreshTableBuilder::default())
    }
}

/// What stands at a key when an entry is written there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The entry itself.
    Itself,
    Nothing,
    Combined(EntryKind, Vec<u8>),
}

/// Bytes that an entry takes.
pub(super) fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD_BYTES
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.entries().next().is_none()
    }

    pub(super) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// The entries in key order.
    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = EntryRef<'_>> + '_> {
        self.entries_from(Bound::Unbounded)
    }

    fn entries_from(&self, from: Bound<&[u8]>) -> Box<dyn Iterator<Item = EntryRef<'_>> + '_> {
        match &self.held {
            Held::Ascending(table) => {
                let place = match from {
                    Bound::Included(key) | Bound::Excluded(key) => table.lower_bound(key),
                    Bound::Unbounded => Place::default(),
                };
                Box::new(table.entries_from(place))
            }
            Held::Mixed(table) => {
                let entries = table.range::<[u8], _>((from, Bound::Unbounded));
                Box::new(entries.map(|(key, (kind, value))| (&key[..], *kind, &value[..])))
            }
        }
    }

    /// What is written about a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Entry> {
        match &self.held {
            Held::Ascending(table) => {
                let place = table.find(key)?;
                table.entry(place).map(|(_, kind, _)| (kind, table.value(place)))
            }
            Held::Mixed(table) => table.get(key).cloned(),
        }
    }

    fn peek(&self, key: &[u8]) -> Option<(EntryKind, &[u8])> {
        match &self.held {
            // The usual case of those that ascend, without a search.
            Held::Ascending(table) if table.last_key().is_none_or(|last| last < key) => None,
            Held::Ascending(table) => {
                table.find(key).and_then(|place| table.entry(place)).map(|(_, k, v)| (k, v))
            }
            Held::Mixed(table) => table.get(key).map(|(kind, value)| (*kind, &value[..])),
        }
    }

    /// Bytes that it takes; walks all entries.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries().map(|(key, _, value)| entry_bytes(key, value));
        entries.sum::<usize>() + self.ranges.memory_bytes()
    }

    /// What stands at `key` when `entry` is written there, and the bytes of what stands there now.
    pub(super) fn written(
        &self,
        key: &[u8],
        entry: (EntryKind, &[u8]),
        operator: Option<&dyn MergeOperator>,
    ) -> Result<(Written, usize)> {
        let have = self.peek(key);
        let bytes = have.map_or(0, |(_, value)| entry_bytes(key, value));
        let is_covered = || !self.ranges.is_empty() && self.ranges.covers(key);
        // Nothing is below an entry in a deleted range.
        let written = match (have, entry.0) {
            (_, EntryKind::Delete) if is_covered() => Written::Nothing,
            (Some(have), _) => match combined(key, have, entry, operator)? {
                Some((_, value)) if value.len() > VALUE_BYTES_MAX => {
                    let (bytes, bytes_max) = (value.len() as u64, VALUE_BYTES_MAX as u64);
                    return Err(Error::ValueTooLong { bytes, bytes_max });
                }
                Some((kind, value)) => Written::Combined(kind, value),
                None => Written::Itself,
            },
            (None, EntryKind::Merge) if is_covered() => {
                Written::Combined(EntryKind::Put, entry.1.to_vec())
            }
            (None, _) => Written::Itself,
        };
        Ok((written, bytes))
    }

    /// Has `entry` stand at `key`.
    pub(super) fn set(&mut self, key: &[u8], entry: (EntryKind, &[u8])) {
        self.replace(key, entry);
    }

    /// Has `entry` stand at `key`, and gives the bytes of what stood there.
    pub(super) fn replace(&mut self, key: &[u8], (kind, value): (EntryKind, &[u8])) -> usize {
        match &mut self.held {
            Held::Ascending(table) if table.last_key().is_none_or(|last| last < key) => {
                table.add(key, kind, value);
                0
            }
            _ => {
                let entry = (kind, Bytes::copy_from_slice(value));
                let before = self.mixed().insert(key.to_vec(), entry);
                before.map_or(0, |(_, value)| entry_bytes(key, &value))
            }
        }
    }

    /// Has nothing stand at `key`.
    pub(super) fn unset(&mut self, key: &[u8]) {
        if self.peek(key).is_some() {
            self.mixed().remove(key);
        }
    }

    /// The entries as a map, once and for all.
    fn mixed(&mut self) -> &mut PendingTable {
        if let Held::Ascending(table) = &mut self.held {
            let mut mixed = PendingTable::new();
            std::mem::take(table).hand_over(|(key, kind, value)| {
                mixed.insert(key.to_vec(), (kind, Bytes::copy_from_slice(value)));
            });
            self.held = Held::Mixed(mixed);
        }
        match &mut self.held {
            Held::Mixed(table) => table,
            Held::Ascending(_) => unreachable!("it was made a map above"),
        }
    }

    fn entries_within<'a>(
        &'a self,
        range: &'a KeyRange,
    ) -> impl Iterator<Item = EntryRef<'a>> + 'a {
        let entries = self.entries_from(Bound::Included(&range.lower));
        entries.take_while(|(key, ..)| range.ends_behind(key))
    }

    /// Bytes that the entries of `range` take.
    pub(super) fn bytes_within(&self, range: &KeyRange) -> usize {
        self.entries_within(range).map(|(key, _, value)| entry_bytes(key, value)).sum()
    }

    /// Forgets the entries of `range` and deletes it from what is older.
    pub(super) fn hide(&mut self, range: KeyRange) {
        let forgotten: Vec<_> = self.entries_within(&range).map(|(key, ..)| key.to_vec()).collect();
        for key in forgotten {
            self.mixed().remove(&key);
        }
        Arc::make_mut(&mut self.ranges).insert(range);
    }

    /// What has to be written to `self` besides the ranges of `newer`, so that it says what both say.
    pub(super) fn join_of(
        &self,
        newer: &Table,
        operator: Option<&dyn MergeOperator>,
    ) -> Result<Vec<(Vec<u8>, Option<Entry>)>> {
        let joined = newer.entries().map(|(key, kind, value)| {
            // What it would be combined with is hidden by a range that is newer than that.
            let is_hidden = newer.ranges.covers(key);
            let written = if is_hidden {
                Written::Itself
            } else {
                self.written(key, (kind, value), operator)?.0
            };
            let entry = match written {
                Written::Itself => Some((kind, Bytes::copy_from_slice(value))),
                Written::Nothing => None,
                Written::Combined(kind, value) => Some((kind, value.into())),
            };
            Ok((key.to_vec(), entry))
        });
        joined.collect()
    }

    /// The value segments to which entries refer, some more than once.
    pub(super) fn referred(&self) -> impl Iterator<Item = SegmentId> + '_ {
        let references = self.entries().filter(|(_, kind, _)| *kind == EntryKind::Refer);
        references.filter_map(|(.., value)| Some(Reference::decode(value).ok()?.segment))
    }

    pub(super) fn source(&self) -> Source<'_> {
        let cursor: Box<dyn RawCursor> = match &self.held {
            Held::Ascending(table) => Box::new(PartsCursor::new(table)),
            Held::Mixed(table) => Box::new(PendingCursor::new(table)),
        };
        Source { cursor, ranges: RunRanges::Memory(Arc::clone(&self.ranges)) }
    }

    /// The form of a fresh run. Entry by entry, so that both are not in memory whole.
    pub(super) fn into_builder(self) -> FreshTableBuilder {
        match self.held {
            Held::Ascending(table) => table.with_ranges(self.ranges),
            Held::Mixed(table) => {
                let mut builder = FreshTableBuilder::new(self.ranges);
                for (key, (kind, value)) in table {
                    builder.add(&key, kind, &value);
                }
                builder
            }
        }
    }
}

#[cfg(test)]
mod tests;
