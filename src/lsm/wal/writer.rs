//! Appends records to the log.
//!
//! Called with the store's commit lock held. A record is appended in memory (`tail`); the store has it written through the
//! system's cache, or takes it off as a [`Flight`] and makes it durable without the lock. Owns the leases of the log's
//! extents, moves on to another extent when a record does not fit, after that extent's header is durable, so that a link
//! never leads nowhere.
//!
//! The pages of an extent are written with zeros before the log goes there. So a commit overwrites pages that exist: it
//! cannot fail for want of space, and making it durable has no new length or place to record.
//!
//! Extents that a checkpoint cut off are kept, within bounds, and serve again when no root can name them any more
//! (decision 0001): they need no zeros, because what an earlier extent left there has another sequence number.
//!
//! A link may reach the device after what stands behind it. What a loss of power leaves there is never reached: where the log ends,
//! the next extent is filled with zeros before it is begun, or the chain of records is a new one.
//!
//! When an extent cannot be made, for want of space say, nothing of the log has changed and the append may be tried
//! again. After any other error the log is *torn*: its end is unknown, and the store must refuse further commits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::next::NextExtent;
use super::tail::{Flight, Tail};
use super::{
    FIRST_EXTENT_PAGES, LINK_PAYLOAD_BYTES, LogPosition, RECORD_HEADER_BYTES, RecordHeader,
    RecordKind, next_offset, record_checksum,
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

/// The end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    storage: Arc<dyn Storage>,
    space: Arc<Space>,
    sealer: Sealer,
    /// Oldest first; the last one is being written.
    extents: VecDeque<(u64, ExtentLease)>,
    at: LogPosition,
    /// What was appended and did not take off.
    tail: Tail,
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
    /// Where the log goes on, if that is ready.
    next: Option<NextExtent>,
    /// Sequence number of the extent that could not be made ready in time.
    given_up: u64,
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
        let mut first = NextExtent::new(space.allocate(FIRST_EXTENT_PAGES), 1);
        while !first.write_piece(&*storage)? {}
        let extent = first.extent();
        let lease = first.into_lease(&storage, 1)?;
        // The first root is about to name it.
        lease.publish();
        let at = LogPosition { extent, sequence: 1, offset: PAGE_BYTES, record: 0, previous: 0 };
        let extents = VecDeque::from([(1, lease)]);
        Self::resume(storage, space, sealer, extents, at, (0, 0), log_bytes_max)
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
    ) -> Result<Self> {
        let extent_pages_max =
            (log_bytes_max / 8 / PAGE_BYTES).clamp(EXTENT_PAGES_MIN, EXTENT_PAGES_MAX);
        let tail = Tail::new(&*storage, at.sequence, at.extent.offset() + at.offset)?;
        Ok(LogWriter {
            storage,
            space,
            sealer,
            extents,
            at,
            tail,
            durable,
            bytes,
            extent_pages_max,
            retired: Vec::new(),
            reused: 0,
            next: None,
            given_up: 0,
            torn: false,
        })
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

    /// Whether the next record begins at a page of its own, so that a flight may end here.
    pub(crate) fn is_sealed(&self) -> bool {
        self.at.offset.is_multiple_of(PAGE_BYTES)
    }

    /// Has everything that was appended survive the death of the process.
    ///
    /// # Errors
    /// Those of the storage; the log is torn then.
    pub(crate) fn cache(&mut self) -> Result<()> {
        let cached = self.tail.cache(&*self.storage);
        self.or_torn(cached)
    }

    /// Takes off with everything that was appended, behind which the log is sealed. One flight at a time may be under way.
    pub(crate) fn take_off(&mut self) -> Flight {
        debug_assert!(self.is_sealed(), "what follows would share a page with it");
        self.tail.take(self.at.record)
    }

    /// Notes that a flight has come to a good end.
    pub(crate) fn landed(&mut self, flight: Flight) {
        self.durable = self.durable.max(flight.record());
        self.tail.landed(flight);
    }

    /// The extent in which the log shall go on, to be made ready, if it is time for that.
    pub(crate) fn next_extent(&mut self) -> Option<NextExtent> {
        if !self.wants_next() {
            return None;
        }
        let sequence = self.at.sequence + 1;
        Some(match self.take_retired(0) {
            Some(lease) => NextExtent::recycled(lease, sequence),
            None => NextExtent::new(self.space.allocate(self.usual_pages()), sequence),
        })
    }

    /// Whether it is time to make the next extent ready.
    pub(crate) fn wants_next(&self) -> bool {
        let half_used = self.at.offset > self.at.extent.bytes() / 2;
        let grows = self.at.extent.pages > FIRST_EXTENT_PAGES && half_used;
        grows && self.next.is_none() && self.given_up != self.at.sequence + 1
    }

    /// The log may go on in `next` from now on, unless it did elsewhere meanwhile.
    pub(crate) fn accept_next(&mut self, next: NextExtent) {
        if next.sequence() == self.at.sequence + 1 && self.next.is_none() {
            self.next = Some(next);
        }
    }

    /// Nobody tries again to make the next extent ready: the commit that needs it does, and meets the error.
    pub(crate) fn give_next_up(&mut self) {
        self.given_up = self.at.sequence + 1;
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

    /// Appends a record, in memory, and says where it stands; `sealed` when a flight follows.
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

    /// Begins a chain of its own: the next record names `previous`, which stands in a root, as the one before it.
    ///
    /// Called when nothing that was read from the log is needed any more and all of it is durable.
    pub(crate) fn begin_chain(&mut self, previous: u64) {
        self.at.previous = previous;
        self.durable = self.at.record;
    }

    /// Begins a new, smallest extent, so that an orderly close leaves a small file.
    pub(crate) fn begin_small_extent(&mut self) -> Result<()> {
        let small = self.new_extent(FIRST_EXTENT_PAGES)?;
        self.link_to(small)?;
        self.next = None;
        self.release_retired(0);
        Ok(())
    }

    /// The log begins at `start` now: extents before it serve again later, or are given back.
    ///
    /// A small log keeps none, a longer one as many as make up an eighth of the file, or the two smallest.
    pub(crate) fn cut(&mut self, start: &LogPosition) {
        // Both slots must be written anew before anything there may be overwritten, and readers elsewhere move on.
        let usable_at = self.space.generation() + 2;
        while self.extents.front().is_some_and(|(sequence, _)| *sequence < start.sequence) {
            let cut = self.extents.pop_front().map(|(_, lease)| (usable_at, lease));
            self.retired.extend(cut.filter(|(_, lease)| lease.extent().pages > FIRST_EXTENT_PAGES));
        }
        let small = self.at.extent.pages <= FIRST_EXTENT_PAGES;
        let kept_pages = (self.space.end() / 8).max(2 * EXTENT_PAGES_MIN);
        self.release_retired(if small { 0 } else { kept_pages });
        self.tail.cut(start.sequence);
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
        let next = self.next.iter().map(NextExtent::extent);
        self.extents.iter().map(|(_, lease)| lease.extent()).chain(kept).chain(next)
    }

    /// Gives the highest extents back that are kept, until those that stay have at most `pages_max` pages.
    fn release_retired(&mut self, pages_max: u64) {
        self.retired.sort_by_key(|(_, lease)| lease.extent().start);
        let mut pages: u64 = self.retired.iter().map(|(_, lease)| lease.extent().pages).sum();
        while pages > pages_max
            && let Some((usable_at, lease)) = self.retired.pop()
        {
            pages -= lease.extent().pages;
            if usable_at <= self.space.usable() {
                lease.forget_roots();
            }
        }
    }

    fn reserved_bytes(&self) -> u64 {
        self.sealer.reserved_bytes() as u64
    }

    /// Pages of the extent that follows this one, if nothing long comes.
    fn usual_pages(&self) -> u64 {
        (self.at.extent.pages * 4).clamp(EXTENT_PAGES_MIN, self.extent_pages_max)
    }

    /// The lowest extent of at least `pages_min` pages that was cut off and may serve again.
    fn take_retired(&mut self, pages_min: u64) -> Option<ExtentLease> {
        let usable = self.space.usable();
        let fits = |(usable_at, lease): &(u64, ExtentLease)| {
            *usable_at <= usable && lease.extent().pages >= pages_min
        };
        let at = self.retired.iter().position(fits)?;
        Some(self.retired.remove(at).1)
    }

    fn move_on(&mut self, payload_bytes: u64) -> Result<()> {
        let link_bytes = 64 + self.reserved_bytes();
        let needed = 2 + pages_for(2 * RECORD_HEADER_BYTES as u64 + payload_bytes + link_bytes);
        let next = match self.next.take_if(|next| next.extent().pages >= needed) {
            Some(next) => next,
            None => match self.take_retired(needed) {
                Some(lease) => NextExtent::recycled(lease, self.at.sequence + 1),
                None => self.new_extent(needed.max(self.usual_pages()))?,
            },
        };
        self.link_to(next)
    }

    /// An extent full of zeros; nothing of the log has changed when there is none.
    fn new_extent(&mut self, pages: u64) -> Result<NextExtent> {
        let mut next = NextExtent::new(self.space.allocate(pages), self.at.sequence + 1);
        while !next.write_piece(&*self.storage)? {}
        // The header and the records to come are made durable one by one, and the length of the file is not.
        let synced = self.storage.sync();
        self.or_torn(synced.map_err(|source| Error::io("syncing an extent of the log", source)))?;
        Ok(next)
    }

    /// Goes on in an extent whose pages were all written.
    fn link_to(&mut self, next: NextExtent) -> Result<()> {
        let sequence = self.at.sequence + 1;
        self.reused += u64::from(next.is_recycled());
        let lease = next.into_lease(&self.storage, sequence);
        let lease = self.or_torn(lease)?;
        let extent = lease.extent();
        // A record may name the extent from here on, whatever happens.
        lease.publish();
        let mut link = extent.start.to_le_bytes().to_vec();
        link.extend_from_slice(&extent.pages.to_le_bytes());
        let link_bytes = LINK_PAYLOAD_BYTES + self.reserved_bytes();
        self.write(RecordKind::Link, &[Bytes::from(link)], link_bytes, true)?;
        self.at = LogPosition { extent, sequence, offset: PAGE_BYTES, ..self.at };
        self.tail.begin(sequence, extent.offset() + PAGE_BYTES);
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
        let end = next_offset(self.at.offset, payload_bytes, sealed);
        let bytes = usize::try_from(end - self.at.offset).unwrap_or_default();
        let header = RecordHeader::encode_body(kind, sealed, &self.at, self.durable);
        let buffer = self.tail.buffer();
        let start = buffer.len();
        buffer.reserve(bytes);
        let encoded = encode_record(&self.sealer, &self.at, &header, payload, buffer);
        if encoded.is_err() {
            buffer.truncate(start);
        }
        let sum = encoded?;
        buffer.resize(start + bytes, 0);
        self.bytes += bytes as u64;
        self.at = LogPosition { offset: end, record: self.at.record + 1, previous: sum, ..self.at };
        Ok(())
    }
}

/// Appends a record at `at` to `out`, and gives its checksum.
fn encode_record(
    sealer: &Sealer,
    at: &LogPosition,
    header: &[u8],
    payload: &[Bytes],
    out: &mut Vec<u8>,
) -> Result<u64> {
    let start = out.len();
    let plain_bytes: usize = payload.iter().map(Bytes::len).sum();
    let len = u32::try_from(plain_bytes + sealer.reserved_bytes()).map_err(|_| {
        Error::ValueTooLong { bytes: plain_bytes as u64, bytes_max: u32::MAX.into() }
    })?;
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(header);
    for piece in payload {
        out.extend_from_slice(piece);
    }
    let payload_from = start + RECORD_HEADER_BYTES;
    sealer.seal(Owner::Log(at.sequence), at.offset, header, payload_from, out)?;
    let sum = record_checksum(at, &out[start + 8..]);
    out[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(sum)
}
