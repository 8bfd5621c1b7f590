//! Replays the log from a root's place to its end, and tells a torn end from damage.
//!
//! Reads each record once; looks for proof of damage only when a record is broken. Nothing is written. Somebody else may
//! be writing: what was no whole record at the end may be one later.

use bytes::Bytes;

use super::{
    FIRST_EXTENT_PAGES, LogPosition, RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEALED_FROM,
    decode_link, next_offset, read_extent_header, record_checksum,
};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES};
use crate::lsm::storage::Storage;

/// A record of the log.
#[derive(Debug)]
pub(crate) struct LogRecord {
    /// Its number.
    pub(crate) record: u64,
    pub(crate) kind: RecordKind,
    pub(crate) payload: Bytes,
    /// Where it stands.
    pub(crate) position: LogPosition,
}

/// The log of a file that is being opened.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    storage: &'a dyn Storage,
    sealer: &'a Sealer,
    len_bytes: u64,
    at: LogPosition,
    extents: Vec<(u64, Extent)>,
    bytes: u64,
    /// Number of the first record that is not given.
    until: u64,
}

impl<'a> Log<'a> {
    /// The log from `start` on, which a root names.
    pub(crate) fn open(
        storage: &'a dyn Storage,
        sealer: &'a Sealer,
        start: LogPosition,
    ) -> Result<Self> {
        let len_bytes = len_bytes(storage)?;
        let (extents, until) = (Vec::new(), u64::MAX);
        let mut log = Log { storage, sealer, len_bytes, at: start, extents, bytes: 0, until };
        log.enter(start.extent, start.sequence)?;
        Ok(log)
    }

    /// Where the next record is expected: where the log ends, once `next` gave `None`.
    pub(crate) fn end(&self) -> LogPosition {
        self.at
    }

    /// The extents seen so far, oldest first, with their sequence numbers.
    pub(crate) fn extents(&self) -> &[(u64, Extent)] {
        &self.extents
    }

    /// Bytes of the records read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes record number `record` for the end of the log.
    pub(crate) fn stop_before(&mut self, record: u64) {
        self.until = record;
    }

    /// The next group, edit or mark; `None` at the end of the log.
    pub(crate) fn next(&mut self) -> Result<Option<LogRecord>> {
        while self.at.record < self.until
            && let Some(header) = self.header(&self.at)?
        {
            if header.record != self.at.record || header.previous != self.at.previous {
                return Ok(None);
            }
            let Some(record) = self.whole(&self.at, &header)? else { return Ok(None) };
            let Some(kind) = header.kind else {
                let what = "log record: unknown kind, written by a newer version?";
                return Err(Error::corruption(what, self.at.extent.offset() + self.at.offset));
            };
            let payload = self.open_payload(&record)?;
            let position = self.at;
            let end = next_offset(position.offset, header.payload_bytes.into(), header.sealed);
            self.bytes += end - position.offset;
            self.at = LogPosition {
                offset: end,
                record: header.record + 1,
                previous: header.checksum,
                ..position
            };
            if kind != RecordKind::Link {
                return Ok(Some(LogRecord { record: header.record, kind, payload, position }));
            }
            let extent = decode_link(&payload)?;
            self.enter(extent, position.sequence + 1)?;
            self.at.extent = extent;
            self.at.sequence = position.sequence + 1;
            self.at.offset = PAGE_BYTES;
        }
        Ok(None)
    }

    /// Whether nothing was read, and nothing but zeros stands in the rest of the extent, a smallest one.
    ///
    /// An orderly close leaves the log so; there is nothing to prove then, and nothing to mistake for a record.
    pub(crate) fn is_untouched(&self) -> Result<bool> {
        if self.bytes > 0 || self.at.extent.pages > FIRST_EXTENT_PAGES {
            return Ok(false);
        }
        let rest = self.at.extent.bytes().saturating_sub(self.at.offset);
        let mut bytes = vec![0; usize::try_from(rest).unwrap_or_default()];
        self.fill(self.at.extent.offset() + self.at.offset, &mut bytes)?;
        Ok(bytes.iter().all(|&byte| byte == 0))
    }

    /// Fails when a whole record proves that the log went on behind its end.
    ///
    /// `is_free` tells whether nothing else uses a page.
    pub(crate) fn prove_end(&self, is_free: &dyn Fn(u64) -> bool) -> Result<()> {
        let broken = self.at.record;
        self.refute_within(self.at, broken)?;
        for start in (0..self.len_bytes / PAGE_BYTES).filter(|&page| is_free(page)) {
            if let Some((sequence, extent)) = read_extent_header(self.storage, start)? {
                let next = LogPosition { extent, sequence, offset: PAGE_BYTES, ..self.at };
                if sequence == self.at.sequence + 1 && self.is_within_file(extent) {
                    self.refute_within(next, broken)?;
                }
            }
        }
        Ok(())
    }

    /// Fails when a record at a page from `place` to the end of its extent proves that `broken` was durable.
    fn refute_within(&self, mut place: LogPosition, broken: u64) -> Result<()> {
        place.offset = place.offset.next_multiple_of(PAGE_BYTES);
        while place.offset < place.extent.bytes() {
            self.refute(&place, broken)?;
            place.offset += PAGE_BYTES;
        }
        Ok(())
    }

    /// Fails when the record at `place` says that record `broken` was durable.
    fn refute(&self, place: &LogPosition, broken: u64) -> Result<()> {
        // Most of what stands there are users' bytes: what cannot be a proof is not read to its end.
        let proves = |header: &RecordHeader| {
            header.kind.is_some() && broken < header.durable && header.durable <= header.record
        };
        match self.header(place)?.filter(proves) {
            Some(header) if self.whole(place, &header)?.is_some() => Err(Error::corruption(
                format!(
                    "log: record {broken} is damaged, record {} says that it was durable",
                    header.record
                ),
                self.at.extent.offset() + self.at.offset,
            )),
            _ => Ok(()),
        }
    }

    /// What may be the header of a record at `place`, if the record would end within its extent.
    fn header(&self, place: &LogPosition) -> Result<Option<RecordHeader>> {
        let header_bytes = RECORD_HEADER_BYTES as u64;
        let room = place.extent.bytes().saturating_sub(place.offset);
        if room < header_bytes {
            return Ok(None);
        }
        let mut bytes = [0; RECORD_HEADER_BYTES];
        self.fill(place.extent.offset() + place.offset, &mut bytes)?;
        let header = RecordHeader::decode(&bytes)?;
        let fits = u64::from(header.payload_bytes) <= room - header_bytes;
        Ok(fits.then_some(header))
    }

    /// The record at `place`, header and payload, if its checksum holds.
    fn whole(&self, place: &LogPosition, header: &RecordHeader) -> Result<Option<Bytes>> {
        let mut bytes = vec![0; RECORD_HEADER_BYTES + header.payload_bytes as usize];
        self.fill(place.extent.offset() + place.offset, &mut bytes)?;
        let covered = bytes.get(8..).unwrap_or_default();
        let whole = record_checksum(place, covered) == header.checksum;
        Ok(whole.then(|| Bytes::from(bytes)))
    }

    /// The plain payload of `record`, which is whole and stands where the log is.
    ///
    /// A record that was not written to its end has a wrong checksum; what the cipher refuses behind a right one was forged.
    fn open_payload(&self, record: &Bytes) -> Result<Bytes> {
        let header = record.get(SEALED_FROM..RECORD_HEADER_BYTES).unwrap_or_default();
        let payload = record.slice(RECORD_HEADER_BYTES.min(record.len())..);
        self.sealer
            .open(Owner::Log(self.at.sequence), self.at.offset, header, payload)
            .map_err(|error| error.at(|| format!("log record {}", self.at.record)))
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.storage
            .read_at(offset, buffer)
            .map_err(|source| Error::io(format!("reading the log at {offset}"), source))
    }

    fn enter(&mut self, extent: Extent, sequence: u64) -> Result<()> {
        let damaged = |what: &str| {
            Error::corruption(format!("log extent {sequence}: {what}"), extent.offset())
        };
        if !self.is_within_file(extent) {
            // Somebody may have made the file longer meanwhile.
            self.len_bytes = len_bytes(self.storage)?;
        }
        if !self.is_within_file(extent) {
            return Err(damaged("lies behind the end of the file"));
        }
        if read_extent_header(self.storage, extent.start)? != Some((sequence, extent)) {
            return Err(damaged("its header is not whole"));
        }
        self.extents.push((sequence, extent));
        Ok(())
    }

    fn is_within_file(&self, extent: Extent) -> bool {
        let end = extent.start.checked_add(extent.pages);
        extent.pages > 1 && end.is_some_and(|end| end <= self.len_bytes / PAGE_BYTES)
    }
}

fn len_bytes(storage: &dyn Storage) -> Result<u64> {
    storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))
}
