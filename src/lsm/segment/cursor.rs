//! [`SegmentCursor`]: moves over all entries of a segment, both ways.
//!
//! Two block cursors: one over the index, one over the leaf block that the index cursor names. Merge
//! cursors and compactions hold it behind [`RawCursor`]. It owns its segment, so it outlives the version it
//! was made from. Cost: `next` and `prev` are those of a block, and one leaf block read at its border; a
//! seek that stays in the current leaf reads nothing. Values of the value area are read only when asked for.

use std::sync::Arc;

use bytes::Bytes;

use super::index::LeafHandle;
use super::reader::Segment;
use crate::lsm::block::BlockCursor;
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;

/// A position in a segment, or nowhere.
#[derive(Debug)]
pub(crate) struct SegmentCursor {
    segment: Arc<Segment>,
    /// Made on first use, since it needs the index.
    index: Option<BlockCursor>,
    /// Over the leaf at `handle`; stands on the segment cursor's entry.
    leaf: Option<BlockCursor>,
    handle: Option<LeafHandle>,
}

/// Where in a leaf to go.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    First,
    Last,
    AtLeast(&'a [u8]),
}

impl SegmentCursor {
    pub(super) fn new(segment: Arc<Segment>) -> Self {
        SegmentCursor { segment, index: None, leaf: None, handle: None }
    }

    /// Runs a movement; when it fails the cursor stands nowhere and the error says where in the file.
    fn moving(&mut self, movement: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let result = movement(self);
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

    /// Moves in the index, then in the leaf that it names; nowhere when the index has no such entry.
    fn descend(
        &mut self,
        in_index: impl FnOnce(&mut BlockCursor) -> Result<()>,
        in_leaf: Leaf<'_>,
    ) -> Result<()> {
        let index = match &mut self.index {
            Some(index) => index,
            slot => slot.insert(BlockCursor::new(self.segment.directory()?.index.clone())),
        };
        if let Err(error) = in_index(index) {
            self.handle = None;
            return Err(error);
        }
        if !index.valid() {
            if let Some(leaf) = &mut self.leaf {
                leaf.leave();
            }
            return Ok(());
        }
        let handle = LeafHandle::decode(index)?;
        let leaf = self.enter_leaf(handle)?;
        match in_leaf {
            Leaf::First => leaf.first(),
            Leaf::Last => leaf.last(),
            Leaf::AtLeast(key) => leaf.seek_ge(key),
        }
    }

    /// The cursor over the leaf at `handle`, which is read unless it is the current one.
    fn enter_leaf(&mut self, handle: LeafHandle) -> Result<&mut BlockCursor> {
        let is_current = self.handle.replace(handle) == Some(handle);
        let leaf = match self.leaf.take() {
            Some(leaf) if is_current => leaf,
            Some(mut leaf) => {
                leaf.enter(self.segment.leaf(handle)?);
                leaf
            }
            None => BlockCursor::new(self.segment.leaf(handle)?),
        };
        Ok(self.leaf.insert(leaf))
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
        self.moving(|cursor| cursor.descend(BlockCursor::first, Leaf::First))
    }

    fn last(&mut self) -> Result<()> {
        self.moving(|cursor| cursor.descend(BlockCursor::last, Leaf::Last))
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.moving(|cursor| {
            cursor.descend(|index| index.seek_ge(key), Leaf::AtLeast(key))?;
            // A separator may be greater than every key of its leaf.
            let behind_leaf = cursor.index.as_ref().is_some_and(BlockCursor::valid);
            if behind_leaf && !cursor.valid() {
                cursor.descend(BlockCursor::next, Leaf::First)?;
            }
            Ok(())
        })
    }

    fn next(&mut self) -> Result<()> {
        self.moving(|cursor| {
            let Some(leaf) = cursor.leaf_mut() else {
                return Ok(());
            };
            leaf.next()?;
            if leaf.valid() { Ok(()) } else { cursor.descend(BlockCursor::next, Leaf::First) }
        })
    }

    fn prev(&mut self) -> Result<()> {
        self.moving(|cursor| {
            let Some(leaf) = cursor.leaf_mut() else {
                return Ok(());
            };
            leaf.prev()?;
            if leaf.valid() { Ok(()) } else { cursor.descend(BlockCursor::prev, Leaf::Last) }
        })
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
        self.segment.value(self.entry().value()).map_err(|error| self.segment.locate(error))
    }
}
