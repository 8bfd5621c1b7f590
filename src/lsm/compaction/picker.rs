//! Which segments to compact next.
//!
//! Level 0 first: its runs overlap, so every one of them costs each read. Then the first level that is above
//! its size; from it the segment with the most tombstones, else the next one in key order, so that every
//! key range has its turn. A segment that overlaps nothing is moved, not rewritten, unless it is small.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::ids::KeyspaceId;
use crate::lsm::manifest::{Keyspace, LEVELS_MAX, Run, Version};
use crate::lsm::options::Options;
use crate::lsm::ranges::KeyEnd;
use crate::lsm::segment::Segment;

/// What a compaction shall do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) keyspace: KeyspaceId,
    /// The level of the output.
    pub(crate) level: u8,
    /// Segments to rewrite, run by run, newest run first.
    pub(crate) inputs: Vec<Vec<Arc<Segment>>>,
    /// Segments that only change level.
    pub(crate) moved: Vec<Arc<Segment>>,
    /// Runs older than every input.
    pub(crate) older: Vec<Run>,
}

/// Picks work; remembers where each level's turn stands.
#[derive(Debug, Default)]
pub(crate) struct Picker {
    turns: HashMap<(KeyspaceId, usize), Vec<u8>>,
}

impl Picker {
    /// The most urgent compaction, if one is due.
    pub(crate) fn pick(&mut self, version: &Version, options: &Options) -> Option<Work> {
        let keyspaces = || version.keyspaces.values();
        let crowded = keyspaces()
            .filter_map(|keyspace| Some((keyspace.levels.first()?.runs.len(), keyspace)))
            .filter(|(runs, _)| *runs > options.level0_runs_max)
            .max_by_key(|(runs, _)| *runs);
        if let Some((_, keyspace)) = crowded {
            return Some(level0(keyspace, options));
        }
        for keyspace in keyspaces() {
            let mut bytes_max = options.level1_bytes_max;
            // What is on the last level that there may be stays there.
            for (level, content) in keyspace.levels.iter().enumerate().take(LEVELS_MAX - 1).skip(1)
            {
                if content.bytes() > bytes_max {
                    return self.push_down(keyspace, level, options);
                }
                bytes_max = bytes_max.saturating_mul(options.level_ratio.max(2));
            }
        }
        None
    }

    /// Moves one segment of `level` into the level below.
    fn push_down(&mut self, keyspace: &Keyspace, level: usize, options: &Options) -> Option<Work> {
        let run = keyspace.levels.get(level)?.runs.first()?;
        let turn = self.turns.entry((keyspace.id, level)).or_default();
        let next = run.segments.partition_point(|segment| segment.summary().smallest <= *turn);
        let in_turn = run.segments.get(next).or(run.segments.first())?;
        let deadest = run.segments.iter().max_by_key(|segment| dead_share(segment))?;
        let chosen = if dead_share(deadest) >= 25 { deadest } else { in_turn };
        *turn = chosen.summary().smallest.to_vec();
        Some(work(keyspace, level + 1, vec![vec![Arc::clone(chosen)]], options))
    }
}

/// Hundredths of a segment's entries and range tombstones that are tombstones.
fn dead_share(segment: &Segment) -> u64 {
    let summary = segment.summary();
    (summary.tombstones + summary.ranges) * 100 / (summary.entries + summary.ranges).max(1)
}

/// All runs of level 0 into level 1.
fn level0(keyspace: &Keyspace, options: &Options) -> Work {
    let runs = keyspace.levels.first().map(|level| &level.runs[..]).unwrap_or_default();
    let inputs = runs.iter().map(|run| run.segments.to_vec()).collect();
    work(keyspace, 1, inputs, options)
}

/// Everything into one run.
pub(crate) fn everything(keyspace: &Keyspace) -> Option<Work> {
    let inputs: Vec<Vec<Arc<Segment>>> = keyspace.runs().map(|run| run.segments.to_vec()).collect();
    let last = keyspace.levels.iter().rposition(|level| !level.runs.is_empty())?;
    let level = u8::try_from(last.max(1)).ok()?;
    Some(Work { keyspace: keyspace.id, level, inputs, moved: Vec::new(), older: Vec::new() })
}

/// Compacts `inputs` (runs newest first, all above `level`) into `level`, with what they overlap there.
///
/// The output may span everything between the smallest and the greatest key that is rewritten, so whatever lies
/// in that range is rewritten too; only what lies outside can be moved or left alone.
fn work(
    keyspace: &Keyspace,
    level: usize,
    mut inputs: Vec<Vec<Arc<Segment>>>,
    options: &Options,
) -> Work {
    let small = options.segment_bytes_target / 4;
    let target = keyspace.levels.get(level).and_then(|level| level.runs.first());
    let below: &[Arc<Segment>] = target.map(|run| &run.segments[..]).unwrap_or_default();
    let sources: Vec<Arc<Segment>> = inputs.iter().flatten().cloned().collect();
    let is_movable = |source: &Arc<Segment>| {
        let beside = |other: &&Arc<Segment>| !Arc::ptr_eq(source, other) && overlap(source, other);
        source.summary().bytes >= small && !sources.iter().chain(below).any(|s| beside(&s))
    };
    let (mut moved, rewritten): (Vec<_>, Vec<_>) = sources.iter().cloned().partition(is_movable);
    let mut span = Span::default();
    for segment in &rewritten {
        span.extend(segment);
    }
    // A small segment just before the inputs joins them: otherwise ascending keys leave a trail of crumbs.
    let before = below.partition_point(|segment| !span.is_empty() && span.is_behind(segment));
    let crumb = before.checked_sub(1).and_then(|index| below.get(index));
    if let Some(crumb) = crumb.filter(|crumb| crumb.summary().bytes < small) {
        span.extend(crumb);
    }
    let mut reached = 0;
    while reached != span.reached {
        reached = span.reached;
        for segment in sources.iter().chain(below) {
            span.extend_if_touched(segment);
        }
    }
    moved.retain(|segment| !span.touches(segment));
    for run in &mut inputs {
        run.retain(|segment| span.touches(segment));
    }
    inputs.push(below.iter().filter(|segment| span.touches(segment)).cloned().collect());
    inputs.retain(|run| !run.is_empty());
    let older = keyspace.levels.iter().skip(level + 1).flat_map(|level| level.runs.clone());
    let older = older.collect();
    let level = u8::try_from(level).expect("invariant: levels are few");
    Work { keyspace: keyspace.id, level, inputs, moved, older }
}

/// The range of keys that a compaction rewrites.
#[derive(Debug, Default)]
struct Span {
    /// Smallest key and end.
    ends: Option<(Bytes, KeyEnd)>,
    /// Ascends whenever the span grows.
    reached: usize,
}

impl Span {
    fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    /// Whether the span begins behind the segment's last key.
    fn is_behind(&self, segment: &Segment) -> bool {
        self.ends.as_ref().is_some_and(|(smallest, _)| segment.summary().end.is_before(smallest))
    }

    fn touches(&self, segment: &Segment) -> bool {
        let summary = segment.summary();
        self.ends.as_ref().is_some_and(|(smallest, end)| {
            !end.is_before(&summary.smallest) && !summary.end.is_before(smallest)
        })
    }

    fn extend(&mut self, segment: &Segment) {
        let summary = segment.summary();
        let (smallest, end) = (summary.smallest.clone(), summary.end.clone());
        let grown = match self.ends.take() {
            None => (smallest, end),
            Some(have) => (have.0.min(smallest), have.1.max(end)),
        };
        self.ends = Some(grown);
        self.reached += 1;
    }

    fn extend_if_touched(&mut self, segment: &Segment) {
        let summary = segment.summary();
        let within = self
            .ends
            .as_ref()
            .is_none_or(|(smallest, end)| *smallest <= summary.smallest && summary.end <= *end);
        if !within && self.touches(segment) {
            self.extend(segment);
        }
    }
}

fn overlap(left: &Segment, right: &Segment) -> bool {
    left.summary().overlaps(right.summary())
}
