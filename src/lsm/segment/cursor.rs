//! [`SegmentCursor`]: moves over all entries of a segment, both ways.
//!
//! A number in the index and a block cursor over the leaf of that number. Merge
//! cursors and compactions hold it behind [`RawCursor`]. It owns its segment, so it outlives the version it
//! was made from. Cost: `next` and `prev` are those of a block, and one leaf block read at its border; a
//! seek that stays in the current leaf reads nothing. Values of the value area are read only when asked for.

use std::sync::Arc;

use bytes::Bytes;

use super::index::LeafHandle;
use super::reader::Segment;
use crate::lsm::block::{Block, BlockCursor};
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::name_filter::{Look, NameFilter};
use crate::lsm::reserve::Reserve;

/// A position in a segment, or nowhere.
#[derive(Debug)]
pub(crate) struct SegmentCursor {
    segment: Arc<Segment>,
    /// Taken on first use.
    index: Option<Block>,
    /// Over the leaf `number` at `handle`; stands on the segment cursor's entry.
    leaf: Option<BlockCursor>,
    handle: Option<LeafHandle>,
    number: usize,
    /// Whether the cache keeps what is read.
    keeps: bool,
    /// Whether it moves over names instead, if there are any.
    naming: bool,
}

/// Where in a leaf to go.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    First,
    Last,
    AtLeast(&'a [u8]),
}

impl SegmentCursor {
    pub(super) fn new(segment: Arc<Segment>, keeps: bool) -> Self {
        let (index, leaf, handle, naming) = (None, None, None, false);
        SegmentCursor { segment, index, leaf, handle, number: 0, keeps, naming }
    }

    /// One over names; over entries where there are none.
    pub(super) fn naming(segment: Arc<Segment>) -> Self {
        SegmentCursor { naming: true, ..Self::new(segment, true) }
    }

    /// Ends a movement; when it failed the cursor stands nowhere and the error says where in the file.
    fn moved(&mut self, result: Result<()>) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        if let Some(leaf) = &mut self.leaf {
            leaf.leave();
        }
        let place = |handle: LeafHandle| format!("{}, leaf at {}", self.segment, handle.offset);
        let error = match self.handle.take() {
            Some(handle) => error.at(|| place(handle)),
            None => error,
        };
        Err(self.segment.locate(error))
    }

    /// Without entries there is no index to ask.
    fn has_entries(&self) -> bool {
        self.segment.summary().entries > 0
    }

    fn index(&mut self) -> Result<&Block> {
        if self.index.is_none() {
            let names = if self.naming { self.segment.name_index()? } else { None };
            self.naming = names.is_some();
            let index = match names {
                Some(names) => names,
                None => self.segment.index()?.into_owned(),
            };
            self.index = Some(index);
        }
        Ok(self.index.as_ref().expect("invariant: it was taken above"))
    }

    /// Moves in the leaf of this number; nowhere when there is none.
    fn descend(&mut self, number: usize, in_leaf: Leaf<'_>) -> Result<()> {
        if number >= self.index()?.restart_count() {
            if let Some(leaf) = &mut self.leaf {
                leaf.leave();
            }
            return Ok(());
        }
        let leaf = self.enter_leaf(number)?;
        match in_leaf {
            Leaf::First => leaf.first(),
            Leaf::Last => leaf.last(),
            Leaf::AtLeast(key) => leaf.seek_ge(key),
        }
    }

    /// The cursor over the leaf of this number, which is read unless it is the current one.
    fn enter_leaf(&mut self, number: usize) -> Result<&mut BlockCursor> {
        let handle = match self.handle {
            Some(handle) if self.number == number => handle,
            _ => {
                self.handle = None;
                LeafHandle::of(self.index()?, number)?
            }
        };
        let is_current = self.handle.replace(handle).is_some();
        self.number = number;
        let leaf = match self.leaf.take() {
            Some(leaf) if is_current => leaf,
            Some(mut leaf) => {
                leaf.enter(self.block(number, handle)?);
                leaf
            }
            None => BlockCursor::new(self.block(number, handle)?),
        };
        Ok(self.leaf.insert(leaf))
    }

    fn block(&self, number: usize, handle: LeafHandle) -> Result<Block> {
        if self.naming {
            return self.segment.name_block(handle, self.keeps);
        }
        self.segment.leaf(number, handle, self.keeps)
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        let number = self.index()?.restart_ge(key)?;
        self.descend(number, Leaf::AtLeast(key))?;
        // A separator may be greater than every key of its leaf.
        if self.valid() { Ok(()) } else { self.descend(number + 1, Leaf::First) }
    }

    fn step_forward(&mut self) -> Result<()> {
        let Some(leaf) = self.leaf_mut() else { return Ok(()) };
        leaf.next()?;
        if leaf.valid() { Ok(()) } else { self.descend(self.number + 1, Leaf::First) }
    }

    fn walk_forward(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut walked = 0;
        while let Some(leaf) = self.leaf_mut() {
            walked += leaf.walk(upper, most - walked, visit)?;
            if leaf.valid() {
                break;
            }
            self.descend(self.number + 1, Leaf::First)?;
        }
        Ok(walked)
    }

    fn look_forward(&mut self, filter: &mut dyn NameFilter, mut shared: usize) -> Result<Look> {
        while let Some(leaf) = self.leaf_mut() {
            let look = leaf.look_on(filter, shared)?;
            if leaf.valid() {
                return Ok(look);
            }
            self.descend(self.number + 1, Leaf::First)?;
            shared = 0;
        }
        Ok(Look::Pass)
    }

    fn step_backward(&mut self) -> Result<()> {
        let Some(leaf) = self.leaf_mut() else { return Ok(()) };
        leaf.prev()?;
        match (leaf.valid(), self.number.checked_sub(1)) {
            (false, Some(before)) => self.descend(before, Leaf::Last),
            _ => Ok(()),
        }
    }

    fn current(&self) -> Option<&BlockCursor> {
        self.leaf.as_ref().filter(|leaf| leaf.valid())
    }

    fn entry(&self) -> &BlockCursor {
        self.current().expect("invariant: a cursor is asked only while it stands on an entry")
    }

    fn leaf_mut(&mut self) -> Option<&mut BlockCursor> {
        self.leaf.as_mut().filter(|leaf| leaf.valid())
    }
}

impl RawCursor for SegmentCursor {
    fn first(&mut self) -> Result<()> {
        let result = if self.has_entries() { self.descend(0, Leaf::First) } else { Ok(()) };
        self.moved(result)
    }

    fn last(&mut self) -> Result<()> {
        if !self.has_entries() {
            return Ok(());
        }
        let last = self.index().map(|index| index.restart_count() - 1);
        let result = last.and_then(|last| self.descend(last, Leaf::Last));
        self.moved(result)
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        let result = if self.has_entries() { self.seek(key) } else { Ok(()) };
        self.moved(result)
    }

    fn next(&mut self) -> Result<()> {
        let result = self.step_forward();
        self.moved(result)
    }

    fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut walked = 0;
        let result = self.walk_forward(upper, most, visit).map(|count| walked = count);
        self.moved(result).map(|()| walked)
    }

    fn look_on(&mut self, filter: &mut dyn NameFilter, shared: usize) -> Result<Look> {
        let mut look = Look::Pass;
        let result = self.look_forward(filter, shared).map(|last| look = last);
        self.moved(result).map(|()| look)
    }

    fn prev(&mut self) -> Result<()> {
        let result = self.step_backward();
        self.moved(result)
    }

    fn valid(&self) -> bool {
        self.current().is_some()
    }

    fn key(&self) -> &[u8] {
        self.current().map_or(&[], BlockCursor::key)
    }

    fn kind(&self) -> EntryKind {
        self.entry().kind()
    }

    fn value(&self) -> Result<Bytes> {
        let value = self.segment.value(self.entry().value(), self.keeps);
        value.map_err(|error| self.segment.locate(error))
    }

    fn shared(&self) -> usize {
        self.current().map_or(0, BlockCursor::shared)
    }

    fn held(&self) -> Option<(&Arc<Reserve>, usize)> {
        let leaf = self.current()?;
        Some((self.segment.reserve(), self.segment.held(leaf)))
    }
}
