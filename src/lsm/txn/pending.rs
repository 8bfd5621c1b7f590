//! [`Pending`]: what a transaction has written and not committed, in memory and in pending runs on disk.
//!
//! ```text
//! newest   layer 2   table                          written to
//!          ── savepoint ──
//!          layer 1   table  run  run                runs: spilled earlier, newest first
//!          ── savepoint ──
//! oldest   layer 0          run
//! ```
//! A layer holds what was written behind a savepoint, so rolling back to it drops whole layers. Layers are joined
//! when the savepoint between them is gone. When the tables exceed their share of memory they are *spilled*: each
//! becomes one run of segments that nothing names, so that whatever drops it (a rollback, an error, a crash) frees
//! its pages. More than [`RUNS_MAX`] runs of a keyspace in one layer are merged, the newest ones of similar size
//! first: each byte is rewritten O(log n) times.
//!
//! Each layer that is spilled takes a commit number of its own behind those of the version that the transaction
//! began on. So the age of every run stands in its segments as always, and the commit of a spilled transaction
//! spans the numbers of all its runs.
//!
//! Invariants: a layer below one with runs has an empty table; the lowest layer has no savepoint; an operation that
//! fails leaves what readers see as it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::lsm::compaction::{merge_pending, write_pending};
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{FreshTableBuilder, combine};
use crate::lsm::ids::{CommitNo, KeyspaceId, VALUE_BYTES_MAX};
use crate::lsm::manifest::{Keyspace, Run, Version};
use crate::lsm::operands::Operands;
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::scan::{PendingCursor, PendingTable, RunCursor, RunRanges, Source};
use crate::lsm::segment::KeyHash;

/// Bytes that a pending write takes besides its key and value.
const OVERHEAD_BYTES: usize = 96;

/// Pending runs of a keyspace in one layer above which some are merged.
const RUNS_MAX: usize = 4;

/// What a transaction has written.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Oldest first, at least one; the last is written to.
    layers: Vec<Layer>,
    /// Bytes that the tables take.
    bytes: usize,
    /// Commit numbers that runs took so far.
    numbers: u64,
}

#[derive(Debug, Default)]
struct Layer {
    /// The savepoint below; gone when the program dropped it.
    point: Weak<()>,
    tables: BTreeMap<KeyspaceId, PendingTable>,
    /// Range tombstones: older than the table of the same keyspace, which there always is, and newer than the runs.
    ranges: BTreeMap<KeyspaceId, Arc<Ranges>>,
    /// Newest first.
    runs: BTreeMap<KeyspaceId, Vec<Run>>,
}

impl Layer {
    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.runs.is_empty()
    }

    fn covers(&self, id: KeyspaceId, key: &[u8]) -> bool {
        self.ranges.get(&id).is_some_and(|ranges| ranges.covers(key))
    }

    /// Takes an entry out of the table; gives the bytes that it took.
    fn forget(&mut self, id: KeyspaceId, key: &[u8]) -> usize {
        let entry = self.tables.get_mut(&id).and_then(|table| table.remove(key));
        entry.map_or(0, |(_, value)| entry_bytes(key, &value))
    }

    /// Takes all entries of a range out of the table; gives the bytes that they took.
    fn forget_all(&mut self, id: KeyspaceId, range: &KeyRange) -> usize {
        let table = self.tables.get(&id);
        let within = table.into_iter().flat_map(|table| table.range::<[u8], _>(range.bounds()));
        let keys: Vec<Vec<u8>> = within.map(|(key, _)| key.clone()).collect();
        keys.iter().map(|key| self.forget(id, key)).sum()
    }
}

fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD_BYTES
}

impl Default for Pending {
    fn default() -> Self {
        Pending { layers: vec![Layer::default()], bytes: 0, numbers: 0 }
    }
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.iter().all(Layer::is_empty)
    }

    /// Whether a part of it is on disk.
    pub(crate) fn is_spilled(&self) -> bool {
        self.layers.iter().any(|layer| !layer.runs.is_empty())
    }

    /// Bytes of memory that the tables take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The greatest number of runs that a keyspace has.
    #[cfg(test)]
    pub(crate) fn runs_max(&self) -> usize {
        let runs = self.layers.iter().flat_map(|layer| layer.runs.values());
        runs.map(Vec::len).max().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn layers(&self) -> usize {
        self.layers.len()
    }

    fn top_mut(&mut self) -> &mut Layer {
        self.layers.last_mut().expect("invariant: there is a layer")
    }

    /// Writes an entry, spilling what is there when memory does not suffice.
    pub(crate) fn write(
        &mut self,
        base: &Version,
        disk: &Arc<Disk>,
        keyspace: &Keyspace,
        key: &[u8],
        (kind, value): (EntryKind, Bytes),
    ) -> Result<()> {
        let bytes_max = disk.options.transaction_bytes_max();
        let alone = entry_bytes(key, &value);
        if alone > bytes_max {
            return Err(Error::TransactionTooLarge { bytes: alone, bytes_max });
        }
        let is_covered = self.layers.last().is_some_and(|top| top.covers(keyspace.id, key));
        if is_covered && kind == EntryKind::Delete {
            self.bytes -= self.top_mut().forget(keyspace.id, key);
            return Ok(());
        }
        let table = self.layers.last().and_then(|top| top.tables.get(&keyspace.id));
        let have = table.and_then(|table| table.get(key));
        let (entry, bytes) = match have {
            // Nothing is below an operand in a deleted range.
            None if is_covered => ((EntryKind::Put, value.clone()), self.bytes + alone),
            None => ((kind, value.clone()), self.bytes + alone),
            Some(have) => {
                let operator = keyspace.combiner.operator.as_deref();
                let entry = combine(key, have, (kind, value.clone()), operator)?;
                let bytes = self.bytes - have.1.len() + entry.1.len();
                (entry, bytes)
            }
        };
        if entry.1.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueTooLong { bytes: entry.1.len() });
        }
        let (entry, bytes) = if bytes > bytes_max {
            self.spill(base, disk)?;
            // What it was combined with is in a run now.
            ((kind, value), alone)
        } else {
            (entry, bytes)
        };
        let table = self.top_mut().tables.entry(keyspace.id).or_default();
        match table.get_mut(key) {
            Some(have) => *have = entry,
            None => drop(table.insert(key.to_vec(), entry)),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Forgets the entries of a range, and hides those of everything older; spills like [`write`](Self::write).
    pub(crate) fn delete_range(
        &mut self,
        base: &Version,
        disk: &Arc<Disk>,
        keyspace: &Keyspace,
        range: KeyRange,
    ) -> Result<()> {
        let bytes_max = disk.options.transaction_bytes_max();
        let alone = range.memory_bytes();
        if alone > bytes_max {
            return Err(Error::TransactionTooLarge { bytes: alone, bytes_max });
        }
        if self.bytes + alone > bytes_max {
            self.spill(base, disk)?;
        }
        let forgotten = self.top_mut().forget_all(keyspace.id, &range);
        let top = self.top_mut();
        top.tables.entry(keyspace.id).or_default();
        let ranges = Arc::make_mut(top.ranges.entry(keyspace.id).or_default());
        let before = ranges.memory_bytes();
        ranges.insert(range);
        let after = ranges.memory_bytes();
        self.bytes = self.bytes - forgotten - before + after;
        Ok(())
    }

    /// Adds what is written about `key` to `operands`; true when nothing older matters.
    pub(crate) fn find(&self, id: KeyspaceId, key: &[u8], operands: &mut Operands) -> Result<bool> {
        for layer in self.layers.iter().rev() {
            let pending = layer.tables.get(&id).and_then(|table| table.get(key));
            if let Some((kind, value)) = pending
                && operands.push(*kind, value.clone())
            {
                return Ok(true);
            }
            if layer.covers(id, key) {
                return Ok(true);
            }
            for run in layer.runs.get(&id).into_iter().flatten() {
                let Some(segment) = run.segment_for(key) else { continue };
                if let Some((kind, value)) = segment.get(key, KeyHash::of(key))?
                    && operands.push(kind, value)
                {
                    return Ok(true);
                }
                if segment.hides(key)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What is written to a keyspace, for a scan, newest first.
    pub(crate) fn sources(&self, id: KeyspaceId) -> Vec<Source<'_>> {
        let mut sources = Vec::new();
        for layer in self.layers.iter().rev() {
            if let Some(table) = layer.tables.get(&id) {
                let ranges = layer.ranges.get(&id).cloned().unwrap_or_default();
                let cursor = Box::new(PendingCursor::new(table));
                sources.push(Source { cursor, ranges: RunRanges::Memory(ranges) });
            }
            for run in layer.runs.get(&id).into_iter().flatten() {
                let cursor = Box::new(RunCursor::new(Arc::clone(&run.segments)));
                let ranges = RunRanges::Segments(Arc::clone(&run.segments));
                sources.push(Source { cursor, ranges });
            }
        }
        sources
    }

    /// Begins a layer that can be dropped as long as the savepoint is kept.
    pub(crate) fn savepoint(&mut self, base: &Version) -> Result<Arc<()>> {
        self.join_layers(base, |layer| layer.point.strong_count() == 0)?;
        let point = Arc::new(());
        self.layers.push(Layer { point: Arc::downgrade(&point), ..Layer::default() });
        Ok(point)
    }

    /// Forgets everything that was written behind the savepoint; false when it is not one of these.
    pub(crate) fn rollback_to(&mut self, point: &Arc<()>) -> bool {
        let is_its = |layer: &Layer| layer.point.as_ptr() == Arc::as_ptr(point);
        let Some(index) = self.layers.iter().position(is_its) else { return false };
        self.layers.truncate(index);
        self.layers.push(Layer { point: Arc::downgrade(point), ..Layer::default() });
        self.count_bytes();
        true
    }

    /// Joins each layer that `is_joined` with the one below it.
    fn join_layers(&mut self, base: &Version, is_joined: impl Fn(&Layer) -> bool) -> Result<()> {
        let mut index = 1;
        while index < self.layers.len() {
            if is_joined(&self.layers[index]) {
                self.join(base, index)?;
            } else {
                index += 1;
            }
        }
        Ok(())
    }

    /// Joins layer `upper` with the one below it.
    fn join(&mut self, base: &Version, upper: usize) -> Result<()> {
        // First what can fail.
        let mut combined = Vec::new();
        for (&id, table) in &self.layers[upper].tables {
            let operator = base.keyspace(id)?.combiner.operator.as_deref();
            let lower = &self.layers[upper - 1];
            let Some(below) = lower.tables.get(&id) else { continue };
            for (key, entry) in table {
                if let Some(have) = below.get(key) {
                    combined.push((id, key.clone(), combine(key, have, entry.clone(), operator)?));
                } else if entry.0 == EntryKind::Merge && lower.covers(id, key) {
                    combined.push((id, key.clone(), (EntryKind::Put, entry.1.clone())));
                }
            }
        }
        let Layer { tables, ranges, runs, .. } = self.layers.remove(upper);
        let lower = &mut self.layers[upper - 1];
        for (id, ranges) in ranges {
            for range in ranges.iter() {
                lower.forget_all(id, &range);
            }
            Arc::make_mut(lower.ranges.entry(id).or_default()).unite(&ranges);
        }
        for (id, runs) in runs {
            debug_assert!(!lower.tables.contains_key(&id), "invariant: it would be below the runs");
            lower.runs.entry(id).or_default().splice(0..0, runs);
        }
        for (id, table) in tables {
            lower.tables.entry(id).or_default().extend(table);
        }
        for (id, key, entry) in combined {
            lower.tables.entry(id).or_default().insert(key, entry);
        }
        self.count_bytes();
        Ok(())
    }

    fn count_bytes(&mut self) {
        let tables = self.layers.iter().flat_map(|layer| layer.tables.values()).flatten();
        let entries: usize = tables.map(|(key, (_, value))| entry_bytes(key, value)).sum();
        let ranges = self.layers.iter().flat_map(|layer| layer.ranges.values());
        self.bytes = entries + ranges.map(|ranges| ranges.memory_bytes()).sum::<usize>();
    }

    /// Writes all tables into runs.
    pub(crate) fn spill(&mut self, base: &Version, disk: &Arc<Disk>) -> Result<()> {
        self.join_layers(base, |layer| layer.point.strong_count() == 0)?;
        let mut written = Vec::new();
        let mut numbers = self.numbers;
        for (index, layer) in self.layers.iter().enumerate() {
            if layer.tables.is_empty() {
                continue;
            }
            numbers += 1;
            let number = CommitNo(base.commit.0 + numbers);
            for (&id, table) in &layer.tables {
                let entries =
                    table.iter().map(|(key, (kind, value))| (&key[..], *kind, &value[..]));
                let ranges = layer.ranges.get(&id).cloned().unwrap_or_default();
                let run = write_pending(disk, base.keyspace(id)?, number, &ranges, entries)?;
                written.push((index, id, run));
            }
        }
        // Nothing fails from here on.
        self.numbers = numbers;
        self.bytes = 0;
        for layer in &mut self.layers {
            layer.tables.clear();
            layer.ranges.clear();
        }
        for (index, id, run) in written {
            self.layers[index].runs.entry(id).or_default().insert(0, run);
        }
        self.merge_runs(base, disk)
    }

    /// Merges runs where there are too many.
    fn merge_runs(&mut self, base: &Version, disk: &Arc<Disk>) -> Result<()> {
        for layer in &mut self.layers {
            for (&id, runs) in &mut layer.runs {
                while runs.len() > RUNS_MAX {
                    let count = similar(runs);
                    let merged = merge_pending(disk, base.keyspace(id)?, &runs[..count])?;
                    runs.splice(..count, [merged]);
                }
            }
        }
        Ok(())
    }

    /// Writes the rest of a transaction that is spilled; gives its runs, newest first, and how many commit numbers
    /// they span.
    pub(crate) fn into_runs(
        mut self,
        base: &Version,
        disk: &Arc<Disk>,
    ) -> Result<(BTreeMap<KeyspaceId, Vec<Run>>, u64)> {
        self.join_layers(base, |_| true)?;
        self.spill(base, disk)?;
        let runs = self.layers.pop().map(|layer| layer.runs).unwrap_or_default();
        Ok((runs, self.numbers))
    }

    /// The tables of a transaction that is not spilled.
    pub(crate) fn into_tables(
        mut self,
        base: &Version,
    ) -> Result<BTreeMap<KeyspaceId, FreshTableBuilder>> {
        self.join_layers(base, |_| true)?;
        let Layer { tables, mut ranges, .. } = self.layers.pop().unwrap_or_default();
        let build = |ranges: Arc<Ranges>, pending: PendingTable| {
            let mut builder = FreshTableBuilder::new(ranges);
            // Entry by entry from one form into the other, so that they are not both in memory whole.
            for (key, (kind, value)) in pending {
                builder.add(&key, kind, &value);
            }
            builder
        };
        let tables = tables
            .into_iter()
            .map(|(id, pending)| (id, build(ranges.remove(&id).unwrap_or_default(), pending)));
        Ok(tables.collect())
    }
}

/// How many of the newest runs to merge: as many as it takes until the next older one is larger than all of them.
fn similar(runs: &[Run]) -> usize {
    let mut bytes = runs[0].bytes();
    for (index, run) in runs.iter().enumerate().skip(1) {
        if index >= 2 && run.bytes() > bytes {
            return index;
        }
        bytes += run.bytes();
    }
    runs.len()
}
