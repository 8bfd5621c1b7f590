//! The engines side by side, behind one small face, so that every one gets exactly the same calls.
//!
//! One file each; it opens the engine with the budget that all have, and maps the four things that the workloads need
//! to the engine's own fastest safe way. What differs between engines and cannot be made equal stands in the file's
//! header and in `bench/README.md`.

mod alluvium;
mod fjall;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sqlite;

use std::path::Path;

use crate::Result;
use crate::records::Batch;

/// Memory that an engine may use for caches and for what is not written yet.
pub(crate) const MEMORY_BYTES: u32 = 256 << 20;

/// What an engine does with a read view.
pub(crate) type ReadJob<'a> = dyn FnMut(&mut dyn Reading) -> Result<()> + 'a;

/// An open engine, holding one map of bytes.
pub(crate) trait Engine: Sync {
    /// Writes the records in one transaction; `durable` means that they survive a power cut when this returns.
    ///
    /// What is not durable is visible, and survives once a later durable write has returned.
    fn write(&self, records: &Batch, durable: bool) -> Result<()>;

    /// Opens a view of what is written, and gives it to `job`.
    fn read(&self, job: &mut ReadJob<'_>) -> Result<()>;

    /// Returns when the engine has done all that it does of its own accord, and everything is on the device.
    fn settle(&self) -> Result<()>;

    /// Merges all that was written into as few runs as the engine makes of it, while others write; whether it does such a thing.
    fn compact(&self) -> Result<bool> {
        Ok(false)
    }
}

/// A consistent view of an engine's records.
pub(crate) trait Reading {
    /// Shows `visit` the value of `key`, if it has one; whether it has.
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows `visit` up to `limit` keys and values, from `from` on, in key order.
    fn scan(
        &mut self,
        from: &[u8],
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()>;
}

/// An engine that can be opened.
#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    /// The package whose version is shown.
    pub(crate) package: &'static str,
    pub(crate) open: fn(&Path) -> Result<Box<dyn Engine>>,
}

/// The name of our own engine.
pub(crate) const OURS: &str = "alluvium";

/// All that this build can run, our own first.
pub(crate) const ENGINES: &[Rival] = &[
    Rival { name: OURS, package: "alluvium", open: alluvium::open },
    Rival { name: "fjall", package: "fjall", open: fjall::open },
    Rival { name: "redb", package: "redb", open: redb::open },
    Rival { name: "lmdb", package: "lmdb-master-sys", open: lmdb::open },
    Rival { name: "sqlite", package: "libsqlite3-sys", open: sqlite::open },
    #[cfg(feature = "rocksdb")]
    Rival { name: "rocksdb", package: "librocksdb-sys", open: rocksdb::open },
];

/// The engine of this name.
pub(crate) fn named(name: &str) -> Result<&'static Rival> {
    ENGINES.iter().find(|engine| engine.name == name).ok_or_else(|| {
        let names: Vec<_> = ENGINES.iter().map(|engine| engine.name).collect();
        format!("there is no engine {name:?} in this build; there are {}", names.join(", ")).into()
    })
}
