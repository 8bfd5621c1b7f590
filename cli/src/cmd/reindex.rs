//! `alluvium reindex`: a text index built anew, in another language or over other paths, with pairs of frequent words, or as it is by this
//! program's analyzer.
//! Says how many documents it covers and how long that took. On a terminal a bar shows how far it is.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use alluvium::{AnalyzerOptions, Collection, Fields, TextIndexOptions};
use indicatif::ProgressBar;
use serde_json::json;

use crate::args::{ReindexArguments, WordsOf};
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output;

/// The index that is meant when none is named and there are several.
const DEFAULT: &str = "default";
/// How `--field` names all strings of a document.
const ALL: &str = "$**";

/// Runs the verb.
pub(crate) fn run(arguments: &ReindexArguments) -> Result<Outcome> {
    let place = &arguments.place;
    let path = place.database.as_path();
    let started = Instant::now();
    let mut done = None;
    database::change_collection(path, place.collection.as_deref(), |things| {
        let (index, mut options) = choose(things, arguments.index.as_deref())?;
        change(&mut options, arguments);
        if let Some(pairs) = arguments.pairs {
            options.paired_words = things.frequent_words(Some(&index), pairs.into())?;
        }
        let rebuild = things.start_rebuild(&index, &options)?;
        if arguments.cancel {
            return rebuild.cancel();
        }
        let bar = ProgressBar::new(0);
        let finished = rebuild.finish(|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.documents);
        });
        bar.finish_and_clear();
        done = Some((index, things.count()?));
        finished
    })?;
    if let Some((index, documents)) = done {
        write(arguments, path, &index, documents, started)?;
    }
    Ok(Outcome::Done)
}

/// The index and what it is: the one that is named, else the only one, else [`DEFAULT`].
fn choose(
    things: &Collection,
    index: Option<&str>,
) -> alluvium::Result<(String, TextIndexOptions)> {
    let mut indexes = things.text_indexes()?;
    let name = match (index, indexes.as_slice()) {
        (None, [(only, _)]) => only.clone(),
        (name, _) => name.unwrap_or(DEFAULT).to_owned(),
    };
    let place = indexes.iter().position(|(other, _)| *other == name);
    // The library says that there is no such index, and which there are.
    let options = place.map(|place| indexes.swap_remove(place).1).unwrap_or_default();
    Ok((name, options))
}

/// What the command line says of an index; what it does not say stays.
fn change(options: &mut TextIndexOptions, arguments: &ReindexArguments) {
    match arguments.language {
        None => {}
        Some(WordsOf::None) => options.analyzer = AnalyzerOptions::default(),
        Some(WordsOf::Language(language)) => {
            options.analyzer = AnalyzerOptions::for_language(language);
        }
    }
    if let Some(analyzer) = &arguments.analyzer {
        options.analyzer.clone_from(analyzer);
    }
    match arguments.fields.as_slice() {
        [] => {}
        [(path, _)] if path == ALL => options.fields = Fields::All,
        fields => options.fields = Fields::Chosen(fields.to_vec()),
    }
}

fn write(
    arguments: &ReindexArguments,
    path: &Path,
    index: &str,
    documents: u64,
    started: Instant,
) -> Result<()> {
    let elapsed = started.elapsed();
    let file_bytes = fs::metadata(path).at(path)?.len();
    let mut out = output::open(arguments.json);
    if arguments.json {
        let report = json!({
            "index": index,
            "documents": documents,
            "seconds": output::thousandths(elapsed.as_secs_f64()),
            "file_bytes": file_bytes,
        });
        output::json_line(&mut out, &report)?;
    } else {
        let (documents, time) = (output::count(documents), output::time(elapsed));
        let index = output::printable(index);
        writeln!(out, "Built the text index {index} of {documents} documents anew in {time}.")?;
    }
    Ok(out.flush()?)
}
