//! What a compaction reads: runs with their range tombstones.
//!
//! `job` names the runs, `rewrite` reads their ranges first, a few segments a step. Then it is known which segments lie
//! whole within a newer run's range: those are left out, unread, and only their entries are counted.

use std::sync::Arc;

use crate::lsm::cursor::RawCursor;
use crate::lsm::error::Result;
use crate::lsm::ranges::Ranges;
use crate::lsm::scan::{MergeCursor, RunCursor};
use crate::lsm::segment::Segment;

/// Segments whose range tombstones are read in one step.
const SEGMENTS_A_STEP: usize = 16;

/// One run that a compaction reads.
pub(crate) struct Input {
    entries: Entries,
    /// Those of the segments before `unread`, or of the run in memory.
    ranges: Ranges,
    unread: usize,
}

enum Entries {
    Memory(Box<dyn RawCursor>),
    Segments(Vec<Arc<Segment>>),
}

impl Input {
    pub(crate) fn of_memory(cursor: Box<dyn RawCursor>, ranges: Ranges) -> Self {
        Input { entries: Entries::Memory(cursor), ranges, unread: 0 }
    }

    pub(crate) fn of_segments(segments: Vec<Arc<Segment>>) -> Self {
        Input { entries: Entries::Segments(segments), ranges: Ranges::default(), unread: 0 }
    }
}

/// The runs that a compaction reads, newest first.
#[derive(Default)]
pub(super) struct Inputs {
    runs: Vec<Input>,
    /// Ranges of all runs, before they were joined.
    pub(super) ranges_read: u64,
}

/// What is to be walked.
pub(super) struct Opened {
    pub(super) cursor: MergeCursor<'static>,
    /// The range tombstones of each run that has some, newest first, and which run that is.
    pub(super) ranges: Vec<(usize, Ranges)>,
    /// All of them.
    pub(super) united: Ranges,
    /// Segments that newer ranges hide whole, and their entries.
    pub(super) segments_hidden: u64,
    pub(super) entries_hidden: u64,
}

impl Inputs {
    pub(super) fn new(runs: Vec<Input>) -> Self {
        let ranges_read = runs.iter().map(|run| run.ranges.len()).sum();
        Inputs { runs, ranges_read }
    }

    /// Reads range tombstones of some more segments; true when all are read.
    pub(super) fn read_ranges(&mut self) -> Result<bool> {
        let mut left = SEGMENTS_A_STEP;
        for run in &mut self.runs {
            let Entries::Segments(segments) = &run.entries else { continue };
            while let Some(segment) = segments.get(run.unread) {
                if segment.summary().ranges > 0 {
                    if left == 0 {
                        return Ok(false);
                    }
                    left -= 1;
                    if let Some(ranges) = segment.ranges()? {
                        self.ranges_read += ranges.len();
                        run.ranges.unite(ranges);
                    }
                }
                run.unread += 1;
            }
        }
        Ok(true)
    }

    /// The walk over all that no newer range hides whole.
    pub(super) fn open(self) -> Opened {
        let (mut united, mut ranges, mut cursors) = (Ranges::default(), Vec::new(), Vec::new());
        let (mut segments_hidden, mut entries_hidden) = (0, 0);
        for (index, run) in self.runs.into_iter().enumerate() {
            let cursor: Box<dyn RawCursor> = match run.entries {
                Entries::Memory(cursor) => cursor,
                Entries::Segments(mut segments) => {
                    segments.retain(|segment| {
                        let is_hidden = united.cover_all(&segment.summary().keys());
                        segments_hidden += u64::from(is_hidden);
                        entries_hidden += if is_hidden { segment.summary().entries } else { 0 };
                        !is_hidden
                    });
                    Box::new(RunCursor::passing(Arc::new(segments)))
                }
            };
            cursors.push(cursor);
            united.unite(&run.ranges);
            if !run.ranges.is_empty() {
                ranges.push((index, run.ranges));
            }
        }
        let cursor = MergeCursor::new(cursors);
        Opened { cursor, ranges, united, segments_hidden, entries_hidden }
    }
}
