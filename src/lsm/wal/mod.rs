//! The write-ahead log, as the store and recovery see it: a writer, a reader, and positions in between.
//!
//! [`LogWriter`] appends while the store holds its lock, a [`Flight`](tail::Flight) makes durable without it; [`Log`] reads, when
//! a file is opened and in other processes. The layout:
#![doc = ""]
#![doc = include_str!("../../../docs/format/wal.md")]

mod next;
mod reader;
mod scan;
mod tail;
mod writer;

use bytes::Bytes;

use super::codec::ByteReader;
use super::codec::checksum::checksum;
use super::error::{Error, Result};
use super::ids::{Extent, PAGE_BYTES};
use super::storage::Storage;

pub(crate) use next::NextExtent;
pub(crate) use reader::{Log, LogRecord};
pub(crate) use scan::{ScannedRecord, scan_records};
pub(crate) use writer::LogWriter;

pub(crate) const EXTENT_MAGIC: &[u8; 8] = b"ALVLOG\0\0";
pub(crate) const EXTENT_HEADER_BYTES: usize = 32;
pub(crate) const RECORD_HEADER_BYTES: usize = 40;
/// Where in a record's header stands what is proved with the payload: everything behind checksum and length.
pub(crate) const SEALED_FROM: usize = 12;
/// Pages of the extent with which a log begins, in a new file and after an orderly close.
pub(crate) const FIRST_EXTENT_PAGES: u64 = 7;
/// Payload of a link: two page numbers.
const LINK_PAYLOAD_BYTES: u64 = 16;

/// A place in the log: where the next record stands, and what it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) extent: Extent,
    /// Sequence number of the extent.
    pub(crate) sequence: u64,
    /// Bytes from the start of the extent.
    pub(crate) offset: u64,
    /// Number of the record.
    pub(crate) record: u64,
    /// Checksum of the record before it.
    pub(crate) previous: u64,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// The writes of one commit.
    Group,
    /// A change of the manifest.
    Edit,
    /// The log goes on in another extent.
    Link,
    /// Nothing but its seal.
    Mark,
}

impl RecordKind {
    fn encode(self) -> u8 {
        match self {
            RecordKind::Group => 1,
            RecordKind::Edit => 2,
            RecordKind::Link => 3,
            RecordKind::Mark => 4,
        }
    }

    pub(crate) fn decode(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(RecordKind::Group),
            2 => Some(RecordKind::Edit),
            3 => Some(RecordKind::Link),
            4 => Some(RecordKind::Mark),
            _ => None,
        }
    }
}

fn encode_extent_header(sequence: u64, extent: Extent) -> Vec<u8> {
    let mut out = EXTENT_MAGIC.to_vec();
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&extent.pages.to_le_bytes());
    let sum = checksum(extent.start, sequence, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The sequence number in the header at the start of `extent`; `None` when no whole header stands there.
pub(crate) fn read_extent_header(
    storage: &dyn Storage,
    start: u64,
) -> Result<Option<(u64, Extent)>> {
    let mut bytes = [0; EXTENT_HEADER_BYTES];
    storage
        .read_at(start * PAGE_BYTES, &mut bytes)
        .map_err(|source| Error::io(format!("reading page {start} of the log"), source))?;
    let mut reader = ByteReader::new("log extent", &bytes);
    let magic = reader.take(EXTENT_MAGIC.len())? == EXTENT_MAGIC;
    let (sequence, pages) = (reader.u64()?, reader.u64()?);
    let sum = checksum(start, sequence, bytes.get(..EXTENT_HEADER_BYTES - 8).unwrap_or_default());
    let whole = magic && reader.u64()? == sum;
    let extent = Extent::checked(start, pages);
    Ok(extent.filter(|_| whole).map(|extent| (sequence, extent)))
}

/// Where the record behind one of `payload` bytes at `offset` begins.
pub(crate) fn next_offset(offset: u64, payload: u64, sealed: bool) -> u64 {
    let end = offset + RECORD_HEADER_BYTES as u64 + payload;
    end.next_multiple_of(if sealed { PAGE_BYTES } else { 8 })
}

/// A record's header as it stands in the log.
#[derive(Debug, Clone, Copy)]
struct RecordHeader {
    checksum: u64,
    payload_bytes: u32,
    kind: Option<RecordKind>,
    sealed: bool,
    record: u64,
    previous: u64,
    durable: u64,
}

impl RecordHeader {
    /// Everything but the checksum, which is of these bytes and the payload.
    fn encode_body(kind: RecordKind, sealed: bool, at: &LogPosition, durable: u64) -> Vec<u8> {
        let mut out = vec![kind.encode(), u8::from(sealed), 0, 0];
        for number in [at.record, at.previous, durable] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("log record", bytes);
        let checksum = reader.u64()?;
        let payload_bytes = reader.u32()?;
        let kind = RecordKind::decode(reader.u8()?);
        let sealed = reader.u8()? == 1;
        reader.take(2)?;
        let (record, previous, durable) = (reader.u64()?, reader.u64()?, reader.u64()?);
        Ok(RecordHeader { checksum, payload_bytes, kind, sealed, record, previous, durable })
    }
}

/// Checksum of a record at `at`, of which `covered` is everything behind the checksum itself.
fn record_checksum(at: &LogPosition, covered: &[u8]) -> u64 {
    checksum(at.sequence, at.offset, covered)
}

/// Decodes a link's payload.
fn decode_link(payload: &Bytes) -> Result<Extent> {
    let mut reader = ByteReader::new("log link", payload);
    let extent = Extent::checked(reader.u64()?, reader.u64()?);
    reader.expect_end()?;
    extent.ok_or_else(|| reader.error("the next extent's place is impossible"))
}

#[cfg(test)]
mod tests;
