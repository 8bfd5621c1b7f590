//! The parts of a segment, one by one: for tools that show a file.
//!
//! `inspect` calls it. Nothing comes from the cache and nothing goes there, so a tool that walks a whole
//! file sees the bytes that stand in it. Every part is verified alone: damage in one leaves the others readable.

use bytes::Bytes;

use super::footer::{FOOTER_BYTES, Footer};
use super::index::LeafHandle;
use super::properties::SegmentCounts;
use super::reader::Segment;
use crate::lsm::block::{Block, BlockCursor, open};
use crate::lsm::error::{Error, Result};

/// Where the parts of a segment stand, and what its properties say.
#[derive(Debug)]
pub(crate) struct SegmentParts {
    pub(crate) counts: SegmentCounts,
    /// In the order of the keys, which is that of their places.
    pub(crate) leaves: Vec<LeafPart>,
    /// Where the sealed range tombstones begin; their length stands in the counts.
    pub(crate) ranges_offset: u64,
    pub(crate) index_offset: u64,
    pub(crate) index_bytes: u64,
    pub(crate) properties_offset: u64,
    pub(crate) properties_bytes: u64,
    pub(crate) filter_offset: u64,
    /// 0 when the segment has no filter.
    pub(crate) filter_bytes: u64,
    pub(crate) footer_offset: u64,
    pub(crate) footer_bytes: u64,
}

/// A leaf block as the index knows it.
#[derive(Debug, Clone)]
pub(crate) struct LeafPart {
    /// From the segment's first byte.
    pub(crate) offset: u64,
    /// Trailer included.
    pub(crate) bytes: u64,
    /// At least the last key of the leaf, less than the first one of the next.
    pub(crate) separator: Bytes,
}

impl Segment {
    /// Finds the parts; reads footer, index and properties.
    ///
    /// # Errors
    /// Corruption when one of these is damaged.
    pub(crate) fn anatomy(&self) -> Result<SegmentParts> {
        self.find_anatomy().map_err(|error| self.locate(error))
    }

    fn find_anatomy(&self) -> Result<SegmentParts> {
        let (parts, block) = self.read_parts()?;
        let bytes = self.summary().bytes;
        let footer_offset = bytes.saturating_sub(FOOTER_BYTES);
        let footer = self.read(footer_offset, FOOTER_BYTES)?;
        let footer = Footer::decode(&footer, self.summary().id, bytes)?;
        let mut leaves = Vec::new();
        if let Some(block) = block {
            let mut index = BlockCursor::new(block.clone());
            index.first()?;
            for number in 0..block.restart_count() {
                let LeafHandle { offset, bytes } = LeafHandle::of(&block, number)?;
                let separator = Bytes::copy_from_slice(index.key());
                leaves.push(LeafPart { offset, bytes, separator });
                index.next()?;
            }
        }
        Ok(SegmentParts {
            ranges_offset: parts.body_end(),
            counts: parts.counts,
            leaves,
            index_offset: footer.index_offset,
            index_bytes: footer.index_bytes,
            properties_offset: footer.properties_offset,
            properties_bytes: footer.properties_bytes,
            filter_offset: footer.filter_offset(),
            filter_bytes: footer.filter_bytes.into(),
            footer_offset,
            footer_bytes: FOOTER_BYTES,
        })
    }

    /// The raw bytes of a leaf, verified, and the block in them.
    ///
    /// # Errors
    /// Corruption of this leaf.
    pub(crate) fn open_leaf(&self, leaf: &LeafPart) -> Result<(Bytes, Block)> {
        let read = || -> Result<(Bytes, Block)> {
            let sealed = self.read_part(leaf.offset, leaf.bytes)?;
            let raw = open(&self.sealer, &sealed, self.summary().id, leaf.offset)?;
            Ok((raw.clone(), Block::parse(raw)?))
        };
        read().map_err(|error| error.at(|| format!("{self}, leaf at {}", leaf.offset)))
    }

    /// Bytes of the segment, without a look at its index.
    fn read_part(&self, offset: u64, len: u64) -> Result<Bytes> {
        let end = offset.checked_add(len);
        if end.is_none_or(|end| end > self.summary().bytes) {
            let what = format!("{len} bytes do not end within the segment");
            return Err(Error::corruption(what, offset));
        }
        self.read(offset, len)
    }
}
