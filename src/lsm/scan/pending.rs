//! Pending writes of a transaction, as the newest run of its view.
//!
//! `txn` fills the table and stacks the cursor in front of those of the version; `merge` walks them together.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;

/// Pending writes of one keyspace.
pub(crate) type PendingTable = BTreeMap<Vec<u8>, (EntryKind, Bytes)>;

/// Moves over pending writes. Each step costs one search of the map.
#[derive(Debug)]
pub(crate) struct PendingCursor<'a> {
    table: &'a PendingTable,
    at: Option<(&'a [u8], &'a (EntryKind, Bytes))>,
}

impl<'a> PendingCursor<'a> {
    pub(crate) fn new(table: &'a PendingTable) -> Self {
        PendingCursor { table, at: None }
    }

    fn stand(&mut self, entry: Option<(&'a Vec<u8>, &'a (EntryKind, Bytes))>) {
        self.at = entry.map(|(key, entry)| (&key[..], entry));
    }
}

impl RawCursor for PendingCursor<'_> {
    fn first(&mut self) -> Result<()> {
        self.stand(self.table.first_key_value());
        Ok(())
    }

    fn last(&mut self) -> Result<()> {
        self.stand(self.table.last_key_value());
        Ok(())
    }

    fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.stand(self.table.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).next());
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        if let Some((key, _)) = self.at {
            let behind = (Bound::Excluded(key), Bound::Unbounded);
            self.stand(self.table.range::<[u8], _>(behind).next());
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if let Some((key, _)) = self.at {
            let before = (Bound::Unbounded, Bound::Excluded(key));
            self.stand(self.table.range::<[u8], _>(before).next_back());
        }
        Ok(())
    }

    fn valid(&self) -> bool {
        self.at.is_some()
    }

    fn key(&self) -> &[u8] {
        self.at.map_or(&[], |(key, _)| key)
    }

    fn kind(&self) -> EntryKind {
        self.at.map_or(EntryKind::Delete, |(_, entry)| entry.0)
    }

    fn value(&self) -> Result<Bytes> {
        Ok(self.at.map_or_else(Bytes::new, |(_, entry)| entry.1.clone()))
    }
}
