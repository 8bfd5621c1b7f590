//! The law of run order: for every key, the order of the runs is the order of age.
//!
//! `version` proves it whenever it is restored or edited. Inside a run, segments ascend and are disjoint. Level 0 holds
//! flushes only, so there the intervals of commits descend from run to run. Further down a segment's interval is that
//! of everything its compaction read, which may span more than its keys, so there the law is proved where it could be
//! broken: whatever an edit replaces, every segment that shares keys with it and stays must be on the same side of the
//! replacement as it was of what was replaced.
//!
//! Cost of an edit: for each segment that it takes away a binary search in every run of its keyspace.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::edit::Edit;
use super::version::{Keyspace, Run, Version};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::ranges::KeyEnd;
use crate::lsm::segment::Segment;

/// Where the segments that an edit takes away stood.
pub(super) struct Before {
    /// Keyspace, number of the run in its keyspace (0: newest), and the segment.
    taken: Vec<(KeyspaceId, usize, Arc<Segment>)>,
    /// Number of every run of the keyspaces concerned.
    runs: HashMap<(KeyspaceId, u64), usize>,
}

impl Before {
    /// Looks at `version` before `edit` takes `ids` away.
    pub(super) fn look(version: &Version, ids: &HashSet<SegmentId>) -> Self {
        let mut before = Before { taken: Vec::new(), runs: HashMap::new() };
        if ids.is_empty() {
            return before;
        }
        for keyspace in version.keyspaces.values() {
            let taken = before.taken.len();
            for (number, run) in keyspace.runs().enumerate() {
                let gone = run.segments.iter().filter(|have| ids.contains(&have.summary().id));
                before.taken.extend(gone.map(|gone| (keyspace.id, number, Arc::clone(gone))));
            }
            if before.taken.len() > taken {
                let runs = keyspace.runs().enumerate();
                before.runs.extend(runs.map(|(number, run)| ((keyspace.id, run.id), number)));
            }
        }
        before
    }

    /// Proves that what `edit` put into `version` took the place of what it took away.
    pub(super) fn check(&self, version: &Version, edit: &Edit) -> Result<()> {
        let moved: HashMap<SegmentId, u64> =
            edit.moved.iter().map(|&(id, _, run)| (id, run)).collect();
        let added: HashMap<KeyspaceId, u64> =
            edit.added.iter().map(|placed| (placed.summary.keyspace, placed.run)).collect();
        let own: HashSet<SegmentId> = edit
            .added
            .iter()
            .map(|placed| placed.summary.id)
            .chain(moved.keys().copied())
            .collect();
        for (keyspace, old, segment) in &self.taken {
            let id = segment.summary().id;
            let Some(target) = moved.get(&id).or_else(|| added.get(keyspace)) else { continue };
            let keyspace = version.keyspace(*keyspace)?;
            let Some(new) = keyspace.runs().position(|run| run.id == *target) else { continue };
            for (number, run) in keyspace.runs().enumerate() {
                let Some(number_before) = self.runs.get(&(keyspace.id, run.id)) else { continue };
                let mut beside = run.overlapping(segment);
                let stays = beside.find(|beside| !own.contains(&beside.summary().id));
                let Some(stays) = stays else { continue };
                let sides = (number_before.cmp(old), number.cmp(&new));
                if sides.0 != sides.1 || sides.0 == Ordering::Equal {
                    let what = format!(
                        "segment {id} of {} passes segment {}, with which it shares keys",
                        keyspace.name,
                        stays.summary().id
                    );
                    return Err(Error::corruption(what, 0));
                }
            }
        }
        Ok(())
    }
}

impl Run {
    /// The run's segments that share keys with the range of `segment`.
    pub(crate) fn overlapping<'a>(
        &'a self,
        segment: &Segment,
    ) -> impl Iterator<Item = &'a Arc<Segment>> + 'a {
        let summary = segment.summary();
        self.within(&summary.smallest, &summary.end).iter()
    }

    /// The run's segments that may say something about keys from `smallest` to `end`.
    pub(crate) fn within(&self, smallest: &[u8], end: &KeyEnd) -> &[Arc<Segment>] {
        let from = self.segments.partition_point(|have| have.summary().end.is_before(smallest));
        let behind = self.segments.partition_point(|have| !end.is_before(&have.summary().smallest));
        self.segments.get(from..behind).unwrap_or_default()
    }

    /// Proves that segments ascend and are disjoint.
    pub(super) fn check_order(&self) -> Result<()> {
        for pair in self.segments.windows(2) {
            let (left, right) = (pair[0].summary(), pair[1].summary());
            if !left.end.is_before(&right.smallest) {
                let what =
                    format!("segments {} and {} of run {} overlap", left.id, right.id, self.id);
                return Err(Error::corruption(what, 0));
            }
        }
        Ok(())
    }
}

impl Keyspace {
    /// Proves that each run of level 0 holds older commits than the one before it.
    pub(super) fn check_ages(&self, flushed: CommitNo) -> Result<()> {
        let mut newer = CommitNo(flushed.0.saturating_add(1));
        for run in self.levels.iter().take(1).flat_map(|level| &level.runs) {
            let (first, last) = run.commits();
            if last >= newer {
                let what = format!(
                    "run {} of {} holds commit {last}, not only ones before {newer}",
                    run.id, self.name
                );
                return Err(Error::corruption(what, 0));
            }
            newer = first;
        }
        Ok(())
    }
}
