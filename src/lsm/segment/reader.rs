//! [`Segment`]: one segment of the file, for reading.
//!
//! Versions hold it in an `Arc`, cursors share it. Making one does no I/O: footer, properties, index and filter are
//! read and checked when they are first needed. Where the parts stand is kept as long as the segment; the index
//! and the filter too while the cache's budget has room for them, and else the index goes through the block cache like
//! leaf blocks and small external values do, and gets ask no filter. All is verified when it comes from the storage.
//! A segment without compressed leaf blocks is read in place instead, see `mapped`, if the storage can and nothing is
//! encrypted. What is encrypted is decrypted when it comes from the storage, and is plain in memory.
//!
//! Nothing that the bytes claim is believed before a checksum covers it, and no read goes beyond the
//! segment. Errors name the segment and its extent.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::cursor::SegmentCursor;
use super::filter::{Filter, KeyHash};
use super::footer::{FOOTER_BYTES, Footer};
use super::index::LeafHandle;
use super::mapped::Mapped;
use super::properties::{Properties, SegmentCounts};
use super::summary::SegmentSummary;
use crate::lsm::block::{
    Block, BlockCursor, BlockValue, Codec, TRAILER_BYTES, ValueRef, decompress, open,
};
use crate::lsm::cache::{BlockCache, Pin};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, Extent, VALUE_BYTES_MAX};
use crate::lsm::ranges::Ranges;
use crate::lsm::reserve::Reserve;
use crate::lsm::space::ExtentLease;
use crate::lsm::storage::Storage;

/// Longer external values are read anew each time: one of them is not worth the blocks it would evict.
const CACHED_VALUE_BYTES_MAX: usize = 256 * 1024;

/// An immutable sorted piece of a keyspace.
#[derive(Debug)]
pub(crate) struct Segment {
    storage: Arc<dyn Storage>,
    pub(super) cache: Arc<BlockCache>,
    pub(super) sealer: Sealer,
    summary: SegmentSummary,
    lease: Arc<ExtentLease>,
    /// Whether to read in place what is not compressed.
    in_place: bool,
    parts: OnceLock<Parts>,
    /// With the right to stay in memory.
    index: OnceLock<(Block, Pin)>,
    filter: OnceLock<(Filter, Pin)>,
    ranges: OnceLock<Ranges>,
    /// None inside when the segment is not to be read in place.
    mapped: OnceLock<Option<Mapped>>,
}

/// What stands behind the leaf blocks, checked: a few numbers.
#[derive(Debug)]
pub(super) struct Parts {
    /// Offset of the index block.
    pub index_offset: u64,
    pub counts: SegmentCounts,
    filter_offset: u64,
    filter_bytes: u64,
}

impl Parts {
    /// Where leaf blocks and values end, and names, range tombstones or the index begin.
    pub(super) fn body_end(&self) -> u64 {
        self.name_index_offset().saturating_sub(self.counts.names.bytes)
    }

    /// Where the names end, and the index over them begins.
    pub(super) fn name_index_offset(&self) -> u64 {
        self.ranges_offset().saturating_sub(self.counts.names.index_bytes)
    }

    /// Where the range tombstones begin.
    pub(super) fn ranges_offset(&self) -> u64 {
        // Checked when the parts were read, as the others.
        self.index_offset.saturating_sub(self.counts.range_bytes)
    }
}

impl Segment {
    /// The segment that `summary` describes; its pages are given back with the segment and the last block or value
    /// that was read `in_place`.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        cache: Arc<BlockCache>,
        sealer: Sealer,
        summary: SegmentSummary,
        lease: ExtentLease,
        in_place: bool,
    ) -> Self {
        Segment {
            storage,
            cache,
            in_place: in_place && !sealer.is_on(),
            sealer,
            summary,
            lease: Arc::new(lease),
            parts: OnceLock::new(),
            index: OnceLock::new(),
            filter: OnceLock::new(),
            ranges: OnceLock::new(),
            mapped: OnceLock::new(),
        }
    }

    /// What the manifest knows of the segment.
    pub(crate) fn summary(&self) -> &SegmentSummary {
        &self.summary
    }

    /// Numbers a segment that was written before its commits were known.
    pub(crate) fn set_commits(&mut self, commits: (CommitNo, CommitNo)) {
        self.summary.commits = commits;
    }

    /// Where the segment stands in the file.
    pub(crate) fn extent(&self) -> Extent {
        self.lease.extent()
    }

    /// Notes that the log or a root may name the segment from now on.
    pub(crate) fn publish(&self) {
        self.lease.publish();
    }

    /// Notes that the root that is read now reaches the segment, too; for readers.
    pub(crate) fn renew(&self) {
        self.lease.renew();
    }

    /// The entry of `key`, whose hash is `hash`.
    pub(crate) fn get(&self, key: &[u8], hash: KeyHash) -> Result<Option<(EntryKind, Bytes)>> {
        if self.summary.entries == 0 {
            return Ok(None);
        }
        self.find(key, hash).map_err(|error| self.locate(error))
    }

    /// Entries that hold an operand.
    pub(crate) fn merges(&self) -> Result<u64> {
        self.parts().map(|parts| parts.counts.merges).map_err(|error| self.locate(error))
    }

    /// The range tombstones, kept once they are read; `None` when there are none, which costs nothing to ask.
    pub(crate) fn ranges(&self) -> Result<Option<&Ranges>> {
        if self.summary.ranges == 0 {
            return Ok(None);
        }
        if let Some(ranges) = self.ranges.get() {
            return Ok(Some(ranges));
        }
        let read = self.parts().and_then(|parts| self.read_ranges(parts));
        let ranges = read.map_err(|error| self.locate(error))?;
        Ok(Some(self.ranges.get_or_init(|| ranges)))
    }

    /// Whether a range tombstone deletes `key` from older runs.
    pub(crate) fn hides(&self, key: &[u8]) -> Result<bool> {
        Ok(self.ranges()?.is_some_and(|ranges| ranges.covers(key)))
    }

    /// A cursor that stands nowhere.
    pub(crate) fn cursor(self: &Arc<Self>) -> SegmentCursor {
        SegmentCursor::new(Arc::clone(self), true)
    }

    /// A cursor over the names, or over the entries where no names are listed.
    pub(crate) fn naming_cursor(self: &Arc<Self>) -> SegmentCursor {
        SegmentCursor::naming(Arc::clone(self))
    }

    /// Whether the segment lists names.
    pub(crate) fn lists_names(&self) -> Result<bool> {
        let parts = self.parts().map_err(|error| self.locate(error))?;
        Ok(!parts.counts.names.is_empty())
    }

    /// A cursor that stands nowhere, for who passes through once: what it reads is not worth the blocks that it would drive
    /// out of the cache.
    pub(crate) fn passing_cursor(self: &Arc<Self>) -> SegmentCursor {
        SegmentCursor::new(Arc::clone(self), false)
    }

    /// Whether the filter is kept and whether the segment is read in place, for tests that want to have seen both.
    #[cfg(test)]
    pub(crate) fn keeps(&self) -> (bool, bool) {
        (self.filter.get().is_some(), matches!(self.mapped.get(), Some(Some(_))))
    }

    fn find(&self, key: &[u8], hash: KeyHash) -> Result<Option<(EntryKind, Bytes)>> {
        if self.filter()?.is_some_and(|filter| !filter.may_have(hash)) {
            return Ok(None);
        }
        let index = self.index()?;
        let number = index.restart_ge(key)?;
        if number >= index.restart_count() {
            return Ok(None);
        }
        let handle = LeafHandle::of(&index, number)?;
        let leaf = self.leaf(number, handle, true)?;
        let found = leaf
            .find(key)
            .map_err(|error| error.at(|| format!("{self}, leaf at {}", handle.offset)))?;
        let Some(entry) = found else { return Ok(None) };
        let kind = entry.kind;
        Ok(Some((kind, self.value(leaf.into_value(entry), true)?)))
    }

    /// Where the parts stand, read on first use.
    pub(super) fn parts(&self) -> Result<&Parts> {
        if self.parts.get().is_none() {
            if self.summary.entries > 0 {
                self.index()?;
            } else {
                let (parts, _) = self.read_parts()?;
                self.parts.get_or_init(|| parts);
            }
        }
        Ok(self.parts.get().expect("invariant: who reads the index notes the parts"))
    }

    /// The index, read when it is not in memory. Only asked of a segment that has entries.
    pub(super) fn index(&self) -> Result<Cow<'_, Block>> {
        if let Some((index, _)) = self.index.get() {
            return Ok(Cow::Borrowed(index));
        }
        let id = self.summary.id;
        let cached = self.parts.get().and_then(|parts| self.cache.block(id, parts.index_offset));
        if let Some(index) = cached {
            return Ok(Cow::Owned(index));
        }
        // Two threads may read it at once; they read the same bytes and one result is kept.
        let (parts, index) = self.read_parts()?;
        let parts = self.parts.get_or_init(|| parts);
        let index = index
            .ok_or_else(|| Error::corruption("index block: it is missing", parts.index_offset))?;
        if let Some(pin) = self.cache.pin(index.memory_bytes()) {
            let (index, _) = self.index.get_or_init(|| (index, pin));
            return Ok(Cow::Borrowed(index));
        }
        self.cache.insert_block(id, parts.index_offset, index.clone());
        Ok(Cow::Owned(index))
    }

    /// The filter, read on first use; none when the segment has none, or when there is no room to keep it: reading it
    /// for one get costs more than the block that it may spare.
    fn filter(&self) -> Result<Option<&Filter>> {
        if let Some((filter, _)) = self.filter.get() {
            return Ok(Some(filter));
        }
        let parts = self.parts()?;
        if parts.filter_bytes == 0 {
            return Ok(None);
        }
        let memory_bytes = usize::try_from(parts.filter_bytes).unwrap_or(usize::MAX);
        let Some(pin) = self.cache.pin(memory_bytes) else { return Ok(None) };
        let Some(filter) = self.read_filter(parts)? else { return Ok(None) };
        Ok(Some(&self.filter.get_or_init(|| (filter, pin)).0))
    }

    /// The filter, from the storage; none when the segment has none.
    pub(super) fn read_filter(&self, parts: &Parts) -> Result<Option<Filter>> {
        if parts.filter_bytes == 0 {
            return Ok(None);
        }
        let bytes = self.read(parts.filter_offset, parts.filter_bytes)?;
        Filter::parse(&self.sealer, &bytes, self.summary.id, parts.filter_offset).map(Some)
    }

    /// The range tombstones, from the storage.
    pub(super) fn read_ranges(&self, parts: &Parts) -> Result<Ranges> {
        let SegmentCounts { ranges: said, range_bytes, .. } = parts.counts;
        if said == 0 {
            return Ok(Ranges::default());
        }
        let start = parts.ranges_offset();
        let raw = open(&self.sealer, &self.read(start, range_bytes)?, self.summary.id, start)?;
        let mut reader = ByteReader::new("range tombstones", &raw);
        let ranges = Ranges::decode(&mut reader)?;
        reader.expect_end()?;
        let all = self.summary.keys();
        let within = ranges.iter().all(|range| range.intersection(&all).as_ref() == Some(&range));
        if ranges.len() == said && within {
            return Ok(ranges);
        }
        let found = ranges.len();
        let what = format!("range tombstones: {found}, {said} expected, within the segment's keys");
        Err(Error::corruption(what, start))
    }

    /// Reads and checks footer, index and properties; a segment without entries has no index.
    pub(super) fn read_parts(&self) -> Result<(Parts, Option<Block>)> {
        let SegmentSummary { id, bytes, .. } = self.summary;
        self.check_bounds()?;
        let footer = self.read(bytes - FOOTER_BYTES, FOOTER_BYTES)?;
        let footer = Footer::decode(&footer, id, bytes)?;
        let tail = self.read(footer.index_offset, footer.filter_offset() - footer.index_offset)?;
        // `Footer::decode` checked that the two parts fill what was read.
        let index_len = usize::try_from(footer.index_bytes).unwrap_or(usize::MAX).min(tail.len());
        let properties = tail.slice(index_len..);
        let properties = Properties::decode(&self.sealer, &properties, id, &footer)?;
        let mut described = properties.summary(bytes);
        if described.commits == <(CommitNo, CommitNo)>::default() {
            // It was written before they were known.
            described.commits = self.summary.commits;
        }
        if described != self.summary {
            return Err(Error::corruption(
                format!("the properties are not those that the manifest keeps: {properties:?}"),
                footer.properties_offset,
            ));
        }
        let index = if properties.counts.entries == 0 && footer.index_bytes == 0 {
            None
        } else {
            let index = tail.slice(..index_len);
            Some(Block::parse(open(&self.sealer, &index, id, footer.index_offset)?)?)
        };
        let leaves = index.as_ref().map_or(0, Block::restart_count) as u64;
        let said = properties.counts.leaf_blocks;
        if leaves != said {
            return Err(Error::corruption(
                format!("index block: {leaves} restarts, {said} leaf blocks expected"),
                footer.index_offset,
            ));
        }
        let SegmentCounts { ranges, range_bytes, names, .. } = properties.counts;
        if range_bytes > footer.index_offset || (ranges == 0) != (range_bytes == 0) {
            let what = format!("range tombstones: {ranges} in {range_bytes} bytes");
            return Err(Error::corruption(what, footer.index_offset));
        }
        // `NameCounts` are known to have a sum.
        if names.bytes + names.index_bytes > footer.index_offset - range_bytes {
            let what = format!("names: {names:?} do not stand before the index");
            return Err(Error::corruption(what, footer.index_offset));
        }
        let parts = Parts {
            index_offset: footer.index_offset,
            counts: properties.counts,
            filter_offset: footer.filter_offset(),
            filter_bytes: footer.filter_bytes.into(),
        };
        Ok((parts, index))
    }

    /// The segment in memory, if it is to be read in place.
    fn mapped(&self) -> Result<Option<&Mapped>> {
        if let Some(mapped) = self.mapped.get() {
            return Ok(mapped.as_ref());
        }
        let parts = self.parts()?;
        let mapped = if self.in_place && parts.counts.compressed_leaf_blocks == 0 {
            let (counts, body_bytes) = (&parts.counts, parts.body_end());
            Mapped::new(&self.storage, &self.cache, &self.lease, counts, body_bytes)
        } else {
            None
        };
        // Two threads may map it at once; one of the mappings is kept.
        Ok(self.mapped.get_or_init(|| mapped).as_ref())
    }

    /// The leaf block with this number, which stands at `handle`: in place, or from the cache if it is there, which
    /// otherwise `keeps` it.
    pub(super) fn leaf(&self, number: usize, handle: LeafHandle, keeps: bool) -> Result<Block> {
        let locate = |error: Error| error.at(|| format!("{}, leaf at {}", self, handle.offset));
        if let Some(mapped) = self.mapped()? {
            self.check_body("leaf block", handle.offset, handle.bytes)?;
            return mapped.leaf(number, handle, self.summary.id).map_err(locate);
        }
        if let Some(block) = self.cache.block(self.summary.id, handle.offset) {
            return Ok(block);
        }
        let block = Block::parse(self.read_leaf(handle)?).map_err(locate)?;
        if keeps {
            self.cache.insert_block(self.summary.id, handle.offset, block.clone());
        }
        Ok(block)
    }

    /// The raw leaf block at `handle`, from the storage.
    pub(super) fn read_leaf(&self, handle: LeafHandle) -> Result<Bytes> {
        let sealed = self.read_body("leaf block", handle.offset, handle.bytes)?;
        open(&self.sealer, &sealed, self.summary.id, handle.offset)
    }

    /// The value that a block holds or refers to; an external one in place, or from the cache if it is there, which
    /// otherwise `keeps` it.
    pub(super) fn value(&self, value: BlockValue, keeps: bool) -> Result<Bytes> {
        let value = match value {
            BlockValue::Inline(bytes) => return Ok(bytes),
            BlockValue::External(value) => value,
        };
        if value.codec == Codec::Raw
            && let Some(mapped) = self.mapped()?
        {
            self.check_body("value", value.offset, value.stored_bytes)?;
            return mapped.value(value, |stored| self.verify_value(value, stored));
        }
        if value.raw_bytes > CACHED_VALUE_BYTES_MAX {
            return self.read_value(value);
        }
        let cached = self.cache.value(self.summary.id, value.offset);
        if let Some(bytes) = cached.filter(|bytes| bytes.len() == value.raw_bytes) {
            return Ok(bytes);
        }
        let bytes = self.read_value(value)?;
        if keeps {
            self.cache.insert_value(self.summary.id, value.offset, bytes.clone());
        }
        Ok(bytes)
    }

    /// Bytes of memory that are kept with the value at which `leaf` stands: none of those that are read in place.
    pub(super) fn held(&self, leaf: &BlockCursor) -> usize {
        let in_place = matches!(self.mapped.get(), Some(Some(_)));
        match leaf.value() {
            BlockValue::Inline(_) if in_place => 0,
            BlockValue::Inline(_) => leaf.memory_bytes(),
            BlockValue::External(value) if in_place && value.codec == Codec::Raw => 0,
            BlockValue::External(value) => value.raw_bytes,
        }
    }

    /// Where readers find memory for what they keep.
    pub(super) fn reserve(&self) -> &Arc<Reserve> {
        self.cache.reserve()
    }

    /// The value at `value`, from the storage.
    pub(crate) fn read_value(&self, value: ValueRef) -> Result<Bytes> {
        let stored = self.read_body("value", value.offset, self.sealed_bytes(value))?;
        self.open_value(value, stored)
    }

    /// The value of which `stored` are the bytes in the segment.
    pub(super) fn open_value(&self, value: ValueRef, stored: Bytes) -> Result<Bytes> {
        self.verify_value(value, &stored)?;
        let owner = Owner::Segment(self.summary.id);
        let stored = self
            .sealer
            .open(owner, value.offset, &[], stored)
            .map_err(|error| error.at(|| format!("{self}, value at {}", value.offset)))?;
        decompress(value.codec, stored, value.raw_bytes, VALUE_BYTES_MAX)
            .map_err(|error| error.at(|| format!("{self}, value at {}", value.offset)))
    }

    /// Bytes that `value` takes in the segment.
    pub(crate) fn sealed_bytes(&self, value: ValueRef) -> u64 {
        value.stored_bytes.saturating_add(self.sealer.reserved_bytes() as u64)
    }

    /// Bytes of a sealed leaf block whose raw bytes are so many and were not compressed.
    pub(super) fn sealed_leaf_bytes(&self, raw_bytes: usize) -> u64 {
        (raw_bytes + self.sealer.reserved_bytes() + TRAILER_BYTES) as u64
    }

    fn verify_value(&self, value: ValueRef, stored: &[u8]) -> Result<()> {
        let found = checksum(self.summary.id.0, value.offset, stored);
        if found == value.checksum {
            return Ok(());
        }
        Err(Error::corruption(
            format!("value: checksum {found:016x}, {:016x} expected", value.checksum),
            value.offset,
        ))
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

    /// Reads a part that must end before the range tombstones and the index.
    fn read_body(&self, what: &str, offset: u64, len: u64) -> Result<Bytes> {
        self.check_body(what, offset, len)?;
        self.read(offset, len)
    }

    fn check_body(&self, what: &str, offset: u64, len: u64) -> Result<()> {
        let body_end = self.parts()?.body_end();
        if offset.checked_add(len).is_none_or(|end| end > body_end) {
            return Err(Error::corruption(
                format!("{what}: {len} bytes do not end before {body_end}"),
                offset,
            ));
        }
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Bytes> {
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
