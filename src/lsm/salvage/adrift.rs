//! Segments that only a lost record of the log can have named.
//!
//! Those of one keyspace that hold the same commits were written by one flush or one compaction. They count when together
//! they span a segment that is still named and hold its commits: then it is what they were made of, and they take its
//! place. They also count when they are newer than the manifest and nothing that was named later spans theirs. Segments
//! without commits belong to transactions, of which nothing says that they were committed.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Ledger;
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, SegmentId};
use crate::lsm::ranges::KeyRange;
use crate::lsm::segment::SegmentSummary;

/// What counts of the segments that nothing names.
#[derive(Debug, Default)]
pub(super) struct Adrift<'a> {
    pub(super) segments: Vec<&'a (Extent, SegmentSummary)>,
    /// Segments whose place they take.
    pub(super) replaced: BTreeSet<SegmentId>,
}

/// What the segments of one flush or compaction have together.
struct Together {
    keyspace: KeyspaceId,
    commits: (CommitNo, CommitNo),
    keys: KeyRange,
    /// The smallest of their numbers.
    first: SegmentId,
}

impl<'a> Adrift<'a> {
    /// Looks among the `found` segments for those that are not in the `ledger`, whose manifest knew of numbers below
    /// `next_segment`.
    pub(super) fn among(
        found: impl Iterator<Item = &'a (Extent, SegmentSummary)>,
        ledger: &Ledger,
        next_segment: u64,
    ) -> Self {
        let mut groups: BTreeMap<_, Vec<&(Extent, SegmentSummary)>> = BTreeMap::new();
        for segment in found {
            let (_, summary) = segment;
            let is_named = ledger.segments.contains_key(&summary.id);
            if summary.commits.1 > CommitNo(0) && !is_named && !ledger.is_gone(summary) {
                groups.entry((summary.keyspace, summary.commits)).or_default().push(segment);
            }
        }
        let named: Vec<Together> =
            ledger.segments.values().map(|placed| Together::of(&placed.summary)).collect();
        let mut adrift = Adrift::default();
        for segments in groups.into_values() {
            let all = segments.iter().map(|(_, summary)| Together::of(summary));
            let Some(group) = all.reduce(|all, one| all.and(&one)) else { continue };
            let made_of = named.iter().filter(|named| named.first < group.first);
            let replaced: Vec<SegmentId> =
                made_of.filter(|named| group.holds(named)).map(|named| named.first).collect();
            let is_new = || {
                let mut later = named.iter().filter(|named| named.first > group.first);
                group.first.0 >= next_segment && !later.any(|later| later.may_hold(&group))
            };
            if !replaced.is_empty() || is_new() {
                adrift.segments.extend(segments);
                adrift.replaced.extend(replaced);
            }
        }
        adrift
    }
}

impl Together {
    fn of(summary: &SegmentSummary) -> Self {
        let SegmentSummary { id: first, keyspace, commits, .. } = *summary;
        Together { keyspace, commits, keys: summary.keys(), first }
    }

    fn and(&self, other: &Self) -> Self {
        let (keys, first) = (self.keys.hull(&other.keys), self.first.min(other.first));
        Together { keys, first, ..*self }
    }

    /// Whether it can have been made of `other`, in part at least.
    fn may_hold(&self, other: &Self) -> bool {
        self.keyspace == other.keyspace
            && self.commits.0 <= other.commits.0
            && other.commits.1 <= self.commits.1
            && self.keys.intersection(&other.keys).is_some()
    }

    /// Whether it can have been made of `other`, all of it.
    fn holds(&self, other: &Self) -> bool {
        self.may_hold(other) && self.keys.intersection(&other.keys).as_ref() == Some(&other.keys)
    }
}
