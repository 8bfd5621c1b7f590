//! Records of the log found without the chain that leads to them: for what saves commits from a damaged log.
//!
//! `salvage` calls it with the bytes of one extent. A record proves itself by its checksum, which takes the sequence number
//! of the extent and the record's place there; whether it belongs to the log is for the caller to find out by the
//! numbers that it carries. Cost: the bytes of the extent are read over a few times at most, whatever stands there.

use bytes::Bytes;

use super::{RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEALED_FROM, next_offset};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::Result;
use crate::lsm::ids::PAGE_BYTES;

/// How often the bytes of an extent are read over in the search for records.
const READINGS_MAX: u64 = 16;

/// A whole record of an extent.
#[derive(Debug, Clone)]
pub(crate) struct ScannedRecord {
    pub(crate) kind: RecordKind,
    /// Number of the record.
    pub(crate) record: u64,
    /// Checksum of the record before it.
    pub(crate) previous: u64,
    /// Records before this one were durable when it was written.
    pub(crate) durable: u64,
    pub(crate) checksum: u64,
    /// Where it stands in its extent.
    pub(crate) offset: u64,
    payload_bytes: u32,
}

/// Every whole record of the extent with this sequence number, in the order of their places.
pub(crate) fn scan_records(extent: &[u8], sequence: u64) -> Vec<ScannedRecord> {
    let mut records = Vec::new();
    let mut readable = (extent.len() as u64).saturating_mul(READINGS_MAX);
    let mut offset = PAGE_BYTES;
    while offset < extent.len() as u64 {
        let Some((header, kind)) = plausible(extent, offset) else {
            offset += 8;
            continue;
        };
        let covered = covered(extent, offset, &header).unwrap_or_default();
        if checksum(sequence, offset, covered) == header.checksum {
            let end = next_offset(offset, header.payload_bytes.into(), header.sealed);
            records.push(ScannedRecord {
                kind,
                record: header.record,
                previous: header.previous,
                durable: header.durable,
                checksum: header.checksum,
                offset,
                payload_bytes: header.payload_bytes,
            });
            offset = end;
            continue;
        }
        // Bytes can be made to look like records everywhere.
        match readable.checked_sub(covered.len() as u64) {
            Some(rest) => readable = rest,
            None => break,
        }
        offset += 8;
    }
    records
}

impl ScannedRecord {
    /// Length of header and payload.
    pub(crate) fn bytes(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// The payload, in the plain, of a record with these bytes in the extent with this sequence number.
    ///
    /// # Errors
    /// Corruption when the cipher does not accept it.
    pub(crate) fn payload(&self, record: &Bytes, sealer: &Sealer, sequence: u64) -> Result<Bytes> {
        let clear = record.get(SEALED_FROM..RECORD_HEADER_BYTES).unwrap_or_default();
        let payload = record.slice(RECORD_HEADER_BYTES.min(record.len())..);
        sealer.open(Owner::Log(sequence), self.offset, clear, payload)
    }
}

/// The header at `offset`, if it could be one whose record ends within the extent.
fn plausible(extent: &[u8], offset: u64) -> Option<(RecordHeader, RecordKind)> {
    let start = usize::try_from(offset).ok()?;
    let header = RecordHeader::decode(extent.get(start..)?).ok()?;
    let kind = header.kind?;
    covered(extent, offset, &header)?;
    (header.durable <= header.record).then_some((header, kind))
}

/// What the checksum of a record covers.
fn covered<'a>(extent: &'a [u8], offset: u64, header: &RecordHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(RECORD_HEADER_BYTES)?;
    extent.get(start + 8..end.checked_add(header.payload_bytes as usize)?)
}
