//! Writing values: one at a time, chunk by chunk, into segments that belong to nobody yet.
//!
//! [`append_value`] knows the length, and puts values side by side into one segment until that is large enough;
//! [`stream_value`] does not, and gives the value a segment of its own, which grows in its place while the pages behind it
//! are free, and moves to a larger place when they are not. What was taken too much is given back at the end, so a segment
//! has one extent whose pages all hold values. In memory are a mebibyte, a chunk, and four bytes for each chunk.
//!
//! The first page of a value is written last: its header says how long the value became.
//! An error leaves the segments as they were.

use std::io::Read;
use std::sync::Arc;

use super::VALUE_HEADER_BYTES;
use super::kept::Kept;
use super::lookup::{HeldValues, ValueMap};
use super::reference::Reference;
use super::segment::{ValueHeader, ValueHome, ValueSegment};
use crate::lsm::block::{Compression, seal};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, PAGE_BYTES, STREAM_BYTES_MAX, SegmentId, pages_for};

/// Bytes that are collected before they are written.
const PIECE_BYTES: usize = 1 << 20;
/// A page, as the length of a slice.
const PAGE: usize = 4096;
const _: () = assert!(PAGE as u64 == PAGE_BYTES);

/// Writes a value behind those of the newest segment, or into a new one; `map` are the segments of its keyspace that
/// nobody else has.
pub(crate) fn append_value(
    home: &Arc<ValueHome>,
    map: &mut ValueMap,
    new_id: impl FnOnce() -> SegmentId,
    compression: Compression,
    value: &[u8],
) -> Result<Reference> {
    let most = pages_for(home.stored_bytes_max(value.len() as u64));
    if let Some(held) = map.values_mut().next_back()
        // Not while somebody reads a value of it, who may keep it as it is.
        && let Some(segment) = Arc::get_mut(&mut held.segment)
    {
        let page = segment.extent().pages;
        let fits = (page + most).saturating_mul(PAGE_BYTES) <= home.segment_bytes_target;
        if fits && segment.lease.grow_to(page + most) {
            let written = write(segment, page, compression, value);
            segment.lease.shrink_to(written.as_ref().map_or(page, Reference::end));
            return written;
        }
    }
    let lease = home.space.allocate(most);
    let mut segment = ValueSegment::new(Arc::clone(home), new_id(), lease, Kept::default());
    let reference = write(&mut segment, 0, compression, value)?;
    Ok(keep(map, segment, reference))
}

/// Writes the value that begins with `head` and goes on with what `rest` gives, into a segment of its own.
///
/// # Errors
/// [`Error::ValueTooLong`]; what `rest` or the device meets.
pub(crate) fn stream_value(
    home: &Arc<ValueHome>,
    map: &mut ValueMap,
    new_id: impl FnOnce() -> SegmentId,
    compression: Compression,
    head: &[u8],
    rest: &mut dyn Read,
) -> Result<Reference> {
    let pages = pages_for(home.stored_bytes_max(2 * head.len() as u64));
    let lease = home.space.allocate(pages);
    let mut segment = ValueSegment::new(Arc::clone(home), new_id(), lease, Kept::default());
    let mut writing = Writing::new(&mut segment, 0, 0, compression);
    let mut source = head.chain(rest);
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        let limit = u64::from(home.chunk_bytes);
        let read = source.by_ref().take(limit).read_to_end(&mut chunk);
        read.map_err(|error| Error::io("reading the value that is to be stored", error))?;
        if chunk.is_empty() {
            break;
        }
        writing.chunk(&chunk)?;
        if writing.raw_bytes > STREAM_BYTES_MAX {
            let (bytes, bytes_max) = (writing.raw_bytes, STREAM_BYTES_MAX);
            return Err(Error::ValueTooLong { bytes, bytes_max });
        }
    }
    let reference = writing.finish()?;
    Ok(keep(map, segment, reference))
}

/// Adds a new segment with one value, without the pages that it does not need.
fn keep(map: &mut ValueMap, mut segment: ValueSegment, reference: Reference) -> Reference {
    segment.lease.shrink_to(reference.end());
    let (id, segment) = (segment.id, Arc::new(segment));
    map.insert(id, HeldValues { segment, commit: CommitNo(0), live_pages: 0 });
    reference
}

/// Writes a whole value from page `page` of a segment on, which has room for it.
fn write(
    segment: &mut ValueSegment,
    page: u64,
    compression: Compression,
    value: &[u8],
) -> Result<Reference> {
    let chunk_bytes = usize::try_from(segment.home.chunk_bytes).unwrap_or(usize::MAX);
    let mut writing = Writing::new(segment, page, page, compression);
    value.chunks(chunk_bytes).try_for_each(|chunk| writing.chunk(chunk))?;
    writing.finish()
}

/// A value that is being written.
pub(super) struct Writing<'a> {
    segment: &'a mut ValueSegment,
    compression: Compression,
    /// The page of the segment where it begins, as the segment is written, and where that page stands in the extent.
    page: u64,
    place: u64,
    /// The value's first page, once there is one.
    first: Vec<u8>,
    /// Bytes before `buffer`, whole pages.
    written: u64,
    buffer: Vec<u8>,
    /// Length of each frame.
    directory: Vec<u8>,
    pub(super) raw_bytes: u64,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        segment: &'a mut ValueSegment,
        page: u64,
        place: u64,
        compression: Compression,
    ) -> Self {
        Writing {
            segment,
            compression,
            page,
            place,
            first: Vec::new(),
            written: 0,
            buffer: vec![0; VALUE_HEADER_BYTES],
            directory: Vec::new(),
            raw_bytes: 0,
        }
    }

    /// Bytes of the value so far.
    fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn chunk(&mut self, raw: &[u8]) -> Result<()> {
        let before = self.buffer.len();
        self.seal(raw, self.compression)?;
        self.raw_bytes += raw.len() as u64;
        self.framed(before)
    }

    /// Adds a chunk that is sealed for the place where it will stand.
    pub(super) fn frame(&mut self, sealed: &[u8]) -> Result<()> {
        let before = self.buffer.len();
        self.buffer.extend_from_slice(sealed);
        self.framed(before)
    }

    /// Notes the frame that begins `before` bytes into the buffer.
    fn framed(&mut self, before: usize) -> Result<()> {
        let bytes = u32::try_from(self.buffer.len() - before);
        let bytes = bytes.expect("invariant: a chunk is shorter than 4 GiB");
        self.directory.extend_from_slice(&bytes.to_le_bytes());
        if self.buffer.len() >= PIECE_BYTES { self.write_pages() } else { Ok(()) }
    }

    fn seal(&mut self, raw: &[u8], compression: Compression) -> Result<()> {
        let offset = self.page * PAGE_BYTES + self.len();
        let (sealer, id) = (&self.segment.home.sealer, self.segment.id);
        seal(sealer, raw, compression, id, offset, &mut self.buffer).map(drop)
    }

    pub(super) fn finish(mut self) -> Result<Reference> {
        let directory = std::mem::take(&mut self.directory);
        self.seal(&directory, Compression::None)?;
        let reference = Reference {
            segment: self.segment.id,
            page: self.page,
            raw_bytes: self.raw_bytes,
            stored_bytes: self.len(),
        };
        self.buffer.resize(self.buffer.len().next_multiple_of(PAGE), 0);
        self.write_pages()?;
        self.first[..VALUE_HEADER_BYTES].copy_from_slice(&ValueHeader(reference).encode());
        self.store(0, &self.first)?;
        Ok(reference)
    }

    /// Writes the whole pages that were collected, but for the first one.
    fn write_pages(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let (pages, rest) = buffer.as_chunks::<PAGE>();
        self.make_room(self.written + (pages.len() * PAGE) as u64)?;
        let pages = match pages.split_first() {
            Some((first, others)) if self.written == 0 => {
                self.first = first.to_vec();
                self.written = PAGE_BYTES;
                others
            }
            _ => pages,
        };
        self.store(self.written, pages.as_flattened())?;
        self.written += (pages.len() * PAGE) as u64;
        self.buffer = rest.to_vec();
        Ok(())
    }

    fn store(&self, start: u64, pages: &[u8]) -> Result<()> {
        if pages.is_empty() {
            return Ok(());
        }
        let place = self.segment.extent().offset() + self.place * PAGE_BYTES + start;
        self.segment.home.storage.write_bulk(place, pages).map_err(|source| {
            let what = format!("writing {} bytes of a value at {place}", pages.len());
            Error::io(what, source)
        })
    }

    /// Makes the extent large enough for so many bytes of the value.
    fn make_room(&mut self, bytes: u64) -> Result<()> {
        let needed = self.place + pages_for(bytes);
        let lease = &mut self.segment.lease;
        if needed <= lease.extent().pages || lease.grow_to(2 * needed) {
            return Ok(());
        }
        assert!(self.place == 0, "invariant: a value of unknown length has a segment of its own");
        let home = &self.segment.home;
        let larger = home.space.allocate(2 * needed);
        let mut done = PAGE_BYTES;
        while done < self.written {
            let piece = (self.written - done).min(PIECE_BYTES as u64);
            let mut buffer = vec![0; usize::try_from(piece).unwrap_or(PIECE_BYTES)];
            let from = self.segment.extent().offset() + done;
            let to = larger.extent().offset() + done;
            let read = home.storage.read_at(from, &mut buffer);
            let moved = read.and_then(|()| home.storage.write_bulk(to, &buffer));
            moved.map_err(|error| Error::io(format!("moving a value to {to}"), error))?;
            done += piece;
        }
        self.segment.lease = larger;
        Ok(())
    }
}
