//! [`Ledger`]: which segments a manifest and the edits of a damaged log name, and in which order their runs stand.
//!
//! It does what a version does with edits, but refuses none: what an edit takes away that is not there was added by a
//! record that is lost. Segments and keyspaces get their numbers once, so what is gone never comes back.

use std::collections::{BTreeMap, BTreeSet};

use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::manifest::{Edit, Manifest, Placed};
use crate::lsm::segment::SegmentSummary;
use crate::lsm::value::PlacedValues;

/// What is known to be current.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) keyspaces: BTreeMap<KeyspaceId, KeyspaceDescriptor>,
    pub(super) segments: BTreeMap<SegmentId, Placed>,
    /// Value segments, those too to which nothing refers any more.
    pub(super) values: BTreeMap<SegmentId, PlacedValues>,
    /// Commits up to this one are in segments.
    pub(super) flushed: CommitNo,
    /// Runs of a level and how many segments each has, newest first.
    runs: BTreeMap<(KeyspaceId, u8), Vec<(u64, usize)>>,
    removed: BTreeSet<SegmentId>,
    dropped: BTreeSet<KeyspaceId>,
    /// Greatest number of a keyspace that the manifest knows of.
    last_keyspace: u32,
}

impl Ledger {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let Manifest { flushed, last_keyspace, .. } = *manifest;
        let mut ledger = Ledger { flushed, last_keyspace, ..Ledger::default() };
        ledger.create(&manifest.keyspaces);
        ledger.put_values(&manifest.values);
        for placed in &manifest.segments {
            // They stand newest first.
            let runs = ledger.runs.entry((placed.summary.keyspace, placed.level)).or_default();
            match runs.iter_mut().find(|(run, _)| *run == placed.run) {
                Some((_, segments)) => *segments += 1,
                None => runs.push((placed.run, 1)),
            }
            ledger.segments.insert(placed.summary.id, placed.clone());
        }
        ledger
    }

    pub(super) fn create(&mut self, created: &[KeyspaceDescriptor]) {
        for descriptor in created.iter().filter(|created| !self.dropped.contains(&created.id)) {
            self.keyspaces.insert(descriptor.id, descriptor.clone());
        }
    }

    pub(super) fn put_values(&mut self, values: &[PlacedValues]) {
        self.values.extend(values.iter().map(|placed| (placed.id, placed.clone())));
    }

    pub(super) fn apply(&mut self, edit: &Edit) {
        self.create(&edit.created);
        self.put_values(&edit.values);
        for id in &edit.removed {
            self.take(*id);
            self.removed.insert(*id);
        }
        // All are taken before one is put back: a run that became empty loses its place.
        let moved = edit.moved.iter().map(|&(id, level, run)| Some((self.take(id)?, level, run)));
        let moved: Vec<_> = moved.collect();
        for (mut placed, level, run) in moved.into_iter().flatten() {
            (placed.level, placed.run) = (level, run);
            self.add(placed);
        }
        for &(id, extent) in &edit.relocated {
            if let Some(placed) = self.segments.get_mut(&id) {
                placed.extent = extent;
            }
        }
        for placed in &edit.added {
            self.add(placed.clone());
        }
        self.flushed = self.flushed.max(edit.flushed.unwrap_or_default());
        for id in &edit.dropped {
            self.keyspaces.remove(id);
            self.segments.retain(|_, placed| placed.summary.keyspace != *id);
            self.dropped.insert(*id);
        }
    }

    fn add(&mut self, placed: Placed) {
        let runs = self.runs.entry((placed.summary.keyspace, placed.level)).or_default();
        match runs.iter_mut().find(|(run, _)| *run == placed.run) {
            Some((_, segments)) => *segments += 1,
            // A run that its level does not have yet becomes its newest one.
            None => runs.insert(0, (placed.run, 1)),
        }
        self.segments.insert(placed.summary.id, placed);
    }

    fn take(&mut self, id: SegmentId) -> Option<Placed> {
        let placed = self.segments.remove(&id)?;
        let runs = self.runs.entry((placed.summary.keyspace, placed.level)).or_default();
        if let Some((_, segments)) = runs.iter_mut().find(|(run, _)| *run == placed.run) {
            *segments -= 1;
        }
        runs.retain(|(_, segments)| *segments > 0);
        Some(placed)
    }

    /// Whether the segment was taken away, or its keyspace was.
    pub(super) fn is_gone(&self, segment: &SegmentSummary) -> bool {
        self.removed.contains(&segment.id) || self.is_dropped(segment.keyspace)
    }

    /// Whether there was a keyspace of this number, and is none any more.
    pub(super) fn is_dropped(&self, id: KeyspaceId) -> bool {
        let was_there = id.0 <= self.last_keyspace || self.dropped.contains(&id);
        was_there && !self.keyspaces.contains_key(&id)
    }

    /// The segments, newest run first.
    pub(super) fn newest_first(&self) -> Vec<&Placed> {
        let place = |placed: &&Placed| {
            let runs = self.runs.get(&(placed.summary.keyspace, placed.level));
            let run = runs.and_then(|runs| runs.iter().position(|(run, _)| *run == placed.run));
            (placed.level, run.unwrap_or(usize::MAX))
        };
        let mut segments: Vec<&Placed> = self.segments.values().collect();
        segments.sort_by_key(place);
        segments
    }
}
