//! `alluvium import`: documents from anything that `alluvium-sources` reads, into one collection or, from a dump, into several.
//!
//! The reading is that library's, the batches and what happens to malformed records are in `documents`; this file says what is
//! read and into what, and reports. The source is opened first, so that a mistyped name makes no database. Indexes of values that
//! a dump had are created behind its documents.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use alluvium::Database;
use alluvium::bson::Document;
use alluvium_sources::{
    DumpedCollection, Format, Mark, Meter, Shape, Source, SourceOptions, Typing,
};
use serde_json::{Value, json};

use crate::args::{ImportArguments, OnError};
use crate::cmd::Outcome;
use crate::database::{self, ChosenAnalysis, Made};
use crate::documents::{self, Import, Tally};
use crate::error::{At, Error, Result};
use crate::output::{self, bytes, count};
use crate::progress::Progress;

/// An import of a smaller part of all documents than one in so many does not count words.
const COUNTED_PART: u64 = 10;
/// The longest name that an import can be known by.
const IMPORT_NAME_BYTES_MAX: usize = 4096;

/// Runs the verb.
pub(crate) fn run(arguments: &ImportArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let shape = shape(arguments)?;
    let mut source = open(arguments)?;
    let meter = source.meter();
    let (format, dumped) = (source.format(), source.collections().to_vec());
    for warning in source.warnings() {
        output::warn(format_args!("{}: {warning}", source.name()));
    }
    let collection = target(arguments, &dumped)?;
    let db = database::open_or_create(path, documents::database_bytes(arguments.memory.bytes))?;
    let collections = prepare(arguments, &db, &dumped, collection)?;
    let resumable = resumable(arguments)?;
    match &resumable {
        name if arguments.resume => resume(&db, path, &mut source, &collections, name.as_deref())?,
        // Killed before its first batch, it must not be gone on with behind the marks of one before it.
        Some(name) => db.forget_import(name).at(path)?,
        None => {}
    }

    let mut progress = Progress::new(meter.bytes_total(), arguments.json);
    let batch_documents = arguments.batch.and_then(|len| usize::try_from(len).ok());
    let import = Import {
        db: &db,
        path,
        collection,
        shape,
        // The path of a file says which document it is.
        replaces: arguments.id.is_some() || format == Format::Text,
        on_error: &arguments.on_error,
        batch_documents: batch_documents.unwrap_or(usize::MAX),
        batch_bytes: documents::batch_bytes(arguments.memory.bytes),
        resumable,
    };
    let filled = import.fill(source, &progress);
    let elapsed = progress.elapsed();
    progress.finish();
    let mut tally = filled?;
    let indexes = create_indexes(&db, &dumped, collection, path)?;
    let terms = count_terms(&db, path, &collections, tally.documents)?;
    let amplification = output::float(db.stats().written.amplification_percent()) / 100.0;
    let closing = Instant::now();
    progress.begin_closing();
    let closed = db.close_with(|moved| progress.tell_closing(moved));
    progress.finish();
    let file_bytes = closed.at(path)?.file_bytes;
    tally.closing = closing.elapsed();

    let is_dump = !dumped.is_empty();
    let report = Report {
        arguments,
        format,
        is_dump,
        collections,
        meter: &meter,
        tally,
        elapsed,
        indexes,
        terms,
        file_bytes,
        amplification,
    };
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &report.to_json())?;
    } else {
        report.write_text(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What is told at the end.
struct Report<'a> {
    arguments: &'a ImportArguments,
    format: Format,
    is_dump: bool,
    collections: Vec<String>,
    meter: &'a Meter,
    tally: Tally,
    elapsed: Duration,
    /// Indexes of values that were created.
    indexes: u64,
    /// Different words of the collections, where they were counted.
    terms: Option<u64>,
    file_bytes: u64,
    /// Bytes that were written for each one of documents and index.
    amplification: f64,
}

impl Report<'_> {
    fn to_json(&self) -> Value {
        let mut report = json!({ "format": self.format.name(), "collections": self.collections });
        output::merge(&mut report, speed_json(&self.tally, self.elapsed));
        report["bytes_read"] = json!(self.meter.bytes_read());
        report["skipped"] = json!(self.tally.skipped);
        report["files_left_out"] = json!(self.meter.files_left_out());
        report["indexes"] = json!(self.indexes);
        report["tokens"] = json!(self.tally.tokens);
        report["terms"] = json!(self.terms);
        for (stage, time) in self.tally.stages() {
            report[format!("{stage}_seconds")] = json!(output::thousandths(time.as_secs_f64()));
        }
        report["file_bytes"] = json!(self.file_bytes);
        report["write_amplification"] = json!(self.amplification);
        report["memory_bytes_max"] = json!(self.tally.memory_bytes_max);
        report
    }

    fn write_text(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "{}", speed_text(&self.tally, self.elapsed))?;
        write_left_out(out, self.arguments, &self.tally, self.meter)?;
        let tokens = count(self.tally.tokens);
        let terms =
            self.terms.map(|terms| format!("; the index has {} different ones", count(terms)));
        let [read, analyzed, wrote, compacted, closed] =
            self.tally.stages().map(|(_, time)| output::time(time));
        writeln!(
            out,
            "Indexed {tokens} words{}. Reading took {read}, analyzing {analyzed}, writing {wrote}, compacting {compacted}, \
             closing {closed}.",
            terms.unwrap_or_default()
        )?;
        if self.is_dump {
            let names = output::printable(&self.collections.join(", "));
            writeln!(out, "Collections: {names}; indexes created: {}.", self.indexes)?;
        }
        write_file_line(out, &self.arguments.database, self.file_bytes)?;
        let memory = self
            .tally
            .memory_bytes_max
            .map(|memory| format!("; {} of memory at most", bytes(memory)));
        writeln!(
            out,
            "{:.1} bytes were written for each of documents and index{}.",
            self.amplification,
            memory.unwrap_or_default()
        )?;
        Ok(())
    }
}

/// Different words of the collections. They are not counted where the import is little beside what was there, since that would take
/// longer than the import.
fn count_terms(
    db: &Database,
    path: &Path,
    collections: &[String],
    imported: u64,
) -> Result<Option<u64>> {
    let (mut documents, mut terms) = (0, 0);
    for name in collections {
        documents += db.collection(name).at(path)?.count().at(path)?;
    }
    if imported < documents / COUNTED_PART {
        return Ok(None);
    }
    for name in collections {
        terms += db.collection(name).at(path)?.count_terms().at(path)?;
    }
    Ok(Some(terms))
}

/// The name of the import by which it can go on: where its source is, and what is read of a dump. A stream cannot be read again.
fn resumable(arguments: &ImportArguments) -> Result<Option<String>> {
    if arguments.source == Path::new("-") {
        return Ok(None);
    }
    let source = fs::canonicalize(&arguments.source).at(&arguments.source)?;
    let mut name = source.to_string_lossy().into_owned();
    if !arguments.only.is_empty() {
        // What was left out once is not behind a mark.
        let only: BTreeSet<&str> = arguments.only.iter().map(String::as_str).collect();
        name.push_str(" --only ");
        name.push_str(&Vec::from_iter(only).join(","));
    }
    Ok(Some(name).filter(|name| name.len() <= IMPORT_NAME_BYTES_MAX))
}

/// Has a source go on behind the last record that was committed, to whichever collection.
fn resume(
    db: &Database,
    path: &Path,
    source: &mut Source,
    collections: &[String],
    name: Option<&str>,
) -> Result<()> {
    let Some(name) = name else {
        return Err(Error::Other(
            "--resume: expected a file or a folder, since a stream cannot be read again".to_owned(),
        ));
    };
    let mut marks = Vec::new();
    for collection in collections {
        let mark = db.collection(collection).at(path)?.import_mark(name).at(path)?;
        let Some(mark) = mark else { continue };
        let parsed = Document::try_from(&mark).ok().and_then(|mark| Mark::from_document(&mark));
        marks.push(parsed.ok_or_else(|| {
            Error::Other(format!(
                "--resume: the mark that {name} left is not understood; import without"
            ))
        })?);
    }
    match source.furthest(marks) {
        Some(mark) => Ok(source.skip_to(&mark)?),
        None => Ok(()),
    }
}

/// What becomes of documents.
fn shape(arguments: &ImportArguments) -> Result<Shape> {
    let empty = |option: &str| {
        Error::Other(format!("{option}: expected the name of a field, found an empty one"))
    };
    let mut shape = Shape::new();
    if let Some(id) = &arguments.id {
        if id.is_empty() {
            return Err(empty("--id"));
        }
        shape = shape.id(id);
    }
    if arguments.fields.iter().any(String::is_empty) {
        return Err(empty("--fields"));
    }
    if !arguments.fields.is_empty() {
        shape = shape.fields(&arguments.fields);
    }
    for (old, new) in &arguments.map {
        shape =
            shape.rename(old, new).map_err(|reason| Error::Other(format!("--map: {reason}")))?;
    }
    Ok(shape)
}

fn open(arguments: &ImportArguments) -> Result<Source> {
    let table = &arguments.table;
    let mut options = SourceOptions::new()
        .format(arguments.format)
        .record_bytes_max(usize::try_from(arguments.record_max).unwrap_or(usize::MAX))
        .columns(&table.columns)
        .typing(if table.all_text { Typing::Text } else { Typing::Lossless })
        .collections(&arguments.only);
    for (column, becomes) in &table.types {
        options = options.column_type(column, *becomes);
    }
    if let Some(encoding) = &table.encoding {
        options = options.encoding_named(encoding).unwrap_or_default();
    }
    Ok(if arguments.source == Path::new("-") {
        Source::from_reader("-", io::stdin(), &options)?
    } else {
        Source::open(&arguments.source, &options)?
    })
}

/// The collection that takes everything; none when those of a dump keep their names.
fn target<'a>(
    arguments: &'a ImportArguments,
    dumped: &[DumpedCollection],
) -> Result<Option<&'a str>> {
    let source = arguments.source.display();
    match (&arguments.collection, dumped) {
        (None, []) if arguments.only.is_empty() => Ok(Some(database::COLLECTION)),
        (Some(name), []) if arguments.only.is_empty() => Ok(Some(name)),
        (_, []) => Err(Error::Other(format!(
            "{source}: it is no dump, so there are no collections to choose with --only"
        ))),
        (None, _) => Ok(None),
        (Some(name), [_]) => Ok(Some(name)),
        (Some(name), several) => {
            let names: Vec<&str> = several.iter().map(|dumped| dumped.namespace.as_str()).collect();
            Err(Error::Other(format!(
                "{source}: several collections would be mixed in `{name}`; choose one with --only: {}",
                names.join(", ")
            )))
        }
    }
}

/// Makes the collections that are not there, and gives the names of all.
fn prepare(
    arguments: &ImportArguments,
    db: &Database,
    dumped: &[DumpedCollection],
    collection: Option<&str>,
) -> Result<Vec<String>> {
    let path = arguments.database.as_path();
    let of_language = arguments.language.map(ChosenAnalysis::Language);
    let analysis = arguments.analyzer.as_ref().map(ChosenAnalysis::Analyzer).or(of_language);
    let mut names = Vec::new();
    for dumped in dumped {
        let name = collection.unwrap_or(&dumped.name);
        for warning in &dumped.indexes.warnings {
            output::warn(format_args!("{}: {warning}", dumped.namespace));
        }
        let text_index = dumped.indexes.text.as_ref();
        let made = Made { analysis, text_index, index_only: arguments.index_only };
        database::prepare_collection(db, path, name, made).map_err(|error| {
            // A name that was good there may be none here.
            let namespace = &dumped.namespace;
            let alone =
                "to import it under another name, choose it with --only and name --collection";
            Error::Other(format!("{namespace}: {error}; {alone}"))
        })?;
        names.push(name.to_owned());
    }
    if let (Some(name), []) = (collection, dumped) {
        let made = Made { analysis, text_index: None, index_only: arguments.index_only };
        database::prepare_collection(db, path, name, made)?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Creates the indexes of values that a dump had and that are not there yet, and gives their number.
fn create_indexes(
    db: &Database,
    dumped: &[DumpedCollection],
    collection: Option<&str>,
    path: &Path,
) -> Result<u64> {
    let mut created = 0;
    for dumped in dumped {
        let target = db.collection(collection.unwrap_or(&dumped.name)).at(path)?;
        let there = target.value_indexes().at(path)?;
        for (name, options) in &dumped.indexes.values {
            if there.iter().any(|(known, _)| known == name) {
                continue;
            }
            match target.create_value_index(name, options) {
                Ok(()) => created += 1,
                // The documents are there all the same.
                Err(error) => output::warn(format_args!(
                    "{}: index `{name}` is not made: {error}",
                    dumped.namespace
                )),
            }
        }
    }
    Ok(created)
}

fn write_left_out(
    out: &mut dyn Write,
    arguments: &ImportArguments,
    tally: &Tally,
    meter: &Meter,
) -> Result<()> {
    match &arguments.on_error {
        _ if tally.skipped == 0 => {}
        OnError::Rejects(file) => {
            let (skipped, file) = (count(tally.skipped), file.display().to_string());
            let file = output::printable(&file);
            writeln!(out, "Malformed records left out: {skipped}; {file} has them.")?;
        }
        OnError::Skip | OnError::Stop => {
            writeln!(out, "Malformed records left out: {}.", count(tally.skipped))?;
        }
    }
    if meter.files_left_out() > 0 {
        writeln!(out, "Files left out that are no text: {}.", count(meter.files_left_out()))?;
    }
    Ok(())
}

/// What was imported and how fast, as members of an object.
pub(crate) fn speed_json(tally: &Tally, elapsed: Duration) -> Value {
    let documents_per_second = output::per_second(tally.documents, elapsed);
    let mb_per_second = output::per_second(tally.bytes, elapsed) / 1e6;
    json!({
        "documents": tally.documents,
        "bytes": tally.bytes,
        "seconds": output::thousandths(elapsed.as_secs_f64()),
        "documents_per_second": output::thousandths(documents_per_second),
        "mb_per_second": output::thousandths(mb_per_second),
    })
}

/// What was imported and how fast, as a sentence.
pub(crate) fn speed_text(tally: &Tally, elapsed: Duration) -> String {
    format!(
        "Imported {} documents ({}) in {}: {} documents/s, {:.1} MB/s.",
        count(tally.documents),
        bytes(tally.bytes),
        output::time(elapsed),
        output::rate(output::per_second(tally.documents, elapsed)),
        output::per_second(tally.bytes, elapsed) / 1e6,
    )
}

/// The line that says where everything is now.
pub(crate) fn write_file_line(out: &mut dyn Write, path: &Path, file_bytes: u64) -> Result<()> {
    let (path, file_bytes) = (path.display(), bytes(file_bytes));
    writeln!(out, "{path} has {file_bytes}, documents and index in one file.")?;
    Ok(())
}
