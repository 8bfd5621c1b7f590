//! [`RunCursor`]: the segments of a run as one sequence.
//!
//! Segments are sorted and disjoint, so at most one is open at a time. A seek is a binary search over the
//! ends of the segments, then one segment's seek. A segment may have no entry where it is entered: it may hold
//! range tombstones only, or some behind its last key.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::name_filter::{Look, NameFilter};
use crate::lsm::reserve::Reserve;
use crate::lsm::segment::{Segment, SegmentCursor};

/// Moves over the entries of a run.
pub(crate) struct RunCursor {
    segments: Arc<Vec<Arc<Segment>>>,
    /// The segment that is open, and its cursor; none when the cursor stands nowhere.
    open: Option<(usize, SegmentCursor)>,
    what: What,
}

/// What of the segments a cursor reads.
#[derive(Clone, Copy)]
enum What {
    Entries,
    /// Entries, past the cache.
    Passing,
    /// Names, and entries where there are no names.
    Names,
}

impl RunCursor {
    pub(crate) fn new(segments: Arc<Vec<Arc<Segment>>>) -> Self {
        RunCursor { segments, open: None, what: What::Entries }
    }

    /// A cursor that passes through once, and leaves the cache to others.
    pub(crate) fn passing(segments: Arc<Vec<Arc<Segment>>>) -> Self {
        RunCursor { segments, open: None, what: What::Passing }
    }

    /// A cursor over names; over the entries of segments that list none.
    pub(crate) fn naming(segments: Arc<Vec<Arc<Segment>>>) -> Self {
        RunCursor { segments, open: None, what: What::Names }
    }

    /// A cursor of segment `index`, reusing the open one when it is the same.
    fn enter(&mut self, index: usize) -> Option<&mut SegmentCursor> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            let what = self.what;
            let cursor = |segment: &Arc<Segment>| match what {
                What::Entries => segment.cursor(),
                What::Passing => segment.passing_cursor(),
                What::Names => segment.naming_cursor(),
            };
            self.open = self.segments.get(index).map(|segment| (index, cursor(segment)));
        }
        self.open.as_mut().map(|(_, cursor)| cursor)
    }

    /// To the first entry of the segments from `index` on, unless the cursor stands on one.
    fn settle_forward(&mut self, mut index: usize) -> Result<()> {
        while !self.valid() && index < self.segments.len() {
            self.go(index, RawCursor::first)?;
            index += 1;
        }
        Ok(())
    }

    /// To the last entry of the segments before `end`, unless the cursor stands on one.
    fn settle_backward(&mut self, mut end: usize) -> Result<()> {
        while !self.valid() && end > 0 {
            end -= 1;
            self.go(end, RawCursor::last)?;
        }
        Ok(())
    }

    /// Runs `movement` on the open segment and, from their first entries on, on those behind it, until it stays on an entry.
    fn go_on(&mut self, mut movement: impl FnMut(&mut SegmentCursor) -> Result<()>) -> Result<()> {
        while let Some(index) = self.open.as_ref().map(|(index, _)| *index) {
            self.go(index, &mut movement)?;
            if self.valid() {
                break;
            }
            self.settle_forward(index + 1)?;
            if !self.valid() {
                break;
            }
        }
        Ok(())
    }

    /// Runs `movement` on segment `index`; on an error the cursor stands nowhere.
    fn go(
        &mut self,
        index: usize,
        movement: impl FnOnce(&mut SegmentCursor) -> Result<()>,
    ) -> Result<()> {
        // A segment of range tombstones only need not be opened to know that it has no entry.
        if self.segments[index].summary().entries == 0 {
            self.open = None;
            return Ok(());
        }
        let result = self.enter(index).map_or(Ok(()), movement);
        if result.is_err() {
            self.open = None;
        }
        result
    }
}

impl RawCursor for RunCursor {
    fn first(&mut self) -> Result<()> {
        self.open = None;
        self.settle_forward(0)
    }

    fn last(&mut self) -> Result<()> {
        self.open = None;
        self.settle_backward(self.segments.len())
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        let index = self.segments.partition_point(|segment| segment.summary().end.is_before(key));
        if index == self.segments.len() {
            self.open = None;
            return Ok(());
        }
        self.go(index, |cursor| cursor.seek_ge(key))?;
        self.settle_forward(index + 1)
    }

    fn next(&mut self) -> Result<()> {
        let Some(index) = self.open.as_ref().map(|(index, _)| *index) else { return Ok(()) };
        if !self.valid() {
            return Ok(());
        }
        self.go(index, RawCursor::next)?;
        self.settle_forward(index + 1)
    }

    fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut walked = 0;
        self.go_on(|cursor| {
            walked += cursor.walk(upper, most - walked, visit)?;
            Ok(())
        })?;
        Ok(walked)
    }

    fn look_on(&mut self, filter: &mut dyn NameFilter, mut shared: usize) -> Result<Look> {
        let mut look = Look::Pass;
        self.go_on(|cursor| {
            look = cursor.look_on(filter, shared)?;
            shared = 0;
            Ok(())
        })?;
        Ok(look)
    }

    fn prev(&mut self) -> Result<()> {
        let Some(index) = self.open.as_ref().map(|(index, _)| *index) else { return Ok(()) };
        if !self.valid() {
            return Ok(());
        }
        self.go(index, RawCursor::prev)?;
        self.settle_backward(index)
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

    fn shared(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, cursor)| cursor.shared())
    }

    fn held(&self) -> Option<(&Arc<Reserve>, usize)> {
        self.open.as_ref().and_then(|(_, cursor)| cursor.held())
    }
}
