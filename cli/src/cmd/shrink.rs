//! `alluvium shrink`: moves the end of the file into its holes and cuts it. The figures and their names are the library's.

use std::io::Write;

use crate::args::ShrinkArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &ShrinkArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open(path)?;
    let report = db.shrink().at(path)?;
    db.close().at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &report)?;
    } else {
        writeln!(
            out,
            "{} before, {} now, {} of it live; {} segments moved",
            output::bytes(report.file_bytes_before),
            output::bytes(report.file_bytes),
            output::bytes(report.live_bytes),
            output::count(report.segments_moved),
        )?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
