//! What a store tells about itself: its check and its numbers.
//!
//! Both read one version; the check also proves the page map of the moment in which it took the version.

use std::sync::atomic::Ordering;

use super::core::{Core, lock};
use crate::lsm::check::{CheckReport, check};
use crate::lsm::error::Result;
use crate::lsm::ids::Extent;
use crate::lsm::root::RESERVED;
use crate::lsm::space::ExtentLease;
use crate::lsm::stats::{KeyspaceStats, LevelStats, Stats};

impl Core {
    pub(super) fn check(&self) -> Result<CheckReport> {
        let (version, used, others) = {
            let writer = self.writer()?;
            let manifests = writer.manifests.iter().map(ExtentLease::extent);
            let mut others: Vec<Extent> = manifests.chain(writer.log.extents()).collect();
            others.extend(RESERVED);
            (self.version.load_full(), self.disk.space.check()?, others)
        };
        check(&version, &used, &others)
    }

    pub(super) fn stats(&self) -> Stats {
        let version = self.version.load();
        let (log_bytes, log_extents_reused) = {
            let writer = lock(&self.writer);
            (writer.log.bytes(), writer.log.extents_reused())
        };
        let background_jobs = {
            let jobs = lock(&self.jobs);
            usize::from(jobs.flush.is_some()) + jobs.compactions.len()
        };
        // Who holds the lock is at it.
        let maintenance = self.maintenance.try_lock();
        let moves = maintenance.map_or(true, |maintenance| maintenance.relocation.is_some());
        let segments_relocated = self.counters.relocated_segments.load(Ordering::Relaxed);
        let value_segments_cleaned = self.counters.cleaned_segments.load(Ordering::Relaxed);
        let mut stats = Stats {
            segments_relocated,
            value_segments_cleaned,
            commit: version.commit,
            file_bytes: self.disk.storage.len_bytes().unwrap_or_default(),
            log_bytes,
            log_extents_reused,
            fresh_runs: version.fresh.len(),
            fresh_bytes: version.fresh_bytes(),
            cache_bytes: self.disk.cache.bytes(),
            written: self.counters.written(),
            stalls: self.counters.stalls(),
            background_jobs: background_jobs + usize::from(moves),
            ..Stats::default()
        };
        if let Ok(used) = self.disk.space.check() {
            stats.used_pages = used.leased.iter().map(|extent| extent.pages).sum();
            stats.deferred_pages = used.deferred_pages;
            stats.held_pages = used.held_pages;
            stats.free_pages = used.free_pages;
            let fill = self.disk.space.fill();
            stats.free_extents = fill.free_extents;
            stats.punched_pages = fill.punched_pages;
        }
        for (_, held) in version.value_segments() {
            let pages = held.segment.extent().pages;
            stats.value_segments += 1;
            stats.value_pages += pages;
            let is_fresh = held.commit > version.flushed;
            stats.value_pages_live += if is_fresh { pages } else { held.live_pages };
        }
        for keyspace in version.keyspaces.values() {
            let levels = keyspace.levels.iter().map(|level| {
                let mut stats = LevelStats { runs: level.runs.len(), ..LevelStats::default() };
                for segment in level.runs.iter().flat_map(|run| run.segments.iter()) {
                    let summary = segment.summary();
                    stats.segments += 1;
                    stats.bytes += summary.bytes;
                    stats.entries += summary.entries;
                    stats.tombstones += summary.tombstones;
                    stats.ranges += summary.ranges;
                }
                stats
            });
            let levels = levels.collect();
            stats.keyspaces.push(KeyspaceStats { name: keyspace.name.clone(), levels });
        }
        stats.keyspaces.sort_by(|left, right| left.name.cmp(&right.name));
        stats
    }
}
