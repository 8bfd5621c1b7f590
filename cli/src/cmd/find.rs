//! `alluvium find`: the documents that a filter lets through, one JSON object a line. [`parse_filter`] reads filters for
//! `search` too.

use std::io::Write;

use alluvium::bson::{Document, parse_json, to_json};

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
    let found = collection.find(filter).at(path)?;
    let limit =
        arguments.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut count = 0_usize;
    for document in found.take(limit) {
        writeln!(out, "{}", to_json(&document.at(path)?))?;
        count += 1;
    }
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
