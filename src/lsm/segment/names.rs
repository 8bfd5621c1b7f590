//! The names of a segment: what its groups are called, listed beside the entries, so that who looks for names reads nothing else.
//!
//! The writer hands each name to [`NamesBuilder`] when its group begins; cursors over names find blocks here. Names stand in blocks of
//! their own with an index over them, both laid out and sealed like those of entries. Read on first use, kept by the block cache.
//!
//! Invariants: every entry's key begins with a listed name, and every name has an entry; names ascend. Few leaf blocks are read as fast
//! as a list, so a segment of less than [`NAMED_LEAF_BLOCKS_MIN`] has none. Cost: while a segment is written its names are in memory,
//! front-coded.

use super::index::{IndexBuilder, LeafHandle};
use super::properties::NameCounts;
use super::reader::{Parts, Segment};
use crate::lsm::block::{Block, BlockBuilder, BlockCursor, Compression, EntryValue, open, seal};
use crate::lsm::cipher::Sealer;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Leaf blocks of the smallest segment that lists its names.
pub(super) const NAMED_LEAF_BLOCKS_MIN: u64 = 16;

/// Every how many names one is written in full: names are read through far more often than searched.
const RESTART_INTERVAL: u32 = 64;

/// Collects names until it is known where they are to stand.
#[derive(Debug)]
pub(super) struct NamesBuilder {
    block_bytes: usize,
    open: BlockBuilder,
    /// The first name of the open block.
    first: Vec<u8>,
    full: Vec<FullBlock>,
    full_bytes: usize,
    names: u64,
}

/// A raw block, and where its names begin and end.
#[derive(Debug)]
struct FullBlock {
    raw: Vec<u8>,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl NamesBuilder {
    /// Blocks are closed before their raw length exceeds `block_bytes`.
    pub(super) fn new(block_bytes: u32) -> Self {
        NamesBuilder {
            block_bytes: block_bytes as usize,
            open: BlockBuilder::new(RESTART_INTERVAL),
            first: Vec::new(),
            full: Vec::new(),
            full_bytes: 0,
            names: 0,
        }
    }

    /// Adds a name, which is greater than all before.
    pub(super) fn add(&mut self, name: &[u8]) {
        if !self.open.is_empty() && self.open.raw_bytes_with(name, 0) > self.block_bytes {
            self.close();
        }
        if self.open.is_empty() {
            self.first.clear();
            self.first.extend_from_slice(name);
        }
        self.open.add(name, EntryKind::Put, EntryValue::Inline(&[]));
        self.names += 1;
    }

    /// Bytes that the names take before they are sealed.
    pub(super) fn bytes(&self) -> usize {
        self.full_bytes + if self.open.is_empty() { 0 } else { self.open.raw_bytes() }
    }

    fn close(&mut self) {
        let (first, last) = (self.first.clone(), self.open.last_key().to_vec());
        let raw = self.open.finish().to_vec();
        self.full_bytes += raw.len();
        self.full.push(FullBlock { raw, first, last });
        self.open.clear();
    }

    /// Appends blocks and index to `out`, which is to stand `offset` bytes into `segment` at its end.
    pub(super) fn finish(
        mut self,
        (sealer, compression): (&Sealer, Compression),
        (segment, offset): (SegmentId, u64),
        out: &mut Vec<u8>,
    ) -> Result<NameCounts> {
        if self.names == 0 {
            return Ok(NameCounts::default());
        }
        self.close();
        let start = out.len();
        let at = |out: &Vec<u8>| offset + (out.len() - start) as u64;
        let mut index = IndexBuilder::new();
        let mut last: &[u8] = &[];
        for block in &self.full {
            index.leaf_begins(last, &block.first);
            let offset = at(out);
            seal(sealer, &block.raw, compression, segment, offset, out)?;
            index.leaf_ended(LeafHandle { offset, bytes: at(out) - offset });
            last = &block.last;
        }
        let bytes = at(out) - offset;
        let index_offset = at(out);
        seal(sealer, index.finish(last), compression, segment, index_offset, out)?;
        let (names, blocks) = (self.names, self.full.len() as u64);
        Ok(NameCounts { names, blocks, bytes, index_bytes: at(out) - index_offset })
    }
}

impl Segment {
    /// The index over the blocks of names; `None` when the segment lists none.
    pub(super) fn name_index(&self) -> Result<Option<Block>> {
        let parts = self.parts()?;
        if parts.counts.names.is_empty() {
            return Ok(None);
        }
        let offset = parts.name_index_offset();
        if let Some(index) = self.cache.block(self.summary().id, offset) {
            return Ok(Some(index));
        }
        let index = self.read_name_index(parts)?;
        if let Some(index) = &index {
            self.cache.insert_block(self.summary().id, offset, index.clone());
        }
        Ok(index)
    }

    /// The same, from the storage.
    pub(super) fn read_name_index(&self, parts: &Parts) -> Result<Option<Block>> {
        let NameCounts { blocks, index_bytes, .. } = parts.counts.names;
        if parts.counts.names.is_empty() {
            return Ok(None);
        }
        let offset = parts.name_index_offset();
        let sealed = self.read(offset, index_bytes)?;
        let index = Block::parse(open(&self.sealer, &sealed, self.summary().id, offset)?)?;
        let found = index.restart_count() as u64;
        if found != blocks {
            let what = format!("index of names: {found} restarts, {blocks} blocks expected");
            return Err(Error::corruption(what, offset));
        }
        Ok(Some(index))
    }

    /// The block of names at `handle`, from the cache if it is there, which otherwise `keeps` it.
    pub(super) fn name_block(&self, handle: LeafHandle, keeps: bool) -> Result<Block> {
        let id = self.summary().id;
        if let Some(block) = self.cache.block(id, handle.offset) {
            return Ok(block);
        }
        let block = self.read_name_block(handle)?;
        if keeps {
            self.cache.insert_block(id, handle.offset, block.clone());
        }
        Ok(block)
    }

    /// The same, from the storage.
    pub(super) fn read_name_block(&self, handle: LeafHandle) -> Result<Block> {
        let parts = self.parts()?;
        let (start, end) = (parts.body_end(), parts.name_index_offset());
        let handle_end = handle.offset.checked_add(handle.bytes);
        if handle.offset < start || handle_end.is_none_or(|handle_end| handle_end > end) {
            let what = format!("names: {} bytes do not stand in {start}..{end}", handle.bytes);
            return Err(Error::corruption(what, handle.offset));
        }
        let sealed = self.read(handle.offset, handle.bytes)?;
        Block::parse(open(&self.sealer, &sealed, self.summary().id, handle.offset)?)
    }
}

/// The names of a segment, from the storage, compared with its keys.
pub(super) struct NameWalk<'a> {
    segment: &'a Segment,
    /// Stands on the handle of the block that comes next.
    index: BlockCursor,
    /// Stands on the name that comes next.
    block: BlockCursor,
    /// The name of the last key.
    name: Vec<u8>,
    /// Where the blocks so far end, and where all of them do.
    end: u64,
    index_offset: u64,
    counts: NameCounts,
}

impl<'a> NameWalk<'a> {
    /// `None` when the segment lists no names.
    pub(super) fn new(segment: &'a Segment, parts: &Parts) -> Result<Option<Self>> {
        let Some(index) = segment.read_name_index(parts)? else { return Ok(None) };
        let block = BlockCursor::new(index.clone());
        let mut index = BlockCursor::new(index);
        index.check()?;
        index.first()?;
        let (end, index_offset) = (parts.body_end(), parts.name_index_offset());
        let index_bytes = parts.counts.names.index_bytes;
        let counts = NameCounts { index_bytes, ..NameCounts::default() };
        let mut walk =
            NameWalk { segment, index, block, name: Vec::new(), end, index_offset, counts };
        walk.enter_block()?;
        Ok(Some(walk))
    }

    /// Goes on to `key`, which comes behind all before.
    pub(super) fn follow(&mut self, key: &[u8]) -> Result<()> {
        if self.block.valid() && self.block.key() <= key {
            self.step()?;
            if self.block.valid() && self.block.key() <= key {
                return Err(self.wrong("a name has no entry"));
            }
        }
        if self.counts.names > 0 && key.starts_with(&self.name) {
            return Ok(());
        }
        Err(self.wrong("a key has no name"))
    }

    /// All names were met; gives what was counted.
    pub(super) fn finish(self) -> Result<NameCounts> {
        if self.block.valid() {
            return Err(self.wrong("a name has no entry"));
        }
        if self.end != self.index_offset {
            return Err(self.wrong("their blocks end before the index"));
        }
        Ok(self.counts)
    }

    /// Makes the next name the current one.
    fn step(&mut self) -> Result<()> {
        if self.counts.names > 0 && self.block.key() <= &self.name[..] {
            return Err(self.wrong("they do not ascend"));
        }
        self.name.clear();
        self.name.extend_from_slice(self.block.key());
        self.counts.names += 1;
        self.block.next()?;
        if !self.block.valid() {
            if &self.name[..] > self.index.key() {
                return Err(self.wrong("a separator is smaller than its block's last name"));
            }
            self.index.next()?;
            self.enter_block()?;
        }
        Ok(())
    }

    /// To the first name of the block on which the index stands, if it stands on one.
    fn enter_block(&mut self) -> Result<()> {
        if !self.index.valid() {
            return Ok(());
        }
        let handle = LeafHandle::at(&self.index)?;
        if handle.offset != self.end {
            return Err(self.wrong("a block stands elsewhere than behind the one before"));
        }
        self.block.enter(self.segment.read_name_block(handle)?);
        self.block.check()?;
        self.block.first()?;
        self.end += handle.bytes;
        self.counts.blocks += 1;
        self.counts.bytes += handle.bytes;
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::corruption(format!("names of a segment: {what}"), self.end)
    }
}

#[cfg(test)]
mod tests;
