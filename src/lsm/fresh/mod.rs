//! Fresh runs: the newest commits, sorted, in memory.
//!
//! A commit becomes one [`FreshRun`]. Its bytes are also what the log holds of it, so replay rebuilds the run
//! without doing the writer's work again. Runs fold: two neighbours in age become one, as they do on disk.
//! A run spans all keyspaces; within each, keys strictly ascend. Range tombstones stand beside the entries; no tombstone
//! and no operand stands within them, since below them is nothing.
//!
//! The layout of a run in the log stands in `docs/format/wal.md`.

mod fold;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{ByteReader, put_varint};
use super::cursor::EntryKind;
use super::error::Result;
use super::ids::{CommitNo, KeyspaceId};
use super::merge_operator::MergeOperator;
use super::options::{KeyspaceOptions, decode_name};
use super::ranges::Ranges;
use super::scan::{RunRanges, Source};
use super::value::PlacedValues;

pub(crate) use fold::combined;
use table::FreshTable;
pub(crate) use table::{EntryRef, FreshTableBuilder, Parts, PartsCursor, Place};

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
            put_varint(&mut head, table.entries() as u64);
            put_varint(&mut head, table.bytes() as u64);
        }
        let mut pieces = vec![Bytes::from(head)];
        for table in self.tables.values() {
            let mut ranges = Vec::new();
            table.ranges.encode(&mut ranges);
            pieces.push(Bytes::from(ranges));
            pieces.extend(table.parts.iter().map(|part| part.bytes.clone()));
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
            let table = FreshTable::decode(&payload.slice(start..start + len), entries, ranges)?;
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

    /// Bytes that each piece takes that other runs may share, and where it is.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.tables.values().flat_map(|table| {
            let parts = table.parts.iter();
            let parts = parts.map(|part| (Arc::as_ptr(part).addr(), part.memory_bytes()));
            parts.chain([(Arc::as_ptr(&table.ranges).addr(), table.ranges.memory_bytes())])
        })
    }

    /// Bytes of all keys and values, with their lengths and kinds.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.tables.values().map(|table| table.bytes() as u64).sum()
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = KeyspaceId> + '_ {
        self.tables.keys().copied()
    }

    /// The keys of one keyspace, ascending.
    pub(crate) fn keys(&self, keyspace: KeyspaceId) -> impl Iterator<Item = &[u8]> + '_ {
        let table = self.tables.get(&keyspace).into_iter();
        table.flat_map(|table| table.entries_from(Place::default()).map(|(key, ..)| key))
    }

    pub(crate) fn entries(&self, keyspace: KeyspaceId) -> u64 {
        self.tables.get(&keyspace).map_or(0, |table| table.entries() as u64)
    }

    pub(crate) fn find(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<(EntryKind, Bytes)> {
        let table = self.tables.get(&keyspace)?;
        let place = table.find(key)?;
        table.entry(place).map(|(_, kind, _)| (kind, table.value(place)))
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
        Some(Source { cursor: Box::new(PartsCursor::new(Arc::clone(table))), ranges })
    }

    /// Whether [`fold`](Self::fold) joins the two and copies next to nothing: their keys lie apart in each keyspace.
    pub(crate) fn folds_freely(older: &FreshRun, newer: &FreshRun) -> bool {
        newer
            .tables
            .iter()
            .all(|(id, newer)| older.tables.get(id).is_none_or(|older| fold::is_free(older, newer)))
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
                Some(older) => {
                    Arc::new(fold::fold_tables(older, newer, operators(*id).as_deref())?)
                }
                None => Arc::clone(newer),
            };
            tables.insert(*id, table);
        }
        let created = older.created.iter().chain(&newer.created).cloned().collect();
        let values = older.values.iter().chain(&newer.values).cloned().collect();
        Ok(FreshRun { commits: (older.commits.0, newer.commits.1), created, values, tables })
    }
}

#[cfg(test)]
pub(crate) mod tests;
