//! Checkpoints: the manifest and a root are written, the log is cut, and the file behind what is used.
//!
//! Called by background steps, `compact`, `close`, and before anything is appended to a log that a dead process left;
//! one at a time, side by side with jobs. The steps and what a crash between them leaves stand in `docs/format/README.md`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::{Core, lock};
use crate::lsm::codec::checksum::checksum;
use crate::lsm::compaction::{Finished, FlushJob};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES};
use crate::lsm::manifest::{Made, Manifest, Version};
use crate::lsm::recovery::write_manifest;
use crate::lsm::root::{NEW_FILE_PAGES, RESERVED, Root};
use crate::lsm::segment::Segment;
use crate::lsm::value::ValueSegment;
use crate::lsm::wal::LogWriter;

/// Two free what is deferred, and a manifest that has three places to rotate through is in the lowest two after as many
/// more.
const SETTLING_CHECKPOINTS_MAX: usize = 6;

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// To cut the log and free pages.
    Plain,
    /// To end an orderly close: nothing is in the log, and the root before says the same.
    Clean,
    /// To begin a chain of log records that continues nothing that was there before.
    NewChain,
}

impl Core {
    /// Takes over what a process that died has left, before anything is appended. Called with `jobs` held.
    ///
    /// The end of its log may stand in the system's cache only, where a sync that failed can have left it for ever; and
    /// behind the end there may be whole records of commits that are lost, which would come back if the commit before
    /// them were repeated byte for byte. So all is flushed, and both roots begin a chain of records of its own.
    pub(super) fn settle_past(&self) -> Result<()> {
        if !self.inherited.load(Ordering::Acquire) {
            return Ok(());
        }
        let version = self.version.load_full();
        if !version.fresh.is_empty() {
            let mut flush = FlushJob::new(Arc::clone(&self.disk), Arc::clone(&version));
            while !flush.step(usize::MAX)? {}
            let Finished { edit, segments, .. } = flush.finish();
            let mut next = Version::clone(&version);
            next.apply(&edit, &self.registry, &Made::new(&segments, &[]))?;
            publish(&segments, &[]);
            let mut writer = self.writer()?;
            writer.groups.clear();
            self.advance(&mut writer, next);
        }
        self.checkpoint(Checkpoint::NewChain)?;
        self.checkpoint(Checkpoint::Plain)?;
        self.inherited.store(false, Ordering::Release);
        Ok(())
    }

    /// Writes the manifest, then the root, and cuts the log.
    pub(super) fn checkpoint(&self, kind: Checkpoint) -> Result<()> {
        let _one = lock(&self.checkpoints);
        let (version, start, edits_before, generation, clean, log_end, (flying, chain)) = {
            let mut writer = self.writer()?;
            // What the version has, the sync below makes durable, but for what is flying.
            writer.cache_log()?;
            let end = writer.log.position();
            let mut start = writer.groups.front().map_or(end, |&(_, position)| position);
            if kind == Checkpoint::NewChain {
                start.previous = checksum(end.record, writer.root.generation + 1, b"chain");
            }
            // A commit may have come between the two roots of a close.
            let clean = kind == Checkpoint::Clean && start == writer.root.log && start == end;
            let log_end = writer.log.extents().map(Extent::end).max().unwrap_or_default();
            let generation = writer.root.generation + 1;
            // What jobs free from here on is still named by the root that is about to be written.
            self.disk.space.begin_checkpoint(generation);
            let version = self.version.load_full();
            let is_new = kind == Checkpoint::NewChain;
            let chain = if is_new { start.previous } else { writer.root.chain };
            (version, start, end.record, generation, clean, log_end, (writer.flying, chain))
        };
        let (next_segment, next_run) = self.disk.next_ids();
        let manifest = Manifest::capture(&version, next_segment, next_run);
        let ends = manifest.segments.iter().map(|placed| placed.extent.end());
        let ends = ends.chain(manifest.values.iter().map(|placed| placed.extent.end()));
        let end = ends.chain([log_end, RESERVED[2].end()]).max().unwrap_or(NEW_FILE_PAGES);
        let root = |place: Extent, bytes, sum| Root {
            generation,
            clean,
            manifest: place,
            manifest_bytes: bytes,
            manifest_checksum: sum,
            commit: version.commit,
            file_pages: end.max(place.end()),
            log: start,
            edits_before,
            chain,
        };
        let (root, lease) = write_manifest(&self.disk, &manifest, generation, root)?;
        self.await_landing(flying.unwrap_or_default())?;
        self.sync_checkpoint("syncing the manifest")?;
        root.write(&*self.disk.storage, &self.disk.sealer)?;
        self.sync_checkpoint("syncing the root")?;
        // Asked when the new root is there for readers to see: see decision 0013.
        let oldest_lease = self.oldest_lease();
        let mut writer = self.writer()?;
        writer.manifests.push_back(lease);
        while writer.manifests.len() > 2 {
            // Both slots were written since: no root names it, unless a reader is still about to read it.
            if let Some(old) = writer.manifests.pop_front()
                && oldest_lease.is_none_or(|oldest| oldest.saturating_add(1) >= generation)
            {
                old.forget_roots();
            }
        }
        writer.root = root;
        if kind == Checkpoint::NewChain {
            writer.log.begin_chain(start.previous);
        }
        self.disk.space.checkpoint_durable(generation, oldest_lease);
        writer.log.cut(&start);
        self.cut_file().map_err(|source| Error::io("cutting the file", source))
    }

    /// The oldest root that readers in other processes look at. When that is unknown, none of them is too old.
    pub(super) fn oldest_lease(&self) -> Option<u64> {
        self.disk.storage.oldest_lease().unwrap_or(Some(0))
    }

    /// Cuts off the pages behind what is in use.
    fn cut_file(&self) -> io::Result<()> {
        let storage = &self.disk.storage;
        let len_bytes = storage.len_bytes()?;
        // Transactions and jobs take pages and write to them without a lock of the store.
        self.disk.space.cut_behind(|pages| {
            if len_bytes > pages * PAGE_BYTES {
                storage.set_len(pages * PAGE_BYTES)
            } else {
                Ok(())
            }
        })
    }

    pub(super) fn sync_checkpoint(&self, what: &str) -> Result<()> {
        let synced = self.disk.storage.sync().map_err(|source| Error::io(what, source));
        self.writer()?.poison_on_error(synced)
    }

    /// Checkpoints until nothing waits for a checkpoint any more.
    pub(super) fn settle(&self, clean: bool) -> Result<()> {
        self.await_past()?;
        let moves = |log: &LogWriter| !log.is_small() || log.fits_lower();
        if !moves(&self.writer()?.log) {
            return self.settle_here(clean);
        }
        self.settle_in_small_log(clean)?;
        // What has become free may let the log go further down, and the file be cut behind it.
        if moves(&self.writer()?.log) { self.settle_in_small_log(clean) } else { Ok(()) }
    }

    pub(super) fn settle_in_small_log(&self, clean: bool) -> Result<()> {
        // A larger extent that is being made ready is in the way.
        lock(&self.jobs).log = None;
        {
            let mut writer = self.writer()?;
            let begun = writer.log.begin_small_extent();
            writer.poison_if_torn(begun)?;
        }
        self.settle_here(clean)
    }

    pub(super) fn settle_here(&self, clean: bool) -> Result<()> {
        self.checkpoint(Checkpoint::Plain)?;
        for _ in 0..SETTLING_CHECKPOINTS_MAX {
            self.checkpoint(if clean { Checkpoint::Clean } else { Checkpoint::Plain })?;
            if self.disk.space.deferred_pages() == 0 && !self.manifest_fits_lower()? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the next checkpoint's manifest will stand below one that there is.
    fn manifest_fits_lower(&self) -> Result<bool> {
        let writer = self.writer()?;
        let highest = writer.manifests.iter().map(|lease| lease.extent().start).max();
        let pages = writer.root.manifest.pages;
        Ok(highest.is_some_and(|highest| self.disk.space.fits_before(pages, highest)))
    }
}

/// Notes that roots or the log may name the segments from now on.
pub(super) fn publish(segments: &[Arc<Segment>], values: &[Arc<ValueSegment>]) {
    for segment in segments {
        segment.publish();
    }
    for values in values {
        values.publish();
    }
}
