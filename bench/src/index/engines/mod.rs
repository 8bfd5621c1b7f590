//! The engines of the `index` benchmark behind one small face: each builds an index of all documents that it also stores, and changes
//! single ones.
//!
//! One file each. What cannot be made equal stands in the file's header and in `bench/README.md`.

mod alluvium;
mod fts5;
mod tantivy;

use std::path::Path;

use super::corpus::Corpus;
use crate::Result;
use crate::engines::OURS;

/// Memory that an engine may use for caches and for what is not written yet.
const MEMORY_BYTES: usize = 256 << 20;

/// The engine that ours is compared with.
pub(super) const TANTIVY: &str = "tantivy";

/// An index that was built. A change is durable and visible to the next search when its call returns.
pub(super) trait Indexer {
    fn insert(&mut self, id: i64, text: &str) -> Result<()>;
    fn update(&mut self, id: i64, text: &str) -> Result<()>;
    fn delete(&mut self, id: i64) -> Result<()>;
    /// Documents that have a word.
    fn count(&mut self, word: &str) -> Result<u64>;
}

/// Builds an index in an empty folder, on so many threads.
type Build = fn(&Corpus, &Path, usize) -> Result<Box<dyn Indexer>>;

/// An engine that can be measured.
#[derive(Debug)]
pub(super) struct Rival {
    pub(super) name: &'static str,
    pub(super) build: Build,
    /// Threads that it can index with.
    pub(super) threads_max: usize,
}

/// All engines, ours first.
pub(super) const RIVALS: &[Rival] = &[
    Rival { name: OURS, build: alluvium::build, threads_max: 2 },
    Rival { name: TANTIVY, build: tantivy::build, threads_max: 2 },
    Rival { name: "fts5", build: fts5::build, threads_max: 1 },
];

/// The engine of a name.
pub(super) fn find(name: &str) -> Result<&'static Rival> {
    let known = || RIVALS.iter().map(|rival| rival.name).collect::<Vec<_>>().join(", ");
    let found = RIVALS.iter().find(|rival| rival.name == name);
    found.ok_or_else(|| format!("there is no engine {name:?}; there are {}", known()).into())
}
