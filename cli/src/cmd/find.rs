//! `alluvium find`: the documents that a filter lets through, one JSON object a line. [`parse_filter`], [`sort_key`] and
//! [`projection`] read filters, paths to sort by and fields for other verbs too.

use std::io::Write;

use alluvium::bson::{Bson, Document, parse_json, to_json};
use alluvium::{Find, SortKey};
use serde_json::json;

use crate::args::FindArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &FindArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let filter = parse_filter(&arguments.filter)?;
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    // JSON has no raw control characters, so it may go to a terminal as it is.
    let mut out = output::open(true);
    let mut found = collection.find(filter).at(path)?;
    if let Some(hint) = &arguments.hint {
        found = found.hint(hint);
    }
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    found = found.sort_by(arguments.sort.iter().map(|path| sort_key(path)));
    found = found.offset(size(arguments.offset)).limit(arguments.limit.map_or(usize::MAX, size));
    if arguments.count || arguments.explain {
        return tell(arguments, &found);
    }
    if let Some(projection) = projection(&arguments.fields) {
        found = found.project(projection).at(path)?;
    }
    let mut count = 0_usize;
    for document in found.run().at(path)? {
        writeln!(out, "{}", to_json(&document.at(path)?))?;
        count += 1;
    }
    out.flush()?;
    Ok(if count == 0 { Outcome::NothingFound } else { Outcome::Done })
}

/// The fields of documents that are printed, a path each, with a `-` before those that are not; `None` for all.
pub(crate) fn projection(fields: &[String]) -> Option<Document> {
    let wanted = |field: &String| match field.strip_prefix('-') {
        Some(path) => (path.to_owned(), Bson::Int32(0)),
        None => (field.clone(), Bson::Int32(1)),
    };
    (!fields.is_empty()).then(|| fields.iter().map(wanted).collect())
}

/// A path of the command line, which ends with [`DESCENDING`] when great values come first.
pub(crate) fn sort_key(path: &str) -> SortKey {
    path.strip_suffix(DESCENDING).map_or_else(|| SortKey::ascending(path), SortKey::descending)
}

/// What stands behind a path whose values descend.
pub(crate) const DESCENDING: &str = ":desc";

/// Tells of the documents, instead of printing them.
fn tell(arguments: &FindArguments, found: &Find<'_>) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let mut out = output::open(arguments.json);
    let count = if arguments.explain {
        let report = found.explain().at(path)?;
        if arguments.json {
            output::json_line(&mut out, &report)?;
        } else {
            for line in report.to_string().lines() {
                writeln!(out, "{}", output::printable(line))?;
            }
        }
        report.found
    } else {
        let count = found.count().at(path)?;
        if arguments.json {
            output::json_line(&mut out, &json!({ "count": count }))?;
        } else {
            writeln!(out, "{count}")?;
        }
        count
    };
    out.flush()?;
    Ok(if count == 0 { Outcome::NothingFound } else { Outcome::Done })
}

/// Reads a filter from the command line.
pub(crate) fn parse_filter(text: &str) -> Result<Document> {
    let refused = |error: String| {
        Error::Other(format!(
            "the filter {text} cannot be read: {error}; write one like '{{\"year\": {{\"$gte\": 1990}}}}'"
        ))
    };
    let raw = parse_json(text).map_err(|error| refused(error.to_string()))?;
    Document::try_from(raw.as_ref()).map_err(|error| refused(error.to_string()))
}
