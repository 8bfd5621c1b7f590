//! `alluvium demo`: the whole engine on real text, in one command and without anything beside it.
//!
//! The bundled corpus, its questions and its judgements are part of the program. The demo imports
//! the corpus into one file, shows three searches, asks all questions and prints how good the
//! ranking is, and what to type next.
//!
//! The file it makes is known by its collection: the import is one transaction, so [`COLLECTION`]
//! holds all bundled documents or none, also when an earlier demo was killed. A file with all of
//! them is searched and measured as it is; one that the demo began and never filled is filled; any
//! other file is left as it was.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use alluvium::eval::{Evaluation, Judgements, Measure, evaluate, read_queries};
use alluvium::{Database, SnapshotCollection};
use alluvium_sources::{Shape, Source, SourceOptions};
use serde_json::{Value, json};

use crate::args::{DemoArguments, OnError, RankingArguments};
use crate::cmd::Outcome;
use crate::cmd::eval::{ask, means_json, write_means};
use crate::cmd::import::{speed_json, speed_text, write_file_line};
use crate::cmd::search::{find, write_hits};
use crate::database::{self, ChosenAnalysis, Made};
use crate::documents::{Import, Tally};
use crate::error::{At, Error, Result};
use crate::output::{self, STRONG};
use crate::progress::Progress;

/// The bundled documents, as they are in the project's `corpora`.
const CORPUS: &[u8] = include_bytes!("../../../corpora/wikipedia-vital-en/corpus.jsonl.gz");
/// The questions that come with them.
const QUERIES: &str = include_str!("../../../corpora/wikipedia-vital-en/queries.jsonl");
/// And what is relevant to each.
const QRELS: &str = include_str!("../../../corpora/wikipedia-vital-en/qrels.tsv");

/// Name of the corpus, and of the collection that holds it.
const COLLECTION: &str = "wikipedia-vital-en";
/// Documents in [`CORPUS`]; a test counts them.
const DOCUMENTS: u64 = 10_033;
/// Searches that show the query language.
const EXAMPLES: [&str; 3] = [
    "largest moon of saturn",
    r#"+penicillin "Alexander Fleming" -streptomycin"#,
    "title:river longest Europe",
];
/// Hits shown for each.
const EXAMPLE_HITS: u32 = 3;
/// Hits looked at for each question.
const DEPTH: u32 = 1000;

/// How the import went; nothing when the file was there already.
type Imported = Option<(Tally, Duration)>;

/// Runs the verb.
pub(crate) fn run(arguments: &DemoArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = open(path, arguments.memory.bytes)?;
    let analysis = ChosenAnalysis::Language(arguments.language);
    let made = Made { analysis: Some(analysis), text_index: None, index_only: false };
    database::prepare_collection(&db, path, COLLECTION, made)?;
    let imported = match db.collection(COLLECTION).at(path)?.count().at(path)? {
        0 => Some(import(&db, path, arguments.json)?),
        _ => None,
    };
    let collection = db.snapshot().collection(COLLECTION).at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        let means = means_json(&measure(&collection, path)?);
        let mut object = json!({ "documents": collection.count().at(path)? });
        for (name, member) in means.into_iter().chain(into_members(imported_json(imported))) {
            object[name] = member;
        }
        drop(collection);
        db.close().at(path)?;
        object["file_bytes"] = json!(fs::metadata(path).at(path)?.len());
        object["reused"] = json!(imported.is_none());
        output::json_line(&mut out, &object)?;
    } else {
        introduce(&mut out, imported, path)?;
        out.flush()?;
        show_examples(&mut out, &collection, path)?;
        writeln!(
            out,
            "{STRONG}How good is the ranking?{STRONG:#} The questions of the collection, judged by reading:"
        )?;
        write_means(&mut out, &measure(&collection, path)?)?;
        write_next_steps(&mut out, path)?;
        drop(collection);
        db.close().at(path)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Makes the file, or opens one that an earlier demo made.
fn open(path: &Path, memory_bytes: u64) -> Result<Database> {
    if !path.try_exists().at(path)? {
        return database::create(path, memory_bytes);
    }
    let foreign = |why: &str| {
        let path = path.display();
        Error::Other(format!(
            "{path}: {why}, so the demo leaves it alone; name another file, as in `alluvium demo \
             other.alv`"
        ))
    };
    if fs::metadata(path).at(path)?.len() == 0 {
        return Err(foreign("the file is there and empty"));
    }
    let db = database::open_or_create(path, memory_bytes)?;
    let names = db.collection_names().at(path)?;
    if names.iter().any(|name| name != COLLECTION) {
        return Err(foreign("the file holds other collections than the demo's"));
    }
    if names.is_empty() {
        return Ok(db);
    }
    let there = db.collection(COLLECTION).at(path)?.count().at(path)?;
    match there {
        0 | DOCUMENTS => Ok(db),
        _ => Err(foreign("its documents are not those of the demo")),
    }
}

/// Imports the bundled corpus as one transaction.
fn import(db: &Database, path: &Path, json: bool) -> Result<(Tally, Duration)> {
    let source = corpus()?;
    let progress = Progress::new(u64::try_from(CORPUS.len()).ok(), json);
    let import = Import {
        db,
        path,
        collection: Some(COLLECTION),
        shape: Shape::new(),
        replaces: true,
        on_error: &OnError::Stop,
        batch_documents: usize::MAX,
        batch_bytes: usize::MAX,
        resumable: None,
    };
    let filled = import.fill(source, &progress);
    let elapsed = progress.elapsed();
    progress.finish();
    let filled = filled?;
    // One transaction of everything leaves as much log behind; the file that people look at is the small one.
    db.compact().at(path)?;
    Ok((filled, elapsed))
}

/// The bundled documents.
fn corpus() -> Result<Source> {
    Ok(Source::from_reader("the bundled corpus", CORPUS, &SourceOptions::new())?)
}

fn measure(collection: &SnapshotCollection, path: &Path) -> Result<Evaluation> {
    let queries = read_queries(QUERIES.as_bytes(), "the bundled queries.jsonl")?;
    let judgements = Judgements::read(QRELS.as_bytes(), "the bundled qrels.tsv")?;
    let asked = ask(collection, &queries, RankingArguments::default(), DEPTH, path)?;
    Ok(evaluate(&asked.run, &judgements, &Measure::DEFAULT))
}

/// Speed of the import; null where there was none.
fn imported_json(imported: Imported) -> Value {
    match imported {
        Some((tally, elapsed)) => speed_json(&tally, elapsed),
        None => json!({ "seconds": null, "documents_per_second": null, "mb_per_second": null }),
    }
}

fn into_members(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}

fn introduce(out: &mut dyn Write, imported: Imported, path: &Path) -> Result<()> {
    writeln!(
        out,
        "The opening extracts of {} articles of Wikipedia (CC BY-SA 4.0).",
        output::count(DOCUMENTS)
    )?;
    match imported {
        Some((tally, elapsed)) => writeln!(out, "{}", speed_text(&tally, elapsed))?,
        None => writeln!(out, "Imported by an earlier demo; delete the file to see it again.")?,
    }
    write_file_line(out, path, fs::metadata(path).at(path)?.len())?;
    writeln!(out)?;
    Ok(())
}

fn show_examples(out: &mut dyn Write, collection: &SnapshotCollection, path: &Path) -> Result<()> {
    for example in EXAMPLES {
        writeln!(out, "{STRONG}{example}{STRONG:#}")?;
        write_hits(out, &find(collection, example, EXAMPLE_HITS, path)?)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_next_steps(out: &mut dyn Write, path: &Path) -> Result<()> {
    let command = std::env::args().next().unwrap_or_else(|| "alluvium".to_owned());
    let (command, path) = (shell_word(&command), shell_word(&path.display().to_string()));
    writeln!(out, "\n{STRONG}Next{STRONG:#}")?;
    writeln!(out, "  {command} search {path} 'who painted the night watch'")?;
    writeln!(out, "  {command} search {path} '+volcano \"last ice age\" -title:island' --json")?;
    writeln!(out, "  {command} import YOURS.ndjson yours.alv --language en")?;
    Ok(())
}

/// `word` as a shell reads it back.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", output::printable(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_corpus_has_the_documents_that_the_demo_expects() {
        let documents = corpus().unwrap().map(|record| record.unwrap().document.unwrap());
        assert_eq!(u64::try_from(documents.count()).unwrap(), DOCUMENTS);
    }

    #[test]
    fn what_to_type_next_survives_the_shell() {
        assert_eq!(shell_word("target/release/alluvium"), "target/release/alluvium");
        assert_eq!(shell_word("my demo's.alv"), r"'my demo'\''s.alv'");
        assert_eq!(shell_word(""), "''");
    }
}
