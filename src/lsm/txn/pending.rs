//! [`Pending`]: what a transaction has written and not committed, in memory and in pending runs on disk.
//!
//! ```text
//! newest   layer 2   tables                        written to
//!          ── savepoint ──
//!          layer 1   tables  run  run              runs: spilled earlier, newest first
//!          ── savepoint ──
//! oldest   layer 0           run
//! ```
//! A layer holds what was written behind a savepoint, so rolling back to it drops whole layers. Layers are joined
//! when the savepoint between them is gone. When the tables exceed their share of memory they are *spilled*: each
//! becomes one run of segments that nothing names, so that whatever drops it (a rollback, an error, a crash) frees
//! its pages. More than [`RUNS_MAX`] runs of a keyspace in one layer are merged, the newest ones of similar size
//! first: each byte is rewritten O(log n) times.
//!
//! Each layer that is spilled takes a commit number of its own behind those of the version that the transaction
//! stands on. So the age of every run stands in its segments as always, and the commit of a spilled transaction
//! spans the numbers of all its runs. Who does not know yet on what it will be committed writes 0 there, and the
//! manifest alone has the numbers.
//!
//! Long values are in neither tables nor runs: each goes to a value segment of its layer at once, and what is written is
//! the reference to it. Those that nothing refers to in the end are not committed.
//!
//! A keyspace that is dropped leaves the layer that is written to; what older layers hold of it waits until their
//! savepoints are gone, and is restored by a rollback.
//!
//! Invariants: a layer has nothing of a keyspace that was dropped in it; a layer below one with runs has no tables; the lowest layer has no savepoint; an operation that
//! fails leaves what readers see as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Weak};

use super::table::{Table, Written, entry_bytes};
use crate::lsm::cache::Loan;
use crate::lsm::compaction::{merge_pending, write_pending};
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::FreshTableBuilder;
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::manifest::{Keyspace, Run, Version};
use crate::lsm::operands::Operands;
use crate::lsm::ranges::KeyRange;
use crate::lsm::scan::{RunCursor, RunRanges, Source};
use crate::lsm::segment::KeyHash;
use crate::lsm::value::{Reference, ValueMap, ValueSegment, append_value, stream_value};

/// Pending runs of a keyspace in one layer above which some are merged.
const RUNS_MAX: usize = 4;

/// What a transaction has written.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Oldest first, at least one; the last is written to.
    layers: Vec<Layer>,
    /// Bytes that the tables take.
    bytes: usize,
    bytes_max: usize,
    /// For these bytes.
    loan: Loan,
    /// Commit numbers that runs took so far.
    numbers: u64,
    /// Whether it will be committed on the version that it began on.
    is_exclusive: bool,
}

/// The runs of each keyspace that are about to be committed, newest first.
pub(crate) type NewRuns = BTreeMap<KeyspaceId, Vec<Run>>;

/// A value segment that is about to be committed, and its keyspace.
pub(crate) type NewValues = (KeyspaceId, Arc<ValueSegment>);

#[derive(Debug, Default)]
struct Layer {
    /// The savepoint below; gone when the program dropped it.
    point: Weak<()>,
    tables: BTreeMap<KeyspaceId, Table>,
    /// Newest first.
    runs: BTreeMap<KeyspaceId, Vec<PendingRun>>,
    values: BTreeMap<KeyspaceId, Arc<ValueMap>>,
    /// Keyspaces that were dropped in this layer, as they were then.
    dropped: BTreeMap<KeyspaceId, Arc<Keyspace>>,
}

#[derive(Debug)]
struct PendingRun {
    /// First and last of the commit numbers that it takes, counted from 1.
    numbers: (u64, u64),
    run: Run,
}

impl Layer {
    fn above(point: &Arc<()>) -> Self {
        Layer { point: Arc::downgrade(point), ..Layer::default() }
    }

    fn is_released(&self) -> bool {
        self.point.strong_count() == 0
    }

    fn forget(&mut self, id: KeyspaceId) {
        self.tables.remove(&id);
        self.runs.remove(&id);
        self.values.remove(&id);
    }
}

impl Pending {
    /// `is_exclusive` when nothing will be committed before it.
    pub(crate) fn new(is_exclusive: bool, bytes_max: usize, loan: Loan) -> Self {
        let layers = vec![Layer::default()];
        Pending { layers, bytes: 0, bytes_max, loan, numbers: 0, is_exclusive }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_spilled() && self.tables().all(Table::is_empty) && self.dropped().next().is_none()
    }

    /// Keyspaces that were dropped.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = KeyspaceId> + '_ {
        self.layers.iter().flat_map(|layer| layer.dropped.keys().copied())
    }

    /// A keyspace that is there, or was when something was written to it.
    fn keyspace<'a>(&'a self, base: &'a Version, id: KeyspaceId) -> Result<&'a Arc<Keyspace>> {
        let dropped = self.layers.iter().find_map(|layer| layer.dropped.get(&id));
        dropped.map_or_else(|| base.keyspace(id), Ok)
    }

    /// Whether a part of it is on disk.
    pub(crate) fn is_spilled(&self) -> bool {
        self.layers.iter().any(|layer| !layer.runs.is_empty())
    }

    /// Bytes of memory that the tables take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The greatest number of runs that a keyspace has in a layer.
    #[cfg(test)]
    pub(crate) fn runs_max(&self) -> usize {
        let runs = self.layers.iter().flat_map(|layer| layer.runs.values());
        runs.map(Vec::len).max().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn layers(&self) -> usize {
        self.layers.len()
    }

    fn tables(&self) -> impl Iterator<Item = &Table> + '_ {
        self.layers.iter().flat_map(|layer| layer.tables.values())
    }

    fn top_table(&self, id: KeyspaceId) -> Option<&Table> {
        self.layers.last().and_then(|top| top.tables.get(&id))
    }

    fn top_table_mut(&mut self, id: KeyspaceId) -> &mut Table {
        let top = self.layers.last_mut().expect("invariant: there is a layer");
        top.tables.entry(id).or_default()
    }

    /// Writes a value to the file; the reference to it is to be written in its place.
    pub(crate) fn store_value(
        &mut self,
        disk: &Disk,
        keyspace: &Keyspace,
        value: &[u8],
    ) -> Result<Reference> {
        let compression = keyspace.options.compression;
        let map = self.top_values(keyspace.id);
        append_value(&disk.values, map, || disk.new_segment_id(), compression, value)
    }

    /// Like [`store_value`](Self::store_value) for a value that begins with `head` and of which `rest` gives the rest.
    pub(crate) fn store_stream(
        &mut self,
        disk: &Disk,
        keyspace: &Keyspace,
        head: &[u8],
        rest: &mut dyn Read,
    ) -> Result<Reference> {
        let compression = keyspace.options.compression;
        let map = self.top_values(keyspace.id);
        stream_value(&disk.values, map, || disk.new_segment_id(), compression, head, rest)
    }

    fn top_values(&mut self, id: KeyspaceId) -> &mut ValueMap {
        let top = self.layers.last_mut().expect("invariant: there is a layer");
        Arc::make_mut(top.values.entry(id).or_default())
    }

    /// The value segments of a keyspace.
    pub(crate) fn values(&self, id: KeyspaceId) -> impl Iterator<Item = Arc<ValueMap>> + '_ {
        self.layers.iter().filter_map(move |layer| layer.values.get(&id).cloned())
    }

    /// Writes an entry, spilling what is there when memory does not suffice.
    pub(crate) fn write(
        &mut self,
        base: &Version,
        disk: &Arc<Disk>,
        keyspace: &Keyspace,
        key: &[u8],
        entry: (EntryKind, &[u8]),
    ) -> Result<()> {
        let bytes_max = self.bytes_max;
        let alone = entry_bytes(key, entry.1);
        if alone > bytes_max {
            return Err(Error::TransactionTooLarge { bytes: alone, bytes_max });
        }
        let has_ranges =
            self.top_table(keyspace.id).is_some_and(|table| !table.ranges().is_empty());
        if entry.0 != EntryKind::Merge && !has_ranges && self.bytes + alone <= bytes_max {
            // Whatever stands there gives way, so it is not looked for first.
            let bytes_before = self.top_table_mut(keyspace.id).replace(key, entry);
            self.set_bytes(self.bytes + alone - bytes_before);
            return Ok(());
        }
        let (written, have) = match self.top_table(keyspace.id) {
            None => (Written::Itself, 0),
            Some(table) => table.written(key, entry, keyspace.combiner.operator.as_deref())?,
        };
        let needed = match &written {
            Written::Itself => alone,
            Written::Nothing => 0,
            Written::Combined(_, value) => entry_bytes(key, value),
        };
        let bytes = self.bytes - have + needed;
        if bytes > bytes_max {
            self.spill(base, disk)?;
            // What it was combined with is in a run now.
            self.top_table_mut(keyspace.id).set(key, entry);
            self.set_bytes(alone);
            return Ok(());
        }
        let table = self.top_table_mut(keyspace.id);
        match written {
            Written::Itself => table.set(key, entry),
            Written::Nothing => table.unset(key),
            Written::Combined(kind, value) => table.set(key, (kind, &value)),
        }
        self.set_bytes(bytes);
        Ok(())
    }

    /// Deletes a range of keys, spilling what is there when memory does not suffice.
    pub(crate) fn hide(
        &mut self,
        base: &Version,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        range: KeyRange,
    ) -> Result<()> {
        let bytes_max = self.bytes_max;
        let alone = range.memory_bytes();
        if alone > bytes_max {
            return Err(Error::TransactionTooLarge { bytes: alone, bytes_max });
        }
        let forgotten = self.top_table(id).map_or(0, |table| table.bytes_within(&range));
        if self.bytes - forgotten + alone > bytes_max {
            self.spill(base, disk)?;
        }
        let table = self.top_table_mut(id);
        let before = table.ranges().memory_bytes() + table.bytes_within(&range);
        table.hide(range);
        let after = table.ranges().memory_bytes();
        self.set_bytes(self.bytes - before + after);
        Ok(())
    }

    /// Forgets a keyspace, which its transaction has no longer, but for what a rollback would bring back.
    pub(crate) fn drop_keyspace(&mut self, keyspace: Arc<Keyspace>) {
        let top = self.layers.last_mut().expect("invariant: there is a layer");
        top.forget(keyspace.id);
        top.dropped.insert(keyspace.id, keyspace);
        self.count_bytes();
    }

    /// Adds what is written about `key` to `operands`; true when nothing older matters.
    pub(crate) fn find(&self, id: KeyspaceId, key: &[u8], operands: &mut Operands) -> Result<bool> {
        for layer in self.layers.iter().rev() {
            if let Some(table) = layer.tables.get(&id) {
                if let Some((kind, value)) = table.get(key)
                    && operands.push(kind, value)
                {
                    return Ok(true);
                }
                if table.ranges().covers(key) {
                    return Ok(true);
                }
            }
            for PendingRun { run, .. } in layer.runs.get(&id).into_iter().flatten() {
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

    /// What is written to a keyspace, newest first.
    pub(crate) fn sources(&self, id: KeyspaceId) -> Vec<Source<'_>> {
        let mut sources = Vec::new();
        for layer in self.layers.iter().rev() {
            sources.extend(layer.tables.get(&id).map(Table::source));
            let runs = layer.runs.get(&id).into_iter().flatten();
            sources.extend(runs.map(|PendingRun { run, .. }| Source {
                cursor: Box::new(RunCursor::new(Arc::clone(&run.segments))),
                ranges: RunRanges::Segments(Arc::clone(&run.segments)),
            }));
        }
        sources
    }

    /// Begins a layer that can be dropped as long as the savepoint is kept.
    pub(crate) fn savepoint(&mut self, base: &Version) -> Result<Arc<()>> {
        self.join_layers(base, Layer::is_released)?;
        let point = Arc::new(());
        self.layers.push(Layer::above(&point));
        Ok(point)
    }

    /// Forgets everything that was written behind the savepoint, and gives the keyspaces that were dropped there; `None`
    /// when it is not one of these.
    pub(crate) fn rollback_to(&mut self, point: &Arc<()>) -> Option<Vec<Arc<Keyspace>>> {
        let is_its = |layer: &Layer| layer.point.as_ptr() == Arc::as_ptr(point);
        let index = self.layers.iter().position(is_its)?;
        let undone = self.layers.drain(index..);
        let restored = undone.flat_map(|layer| layer.dropped.into_values()).collect();
        self.layers.push(Layer::above(point));
        self.count_bytes();
        Some(restored)
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
        let mut joined = Vec::new();
        let nothing = Table::default();
        for (&id, table) in &self.layers[upper].tables {
            let operator = self.keyspace(base, id)?.combiner.operator.as_deref();
            let below = self.layers[upper - 1].tables.get(&id).unwrap_or(&nothing);
            joined.push((id, below.join_of(table, operator)?));
        }
        let Layer { mut tables, runs, values, dropped, .. } = self.layers.remove(upper);
        let lower = &mut self.layers[upper - 1];
        for (id, keyspace) in dropped {
            lower.forget(id);
            lower.dropped.insert(id, keyspace);
        }
        for (id, map) in values {
            let map = Arc::unwrap_or_clone(map);
            Arc::make_mut(lower.values.entry(id).or_default()).extend(map);
        }
        for (id, runs) in runs {
            debug_assert!(!lower.tables.contains_key(&id), "invariant: it would be below the runs");
            lower.runs.entry(id).or_default().splice(0..0, runs);
        }
        for (id, entries) in joined {
            let table = lower.tables.entry(id).or_default();
            let newer = tables.remove(&id).unwrap_or_default();
            newer.ranges().iter().for_each(|range| table.hide(range));
            for (key, entry) in entries {
                match entry {
                    Some((kind, value)) => table.set(&key, (kind, &value)),
                    None => table.unset(&key),
                }
            }
        }
        self.count_bytes();
        Ok(())
    }

    fn count_bytes(&mut self) {
        self.set_bytes(self.table_bytes());
    }

    /// Bytes that the tables take, counted anew.
    pub(crate) fn table_bytes(&self) -> usize {
        self.tables().map(Table::bytes).sum()
    }

    fn set_bytes(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.loan.set(bytes);
    }

    /// Writes all tables into runs.
    pub(super) fn spill(&mut self, base: &Version, disk: &Arc<Disk>) -> Result<()> {
        self.join_layers(base, Layer::is_released)?;
        let mut written = Vec::new();
        let mut number = self.numbers;
        for (index, layer) in self.layers.iter().enumerate() {
            let mut tables = layer.tables.iter().filter(|(_, table)| !table.is_empty()).peekable();
            number += u64::from(tables.peek().is_some());
            for (&id, table) in tables {
                let commits = self.commits(base, (number, number));
                let keyspace = self.keyspace(base, id)?;
                let run = write_pending(disk, keyspace, commits, table.ranges(), table.entries())?;
                written.push((index, id, PendingRun { numbers: (number, number), run }));
            }
        }
        // Nothing fails from here on.
        self.numbers = number;
        self.set_bytes(0);
        for layer in &mut self.layers {
            layer.tables.clear();
        }
        for (index, id, run) in written {
            self.layers[index].runs.entry(id).or_default().insert(0, run);
        }
        self.merge_runs(base, disk)
    }

    /// What stands in the segments of a run.
    fn commits(&self, base: &Version, numbers: (u64, u64)) -> (CommitNo, CommitNo) {
        if self.is_exclusive { behind(base.commit, numbers) } else { Default::default() }
    }

    /// Merges runs where there are too many.
    fn merge_runs(&mut self, base: &Version, disk: &Arc<Disk>) -> Result<()> {
        for index in 0..self.layers.len() {
            let ids: Vec<KeyspaceId> = self.layers[index].runs.keys().copied().collect();
            for id in ids {
                while let Some(runs) = self.layers[index].runs.get(&id)
                    && runs.len() > RUNS_MAX
                {
                    let some = &runs[..similar(runs)];
                    let (newest, oldest) = (&some[0], &some[some.len() - 1]);
                    let numbers = (oldest.numbers.0, newest.numbers.1);
                    let commits = self.commits(base, numbers);
                    let inputs = some.iter().map(|pending| &pending.run);
                    let run = merge_pending(disk, self.keyspace(base, id)?, commits, inputs)?;
                    let count = some.len();
                    let runs = self.layers[index].runs.entry(id).or_default();
                    runs.splice(..count, [PendingRun { numbers, run }]);
                }
            }
        }
        Ok(())
    }

    /// Writes the rest of a transaction into runs; gives them, newest first, with the value segments to which they refer
    /// and the commit that they are when they follow `base`.
    pub(crate) fn into_runs(
        mut self,
        base: &Version,
        disk: &Arc<Disk>,
    ) -> Result<(NewRuns, Vec<NewValues>, CommitNo)> {
        self.join_layers(base, |_| true)?;
        self.spill(base, disk)?;
        let commit = CommitNo(base.commit.0 + self.numbers.max(1));
        let Layer { runs, values, .. } = self.layers.pop().unwrap_or_default();
        let segments = runs.values().flatten().flat_map(|pending| pending.run.segments.iter());
        let referred = segments.flat_map(|segment| segment.summary().referred.iter());
        let values = only(&values, &referred.map(|&(id, _)| id).collect());
        let number = |PendingRun { numbers, mut run }: PendingRun| {
            if !self.is_exclusive {
                run.set_commits(behind(base.commit, numbers));
            }
            run
        };
        let runs = runs.into_iter().map(|(id, runs)| (id, runs.into_iter().map(number).collect()));
        Ok((runs.collect(), values, commit))
    }

    /// The tables of a transaction that is not spilled, and the value segments to which they refer.
    pub(crate) fn into_tables(
        mut self,
        base: &Version,
    ) -> Result<(BTreeMap<KeyspaceId, FreshTableBuilder>, Vec<NewValues>)> {
        self.join_layers(base, |_| true)?;
        let Layer { tables, values, .. } = self.layers.pop().unwrap_or_default();
        let values = only(&values, &tables.values().flat_map(Table::referred).collect());
        let tables = tables.into_iter().map(|(id, table)| (id, table.into_builder()));
        Ok((tables.collect(), values))
    }
}

/// The value segments that are `referred` to. Dropping the others gives their pages back.
fn only(
    values: &BTreeMap<KeyspaceId, Arc<ValueMap>>,
    referred: &BTreeSet<SegmentId>,
) -> Vec<NewValues> {
    let values = values.iter().flat_map(|(&keyspace, map)| {
        let referred = map.iter().filter(|(id, _)| referred.contains(id));
        referred.map(move |(_, held)| (keyspace, Arc::clone(&held.segment)))
    });
    values.collect()
}

/// The commits that are `numbers` behind `base`.
fn behind(base: CommitNo, numbers: (u64, u64)) -> (CommitNo, CommitNo) {
    (CommitNo(base.0 + numbers.0), CommitNo(base.0 + numbers.1))
}

/// How many of the newest runs to merge: as many as it takes until the next older one is larger than all of them.
fn similar(runs: &[PendingRun]) -> usize {
    let mut bytes = runs[0].run.bytes();
    for (index, pending) in runs.iter().enumerate().skip(1) {
        if index >= 2 && pending.run.bytes() > bytes {
            return index;
        }
        bytes += pending.run.bytes();
    }
    runs.len()
}
