//! Fresh runs: the newest commits, sorted, in memory.
//!
//! A commit becomes one [`FreshRun`]. Its bytes are also what the log holds of it, so replay rebuilds the run
//! without doing the writer's work again. Runs fold: two neighbours in age become one, as they do on disk.
//! A run spans all keyspaces; within each, keys strictly ascend. Reading an entry is two slice operations. Range
//! tombstones stand beside the entries; no tombstone and no operand stands within them, since below them is nothing.
//!
//! The layout of a run in the log stands in `docs/format/wal.md`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{ByteReader, put_varint};
use super::cursor::{EntryKind, RawCursor};
use super::error::{Error, Result};
use super::ids::{CommitNo, KEY_BYTES_MAX, KeyspaceId};
use super::merge_operator::MergeOperator;
use super::options::{KeyspaceOptions, decode_name};
use super::ranges::Ranges;
use super::scan::{RunRanges, Source};
use super::value::PlacedValues;

/// A keyspace as a commit creates it and the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyspaceDescriptor {
    pub(crate) id: KeyspaceId,
    pub(crate) name: String,
    pub(crate) options: KeyspaceOptions,
}

impl KeyspaceDescriptor {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.id.0));
        put_varint(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        self.options.encode(out);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Self> {
        let id = KeyspaceId(reader.varint_u32()?);
        let name = decode_name(reader)?;
        Ok(KeyspaceDescriptor { id, name, options: KeyspaceOptions::decode(reader)? })
    }
}

/// The writes of one commit, or of several neighbouring ones.
#[derive(Debug)]
pub(crate) struct FreshRun {
    /// First and last commit that the run holds.
    pub(crate) commits: (CommitNo, CommitNo),
    /// Keyspaces that these commits created.
    pub(crate) created: Vec<KeyspaceDescriptor>,
    /// Value segments that these commits wrote.
    pub(crate) values: Vec<PlacedValues>,
    tables: BTreeMap<KeyspaceId, Arc<FreshTable>>,
}

/// The entries of one keyspace in a fresh run, their encoding and where each stands in it, and its range tombstones.
#[derive(Debug, Default)]
struct FreshTable {
    bytes: Bytes,
    slots: Vec<Slot>,
    ranges: Arc<Ranges>,
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

impl FreshTable {
    fn key(&self, index: usize) -> &[u8] {
        let slot = self.slots[index];
        &self.bytes[slot.key_start as usize..slot.key_end as usize]
    }

    fn value(&self, index: usize) -> Bytes {
        let slot = self.slots[index];
        self.bytes.slice(slot.value_start as usize..slot.value_end as usize)
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

    fn memory_bytes(&self) -> usize {
        let entries = self.bytes.len() + self.slots.len() * size_of::<Slot>();
        entries + self.ranges.memory_bytes()
    }
}

/// Builds the table of one keyspace from ascending entries.
#[derive(Debug, Default)]
pub(crate) struct FreshTableBuilder {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    ranges: Arc<Ranges>,
}

impl FreshTableBuilder {
    /// A table with these range tombstones.
    pub(crate) fn new(ranges: Arc<Ranges>) -> Self {
        FreshTableBuilder { ranges, ..FreshTableBuilder::default() }
    }

    pub(crate) fn add(&mut self, key: &[u8], kind: EntryKind, value: &[u8]) {
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
    }

    fn position(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("invariant: a transaction is smaller than 4 GiB")
    }

    /// Adds an entry of another table, in the encoding that it has there.
    fn copy(&mut self, table: &FreshTable, index: usize) {
        let slot = table.slots[index];
        let start = index.checked_sub(1).map_or(0, |before| table.slots[before].value_end);
        let shift = self.position().wrapping_sub(start);
        let shifted = |position: u32| position.wrapping_add(shift);
        self.bytes.extend_from_slice(&table.bytes[start as usize..slot.value_end as usize]);
        self.slots.push(Slot {
            key_start: shifted(slot.key_start),
            key_end: shifted(slot.key_end),
            value_end: self.position(),
            value_start: shifted(slot.value_start),
            kind: slot.kind,
        });
    }

    fn finish(self) -> FreshTable {
        FreshTable { bytes: Bytes::from(self.bytes), slots: self.slots, ranges: self.ranges }
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

impl FreshRun {
    pub(crate) fn new(
        commit: CommitNo,
        created: Vec<KeyspaceDescriptor>,
        values: Vec<PlacedValues>,
        tables: BTreeMap<KeyspaceId, FreshTableBuilder>,
    ) -> Self {
        let finish = |(id, builder): (_, FreshTableBuilder)| (id, Arc::new(builder.finish()));
        let tables = tables.into_iter().map(finish).collect();
        FreshRun { commits: (commit, commit), created, values, tables }
    }

    /// The log's form of a run that holds one commit, in pieces to be written one after the other.
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        let mut head = Vec::new();
        put_varint(&mut head, self.commits.0.0);
        put_varint(&mut head, self.created.len() as u64);
        for descriptor in &self.created {
            descriptor.encode(&mut head);
        }
        put_varint(&mut head, self.values.len() as u64);
        for placed in &self.values {
            placed.encode(&mut head);
        }
        put_varint(&mut head, self.tables.len() as u64);
        for (id, table) in &self.tables {
            put_varint(&mut head, u64::from(id.0));
            put_varint(&mut head, table.slots.len() as u64);
            put_varint(&mut head, table.bytes.len() as u64);
        }
        let mut pieces = vec![Bytes::from(head)];
        for table in self.tables.values() {
            let mut ranges = Vec::new();
            table.ranges.encode(&mut ranges);
            pieces.extend([Bytes::from(ranges), table.bytes.clone()]);
        }
        pieces
    }

    /// Rebuilds a run from its form in the log.
    pub(crate) fn decode(payload: &Bytes) -> Result<Self> {
        let mut reader = ByteReader::new("log group", payload);
        let commit = CommitNo(reader.varint()?);
        let mut created = Vec::new();
        for _ in 0..reader.varint()? {
            created.push(KeyspaceDescriptor::decode(&mut reader)?);
        }
        let mut values = Vec::new();
        for _ in 0..reader.varint()? {
            let placed = PlacedValues::decode(&mut reader)?;
            if placed.commit != commit {
                return Err(reader.error("a value segment of another commit"));
            }
            values.push(placed);
        }
        let mut sizes = Vec::new();
        for _ in 0..reader.varint()? {
            let id = KeyspaceId(reader.varint_u32()?);
            sizes.push((id, reader.varint_usize()?, reader.varint_usize()?));
        }
        let mut tables = BTreeMap::new();
        for (id, entries, len) in sizes {
            let ranges = Ranges::decode(&mut reader)?;
            let start = reader.offset();
            reader.take(len)?;
            let mut table = decode_table(&payload.slice(start..start + len), entries)?;
            table.ranges = Arc::new(ranges);
            if tables.insert(id, Arc::new(table)).is_some() {
                return Err(reader.error(format_args!("keyspace {id} stands twice")));
            }
        }
        reader.expect_end()?;
        Ok(FreshRun { commits: (commit, commit), created, values, tables })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.tables.values().map(|table| table.memory_bytes()).sum()
    }

    /// Bytes of all keys and values, with their lengths and kinds.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.tables.values().map(|table| table.bytes.len() as u64).sum()
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = KeyspaceId> + '_ {
        self.tables.keys().copied()
    }

    /// The keys of one keyspace, ascending.
    pub(crate) fn keys(&self, keyspace: KeyspaceId) -> impl Iterator<Item = &[u8]> + '_ {
        let table = self.tables.get(&keyspace);
        table.into_iter().flat_map(|table| (0..table.slots.len()).map(|index| table.key(index)))
    }

    pub(crate) fn entries(&self, keyspace: KeyspaceId) -> u64 {
        self.tables.get(&keyspace).map_or(0, |table| table.slots.len() as u64)
    }

    pub(crate) fn find(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<(EntryKind, Bytes)> {
        let table = self.tables.get(&keyspace)?;
        let index = table.lower_bound(key);
        let found = index < table.slots.len() && table.key(index) == key;
        found.then(|| (table.slots[index].kind, table.value(index)))
    }

    /// The range tombstones of one keyspace.
    pub(crate) fn ranges(&self, keyspace: KeyspaceId) -> Option<&Ranges> {
        let ranges = &*self.tables.get(&keyspace)?.ranges;
        (!ranges.is_empty()).then_some(ranges)
    }

    /// What a scan of one keyspace sees of the run; `None` when that is nothing.
    pub(crate) fn source(&self, keyspace: KeyspaceId) -> Option<Source<'static>> {
        let table = self.tables.get(&keyspace)?;
        let ranges = RunRanges::Memory(Arc::clone(&table.ranges));
        let cursor = FreshCursor { index: table.slots.len(), table: Arc::clone(table) };
        Some(Source { cursor: Box::new(cursor), ranges })
    }

    /// The two runs as one; `older` holds the commits just before those of `newer`.
    ///
    /// `operators` gives the merge operator of a keyspace, if it has one.
    pub(crate) fn fold(
        older: &FreshRun,
        newer: &FreshRun,
        operators: &dyn Fn(KeyspaceId) -> Option<Arc<dyn MergeOperator>>,
    ) -> Result<FreshRun> {
        assert_eq!(older.commits.1.0 + 1, newer.commits.0.0, "invariant: only neighbours fold");
        let mut tables = older.tables.clone();
        for (id, newer) in &newer.tables {
            let table = match older.tables.get(id) {
                Some(older) => Arc::new(fold_tables(older, newer, operators(*id).as_deref())?),
                None => Arc::clone(newer),
            };
            tables.insert(*id, table);
        }
        let created = older.created.iter().chain(&newer.created).cloned().collect();
        let values = older.values.iter().chain(&newer.values).cloned().collect();
        Ok(FreshRun { commits: (older.commits.0, newer.commits.1), created, values, tables })
    }
}

fn fold_tables(
    older: &FreshTable,
    newer: &FreshTable,
    operator: Option<&dyn MergeOperator>,
) -> Result<FreshTable> {
    let mut ranges = Ranges::clone(&older.ranges);
    ranges.unite(&newer.ranges);
    let mut out = FreshTableBuilder::new(Arc::new(ranges));
    out.bytes.reserve(older.bytes.len() + newer.bytes.len());
    out.slots.reserve(older.slots.len() + newer.slots.len());
    let copy_older = |out: &mut FreshTableBuilder, index: usize| {
        if !newer.ranges.covers(older.key(index)) {
            out.copy(older, index);
        }
    };
    let copy_newer = |out: &mut FreshTableBuilder, index: usize| {
        let (key, kind) = (newer.key(index), newer.slots[index].kind);
        match kind {
            EntryKind::Put | EntryKind::Refer => out.copy(newer, index),
            // Nothing is below it but the older run's range.
            _ if older.ranges.covers(key) => {
                if kind == EntryKind::Merge {
                    out.add(key, EntryKind::Put, &newer.value(index));
                }
            }
            _ => out.copy(newer, index),
        }
    };
    let (mut left, mut right) = (0, 0);
    while left < older.slots.len() && right < newer.slots.len() {
        match older.key(left).cmp(newer.key(right)) {
            Ordering::Less => {
                copy_older(&mut out, left);
                left += 1;
            }
            Ordering::Greater => {
                copy_newer(&mut out, right);
                right += 1;
            }
            Ordering::Equal => {
                let key = newer.key(right);
                let entry = (newer.slots[right].kind, newer.value(right));
                let below = (older.slots[left].kind, older.value(left));
                let (kind, value) = combine(key, &below, entry, operator)?;
                if kind != EntryKind::Delete || !out.ranges.covers(key) {
                    out.add(key, kind, &value);
                }
                left += 1;
                right += 1;
            }
        }
    }
    for index in left..older.slots.len() {
        copy_older(&mut out, index);
    }
    for index in right..newer.slots.len() {
        copy_newer(&mut out, index);
    }
    Ok(out.finish())
}

/// What two entries of one key say together.
pub(crate) fn combine(
    key: &[u8],
    older: &(EntryKind, Bytes),
    newer: (EntryKind, Bytes),
    operator: Option<&dyn MergeOperator>,
) -> Result<(EntryKind, Bytes)> {
    if newer.0 != EntryKind::Merge {
        return Ok(newer);
    }
    if older.0 == EntryKind::Delete {
        return Ok((EntryKind::Put, newer.1));
    }
    if older.0 == EntryKind::Refer {
        return Err(Error::corruption("an operand stands above a reference to a value", 0));
    }
    let operator = operator.ok_or_else(|| {
        Error::corruption("an operand stands in a keyspace without a merge operator", 0)
    })?;
    let mut out = Vec::new();
    operator.merge(key, &[&older.1, &newer.1], &mut out)?;
    Ok((older.0, Bytes::from(out)))
}

fn decode_table(bytes: &Bytes, entries: usize) -> Result<FreshTable> {
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
    Ok(FreshTable { bytes: bytes.clone(), slots, ranges: Arc::default() })
}

/// Moves over the entries of one keyspace of a fresh run.
#[derive(Debug)]
pub(crate) struct FreshCursor {
    table: Arc<FreshTable>,
    /// The number of entries when the cursor stands nowhere.
    index: usize,
}

impl RawCursor for FreshCursor {
    fn first(&mut self) -> Result<()> {
        self.index = 0;
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.index = self.table.slots.len().saturating_sub(1);
        Ok(())
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.index = self.table.lower_bound(key);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.index = self.table.slots.len().min(self.index + 1);
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if self.valid() {
            let nowhere = self.table.slots.len();
            self.index = self.index.checked_sub(1).unwrap_or(nowhere);
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.index < self.table.slots.len()
    }

    fn key(&self) -> &[u8] {
        if self.valid() { self.table.key(self.index) } else { &[] }
    }

    fn kind(&self) -> EntryKind {
        self.table.slots[self.index].kind
    }

    fn value(&self) -> Result<Bytes> {
        Ok(self.table.value(self.index))
    }
}
