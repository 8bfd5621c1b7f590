//! [`FreshTable`]: the entries of one keyspace in a fresh run, and its range tombstones.
//!
//! A table is a list of *parts* in key order, each with its entries in the encoding that the log has, and where each
//! stands in it. Parts are immutable and shared: tables whose keys lie apart become one by joining their lists (`fold`).
//! [`FreshTableBuilder`] makes a table of ascending entries; what was added can be read at once, so that a transaction
//! which writes in key order needs nothing else. Small neighbours become one part, so parts are few.
//!
//! Cost: finding an entry takes O(log n) comparisons, reading one two slice operations, adding one a copy of it.

use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::ids::KEY_BYTES_MAX;
use crate::lsm::ranges::Ranges;

/// Bytes at which a part is closed and the next one begun. Few in tests, so that those of the store pass over ends of parts.
const PART_BYTES_MAX: usize = if cfg!(test) { 300 } else { 1 << 20 };
/// Of two neighbours of which both are smaller one part is made.
const SMALL_BYTES_MAX: usize = if cfg!(test) { 100 } else { 64 << 10 };
/// Bytes that a part takes besides entries.
const PART_OVERHEAD_BYTES: usize = 64;

/// The entries of one keyspace in a fresh run, and its range tombstones.
#[derive(Debug, Default)]
pub(super) struct FreshTable {
    /// In key order, none empty.
    pub(super) parts: Vec<Arc<Part>>,
    pub(super) ranges: Arc<Ranges>,
    entries: usize,
    bytes: usize,
    memory_bytes: usize,
}

/// Neighbouring entries: their encoding, and where each stands in it.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key_start: u32,
    key_end: u32,
    value_end: u32,
    /// The value begins behind its length; keys and values are at most 32 bits apart.
    value_start: u32,
    kind: EntryKind,
}

/// A part as it is read, closed or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    slots: &'a [Slot],
}

/// Where an entry stands: its part, and its number there. Behind the last entry stands the part that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(super) part: usize,
    pub(super) index: usize,
}

/// An entry as it stands: key, kind, and value or operand.
pub(crate) type EntryRef<'a> = (&'a [u8], EntryKind, &'a [u8]);

/// Entries in parts, in key order.
pub(crate) trait Parts {
    fn parts(&self) -> usize;

    fn part(&self, part: usize) -> View<'_>;

    /// The value of an entry, kept alive by itself.
    fn value(&self, place: Place) -> Bytes;

    fn end(&self) -> Place {
        Place { part: self.parts(), index: 0 }
    }

    /// The first entry whose key is `key` or greater.
    fn lower_bound(&self, key: &[u8]) -> Place {
        let (mut low, mut high) = (0, self.parts());
        while low < high {
            let middle = low.midpoint(high);
            if self.part(middle).last_key() < key { low = middle + 1 } else { high = middle }
        }
        let index = if low < self.parts() { self.part(low).lower_bound(key) } else { 0 };
        Place { part: low, index }
    }

    /// The entry that stands at `place`.
    fn entry(&self, place: Place) -> Option<EntryRef<'_>> {
        let view = (place.part < self.parts()).then(|| self.part(place.part))?;
        Some((view.key(place.index), view.kind(place.index), view.value(place.index)))
    }

    /// The place behind that of an entry.
    fn behind(&self, Place { part, index }: Place) -> Place {
        let is_last = index + 1 >= self.part(part).slots.len();
        if is_last { Place { part: part + 1, index: 0 } } else { Place { part, index: index + 1 } }
    }

    /// The place before another one; the end when it is the first.
    fn before(&self, place: Place) -> Place {
        if let Some(index) = place.index.checked_sub(1) {
            return Place { index, ..place };
        }
        let Some(part) = place.part.checked_sub(1) else { return self.end() };
        Place { part, index: self.part(part).slots.len() - 1 }
    }

    /// Where `key` stands, if it does.
    fn find(&self, key: &[u8]) -> Option<Place> {
        let place = self.lower_bound(key);
        self.entry(place).filter(|(found, ..)| *found == key).map(|_| place)
    }

    /// The entries from `place` on.
    fn entries_from(&self, place: Place) -> impl Iterator<Item = EntryRef<'_>> + '_ {
        let mut place = place;
        std::iter::from_fn(move || {
            let entry = self.entry(place)?;
            place = self.behind(place);
            Some(entry)
        })
    }

    fn last_key(&self) -> Option<&[u8]> {
        let last = self.parts().checked_sub(1)?;
        Some(self.part(last).last_key())
    }
}

impl<'a> View<'a> {
    fn key(&self, index: usize) -> &'a [u8] {
        let slot = self.slots[index];
        &self.bytes[slot.key_start as usize..slot.key_end as usize]
    }

    fn kind(&self, index: usize) -> EntryKind {
        self.slots[index].kind
    }

    fn value(&self, index: usize) -> &'a [u8] {
        let slot = self.slots[index];
        &self.bytes[slot.value_start as usize..slot.value_end as usize]
    }

    fn last_key(&self) -> &'a [u8] {
        self.key(self.slots.len() - 1)
    }

    /// Index of the first entry whose key is `key` or greater.
    fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.slots.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl Part {
    fn view(&self) -> View<'_> {
        View { bytes: &self.bytes, slots: &self.slots }
    }

    pub(super) fn last_key(&self) -> &[u8] {
        self.view().last_key()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Slot>() + PART_OVERHEAD_BYTES
    }

    fn is_small(&self) -> bool {
        self.bytes.len() < SMALL_BYTES_MAX
    }
}

impl Parts for FreshTable {
    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn part(&self, part: usize) -> View<'_> {
        self.parts[part].view()
    }

    fn value(&self, place: Place) -> Bytes {
        let part = &self.parts[place.part];
        let slot = part.slots[place.index];
        part.bytes.slice(slot.value_start as usize..slot.value_end as usize)
    }
}

impl FreshTable {
    fn new(parts: Vec<Arc<Part>>, ranges: Arc<Ranges>) -> Self {
        let entries = parts.iter().map(|part| part.slots.len()).sum();
        let bytes = parts.iter().map(|part| part.bytes.len()).sum();
        let parts_bytes: usize = parts.iter().map(|part| part.memory_bytes()).sum();
        let memory_bytes = parts_bytes + ranges.memory_bytes();
        FreshTable { parts, ranges, entries, bytes, memory_bytes }
    }

    /// A table of entries that stand one behind the other in `bytes`, and range tombstones.
    pub(super) fn decode(bytes: &Bytes, entries: usize, ranges: Ranges) -> Result<FreshTable> {
        let mut reader = ByteReader::new("log group", bytes);
        if u32::try_from(bytes.len()).is_err() {
            return Err(reader.error("a table of 4 GiB or more"));
        }
        let here = |reader: &ByteReader<'_>| u32::try_from(reader.offset()).unwrap_or(u32::MAX);
        let mut slots: Vec<Slot> = Vec::new();
        let mut last: Option<&[u8]> = None;
        while !reader.is_empty() {
            let key_len = reader.varint_usize()?;
            let key_start = here(&reader);
            let key = reader.take(key_len)?;
            let key_end = here(&reader);
            if key_len > KEY_BYTES_MAX || last.is_some_and(|last| last >= key) {
                return Err(reader.error("a key is too long or does not ascend"));
            }
            last = Some(key);
            let kind = match reader.u8()? {
                0 => EntryKind::Put,
                1 => EntryKind::Delete,
                2 => EntryKind::Merge,
                3 => EntryKind::Refer,
                other => return Err(reader.error(format_args!("{other} is no kind of entry"))),
            };
            let value_len = reader.varint_usize()?;
            let value_start = here(&reader);
            reader.take(value_len)?;
            let value_end = here(&reader);
            slots.push(Slot { key_start, key_end, value_end, value_start, kind });
        }
        if slots.len() != entries {
            let found = slots.len();
            return Err(reader.error(format_args!("{found} entries, {entries} were announced")));
        }
        let part = Arc::new(Part { bytes: bytes.clone(), slots });
        let parts = if part.slots.is_empty() { Vec::new() } else { vec![part] };
        Ok(FreshTable::new(parts, Arc::new(ranges)))
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes of the entries as they are encoded.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether no key of one lies between those of the other.
    pub(super) fn is_apart_from(&self, other: &FreshTable) -> bool {
        let is_before = |left: &FreshTable, right: &FreshTable| {
            let first = right.entry(Place::default());
            left.last_key().zip(first).is_none_or(|(last, (first, ..))| last < first)
        };
        is_before(self, other) || is_before(other, self)
    }
}

/// Builds the table of one keyspace from ascending entries.
#[derive(Debug, Default)]
pub(crate) struct FreshTableBuilder {
    closed: Vec<Arc<Part>>,
    /// The part that grows.
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    ranges: Arc<Ranges>,
}

impl Parts for FreshTableBuilder {
    fn parts(&self) -> usize {
        self.closed.len() + usize::from(!self.slots.is_empty())
    }

    fn part(&self, part: usize) -> View<'_> {
        let open = View { bytes: &self.bytes, slots: &self.slots };
        self.closed.get(part).map_or(open, |part| part.view())
    }

    fn value(&self, place: Place) -> Bytes {
        Bytes::copy_from_slice(self.part(place.part).value(place.index))
    }
}

impl FreshTableBuilder {
    /// A table with these range tombstones.
    pub(crate) fn new(ranges: Arc<Ranges>) -> Self {
        FreshTableBuilder { ranges, ..FreshTableBuilder::default() }
    }

    /// Gives the table other range tombstones.
    pub(crate) fn with_ranges(self, ranges: Arc<Ranges>) -> Self {
        FreshTableBuilder { ranges, ..self }
    }

    pub(super) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Adds an entry, whose key is greater than all before it.
    pub(crate) fn add(&mut self, key: &[u8], kind: EntryKind, value: &[u8]) {
        debug_assert!(self.last_key().is_none_or(|last| last < key), "keys ascend");
        self.absorb_small();
        put_varint(&mut self.bytes, key.len() as u64);
        let key_start = self.position();
        self.bytes.extend_from_slice(key);
        let key_end = self.position();
        self.bytes.push(encode_kind(kind));
        put_varint(&mut self.bytes, value.len() as u64);
        let value_start = self.position();
        self.bytes.extend_from_slice(value);
        let value_end = self.position();
        self.slots.push(Slot { key_start, key_end, value_end, value_start, kind });
        self.close_full();
    }

    fn position(&self) -> u32 {
        u32::try_from(self.bytes.len())
            .expect("invariant: a part and one entry have less than 4 GiB")
    }

    /// Adds an entry of another table, in the encoding that it has there.
    pub(super) fn copy(&mut self, table: &FreshTable, place: Place) {
        self.absorb_small();
        self.copy_entries(&table.parts[place.part], place.index..place.index + 1);
        self.close_full();
    }

    /// Adds all entries of a part, which may stay what it is.
    pub(super) fn append(&mut self, part: &Arc<Part>) {
        if part.is_small() {
            self.absorb_small();
            if !self.slots.is_empty() {
                self.copy_entries(part, 0..part.slots.len());
                return self.close_full();
            }
        }
        self.close();
        self.closed.push(Arc::clone(part));
    }

    /// What is added next is to stand in one part with a small one before it.
    fn absorb_small(&mut self) {
        if self.slots.is_empty()
            && let Some(before) = self.closed.pop_if(|part| part.is_small())
        {
            self.copy_entries(&before, 0..before.slots.len());
        }
    }

    fn copy_entries(&mut self, part: &Part, entries: Range<usize>) {
        let end_of = |index: usize| part.slots[index].value_end;
        let start = entries.start.checked_sub(1).map_or(0, end_of);
        let end = end_of(entries.end - 1);
        let shift = self.position().wrapping_sub(start);
        self.bytes.extend_from_slice(&part.bytes[start as usize..end as usize]);
        self.slots.extend(part.slots[entries].iter().map(|slot| Slot {
            key_start: slot.key_start.wrapping_add(shift),
            key_end: slot.key_end.wrapping_add(shift),
            value_end: slot.value_end.wrapping_add(shift),
            value_start: slot.value_start.wrapping_add(shift),
            kind: slot.kind,
        }));
    }

    fn close_full(&mut self) {
        if self.bytes.len() >= PART_BYTES_MAX {
            self.close();
            // It is likely to become as large.
            self.bytes.reserve(PART_BYTES_MAX + PART_BYTES_MAX / 8);
        }
    }

    fn close(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        let (mut bytes, mut slots) =
            (std::mem::take(&mut self.bytes), std::mem::take(&mut self.slots));
        bytes.shrink_to_fit();
        slots.shrink_to_fit();
        self.closed.push(Arc::new(Part { bytes: Bytes::from(bytes), slots }));
    }

    pub(super) fn finish(mut self) -> FreshTable {
        self.close();
        FreshTable::new(self.closed, self.ranges)
    }

    /// Hands over each entry; what it took is free soon after.
    pub(crate) fn hand_over(mut self, mut to: impl FnMut(EntryRef<'_>)) {
        self.close();
        for part in self.closed {
            let view = part.view();
            (0..view.slots.len()).for_each(|i| to((view.key(i), view.kind(i), view.value(i))));
        }
    }
}

fn encode_kind(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Put => 0,
        EntryKind::Delete => 1,
        EntryKind::Merge => 2,
        EntryKind::Refer => 3,
    }
}

/// Moves over the entries of a table, or of one that is being built.
#[derive(Debug)]
pub(crate) struct PartsCursor<T> {
    table: T,
    /// The end when the cursor stands nowhere.
    at: Place,
}

impl<T: Deref<Target: Parts>> PartsCursor<T> {
    pub(crate) fn new(table: T) -> Self {
        PartsCursor { at: table.end(), table }
    }
}

impl<T: Deref<Target: Parts> + Send> RawCursor for PartsCursor<T> {
    fn first(&mut self) -> Result<()> {
        self.at = Place::default();
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.at = self.table.before(self.table.end());
        Ok(())
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.at = self.table.lower_bound(key);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        if self.valid() {
            self.at = self.table.behind(self.at);
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if self.valid() {
            self.at = self.table.before(self.at);
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.at.part < self.table.parts()
    }

    fn key(&self) -> &[u8] {
        if self.valid() { self.table.part(self.at.part).key(self.at.index) } else { &[] }
    }

    fn kind(&self) -> EntryKind {
        self.table.part(self.at.part).kind(self.at.index)
    }

    fn value(&self) -> Result<Bytes> {
        Ok(self.table.value(self.at))
    }
}
