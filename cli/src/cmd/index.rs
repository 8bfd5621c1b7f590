//! `alluvium index`: lists, creates and drops value indexes. What they cover is the library's; this file reads paths and shows them.

use std::io::Write;

use alluvium::ValueIndexOptions;
use alluvium::bson::{Direction, KeyField, to_json};
use serde_json::{Value, json};

use crate::args::{IndexArguments, IndexCreateArguments, IndexVerb};
use crate::cmd::Outcome;
use crate::cmd::find::{DESCENDING, parse_filter};
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &IndexArguments) -> Result<Outcome> {
    match &arguments.verb {
        IndexVerb::List(list) => {
            let path = list.place.database.as_path();
            let db = database::open_reader(path)?;
            let collection = database::collection(&db, path, list.place.collection.as_deref())?;
            let indexes = collection.value_indexes().at(path)?;
            let mut out = output::open(list.json);
            let mut table = Table::new(&["<index", "<fields", "<unique", "<sparse", "<filter"]);
            for (name, options) in &indexes {
                let filter = filter_json(options)?;
                if list.json {
                    let filter: Option<Value> =
                        filter.as_deref().and_then(|filter| serde_json::from_str(filter).ok());
                    let fields = fields(options);
                    let (unique, sparse) = (options.unique, options.sparse);
                    let object = json!({
                        "name": name, "fields": fields, "unique": unique, "sparse": sparse, "filter": filter,
                    });
                    output::json_line(&mut out, &object)?;
                }
                let yes = |is: bool| if is { "yes" } else { "" }.to_owned();
                let fields = fields(options).join(", ");
                let filter = filter.unwrap_or_default();
                table.row([name.clone(), fields, yes(options.unique), yes(options.sparse), filter]);
            }
            if !list.json {
                table.write(&mut out)?;
            }
            out.flush()?;
            Ok(if indexes.is_empty() { Outcome::NothingFound } else { Outcome::Done })
        }
        IndexVerb::Create(create) => {
            let (options, place) = (options(create)?, &create.place);
            database::change_collection(&place.database, place.collection.as_deref(), |things| {
                things.create_value_index(&create.name, &options)
            })
        }
        IndexVerb::Drop(drop) => {
            let place = &drop.place;
            database::change_collection(&place.database, place.collection.as_deref(), |things| {
                things.drop_value_index(&drop.name)
            })
        }
    }
}

/// What the command line says of an index.
fn options(arguments: &IndexCreateArguments) -> Result<ValueIndexOptions> {
    let fields = arguments.paths.iter().map(|path| match path.strip_suffix(DESCENDING) {
        Some(path) => (path, Direction::Descending),
        None => (path.as_str(), Direction::Ascending),
    });
    let mut options = ValueIndexOptions::new(fields);
    options.unique = arguments.unique;
    options.sparse = arguments.sparse;
    options.filter = arguments.filter.as_deref().map(parse_filter).transpose()?;
    Ok(options)
}

/// The paths as `create` takes them.
fn fields(options: &ValueIndexOptions) -> Vec<String> {
    let field = |field: &KeyField| match field.direction {
        Direction::Ascending => field.path.clone(),
        Direction::Descending => format!("{}{DESCENDING}", field.path),
    };
    options.fields.iter().map(field).collect()
}

fn filter_json(options: &ValueIndexOptions) -> Result<Option<String>> {
    let json = |filter: &alluvium::bson::Document| {
        let raw = alluvium::bson::RawDocumentBuf::try_from(filter);
        raw.map(|raw| to_json(&raw)).map_err(|error| Error::Other(error.to_string()))
    };
    options.filter.as_ref().map(json).transpose()
}
