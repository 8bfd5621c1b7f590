//! `alluvium check`: whether a file is sound. Prints `ok` when it is; otherwise the report of the
//! library, and the exit code says so. A file that cannot even be opened is an error like any other.

use std::io::Write;

use alluvium::Database;
use serde_json::{Value, json};

use crate::args::CheckArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &CheckArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    database::present(path)?;
    let report = Database::check_file(path, arguments.deep).at(path)?;
    let sound = report.is_ok();
    let mut out = output::open(arguments.json);
    if arguments.json {
        let value = serde_json::to_value(&report)
            .map_err(|error| Error::Other(format!("{}: {error}", path.display())))?;
        let mut object = json!({ "ok": sound });
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    object[name] = member;
                }
            }
            other => object["report"] = other,
        }
        output::json_line(&mut out, &object)?;
    } else if sound && report.store.has_writer {
        let unknown = report.store.free_pages + report.store.deferred_pages;
        writeln!(
            out,
            "ok: the newest state, beside a process that writes; what {} other pages of the file \
             hold is not known",
            output::count(unknown)
        )?;
    } else if sound {
        writeln!(out, "ok")?;
    } else {
        writeln!(out, "{}: not sound", path.display())?;
        writeln!(out, "{}", report.to_string().trim_end())?;
    }
    out.flush()?;
    Ok(if sound { Outcome::Done } else { Outcome::NotSound })
}
