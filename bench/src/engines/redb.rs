//! redb: a copy-on-write B-tree in Rust, one file.
//!
//! The budget is its page cache. Commits that are not durable use `Durability::None`, durable ones `Immediate`; it has no
//! background work, so settling is one durable commit of nothing, which lets it reuse what earlier commits freed.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Engine, MEMORY_BYTES, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

struct Redb {
    database: Database,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let mut builder = Database::builder();
    builder.set_cache_size(MEMORY_BYTES as usize);
    let database = builder.create(folder.join("bench.redb"))?;
    let redb = Redb { database };
    redb.write(&Batch::default(), true)?;
    Ok(Box::new(redb))
}

impl Engine for Redb {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if durable {
            Durability::Immediate
        } else {
            Durability::None
        })?;
        let mut table = transaction.open_table(TABLE)?;
        for (key, value) in records.iter() {
            table.insert(key, value)?;
        }
        drop(table);
        transaction.commit()?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        let transaction = self.database.begin_read()?;
        job(&mut View { table: transaction.open_table(TABLE)? })
    }

    fn settle(&self) -> Result<()> {
        self.write(&Batch::default(), true)
    }
}

struct View {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Reading for View {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.table.get(key)?;
        Ok(value.map(|value| visit(value.value())).is_some())
    }

    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        for entry in self.table.range(from..)?.take(limit) {
            let (key, value) = entry?;
            visit(key.value(), value.value());
        }
        Ok(())
    }
}
