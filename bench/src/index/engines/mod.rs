//! The engines of the `index` benchmark behind one small face: each builds an index of all documents that it also stores, and changes
//! single ones.
//!
//! One file each. What cannot be made equal stands in the file's header and in `bench/README.md`.

mod alluvium;
mod fts5;
mod lucene;
mod tantivy;

use std::path::Path;

use super::corpus::Corpus;
use crate::Result;
use crate::engines::OURS;
use crate::lucene::LUCENE;

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

/// An engine that has the documents, and builds when it is told to.
pub(super) struct Prepared<'c> {
    /// The process whose memory the engine takes, if it is another one.
    pub(super) process: Option<u32>,
    pub(super) build: Box<dyn FnOnce() -> Result<Box<dyn Indexer>> + 'c>,
}

/// Where an engine builds an index in an empty folder, on so many threads.
#[derive(Debug)]
enum Build {
    Here(fn(&Corpus, &Path, usize) -> Result<Box<dyn Indexer>>),
    InItsProcess(for<'c> fn(&'c Corpus, &'c Path, usize) -> Result<Prepared<'c>>),
}

/// An engine that can be measured.
#[derive(Debug)]
pub(super) struct Rival {
    pub(super) name: &'static str,
    build: Build,
    /// Threads that it can index with.
    pub(super) threads_max: usize,
    /// What there is to do when it cannot run here; nothing when it can.
    pub(super) missing: fn() -> Option<String>,
}

impl Rival {
    /// Gives the engine what it is to index.
    pub(super) fn prepare<'c>(
        &self,
        corpus: &'c Corpus,
        folder: &'c Path,
        threads: usize,
    ) -> Result<Prepared<'c>> {
        match self.build {
            Build::Here(build) => {
                let build = Box::new(move || build(corpus, folder, threads));
                Ok(Prepared { process: None, build })
            }
            Build::InItsProcess(prepare) => prepare(corpus, folder, threads),
        }
    }
}

/// All engines, ours first.
const RIVALS: &[Rival] = &[
    Rival { name: OURS, build: Build::Here(alluvium::build), threads_max: 2, missing: || None },
    Rival {
        name: "index_only",
        build: Build::Here(alluvium::build_index_only),
        threads_max: 2,
        missing: || None,
    },
    Rival { name: TANTIVY, build: Build::Here(tantivy::build), threads_max: 2, missing: || None },
    Rival { name: "fts5", build: Build::Here(fts5::build), threads_max: 1, missing: || None },
    Rival {
        name: LUCENE,
        build: Build::InItsProcess(lucene::prepare),
        threads_max: 2,
        missing: lucene::missing,
    },
];

/// The engine of a name.
pub(super) fn find(name: &str) -> Result<&'static Rival> {
    let known = || RIVALS.iter().map(|rival| rival.name).collect::<Vec<_>>().join(", ");
    let found = RIVALS.iter().find(|rival| rival.name == name);
    let found = found.ok_or_else(|| format!("there is no engine {name:?}; there are {}", known()));
    let found = found?;
    match (found.missing)() {
        None => Ok(found),
        Some(remedy) => Err(format!("{name} is not there; {remedy}").into()),
    }
}

/// The engines of these names; without names all that can run here. `note` is told of others.
pub(super) fn chosen(names: &[String], note: impl Fn(&str)) -> Result<Vec<&'static Rival>> {
    let mut chosen = Vec::new();
    for rival in RIVALS.iter().filter(|_| names.is_empty()) {
        match (rival.missing)() {
            None => chosen.push(rival),
            Some(remedy) => note(&format!("without {}, which is not there; {remedy}", rival.name)),
        }
    }
    for name in names {
        chosen.push(find(name)?);
    }
    Ok(chosen)
}
