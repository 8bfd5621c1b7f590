//! fjall: an LSM engine in Rust, many files, leveled compaction on worker threads.
//!
//! Half of the budget is its block cache and half are two memtables of its default size, one filling and one being
//! flushed. A commit that is not durable is flushed to the operating system, a durable one ends in `fdatasync`. It settles
//! by a flush of its memtable and by waiting until no flush and no compaction is active or follows within 0.3 s.

use std::path::Path;
use std::thread::park_timeout;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::{Engine, MEMORY_BYTES, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let memory_bytes = u64::from(MEMORY_BYTES);
    let database = Database::builder(folder.join("bench")).cache_size(memory_bytes / 2).open()?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(memory_bytes / 4);
    let keyspace = database.keyspace("bench", options)?;
    Ok(Box::new(Fjall { database, keyspace }))
}

impl Engine for Fjall {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in records.iter() {
            batch.insert(&self.keyspace, key, value);
        }
        batch.commit()?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        job(&mut View { snapshot: self.database.snapshot(), keyspace: &self.keyspace })
    }

    fn settle(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        let mut calm = 0;
        let mut completed = self.database.compactions_completed();
        while calm < 6 {
            park_timeout(Duration::from_millis(50));
            let now = self.database.compactions_completed();
            let busy =
                self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0;
            calm = if busy || now != completed { 0 } else { calm + 1 };
            completed = now;
        }
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }

    fn compact(&self) -> Result<bool> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.keyspace.major_compact()?;
        Ok(true)
    }
}

struct View<'a> {
    snapshot: Snapshot,
    keyspace: &'a Keyspace,
}

impl Reading for View<'_> {
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
        for entry in self.snapshot.range(self.keyspace, from..).take(limit) {
            let (key, value) = entry.into_inner()?;
            visit(&key, &value);
        }
        Ok(())
    }
}
