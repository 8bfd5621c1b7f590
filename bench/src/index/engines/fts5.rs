//! SQLite's FTS5 with its documents in it, a write-ahead log and `synchronous=FULL`; one thread.
//!
//! The documents are one transaction. Its content is in tables of the same file.

use std::path::Path;

use rusqlite::Connection;

use super::{Indexer, MEMORY_BYTES};
use crate::Result;
use crate::index::corpus::Corpus;

const INSERT: &str = "INSERT INTO texts (rowid, title, text) VALUES (?, ?, ?)";

struct Fts5 {
    connection: Connection,
}

pub(super) fn build(corpus: &Corpus, folder: &Path, _threads: usize) -> Result<Box<dyn Indexer>> {
    let mut connection = Connection::open(folder.join("index.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A negative size counts KiB.
    connection.pragma_update(None, "cache_size", -i64::try_from(MEMORY_BYTES / 1024)?)?;
    connection.execute_batch(
        "CREATE VIRTUAL TABLE texts USING fts5(title, text, tokenize='unicode61 remove_diacritics 0');",
    )?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare(INSERT)?;
    for (id, document) in (0_i64..).zip(&corpus.texts) {
        insert.execute((id, &document.title, &document.text))?;
    }
    drop(insert);
    transaction.commit()?;
    // The log is part of the file from here on.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(Box::new(Fts5 { connection }))
}

impl Indexer for Fts5 {
    fn insert(&mut self, id: i64, text: &str) -> Result<()> {
        self.connection.prepare_cached(INSERT)?.execute((id, "", text))?;
        Ok(())
    }

    fn update(&mut self, id: i64, text: &str) -> Result<()> {
        let mut update =
            self.connection.prepare_cached("UPDATE texts SET text = ? WHERE rowid = ?")?;
        update.execute((text, id))?;
        Ok(())
    }

    fn delete(&mut self, id: i64) -> Result<()> {
        self.connection.prepare_cached("DELETE FROM texts WHERE rowid = ?")?.execute([id])?;
        Ok(())
    }

    fn count(&mut self, word: &str) -> Result<u64> {
        let mut count =
            self.connection.prepare_cached("SELECT count(*) FROM texts WHERE texts MATCH ?")?;
        let count: i64 = count.query_row([format!("\"{word}\"")], |row| row.get(0))?;
        Ok(u64::try_from(count)?)
    }
}
