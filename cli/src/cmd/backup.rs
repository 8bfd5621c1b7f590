//! `alluvium backup`: a minimal, verified copy under a name that nothing has yet. On a terminal a bar shows how far it is.

use std::io::Write;

use indicatif::ProgressBar;

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
    let report = db.compact_into_with(&arguments.target, |progress| progress::show(&bar, progress));
    bar.finish_and_clear();
    let report = report.at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &report)?;
    } else {
        writeln!(
            out,
            "{}: {}, {} entries, verified",
            output::printable(&arguments.target.display().to_string()),
            output::bytes(report.file_bytes),
            output::count(report.entries),
        )?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
