//! [`ValueSegment`]: one value segment of the file, for reading, and how the manifest names it.
//!
//! Versions and pending transactions hold it in an `Arc`, and so does everyone who reads a value of it: its pages are
//! given back when the last of them goes. Nothing of it is kept in memory.
//!
//! Nothing that the bytes claim is believed before a checksum covers it. What is allocated is bounded by the pages that
//! the segment has, and by a chunk.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::kept::Kept;
use super::reference::Reference;
use super::{VALUE_HEADER_BYTES, ValueReader};
use crate::lsm::block::{TRAILER_BYTES, open};
use crate::lsm::cipher::Sealer;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, PAGE_BYTES, SegmentId, VALUE_BYTES_MAX};
use crate::lsm::space::{ExtentLease, Space};
use crate::lsm::storage::Storage;

/// The first bytes of a value.
pub(crate) const VALUE_MAGIC: &[u8; 8] = b"ALVVALUE";
const LEN_BYTES: usize = 4;

/// What all value segments of a store have in common.
#[derive(Debug)]
pub(crate) struct ValueHome {
    pub storage: Arc<dyn Storage>,
    pub space: Arc<Space>,
    pub sealer: Sealer,
    /// Bytes of a chunk before compression.
    pub chunk_bytes: u32,
    /// Bytes up to which values share a segment.
    pub segment_bytes_target: u64,
}

/// Values of one keyspace in one extent.
#[derive(Debug)]
pub(crate) struct ValueSegment {
    pub(super) home: Arc<ValueHome>,
    pub(super) id: SegmentId,
    pub(super) lease: ExtentLease,
    kept: Kept,
}

/// A value segment and its place, as the log and the manifest name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedValues {
    pub id: SegmentId,
    pub keyspace: KeyspaceId,
    /// The commit that wrote it: as long as that is in memory, all of it counts as alive.
    pub commit: CommitNo,
    pub extent: Extent,
    pub kept: Kept,
}

impl PlacedValues {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Extent { start, pages } = self.extent;
        for number in [self.id.0, u64::from(self.keyspace.0), self.commit.0, start, pages] {
            put_varint(out, number);
        }
        self.kept.encode(out);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Self> {
        let id = SegmentId(reader.varint()?);
        let keyspace = KeyspaceId(reader.varint_u32()?);
        let commit = CommitNo(reader.varint()?);
        let extent = Extent::checked(reader.varint()?, reader.varint()?);
        let extent = extent.ok_or_else(|| reader.error("a value segment's place is impossible"))?;
        let kept = Kept::decode(reader, extent.pages)?;
        Ok(PlacedValues { id, keyspace, commit, extent, kept })
    }
}

/// What a value says of itself, in its first bytes. Whoever has the reference needs none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueHeader(pub Reference);

impl ValueHeader {
    pub(crate) fn encode(self) -> Vec<u8> {
        let Reference { segment, page, raw_bytes, stored_bytes } = self.0;
        let mut out = VALUE_MAGIC.to_vec();
        for number in [segment.0, page, raw_bytes, stored_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(segment.0, page, &out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header with which a page begins, if it begins with one.
    pub(crate) fn decode(page: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("header of a value", page);
        if reader.take(VALUE_MAGIC.len())? != VALUE_MAGIC {
            return Err(reader.error("another magic"));
        }
        let (segment, first) = (reader.u64()?, reader.u64()?);
        let (raw_bytes, stored_bytes) = (reader.u64()?, reader.u64()?);
        let summed = page.get(..reader.offset()).unwrap_or_default();
        if reader.u64()? != checksum(segment, first, summed) {
            return Err(reader.error("checksum mismatch"));
        }
        let reference =
            Reference { segment: SegmentId(segment), page: first, raw_bytes, stored_bytes };
        Reference::decode(&reference.encode()).map(ValueHeader)
    }
}

impl ValueHome {
    /// The most that a chunk takes in the file.
    pub(super) fn frame_bytes_max(&self) -> u64 {
        u64::from(self.chunk_bytes) + self.overhead_bytes()
    }

    fn overhead_bytes(&self) -> u64 {
        (TRAILER_BYTES + self.sealer.reserved_bytes()) as u64
    }

    pub(super) fn chunks(&self, raw_bytes: u64) -> u64 {
        raw_bytes.div_ceil(u64::from(self.chunk_bytes.max(1)))
    }

    /// Bytes of the directory of a value with so many chunks.
    pub(super) fn directory_bytes(&self, chunks: u64) -> u64 {
        chunks * LEN_BYTES as u64 + self.overhead_bytes()
    }

    /// The most bytes that a value takes.
    pub(super) fn stored_bytes_max(&self, raw_bytes: u64) -> u64 {
        let chunks = self.chunks(raw_bytes);
        let frames = raw_bytes + chunks * self.overhead_bytes();
        VALUE_HEADER_BYTES as u64 + frames + self.directory_bytes(chunks)
    }
}

impl fmt::Display for ValueSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value segment {}, {}", self.id, self.extent())
    }
}

impl ValueSegment {
    /// The segment whose pages `lease` holds.
    pub(crate) fn new(home: Arc<ValueHome>, id: SegmentId, lease: ExtentLease, kept: Kept) -> Self {
        ValueSegment { home, id, lease, kept }
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.id
    }

    /// Where the segment stands in the file.
    pub(crate) fn extent(&self) -> Extent {
        self.lease.extent()
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Notes that the log or a root may name the segment from now on.
    pub(crate) fn publish(&self) {
        self.lease.publish();
    }

    /// Notes that the root that is read now reaches the segment, too; for readers.
    pub(crate) fn renew(&self) {
        self.lease.renew();
    }

    /// The value of `reference`, whole.
    ///
    /// # Errors
    /// [`Error::LargeValue`] above [`VALUE_BYTES_MAX`]; corruption.
    pub(crate) fn read(self: &Arc<Self>, reference: &Reference) -> Result<Bytes> {
        let bytes_max = VALUE_BYTES_MAX as u64;
        if reference.raw_bytes > bytes_max {
            return Err(Error::LargeValue { bytes: reference.raw_bytes, bytes_max });
        }
        let mut reader = ValueReader::of_segment(Arc::clone(self), *reference);
        let mut value = Vec::new();
        while let Some(chunk) = reader.next_chunk()? {
            value.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(value))
    }

    /// Where the frames of a value end, counted from the value's first byte: one number for each chunk.
    pub(crate) fn frames(&self, reference: &Reference) -> Result<Vec<u64>> {
        self.read_frames(reference).map_err(|error| error.at(|| self.to_string()))
    }

    fn read_frames(&self, reference: &Reference) -> Result<Vec<u64>> {
        let home = &self.home;
        let chunks = home.chunks(reference.raw_bytes);
        let directory_bytes = home.directory_bytes(chunks);
        let wrong = |what: String| Error::corruption(what, reference.page * PAGE_BYTES);
        let Some(start) = reference.stored_bytes.checked_sub(directory_bytes) else {
            let stored = reference.stored_bytes;
            return Err(wrong(format!("value: {stored} bytes have no room for {chunks} chunks")));
        };
        let place = reference.page * PAGE_BYTES + start;
        let sealed = self.read_sealed(reference, start, directory_bytes)?;
        let directory = open(&home.sealer, &sealed, self.id, place)?;
        let mut reader = ByteReader::new("directory of a value", &directory);
        let mut ends = Vec::new();
        let mut end = VALUE_HEADER_BYTES as u64;
        while !reader.is_empty() {
            end += u64::from(reader.u32()?).min(home.frame_bytes_max() + 1);
            ends.push(end);
        }
        if end == start && ends.len() as u64 == chunks {
            return Ok(ends);
        }
        let found = ends.len();
        Err(wrong(format!("value: {found} chunks end at {end}, {chunks} at {start} expected")))
    }

    /// Chunk `index` of a value, whose `frames` end there.
    pub(super) fn chunk(
        &self,
        reference: &Reference,
        frames: &[u64],
        index: usize,
    ) -> Result<Bytes> {
        let read = self.frame(reference, frames, index).and_then(|(offset, sealed)| {
            let raw = open(&self.home.sealer, &sealed, self.id, offset)?;
            let before = index as u64 * u64::from(self.home.chunk_bytes);
            let expected = reference.raw_bytes.saturating_sub(before);
            if raw.len() as u64 == expected.min(u64::from(self.home.chunk_bytes)) {
                return Ok(raw);
            }
            Err(Error::corruption(format!("value: a chunk of {} bytes", raw.len()), offset))
        });
        read.map_err(|error| error.at(|| self.to_string()))
    }

    /// Frame `index` of a value as it stands in the file, and its offset in the segment as that was written.
    pub(super) fn frame(
        &self,
        reference: &Reference,
        frames: &[u64],
        index: usize,
    ) -> Result<(u64, Bytes)> {
        let before = index.checked_sub(1).and_then(|before| frames.get(before)).copied();
        let start = before.unwrap_or(VALUE_HEADER_BYTES as u64);
        let end = frames.get(index).copied().unwrap_or(start);
        let sealed = self.read_sealed(reference, start, end.saturating_sub(start))?;
        Ok((reference.page * PAGE_BYTES + start, sealed))
    }

    /// Reads a value whole and proves it, its own header included.
    pub(crate) fn verify(self: &Arc<Self>, reference: &Reference) -> Result<()> {
        let header = self.read_sealed(reference, 0, VALUE_HEADER_BYTES as u64)?;
        let proved = ValueHeader::decode(&header).and_then(|header| {
            let same = header == ValueHeader(*reference);
            let wrong = || Error::corruption("value: another header", reference.page * PAGE_BYTES);
            if same { Ok(()) } else { Err(wrong()) }
        });
        proved.map_err(|error| error.at(|| self.to_string()))?;
        let mut reader = ValueReader::of_segment(Arc::clone(self), *reference);
        while reader.next_chunk()?.is_some() {}
        Ok(())
    }

    /// Bytes of a value, `start` bytes into it; they lie within the pages of the value, and those within the segment.
    fn read_sealed(&self, reference: &Reference, start: u64, len: u64) -> Result<Bytes> {
        let extent = self.extent();
        let place = self.kept.place(reference.page, reference.pages(), extent.pages);
        let end = start.checked_add(len).filter(|&end| end <= reference.stored_bytes);
        let (Some(page), Some(_), true) = (place, end, reference.segment == self.id) else {
            let what = format!("{reference:?} is not in a segment of {} pages", extent.pages);
            return Err(Error::corruption(what, start).at(|| self.to_string()));
        };
        let offset = extent.offset() + page * PAGE_BYTES + start;
        let memory_len = usize::try_from(len)
            .map_err(|_| Error::corruption(format!("{len} bytes do not fit in memory"), start))?;
        let mut bytes = vec![0; memory_len];
        self.home.storage.read_at(offset, &mut bytes).map_err(|source| {
            Error::io(format!("reading {len} bytes of {self} at {offset}"), source)
        })?;
        Ok(Bytes::from(bytes))
    }
}
