//! The block cache: blocks and values of segments that were read, checked and decompressed before.
//!
//! Segments ask it before they ask the storage, and give it every leaf block and every small external value
//! that they read. Entries are named by segment and offset inside the segment: both never change their
//! meaning (ids are never reused, segments are immutable), so nothing is ever invalidated and a relocated
//! segment stays cached. Blocks of segments that are gone age out like any other.
//!
//! Indexes and filters, which every read asks, are kept by their segments without a lookup; for that they take a [`Pin`], a
//! part of the same budget. Pins get half of it at most, first come, first served; what they take, blocks lose.
//!
//! Cost: a hash lookup in one of several independently locked shards. Eviction is that of [`quick_cache`],
//! which a long scan does not flush.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::block::Block;
use super::ids::SegmentId;

/// What a cached item costs beside its bytes: key, handle and the cache's own links.
const OVERHEAD_BYTES: u64 = 160;
/// A guess at the size of an item, for the cache's first allocation only.
const ITEM_BYTES_TYPICAL: u64 = 16 * 1024;

/// Verified parts of segments, within a byte budget.
pub(crate) struct BlockCache {
    items: Cache<(SegmentId, u64), Item, ByteWeighter>,
    bytes_max: u64,
    pinned: AtomicU64,
    /// Held while `pinned` changes and the items learn what is left for them.
    dividing: Mutex<()>,
}

#[derive(Clone)]
enum Item {
    Block(Block),
    Value(Bytes),
}

#[derive(Clone)]
struct ByteWeighter;

impl Weighter<(SegmentId, u64), Item> for ByteWeighter {
    fn weight(&self, _key: &(SegmentId, u64), item: &Item) -> u64 {
        let bytes = match item {
            Item::Block(block) => block.memory_bytes(),
            Item::Value(value) => value.len(),
        };
        bytes as u64 + OVERHEAD_BYTES
    }
}

/// The right to keep so many bytes in memory, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    cache: Arc<BlockCache>,
    bytes: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.cache.divide(|pinned| Some(pinned - self.bytes));
    }
}

impl BlockCache {
    /// A cache that holds about `bytes_max` bytes; with 0 it holds nothing.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / ITEM_BYTES_TYPICAL).unwrap_or(usize::MAX);
        BlockCache {
            items: Cache::with_weighter(items.max(1), bytes_max, ByteWeighter),
            bytes_max,
            pinned: AtomicU64::new(0),
            dividing: Mutex::new(()),
        }
    }

    /// The block kept for `offset` of `segment`.
    pub(crate) fn block(&self, segment: SegmentId, offset: u64) -> Option<Block> {
        match self.items.get(&(segment, offset)) {
            Some(Item::Block(block)) => Some(block),
            _ => None,
        }
    }

    /// Keeps `block`, which was verified, for `offset` of `segment`.
    pub(crate) fn insert_block(&self, segment: SegmentId, offset: u64, block: Block) {
        self.items.insert((segment, offset), Item::Block(block));
    }

    /// The value kept for `offset` of `segment`.
    pub(crate) fn value(&self, segment: SegmentId, offset: u64) -> Option<Bytes> {
        match self.items.get(&(segment, offset)) {
            Some(Item::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Keeps `value`, which was verified, for `offset` of `segment`.
    pub(crate) fn insert_value(&self, segment: SegmentId, offset: u64, value: Bytes) {
        self.items.insert((segment, offset), Item::Value(value));
    }

    /// The right to keep `bytes` bytes outside of the cache; none when pins have their half.
    pub(crate) fn pin(self: &Arc<Self>, bytes: usize) -> Option<Pin> {
        let bytes = bytes as u64 + OVERHEAD_BYTES;
        let pinned =
            |pinned: u64| pinned.checked_add(bytes).filter(|&pinned| pinned <= self.bytes_max / 2);
        // Without the lock first: once there is no room, every read asks.
        pinned(self.pinned.load(Ordering::Relaxed))?;
        self.divide(pinned).then(|| Pin { cache: Arc::clone(self), bytes })
    }

    /// Changes what is pinned, and gives the rest of the budget to the items.
    fn divide(&self, pinned: impl FnOnce(u64) -> Option<u64>) -> bool {
        let _dividing = self.dividing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pinned) = pinned(self.pinned.load(Ordering::Relaxed)) else { return false };
        self.pinned.store(pinned, Ordering::Relaxed);
        self.items.set_capacity(self.bytes_max - pinned);
        true
    }

    /// Bytes that the cached and the pinned parts cost now.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.weight() + self.pinned.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_and_its_pins_stay_within_the_budget() {
        let cache = Arc::new(BlockCache::new(1 << 20));
        let mut pins = Vec::new();
        for offset in 0..1000 {
            cache.insert_value(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
            assert!(cache.bytes() <= 1 << 20);
            if offset % 10 == 3 {
                pins.extend(cache.pin(20_000));
                assert!(cache.bytes() <= 1 << 20);
            }
        }
        assert!(cache.bytes() > 1 << 19);
        assert_eq!(pins.len(), (1 << 19) / 20_160, "pins have their half and no more");
        assert_eq!(cache.value(SegmentId(2), 999), None);
        pins.clear();
        for offset in 0..100 {
            cache.insert_value(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
        }
        assert!(cache.bytes() > (1 << 20) / 4 * 3, "what was pinned is the blocks' again");
    }

    #[test]
    fn a_cache_without_budget_keeps_nothing() {
        let cache = Arc::new(BlockCache::new(0));
        cache.insert_value(SegmentId(1), 7, Bytes::from_static(b"value"));
        assert_eq!(cache.value(SegmentId(1), 7), None);
        assert!(cache.pin(0).is_none());
        assert_eq!(cache.bytes(), 0);
    }
}
