//! A look at every page of a file: what stands there by its own marks, whoever may name it.
//!
//! Segments are known by their footers, wherever they end; log extents by their headers, at the start of a page; roots
//! by their slots and by their copies behind manifests, at the end of a page. All of these carry checksums that take their
//! place, so what is found was written there, though perhaps long ago. Large values have headers at the start of a page. Pages that the device cannot read count as zeros.
//! Cost: the file is read once; a few dozen bytes of memory for each thing that is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::cipher::Sealer;
use crate::lsm::codec::ByteReader;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{Extent, KeyspaceId, PAGE_BYTES, SegmentId};
use crate::lsm::root::{ROOT_BYTES, ROOT_MAGIC, Root, SLOT_PAGES};
use crate::lsm::segment::{FOOTER_BYTES, FOOTER_MAGIC, SegmentSummary, find_segment};
use crate::lsm::storage::Storage;
use crate::lsm::value::{Reference, VALUE_MAGIC, ValueHeader};
use crate::lsm::wal::{EXTENT_MAGIC, read_extent_header};

/// Bytes that are looked at at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A storage whose unreadable places read as zeros.
pub(super) struct Lenient {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) len_bytes: u64,
}

/// What stands in the file.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// By number and first page: a segment that was moved may stand in its old place too.
    pub(super) segments: BTreeMap<(SegmentId, u64), (Extent, SegmentSummary)>,
    /// What the segments say of their keyspaces.
    pub(super) keyspaces: BTreeMap<KeyspaceId, KeyspaceDescriptor>,
    /// Large values with the pages of the file in which they stand, ascending.
    pub(super) values: Vec<(Reference, Extent)>,
    /// Of the two slots, those that are whole; newest first.
    pub(super) slots: Vec<Root>,
    /// Whether both slots are what a store leaves there.
    pub(super) slots_are_sound: bool,
    /// Copies of roots behind manifests.
    pub(super) copies: Vec<Root>,
    /// Sequence numbers and places of log extents.
    pub(super) log: Vec<(u64, Extent)>,
}

impl Lenient {
    pub(super) fn new(storage: &Arc<dyn Storage>) -> Result<Self> {
        let len_bytes =
            storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
        Ok(Lenient { storage: Arc::clone(storage), len_bytes })
    }

    /// Bytes of the file, cut at its end; zeros where the device fails.
    pub(super) fn read(&self, offset: u64, len: u64) -> Bytes {
        let len = len.min(self.len_bytes.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        if self.storage.read_at(offset, &mut bytes).is_ok() {
            return Bytes::from(bytes);
        }
        let page = usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX);
        let mut at = offset;
        for piece in bytes.chunks_mut(page) {
            if self.storage.read_at(at, piece).is_err() {
                piece.fill(0);
            }
            at += piece.len() as u64;
        }
        Bytes::from(bytes)
    }

    /// Looks at every page; `progress` hears how many bytes were looked at.
    pub(super) fn survey(&self, sealer: &Sealer, progress: &mut dyn FnMut(u64)) -> Survey {
        let mut survey = Survey::default();
        self.slots(sealer, &mut survey);
        let mut offset = 0;
        while offset < self.len_bytes {
            // What begins at the end of these bytes may end behind them.
            let bytes = self.read(offset, CHUNK_BYTES + FOOTER_BYTES);
            let own = usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX).min(bytes.len());
            for at in positions(&bytes, &FOOTER_MAGIC).take_while(|&at| at < own) {
                let found = find_segment(&*self.storage, sealer, offset + at as u64);
                if let Some((extent, summary, description)) = found {
                    let mut reader = ByteReader::new("keyspace", &description);
                    let keyspace = KeyspaceDescriptor::decode(&mut reader).ok();
                    let keyspace = keyspace.filter(|keyspace| keyspace.id == summary.keyspace);
                    survey.keyspaces.extend(keyspace.map(|keyspace| (keyspace.id, keyspace)));
                    survey.segments.insert((summary.id, extent.start), (extent, summary));
                }
            }
            let page_bytes = usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX);
            let pages = bytes.get(..own).unwrap_or_default().chunks(page_bytes);
            for (number, page) in (offset / PAGE_BYTES..).zip(pages) {
                if page.starts_with(EXTENT_MAGIC) {
                    survey.log.extend(read_extent_header(&*self.storage, number).ok().flatten());
                }
                if page.starts_with(VALUE_MAGIC)
                    && let Ok(ValueHeader(value)) = ValueHeader::decode(page)
                {
                    let extent = Extent::checked(number, value.pages());
                    survey.values.extend(extent.map(|extent| (value, extent)));
                }
                let copy = page.len().checked_sub(ROOT_BYTES).and_then(|at| page.get(at..));
                let copy = copy.filter(|copy| copy.starts_with(ROOT_MAGIC));
                let root = copy.and_then(|copy| Root::open(copy, sealer));
                // It stands at the end of the manifest that it names, or it is none.
                survey.copies.extend(root.filter(|root| root.manifest.end() == number + 1));
            }
            offset += own as u64;
            progress(offset);
        }
        survey.log.sort_unstable();
        survey
    }

    fn slots(&self, sealer: &Sealer, survey: &mut Survey) {
        let slots = SLOT_PAGES.map(|page| self.read(page * PAGE_BYTES, PAGE_BYTES));
        let is_unwritten = |slot: &Bytes| slot.iter().all(|&byte| byte == 0);
        survey.slots = slots.iter().filter_map(|slot| Root::open(slot, sealer)).collect();
        survey.slots.sort_by_key(|root| std::cmp::Reverse(root.generation));
        // Only the very first root has no other one beside it.
        let unwritten = slots.iter().filter(|slot| is_unwritten(slot)).count();
        let is_first = |root: &Root| root.generation == 1;
        survey.slots_are_sound = match survey.slots.as_slice() {
            [_, _] => true,
            [only] => unwritten == 1 && is_first(only),
            _ => false,
        };
    }
}

/// Where `wanted` stands in `bytes`.
fn positions<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows.filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}
