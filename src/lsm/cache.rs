//! The block cache: bytes of segments that were read, checked and decompressed before.
//!
//! Segments ask it before they ask the storage, and give it every leaf block and every small external value
//! that they read. Entries are named by segment and offset inside the segment: both never change their
//! meaning (ids are never reused, segments are immutable), so nothing is ever invalidated and a relocated
//! segment stays cached. Blocks of segments that are gone age out like any other.
//!
//! Cost: a hash lookup in one of several independently locked shards. Eviction is that of [`quick_cache`],
//! which a long scan does not flush.

use std::fmt;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::ids::SegmentId;

/// What a cached item costs beside its bytes: key, handle and the cache's own links.
const OVERHEAD_BYTES: u64 = 96;
/// A guess at the size of an item, for the cache's first allocation only.
const ITEM_BYTES_TYPICAL: u64 = 16 * 1024;

/// Verified bytes of segments, within a byte budget.
pub(crate) struct BlockCache {
    items: Cache<(SegmentId, u64), Bytes, ByteWeighter>,
}

#[derive(Clone)]
struct ByteWeighter;

impl Weighter<(SegmentId, u64), Bytes> for ByteWeighter {
    fn weight(&self, _key: &(SegmentId, u64), bytes: &Bytes) -> u64 {
        bytes.len() as u64 + OVERHEAD_BYTES
    }
}

impl BlockCache {
    /// A cache that holds about `bytes_max` bytes; with 0 it holds nothing.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / ITEM_BYTES_TYPICAL).unwrap_or(usize::MAX);
        BlockCache { items: Cache::with_weighter(items.max(1), bytes_max, ByteWeighter) }
    }

    /// The bytes kept for `offset` of `segment`.
    pub(crate) fn get(&self, segment: SegmentId, offset: u64) -> Option<Bytes> {
        self.items.get(&(segment, offset))
    }

    /// Keeps `bytes`, which were verified, for `offset` of `segment`.
    pub(crate) fn insert(&self, segment: SegmentId, offset: u64, bytes: Bytes) {
        self.items.insert((segment, offset), bytes);
    }

    /// Bytes that the cached items cost now.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.weight()
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
    fn the_cache_stays_within_its_budget() {
        let cache = BlockCache::new(1 << 20);
        for offset in 0..1000 {
            cache.insert(SegmentId(1), offset, Bytes::from(vec![0; 10_000]));
            assert!(cache.bytes() <= 1 << 20);
        }
        assert!(cache.bytes() > 1 << 19);
        assert_eq!(cache.get(SegmentId(2), 999), None);
    }

    #[test]
    fn a_cache_without_budget_keeps_nothing() {
        let cache = BlockCache::new(0);
        cache.insert(SegmentId(1), 7, Bytes::from_static(b"block"));
        assert_eq!(cache.get(SegmentId(1), 7), None);
        assert_eq!(cache.bytes(), 0);
    }
}
