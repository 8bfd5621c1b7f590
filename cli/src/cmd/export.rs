//! `alluvium export`: the documents of a collection, or those that a filter lets through, into a file from which `import` makes
//! the very same ones. `alluvium-sources` writes them; this file reads them, shows how far that is, and reports.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use alluvium::bson::RawDocumentBuf;
use alluvium_sources::{Export, ExportFormat as Written};
use serde_json::json;

use crate::args::{ExportArguments, ExportFormat};
use crate::cmd::Outcome;
use crate::cmd::find::parse_filter;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output::{self, bytes, count};
use crate::progress::{Done, Progress};

/// What was written.
struct Tally {
    documents: u64,
    bytes: u64,
    elapsed: Duration,
}

/// Runs the verb.
pub(crate) fn run(arguments: &ExportArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let filter = arguments.filter.as_deref().map(parse_filter).transpose()?;
    let to_stream = arguments.target == Path::new("-");
    if to_stream && arguments.json {
        return Err(Error::Other(
            "--json: the report would follow the documents; name a FILE for these".to_owned(),
        ));
    }
    let format = format(arguments);
    if to_stream && format == Written::Bson && io::stdout().is_terminal() {
        return Err(Error::Other("BSON is not for a terminal; name a FILE".to_owned()));
    }
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let export = if to_stream {
        Export::to_writer("standard output", io::stdout(), format)
    } else {
        Export::to_file(&arguments.target, format)?
    };
    let total = if filter.is_none() { Some(collection.count().at(path)?) } else { None };
    let mut progress = Progress::new(total, arguments.json);
    let written = match filter {
        None => write(export, collection.documents(), path, &mut progress),
        Some(filter) => {
            let found = collection.find(filter).at(path)?;
            write(export, found.run().at(path)?, path, &mut progress)
        }
    };
    progress.finish();
    let tally = written?;
    if to_stream {
        return Ok(Outcome::Done);
    }
    let mut out = output::open(arguments.json);
    let documents_per_second = output::per_second(tally.documents, tally.elapsed);
    let mb_per_second = output::per_second(tally.bytes, tally.elapsed) / 1e6;
    if arguments.json {
        let report = json!({
            "documents": tally.documents,
            "bytes": tally.bytes,
            "seconds": output::thousandths(tally.elapsed.as_secs_f64()),
            "documents_per_second": output::thousandths(documents_per_second),
            "mb_per_second": output::thousandths(mb_per_second),
        });
        output::json_line(&mut out, &report)?;
    } else {
        writeln!(
            out,
            "Exported {} documents ({}) in {}: {} documents/s, {mb_per_second:.1} MB/s.",
            count(tally.documents),
            bytes(tally.bytes),
            output::time(tally.elapsed),
            output::rate(documents_per_second),
        )?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What is asked for, else what the name of the file says.
fn format(arguments: &ExportArguments) -> Written {
    let name = arguments.target.to_string_lossy();
    let unpacked = Path::new(name.strip_suffix(".gz").unwrap_or(&name));
    let named = unpacked.extension().is_some_and(|extension| extension == "bson");
    match (arguments.format, arguments.canonical) {
        (Some(ExportFormat::Bson), _) => Written::Bson,
        (None, false) if named => Written::Bson,
        (_, true) => Written::CanonicalNdjson,
        (_, false) => Written::Ndjson,
    }
}

fn write(
    mut export: Export,
    documents: impl Iterator<Item = alluvium::Result<RawDocumentBuf>>,
    path: &Path,
    progress: &mut Progress,
) -> Result<Tally> {
    for document in documents {
        export.write(&document.at(path)?)?;
        let documents = export.documents();
        progress.tell(Done { documents, bytes: export.bytes(), part: documents });
    }
    let (documents, bytes) = (export.documents(), export.bytes());
    export.finish()?;
    Ok(Tally { documents, bytes, elapsed: progress.elapsed() })
}
