//! `alluvium dump`: the entries of a keyspace, or the structures of the whole file. Entries print as `key = value` with
//! everything unprintable escaped, or as JSON, one object an entry; structures as `page` prints them.

use std::io::Write;
use std::path::Path;

use alluvium::lsm::Reader;
use serde_json::json;

use crate::args::DumpArguments;
use crate::cmd::Outcome;
use crate::cmd::page::write_view;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &DumpArguments) -> Result<Outcome> {
    let path = arguments.file.database.as_path();
    match &arguments.keyspace {
        Some(keyspace) => entries(arguments, path, keyspace),
        None => structures(arguments, path),
    }
}

fn entries(arguments: &DumpArguments, path: &Path, keyspace: &str) -> Result<Outcome> {
    let inspector = database::inspect(path)?;
    let snapshot = inspector.snapshot();
    let found = snapshot.keyspace(keyspace).ok_or_else(|| {
        Error::Other(format!(
            "{}: there is no keyspace `{keyspace}`; name one of: {}",
            path.display(),
            snapshot.keyspace_names().join(", ")
        ))
    })?;
    let mut out = output::open(arguments.file.json);
    let store = |error: alluvium::lsm::Error| alluvium::Error::from(error);
    let mut cursor = snapshot.cursor(found).map_err(store).at(path)?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut valid = cursor.first().map_err(store).at(path)?;
    while valid && left > 0 {
        let value = cursor.value().map_err(store).at(path)?;
        let (key, value) = (cursor.key().escape_ascii(), value.escape_ascii());
        if arguments.file.json {
            let object = json!({ "key": key.to_string(), "value": value.to_string() });
            output::json_line(&mut out, &object)?;
        } else {
            writeln!(out, "{key} = {value}")?;
        }
        left -= 1;
        valid = cursor.next().map_err(store).at(path)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn structures(arguments: &DumpArguments, path: &Path) -> Result<Outcome> {
    let pages = database::pages(path)?;
    if let Some(trouble) = pages.trouble() {
        return Err(Error::Other(format!(
            "{}: {trouble}; `alluvium page` shows single pages of such a file",
            path.display()
        )));
    }
    let mut out = output::open(arguments.file.json);
    let mut sound = true;
    for (index, view) in pages.owners().enumerate() {
        let view = view.map_err(alluvium::Error::from).at(path)?;
        sound &= view.parts.iter().all(|part| part.damage.is_none());
        if arguments.file.json {
            output::json_line(&mut out, &view)?;
            continue;
        }
        if index > 0 {
            writeln!(out)?;
        }
        write_view(&mut out, &view)?;
    }
    out.flush()?;
    Ok(if sound { Outcome::Done } else { Outcome::NotSound })
}
