//! Range tombstones in a scan: [`shadow`] takes out of each run what the ranges of newer runs hide.
//!
//! A run that has a newer one with range tombstones gets a [`ShadowedCursor`] in front of its own; `merge` and
//! `visible` know nothing of ranges. Others are left as they are, so keyspaces without ranges pay nothing.
//!
//! The cursor remembers the stretch of keys around it that no range covers: within it a step costs one comparison
//! more. Where a range begins it seeks to the range's other end, so hidden entries are never visited, however many
//! there are. The ranges of a run on disk are read with the first key that asks for them.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::ranges::{KeyRange, Ranges, Stretch};
use crate::lsm::reserve::Reserve;
use crate::lsm::segment::Segment;

/// The range tombstones of one run.
#[derive(Debug, Clone)]
pub(crate) enum RunRanges {
    /// Those of a run in memory.
    Memory(Arc<Ranges>),
    /// Those of the segments of a run.
    Segments(Arc<Vec<Arc<Segment>>>),
}

impl RunRanges {
    /// Whether there is no range at all; reads nothing.
    fn is_empty(&self) -> bool {
        match self {
            RunRanges::Memory(ranges) => ranges.is_empty(),
            RunRanges::Segments(segments) => segments.iter().all(|s| s.summary().ranges == 0),
        }
    }

    /// A stretch around `key`; neighbouring ones may be of the same kind.
    fn stretch(&self, key: &[u8]) -> Result<Stretch> {
        let segments = match self {
            RunRanges::Memory(ranges) => return Ok(ranges.stretch(key)),
            RunRanges::Segments(segments) => segments,
        };
        let index = segments.partition_point(|segment| segment.summary().end.is_before(key));
        let at = segments.get(index);
        if let Some(segment) = at.filter(|segment| segment.summary().spans(key)) {
            let keys = segment.summary().keys();
            let Some(ranges) = segment.ranges()? else {
                return Ok(Stretch { keys, is_covered: false });
            };
            let Stretch { keys: around, is_covered } = ranges.stretch(key);
            return Ok(Stretch { keys: around.intersection(&keys).unwrap_or(around), is_covered });
        }
        let before = index.checked_sub(1).and_then(|before| segments.get(before));
        let lower = before.and_then(|segment| segment.summary().end.upper()).unwrap_or_default();
        let upper = at.map(|segment| segment.summary().smallest.clone());
        Ok(Stretch { keys: KeyRange { lower, upper }, is_covered: false })
    }
}

/// A run as a scan sees it: its entries, and the ranges that hide entries of older runs.
pub(crate) struct Source<'a> {
    pub(crate) cursor: Box<dyn RawCursor + 'a>,
    pub(crate) ranges: RunRanges,
}

/// The cursors of `sources`, runs newest first, without what newer range tombstones hide.
pub(crate) fn shadow<'a>(
    sources: impl IntoIterator<Item = Source<'a>>,
) -> Vec<Box<dyn RawCursor + 'a>> {
    let mut newer: Vec<RunRanges> = Vec::new();
    let shadowed = |Source { cursor, ranges }: Source<'a>| {
        let cursor = if newer.is_empty() {
            cursor
        } else {
            Box::new(ShadowedCursor::new(cursor, newer.clone()))
        };
        if !ranges.is_empty() {
            newer.push(ranges);
        }
        cursor
    };
    sources.into_iter().map(shadowed).collect()
}

/// The entries of a run that no range of newer runs covers.
struct ShadowedCursor<'a> {
    run: Box<dyn RawCursor + 'a>,
    newer: Vec<RunRanges>,
    /// False when the cursor stands nowhere although `run` stands on an entry.
    is_on: bool,
    /// Keys that no range covers.
    clear: Option<KeyRange>,
}

impl<'a> ShadowedCursor<'a> {
    fn new(run: Box<dyn RawCursor + 'a>, newer: Vec<RunRanges>) -> Self {
        ShadowedCursor { run, newer, is_on: false, clear: None }
    }

    /// The range that covers `key`; without one, remembers how far that holds.
    fn cover(&mut self, key: &[u8]) -> Result<Option<KeyRange>> {
        if self.clear.as_ref().is_some_and(|clear| clear.contains(key)) {
            return Ok(None);
        }
        let mut clear = KeyRange::default();
        for ranges in &self.newer {
            let Stretch { keys, is_covered } = ranges.stretch(key)?;
            if is_covered {
                return Ok(Some(keys));
            }
            clear = clear.intersection(&keys).unwrap_or(clear);
        }
        self.clear = Some(clear);
        Ok(None)
    }

    fn cover_here(&mut self) -> Result<Option<KeyRange>> {
        if self.clear.as_ref().is_some_and(|clear| clear.contains(self.run.key())) {
            return Ok(None);
        }
        let key = self.run.key().to_vec();
        self.cover(&key)
    }

    /// To the nearest entry at or behind the place of `run` that is not covered.
    fn settle_forward(&mut self) -> Result<()> {
        while self.run.valid() {
            let Some(range) = self.cover_here()? else {
                self.is_on = true;
                return Ok(());
            };
            let Some(upper) = range.upper else { return Ok(()) };
            self.run.seek_ge(&upper)?;
        }
        Ok(())
    }

    /// To the nearest entry at or before the place of `run` that is not covered.
    fn settle_backward(&mut self) -> Result<()> {
        while self.run.valid() {
            let Some(range) = self.cover_here()? else {
                self.is_on = true;
                return Ok(());
            };
            self.run.seek_ge(&range.lower)?;
            self.run.prev()?;
        }
        Ok(())
    }
}

impl RawCursor for ShadowedCursor<'_> {
    fn first(&mut self) -> Result<()> {
        self.seek_ge(&[])
    }

    fn last(&mut self) -> Result<()> {
        self.is_on = false;
        self.run.last()?;
        self.settle_backward()
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.is_on = false;
        // Not into a covered stretch, whose block would be read in vain.
        let mut behind: Option<Bytes> = None;
        while let Some(range) = self.cover(behind.as_deref().unwrap_or(key))? {
            let Some(upper) = range.upper else { return Ok(()) };
            behind = Some(upper);
        }
        self.run.seek_ge(behind.as_deref().unwrap_or(key))?;
        self.settle_forward()
    }

    fn seek_le(&mut self, key: &[u8]) -> Result<()> {
        self.is_on = false;
        self.run.seek_le(key)?;
        self.settle_backward()
    }

    fn next(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_on) {
            self.run.next()?;
            self.settle_forward()?;
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_on) {
            self.run.prev()?;
            self.settle_backward()?;
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.is_on && self.run.valid()
    }

    fn key(&self) -> &[u8] {
        if self.is_on { self.run.key() } else { &[] }
    }

    fn kind(&self) -> EntryKind {
        self.run.kind()
    }

    fn value(&self) -> Result<Bytes> {
        self.run.value()
    }

    fn held(&self) -> Option<(&Arc<Reserve>, usize)> {
        self.run.held()
    }
}
