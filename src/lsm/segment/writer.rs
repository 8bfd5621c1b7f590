//! [`SegmentWriter`]: turns ascending entries into the byte stream of a segment.
//!
//! Flushes and compactions feed it and append what it produces to the extent; it does no I/O and holds no
//! more than the open leaf block, the index, a hash of each key, names, and output that was not taken yet. Cost: a copy of every key
//! and value, and their compression where the keyspace wants it.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;

use super::filter::FilterBuilder;
use super::footer::Footer;
use super::index::{IndexBuilder, LeafHandle};
use super::names::{NAMED_LEAF_BLOCKS_MIN, NamesBuilder};
use super::properties::{Properties, SegmentCounts};
use super::summary::SegmentSummary;
use crate::lsm::block::{
    BlockBuilder, Codec, Compression, EXTERNAL_BYTES_MAX, EntryValue, TRAILER_BYTES,
    VALUE_ALIGN_BYTES, ValueRef, compress, seal,
};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::checksum::checksum;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, KEY_BYTES_MAX, KeyspaceId, SegmentId, VALUE_BYTES_MAX};
use crate::lsm::ranges::{KeyEnd, KeyRange, Ranges};
use crate::lsm::value::Reference;

/// How the segments of a keyspace are laid out. Readers need none of it.
#[derive(Debug, Clone)]
pub(crate) struct SegmentLayout {
    /// What the keyspace is, as the manifest says it.
    pub description: Bytes,
    /// A leaf block is closed before its raw length exceeds this; an entry that is longer has its own.
    pub block_bytes: u32,
    /// Every how many entries a key is written in full, 1 to 256.
    pub restart_interval: u32,
    pub compression: Compression,
    /// Longer values go to the value area.
    pub value_bytes_inline_max: u32,
    /// Bits that the filter has for each key; without any there is no filter.
    pub filter_bits_per_key: u8,
    /// What encrypts the file, if anything does.
    pub sealer: Sealer,
}

/// Writes one segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    id: SegmentId,
    keyspace: KeyspaceId,
    layout: SegmentLayout,
    leaf: BlockBuilder,
    index: IndexBuilder,
    filter: FilterBuilder,
    names: NamesBuilder,
    smallest: Bytes,
    ranges: Ranges,
    counts: SegmentCounts,
    /// Pages of value segments to which entries refer.
    referred: BTreeMap<SegmentId, u64>,
    /// Stream bytes that were taken, and those that were not yet.
    taken_bytes: u64,
    output: Vec<u8>,
}

impl SegmentWriter {
    /// A writer of the segment `id` of `keyspace`.
    pub(crate) fn new(id: SegmentId, keyspace: KeyspaceId, layout: &SegmentLayout) -> Self {
        SegmentWriter {
            id,
            keyspace,
            layout: layout.clone(),
            leaf: BlockBuilder::new(layout.restart_interval),
            index: IndexBuilder::new(),
            filter: FilterBuilder::new(layout.filter_bits_per_key),
            names: NamesBuilder::new(layout.block_bytes),
            smallest: Bytes::new(),
            ranges: Ranges::default(),
            counts: SegmentCounts::default(),
            referred: BTreeMap::new(),
            taken_bytes: 0,
            output: Vec::new(),
        }
    }

    /// Adds an entry. Keys strictly ascend; a tombstone's value is empty, that of an entry that refers is the reference.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLong`], corruption of a reference; the writer is unchanged.
    ///
    /// # Panics
    /// When the key is not greater than the one before it.
    pub(crate) fn add(&mut self, key: &[u8], kind: EntryKind, value: &[u8]) -> Result<()> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        if value.len() > VALUE_BYTES_MAX {
            let (bytes, bytes_max) = (value.len() as u64, VALUE_BYTES_MAX as u64);
            return Err(Error::ValueTooLong { bytes, bytes_max });
        }
        let reference =
            if kind == EntryKind::Refer { Some(Reference::decode(value)?) } else { None };
        let is_first = self.counts.entries == 0;
        assert!(is_first || key > self.leaf.last_key(), "keys of a segment strictly ascend");
        assert!(kind != EntryKind::Delete || value.is_empty(), "a tombstone has no value");

        let short = value.len() <= self.layout.value_bytes_inline_max as usize;
        let inline = short || reference.is_some();
        self.make_room(key, if inline { value.len() } else { EXTERNAL_BYTES_MAX })?;
        if is_first {
            self.smallest = Bytes::copy_from_slice(key);
        }
        if self.leaf.is_empty() {
            self.index.leaf_begins(self.leaf.last_key(), key);
        }
        if let Some(reference) = reference {
            *self.referred.entry(reference.segment).or_default() += reference.pages();
        }
        self.filter.add(key);
        let raw_bytes = key.len() + value.len();
        if inline {
            self.leaf.add(key, kind, EntryValue::Inline(value));
            self.counts.count(kind, raw_bytes, None);
        } else {
            let value = self.write_value(value)?;
            self.leaf.add(key, kind, EntryValue::External(value));
            self.counts.count(kind, raw_bytes, Some(value.stored_bytes));
        }
        Ok(())
    }

    /// Adds the name of the group that the next entry begins; names ascend.
    pub(crate) fn add_name(&mut self, name: &[u8]) {
        self.names.add(name);
    }

    /// Adds a range tombstone, in any order with the entries.
    pub(crate) fn add_range(&mut self, range: KeyRange) {
        self.ranges.insert(range);
    }

    /// Whether all entries so far are smaller than `key`.
    pub(crate) fn is_before(&self, key: &[u8]) -> bool {
        self.counts.entries == 0 || self.leaf.last_key() < key
    }

    /// Bytes of the stream so far, the open leaf block, names, range tombstones and the filter included, the indexes not.
    pub(crate) fn bytes(&self) -> u64 {
        let open_bytes =
            if self.leaf.is_empty() { 0 } else { self.leaf.raw_bytes() + TRAILER_BYTES };
        let kept_bytes = self.names.bytes() + self.ranges.memory_bytes() + self.filter.bytes();
        // Leaf, range tombstones and filter are sealed by then.
        let reserved_bytes = 3 * self.layout.sealer.reserved_bytes();
        self.offset() + (open_bytes + kept_bytes + reserved_bytes) as u64
    }

    /// Leaf blocks so far, the open one included.
    pub(crate) fn leaf_blocks(&self) -> u64 {
        self.counts.leaf_blocks + u64::from(!self.leaf.is_empty())
    }

    /// The bytes of the stream that follow those taken before.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Takes so many of the bytes that [`output`](Self::output) gives.
    pub(crate) fn take_output(&mut self, bytes: usize) {
        self.output.drain(..bytes);
        self.taken_bytes += bytes as u64;
    }

    /// Completes the segment: the rest of the stream, and what the manifest keeps. `commits` are the first
    /// and last commit whose entries were added.
    ///
    /// # Panics
    /// When there is neither an entry nor a range tombstone, or the commits are out of order.
    pub(crate) fn finish(
        mut self,
        commits: (CommitNo, CommitNo),
    ) -> Result<(Vec<u8>, SegmentSummary)> {
        let has_entries = self.counts.entries > 0;
        assert!(has_entries || !self.ranges.is_empty(), "a segment is not empty");
        assert!(commits.0 <= commits.1, "commits ascend");
        if has_entries {
            self.end_leaf()?;
        }
        let (smallest, end) = self.ends();
        self.write_names()?;
        self.write_ranges()?;

        let index_offset = self.offset();
        if has_entries {
            let index = self.index.finish(self.leaf.last_key());
            let SegmentLayout { sealer, compression, .. } = &self.layout;
            seal(sealer, index, *compression, self.id, index_offset, &mut self.output)?;
        }

        let properties_offset = self.offset();
        let properties = Properties {
            id: self.id,
            keyspace: self.keyspace,
            smallest,
            end,
            commits,
            counts: self.counts,
            referred: mem::take(&mut self.referred).into_iter().collect(),
            description: self.layout.description.clone(),
        };
        properties.encode(&self.layout.sealer, properties_offset, &mut self.output)?;

        let filter_offset = self.offset();
        self.filter.finish(&self.layout.sealer, self.id, filter_offset, &mut self.output)?;

        let filter_bytes = self.offset() - filter_offset;
        let footer = Footer {
            index_offset,
            index_bytes: properties_offset - index_offset,
            properties_offset,
            properties_bytes: filter_offset - properties_offset,
            filter_bytes: u32::try_from(filter_bytes).expect("invariant: less than 4 GiB"),
            lists_names: !self.counts.names.is_empty(),
        };
        footer.encode(self.id, &mut self.output);
        assert_eq!(footer.total_bytes(), self.offset(), "the footer ends the segment");
        let summary = properties.summary(self.offset());
        Ok((self.output, summary))
    }

    /// Where the next byte of the stream goes, counted from the segment's first.
    fn offset(&self) -> u64 {
        self.taken_bytes + self.output.len() as u64
    }

    /// The smallest key and the end, of entries and range tombstones together.
    fn ends(&self) -> (Bytes, KeyEnd) {
        let last_key = Bytes::copy_from_slice(self.leaf.last_key());
        let entries =
            (self.counts.entries > 0).then(|| (self.smallest.clone(), KeyEnd::Included(last_key)));
        let ranges = self.ranges.iter().map(|range| (range.lower.clone(), KeyEnd::of(&range)));
        let hulls = entries.into_iter().chain(ranges);
        let hull = hulls.reduce(|hull, next| (hull.0.min(next.0), hull.1.max(next.1)));
        hull.expect("invariant: a segment is not empty")
    }

    /// Lists the names, if that pays.
    fn write_names(&mut self) -> Result<()> {
        if self.counts.leaf_blocks < NAMED_LEAF_BLOCKS_MIN {
            return Ok(());
        }
        let offset = self.offset();
        let SegmentLayout { sealer, compression, block_bytes, .. } = &self.layout;
        let names = mem::replace(&mut self.names, NamesBuilder::new(*block_bytes));
        let place = (self.id, offset);
        self.counts.names = names.finish((sealer, *compression), place, &mut self.output)?;
        Ok(())
    }

    fn write_ranges(&mut self) -> Result<()> {
        if self.ranges.is_empty() {
            return Ok(());
        }
        let offset = self.offset();
        let mut raw = Vec::new();
        self.ranges.encode(&mut raw);
        let SegmentLayout { sealer, compression, .. } = &self.layout;
        seal(sealer, &raw, *compression, self.id, offset, &mut self.output)?;
        self.counts.ranges = self.ranges.len();
        self.counts.range_bytes = self.offset() - offset;
        Ok(())
    }

    /// Closes the open leaf block if an entry with this key, and so many bytes after it, would exceed it.
    fn make_room(&mut self, key: &[u8], value_bytes: usize) -> Result<()> {
        let bytes = self.leaf.raw_bytes_with(key, value_bytes);
        if !self.leaf.is_empty() && bytes > self.layout.block_bytes as usize {
            self.end_leaf()?;
        }
        Ok(())
    }

    fn end_leaf(&mut self) -> Result<()> {
        let offset = self.offset();
        let raw = self.leaf.finish();
        let SegmentLayout { sealer, compression, .. } = &self.layout;
        let codec = seal(sealer, raw, *compression, self.id, offset, &mut self.output)?;
        self.leaf.clear();
        self.index.leaf_ended(LeafHandle { offset, bytes: self.offset() - offset });
        self.counts.leaf_blocks += 1;
        self.counts.compressed_leaf_blocks += u64::from(codec != Codec::Raw);
        Ok(())
    }

    /// Appends a value to the value area, aligned.
    fn write_value(&mut self, value: &[u8]) -> Result<ValueRef> {
        let offset = self.offset().next_multiple_of(VALUE_ALIGN_BYTES);
        let (codec, stored) = compress(value, self.layout.compression);
        let padding = usize::try_from(offset - self.offset()).expect("invariant: less than 64");
        self.output.resize(self.output.len() + padding, 0);
        let start = self.output.len();
        self.output.extend_from_slice(&stored);
        let owner = Owner::Segment(self.id);
        self.layout.sealer.seal(owner, offset, &[], start, &mut self.output)?;
        Ok(ValueRef {
            offset,
            stored_bytes: stored.len() as u64,
            raw_bytes: value.len(),
            codec,
            checksum: checksum(self.id.0, offset, &self.output[start..]),
        })
    }
}
