//! Collections of a damaged file: what the catalog still says of them, and their documents one by one.
//!
//! The facade's repair calls it with what the storage core salvages, and inserts the documents into a new file. Only the
//! catalog, the documents and the marks of the dead are read: everything else is made of these. A collection whose catalog
//! entry is lost is known by its keyspaces. Cost: a pass over the documents; the dead marks of a collection are in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{CATALOG, CollectionDefinition, check_name, decode_definition, decode_tally};
use super::error::{Error, Result};
use super::import_marks::{ImportMark, mark_of_entry};
use super::stub::Stub;
use crate::bson::{NESTING_MAX, RawDocument, validate};
use crate::fts::{DeadChunk, DocId, decode_dead, names};
use crate::lsm::{self, Loss, Salvage};

/// A collection of a damaged file.
#[derive(Debug, Clone, PartialEq)]
pub struct SalvagedCollection {
    /// Its name.
    pub name: String,
    /// What the catalog says of it; `None` when that is lost.
    pub definition: Option<CollectionDefinition>,
    /// Documents that it had, as the catalog says.
    pub documents: Option<u64>,
    /// How far imports into it had come.
    pub marks: Vec<ImportMark>,
}

/// The collections of which anything is left, by name, and what of the catalog is lost.
///
/// # Errors
/// When the device fails.
pub fn salvage_collections(salvage: &Salvage) -> Result<(Vec<SalvagedCollection>, Vec<Loss>)> {
    let keyspaces: BTreeSet<String> = salvage.keyspace_names().into_iter().collect();
    let mut entries = BTreeMap::new();
    let mut losses = Vec::new();
    if keyspaces.contains(CATALOG) {
        let unresolved = salvage.entries(CATALOG, &mut |key, value| {
            entries.insert(String::from_utf8_lossy(key).into_owned(), value);
            Ok(())
        })?;
        losses.extend(unresolved);
    }
    let named = keyspaces.iter().filter_map(|keyspace| keyspace.strip_suffix("/docs"));
    let in_catalog = entries.keys().map(String::as_str).filter(|key| !key.contains('/'));
    let found: BTreeSet<&str> =
        named.chain(in_catalog).filter(|name| check_name(name).is_ok()).collect();
    let mut collections = Vec::new();
    for name in found {
        let definition = entries.get(name).map(|value| decode_definition(name, value));
        let definition = match definition {
            Some(Ok(definition)) => Some(definition),
            other => {
                let what = match other {
                    Some(Err(error)) => error.to_string(),
                    _ => "the catalog has no entry of the collection".to_owned(),
                };
                let place = "the definition of a collection; it gets the usual text index";
                losses.push(Loss::new(CATALOG, place.to_owned(), name.to_owned(), what));
                None
            }
        };
        let tally = entries.get(&format!("{name}/tally")).map(|value| decode_tally(value));
        let documents = tally.and_then(Result::ok).map(|tally| tally.live);
        let marks = entries.iter().filter_map(|(key, value)| mark_of_entry(name, key, value));
        let (name, marks) = (name.to_owned(), marks.collect());
        collections.push(SalvagedCollection { name, definition, documents, marks });
    }
    Ok((collections, losses))
}

impl SalvagedCollection {
    /// Gives every living document that is whole to `visit`, by ascending DocId; returns what is lost on the way.
    ///
    /// # Errors
    /// Those of `visit`, and a failing device.
    pub fn documents(
        &self,
        salvage: &Salvage,
        visit: &mut dyn FnMut(&RawDocument) -> lsm::Result<()>,
    ) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        let mut dead: BTreeMap<u32, DeadChunk> = BTreeMap::new();
        let known = salvage.keyspace_names();
        let keyspace = names::dead(&self.name);
        if known.contains(&keyspace) {
            let unresolved = salvage.entries(&keyspace, &mut |key, value| {
                match (decode_dead(key), DeadChunk::decode(&value)) {
                    (Ok(chunk), Ok(members)) => drop(dead.insert(chunk, members)),
                    (Err(error), _) | (_, Err(error)) => losses.push(lost(&keyspace, key, &error)),
                }
                Ok(())
            })?;
            losses.extend(unresolved);
        }
        let keyspace = names::docs(&self.name);
        if known.contains(&keyspace) {
            let (mut broken, mut has_stubs) = (Vec::new(), false);
            let unresolved = salvage.entries(&keyspace, &mut |key, value| {
                let doc = match DocId::from_key(key) {
                    Ok(doc) => doc,
                    Err(error) => {
                        broken.push(lost(&keyspace, key, &error));
                        return Ok(());
                    }
                };
                if dead.get(&doc.chunk()).is_some_and(|dead| dead.contains(doc.offset())) {
                    return Ok(());
                }
                if matches!(Stub::read(&value), Ok(Some(_))) {
                    // One for all: there is a stub for each document.
                    if !std::mem::replace(&mut has_stubs, true) {
                        broken.push(lost(&keyspace, key, &Error::NotStored));
                    }
                    return Ok(());
                }
                match validate(&value, NESTING_MAX) {
                    Ok(document) => visit(document),
                    Err(error) => {
                        broken.push(lost(&keyspace, key, &error));
                        Ok(())
                    }
                }
            })?;
            losses.extend(unresolved);
            losses.append(&mut broken);
        }
        Ok(losses)
    }
}

fn lost(keyspace: &str, key: &[u8], error: &dyn std::fmt::Display) -> Loss {
    let keys = format!("\"{}\"", key.escape_ascii());
    Loss::new(keyspace, "one entry".to_owned(), keys, error.to_string())
}
