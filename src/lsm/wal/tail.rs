//! The end of the log in memory: whole pages of what was appended and is not known to be durable.
//!
//! [`LogWriter`](super::LogWriter) appends here, with the store's commit lock held. From here it goes to the file in one
//! of two ways:
//!
//! ```text
//! append ──▶ Tail ── cache: what is new, through the system's cache ─────────▶ survives the death of the process
//!             └───── take ─▶ Flight, without the lock: one durable write ─────▶ survives a loss of power
//! ```
//! * A flight begins at a page and ends behind a sealed record, at the end of a page. What is appended while it is under way
//!   goes to pages behind it, so nobody else writes to its pages.
//! * What went through the cache stays here, too: a flight writes its pages again, whole, so that it waits for no sync of the
//!   file. The system writes such a page out before it lets a direct write of it pass, and drops it from the cache then; both hold the
//!   same bytes up to the end of what was cached.
//! * When more than [`TAIL_BYTES_MAX`] were cached, as by many weak commits without a strong one, they are forgotten here,
//!   and the next flight is a sync of the file.
//!
//! Cost: memory for the bytes between two flights, and one copy of them.

use std::collections::VecDeque;

use crate::lsm::error::{Error, Result};
use crate::lsm::ids::PAGE_BYTES;
use crate::lsm::storage::Storage;

/// Bytes that are kept although the system's cache has them: more than this is cheaper to sync than to write twice.
const TAIL_BYTES_MAX: usize = 64 << 10;

/// Memory of a flight that is kept for the next one at most.
const SPARE_BYTES_MAX: usize = 16 << 10;

/// What was appended and is not known to be durable.
#[derive(Debug)]
pub(super) struct Tail {
    /// Oldest first, one for each extent; never empty, the last one grows.
    pieces: VecDeque<Piece>,
    /// Older bytes are in the system's cache only.
    outgrown: bool,
    /// Memory of a flight that has landed, for the next piece.
    spare: Vec<u8>,
}

/// Bytes of the log that stand together.
#[derive(Debug)]
struct Piece {
    /// Sequence number of the extent.
    sequence: u64,
    /// Bytes from the start of the file; at a page, unless older bytes were forgotten.
    offset: u64,
    bytes: Vec<u8>,
    /// How many of them the system's cache has.
    cached: usize,
}

/// Pages on their way to the device, for which nobody needs to hold a lock.
#[derive(Debug)]
pub(crate) struct Flight {
    pieces: VecDeque<Piece>,
    needs_sync: bool,
    record: u64,
}

impl Tail {
    /// Of a log that ends `offset` bytes into the file. What stands before it in the page stays: readers in other processes
    /// may look at it.
    pub(super) fn new(storage: &dyn Storage, sequence: u64, offset: u64) -> Result<Self> {
        let mut tail = Tail { pieces: VecDeque::new(), outgrown: false, spare: Vec::new() };
        tail.begin(sequence, offset - offset % PAGE_BYTES);
        let mut before = vec![0; usize::try_from(offset % PAGE_BYTES).unwrap_or_default()];
        let read = storage.read_at(offset - offset % PAGE_BYTES, &mut before);
        read.map_err(|source| Error::io("reading the end of the log", source))?;
        let last = tail.last();
        last.cached = before.len();
        last.bytes = before;
        Ok(tail)
    }

    /// Goes on `offset` bytes into the file.
    pub(super) fn begin(&mut self, sequence: u64, offset: u64) {
        let bytes = std::mem::take(&mut self.spare);
        self.pieces.push_back(Piece { sequence, offset, bytes, cached: 0 });
    }

    /// Where records are appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.last().bytes
    }

    fn last(&mut self) -> &mut Piece {
        self.pieces.back_mut().expect("invariant: a tail has a piece that grows")
    }

    /// Writes what is new through the system's cache.
    pub(super) fn cache(&mut self, storage: &dyn Storage) -> Result<()> {
        for piece in &mut self.pieces {
            piece.cache(storage)?;
        }
        let bytes: usize = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
        if self.outgrown || bytes > TAIL_BYTES_MAX {
            self.outgrown = true;
            self.restart();
        }
        Ok(())
    }

    /// Takes everything off, up to record number `record`, before which a page was sealed.
    pub(super) fn take(&mut self, record: u64) -> Flight {
        let needs_sync = std::mem::take(&mut self.outgrown);
        let pieces = self.restart();
        Flight { pieces, needs_sync, record }
    }

    /// Keeps memory of a flight that has landed.
    pub(super) fn landed(&mut self, flight: Flight) {
        let last = flight.pieces.into_iter().next_back();
        if let Some(Piece { mut bytes, .. }) =
            last.filter(|last| last.bytes.capacity() <= SPARE_BYTES_MAX)
        {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Goes on, empty, where it ends; gives what it held.
    fn restart(&mut self) -> VecDeque<Piece> {
        let pieces = std::mem::take(&mut self.pieces);
        if let Some(last) = pieces.back() {
            self.begin(last.sequence, last.offset + last.bytes.len() as u64);
        }
        pieces
    }

    /// Forgets what stands in extents before `sequence`: a checkpoint made it durable, and may give their pages back.
    pub(super) fn cut(&mut self, sequence: u64) {
        self.pieces.retain(|piece| piece.sequence >= sequence);
    }
}

impl Piece {
    fn cache(&mut self, storage: &dyn Storage) -> Result<()> {
        self.write_rest(storage)?;
        self.cached = self.bytes.len();
        Ok(())
    }

    /// Writes what the system's cache does not have.
    fn write_rest(&self, storage: &dyn Storage) -> Result<()> {
        let rest = &self.bytes[self.cached..];
        let offset = self.offset + self.cached as u64;
        if rest.is_empty() {
            return Ok(());
        }
        storage.write_at(offset, rest).map_err(|source| {
            Error::io(format!("appending {} bytes to the log at {offset}", rest.len()), source)
        })
    }
}

impl Flight {
    /// Records of smaller numbers are durable when it has landed.
    pub(crate) fn record(&self) -> u64 {
        self.record
    }

    /// Makes its pages durable, and what was forgotten of those before them.
    ///
    /// # Errors
    /// Those of the storage; nothing is known of the pages then.
    pub(crate) fn write(&self, storage: &dyn Storage) -> Result<()> {
        if self.needs_sync {
            for piece in &self.pieces {
                piece.write_rest(storage)?;
            }
            return storage.sync().map_err(|source| Error::io("syncing the log", source));
        }
        for piece in self.pieces.iter().filter(|piece| !piece.bytes.is_empty()) {
            storage.write_durable(piece.offset, &piece.bytes).map_err(|source| {
                let (bytes, offset) = (piece.bytes.len(), piece.offset);
                Error::io(format!("writing {bytes} bytes of the log at {offset}"), source)
            })?;
        }
        Ok(())
    }
}
