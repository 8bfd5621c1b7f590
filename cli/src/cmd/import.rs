//! `alluvium import`: documents from a file of JSON lines into a collection.
//!
//! The reading, the batches and what happens to malformed lines are in `documents`; this file opens
//! both ends and reports. The source is opened first, so that a mistyped name makes no database.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::ImportArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::documents::{self, Import, Tally};
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &ImportArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    if arguments.id.as_deref() == Some("") {
        return Err(Error::Other(
            "--id: expected the name of a field, found an empty one".to_owned(),
        ));
    }
    let (reader, progress) = documents::open(&arguments.source)?;
    let memory_bytes = arguments.memory.bytes;
    let db = database::open_or_create(path, memory_bytes)?;
    database::prepare_collection(&db, path, &arguments.collection, arguments.language)?;
    let import = Import {
        source: &arguments.source,
        db: &db,
        path,
        collection: &arguments.collection,
        id: arguments.id.as_deref(),
        on_error: arguments.on_error,
        batch_documents: u64::from(arguments.batch),
        batch_bytes: documents::batch_bytes(memory_bytes),
    };
    let filled = import.fill(reader, &progress);
    let elapsed = progress.elapsed();
    progress.finish();
    let tally = filled?;
    db.close().at(path)?;

    let file_bytes = fs::metadata(path).at(path)?.len();
    let mut out = output::open(arguments.json);
    if arguments.json {
        let mut report = speed_json(&tally, elapsed);
        report["skipped"] = json!(tally.skipped);
        report["file_bytes"] = json!(file_bytes);
        report["collection"] = json!(arguments.collection);
        output::json_line(&mut out, &report)?;
    } else {
        writeln!(out, "{}", speed_text(&tally, elapsed))?;
        if tally.skipped > 0 {
            writeln!(out, "{} malformed lines were skipped.", output::count(tally.skipped))?;
        }
        write_file_line(&mut out, path, file_bytes)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
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
        output::count(tally.documents),
        output::bytes(tally.bytes),
        output::time(elapsed),
        output::rate(output::per_second(tally.documents, elapsed)),
        output::per_second(tally.bytes, elapsed) / 1e6,
    )
}

/// The line that says where everything is now.
pub(crate) fn write_file_line(out: &mut dyn Write, path: &Path, file_bytes: u64) -> Result<()> {
    let (path, file_bytes) = (path.display(), output::bytes(file_bytes));
    writeln!(out, "{path} has {file_bytes}, documents and index in one file.")?;
    Ok(())
}
