//! Reading a segment in place: its pages as memory of the file, and what of them was verified.
//!
//! For segments without a cipher, none of whose leaf blocks is compressed. What is read is a share of the mapping: nothing is copied and nothing goes
//! into the block cache. The mapping owns the extent's lease and the storage, so pages are not used again, punched or cut off while anyone
//! holds a block or a value of them. Who reads after damage of a mapped page that was verified before gets what stands there;
//! who cannot have that opens the store without mappings.
//!
//! Invariant: a checksum is verified before the first byte of a block or value is used, once for each opening of the
//! segment. Two bits of memory for each leaf and each place of a value remember it; they are pinned in the cache's budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::index::LeafHandle;
use super::properties::SegmentCounts;
use crate::lsm::block::{Block, VALUE_ALIGN_BYTES, ValueRef, open, open_verified};
use crate::lsm::cache::{BlockCache, Pin};
use crate::lsm::cipher::Sealer;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;
use crate::lsm::space::ExtentLease;
use crate::lsm::storage::Storage;

/// A segment as memory.
#[derive(Debug)]
pub(super) struct Mapped {
    bytes: Bytes,
    leaves: Marks,
    values: Marks,
    _pin: Pin,
}

impl Mapped {
    /// The pages of `lease`; none when the storage does not map or the cache's budget has no room for the marks.
    pub(super) fn new(
        storage: &Arc<dyn Storage>,
        cache: &Arc<BlockCache>,
        lease: &Arc<ExtentLease>,
        counts: &SegmentCounts,
        body_bytes: u64,
    ) -> Option<Mapped> {
        let places =
            if counts.external_values == 0 { 0 } else { body_bytes / VALUE_ALIGN_BYTES + 1 };
        let (leaves, values) = (words(counts.leaf_blocks)?, words(places)?);
        let pin = cache.pin((leaves + values).checked_mul(size_of::<u64>())?)?;
        let extent = lease.extent();
        // The storage too: its lock ends with it, and then others may write.
        let keep = Arc::new((Arc::clone(lease), Arc::clone(storage)));
        let bytes = storage.map(extent.offset(), extent.bytes(), keep)?;
        Some(Mapped { bytes, leaves: Marks::new(leaves), values: Marks::new(values), _pin: pin })
    }

    /// The leaf block with this number, which stands at `handle`.
    pub(super) fn leaf(
        &self,
        number: usize,
        handle: LeafHandle,
        segment: SegmentId,
    ) -> Result<Block> {
        let sealed = self.slice(handle.offset, handle.bytes)?;
        if self.leaves.has(number) {
            return Block::parsed_before(open_verified(&sealed)?);
        }
        let raw = open(&Sealer::NONE, &sealed, segment, handle.offset)?;
        let block = Block::parse(raw)?;
        self.leaves.set(number);
        Ok(block)
    }

    /// The stored bytes of `value`, once `verify` has seen them.
    pub(super) fn value(
        &self,
        value: ValueRef,
        verify: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<Bytes> {
        let stored = self.slice(value.offset, value.stored_bytes)?;
        let place = usize::try_from(value.offset / VALUE_ALIGN_BYTES).unwrap_or(usize::MAX);
        if !self.values.has(place) {
            verify(&stored)?;
            self.values.set(place);
        }
        Ok(stored)
    }

    fn slice(&self, offset: u64, len: u64) -> Result<Bytes> {
        let start = usize::try_from(offset).ok();
        let end = offset.checked_add(len).and_then(|end| usize::try_from(end).ok());
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= self.bytes.len() => {
                Ok(self.bytes.slice(start..end))
            }
            _ => {
                let mapped = self.bytes.len();
                let what = format!("{len} bytes do not end within the {mapped} that are mapped");
                Err(Error::corruption(what, offset))
            }
        }
    }
}

/// Words of marks for so many things.
fn words(things: u64) -> Option<usize> {
    usize::try_from(things.div_ceil(64)).ok()
}

/// A bit for each of many things, set by any thread and never taken back.
#[derive(Debug)]
struct Marks(Vec<AtomicU64>);

impl Marks {
    fn new(words: usize) -> Self {
        Marks((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether a thing was marked; what lies outside never is.
    fn has(&self, index: usize) -> bool {
        let word = self.0.get(index / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        word & 1 << (index % 64) != 0
    }

    fn set(&self, index: usize) {
        if let Some(word) = self.0.get(index / 64) {
            word.fetch_or(1 << (index % 64), Ordering::Relaxed);
        }
    }
}
