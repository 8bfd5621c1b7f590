//! [`ValueReader`]: a value as a stream that can be sought in.
//!
//! Handed out by snapshots, transactions and cursors. It holds what it reads through an `Arc`, so it outlives all of
//! them: the value may be overwritten, compacted away or moved meanwhile. In memory is one chunk, and eight bytes for
//! each chunk of the value once it is first read. Every chunk is verified before a byte of it is given out.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;

use super::reference::Reference;
use super::segment::ValueSegment;
use crate::lsm::error::{Error, Result};

/// Reads a value, from front to back or from anywhere.
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
///
/// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Reader, Store};
///
/// let store = Store::open(MemoryStorage::default(), Options::default())?;
/// let mut transaction = store.begin()?;
/// let films = transaction.create_keyspace("films", KeyspaceOptions::default())?;
/// transaction.put_stream(films, b"long", std::io::repeat(7).take(10_000_000))?;
/// transaction.commit(Durability::Sync)?;
///
/// let mut film = store.snapshot().open_value(films, b"long")?.unwrap();
/// let mut transaction = store.begin()?;
/// transaction.delete(films, b"long")?;
/// transaction.commit(Durability::Sync)?;
/// assert_eq!(film.len(), 10_000_000);
/// let mut end = Vec::new();
/// film.seek(SeekFrom::End(-3)).unwrap();
/// film.read_to_end(&mut end).unwrap();
/// assert_eq!(end, [7, 7, 7]);
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct ValueReader {
    source: Source,
    position: u64,
}

enum Source {
    Memory(Bytes),
    Segment(Chunks),
}

struct Chunks {
    segment: Arc<ValueSegment>,
    reference: Reference,
    /// Where the chunks end in the value as it is stored; read with the first chunk.
    frames: Option<Vec<u64>>,
    /// The chunk that was read last, and its number.
    current: Option<(u64, Bytes)>,
}

impl fmt::Debug for ValueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueReader")
            .field("len", &self.len())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl From<Bytes> for ValueReader {
    fn from(value: Bytes) -> Self {
        ValueReader { source: Source::Memory(value), position: 0 }
    }
}

impl ValueReader {
    pub(crate) fn of_segment(segment: Arc<ValueSegment>, reference: Reference) -> Self {
        let chunks = Chunks { segment, reference, frames: None, current: None };
        ValueReader { source: Source::Segment(chunks), position: 0 }
    }

    /// Bytes of the value.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Memory(value) => value.len() as u64,
            Source::Segment(chunks) => chunks.reference.raw_bytes,
        }
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from the position up to the end of their chunk; the position moves behind them. `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        if self.position >= self.len() {
            return Ok(None);
        }
        let rest = match &mut self.source {
            Source::Memory(value) => {
                value.slice(usize::try_from(self.position).unwrap_or(usize::MAX).min(value.len())..)
            }
            Source::Segment(chunks) => chunks.rest(self.position)?,
        };
        self.position += rest.len() as u64;
        Ok(Some(rest))
    }
}

impl Chunks {
    /// The bytes from `position`, which is within the value, up to the end of their chunk.
    fn rest(&mut self, position: u64) -> Result<Bytes> {
        let chunk_bytes = u64::from(self.segment.home.chunk_bytes.max(1));
        let (number, within) = (position / chunk_bytes, position % chunk_bytes);
        let chunk = match &self.current {
            Some((current, chunk)) if *current == number => chunk.clone(),
            _ => {
                let frames = match self.frames.take() {
                    Some(frames) => frames,
                    None => self.segment.frames(&self.reference)?,
                };
                let index = usize::try_from(number).unwrap_or(usize::MAX);
                let chunk = self.segment.chunk(&self.reference, &frames, index);
                self.frames = Some(frames);
                let chunk = chunk?;
                self.current = Some((number, chunk.clone()));
                chunk
            }
        };
        let start = usize::try_from(within).unwrap_or(usize::MAX).min(chunk.len());
        Ok(chunk.slice(start..))
    }
}

impl Read for ValueReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let before = self.position;
        let Some(rest) = self.next_chunk().map_err(into_io)? else { return Ok(0) };
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.position = before + len as u64;
        Ok(len)
    }
}

impl Seek for ValueReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before =
            || io::Error::new(io::ErrorKind::InvalidInput, "before the value's first byte");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}

fn into_io(error: Error) -> io::Error {
    let kind =
        if error.is_corruption() { io::ErrorKind::InvalidData } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
