//! Asking every question of a test collection.
//!
//! `eval` and `demo` call [`ask`]; what comes back is measured by the library. Questions become [`Query::word`]: alternatives,
//! as in a search, but with no operators, because a hyphen or a colon in a question that somebody wrote is text.

use std::path::Path;
use std::time::{Duration, Instant};

use alluvium::eval::{Run, TestQuery};
use alluvium::{Parameters, Query, SnapshotCollection};

use crate::args::RankingArguments;
use crate::cmd::search::{places, ranked};
use crate::database::id_text;
use crate::error::{At, Result};

/// The answers, and how long each of them took.
pub(crate) struct Asked {
    pub(crate) run: Run,
    pub(crate) times: Vec<Duration>,
}

/// Asks every question as plain words and ranks at most `depth` documents for each.
pub(crate) fn ask(
    collection: &SnapshotCollection,
    queries: &[TestQuery],
    ranking: RankingArguments,
    depth: u32,
    path: &Path,
) -> Result<Asked> {
    let mut run = Run::new();
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let started = Instant::now();
        let words = Query::word(query.text.as_str());
        let search = ranked(collection, words, ranking, path)?.limit(places(depth));
        let mut answer = Vec::new();
        for hit in search.run().at(path)? {
            answer.push((id_text(hit.id().at(path)?), f64::from(hit.score)));
        }
        times.push(started.elapsed());
        run.insert(query.id.as_str(), answer)?;
    }
    Ok(Asked { run, times })
}

/// The parameters that a ranking is made with, those that were not asked for included.
pub(crate) fn parameters(ranking: RankingArguments) -> Parameters {
    let default = Parameters::default();
    let (k1, b) = (ranking.k1.unwrap_or(default.k1()), ranking.b.unwrap_or(default.b()));
    Parameters::new(k1, b).unwrap_or(default)
}
