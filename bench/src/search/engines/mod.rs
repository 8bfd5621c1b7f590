//! The search engines side by side, behind one small face, so that every one is asked exactly the same.
//!
//! One file each: it builds an index of the documents' texts with positions, in one run or segment, and turns queries into
//! the engine's own before the clock starts. What cannot be made equal stands in the file's header and in
//! `bench/README.md`.

mod alluvium;
mod driver;
mod fts5;
mod lucene;
mod seekstorm;
mod tantivy;

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use super::corpus::Documents;
use super::queries::Query;
use crate::Result;
use crate::engines::OURS;
use crate::lucene::LUCENE;
use crate::machine::version_of;

/// Memory that an engine may use for caches and for what is not written yet.
pub(crate) const MEMORY_BYTES: usize = 256 << 20;

/// BM25's k1 and b: what tantivy, FTS5 and Lucene have by default, and our own defaults.
pub(crate) const K1: f32 = 1.2;
pub(crate) const B: f32 = 0.75;

/// What our own engine is asked in. Rivals are always measured with one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// One run, nothing pending.
    Compacted,
    /// One run, in which similar documents are neighbours; nothing pending.
    Reordered,
    /// In one run, with pairs of the most frequent words as terms.
    Paired,
    /// Eight runs, and a hundredth of the documents in a transaction that is not committed.
    Runs,
}

/// What is asked about a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Command {
    Top10,
    Top100,
    Top1000,
    Top10Count,
    Count,
}

impl Command {
    pub(crate) const ALL: &[Command] =
        &[Command::Top10, Command::Top100, Command::Top1000, Command::Top10Count, Command::Count];

    /// As the search benchmark game calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Command::Top10 => "TOP_10",
            Command::Top100 => "TOP_100",
            Command::Top1000 => "TOP_1000",
            Command::Top10Count => "TOP_10_COUNT",
            Command::Count => "COUNT",
        }
    }

    /// How many of the best documents are asked for; 0 when none are.
    pub(crate) fn limit(self) -> usize {
        match self {
            Command::Top10 | Command::Top10Count => 10,
            Command::Top100 => 100,
            Command::Top1000 => 1000,
            Command::Count => 0,
        }
    }

    /// Whether the number of all that match is asked for.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Command::Top10Count | Command::Count)
    }
}

/// What an engine answered, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) time: Duration,
    /// Of the best documents, best first; greater is better.
    pub(crate) scores: Vec<f64>,
    pub(crate) count: Option<u64>,
}

/// What an engine says of its index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) documents: u64,
    /// Tokens of all documents, where the engine can tell.
    pub(crate) tokens: Option<u64>,
    /// From the first document to the merged index.
    pub(crate) build: Duration,
    /// Bytes of the index alone.
    pub(crate) index_bytes: u64,
    /// Bytes of everything on disk, where that holds the documents too.
    pub(crate) file_bytes: Option<u64>,
}

/// An index that can be asked.
pub(crate) trait Engine {
    fn facts(&self) -> &Facts;

    /// Turns queries into the engine's own, and warms up what has to be.
    fn prepare(&mut self, queries: &[Query]) -> Result<()>;

    /// Asks about one of the prepared queries, on one thread; nothing when the engine has no such query.
    fn ask(&mut self, query: usize, command: Command) -> Result<Option<Answer>>;
}

/// How an engine's index is made: of these documents, in this empty folder.
type Build = fn(&Documents, &Path, State) -> Result<Box<dyn Engine>>;

/// An engine that can be measured.
#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    /// Its version, as it is shown.
    pub(crate) version: fn() -> String,
    build: Build,
    /// How many times ours its scores are; `None` when they are of another kind.
    pub(crate) score_factor: Option<f64>,
    /// Whether CI measures it.
    quick: bool,
    /// What there is to do when it cannot run here; nothing when it can.
    pub(crate) missing: fn() -> Option<String>,
}

/// The index of an engine, in a folder that goes with it.
pub(crate) struct Index {
    pub(crate) rival: &'static Rival,
    pub(crate) engine: Box<dyn Engine>,
    // Behind the engine, whose files are in it.
    _folder: TempDir,
}

impl Index {
    /// Builds an index in a fresh folder inside of `folder`.
    pub(crate) fn build(
        rival: &'static Rival,
        documents: &Documents,
        folder: &Path,
        state: State,
    ) -> Result<Self> {
        let fresh = tempfile::tempdir_in(folder)?;
        let engine = (rival.build)(documents, fresh.path(), state)?;
        Ok(Index { rival, engine, _folder: fresh })
    }
}

/// The engine that others are measured by.
pub(crate) const TANTIVY: &str = "tantivy";

/// All that this build can run, our own first.
pub(crate) const RIVALS: &[Rival] = &[
    Rival {
        name: OURS,
        version: || version_of("alluvium").to_owned(),
        build: alluvium::build,
        score_factor: Some(1.0),
        quick: true,
        missing: || None,
    },
    Rival {
        name: TANTIVY,
        version: || version_of("tantivy").to_owned(),
        build: tantivy::build,
        score_factor: Some(2.2),
        quick: true,
        missing: || None,
    },
    Rival {
        name: "fts5",
        version: || rusqlite::version().to_owned(),
        build: fts5::build,
        score_factor: None,
        quick: true,
        missing: || None,
    },
    Rival {
        name: LUCENE,
        version: crate::lucene::version,
        build: lucene::build,
        score_factor: Some(1.0),
        quick: false,
        missing: lucene::missing,
    },
    Rival {
        name: "seekstorm",
        version: seekstorm::version,
        build: seekstorm::build,
        score_factor: None,
        quick: false,
        missing: seekstorm::missing,
    },
];

/// The engines of these names; without names all that can run here, or those for CI. `note` is told of others.
pub(crate) fn chosen(
    names: &[String],
    quick: bool,
    note: impl Fn(&str),
) -> Result<Vec<&'static Rival>> {
    let mut chosen = Vec::new();
    for rival in RIVALS.iter().filter(|rival| names.is_empty() && (rival.quick || !quick)) {
        match (rival.missing)() {
            None => chosen.push(rival),
            Some(remedy) => note(&format!("without {}, which is not there; {remedy}", rival.name)),
        }
    }
    for name in names {
        let rival = RIVALS.iter().find(|rival| rival.name == name).ok_or_else(|| {
            let known: Vec<_> = RIVALS.iter().map(|rival| rival.name).collect();
            format!("there is no engine {name:?} in this build; there are {}", known.join(", "))
        })?;
        if let Some(remedy) = (rival.missing)() {
            return Err(format!("{name} is not there; {remedy}").into());
        }
        chosen.push(rival);
    }
    Ok(chosen)
}
