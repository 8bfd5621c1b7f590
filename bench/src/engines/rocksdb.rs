//! RocksDB: the LSM engine in C++ that the others are measured against. Built with the feature `rocksdb` only.
//!
//! Half of the budget is its block cache and half are two write buffers; LZ4 and filters of ten bits a key, as its own guide
//! advises. A commit that is not durable writes its log without a sync. It settles by a flush and by waiting until nothing is
//! left to compact.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Direction, FlushOptions, IteratorMode,
    Options, WaitForCompactOptions, WriteBatch, WriteOptions,
};

use super::{Engine, MEMORY_BYTES, ReadJob, Reading};
use crate::Result;
use crate::records::Batch;

struct RocksDb {
    database: DB,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Engine>> {
    let memory_bytes = MEMORY_BYTES as usize;
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(memory_bytes / 2));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(memory_bytes / 4);
    options.set_max_write_buffer_number(2);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    options.increase_parallelism(i32::try_from(threads)?);
    Ok(Box::new(RocksDb { database: DB::open(&options, folder.join("bench"))? }))
}

impl Engine for RocksDb {
    fn write(&self, records: &Batch, durable: bool) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in records.iter() {
            batch.put(key, value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(durable);
        self.database.write_opt(batch, &options)?;
        Ok(())
    }

    fn read(&self, job: &mut ReadJob<'_>) -> Result<()> {
        job(&mut View { database: &self.database })
    }

    fn settle(&self) -> Result<()> {
        self.database.flush_opt(&FlushOptions::default())?;
        self.database.wait_for_compact(&WaitForCompactOptions::default())?;
        Ok(())
    }

    fn compact(&self) -> Result<bool> {
        self.database.compact_range::<&[u8], &[u8]>(None, None);
        Ok(true)
    }
}

struct View<'a> {
    database: &'a DB,
}

impl Reading for View<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.database.get_pinned(key)?;
        Ok(value.map(|value| visit(&value)).is_some())
    }

    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let from = IteratorMode::From(from, Direction::Forward);
        for entry in self.database.iterator(from).take(limit) {
            let (key, value) = entry?;
            visit(&key, &value);
        }
        Ok(())
    }
}
