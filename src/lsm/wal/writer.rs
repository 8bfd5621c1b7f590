//! Appends records to the log.
//!
//! Called with the store's commit lock held. Owns the leases of the log's extents, moves on to another extent when a
//! record does not fit, after that extent's header is durable, so that a link never leads nowhere.
//!
//! The pages of an extent are written with zeros before the log goes there. So a commit overwrites pages that exist: it
//! cannot fail for want of space, and its sync has no new length or place to record.
//!
//! Extents that a checkpoint cut off are kept, within bounds, and serve again when no root can name them any more
//! (decision 0001): they need no zeros, because what an earlier extent left there has another sequence number.
//!
//! When an extent cannot be made, for want of space say, nothing of the log has changed and the append may be tried
//! again. After any other error the log is *torn*: its end is unknown, and the store must refuse further commits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    FIRST_EXTENT_PAGES, LINK_PAYLOAD_BYTES, LogPosition, RECORD_HEADER_BYTES, RecordHeader,
    RecordKind, SEALED_FROM, encode_extent_header, next_offset, record_checksum,
};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES, pages_for};
use crate::lsm::space::{ExtentLease, Space};
use crate::lsm::storage::Storage;

/// Extents grow to this: 4 MiB, or an eighth of the log if that is less.
const EXTENT_PAGES_MAX: u64 = 1024;
/// Larger than a smallest extent, which is known by its size to be zeros behind the log's end.
const EXTENT_PAGES_MIN: u64 = FIRST_EXTENT_PAGES + 1;
/// Bytes of zeros that are written at a time.
const ZEROS_BYTES: u64 = 1 << 20;

/// The end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    storage: Arc<dyn Storage>,
    space: Arc<Space>,
    sealer: Sealer,
    /// Oldest first; the last one is being written.
    extents: VecDeque<(u64, ExtentLease)>,
    at: LogPosition,
    /// Records of smaller numbers are durable.
    durable: u64,
    /// Bytes appended since the log was last cut.
    bytes: u64,
    /// Pages of the largest extent that is made before a record needs more.
    extent_pages_max: u64,
    /// Extents that were cut off, by the generation from which on they may serve again.
    retired: Vec<(u64, ExtentLease)>,
    /// How often one of them did.
    reused: u64,
    /// Whether a write or a sync failed after which the log's end is unknown.
    torn: bool,
}

impl LogWriter {
    /// Begins the log of a new file, which is to be cut when it holds `log_bytes_max` bytes.
    pub(crate) fn create(
        storage: Arc<dyn Storage>,
        space: Arc<Space>,
        sealer: Sealer,
        log_bytes_max: u64,
    ) -> Result<Self> {
        let lease = space.allocate(FIRST_EXTENT_PAGES);
        let extent = lease.extent();
        let at = LogPosition { extent, sequence: 1, offset: PAGE_BYTES, record: 0, previous: 0 };
        let extents = VecDeque::from([(1, lease)]);
        let writer = Self::resume(storage, space, sealer, extents, at, (0, 0), log_bytes_max);
        writer.write_zeros(extent)?;
        let header = encode_extent_header(1, extent);
        writer
            .storage
            .write_at(extent.offset(), &header)
            .map_err(|source| Error::io(format!("beginning the log, {extent}"), source))?;
        Ok(writer)
    }

    /// Goes on at `at`, the end that replay found; `extents` are those from the root's place on.
    ///
    /// Records before `durable` are known to be durable, the rest may stand in the system's cache only; `bytes` were
    /// appended since the root's place.
    pub(crate) fn resume(
        storage: Arc<dyn Storage>,
        space: Arc<Space>,
        sealer: Sealer,
        extents: VecDeque<(u64, ExtentLease)>,
        at: LogPosition,
        (durable, bytes): (u64, u64),
        log_bytes_max: u64,
    ) -> Self {
        let extent_pages_max =
            (log_bytes_max / 8 / PAGE_BYTES).clamp(EXTENT_PAGES_MIN, EXTENT_PAGES_MAX);
        LogWriter {
            storage,
            space,
            sealer,
            extents,
            at,
            durable,
            bytes,
            extent_pages_max,
            retired: Vec::new(),
            reused: 0,
            torn: false,
        }
    }

    /// Where the next record will stand.
    pub(crate) fn position(&self) -> LogPosition {
        self.at
    }

    /// Bytes appended since the log was last cut.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How often a cut extent was used again.
    pub(crate) fn extents_reused(&self) -> u64 {
        self.reused
    }

    /// Whether every record is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.durable == self.at.record
    }

    /// Records of smaller numbers are durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether the next record begins at a page of its own, so that a sync may end here.
    pub(crate) fn is_sealed(&self) -> bool {
        self.at.offset.is_multiple_of(PAGE_BYTES)
    }

    /// Notes that a sync which began when all records below `record` were written, and the log was sealed there,
    /// has come to a good end.
    pub(crate) fn synced(&mut self, record: u64) {
        self.durable = self.durable.max(record);
    }

    /// Whether a write or a sync failed after which the log's end is unknown.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Whether a smallest extent would find a place before the one that is being written.
    pub(crate) fn fits_lower(&self) -> bool {
        self.space.fits_before(FIRST_EXTENT_PAGES, self.at.extent.start)
    }

    /// Whether the extent that is being written is a smallest one with room for more.
    pub(crate) fn is_small(&self) -> bool {
        let extent = self.at.extent;
        extent.pages == FIRST_EXTENT_PAGES && self.at.offset <= extent.bytes() / 2
    }

    /// Appends a record and says where it stands; `sealed` when a sync follows.
    ///
    /// # Errors
    /// Those of the storage. Unless the log [is torn](Self::is_torn), nothing was appended.
    pub(crate) fn append(
        &mut self,
        kind: RecordKind,
        payload: &[Bytes],
        sealed: bool,
    ) -> Result<LogPosition> {
        let plain_bytes: u64 = payload.iter().map(|piece| piece.len() as u64).sum();
        let payload_bytes = plain_bytes + self.reserved_bytes();
        let mut end = next_offset(self.at.offset, payload_bytes, sealed);
        // Room for a link stays behind every record, and for the mark that seals it: what was appended becomes durable
        // without more space.
        if kind != RecordKind::Mark && !end.is_multiple_of(PAGE_BYTES) {
            end = next_offset(end, self.reserved_bytes(), true);
        }
        let link_bytes = RECORD_HEADER_BYTES as u64 + LINK_PAYLOAD_BYTES + self.reserved_bytes();
        if end + link_bytes > self.at.extent.bytes() {
            self.move_on(payload_bytes)?;
        }
        let position = self.at;
        self.write(kind, payload, payload_bytes, sealed)?;
        Ok(position)
    }

    /// Makes every record durable, with the store's commit lock held.
    fn sync(&mut self) -> Result<()> {
        let record = self.at.record;
        let synced = self.storage.sync().map_err(|source| Error::io("syncing the log", source));
        self.or_torn(synced)?;
        self.durable = record;
        Ok(())
    }

    /// Begins a chain of its own: the next record names `previous`, which stands in a root, as the one before it.
    ///
    /// Called when nothing that was read from the log is needed any more and all of it is durable.
    pub(crate) fn begin_chain(&mut self, previous: u64) {
        self.at.previous = previous;
        self.durable = self.at.record;
    }

    /// Begins a new, smallest extent, so that an orderly close leaves a small file.
    pub(crate) fn begin_small_extent(&mut self) -> Result<()> {
        let lease = self.new_extent(FIRST_EXTENT_PAGES)?;
        self.link_to(lease)?;
        self.release_retired(0);
        Ok(())
    }

    /// The log begins at `start` now: extents before it serve again later, or are given back.
    ///
    /// A small log keeps none, a longer one as many as make up an eighth of the file, or the two smallest.
    pub(crate) fn cut(&mut self, start: &LogPosition) {
        // Both slots must be written anew before anything there may be overwritten.
        let usable_at = self.space.generation() + 2;
        while self.extents.front().is_some_and(|(sequence, _)| *sequence < start.sequence) {
            let cut = self.extents.pop_front().map(|(_, lease)| (usable_at, lease));
            self.retired.extend(cut.filter(|(_, lease)| lease.extent().pages > FIRST_EXTENT_PAGES));
        }
        let small = self.at.extent.pages <= FIRST_EXTENT_PAGES;
        let kept_pages = (self.space.end() / 8).max(2 * EXTENT_PAGES_MIN);
        self.release_retired(if small { 0 } else { kept_pages });
        self.bytes = self.bytes_from(start);
    }

    /// Bytes of log from `start` to its end.
    pub(crate) fn bytes_from(&self, start: &LogPosition) -> u64 {
        let kept = self.extents.iter().filter(|(sequence, _)| *sequence >= start.sequence);
        let whole: u64 = kept.map(|(_, lease)| lease.extent().bytes()).sum();
        whole.saturating_sub(start.offset + self.at.extent.bytes() - self.at.offset)
    }

    /// The extents that hold the log, and behind them those that are kept for it.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        let kept = self.retired.iter().map(|(_, lease)| lease.extent());
        self.extents.iter().map(|(_, lease)| lease.extent()).chain(kept)
    }

    /// Gives the highest extents back that are kept, until those that stay have at most `pages_max` pages.
    fn release_retired(&mut self, pages_max: u64) {
        self.retired.sort_by_key(|(_, lease)| lease.extent().start);
        let mut pages: u64 = self.retired.iter().map(|(_, lease)| lease.extent().pages).sum();
        while pages > pages_max
            && let Some((usable_at, lease)) = self.retired.pop()
        {
            pages -= lease.extent().pages;
            if usable_at <= self.space.generation() {
                lease.forget_roots();
            }
        }
    }

    fn reserved_bytes(&self) -> u64 {
        self.sealer.reserved_bytes() as u64
    }

    fn move_on(&mut self, payload_bytes: u64) -> Result<()> {
        let link_bytes = 64 + self.reserved_bytes();
        let needed = 2 + pages_for(2 * RECORD_HEADER_BYTES as u64 + payload_bytes + link_bytes);
        let usual = (self.at.extent.pages * 4).clamp(EXTENT_PAGES_MIN, self.extent_pages_max);
        let generation = self.space.generation();
        let fits = |(usable_at, lease): &(u64, ExtentLease)| {
            *usable_at <= generation && lease.extent().pages >= needed
        };
        let lease = match self.retired.iter().position(fits) {
            Some(at) => {
                self.reused += 1;
                self.retired.remove(at).1
            }
            None => self.new_extent(needed.max(usual))?,
        };
        self.link_to(lease)
    }

    /// An extent full of zeros; nothing of the log has changed when there is none.
    fn new_extent(&mut self, pages: u64) -> Result<ExtentLease> {
        let lease = self.space.allocate(pages);
        self.write_zeros(lease.extent())?;
        // The header and the records to come are made durable one by one, and the length of the file is not.
        self.sync()?;
        Ok(lease)
    }

    fn write_zeros(&self, extent: Extent) -> Result<()> {
        let zeros = vec![0; usize::try_from(ZEROS_BYTES.min(extent.bytes())).unwrap_or_default()];
        let end = extent.offset() + extent.bytes();
        let mut at = extent.offset();
        while at < end {
            let piece = usize::try_from(end - at).unwrap_or(zeros.len()).min(zeros.len());
            self.storage.write_bulk(at, &zeros[..piece]).map_err(|source| {
                Error::io(format!("making {extent} ready for the log"), source)
            })?;
            at += piece as u64;
        }
        Ok(())
    }

    /// Goes on in the extent of `lease`, whose pages were all written.
    fn link_to(&mut self, lease: ExtentLease) -> Result<()> {
        let extent = lease.extent();
        let sequence = self.at.sequence + 1;
        // A record may name the extent from here on, whatever happens.
        lease.publish();
        let mut header = encode_extent_header(sequence, extent);
        header.resize(padded(header.len()), 0);
        let begun = self.storage.write_durable(extent.offset(), &header);
        let begun = begun.map_err(|source| {
            Error::io(format!("beginning log extent {sequence}, {extent}"), source)
        });
        self.or_torn(begun)?;
        let mut link = extent.start.to_le_bytes().to_vec();
        link.extend_from_slice(&extent.pages.to_le_bytes());
        let link_bytes = LINK_PAYLOAD_BYTES + self.reserved_bytes();
        self.write(RecordKind::Link, &[Bytes::from(link)], link_bytes, true)?;
        if !self.is_durable() {
            // Records behind a link that was lost would wait there for one that looks the same.
            self.sync()?;
        }
        self.at = LogPosition { extent, sequence, offset: PAGE_BYTES, ..self.at };
        self.extents.push_back((sequence, lease));
        Ok(())
    }

    fn or_torn<T>(&mut self, result: Result<T>) -> Result<T> {
        self.torn |= result.is_err();
        result
    }

    fn write(
        &mut self,
        kind: RecordKind,
        payload: &[Bytes],
        payload_bytes: u64,
        sealed: bool,
    ) -> Result<()> {
        let len = u32::try_from(payload_bytes)
            .map_err(|_| Error::ValueTooLong { bytes: usize::MAX })?
            .to_le_bytes();
        let body = RecordHeader::encode_body(kind, sealed, &self.at, self.durable);
        let size = RECORD_HEADER_BYTES + usize::try_from(payload_bytes).unwrap_or_default();
        let mut record = Vec::with_capacity(padded(size));
        record.extend_from_slice(&[0; 8]);
        record.extend_from_slice(&len);
        record.extend_from_slice(&body);
        for piece in payload {
            record.extend_from_slice(piece);
        }
        let header = record[SEALED_FROM..RECORD_HEADER_BYTES].to_vec();
        let owner = Owner::Log(self.at.sequence);
        self.sealer.seal(owner, self.at.offset, &header, RECORD_HEADER_BYTES, &mut record)?;
        let sum = record_checksum(&self.at, &record[8..]);
        record[..8].copy_from_slice(&sum.to_le_bytes());
        let offset = self.at.extent.offset() + self.at.offset;
        // A link is waited for with the lock held: one durable write, unless something before it needs a sync anyway, or,
        // behind a chain that a root began, shares the page.
        let at_once =
            kind == RecordKind::Link && self.is_durable() && offset.is_multiple_of(PAGE_BYTES);
        let written = if at_once {
            record.resize(padded(size), 0);
            self.storage.write_durable(offset, &record)
        } else {
            self.storage.write_at(offset, &record)
        };
        let written = written.map_err(|source| {
            Error::io(format!("appending {size} bytes to the log at {offset}"), source)
        });
        self.or_torn(written)?;
        let end = next_offset(self.at.offset, payload_bytes, sealed);
        self.bytes += end - self.at.offset;
        self.at = LogPosition { offset: end, record: self.at.record + 1, previous: sum, ..self.at };
        if at_once {
            self.durable = self.at.record;
        }
        Ok(())
    }
}

/// Bytes of the pages that hold `bytes` bytes.
fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(usize::try_from(PAGE_BYTES).expect("invariant: a page fits in memory"))
}
