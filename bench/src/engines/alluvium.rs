//! Alluvium's storage core, through `alluvium::lsm` alone as any program would use it.
//!
//! `memory_bytes` is the whole budget and the store divides it itself; everything else is the default: 16 KiB blocks,
//! LZ4, two background threads. It settles by a flush and by being left alone, until nothing has changed for longer than it
//! waits after a commit before it compacts what could wait and cuts the file.

use std::path::Path;
use std::thread::park_timeout;
use std::time::Duration;

use alluvium::lsm::{
    Durability, KeyspaceId, KeyspaceOptions, Options, Reader, Seek, Snapshot, Store,
};

use super::{Engine, MEMORY_BYTES, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

/// Longer than the second without commits after which a store saves room.
const REST: Duration = Duration::from_millis(1200);

struct Alluvium {
    store: Store,
    keyspace: KeyspaceId,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let options = Options { memory_bytes: MEMORY_BYTES as usize, ..Options::default() };
    let store = Store::open_file(folder.join("bench.alv"), options)?;
    let mut transaction = store.begin()?;
    let keyspace = transaction.create_keyspace("bench", KeyspaceOptions::default())?;
    transaction.commit(Durability::Sync)?;
    Ok(Box::new(Alluvium { store, keyspace }))
}

impl Engine for Alluvium {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let mut transaction = self.store.begin()?;
        for (key, value) in records.iter() {
            transaction.put(self.keyspace, key, value)?;
        }
        transaction.commit(if durable { Durability::Sync } else { Durability::Buffered })?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        job(&mut View { snapshot: self.store.snapshot(), keyspace: self.keyspace })
    }

    fn settle(&self) -> Result<()> {
        self.store.flush()?;
        let mut before = self.store.stats();
        loop {
            park_timeout(REST);
            let now = self.store.stats();
            if now.background_jobs == 0 && now == before {
                return Ok(self.store.sync()?);
            }
            before = now;
        }
    }

    fn compact(&self) -> Result<bool> {
        self.store.compact()?;
        Ok(true)
    }
}

struct View {
    snapshot: Snapshot,
    keyspace: KeyspaceId,
}

impl Reading for View {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.snapshot.get(self.keyspace, key)?;
        Ok(value.map(|value| visit(&value)).is_some())
    }

    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let mut cursor = self.snapshot.cursor(self.keyspace)?;
        let mut found = cursor.seek(from, Seek::Ge)?;
        for _ in 0..limit {
            if !found {
                break;
            }
            visit(cursor.key(), &cursor.value()?);
            found = cursor.next()?;
        }
        Ok(())
    }
}
