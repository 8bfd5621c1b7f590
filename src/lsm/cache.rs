//! The block cache: blocks and values of segments that were read, checked and decompressed before; and the division of a
//! store's memory between it and everyone else.
//!
//! Segments ask it before they ask the storage, and give it every leaf block and every small external value
//! that they read. Entries are named by segment and offset inside the segment: both never change their
//! meaning (ids are never reused, segments are immutable), so nothing is ever invalidated and a relocated
//! segment stays cached. Blocks of segments that are gone age out like any other.
//!
//! Indexes and filters, which every read asks, are kept by their segments without a lookup; for that they take a [`Pin`], a
//! part of the same budget. Pins get a fifth of it at most, first come, first served; what they take, blocks lose. So it is with
//! fresh runs and transactions, which hold a [`Loan`]: blocks have whatever nobody else needs, so that a store that is
//! only read has nearly all of its memory for them. A thirty-second is set apart for what readers take of the [`Reserve`]: what
//! they found and want to find again without a look.
//!
//! Cost: a hash lookup in one of several independently locked shards. Eviction is that of [`quick_cache`],
//! which a long scan does not flush. A loan counts in steps of a sixty-fourth of the budget, so that commits rarely meet the locks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::block::Block;
use super::ids::SegmentId;
use super::reserve::Reserve;

/// What a cached item costs beside its bytes: key, handle and the cache's own links.
const OVERHEAD_BYTES: u64 = 160;
/// A guess at the size of an item, for the cache's first allocation only.
const ITEM_BYTES_TYPICAL: u64 = 16 * 1024;
/// The part of the budget that pins may take.
const PINNED_SHARE: u64 = 5;
/// The part of the budget that readers may reserve.
const RESERVED_SHARE: u64 = 32;
/// Steps of the budget in which loans count.
const LOAN_STEPS: u64 = 64;

/// Verified parts of segments, within a byte budget.
pub(crate) struct BlockCache {
    items: Cache<(SegmentId, u64), Item, ByteWeighter>,
    /// Without what readers may reserve.
    bytes_max: u64,
    reserve: Arc<Reserve>,
    pinned: AtomicU64,
    lent: AtomicU64,
    /// Held while `pinned` or `lent` changes and the items learn what is left for them.
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
        self.cache.divide(&self.cache.pinned, |pinned| Some(pinned - self.bytes));
    }
}

/// Memory of the budget that is used otherwise, given back when this is dropped. Nobody is refused one: how much each may
/// need is bounded where it is used.
#[derive(Debug)]
pub(crate) struct Loan {
    cache: Arc<BlockCache>,
    steps: u64,
}

impl Loan {
    /// So many bytes are used now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let steps = bytes as u64 / self.cache.loan_step_bytes();
        if steps != self.steps {
            let change = |steps: u64| steps * self.cache.loan_step_bytes();
            let (before, now) = (change(self.steps), change(steps));
            self.cache.divide(&self.cache.lent, |lent| Some(lent - before + now));
            self.steps = steps;
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl BlockCache {
    /// A cache that holds about `bytes_max` bytes; with 0 it holds nothing.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let reserve = Reserve::new(bytes_max / RESERVED_SHARE);
        let bytes_max = bytes_max - bytes_max / RESERVED_SHARE;
        let items = usize::try_from(bytes_max / ITEM_BYTES_TYPICAL).unwrap_or(usize::MAX);
        BlockCache {
            items: Cache::with_weighter(items.max(1), bytes_max, ByteWeighter),
            bytes_max,
            reserve: Arc::new(reserve),
            pinned: AtomicU64::new(0),
            lent: AtomicU64::new(0),
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

    /// The right to keep `bytes` bytes outside of the cache; none when pins have their share.
    pub(crate) fn pin(self: &Arc<Self>, bytes: usize) -> Option<Pin> {
        let bytes = bytes as u64 + OVERHEAD_BYTES;
        let pinned_max = self.bytes_max / PINNED_SHARE;
        let pinned = |pinned: u64| pinned.checked_add(bytes).filter(|&all| all <= pinned_max);
        // Without the lock first: once there is no room, every read asks.
        pinned(self.pinned.load(Ordering::Relaxed))?;
        self.divide(&self.pinned, pinned).then(|| Pin { cache: Arc::clone(self), bytes })
    }

    /// What is set apart for readers.
    pub(crate) fn reserve(&self) -> &Arc<Reserve> {
        &self.reserve
    }

    /// A loan of nothing, for someone who will need memory.
    pub(crate) fn lend(self: &Arc<Self>) -> Loan {
        Loan { cache: Arc::clone(self), steps: 0 }
    }

    fn loan_step_bytes(&self) -> u64 {
        (self.bytes_max / LOAN_STEPS).max(1)
    }

    /// Changes a part of what others have, and gives the rest of the budget to the items.
    fn divide(&self, part: &AtomicU64, change: impl FnOnce(u64) -> Option<u64>) -> bool {
        let _dividing = self.dividing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(changed) = change(part.load(Ordering::Relaxed)) else { return false };
        part.store(changed, Ordering::Relaxed);
        let others = self.pinned.load(Ordering::Relaxed) + self.lent.load(Ordering::Relaxed);
        self.items.set_capacity(self.bytes_max.saturating_sub(others));
        true
    }

    /// Bytes that cached, pinned and reserved parts cost now.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.weight() + self.pinned.load(Ordering::Relaxed) + self.reserve.bytes()
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
        assert_eq!(pins.len(), (1 << 20) / 5 / 20_160, "pins have their share and no more");
        assert_eq!(cache.value(SegmentId(2), 999), None);
        pins.clear();
        for offset in 0..100 {
            cache.insert_value(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
        }
        assert!(cache.bytes() > (1 << 20) / 4 * 3, "what was pinned is the blocks' again");
    }

    #[test]
    fn blocks_have_what_nobody_borrowed() {
        let cache = Arc::new(BlockCache::new(1 << 20));
        let fill = || {
            for offset in 0..200 {
                cache.insert_value(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
            }
        };
        let (mut one, mut other) = (cache.lend(), cache.lend());
        fill();
        assert!(cache.bytes() > (1 << 20) / 8 * 7);
        one.set(1 << 18);
        assert!(cache.bytes() <= (1 << 20) / 4 * 3, "what is lent is free at once");
        other.set(1 << 18);
        fill();
        assert!(cache.bytes() <= 1 << 19);
        one.set(100);
        other.set(2 << 20);
        fill();
        assert_eq!(cache.bytes(), 0, "more than all is all");
        drop((one, other));
        fill();
        assert!(cache.bytes() > (1 << 20) / 8 * 7);
    }

    #[test]
    fn readers_have_their_share_and_blocks_the_rest() {
        let cache = Arc::new(BlockCache::new(1 << 20));
        let all = cache.reserve().take(1 << 15);
        assert!(all.is_some() && cache.reserve().take(1).is_none());
        for offset in 0..200 {
            cache.insert_value(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
            assert!(cache.bytes() <= 1 << 20);
        }
        assert!(cache.bytes() > (1 << 20) / 8 * 7);
    }

    #[test]
    fn a_cache_without_budget_keeps_nothing() {
        let cache = Arc::new(BlockCache::new(0));
        cache.insert_value(SegmentId(1), 7, Bytes::from_static(b"value"));
        assert_eq!(cache.value(SegmentId(1), 7), None);
        assert!(cache.pin(0).is_none() && cache.reserve().take(1).is_none());
        cache.lend().set(7);
        assert_eq!(cache.bytes(), 0);
    }
}
