//! The parts of a segment, one by one: for tools that show a file and for what saves entries from a damaged one.
//!
//! `inspect` and `salvage` call it. Nothing comes from the cache and nothing goes there, so a tool that walks a whole
//! file sees the bytes that stand in it. Every part is verified alone: damage in one leaves the others readable.

use bytes::Bytes;

use super::footer::{FOOTER_BYTES, Footer};
use super::index::LeafHandle;
use super::properties::{Properties, SegmentCounts};
use super::reader::Segment;
use super::summary::SegmentSummary;
use crate::lsm::block::{Block, BlockCursor, TRAILER_BYTES, ValueRef, open};
use crate::lsm::cipher::Sealer;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES, pages_for};
use crate::lsm::storage::Storage;

/// Bytes in which the end of a leaf block is looked for first, and those in which it is looked for last.
const LEAF_BYTES_TYPICAL: u64 = 64 << 10;
const LEAF_BYTES_MAX: u64 = 32 << 20;
/// How often the bytes of a leaf are read over in the search for its end.
const LEAF_READINGS_MAX: u64 = 64;
/// Bytes that properties may have: two keys, a name, two numbers for each of very many value segments, and what a cipher
/// reserves.
const PROPERTIES_BYTES_MAX: u64 = 1 << 20;

/// Where the parts of a segment stand, and what its properties say.
#[derive(Debug)]
pub(crate) struct SegmentParts {
    pub(crate) counts: SegmentCounts,
    /// In the order of the keys, which is that of their places.
    pub(crate) leaves: Vec<LeafPart>,
    /// The blocks of names, in order, and the sealed index over them.
    pub(crate) names: Vec<LeafPart>,
    pub(crate) name_index_offset: u64,
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
        let leaves = block.as_ref().map_or(Ok(Vec::new()), leaves_of)?;
        // Names only repeat what the leaves say: a damaged index of theirs is shown as such, and leads to none.
        let names = self
            .read_name_index(&parts)
            .and_then(|index| index.as_ref().map_or(Ok(Vec::new()), leaves_of));
        Ok(SegmentParts {
            names: names.unwrap_or_default(),
            name_index_offset: parts.name_index_offset(),
            ranges_offset: parts.ranges_offset(),
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

    /// The leaf blocks that can be found, and, when that may not be all of them, from which byte on the rest stands
    /// and why it cannot be found.
    ///
    /// Without the index, leaf blocks are found as far as each begins where the one before it ends. That is so where no
    /// value stands outside of its block. What does not go on behind the last key is no leaf: the index, where the
    /// footer that leads to it is lost.
    pub(crate) fn findable_leaves(&self) -> (Vec<LeafPart>, Option<(u64, Error)>) {
        let error = match self.anatomy() {
            Ok(parts) => return (parts.leaves, None),
            Err(error) => error,
        };
        if let Ok(leaves) = self.leaves_by_index() {
            return (leaves, None);
        }
        let mut leaves = Vec::new();
        let mut offset = 0;
        while let Some((smallest, leaf)) = self.leaf_at(offset)
            && leaves.last().is_none_or(|before: &LeafPart| before.separator < smallest)
        {
            offset += leaf.bytes;
            leaves.push(leaf);
        }
        (leaves, Some((offset, error)))
    }

    /// The leaf blocks by footer and index alone.
    fn leaves_by_index(&self) -> Result<Vec<LeafPart>> {
        let SegmentSummary { id, bytes, .. } = *self.summary();
        let footer = self.read_part(bytes.saturating_sub(FOOTER_BYTES), FOOTER_BYTES)?;
        let footer = Footer::decode(&footer, id, bytes)?;
        let index = self.read_part(footer.index_offset, footer.index_bytes)?;
        leaves_of(&Block::parse(open(&self.sealer, &index, id, footer.index_offset)?)?)
    }

    /// The leaf block that begins at `offset`, wherever it ends: at a trailer that proves everything before it. And its
    /// first key.
    fn leaf_at(&self, offset: u64) -> Option<(Bytes, LeafPart)> {
        let mut window = LEAF_BYTES_TYPICAL;
        loop {
            let len = window.min(self.summary().bytes.checked_sub(offset)?);
            let bytes = self.read_part(offset, len).ok()?;
            let mut readable = len.saturating_mul(LEAF_READINGS_MAX);
            for end in (TRAILER_BYTES..=bytes.len()).filter(|&end| self.may_end(&bytes, end)) {
                let found = self.leaf_in(&bytes.slice(..end), offset);
                if found.is_some() {
                    return found;
                }
                // Bytes can be made to look like the ends of blocks everywhere.
                readable = readable.checked_sub(end as u64)?;
            }
            if len < window || window >= LEAF_BYTES_MAX {
                return None;
            }
            window *= 8;
        }
    }

    /// Whether the trailer of a block could end at this place, at little cost.
    fn may_end(&self, bytes: &[u8], end: usize) -> bool {
        let Some(start) = end.checked_sub(TRAILER_BYTES) else { return false };
        let Some(stored) = start.checked_sub(self.sealer.reserved_bytes()) else { return false };
        let Some([codec, a, b, c, d]) = bytes.get(start..start + 5) else { return false };
        let raw_len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        match codec {
            0 => raw_len == stored,
            1 | 2 => raw_len > stored && raw_len as u64 <= LEAF_BYTES_MAX,
            _ => false,
        }
    }

    fn leaf_in(&self, sealed: &Bytes, offset: u64) -> Option<(Bytes, LeafPart)> {
        let raw = open(&self.sealer, sealed, self.summary().id, offset).ok()?;
        let mut cursor = BlockCursor::new(Block::parse(raw).ok()?);
        cursor.check().ok()?;
        cursor.first().ok()?;
        let smallest = Bytes::copy_from_slice(cursor.key());
        cursor.last().ok()?;
        let separator = Bytes::copy_from_slice(cursor.key());
        Some((smallest, LeafPart { offset, bytes: sealed.len() as u64, separator }))
    }

    /// The value at `value`, wherever it stands in the segment.
    ///
    /// # Errors
    /// Corruption of this value.
    pub(crate) fn loose_value(&self, value: ValueRef) -> Result<Bytes> {
        let read = self.read_part(value.offset, self.sealed_bytes(value));
        read.and_then(|stored| self.open_value(value, stored)).map_err(|error| self.locate(error))
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

/// The leaf blocks to which an index leads.
fn leaves_of(index: &Block) -> Result<Vec<LeafPart>> {
    let mut cursor = BlockCursor::new(index.clone());
    cursor.first()?;
    let mut leaves = Vec::new();
    for number in 0..index.restart_count() {
        let LeafHandle { offset, bytes } = LeafHandle::of(index, number)?;
        leaves.push(LeafPart { offset, bytes, separator: Bytes::copy_from_slice(cursor.key()) });
        cursor.next()?;
    }
    Ok(leaves)
}

/// The segment whose footer stands at this byte of the file, if one does and its properties are whole too; with what it
/// says of its keyspace.
pub(crate) fn find_segment(
    storage: &dyn Storage,
    sealer: &Sealer,
    footer_at: u64,
) -> Option<(Extent, SegmentSummary, Bytes)> {
    let read = |offset: u64, len: u64| -> Option<Bytes> {
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        storage.read_at(offset, &mut bytes).ok()?;
        Some(Bytes::from(bytes))
    };
    let (id, footer) = Footer::decode_any(&read(footer_at, FOOTER_BYTES)?).ok()?;
    let bytes = footer.total_bytes();
    let start = footer_at.checked_add(FOOTER_BYTES)?.checked_sub(bytes)?;
    if !start.is_multiple_of(PAGE_BYTES) || footer.properties_bytes > PROPERTIES_BYTES_MAX {
        return None;
    }
    let (offset, len) = (footer.properties_offset, footer.properties_bytes);
    let properties = Properties::decode(sealer, &read(start + offset, len)?, id, &footer).ok()?;
    let extent = Extent::checked(start / PAGE_BYTES, pages_for(bytes))?;
    let summary = properties.summary(bytes);
    (summary.id == id).then_some((extent, summary, properties.description))
}
