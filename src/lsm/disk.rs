//! What background work needs to make segments: the device, its pages, the cache and the next numbers.
//!
//! One [`Disk`] belongs to a store; jobs and recovery share it. It holds no version and takes no lock but those
//! of its parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::cache::BlockCache;
use super::cipher::Sealer;
use super::courtesy::Awaited;
use super::error::Result;
use super::ids::{PAGE_BYTES, SegmentId};
use super::manifest::{Keyspace, Opener, Placed};
use super::options::Options;
use super::segment::{Segment, SegmentLayout, SegmentSummary};
use super::space::{ExtentLease, Space};
use super::storage::Storage;
use super::value::{Kept, PlacedValues, ValueHome, ValueSegment};

/// Bytes up to which values share a segment in any case: each of them takes whole pages.
const VALUES_BYTES_MIN: u64 = 16 * PAGE_BYTES;

/// The parts of a store that segments live on.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) space: Arc<Space>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) sealer: Sealer,
    pub(crate) values: Arc<ValueHome>,
    pub(crate) options: Options,
    /// Commits that wait for the storage.
    pub(crate) awaited: Awaited,
    next_segment: AtomicU64,
    next_run: AtomicU64,
}

impl Disk {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        space: Arc<Space>,
        sealer: Sealer,
        options: Options,
    ) -> Self {
        let cache = Arc::new(BlockCache::new(options.cache_bytes_max() as u64));
        let (next_segment, next_run) = (AtomicU64::new(1), AtomicU64::new(1));
        let values = Arc::new(ValueHome {
            storage: Arc::clone(&storage),
            space: Arc::clone(&space),
            sealer: sealer.clone(),
            chunk_bytes: options.value_chunk_bytes.max(1),
            segment_bytes_target: options.segment_bytes_target.max(VALUES_BYTES_MIN),
        });
        let awaited = Awaited::default();
        Disk { storage, space, cache, sealer, values, options, awaited, next_segment, next_run }
    }

    pub(crate) fn new_segment_id(&self) -> SegmentId {
        SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed))
    }

    /// The segments that exist or are being written have numbers below this one.
    pub(crate) fn next_segment(&self) -> SegmentId {
        SegmentId(self.next_segment.load(Ordering::Relaxed))
    }

    pub(crate) fn new_run_id(&self) -> u64 {
        self.next_run.fetch_add(1, Ordering::Relaxed)
    }

    /// The next numbers for segments and runs.
    pub(crate) fn next_ids(&self) -> (u64, u64) {
        (self.next_segment.load(Ordering::Relaxed), self.next_run.load(Ordering::Relaxed))
    }

    /// Never gives numbers below these.
    pub(crate) fn reserve_ids(&self, next_segment: u64, next_run: u64) {
        self.next_segment.fetch_max(next_segment, Ordering::Relaxed);
        self.next_run.fetch_max(next_run, Ordering::Relaxed);
    }

    pub(crate) fn layout(&self, keyspace: &Keyspace) -> SegmentLayout {
        let options = &keyspace.options;
        let mut description = Vec::new();
        keyspace.descriptor().encode(&mut description);
        SegmentLayout {
            description: Bytes::from(description),
            block_bytes: self.options.block_bytes,
            restart_interval: self.options.restart_interval.clamp(1, 256),
            compression: options.compression,
            value_bytes_inline_max: options.value_bytes_inline_max,
            filter_bits_per_key: options.filter_bits_per_key,
            sealer: self.sealer.clone(),
        }
    }

    /// A reader of a segment whose pages `lease` holds.
    pub(crate) fn segment(&self, summary: SegmentSummary, lease: ExtentLease) -> Arc<Segment> {
        let (storage, cache) = (Arc::clone(&self.storage), Arc::clone(&self.cache));
        let sealer = self.sealer.clone();
        Arc::new(Segment::new(storage, cache, sealer, summary, lease, self.options.mmap))
    }

    /// A reader of a value segment whose pages `lease` holds.
    pub(crate) fn value_segment(
        &self,
        id: SegmentId,
        lease: ExtentLease,
        kept: Kept,
    ) -> Arc<ValueSegment> {
        Arc::new(ValueSegment::new(Arc::clone(&self.values), id, lease, kept))
    }
}

/// Readers of what the manifest or the log names.
impl Opener for Disk {
    fn segment(&self, placed: &Placed) -> Result<Arc<Segment>> {
        self.reserve_ids(placed.summary.id.0.saturating_add(1), placed.run.saturating_add(1));
        let lease = self.space.adopt(placed.extent)?;
        Ok(Disk::segment(self, placed.summary.clone(), lease))
    }

    fn values(&self, placed: &PlacedValues) -> Result<Arc<ValueSegment>> {
        self.reserve_ids(placed.id.0.saturating_add(1), 0);
        let lease = self.space.adopt(placed.extent)?;
        Ok(self.value_segment(placed.id, lease, placed.kept.clone()))
    }
}
