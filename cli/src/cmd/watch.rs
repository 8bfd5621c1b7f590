//! `alluvium watch`: the changes of a collection as they are made, by this or another process, one a line.
//!
//! A reader follows the file: it prints the changes from a number on, and when there are no more it waits for a commit.
//! Changes are read a few at a time and written before the next are read; no snapshot is held while it waits. A reader of the
//! output that goes away ends it with the next change that it prints.

use std::io::{self, Write};
use std::time::Duration;

use alluvium::bson::{Bson, RawDocument, RawDocumentBuf, doc, to_json};
use alluvium::{Change, DatabaseReader};

use crate::args::{Since, WatchArguments};
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output::{self, printable};

/// Changes that are read at a time.
const PAGE_LEN: usize = 64;

/// Runs the verb.
pub(crate) fn run(arguments: &WatchArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open_reader(path)?;
    let name = database::collection_name(&db, path, arguments.collection.as_deref())?;
    let mut since = match arguments.since {
        Since::Number(number) => number,
        Since::New => {
            db.collection(&name).and_then(|collection| collection.next_change()).at(path)?
        }
    };
    // JSON goes into a pipe, since what is printed on a terminal is for people.
    let is_json = arguments.json || !output::on_terminal();
    let mut out = output::open(is_json);
    let mut count = 0_u64;
    loop {
        let (next, changes) = read(arguments, &db, &name, since)?;
        let is_idle = changes.is_empty();
        for (number, change) in changes {
            if is_json {
                write_json(&mut out, arguments, number, &change)?;
            } else {
                write_text(&mut out, arguments, number, &change)?;
            }
            count += 1;
        }
        out.flush()?;
        since = next;
        if !is_idle {
            continue;
        }
        if arguments.once {
            break;
        }
        db.wait_for_commit(Duration::MAX).at(path)?;
    }
    Ok(if count == 0 { Outcome::NothingFound } else { Outcome::Done })
}

/// The changes from a number on that can be seen, a few at most, and the number behind them.
fn read(
    arguments: &WatchArguments,
    db: &DatabaseReader,
    name: &str,
    since: u64,
) -> Result<(u64, Vec<(u64, Change)>)> {
    let path = arguments.database.as_path();
    let collection = database::collection(db, path, Some(name))?;
    let next = collection.next_change().at(path)?;
    if since > next {
        return Err(Error::Other(format!(
            "{}: `{name}` has no change {since} yet, the next one is {next}; it is not the collection that was followed, so begin anew, \
             without --since",
            path.display(),
        )));
    }
    let page = collection.changes(since, PAGE_LEN).at(path)?;
    Ok((page.next, page.numbers.into_iter().zip(page.changes).collect()))
}

fn write_json(
    out: &mut dyn Write,
    arguments: &WatchArguments,
    number: u64,
    change: &Change,
) -> Result<()> {
    let (kind, id, document) = match change {
        Change::Stored(document) => ("stored", id_of(document), Some(document)),
        Change::Removed(id) => ("removed", id.clone(), None),
        _ => return Ok(()),
    };
    let id = RawDocumentBuf::try_from(&doc! { "_id": id }).map_err(io::Error::other)?;
    let id = to_json(&id);
    // A member as the document has it.
    let member = id.strip_prefix('{').and_then(|id| id.strip_suffix('}')).unwrap_or_default();
    write!(out, "{{\"number\":{number},\"change\":\"{kind}\",{member}")?;
    if let Some(document) = document.filter(|_| !arguments.ids) {
        write!(out, ",\"document\":{}", to_json(document))?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn write_text(
    out: &mut dyn Write,
    arguments: &WatchArguments,
    number: u64,
    change: &Change,
) -> Result<()> {
    match change {
        Change::Stored(document) if arguments.ids => {
            writeln!(out, "{number}  stored  {}", printable(&database::id_text(id_of(document))))?;
        }
        // JSON has no raw control characters.
        Change::Stored(document) => writeln!(out, "{number}  stored  {}", to_json(document))?,
        Change::Removed(id) => {
            writeln!(out, "{number}  removed  {}", printable(&database::id_text(id.clone())))?;
        }
        _ => {}
    }
    Ok(())
}

/// The `_id` of a document that is stored, which has one.
fn id_of(document: &RawDocument) -> Bson {
    let id = document.get("_id").ok().flatten();
    id.and_then(|id| Bson::try_from(id).ok()).unwrap_or(Bson::Null)
}
