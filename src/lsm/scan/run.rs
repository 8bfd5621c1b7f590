//! [`RunCursor`]: the segments of a run as one sequence.
//!
//! Segments are sorted and disjoint, so at most one is open at a time. A seek is a binary search over the
//! segments' greatest keys, then one segment's seek.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::segment::{Segment, SegmentCursor};

/// Moves over the entries of a run.
pub(crate) struct RunCursor {
    segments: Arc<Vec<Arc<Segment>>>,
    /// The segment that is open, and its cursor; none when the cursor stands nowhere.
    open: Option<(usize, SegmentCursor)>,
}

impl RunCursor {
    pub(crate) fn new(segments: Arc<Vec<Arc<Segment>>>) -> Self {
        RunCursor { segments, open: None }
    }

    /// A cursor of segment `index`, reusing the open one when it is the same.
    fn enter(&mut self, index: usize) -> Option<&mut SegmentCursor> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = self.segments.get(index).map(|segment| (index, segment.cursor()));
        }
        self.open.as_mut().map(|(_, cursor)| cursor)
    }

    /// Runs `movement` on segment `index`; on an error the cursor stands nowhere.
    fn go(
        &mut self,
        index: usize,
        movement: impl FnOnce(&mut SegmentCursor) -> Result<()>,
    ) -> Result<()> {
        let result = self.enter(index).map_or(Ok(()), movement);
        if result.is_err() {
            self.open = None;
        }
        result
    }
}

impl RawCursor for RunCursor {
    fn first(&mut self) -> Result<()> {
        self.go(0, RawCursor::first)
    }

    fn last(&mut self) -> Result<()> {
        self.go(self.segments.len().wrapping_sub(1), RawCursor::last)
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        let index = self.segments.partition_point(|segment| &segment.summary().greatest[..] < key);
        if index == self.segments.len() {
            self.open = None;
            return Ok(());
        }
        self.go(index, |cursor| cursor.seek_ge(key))
    }

    fn next(&mut self) -> Result<()> {
        let Some(index) = self.open.as_ref().map(|(index, _)| *index) else { return Ok(()) };
        self.go(index, RawCursor::next)?;
        if !self.valid() && index + 1 < self.segments.len() {
            return self.go(index + 1, RawCursor::first);
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        let Some(index) = self.open.as_ref().map(|(index, _)| *index) else { return Ok(()) };
        self.go(index, RawCursor::prev)?;
        if !self.valid() && index > 0 {
            return self.go(index - 1, RawCursor::last);
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, cursor)| cursor.valid())
    }

    fn key(&self) -> &[u8] {
        self.open.as_ref().map_or(&[], |(_, cursor)| cursor.key())
    }

    fn kind(&self) -> EntryKind {
        self.open.as_ref().map_or(EntryKind::Delete, |(_, cursor)| cursor.kind())
    }

    fn value(&self) -> Result<Bytes> {
        self.open.as_ref().map_or(Ok(Bytes::new()), |(_, cursor)| cursor.value())
    }
}
