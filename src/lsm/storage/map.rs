//! Read-only mappings of parts of a file, and the table that keeps what is mapped from changing.
//!
//! [`FileStorage`](super::FileStorage) maps the pages of a segment when a reader asks for them, and notes every write,
//! punch and cut here while it lasts. The program takes mapped memory for constant, so a mapping is given only of what
//! nobody is changing, and a change of what is mapped is refused: the store never asks for one, because it holds the
//! lease of the extent as long as the mapping lives, and an error is what a mistake of its should become.
//!
//! ```text
//! map ──► Ranges: is being changed? ──► the mapping, with its note and its owner in one `Bytes`
//! write ─► Ranges: is mapped? ────────► the write, noted until it is done
//! ```
//!
//! Invariant: mapped ranges are disjoint, or the same. Cost: one short lock per call of the storage that changes
//! something, beside a system call; none per access.
//!
//! This is the one place of the storage core with `unsafe` code.

#![expect(unsafe_code, reason = "mapping a file is unsafe: others could change it; see `map`")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use memmap2::MmapOptions;

use crate::lsm::sync::{Mutex, MutexGuard};

/// Which bytes of a file are mapped, and which are being changed.
#[derive(Debug, Default, Clone)]
pub(super) struct Ranges {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// By its start, the end of each mapped range and the number of its mappings.
    mapped: BTreeMap<u64, (u64, usize)>,
    changing: Vec<(u64, u64)>,
}

/// A range that is being changed, until this is dropped.
#[derive(Debug)]
pub(super) struct Change<'a> {
    ranges: &'a Ranges,
    range: (u64, u64),
}

/// A range that is mapped, until this is dropped.
#[derive(Debug)]
struct Mapped {
    ranges: Ranges,
    start: u64,
}

/// A mapping and what must outlive it: fields are dropped in their order.
struct Mapping<M> {
    map: M,
    _mapped: Mapped,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl<M: AsRef<[u8]>> AsRef<[u8]> for Mapping<M> {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref()
    }
}

/// Maps `bytes` bytes of `file` from `offset` on; `None` when they are not all there, are being changed, overlap another
/// mapping without being the same, or the system refuses.
pub(super) fn map(
    file: &File,
    ranges: &Ranges,
    offset: u64,
    bytes: u64,
    keep: Arc<dyn Any + Send + Sync>,
) -> Option<Bytes> {
    let len = usize::try_from(bytes).ok()?;
    let end = offset.checked_add(bytes)?;
    let mapped = ranges.note_mapped(offset, end)?;
    // Asked after the range was noted: from then on nobody cuts it off.
    if end > file.metadata().ok()?.len() {
        return None;
    }
    // SAFETY: the memory must not change while it is mapped. The file has one writer, which holds its lock, and every
    // write, punch and cut of that writer passes `Ranges::change`, which refuses this range until `mapped` is dropped,
    // after the mapping. A writer in another process does not know of this range, but of the lease that `keep` owns, as
    // `Storage::lease` asks of who maps beside a writer: until that is dropped it leaves the range alone. Whoever changes
    // the file past its lock and the leases breaks it for every reader, mapped or not.
    let map = unsafe { MmapOptions::new().offset(offset).len(len).map(file) }.ok()?;
    Some(Bytes::from_owner(Mapping { map, _mapped: mapped, _keep: keep }))
}

/// A copy of `bytes`, which stand from `offset` on, under the rules of a mapping: for storages that are memory anyway.
pub(super) fn map_copy(
    bytes: Vec<u8>,
    ranges: &Ranges,
    offset: u64,
    keep: Arc<dyn Any + Send + Sync>,
) -> Option<Bytes> {
    let mapped = ranges.note_mapped(offset, offset.checked_add(bytes.len() as u64)?)?;
    Some(Bytes::from_owner(Mapping { map: bytes, _mapped: mapped, _keep: keep }))
}

impl Ranges {
    /// Notes that `[start, end)` is being changed.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] when a part of it is mapped.
    pub(super) fn change(&self, start: u64, end: u64) -> io::Result<Change<'_>> {
        let mut table = self.lock();
        if let Some((from, to)) = table.mapped_in(start, end) {
            let what = format!("bytes {from}..{to} are mapped and may not change");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        table.changing.push((start, end));
        Ok(Change { ranges: self, range: (start, end) })
    }

    fn note_mapped(&self, start: u64, end: u64) -> Option<Mapped> {
        let mut table = self.lock();
        if start >= end || table.changing.iter().any(|&(from, to)| from < end && start < to) {
            return None;
        }
        match table.mapped_in(start, end) {
            Some(same) if same == (start, end) => {}
            Some(_) => return None,
            None => {}
        }
        table.mapped.entry(start).or_insert((end, 0)).1 += 1;
        Some(Mapped { ranges: self.clone(), start })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The last mapped range that shares a byte with `[start, end)`.
    fn mapped_in(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let (&from, &(to, _)) = self.mapped.range(..end).next_back()?;
        (to > start).then_some((from, to))
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let mut table = self.ranges.lock();
        if let Some(at) = table.changing.iter().position(|&range| range == self.range) {
            table.changing.swap_remove(at);
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let mut table = self.ranges.lock();
        if let Some((_, count)) = table.mapped.get_mut(&self.start) {
            *count -= 1;
            if *count == 0 {
                table.mapped.remove(&self.start);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow twin: every range in a list.
    #[derive(Default)]
    struct Twin {
        mapped: Vec<(u64, u64)>,
        changing: Vec<(u64, u64)>,
    }

    fn meets(list: &[(u64, u64)], (start, end): (u64, u64)) -> Vec<(u64, u64)> {
        list.iter().copied().filter(|&(from, to)| from < end && start < to).collect()
    }

    #[test]
    fn what_is_mapped_does_not_change_and_what_changes_is_not_mapped() {
        for seed in 0..50 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let ranges = Ranges::default();
            let (mut mapped, mut changes) = (Vec::new(), Vec::new());
            let mut twin = Twin::default();
            for _ in 0..400 {
                let start = rng.u64(..40);
                let range = (start, start + rng.u64(1..6));
                match rng.u8(..4) {
                    0 => {
                        let note = ranges.note_mapped(range.0, range.1);
                        let others = meets(&twin.mapped, range);
                        let may = meets(&twin.changing, range).is_empty()
                            && others.iter().all(|&other| other == range);
                        assert_eq!(note.is_some(), may, "seed {seed}: {range:?} in {others:?}");
                        if let Some(note) = note {
                            mapped.push(note);
                            twin.mapped.push(range);
                        }
                    }
                    1 => {
                        let change = ranges.change(range.0, range.1);
                        assert_eq!(change.is_ok(), meets(&twin.mapped, range).is_empty());
                        if let Ok(change) = change {
                            changes.push(change);
                            twin.changing.push(range);
                        }
                    }
                    2 if !mapped.is_empty() => {
                        let at = rng.usize(..mapped.len());
                        mapped.swap_remove(at);
                        twin.mapped.swap_remove(at);
                    }
                    _ if !changes.is_empty() => {
                        let at = rng.usize(..changes.len());
                        changes.swap_remove(at);
                        twin.changing.swap_remove(at);
                    }
                    _ => {}
                }
            }
            drop((mapped, changes));
            assert!(ranges.lock().mapped.is_empty() && ranges.lock().changing.is_empty());
        }
    }
}
