//! Text indexes of a collection: created, dropped, rebuilt, and opened by those who read and write documents.
//!
//! All of it happens inside one transaction; `rebuild` does it in many. Whoever calls these functions has drained and dropped
//! the collection's writer before, and makes a new one afterwards. Cost: creating and rebuilding analyze every live document;
//! dropping costs the same for every index.

use std::ops::Range;

use super::catalog::{self, CollectionDefinition, check_name, definition_to_change};
use super::error::{Error, Result};
use super::fill::fill;
use super::text_definition::{IndexDefinition, RebuildDefinition, fingerprint, storage_keyspaces};
use crate::fts::{self, DocId, TextIndex, TextIndexOptions, TextIndexer};
use crate::lsm::{self, KeyspaceId, Reader, Transaction};

/// Name of the text index that a collection gets when nothing else was asked for.
pub const DEFAULT_TEXT_INDEX: &str = "default";

/// What a writer keeps right: a text index, or one that is being built to take its place.
#[derive(Debug)]
pub(super) struct IndexWriter {
    pub(super) indexer: TextIndexer,
    pub(super) options: TextIndexOptions,
    /// The living documents that are not in it.
    missing: Range<DocId>,
}

/// Creates a text index and fills it with all live documents.
///
/// Holds about `inverter_bytes_max` bytes beside the transaction's own.
///
/// # Errors
/// [`Error::IndexExists`], [`Error::UnknownCollection`], [`Error::InvalidName`] and
/// [`fts::Error::InvalidIndex`](crate::fts::Error::InvalidIndex), which leave the transaction as it was; those of the
/// storage core, after which it has to be rolled back.
pub fn create_text_index(
    transaction: &mut Transaction,
    collection: &str,
    index: &str,
    options: &TextIndexOptions,
    inverter_bytes_max: usize,
) -> Result<()> {
    check_name(index)?;
    options.check()?;
    let mut definition = definition_to_change(transaction, collection)?;
    definition.check_new_index(collection, index)?;
    definition.indexes.push(IndexDefinition::new(index, options)?);
    catalog::put_definition(transaction, collection, &definition)?;
    let (text, norms) = catalog::create_index_keyspaces(transaction, collection, index)?;
    let mut indexer = TextIndexer::new(text, norms, options)?;
    fill(transaction, collection, &mut indexer, inverter_bytes_max)
}

/// Drops a text index and all that it holds, and with it what was being built to take its place.
///
/// # Errors
/// [`Error::UnknownCollection`] and [`Error::UnknownIndex`], which leave the transaction as it was; those of the
/// storage core, after which it has to be rolled back.
pub fn drop_text_index(
    transaction: &mut Transaction,
    collection: &str,
    index: &str,
) -> Result<IndexDefinition> {
    let mut definition = definition_to_change(transaction, collection)?;
    let dropped = definition.indexes.remove(find_index(collection, &definition, Some(index))?);
    catalog::put_definition(transaction, collection, &definition)?;
    drop_keyspaces(transaction, dropped.keyspaces(collection))?;
    Ok(dropped)
}

/// Drops those of these keyspaces that are there.
pub(super) fn drop_keyspaces(
    transaction: &mut Transaction,
    names: impl IntoIterator<Item = String>,
) -> Result<()> {
    for name in names {
        if let Some(keyspace) = transaction.keyspace(&name) {
            transaction.drop_keyspace(keyspace)?;
        }
    }
    Ok(())
}

/// Builds a text index anew with the analyzer of this program: a remedy for [`Error::AnalyzerChanged`].
///
/// # Errors
/// Those of [`drop_text_index`] and [`create_text_index`].
pub fn reindex(
    transaction: &mut Transaction,
    collection: &str,
    index: &str,
    inverter_bytes_max: usize,
) -> Result<()> {
    let IndexDefinition { options, .. } = drop_text_index(transaction, collection, index)?;
    create_text_index(transaction, collection, index, &options, inverter_bytes_max)
}

/// What keeps all text indexes of a collection right, and those that are being built.
pub(super) fn open_index_writers(
    reader: &dyn Reader,
    collection: &str,
    definition: &CollectionDefinition,
) -> Result<Vec<IndexWriter>> {
    let open = |storage_name: &str, options: &TextIndexOptions, missing| {
        let (text, norms) = find_index_keyspaces(reader, collection, storage_name)?;
        let indexer = TextIndexer::new(text, norms, options)?;
        Ok::<_, Error>(IndexWriter { indexer, options: options.clone(), missing })
    };
    let mut writers = Vec::new();
    for index in &definition.indexes {
        check_fingerprint(collection, index)?;
        writers.push(open(&index.storage_name(), &index.options, DocId::MIN..DocId::MIN)?);
        if let Some((rebuild, storage_name)) =
            index.rebuild.as_ref().zip(index.rebuild_storage_name())
        {
            let RebuildDefinition { options, missing, .. } = rebuild;
            writers.push(open(&storage_name, options, missing.clone())?);
        }
    }
    Ok(writers)
}

/// The two keyspaces of a text index, or of one that is being built.
pub(super) fn find_index_keyspaces(
    reader: &dyn Reader,
    collection: &str,
    storage_name: &str,
) -> Result<(KeyspaceId, KeyspaceId)> {
    let [text, norms] = storage_keyspaces(collection, storage_name).map(|name| {
        let found = reader.keyspace(&name);
        found.ok_or(Error::Lsm(lsm::Error::UnknownKeyspace(name)))
    });
    Ok((text?, norms?))
}

/// The place of a text index in the definition: of the one named, or of the one that is meant when none is.
pub(super) fn find_index(
    collection: &str,
    definition: &CollectionDefinition,
    index: Option<&str>,
) -> Result<usize> {
    let named = |name: &str| definition.indexes.iter().position(|index| index.name == name);
    let found = match (index, definition.indexes.len()) {
        (Some(name), _) => named(name),
        (None, 1) => Some(0),
        (None, _) => named(DEFAULT_TEXT_INDEX),
    };
    found.ok_or_else(|| definition.unknown_text_index(collection, index))
}

/// Opens a text index in the state that `reader` shows.
pub(super) fn open_index(
    reader: &dyn Reader,
    collection: &str,
    index: &IndexDefinition,
) -> Result<TextIndex> {
    check_fingerprint(collection, index)?;
    let options = index.options.clone();
    Ok(TextIndex::open(reader, collection, &index.storage_name(), options)?)
}

fn check_fingerprint(collection: &str, index: &IndexDefinition) -> Result<()> {
    let current = fingerprint(&index.options).map_err(|error| match error {
        fts::Error::Analyzer(error) => Error::AnalyzerMissing {
            collection: collection.to_owned(),
            index: index.name.clone(),
            error: Box::new(error),
        },
        error => error.into(),
    })?;
    if current == index.fingerprint {
        return Ok(());
    }
    Err(Error::AnalyzerChanged {
        collection: collection.to_owned(),
        index: index.name.clone(),
        stored: index.fingerprint.clone(),
        current,
    })
}

impl IndexWriter {
    /// Whether a document that is alive is in the index.
    pub(super) fn has(&self, doc: DocId) -> bool {
        !self.missing.contains(&doc)
    }
}
