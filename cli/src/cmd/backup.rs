//! `alluvium backup`: a minimal, verified copy under a name that nothing has yet, on demand with documents in another order.
//! On a terminal a bar shows how far it is.

use std::io::Write;

use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::BackupArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::{output, progress};

/// Runs the verb.
pub(crate) fn run(arguments: &BackupArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open(path)?;
    let bar = ProgressBar::new(0);
    if arguments.reorder {
        let report = db.reorder_into_with(&arguments.target, |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.documents);
        });
        bar.finish_and_clear();
        let report = report.at(path)?;
        let documents = output::count(report.documents);
        write(arguments, &report, report.file_bytes, &format!("{documents} documents, reordered"))?;
    } else {
        let report =
            db.compact_into_with(&arguments.target, |progress| progress::show(&bar, progress));
        bar.finish_and_clear();
        let report = report.at(path)?;
        let entries = output::count(report.entries);
        write(arguments, &report, report.file_bytes, &format!("{entries} entries, verified"))?;
    }
    Ok(Outcome::Done)
}

fn write(
    arguments: &BackupArguments,
    report: &impl Serialize,
    file_bytes: u64,
    what: &str,
) -> Result<()> {
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, report)?;
    } else {
        let target = arguments.target.display().to_string();
        writeln!(out, "{}: {}, {what}", output::printable(&target), output::bytes(file_bytes))?;
    }
    Ok(out.flush()?)
}
