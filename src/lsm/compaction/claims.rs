//! Claims: which segments and which key ranges of a level a job has for itself.
//!
//! The picker asks before it proposes work, the store takes a claim when a job starts and gives it back when the job's
//! edit is published or the job is dropped. Two jobs run side by side when they share no segment, do not write into
//! the same level where their key ranges overlap, and none takes down what is newer than the other's output and within its
//! range: the fourth part of the law in `picker`. That suffices, because everything else that one job does to the runs
//! around another one keeps the order of age (`manifest::order`): new runs come in front of all that a job reads, and
//! what lies behind it only moves further back.
//!
//! Not a lock: nobody waits for a claim. Work whose claim is refused is not begun, and picked again later.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::ids::{KeyspaceId, SegmentId};
use crate::lsm::manifest::Keyspace;
use crate::lsm::ranges::KeyEnd;
use crate::lsm::segment::Segment;

/// What one job has for itself.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) keyspace: KeyspaceId,
    /// Segments that the job takes away.
    segments: HashSet<SegmentId>,
    /// Segments that stay where they are as long as the job runs: newer than its output, and within the range of that.
    newer: HashSet<SegmentId>,
    /// The level that it writes to, and the run there.
    level: u8,
    run: u64,
    /// Smallest key and end of what it reads, and so of what it writes.
    hull: Option<(Bytes, KeyEnd)>,
}

/// The claims of all running jobs.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: BTreeMap<u64, Claim>,
    next: u64,
    /// How often a claim was taken or given back.
    changes: u64,
}

impl Claim {
    /// A claim on `segments` and on the range that they span in `level`, past which what is `newer` there must not go.
    pub(crate) fn new<'a>(
        keyspace: KeyspaceId,
        (level, run): (u8, u64),
        segments: impl Iterator<Item = &'a Arc<Segment>>,
        newer: &[SegmentId],
    ) -> Self {
        let mut claim = Claim {
            keyspace,
            segments: HashSet::new(),
            newer: newer.iter().copied().collect(),
            level,
            run,
            hull: None,
        };
        for segment in segments {
            let summary = segment.summary();
            claim.segments.insert(summary.id);
            let (smallest, end) = (summary.smallest.clone(), summary.end.clone());
            claim.hull = Some(match claim.hull.take() {
                None => (smallest, end),
                Some(have) => (have.0.min(smallest), have.1.max(end)),
            });
        }
        claim
    }

    fn conflicts(&self, other: &Claim) -> bool {
        if self.keyspace != other.keyspace {
            return false;
        }
        let meets = match (&self.hull, &other.hull) {
            (Some(left), Some(right)) => !left.1.is_before(&right.0) && !right.1.is_before(&left.0),
            _ => false,
        };
        (self.level == other.level && meets)
            || !self.segments.is_disjoint(&other.segments)
            || !self.segments.is_disjoint(&other.newer)
            || !self.newer.is_disjoint(&other.segments)
    }
}

impl Claims {
    /// Whether the claim would be given.
    pub(crate) fn allow(&self, claim: &Claim) -> bool {
        !self.held.values().any(|held| held.conflicts(claim))
    }

    /// Takes the claim, which must be [`allow`](Self::allow)ed; the number gives it back.
    pub(crate) fn take(&mut self, claim: Claim) -> u64 {
        debug_assert!(self.allow(&claim), "two jobs would meet: {claim:?}");
        self.next += 1;
        self.changes += 1;
        self.held.insert(self.next, claim);
        self.next
    }

    pub(crate) fn release(&mut self, number: u64) {
        self.changes += u64::from(self.held.remove(&number).is_some());
    }

    /// Another number whenever other claims are held.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// A run that a job is about to begin in the level of a keyspace, and that is not there yet.
    ///
    /// Who would begin a run as well joins it, so that jobs side by side make one run and not one each. A run that is
    /// there may be joined by its neighbours in age only, which the picker sees to; so `keyspace` is what it picked
    /// from, not a newer one in which the run has begun.
    pub(super) fn new_run_in(&self, keyspace: &Keyspace, level: u8) -> Option<u64> {
        let runs = keyspace.levels.get(usize::from(level)).map(|level| &level.runs[..]);
        let is_there = |id: u64| runs.unwrap_or_default().iter().any(|run| run.id == id);
        let mut held = self.held.values();
        let held = held.find(|h| h.keyspace == keyspace.id && h.level == level && !is_there(h.run));
        held.map(|held| held.run)
    }

    /// Whether any job works in the keyspace.
    pub(crate) fn busy(&self, keyspace: KeyspaceId) -> bool {
        self.held.values().any(|held| held.keyspace == keyspace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(level: u8, ids: std::ops::Range<u64>, smallest: &str, greatest: &str) -> Claim {
        let key = |key: &str| Bytes::copy_from_slice(key.as_bytes());
        let hull = Some((key(smallest), KeyEnd::Included(key(greatest))));
        Claim {
            keyspace: KeyspaceId(1),
            segments: ids.map(SegmentId).collect(),
            newer: HashSet::new(),
            level,
            run: 1,
            hull,
        }
    }

    #[test]
    fn jobs_meet_where_they_share_a_segment_or_write_into_one_range() {
        let mut claims = Claims::default();
        let first = claims.take(claim(2, 0..5, "b", "f"));
        assert!(claims.allow(&claim(2, 5..9, "g", "z")), "another range");
        assert!(claims.allow(&claim(1, 5..9, "a", "z")), "another level");
        assert!(!claims.allow(&claim(2, 5..9, "f", "g")), "the same range");
        assert!(!claims.allow(&claim(3, 4..6, "x", "z")), "a segment in common");
        let newer = |ids: std::ops::Range<u64>| ids.map(SegmentId).collect();
        assert!(claims.allow(&Claim { newer: newer(5..9), ..claim(1, 9..10, "a", "z") }));
        assert!(!claims.allow(&Claim { newer: newer(4..9), ..claim(1, 9..10, "a", "z") }));
        let second = claims.take(Claim { newer: newer(20..22), ..claim(4, 9..10, "a", "b") });
        assert!(!claims.allow(&claim(5, 21..22, "x", "z")), "it would pass what is written");
        claims.release(second);
        assert!(claims.allow(&claim(5, 21..22, "x", "z")));
        let elsewhere = Claim { keyspace: KeyspaceId(2), ..claim(2, 0..5, "b", "f") };
        assert!(claims.allow(&elsewhere));
        claims.release(first);
        assert!(!claims.busy(KeyspaceId(1)));
        assert!(claims.allow(&claim(2, 0..5, "b", "f")));
    }
}
