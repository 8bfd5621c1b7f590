//! Appends records to the log.
//!
//! Called with the store's commit lock held. Owns the leases of the log's extents; moves on to a new extent when
//! a record does not fit, after that extent's header is durable, so that a link never leads nowhere.
//! After any error the log's end is unknown and the store must refuse further commits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    FIRST_EXTENT_PAGES, LINK_PAYLOAD_BYTES, LogPosition, RECORD_HEADER_BYTES, RecordHeader,
    RecordKind, encode_extent_header, next_offset, record_checksum,
};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES, pages_for};
use crate::lsm::space::{ExtentLease, Space};
use crate::lsm::storage::Storage;

const EXTENT_PAGES_MAX: u64 = 1024;

/// The end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    storage: Arc<dyn Storage>,
    space: Arc<Space>,
    /// Oldest first; the last one is being written.
    extents: VecDeque<(u64, ExtentLease)>,
    at: LogPosition,
    /// Records of smaller numbers are durable.
    durable: u64,
    /// Bytes appended since the log was last cut.
    bytes: u64,
}

impl LogWriter {
    /// Begins the log of a new file.
    pub(crate) fn create(storage: Arc<dyn Storage>, space: Arc<Space>) -> Result<Self> {
        let lease = space.allocate(FIRST_EXTENT_PAGES);
        let extent = lease.extent();
        let at = LogPosition { extent, sequence: 1, offset: PAGE_BYTES, record: 0, previous: 0 };
        let extents = VecDeque::from([(1, lease)]);
        let writer = LogWriter { storage, space, extents, at, durable: 0, bytes: 0 };
        writer.prepare(extent, 1)?;
        Ok(writer)
    }

    /// Goes on at `at`, the end that replay found; `extents` are those from the root's place on.
    ///
    /// Records before `durable` are known to be durable; the rest may stand in the system's cache only.
    pub(crate) fn resume(
        storage: Arc<dyn Storage>,
        space: Arc<Space>,
        extents: VecDeque<(u64, ExtentLease)>,
        at: LogPosition,
        durable: u64,
        bytes: u64,
    ) -> Self {
        LogWriter { storage, space, extents, at, durable, bytes }
    }

    /// Where the next record will stand.
    pub(crate) fn position(&self) -> LogPosition {
        self.at
    }

    /// Bytes appended since the log was last cut.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
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
    pub(crate) fn append(
        &mut self,
        kind: RecordKind,
        payload: &[Bytes],
        sealed: bool,
    ) -> Result<LogPosition> {
        let payload_bytes: u64 = payload.iter().map(|piece| piece.len() as u64).sum();
        let end = next_offset(self.at.offset, payload_bytes, sealed);
        // Room for a link stays behind every record.
        if end + RECORD_HEADER_BYTES as u64 + LINK_PAYLOAD_BYTES > self.at.extent.bytes() {
            self.move_on(payload_bytes)?;
        }
        let position = self.at;
        self.write(kind, payload, payload_bytes, sealed)?;
        Ok(position)
    }

    /// Makes every record durable, with the store's commit lock held.
    fn sync(&mut self) -> Result<()> {
        let record = self.at.record;
        self.storage.sync().map_err(|source| Error::io("syncing the log", source))?;
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
        self.link_to(FIRST_EXTENT_PAGES)
    }

    /// The log begins at `start` now: extents before it are given back.
    pub(crate) fn cut(&mut self, start: &LogPosition) {
        while self.extents.front().is_some_and(|(sequence, _)| *sequence < start.sequence) {
            self.extents.pop_front();
        }
        self.bytes = self.bytes_from(start);
    }

    /// Bytes of log from `start` to its end.
    pub(crate) fn bytes_from(&self, start: &LogPosition) -> u64 {
        let kept = self.extents.iter().filter(|(sequence, _)| *sequence >= start.sequence);
        let whole: u64 = kept.map(|(_, lease)| lease.extent().bytes()).sum();
        whole.saturating_sub(start.offset + self.at.extent.bytes() - self.at.offset)
    }

    /// Pages of the extents that the log occupies.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.extents.iter().map(|(_, lease)| lease.extent())
    }

    fn move_on(&mut self, payload_bytes: u64) -> Result<()> {
        let needed = 2 + pages_for(2 * RECORD_HEADER_BYTES as u64 + payload_bytes + 64);
        let usual = (self.at.extent.pages * 4).clamp(64, EXTENT_PAGES_MAX);
        self.link_to(needed.max(usual))
    }

    fn link_to(&mut self, pages: u64) -> Result<()> {
        let lease = self.space.allocate(pages);
        let extent = lease.extent();
        let sequence = self.at.sequence + 1;
        // A record may name the extent from here on, whatever happens.
        lease.publish();
        self.prepare(extent, sequence)?;
        self.sync()?;
        let mut link = extent.start.to_le_bytes().to_vec();
        link.extend_from_slice(&extent.pages.to_le_bytes());
        self.write(RecordKind::Link, &[Bytes::from(link)], LINK_PAYLOAD_BYTES, false)?;
        // Records behind a link that was lost would wait there for one that looks the same.
        self.sync()?;
        self.at = LogPosition { extent, sequence, offset: PAGE_BYTES, ..self.at };
        self.extents.push_back((sequence, lease));
        Ok(())
    }

    /// Writes an extent's header, and zeros where the file has to grow: commits then overwrite pages that
    /// exist, and their syncs need not record a new length. A smallest extent is zeroed whole, so that a file
    /// that was closed in order shows that nothing follows.
    fn prepare(&self, extent: Extent, sequence: u64) -> Result<()> {
        let io = |source| Error::io(format!("preparing log extent {sequence}, {extent}"), source);
        let len = self.storage.len_bytes().map_err(io)?;
        let end = extent.offset() + extent.bytes();
        let zeros = vec![0; 1 << 16];
        let small = extent.pages <= FIRST_EXTENT_PAGES;
        let mut at = if small { extent.offset() } else { len.max(extent.offset()) };
        while at < end {
            let piece = usize::try_from((end - at).min(zeros.len() as u64)).unwrap_or_default();
            self.storage.write_at(at, &zeros[..piece]).map_err(io)?;
            at += piece as u64;
        }
        let header = encode_extent_header(sequence, extent);
        self.storage.write_at(extent.offset(), &header).map_err(io)
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
        let mut record = Vec::with_capacity(size);
        record.extend_from_slice(&[0; 8]);
        record.extend_from_slice(&len);
        record.extend_from_slice(&body);
        for piece in payload {
            record.extend_from_slice(piece);
        }
        let sum = record_checksum(&self.at, &record[8..]);
        record[..8].copy_from_slice(&sum.to_le_bytes());
        let offset = self.at.extent.offset() + self.at.offset;
        self.storage.write_at(offset, &record).map_err(|source| {
            Error::io(format!("appending {size} bytes to the log at {offset}"), source)
        })?;
        let end = next_offset(self.at.offset, payload_bytes, sealed);
        self.bytes += end - self.at.offset;
        self.at = LogPosition { offset: end, record: self.at.record + 1, previous: sum, ..self.at };
        Ok(())
    }
}
