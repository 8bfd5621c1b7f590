//! `alluvium eval`: how well a collection answers the questions of a test collection, and whether it still does.
//!
//! [`ask()`] turns questions into a run, the library's `eval` layer measures and compares; this folder prints. `demo` asks and
//! prints in the same way. One file each: asking, the tables of means and questions, comparisons, grids.

mod against;
mod ask;
mod grid;
mod tables;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use alluvium::eval::{
    Baseline, Comparison, Evaluation, Judgements, Measure, Regression, TestQuery, evaluate,
    open_queries,
};
use alluvium::{Feedback, SnapshotCollection};
use serde_json::{Value, json};

use crate::args::EvalArguments;
use crate::cmd::Outcome;
use crate::cmd::search::title;
use crate::database::{self, readings_of_id};
use crate::error::{At, Error, Result};
use crate::output::{self, FAINT};
use crate::report::{Against, Report};

use ask::Asked;
pub(crate) use ask::ask;
pub(crate) use tables::{means_json, write_means};

/// What is asked, and what is known of the answers.
struct Questions {
    queries: Vec<TestQuery>,
    judgements: Judgements,
    measures: Vec<Measure>,
}

/// What came out, besides the run.
struct Measured {
    evaluation: Evaluation,
    /// With --against.
    comparison: Option<Comparison>,
    /// With --fail-on-regression, when there is one.
    regression: Option<Regression>,
}

/// Runs the verb.
pub(crate) fn run(arguments: &EvalArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let before = arguments.against.as_ref().map(Baseline::open).transpose()?;
    let questions = open_questions(arguments, before.as_ref())?;
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    if !arguments.grid.is_empty() {
        return grid::run(arguments, &collection, &questions);
    }
    let asked = ask(&collection, &questions.queries, arguments.ranking, arguments.depth, path)?;
    if let Some(target) = &arguments.run {
        let file = File::create(target).at(target)?;
        asked.run.write(BufWriter::new(file), target, "alluvium")?;
    }
    let evaluation = evaluate(&asked.run, &questions.judgements, &questions.measures);
    let after = Baseline::new(&evaluation, &asked.run, &questions.queries);
    let after = with_parameters(after, arguments, &collection, path)?;
    if let Some(target) = &arguments.save_baseline {
        after.save(target)?;
    }
    let comparison =
        before.as_ref().map(|before| Comparison::new(before, &after, &questions.judgements));
    let regression = match (&comparison, &arguments.fail_on_regression) {
        (Some(comparison), Some(tolerances)) => comparison.regression(tolerances)?,
        _ => None,
    };
    if let Some(target) = &arguments.html {
        let against = match (&arguments.against, &before, &comparison) {
            (Some(path), Some(before), Some(comparison)) => {
                Some(Against { path, before, comparison })
            }
            _ => None,
        };
        let titles = titles(&collection, [Some(&after), before.as_ref()], path)?;
        let (judgements, times) = (&questions.judgements, asked.times.as_slice());
        let report = Report { database: path, now: &after, against, judgements, titles, times };
        fs::write(target, report.to_html()).at(target)?;
    }
    let measured = Measured { evaluation, comparison, regression };

    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &as_json(&measured, arguments)?)?;
    } else {
        write_text(&mut out, &measured, arguments, &questions, &asked)?;
    }
    out.flush()?;
    Ok(if measured.regression.is_some() { Outcome::Worse } else { Outcome::Done })
}

/// Reads questions and judgements, which have to fit, and settles what is measured.
fn open_questions(arguments: &EvalArguments, before: Option<&Baseline>) -> Result<Questions> {
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
    let measures = match (arguments.measures.as_slice(), before) {
        ([], Some(before)) => before.measures().to_vec(),
        ([], None) => Measure::DEFAULT.to_vec(),
        (measures, _) => measures.to_vec(),
    };
    Ok(Questions { queries, judgements, measures })
}

/// Notes what the ranking depends on, so that a comparison can tell what changed.
fn with_parameters(
    baseline: Baseline,
    arguments: &EvalArguments,
    collection: &SnapshotCollection,
    path: &Path,
) -> Result<Baseline> {
    let ranking = ask::parameters(arguments.ranking);
    let options = collection.options().at(path)?;
    let language = options
        .and_then(|options| options.text_index)
        .and_then(|index| index.analyzer.language)
        .map_or("none", |language| language.code());
    let baseline = baseline
        .parameter("k1", ranking.k1())
        .parameter("b", ranking.b())
        .parameter("depth", arguments.depth)
        .parameter("documents", collection.count().at(path)?)
        .parameter("language", language);
    Ok(match arguments.ranking.feedback {
        None => baseline,
        Some(Feedback { documents, terms, original_weight, .. }) => {
            baseline.parameter("feedback", format!("{documents},{terms},{original_weight}"))
        }
    })
}

/// What the documents are called that a report may show, where they say so.
fn titles(
    collection: &SnapshotCollection,
    baselines: [Option<&Baseline>; 2],
    path: &Path,
) -> Result<BTreeMap<String, String>> {
    let queries = baselines.into_iter().flatten().flat_map(Baseline::queries);
    let ids: HashSet<&String> = queries.flat_map(|(_, query)| &query.top).collect();
    let mut titles = BTreeMap::new();
    for id in ids {
        for reading in readings_of_id(id) {
            if let Some(document) = collection.get(reading).at(path)? {
                titles.extend(title(&document).map(|title| (id.clone(), title)));
                break;
            }
        }
    }
    Ok(titles)
}

fn as_json(measured: &Measured, arguments: &EvalArguments) -> Result<Value> {
    let member = |value: serde_json::Result<Value>| {
        value.map_err(|error| Error::Other(format!("a result cannot be written as JSON: {error}")))
    };
    let mut object = Value::Object(means_json(&measured.evaluation));
    if arguments.per_query {
        object["per_query"] = tables::per_query_json(&measured.evaluation);
    }
    if let Some(comparison) = &measured.comparison {
        object["comparison"] = member(serde_json::to_value(comparison))?;
    }
    if arguments.fail_on_regression.is_some() {
        object["regression"] = match &measured.regression {
            Some(regression) => member(serde_json::to_value(regression))?,
            None => json!(null),
        };
    }
    Ok(object)
}

fn write_text(
    out: &mut dyn Write,
    measured: &Measured,
    arguments: &EvalArguments,
    questions: &Questions,
    asked: &Asked,
) -> Result<()> {
    if arguments.per_query {
        tables::write_per_query(out, &measured.evaluation, &questions.queries)?;
        writeln!(out)?;
    }
    write_means(out, &measured.evaluation)?;
    let (number, elapsed) = (questions.queries.len(), output::time(asked.times.iter().sum()));
    writeln!(
        out,
        "{FAINT}{number} questions asked in {elapsed}; means over the {} that have a relevant \
         document{FAINT:#}",
        measured.evaluation.queries()
    )?;
    if let (Some(comparison), Some(against)) = (&measured.comparison, &arguments.against) {
        writeln!(out)?;
        against::write(out, comparison, measured.regression.as_ref(), against)?;
    }
    Ok(())
}
