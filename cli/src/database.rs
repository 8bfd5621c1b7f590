//! Opening database files and collections for the verbs, and identifiers as text.
//!
//! The library makes a file or a collection that is not there; a verb that reads must not, so that
//! a mistyped name is an error that says so and leaves nothing behind. That difference lives here.

use std::path::Path;

use alluvium::bson::{Bson, ObjectId, parse_json};
use alluvium::lsm::{Inspector, Pages};
use alluvium::{
    AnalyzerOptions, Collection, CollectionOptions, Database, DatabaseReader, Language, Options,
    SnapshotCollection, TextIndexOptions,
};
use serde_json::Value;

use crate::cmd::Outcome;
use crate::error::{At, Error, Result};

/// The collection that an import fills when none is named.
pub(crate) const COLLECTION: &str = "documents";

/// Opens a file that has to be there for changing it: no other process may have it open so.
pub(crate) fn open(path: &Path) -> Result<Database> {
    present(path)?;
    Database::open(path).at(path)
}

/// Opens a file that has to be there for reading; another process may go on writing to it.
pub(crate) fn open_reader(path: &Path) -> Result<DatabaseReader> {
    present(path)?;
    Database::open_reader(path).at(path)
}

/// Opens a file that has to be there, to look at its structure; nothing is written to it.
pub(crate) fn inspect(path: &Path) -> Result<Inspector> {
    present(path)?;
    Database::inspect(path).at(path)
}

/// Opens the pages of a file that has to be there, sound or not; nothing is written to it.
pub(crate) fn pages(path: &Path) -> Result<Pages> {
    present(path)?;
    Database::pages(path).at(path)
}

/// An error that says what to do, unless the file is there.
pub(crate) fn present(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Other(format!(
            "{}: there is no such file; check the path, or make a database with `alluvium import \
             FILE DB` or `alluvium demo`",
            path.display()
        ))),
        Err(source) => Err(source).at(path),
    }
}

/// Opens a file for building an index, and makes it when it is missing.
pub(crate) fn open_or_create(path: &Path, memory_bytes: u64) -> Result<Database> {
    Database::open_with(path, options(memory_bytes)).at(path)
}

/// Makes a file that must not be there yet.
pub(crate) fn create(path: &Path, memory_bytes: u64) -> Result<Database> {
    Database::open_with(path, options(memory_bytes).create_new(true)).at(path)
}

fn options(memory_bytes: u64) -> Options {
    let memory_bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    Options::new().memory_bytes(memory_bytes)
}

/// The collection to read: the one that is named, else the only one, else [`COLLECTION`].
pub(crate) fn collection(
    db: &DatabaseReader,
    path: &Path,
    name: Option<&str>,
) -> Result<SnapshotCollection> {
    db.collection(&collection_name(db, path, name)?).at(path)
}

/// The name of the collection to read.
pub(crate) fn collection_name(
    db: &DatabaseReader,
    path: &Path,
    name: Option<&str>,
) -> Result<String> {
    choose(&db.collection_names().at(path)?, path, name)
}

/// Changes a collection of a file that has to be there: the same that [`collection`] reads.
pub(crate) fn change_collection(
    path: &Path,
    name: Option<&str>,
    change: impl FnOnce(&Collection) -> alluvium::Result<()>,
) -> Result<Outcome> {
    let db = open(path)?;
    let name = choose(&db.collection_names().at(path)?, path, name)?;
    db.collection(&name).and_then(|collection| change(&collection)).at(path)?;
    db.close().at(path)?;
    Ok(Outcome::Done)
}

fn choose(names: &[String], path: &Path, name: Option<&str>) -> Result<String> {
    let chosen = match (name, names) {
        (None, [only]) => only,
        (name, _) => name.unwrap_or(COLLECTION),
    };
    if let Some(chosen) = names.iter().find(|name| *name == chosen) {
        return Ok(chosen.clone());
    }
    let path = path.display();
    Err(Error::Other(if names.is_empty() {
        format!(
            "{path}: the file has no collection yet; fill one with `alluvium import FILE {path}`"
        )
    } else {
        let names = names.join(", ");
        format!("{path}: there is no collection `{chosen}`; name one with --collection: {names}")
    }))
}

/// What was chosen about the words of a collection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChosenAnalysis<'a> {
    Language(Language),
    Analyzer(&'a AnalyzerOptions),
}

impl ChosenAnalysis<'_> {
    fn options(self) -> AnalyzerOptions {
        match self {
            ChosenAnalysis::Language(language) => AnalyzerOptions::for_language(language),
            ChosenAnalysis::Analyzer(options) => options.clone(),
        }
    }

    /// Why a collection that has this analyzer, or no text index, does not take documents by the choice; `None` when it does.
    fn refusal(self, found: Option<&AnalyzerOptions>) -> Option<String> {
        match self {
            ChosenAnalysis::Language(wanted) => {
                let found = found.and_then(|options| options.language);
                let name = found.map_or("no language", Language::name);
                (found != Some(wanted)).then(|| {
                    format!("was made with {name}, not {}; leave out --language", wanted.name())
                })
            }
            ChosenAnalysis::Analyzer(wanted) if found == Some(wanted) => None,
            ChosenAnalysis::Analyzer(_) => {
                let shown = found.and_then(|options| serde_json::to_string(options).ok());
                let shown =
                    shown.map_or("no text index".to_owned(), |json| format!("the analyzer {json}"));
                Some(format!("was made with {shown}; leave out --analyzer"))
            }
        }
    }
}

/// How a collection is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) analysis: Option<ChosenAnalysis<'a>>,
    /// Its text index; without it, one over everything.
    pub(crate) text_index: Option<&'a TextIndexOptions>,
    /// Whether documents are indexed and not stored.
    pub(crate) index_only: bool,
}

/// Makes the collection unless it is there. A choice that differs from what it was made with is an error, since the index would answer
/// as before.
pub(crate) fn prepare_collection(
    db: &Database,
    path: &Path,
    name: &str,
    made: Made<'_>,
) -> Result<()> {
    let Made { analysis, text_index, index_only } = made;
    let names = db.collection_names().at(path)?;
    if !names.iter().any(|there| there == name) {
        let mut text_index = text_index
            .cloned()
            .unwrap_or_else(|| TextIndexOptions::all(AnalyzerOptions::default()));
        if let Some(chosen) = analysis {
            text_index.analyzer = chosen.options();
        }
        let options = CollectionOptions::new().text_index(text_index).index_only(index_only);
        db.create_collection(name, &options).at(path)?;
        return Ok(());
    }
    let options = db.collection(name).at(path)?.options().at(path)?;
    if index_only && options.as_ref().is_some_and(|options| !options.index_only) {
        return Err(Error::Other(format!(
            "{}: collection `{name}` stores its documents; leave out --index-only, or import into another collection",
            path.display(),
        )));
    }
    let Some(chosen) = analysis else {
        return Ok(());
    };
    let text_index = options.and_then(|options| options.text_index);
    let Some(refusal) = chosen.refusal(text_index.as_ref().map(|index| &index.analyzer)) else {
        return Ok(());
    };
    Err(Error::Other(format!(
        "{}: collection `{name}` {refusal}, change it with `alluvium reindex`, or import into another collection",
        path.display(),
    )))
}

/// What an identifier typed on the command line may stand for, likeliest first.
pub(crate) fn readings_of_id(text: &str) -> Vec<Bson> {
    let mut readings = vec![Bson::String(text.to_owned())];
    // Only a whole JSON value may stand behind the colon.
    if serde_json::from_str::<Value>(text).is_ok()
        && let Ok(document) = parse_json(format!("{{\"_id\":{text}}}"))
        && let Ok(Some(value)) = document.get("_id")
        && let Ok(value) = Bson::try_from(value)
    {
        readings.push(value);
    }
    if let Ok(object_id) = ObjectId::parse_str(text) {
        readings.push(Bson::ObjectId(object_id));
    }
    readings
}

/// An identifier as judgements write it: a string as it is, anything else as extended JSON.
pub(crate) fn id_text(id: Bson) -> String {
    match id {
        Bson::String(text) => text,
        other => other.into_relaxed_extjson().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_string_before_it_is_anything_else() {
        let shown = |text: &str| -> Vec<String> {
            let readings = readings_of_id(text).into_iter();
            readings.map(|id| id.into_relaxed_extjson().to_string()).collect()
        };
        assert_eq!(shown("Loire"), [r#""Loire""#]);
        assert_eq!(shown("7"), [r#""7""#, "7"]);
        assert_eq!(shown(r#""7""#), [r#""\"7\"""#, r#""7""#]);
        assert_eq!(shown(r#"1,"x":2"#).len(), 1);
        assert_eq!(shown(r#"1},{"x":2"#).len(), 1);
        let object_id = r#"{"$oid":"65a1b2c3d4e5f60718293a4b"}"#;
        assert_eq!(shown("65a1b2c3d4e5f60718293a4b")[1], object_id);
        assert_eq!(shown(object_id)[1], object_id);
        assert_eq!(shown("").len(), 1);
    }
}
