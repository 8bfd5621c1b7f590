//! `alluvium eval`: how well a collection answers the questions of a test collection.
//!
//! [`ask`] turns questions into a run, the library's `eval` layer measures it; `demo` does the same
//! with the bundled questions. Questions become [`Query::word`]: alternatives, as in a search, but
//! with no operators, because a hyphen or a colon in a question that somebody wrote is text.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use alluvium::eval::{Evaluation, Judgements, Measure, Run, TestQuery, evaluate, open_queries};
use alluvium::{Query, SnapshotCollection};
use serde_json::{Map, Value, json};

use crate::args::{EvalArguments, RankingArguments};
use crate::cmd::Outcome;
use crate::cmd::search::{places, ranked};
use crate::database::{self, id_text};
use crate::error::{At, Error, Result};
use crate::output::{self, FAINT, STRONG};

/// Runs the verb.
pub(crate) fn run(arguments: &EvalArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let queries = open_queries(&arguments.queries)?;
    let judgements = Judgements::open(&arguments.qrels)?;
    let known: HashSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
    if let Some((query, _)) = judgements.iter().find(|(query, _)| !known.contains(query)) {
        return Err(Error::Other(format!(
            "{}: question `{query}` is judged, but is not in {}; use the two files of one \
             collection",
            arguments.qrels.display(),
            arguments.queries.display(),
        )));
    }
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let started = Instant::now();
    let run = ask(&collection, &queries, arguments.ranking, arguments.depth, path)?;
    let elapsed = output::time(started.elapsed());
    if let Some(target) = &arguments.run {
        let file = File::create(target).at(target)?;
        run.write(BufWriter::new(file), target, "alluvium")?;
    }
    let evaluation = evaluate(&run, &judgements, &Measure::DEFAULT);

    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &means_json(&evaluation))?;
    } else {
        write_means(&mut out, &evaluation)?;
        let (asked, judged) = (queries.len(), evaluation.queries());
        writeln!(
            out,
            "{FAINT}{asked} questions asked in {elapsed}; means over the {judged} that have a \
             relevant document{FAINT:#}"
        )?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Asks every question as plain words and ranks at most `depth` documents for each.
pub(crate) fn ask(
    collection: &SnapshotCollection,
    queries: &[TestQuery],
    ranking: RankingArguments,
    depth: u32,
    path: &Path,
) -> Result<Run> {
    let mut run = Run::new();
    for query in queries {
        let words = Query::word(query.text.as_str());
        let search = ranked(collection, words, ranking, path)?.limit(places(depth));
        let mut answer = Vec::new();
        for hit in search.run().at(path)? {
            answer.push((id_text(hit.id().at(path)?), f64::from(hit.score)));
        }
        run.insert(query.id.as_str(), answer)?;
    }
    Ok(run)
}

/// The number of questions that means are over, and the means.
pub(crate) fn means_json(evaluation: &Evaluation) -> Map<String, Value> {
    let queries = ("queries".to_owned(), json!(evaluation.queries()));
    let means = evaluation.means().map(|(measure, mean)| (measure.key(), json!(mean)));
    [queries].into_iter().chain(means).collect()
}

/// A table of one row.
pub(crate) fn write_means(out: &mut dyn Write, evaluation: &Evaluation) -> Result<()> {
    let heads = evaluation.measures().iter().map(|measure| format!("{measure:>11}"));
    let heads: String = heads.collect();
    writeln!(out, "{STRONG}{:>11}{heads}{STRONG:#}", "questions")?;
    write!(out, "{:>11}", evaluation.queries())?;
    for (_, mean) in evaluation.means() {
        write!(out, "{mean:>11.4}")?;
    }
    writeln!(out)?;
    Ok(())
}
