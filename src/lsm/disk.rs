//! What background work needs to make segments: the device, its pages, the cache and the next numbers.
//!
//! One [`Disk`] belongs to a store; jobs and recovery share it. It holds no version and takes no lock but those
//! of its parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::BlockCache;
use super::cipher::Sealer;
use super::error::Result;
use super::ids::SegmentId;
use super::manifest::Placed;
use super::options::{KeyspaceOptions, Options};
use super::segment::{Segment, SegmentLayout, SegmentSummary};
use super::space::{ExtentLease, Space};
use super::storage::Storage;

/// The parts of a store that segments live on.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) space: Arc<Space>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) sealer: Sealer,
    pub(crate) options: Options,
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
        Disk { storage, space, cache, sealer, options, next_segment, next_run }
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

    pub(crate) fn layout(&self, options: &KeyspaceOptions) -> SegmentLayout {
        SegmentLayout {
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

    /// A reader of a segment that the manifest or the log names.
    pub(crate) fn adopt(&self, placed: &Placed) -> Result<Arc<Segment>> {
        self.reserve_ids(placed.summary.id.0.saturating_add(1), placed.run.saturating_add(1));
        let lease = self.space.adopt(placed.extent)?;
        Ok(self.segment(placed.summary.clone(), lease))
    }
}
