//! LMDB through heed: a memory-mapped copy-on-write B-tree in C.
//!
//! It has no cache of its own: the page cache of the kernel is its memory, outside any budget, and its resident peak counts
//! mapped pages. It has no safe commit without a sync either: what need not be durable is written with `MDB_NOSYNC`, which
//! is faster and, unlike every other engine here, risks the whole file in a power cut. Durable commits switch that off.
//! It has no background work, so settling is a sync.

use std::convert::Infallible;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, WithTls};

use super::{Engine, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

/// Address space for the map; the file grows only as pages are used.
const MAP_BYTES: usize = 16 << 30;

struct Lmdb {
    environment: Env,
    database: Database<'static, Bytes, Bytes>,
    /// One writer at a time, because durability is a flag of the whole environment.
    writing: Mutex<()>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    // SAFETY: the folder was made for this process, and nothing else opens or changes the file while it is mapped.
    let environment = unsafe { options.open(folder)? };
    let created = environment.create_databases_and_commit(
        environment.write_txn()?,
        |creator, transaction| -> heed::Result<CommitOrAbort<_, Infallible>> {
            Ok(CommitOrAbort::Commit(creator.create_database(transaction, None)?))
        },
    )?;
    let CommitOrAbort::Commit(database) = created;
    Ok(Box::new(Lmdb { environment, database, writing: Mutex::default() }))
}

impl Engine for Lmdb {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mode = if durable { FlagSetMode::Disable } else { FlagSetMode::Enable };
        // SAFETY: `writing` lets one thread at a time come here; losing the file in a power cut is acceptable.
        unsafe { self.environment.set_flags(EnvFlags::NO_SYNC, mode)? };
        let mut transaction = self.environment.write_txn()?;
        for (key, value) in records.iter() {
            self.database.put(&mut transaction, key, value)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        let transaction = self.environment.read_txn()?;
        job(&mut View { transaction, database: self.database })
    }

    fn settle(&self) -> Result<()> {
        self.environment.force_sync()?;
        Ok(())
    }
}

struct View<'a> {
    transaction: RoTxn<'a, WithTls>,
    database: Database<'static, Bytes, Bytes>,
}

impl Reading for View<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.database.get(&self.transaction, key)?;
        Ok(value.map(visit).is_some())
    }

    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        // LMDB has no empty keys, and does not take one as a bound either.
        let lower = if from.is_empty() { Bound::Unbounded } else { Bound::Included(from) };
        let range = (lower, Bound::Unbounded);
        for entry in self.database.range(&self.transaction, &range)?.take(limit) {
            let (key, value) = entry?;
            visit(key, value);
        }
        Ok(())
    }
}
