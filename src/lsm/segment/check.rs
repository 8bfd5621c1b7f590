//! [`Segment::verify`]: reads a whole segment and proves that it is what it says.
//!
//! For `check` and for tests. Everything comes from the storage, nothing from the cache and nothing goes
//! there. Beyond the checksums that every read verifies, it proves order, separators, key heads and counts,
//! that the filter denies no key, that the names are those of the entries, and that leaf blocks and
//! values fill the segment in the order of the keys, without gaps or overlaps.
//! Cost: one pass, one leaf block and one value in memory at a time.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::filter::{Filter, KeyHash};
use super::index::LeafHandle;
use super::names::NameWalk;
use super::properties::{NameCounts, SegmentCounts};
use super::reader::{Parts, Segment};
use crate::lsm::block::{Block, BlockCursor, BlockValue, VALUE_ALIGN_BYTES, ValueRef};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;
use crate::lsm::ranges::{KeyEnd, Ranges};
use crate::lsm::value::Reference;

impl Segment {
    /// Reads and checks every part of the segment; what was counted equals the segment's properties.
    ///
    /// # Errors
    /// Corruption for the first defect that is found.
    pub(crate) fn verify(&self) -> Result<SegmentCounts> {
        self.verify_parts().map_err(|error| self.locate(error))
    }

    fn verify_parts(&self) -> Result<SegmentCounts> {
        let (parts, index) = self.read_parts()?;
        let filter = self.read_filter(&parts)?;
        let ranges = self.read_ranges(&parts)?;
        let mut walk = Walk {
            segment: self,
            filter,
            names: NameWalk::new(self, &parts)?,
            end: 0,
            first_key: None,
            last_key: None,
            separator: None,
            counts: SegmentCounts::default(),
            referred: BTreeMap::new(),
        };
        if let Some(index) = index {
            let mut index = BlockCursor::new(index);
            index.check()?;
            index.first()?;
            while index.valid() {
                let handle = LeafHandle::at(&index)?;
                walk.leaf(handle, index.key())
                    .map_err(|error| error.at(|| format!("{self}, leaf at {}", handle.offset)))?;
                index.next()?;
            }
        }
        walk.finish(&parts, &ranges)
    }
}

/// The state of a pass over a segment.
struct Walk<'a> {
    segment: &'a Segment,
    filter: Option<Filter>,
    names: Option<NameWalk<'a>>,
    /// Where the parts seen so far end.
    end: u64,
    first_key: Option<Vec<u8>>,
    last_key: Option<Vec<u8>>,
    separator: Option<Vec<u8>>,
    counts: SegmentCounts,
    referred: BTreeMap<SegmentId, u64>,
}

impl Walk<'_> {
    fn leaf(&mut self, handle: LeafHandle, separator: &[u8]) -> Result<()> {
        let raw = self.segment.read_leaf(handle)?;
        let compressed = self.segment.sealed_leaf_bytes(raw.len()) != handle.bytes;
        self.counts.compressed_leaf_blocks += u64::from(compressed);
        let block = Block::parse(raw)?;
        let mut leaf = BlockCursor::new(block);
        leaf.check()?;
        leaf.first()?;
        match &self.separator {
            None => self.first_key = Some(leaf.key().to_vec()),
            Some(separator) if leaf.key() > &separator[..] => {}
            _ => return Err(wrong("a leaf block begins with a wrong key", handle.offset)),
        }
        while leaf.valid() {
            self.entry(&leaf, handle)?;
            self.last_key.get_or_insert_default().clear();
            self.last_key.get_or_insert_default().extend_from_slice(leaf.key());
            leaf.next()?;
        }
        if self.last_key.as_deref() > Some(separator) {
            return Err(wrong("a separator is smaller than its leaf's last key", handle.offset));
        }
        self.part("a leaf block", handle.offset, handle.bytes, 1)?;
        self.separator = Some(separator.to_vec());
        self.counts.leaf_blocks += 1;
        Ok(())
    }

    fn entry(&mut self, leaf: &BlockCursor, handle: LeafHandle) -> Result<()> {
        let hash = KeyHash::of(leaf.key());
        if self.filter.as_ref().is_some_and(|filter| !filter.may_have(hash)) {
            return Err(wrong("the filter denies a key", handle.offset));
        }
        if let Some(names) = &mut self.names {
            names.follow(leaf.key())?;
        }
        let key_bytes = leaf.key().len();
        match leaf.value() {
            BlockValue::Inline(value) => {
                self.counts.count(leaf.kind(), key_bytes + value.len(), None);
                if leaf.kind() == EntryKind::Refer {
                    let reference = Reference::decode(&value)?;
                    *self.referred.entry(reference.segment).or_default() += reference.pages();
                }
            }
            BlockValue::External(value) => {
                self.external(value)?;
                let raw_bytes = key_bytes + value.raw_bytes;
                self.counts.count(leaf.kind(), raw_bytes, Some(value.stored_bytes));
            }
        }
        Ok(())
    }

    fn external(&mut self, value: ValueRef) -> Result<()> {
        self.segment.read_value(value)?;
        let bytes = self.segment.sealed_bytes(value);
        self.part("a value", value.offset, bytes, VALUE_ALIGN_BYTES)
    }

    /// Parts follow each other with nothing between them but the padding that aligns the next one.
    fn part(&mut self, what: &str, offset: u64, bytes: u64, align_bytes: u64) -> Result<()> {
        let expected = self.end.next_multiple_of(align_bytes);
        if offset != expected {
            return Err(wrong(&format!("{what} stands where {expected} was expected"), offset));
        }
        self.end = offset + bytes;
        Ok(())
    }

    fn finish(mut self, parts: &Parts, ranges: &Ranges) -> Result<SegmentCounts> {
        self.part("names, range tombstones or index", parts.body_end(), 0, 1)?;
        self.hull(ranges)?;
        let names = self.names.take().map_or(Ok(NameCounts::default()), NameWalk::finish)?;
        let SegmentCounts { ranges, range_bytes, .. } = parts.counts;
        let counts = SegmentCounts { ranges, range_bytes, names, ..self.counts };
        if counts != parts.counts {
            let (found, said) = (counts, parts.counts);
            return Err(wrong(&format!("counted {found:?}, the properties say {said:?}"), 0));
        }
        let referred = self.segment.summary().referred.iter().copied();
        if !self.referred.into_iter().eq(referred) {
            return Err(wrong("it refers to other values than the properties say", 0));
        }
        Ok(counts)
    }

    /// Entries and range tombstones begin and end where the summary says.
    fn hull(&self, ranges: &Ranges) -> Result<()> {
        let summary = self.segment.summary();
        let first_key = self.first_key.iter().map(|key| Bytes::copy_from_slice(key));
        let last_key =
            self.last_key.iter().map(|key| KeyEnd::Included(Bytes::copy_from_slice(key)));
        let smallest = first_key.chain(ranges.iter().map(|range| range.lower)).min();
        let end = last_key.chain(ranges.iter().map(|range| KeyEnd::of(&range))).max();
        if smallest.as_ref() != Some(&summary.smallest) || end.as_ref() != Some(&summary.end) {
            return Err(wrong("its keys do not begin or end where it says", self.end));
        }
        Ok(())
    }
}

fn wrong(what: &str, offset: u64) -> Error {
    Error::corruption(format!("segment: {what}"), offset)
}
