//! `alluvium suggest`: the query that was probably meant by one that somebody typed. It asks the collection and prints
//! the corrected text, or with --json what was corrected too.

use std::io::Write;

use alluvium::{Correction, Suggestion};
use serde_json::{Value, json};

use crate::args::SuggestArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &SuggestArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let mut search = collection.search(arguments.query.join(" ")).at(path)?;
    if let Some(index) = &arguments.index {
        search = search.index(index);
    }
    let suggestion = search.suggestion().at(path)?;
    let Some(suggestion) = suggestion else { return Ok(Outcome::NothingFound) };
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &to_json(&suggestion))?;
    } else {
        writeln!(out, "{}", output::printable(&suggestion.text))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn to_json(Suggestion { text, corrections, .. }: &Suggestion) -> Value {
    let corrected = |Correction { span, word, correction, .. }: &Correction| json!({ "span": [span.start, span.end], "word": word, "correction": correction });
    json!({ "text": text, "corrections": corrections.iter().map(corrected).collect::<Vec<_>>() })
}
