//! `alluvium complete`: the words that begin as the last word of a text does, with their numbers of documents. It asks
//! the collection and prints what it gives, a word a line.

use std::io::Write;

use crate::args::CompleteArguments;
use crate::cmd::Outcome;
use crate::cmd::search::places;
use crate::database;
use crate::error::{At, Result};
use crate::output::{self, FAINT};

/// Runs the verb.
pub(crate) fn run(arguments: &CompleteArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let mut asked = collection.complete(&arguments.text).at(path)?.limit(places(arguments.limit));
    if let Some(field) = &arguments.field {
        asked = asked.field(field);
    }
    if let Some(index) = &arguments.index {
        asked = asked.index(index);
    }
    let completions = asked.run().at(path)?;
    let mut out = output::open(arguments.json);
    for completion in &completions {
        if arguments.json {
            output::json_line(&mut out, completion)?;
        } else {
            let (word, documents) = (&completion.word, output::count(completion.documents));
            writeln!(out, "{}  {FAINT}{documents}{FAINT:#}", output::printable(word))?;
        }
    }
    out.flush()?;
    Ok(if completions.is_empty() { Outcome::NothingFound } else { Outcome::Done })
}
