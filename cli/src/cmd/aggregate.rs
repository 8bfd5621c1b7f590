//! `alluvium aggregate`: counts and sums up the documents that a filter lets through. Aggregations are the library's, read from JSON or
//! named by a path; this file shows buckets and figures as tables or as JSON.

use std::collections::BTreeMap;
use std::io::Write;

use alluvium::bson::{Bson, Document};
use alluvium::columns::StatsResult;
use alluvium::{Aggregation, AggregationResult, AggregationResults, Bucket};

use crate::args::AggregateArguments;
use crate::cmd::Outcome;
use crate::cmd::find::parse_filter;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &AggregateArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let aggregations = aggregations(arguments)?;
    let filter = arguments.filter.as_deref().map_or(Ok(Document::new()), parse_filter)?;
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let results =
        collection.find(filter).and_then(|found| found.aggregate(aggregations)).at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &results)?;
    } else {
        show(&mut out, &results)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What the command line asks for, by name.
fn aggregations(arguments: &AggregateArguments) -> Result<BTreeMap<String, Aggregation>> {
    let mut asked = match &arguments.aggregations {
        None => BTreeMap::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Error::Other(format!(
                "the aggregations {text} cannot be read: {error}; write some like '{{\"years\": {{\"histogram\": {{\"path\": \
                 \"year\", \"interval\": 10}}}}}}'"
            ))
        })?,
    };
    for path in &arguments.terms {
        asked.insert(path.clone(), Aggregation::terms(path).into());
    }
    for path in &arguments.stats {
        asked.insert(format!("{path} figures"), Aggregation::stats(path));
    }
    if asked.is_empty() {
        let nothing = "nothing is asked for; name a path with --terms or --stats, or write aggregations as JSON";
        return Err(Error::Other(nothing.to_owned()));
    }
    Ok(asked)
}

fn show(out: &mut dyn Write, results: &AggregationResults) -> Result<()> {
    for (place, (name, result)) in results.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", output::printable(name))?;
        let mut table = Table::new(&["<value", "documents", "<inside"]);
        match result {
            AggregationResult::Stats(stats) => writeln!(out, "{}", figures(stats))?,
            AggregationResult::Distinct(distinct) => {
                writeln!(out, "{} different values", output::count(distinct.distinct))?;
            }
            other => {
                for Bucket { key, count, aggregations } in other.buckets().unwrap_or_default() {
                    let inside = aggregations.iter().map(|(name, result)| inside(name, result));
                    let inside: Vec<_> = inside.collect();
                    table.row([value(key), output::count(*count), inside.join("; ")]);
                }
                table.write(out)?;
            }
        }
        if let AggregationResult::Terms(terms) = result {
            let (distinct, missing) = (output::count(terms.distinct), output::count(terms.missing));
            writeln!(out, "{distinct} different values, {missing} documents without")?;
        }
    }
    Ok(())
}

/// A result in one line, as it stands beside a bucket.
fn inside(name: &str, result: &AggregationResult) -> String {
    let text = match result {
        AggregationResult::Stats(stats) => figures(stats),
        AggregationResult::Distinct(distinct) => output::count(distinct.distinct),
        other => {
            let bucket = |bucket: &Bucket| format!("{} {}", value(&bucket.key), bucket.count);
            let buckets = other.buckets().unwrap_or_default().iter().map(bucket);
            buckets.collect::<Vec<_>>().join(", ")
        }
    };
    format!("{name}: {text}")
}

fn figures(stats: &StatsResult) -> String {
    let or_none = |bound: &Option<Bson>| bound.as_ref().map_or_else(|| "-".to_owned(), value);
    let (min, max, count) = (or_none(&stats.min), or_none(&stats.max), output::count(stats.count));
    let bounds = format!("{count} values from {min} to {max}");
    match stats.avg {
        None => output::printable(&bounds),
        Some(avg) => output::printable(&format!("{bounds}, sum {}, average {avg:.3}", stats.sum)),
    }
}

/// A value as people read it.
fn value(value: &Bson) -> String {
    match value {
        Bson::String(text) => text.clone(),
        Bson::Double(number) => number.to_string(),
        other => other.clone().into_relaxed_extjson().to_string(),
    }
}
