//! The catalog: which collections there are, what indexes they have, and how far their numbers have come.
//!
//! Read whenever a collection is opened, written when one is created or dropped or its indexes change; the tally of a
//! collection is written by every transaction that changes documents. Invariants: the next DocId only grows, so a number
//! is never given twice while the collection lives; a collection of the catalog has its keyspaces. Cost: one look-up and
//! one small document.
//!
#![doc = include_str!("../../docs/format/catalog.md")]

use super::error::{Error, Result};
use super::text_definition::{IndexDefinition, KIND_TEXT, has_only, storage_keyspaces};
use super::value_options::ValueIndexOptions;
use crate::bson::{
    Bson, Document, NESTING_MAX, Path, RawBsonRef, RawDocument, RawDocumentBuf, doc, validate,
};
use crate::fts::{DocId, names};
use crate::lsm::{self, ByteReader, Compression, KeyspaceId, KeyspaceOptions, Reader, Transaction};

/// The longest name of a collection or an index, in bytes.
pub const NAME_BYTES_MAX: usize = 120;
/// The keyspace of the catalog.
pub(super) const CATALOG: &str = "catalog";
/// The kind of value indexes.
const KIND_VALUE: &str = "value";
const TALLY_VERSION: u8 = 1;

/// A collection as the catalog has it.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionDefinition {
    /// Its number among the collections of the file.
    pub id: u32,
    /// Its text indexes, by the order of their creation.
    pub indexes: Vec<IndexDefinition>,
    /// Its value indexes, by the order of their creation.
    pub value_indexes: Vec<ValueIndexDefinition>,
    /// Paths of its columns, by the order of their creation.
    pub columns: Vec<String>,
    /// Whether documents are indexed and not stored.
    pub is_index_only: bool,
}

/// A value index as the catalog has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueIndexDefinition {
    /// Its name.
    pub name: String,
    /// What it covers, and how.
    pub options: ValueIndexOptions,
}

/// How far the numbers of a collection have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// The number that the next document gets.
    pub(super) next: DocId,
    /// Documents that are alive.
    pub(super) live: u64,
}

/// The keyspaces that every collection has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyspaces {
    pub(super) catalog: KeyspaceId,
    pub(super) docs: KeyspaceId,
    pub(super) ids: KeyspaceId,
    pub(super) dead: KeyspaceId,
}

/// Refuses what cannot name a collection or an index.
///
/// # Errors
/// [`Error::InvalidName`]: names have 1 to [`NAME_BYTES_MAX`] bytes, no control character, no `/`, and do not begin
/// with `$`.
pub fn check_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 120 bytes"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.contains('/') {
        "it has a /"
    } else if name.starts_with('$') {
        "it begins with $, which is kept for the engine"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_owned(), reason })
}

/// Names of all collections, ascending.
pub fn collection_names(reader: &dyn Reader) -> Result<Vec<String>> {
    let Some(catalog) = reader.keyspace(CATALOG) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    let mut cursor = reader.cursor(catalog)?;
    let mut valid = cursor.first()?;
    while valid {
        let name = std::str::from_utf8(cursor.key());
        let name = name.map_err(|_| lsm::Error::corruption("catalog: a name is not UTF-8", 0))?;
        if !name.contains('/') {
            names.push(name.to_owned());
        }
        valid = cursor.next()?;
    }
    Ok(names)
}

/// The definition of a collection, if it exists.
pub fn collection_definition(
    reader: &dyn Reader,
    name: &str,
) -> Result<Option<CollectionDefinition>> {
    // Other keys of the catalog hold a `/`.
    let Some(catalog) = reader.keyspace(CATALOG).filter(|_| !name.contains('/')) else {
        return Ok(None);
    };
    let Some(value) = reader.get(catalog, name.as_bytes())? else { return Ok(None) };
    decode_definition(name, &value).map(Some)
}

/// The definition of a collection that has to be there.
pub(super) fn definition_to_change(
    reader: &dyn Reader,
    name: &str,
) -> Result<CollectionDefinition> {
    let unknown = || Error::UnknownCollection { name: name.to_owned() };
    collection_definition(reader, name)?.ok_or_else(unknown)
}

/// The definition of a collection in an entry of the catalog.
pub(super) fn decode_definition(name: &str, value: &[u8]) -> Result<CollectionDefinition> {
    let damaged = |reason: &str| {
        let what = format!("catalog entry of {name}: {reason}");
        Error::Lsm(lsm::Error::corruption(what, 0))
    };
    let document = validate(value, NESTING_MAX).map_err(|error| damaged(&error.to_string()))?;
    let definition = decode(document)?;
    definition.ok_or_else(|| damaged("a field is missing, unknown or of a wrong type"))
}

/// Creates a collection without indexes; whether it was not there yet.
///
/// # Errors
/// [`Error::InvalidName`], and those of the storage core.
pub fn create_collection(transaction: &mut Transaction, name: &str) -> Result<bool> {
    create(transaction, name, false)
}

/// Like [`create_collection`], for one whose documents are indexed and not stored.
///
/// # Errors
/// Those of [`create_collection`].
pub fn create_index_only(transaction: &mut Transaction, name: &str) -> Result<bool> {
    create(transaction, name, true)
}

fn create(transaction: &mut Transaction, name: &str, is_index_only: bool) -> Result<bool> {
    check_name(name)?;
    if collection_definition(transaction, name)?.is_some() {
        return Ok(false);
    }
    let mut id = 1;
    for other in collection_names(transaction)? {
        if let Some(other) = collection_definition(transaction, &other)? {
            id = id.max(other.id.saturating_add(1));
        }
    }
    transaction.create_keyspace(CATALOG, KeyspaceOptions::default())?;
    // Documents are asked for by ids that exist, and their runs hardly overlap: a filter would spare nothing.
    let docs = KeyspaceOptions {
        group_rewriter: Some("docs".to_owned()),
        filter_bits_per_key: 0,
        ..KeyspaceOptions::default()
    };
    transaction.create_keyspace(&names::docs(name), docs)?;
    transaction.create_keyspace(&names::ids(name), KeyspaceOptions::default())?;
    let dead =
        KeyspaceOptions { merge_operator: Some("dead".to_owned()), ..KeyspaceOptions::default() };
    transaction.create_keyspace(&names::dead(name), dead)?;
    let definition =
        CollectionDefinition { is_index_only, ..CollectionDefinition::without_indexes(id) };
    put_definition(transaction, name, &definition)?;
    let keyspaces = Keyspaces::find(transaction, name)?;
    put_tally(transaction, keyspaces.catalog, name, Tally { next: DocId::MIN, live: 0 })?;
    Ok(true)
}

/// Drops a collection: its documents, its indexes and every keyspace of it, whatever they hold.
///
/// Whoever calls this has dropped the collection's writer before.
///
/// # Errors
/// [`Error::UnknownCollection`], which leaves the transaction as it was; those of the storage core.
pub fn drop_collection(transaction: &mut Transaction, name: &str) -> Result<()> {
    if collection_definition(transaction, name)?.is_none() {
        return Err(Error::UnknownCollection { name: name.to_owned() });
    }
    let catalog = catalog(transaction)?;
    // The tally, and the marks of imports.
    transaction.delete_prefix(catalog, format!("{name}/").as_bytes())?;
    transaction.delete(catalog, name.as_bytes())?;
    for keyspace in transaction.keyspace_names() {
        let is_its = keyspace.split_once('/').is_some_and(|(collection, _)| collection == name);
        if let Some(id) = transaction.keyspace(&keyspace).filter(|_| is_its) {
            transaction.drop_keyspace(id)?;
        }
    }
    Ok(())
}

/// Creates the keyspaces of a text index, or of one that is being built.
pub(super) fn create_index_keyspaces(
    transaction: &mut Transaction,
    collection: &str,
    storage_name: &str,
) -> Result<(KeyspaceId, KeyspaceId)> {
    let text = KeyspaceOptions {
        compression: Compression::None,
        merge_operator: Some("text".to_owned()),
        group_rewriter: Some("text".to_owned()),
        ..KeyspaceOptions::default()
    };
    let norms = KeyspaceOptions {
        compression: Compression::None,
        merge_operator: Some("norms".to_owned()),
        ..KeyspaceOptions::default()
    };
    let [text_name, norms_name] = storage_keyspaces(collection, storage_name);
    let text = transaction.create_keyspace(&text_name, text)?;
    let norms = transaction.create_keyspace(&norms_name, norms)?;
    Ok((text, norms))
}

/// Writes the definition of a collection.
pub(super) fn put_definition(
    transaction: &mut Transaction,
    name: &str,
    definition: &CollectionDefinition,
) -> Result<()> {
    let catalog = catalog(transaction)?;
    let document =
        RawDocumentBuf::try_from(&encode(definition)).map_err(crate::bson::Error::from)?;
    Ok(transaction.put(catalog, name.as_bytes(), document.into_bytes())?)
}

/// The tally of a collection that exists.
pub(super) fn tally(reader: &dyn Reader, catalog: KeyspaceId, name: &str) -> Result<Tally> {
    let missing = || lsm::Error::corruption(format!("catalog: {name} has no tally"), 0);
    let value = reader.get(catalog, &tally_key(name))?.ok_or_else(missing)?;
    decode_tally(&value)
}

/// A collection's tally in an entry of the catalog.
pub(super) fn decode_tally(value: &[u8]) -> Result<Tally> {
    let mut reader = ByteReader::new("tally of a collection", value);
    let version = reader.u8()?;
    if version != TALLY_VERSION {
        return Err(reader.error(format_args!("version {version} is not known")).into());
    }
    let (next, live) = (reader.u64()?, reader.u64()?);
    reader.expect_end()?;
    let next = DocId::new(next).ok_or_else(|| reader.error("the next DocId exceeds 48 bits"))?;
    Ok(Tally { next, live })
}

/// Writes the tally of a collection.
pub(super) fn put_tally(
    transaction: &mut Transaction,
    catalog: KeyspaceId,
    name: &str,
    tally: Tally,
) -> Result<()> {
    let mut value = vec![TALLY_VERSION];
    value.extend_from_slice(&tally.next.number().to_le_bytes());
    value.extend_from_slice(&tally.live.to_le_bytes());
    Ok(transaction.put(catalog, &tally_key(name), value)?)
}

impl CollectionDefinition {
    /// The definition of a collection as it is created.
    pub(super) fn without_indexes(id: u32) -> Self {
        let (indexes, value_indexes, columns) = (Vec::new(), Vec::new(), Vec::new());
        CollectionDefinition { id, indexes, value_indexes, columns, is_index_only: false }
    }

    /// Refuses a name that an index of either kind has.
    pub(super) fn check_new_index(&self, collection: &str, index: &str) -> Result<()> {
        let is_text = self.indexes.iter().any(|other| other.name == index);
        if is_text || self.value_indexes.iter().any(|other| other.name == index) {
            let (collection, index) = (collection.to_owned(), index.to_owned());
            return Err(Error::IndexExists { collection, index });
        }
        Ok(())
    }

    /// The place of a value index.
    pub(super) fn find_value_index(&self, collection: &str, index: &str) -> Result<usize> {
        let found = self.value_indexes.iter().position(|other| other.name == index);
        found.ok_or_else(|| Error::UnknownIndex {
            collection: collection.to_owned(),
            kind: KIND_VALUE,
            index: Some(index.to_owned()),
            known: self.value_indexes.iter().map(|index| index.name.clone()).collect(),
        })
    }

    /// The error for a text index that is not there.
    pub(super) fn unknown_text_index(&self, collection: &str, index: Option<&str>) -> Error {
        Error::UnknownIndex {
            collection: collection.to_owned(),
            kind: KIND_TEXT,
            index: index.map(str::to_owned),
            known: self.indexes.iter().map(|index| index.name.clone()).collect(),
        }
    }
}

impl Keyspaces {
    /// The keyspaces of a collection that exists.
    pub(super) fn find(reader: &dyn Reader, collection: &str) -> Result<Self> {
        let find = |name: String| {
            let found = reader.keyspace(&name);
            found.ok_or(Error::Lsm(lsm::Error::UnknownKeyspace(name)))
        };
        Ok(Keyspaces {
            catalog: catalog(reader)?,
            docs: find(names::docs(collection))?,
            ids: find(names::ids(collection))?,
            dead: find(names::dead(collection))?,
        })
    }
}

fn catalog(reader: &dyn Reader) -> Result<KeyspaceId> {
    let catalog = reader.keyspace(CATALOG);
    catalog.ok_or_else(|| Error::Lsm(lsm::Error::UnknownKeyspace(CATALOG.to_owned())))
}

/// No name has a `/`, so this is no collection's key.
fn tally_key(name: &str) -> Vec<u8> {
    format!("{name}/tally").into_bytes()
}

fn encode(definition: &CollectionDefinition) -> Document {
    let text = definition.indexes.iter().map(IndexDefinition::to_document);
    let value = definition.value_indexes.iter().map(|index| {
        doc! { "name": &index.name, "kind": KIND_VALUE, "options": index.options.to_document() }
    });
    let indexes: Vec<Bson> = text.chain(value).map(Bson::Document).collect();
    let mut document = doc! { "id": i64::from(definition.id), "indexes": indexes };
    if !definition.columns.is_empty() {
        document.insert("columns", &definition.columns);
    }
    if definition.is_index_only {
        document.insert("index_only", true);
    }
    document
}

/// `None` when a field is missing, unknown or of a wrong type.
fn decode(document: &RawDocument) -> Result<Option<CollectionDefinition>> {
    let id = document.get_i64("id").ok().and_then(|id| u32::try_from(id).ok());
    let (Some(id), Ok(array)) = (id, document.get_array("indexes")) else { return Ok(None) };
    if !has_only(document, &["id", "indexes", "columns", "index_only"]) {
        return Ok(None);
    }
    let mut definition = CollectionDefinition::without_indexes(id);
    definition.is_index_only = match document.get("index_only") {
        Ok(None) => false,
        Ok(Some(RawBsonRef::Boolean(is_index_only))) => is_index_only,
        _ => return Ok(None),
    };
    match document.get("columns") {
        Ok(None) => {}
        Ok(Some(RawBsonRef::Array(columns))) => {
            let path = |path: RawBsonRef<'_>| {
                path.as_str().filter(|path| Path::parse(path).is_ok()).map(str::to_owned)
            };
            let paths = columns.into_iter().map(|column| path(column.ok()?));
            let Some(paths) = paths.collect() else { return Ok(None) };
            definition.columns = paths;
        }
        _ => return Ok(None),
    }
    for index in array {
        let Some(index) = index.ok().and_then(RawBsonRef::as_document) else { return Ok(None) };
        match index.get_str("kind") {
            Ok(KIND_TEXT) => {
                let Some(index) = IndexDefinition::from_document(index)? else { return Ok(None) };
                definition.indexes.push(index);
            }
            Ok(KIND_VALUE) if has_only(index, &["name", "kind", "options"]) => {
                let (Ok(name), Ok(options)) =
                    (index.get_str("name"), index.get_document("options"))
                else {
                    return Ok(None);
                };
                let (name, options) = (name.to_owned(), ValueIndexOptions::from_document(options)?);
                definition.value_indexes.push(ValueIndexDefinition { name, options });
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(definition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fts::{AnalyzerOptions, TextIndexOptions};

    #[test]
    fn definitions_come_back_as_they_went() {
        let fields = [("title", 2.0), ("body", 1.0)];
        let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
        let default = TextIndexOptions::default();
        let index = |name, options| IndexDefinition::new(name, options).unwrap();
        let indexes = vec![index("default", &default), index("b", &options)];
        let columns = vec!["year".to_owned(), "author.name".to_owned()];
        let value_indexes = ["year", "pages"].map(|path| ValueIndexDefinition {
            name: path.to_owned(),
            options: ValueIndexOptions::ascending(path).unique(),
        });
        let value_indexes = value_indexes.into();
        let definition =
            CollectionDefinition { id: 7, indexes, value_indexes, columns, is_index_only: true };
        let document = RawDocumentBuf::try_from(&encode(&definition)).unwrap();
        assert_eq!(decode(&document).unwrap(), Some(definition));
    }

    #[test]
    fn what_a_newer_version_writes_is_not_half_understood() {
        for document in [
            doc! { "id": 1_i64 },
            doc! { "id": -1_i64, "indexes": [] },
            doc! { "id": 1_i64, "indexes": [], "capped": true },
            doc! { "id": 1_i64, "indexes": [], "columns": "a" },
            doc! { "id": 1_i64, "indexes": [], "index_only": 1 },
            doc! { "id": 1_i64, "indexes": [], "columns": ["a..b"] },
            doc! { "id": 1_i64, "indexes": [1] },
            doc! { "id": 1_i64, "indexes": [{ "name": "x", "kind": "geo" }] },
            doc! { "id": 1_i64, "indexes": [{ "name": "x", "kind": "value", "options": {}, "online": true }] },
        ] {
            assert_eq!(decode(&RawDocumentBuf::try_from(&document).unwrap()).unwrap(), None);
        }
    }

    #[test]
    fn names_that_keys_could_not_tell_apart_are_refused() {
        for name in ["notes", "a b", "ä.b-c", &"x".repeat(120)] {
            check_name(name).unwrap();
        }
        for name in ["", "a/b", "$a", "a\nb", "\0", &"x".repeat(121)] {
            assert!(matches!(check_name(name), Err(Error::InvalidName { .. })), "{name:?}");
        }
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        let definition = CollectionDefinition::without_indexes(1);
        let document = RawDocumentBuf::try_from(&encode(&definition)).unwrap();
        let hex: Vec<_> = document.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(include_str!("../../docs/format/catalog.md").contains(&hex.join(" ")));
    }
}
