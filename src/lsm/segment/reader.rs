//! [`Segment`]: one segment of the file, for reading.
//!
//! Versions hold it in an `Arc`, cursors share it. Making one does no I/O: footer, index and properties are
//! read and checked when they are first needed and kept as long as the segment. Leaf blocks and small
//! external values go through the block cache; both are verified when they come from the storage.
//!
//! Nothing that the bytes claim is believed before a checksum covers it, and no read goes beyond the
//! segment. Errors name the segment and its extent.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::cursor::SegmentCursor;
use super::footer::{FOOTER_BYTES, Footer};
use super::index::LeafHandle;
use super::properties::{Properties, SegmentCounts};
use super::summary::SegmentSummary;
use crate::lsm::block::{Block, BlockCursor, BlockValue, ValueRef, decompress, open};
use crate::lsm::cache::BlockCache;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, VALUE_BYTES_MAX};
use crate::lsm::space::ExtentLease;
use crate::lsm::storage::Storage;

/// Longer external values are read anew each time: one of them is not worth the blocks it would evict.
const CACHED_VALUE_BYTES_MAX: usize = 256 * 1024;

/// An immutable sorted piece of a keyspace.
#[derive(Debug)]
pub(crate) struct Segment {
    storage: Arc<dyn Storage>,
    cache: Arc<BlockCache>,
    summary: SegmentSummary,
    lease: ExtentLease,
    directory: OnceLock<Directory>,
}

/// What stands behind the leaf blocks, checked.
#[derive(Debug)]
pub(super) struct Directory {
    pub index: Block,
    /// Offset of the index block: where leaf blocks and values end.
    pub index_offset: u64,
    pub counts: SegmentCounts,
}

impl Segment {
    /// The segment that `summary` describes; its pages are given back with the segment.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        cache: Arc<BlockCache>,
        summary: SegmentSummary,
        lease: ExtentLease,
    ) -> Self {
        Segment { storage, cache, summary, lease, directory: OnceLock::new() }
    }

    /// What the manifest knows of the segment.
    pub(crate) fn summary(&self) -> &SegmentSummary {
        &self.summary
    }

    /// Where the segment stands in the file.
    pub(crate) fn extent(&self) -> Extent {
        self.lease.extent()
    }

    /// Notes that the log or a root may name the segment from now on.
    pub(crate) fn publish(&self) {
        self.lease.publish();
    }

    /// The entry of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<(EntryKind, Bytes)>> {
        if key < &self.summary.smallest[..] || key > &self.summary.greatest[..] {
            return Ok(None);
        }
        self.find(key).map_err(|error| self.locate(error))
    }

    /// A cursor that stands nowhere.
    pub(crate) fn cursor(self: &Arc<Self>) -> SegmentCursor {
        SegmentCursor::new(Arc::clone(self))
    }

    fn find(&self, key: &[u8]) -> Result<Option<(EntryKind, Bytes)>> {
        let mut index = BlockCursor::new(self.directory()?.index.clone());
        index.seek_ge(key)?;
        if !index.valid() {
            return Ok(None);
        }
        let mut leaf = BlockCursor::new(self.leaf(LeafHandle::decode(&index)?)?);
        leaf.seek_ge(key)?;
        if !leaf.valid() || leaf.key() != key {
            return Ok(None);
        }
        Ok(Some((leaf.kind(), self.value(leaf.value())?)))
    }

    /// The index, read on first use.
    pub(super) fn directory(&self) -> Result<&Directory> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        // Two threads may read it at once; they read the same bytes and one result is kept.
        let directory = self.read_directory()?;
        Ok(self.directory.get_or_init(|| directory))
    }

    /// Reads and checks footer, index and properties.
    pub(super) fn read_directory(&self) -> Result<Directory> {
        let SegmentSummary { id, bytes, .. } = self.summary;
        self.check_bounds()?;
        let footer_offset = bytes - FOOTER_BYTES;
        let footer = self.read(footer_offset, FOOTER_BYTES)?;
        let footer = Footer::decode(&footer, id, bytes)?;
        let tail = self.read(footer.index_offset, footer_offset - footer.index_offset)?;
        // `Footer::decode` checked that the two parts fill what was read.
        let index_len = usize::try_from(footer.index_bytes).unwrap_or(usize::MAX).min(tail.len());
        let properties = tail.slice(index_len..);
        let properties = Properties::decode(&properties, id, footer.properties_offset)?;
        if properties.summary(bytes) != self.summary {
            return Err(Error::corruption(
                format!("the properties are not those that the manifest keeps: {properties:?}"),
                footer.properties_offset,
            ));
        }
        let index = Block::parse(open(&tail.slice(..index_len), id, footer.index_offset)?)?;
        Ok(Directory { index, index_offset: footer.index_offset, counts: properties.counts })
    }

    /// The leaf block at `handle`, from the cache if it is there.
    pub(super) fn leaf(&self, handle: LeafHandle) -> Result<Block> {
        let locate = |error: Error| error.at(|| format!("{}, leaf at {}", self, handle.offset));
        if let Some(raw) = self.cache.get(self.summary.id, handle.offset) {
            return Block::parse(raw).map_err(locate);
        }
        let raw = self.read_leaf(handle)?;
        let block = Block::parse(raw.clone()).map_err(locate)?;
        self.cache.insert(self.summary.id, handle.offset, raw);
        Ok(block)
    }

    /// The raw leaf block at `handle`, from the storage.
    pub(super) fn read_leaf(&self, handle: LeafHandle) -> Result<Bytes> {
        let sealed = self.read_body("leaf block", handle.offset, handle.bytes)?;
        open(&sealed, self.summary.id, handle.offset)
    }

    /// The value that a block holds or refers to; an external one from the cache if it is there.
    pub(super) fn value(&self, value: BlockValue) -> Result<Bytes> {
        let value = match value {
            BlockValue::Inline(bytes) => return Ok(bytes),
            BlockValue::External(value) => value,
        };
        if value.raw_bytes > CACHED_VALUE_BYTES_MAX {
            return self.read_value(value);
        }
        let cached = self.cache.get(self.summary.id, value.offset);
        if let Some(bytes) = cached.filter(|bytes| bytes.len() == value.raw_bytes) {
            return Ok(bytes);
        }
        let bytes = self.read_value(value)?;
        self.cache.insert(self.summary.id, value.offset, bytes.clone());
        Ok(bytes)
    }

    /// The value at `value`, from the storage.
    pub(super) fn read_value(&self, value: ValueRef) -> Result<Bytes> {
        let stored = self.read_body("value", value.offset, value.stored_bytes)?;
        let found = checksum(self.summary.id.0, value.offset, &stored);
        if found != value.checksum {
            return Err(Error::corruption(
                format!("value: checksum {found:016x}, {:016x} expected", value.checksum),
                value.offset,
            ));
        }
        decompress(value.codec, stored, value.raw_bytes, VALUE_BYTES_MAX)
            .map_err(|error| error.at(|| format!("{self}, value at {}", value.offset)))
    }

    /// Adds to a corruption which segment it is in.
    pub(super) fn locate(&self, error: Error) -> Error {
        error.at(|| self.to_string())
    }

    /// What is read lies within the extent and the extent's used part within the file, so that no length
    /// read from the file can ask for more memory than the file has bytes.
    fn check_bounds(&self) -> Result<()> {
        let bytes = self.summary.bytes;
        let file_bytes = self
            .storage
            .len_bytes()
            .map_err(|source| Error::io("asking for the length of the file", source))?;
        let end = self.extent().offset().checked_add(bytes);
        if bytes >= FOOTER_BYTES && bytes <= self.extent().bytes() && end <= Some(file_bytes) {
            return Ok(());
        }
        Err(Error::corruption(
            format!("a segment of {bytes} bytes does not fit, the file has {file_bytes} bytes"),
            0,
        ))
    }

    /// Reads a part that must end before the index.
    fn read_body(&self, what: &str, offset: u64, len: u64) -> Result<Bytes> {
        let body_end = self.directory()?.index_offset;
        if offset.checked_add(len).is_none_or(|end| end > body_end) {
            return Err(Error::corruption(
                format!("{what}: {len} bytes do not end before the index at {body_end}"),
                offset,
            ));
        }
        self.read(offset, len)
    }

    fn read(&self, offset: u64, len: u64) -> Result<Bytes> {
        let memory_len = usize::try_from(len)
            .map_err(|_| Error::corruption(format!("{len} bytes do not fit in memory"), offset))?;
        let mut buffer = vec![0; memory_len];
        self.storage.read_at(self.extent().offset() + offset, &mut buffer).map_err(|source| {
            Error::io(format!("reading {len} bytes at byte {offset} of {self}"), source)
        })?;
        Ok(Bytes::from(buffer))
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "segment {}, {}", self.summary.id, self.extent())
    }
}
