//! Writes sorted entries into segments, each in one extent, a bounded piece at a time.
//!
//! The size of a segment is not known when its first byte is written: an extent for the usual size is taken, or a gap
//! of at least half of it, in which a smaller segment is written; the rest is given back at the end, and when a large group does not fit, what is written is copied verbatim
//! into a larger one (segments do not depend on their place).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, PAGE_BYTES, pages_for};
use crate::lsm::manifest::Keyspace;
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::segment::{SegmentSummary, SegmentWriter};
use crate::lsm::space::ExtentLease;

/// Bytes that are collected before they are written.
const PIECE_BYTES: usize = 1 << 20;
/// A page, as the length of a slice.
const PAGE: usize = 4096;
const _: () = assert!(PAGE as u64 == PAGE_BYTES);

/// The segments that one job writes for one keyspace.
#[derive(Debug)]
pub(crate) struct SegmentOutput {
    disk: Arc<Disk>,
    keyspace: Arc<Keyspace>,
    commits: (CommitNo, CommitNo),
    open: Option<OpenSegment>,
    finished: Vec<(SegmentSummary, ExtentLease)>,
    /// Leaf blocks of the finished segments.
    leaf_blocks: u64,
    /// The group of the last entry, where groups must stay together.
    group: Vec<u8>,
    /// Range tombstones behind the last cut, in key order.
    ranges: VecDeque<KeyRange>,
    pub(super) ranges_split: u64,
}

#[derive(Debug)]
struct OpenSegment {
    writer: SegmentWriter,
    /// Where to close it: smaller than the usual in an extent that is.
    bytes_target: u64,
    place: Place,
}

/// Where a segment is written, and how far it is.
#[derive(Debug)]
struct Place {
    lease: ExtentLease,
    /// Bytes that stand in the extent, whole pages.
    written: u64,
}

impl SegmentOutput {
    /// `commits` is the interval of commits of which the inputs hold entries.
    pub(crate) fn new(
        disk: Arc<Disk>,
        keyspace: Arc<Keyspace>,
        commits: (CommitNo, CommitNo),
    ) -> Self {
        SegmentOutput {
            disk,
            keyspace,
            commits,
            open: None,
            finished: Vec::new(),
            leaf_blocks: 0,
            group: Vec::new(),
            ranges: VecDeque::new(),
            ranges_split: 0,
        }
    }

    /// What it is written to.
    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Writes these range tombstones too. Called before the first entry.
    pub(crate) fn carry(&mut self, ranges: &Ranges) {
        self.ranges = ranges.iter().collect();
    }

    /// Appends an entry; keys ascend.
    pub(crate) fn add(&mut self, key: &[u8], kind: EntryKind, value: &[u8]) -> Result<()> {
        let group = self.keyspace.rewriter.as_ref().map(|rewriter| {
            let group = key.get(..rewriter.group_len(key)).unwrap_or(key);
            let begins = group != self.group;
            self.group.clear();
            self.group.extend_from_slice(group);
            (group, begins || self.open.is_none())
        });
        let (group, begins) = group.unwrap_or((key, true));
        let lists_names = self.keyspace.rewriter.as_ref().is_some_and(|by| by.lists_names());
        if begins && self.open.as_ref().is_some_and(OpenSegment::is_full) {
            self.close_ranges(group);
            self.finish_segment()?;
        }
        let open = self.open_segment();
        if begins && lists_names {
            open.writer.add_name(group);
        }
        open.writer.add(key, kind, value)?;
        if open.writer.output().len() >= PIECE_BYTES
            && let Some(open) = &mut self.open
        {
            open.write_pages(&self.disk)?;
        }
        Ok(())
    }

    /// The segment that is open, or a new one.
    fn open_segment(&mut self) -> &mut OpenSegment {
        if self.open.is_none() {
            let layout = self.disk.layout(&self.keyspace);
            let id = self.disk.new_segment_id();
            let writer = SegmentWriter::new(id, self.keyspace.id, &layout);
            let target = self.disk.options.segment_bytes_target;
            let pages = pages_for(target.saturating_add(target / 4)).max(1);
            let lease = self.disk.space.allocate_between(pages.div_ceil(2), pages);
            // An eighth for the index and for the entry that exceeds the target.
            let bytes_target = target.min(lease.extent().bytes() / 8 * 7);
            let place = Place { lease, written: 0 };
            self.open = Some(OpenSegment { writer, bytes_target, place });
        }
        self.open.as_mut().expect("invariant: a segment was opened above")
    }

    /// Gives the open segment the range tombstones before `cut`, where the next segment begins.
    fn close_ranges(&mut self, cut: &[u8]) {
        while self.ranges.front().is_some_and(|range| &range.lower[..] < cut)
            && let Some(mut range) = self.ranges.pop_front()
        {
            if range.upper.as_ref().is_none_or(|upper| cut < &upper[..]) {
                let cut = Bytes::copy_from_slice(cut);
                let behind = KeyRange { lower: cut.clone(), upper: range.upper.replace(cut) };
                self.ranges.push_front(behind);
                self.ranges_split += 1;
            }
            self.open_segment().writer.add_range(range);
        }
    }

    /// Closes the last segment and hands all of them over, with the number of their leaf blocks.
    pub(crate) fn finish(mut self) -> Result<(Vec<(SegmentSummary, ExtentLease)>, u64)> {
        while let Some(range) = self.ranges.pop_front() {
            let is_before = |open: &OpenSegment| open.writer.is_before(&range.lower);
            if self.open.as_ref().is_some_and(|open| open.is_full() && is_before(open)) {
                self.finish_segment()?;
            }
            self.open_segment().writer.add_range(range);
        }
        self.finish_segment()?;
        Ok((std::mem::take(&mut self.finished), self.leaf_blocks))
    }

    /// Bytes of segments that were written so far: of those that are finished, and the whole pages of the open one.
    pub(super) fn written_bytes(&self) -> u64 {
        let finished = self.finished.iter().map(|(summary, _)| summary.bytes).sum::<u64>();
        finished + self.open.as_ref().map_or(0, |open| open.place.written)
    }

    fn finish_segment(&mut self) -> Result<()> {
        if let Some(mut open) = self.open.take() {
            open.write_pages(&self.disk)?;
            self.leaf_blocks += open.writer.leaf_blocks();
            let OpenSegment { writer, mut place, .. } = open;
            let (mut end, summary) = writer.finish(self.commits)?;
            // Whole pages, so that the file never ends inside one.
            end.resize(end.len().next_multiple_of(PAGE), 0);
            place.append(&self.disk, &end)?;
            place.lease.shrink_to(pages_for(place.written));
            self.finished.push((summary, place.lease));
        }
        Ok(())
    }
}

impl OpenSegment {
    fn is_full(&self) -> bool {
        self.writer.bytes() >= self.bytes_target
    }

    /// Writes the pages that are full. What is left stays where it grows.
    fn write_pages(&mut self, disk: &Disk) -> Result<()> {
        let pages = self.writer.output().as_chunks::<PAGE>().0.as_flattened();
        self.place.append(disk, pages)?;
        let bytes = pages.len();
        self.writer.take_output(bytes);
        Ok(())
    }
}

impl Place {
    /// Writes whole pages.
    fn append(&mut self, disk: &Disk, pages: &[u8]) -> Result<()> {
        let bytes = pages.len() as u64;
        let needed = self.written + bytes;
        if needed > self.lease.extent().bytes() {
            let larger = disk.space.allocate(pages_for(needed * 2));
            copy(disk, &self.lease, &larger, self.written)?;
            self.lease = larger;
        }
        let offset = self.lease.extent().offset() + self.written;
        disk.storage.write_bulk(offset, pages).map_err(|source| {
            Error::io(format!("writing {bytes} bytes of a segment at {offset}"), source)
        })?;
        self.written = needed;
        Ok(())
    }
}

fn copy(disk: &Disk, from: &ExtentLease, to: &ExtentLease, bytes: u64) -> Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut done = 0;
    while done < bytes {
        let len = usize::try_from(bytes - done).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let (source, target) = (from.extent().offset() + done, to.extent().offset() + done);
        disk.storage
            .read_at(source, &mut buffer[..len])
            .and_then(|()| disk.storage.write_bulk(target, &buffer[..len]))
            .map_err(|error| Error::io(format!("moving a segment to {target}"), error))?;
        done += len as u64;
    }
    Ok(())
}
