//! `alluvium like`: the documents that are most like one, shown as `search` shows its hits. The words that
//! tell most about a document are found by the library; hits are those of `search` and printed by it.

use std::io::Write;

use alluvium::LikeOptions;

use crate::args::LikeArguments;
use crate::cmd::Outcome;
use crate::cmd::find::parse_filter;
use crate::cmd::search::{Found, places, write_hits};
use crate::database::{self, readings_of_id};
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &LikeArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let mut known = None;
    for id in readings_of_id(&arguments.id) {
        if known.is_none() && collection.get(id.clone()).at(path)?.is_some() {
            known = Some(id);
        }
    }
    let unknown = || {
        let (path, id) = (path.display(), &arguments.id);
        Error::Other(format!("{path}: there is no document `{id}` that others could be like"))
    };
    let mut options = LikeOptions::new().terms(places(arguments.terms));
    options.index.clone_from(&arguments.index);
    let search = collection.more_like_with(known.ok_or_else(unknown)?, &options).at(path)?;
    let mut filters = arguments.filter.iter();
    let search =
        filters.try_fold(search, |search, filter| search.filter(parse_filter(filter)?).at(path))?;
    let hits = search.limit(places(arguments.limit)).run().at(path)?;
    let hits = Found::all(hits, 0, false, path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        for hit in &hits {
            output::json_line(&mut out, &hit.to_json(path)?)?;
        }
    } else if hits.is_empty() {
        writeln!(out, "Nothing found.")?;
    } else {
        write_hits(&mut out, &hits)?;
    }
    out.flush()?;
    Ok(if hits.is_empty() { Outcome::NothingFound } else { Outcome::Done })
}
