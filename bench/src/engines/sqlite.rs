//! SQLite, bundled, through rusqlite: a B-tree in C under a query language; statements are prepared once.
//!
//! A table without row numbers, whose primary key is the key; write-ahead log; the budget is its page cache. Commits that are
//! not durable use `synchronous = NORMAL`, durable ones `FULL`. The log is copied back every 64 MiB instead of every 4 MiB,
//! which loads faster. It settles by copying the log back and cutting it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Statement};

use super::{Engine, MEMORY_BYTES, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

struct Sqlite {
    connection: Mutex<Connection>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let connection = Connection::open(folder.join("bench.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "wal_autocheckpoint", (64 << 20) / 4096)?;
    // A negative size counts KiB.
    connection.pragma_update(None, "cache_size", -i64::from(MEMORY_BYTES / 1024))?;
    connection.execute(
        "CREATE TABLE IF NOT EXISTS bench (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
        [],
    )?;
    Ok(Box::new(Sqlite { connection: Mutex::new(connection) }))
}

impl Sqlite {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Sqlite {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let mut connection = self.connection();
        let synchronous =
            if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
        connection.prepare_cached(synchronous)?.execute([])?;
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare_cached("INSERT OR REPLACE INTO bench VALUES (?, ?)")?;
        for (key, value) in records.iter() {
            insert.execute((key, value))?;
        }
        drop(insert);
        transaction.commit()?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        let connection = self.connection();
        connection.execute_batch("BEGIN")?;
        let get = connection.prepare("SELECT value FROM bench WHERE key = ?")?;
        let scan = "SELECT key, value FROM bench WHERE key >= ? ORDER BY key LIMIT ?";
        let result = job(&mut View { get, scan: connection.prepare(scan)? });
        connection.execute_batch("COMMIT")?;
        result
    }

    fn settle(&self) -> Result<()> {
        self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

struct View<'a> {
    get: Statement<'a>,
    scan: Statement<'a>,
}

impl Reading for View<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.get.query_row([key], |row| {
            visit(row.get_ref(0)?.as_blob()?);
            Ok(())
        });
        Ok(found.optional()?.is_some())
    }

    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let mut rows = self.scan.query((from, i64::try_from(limit).unwrap_or(i64::MAX)))?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}
