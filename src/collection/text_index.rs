//! Text indexes of a collection: created, dropped, rebuilt, and opened by those who read and write documents.
//!
//! All of it happens inside one transaction. Whoever calls these functions has drained and dropped the collection's
//! writer before, and makes a new one afterwards. Cost: creating and rebuilding analyze every live document; dropping
//! costs the same for every index.

use super::catalog::{
    self, CollectionDefinition, IndexDefinition, Keyspaces, check_name, definition_to_change,
};
use super::documents::Documents;
use super::error::{Error, Result};
use crate::fts::{Analyzer, DocId, TextIndex, TextIndexOptions, TextIndexer, names};
use crate::lsm::{self, Reader, Transaction};

/// Name of the text index that a collection gets when nothing else was asked for.
pub const DEFAULT_TEXT_INDEX: &str = "default";

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
    definition.indexes.push(IndexDefinition {
        name: index.to_owned(),
        options: options.clone(),
        fingerprint: Analyzer::new(&options.analyzer).fingerprint(),
    });
    catalog::put_definition(transaction, collection, &definition)?;
    let (text, norms) = catalog::create_index_keyspaces(transaction, collection, index)?;
    let mut indexer = TextIndexer::new(text, norms, options)?;
    fill(transaction, collection, &mut indexer, inverter_bytes_max)
}

/// Drops a text index and all that it holds.
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
    let place = definition.indexes.iter().position(|other| other.name == index);
    let place = place.ok_or_else(|| definition.unknown_text_index(collection, Some(index)))?;
    let dropped = definition.indexes.remove(place);
    catalog::put_definition(transaction, collection, &definition)?;
    for name in [names::text(collection, index), names::norms(collection, index)] {
        if let Some(keyspace) = transaction.keyspace(&name) {
            transaction.drop_keyspace(keyspace)?;
        }
    }
    Ok(dropped)
}

/// Builds a text index anew with the analyzer of this program: the remedy for [`Error::AnalyzerChanged`].
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

/// The indexers of all text indexes of a collection.
pub(super) fn open_indexers(
    reader: &dyn Reader,
    collection: &str,
    definition: &CollectionDefinition,
) -> Result<Vec<TextIndexer>> {
    let open = |index: &IndexDefinition| {
        check_fingerprint(collection, index)?;
        let find = |name: String| {
            let found = reader.keyspace(&name);
            found.ok_or(Error::Lsm(lsm::Error::UnknownKeyspace(name)))
        };
        let text = find(names::text(collection, &index.name))?;
        let norms = find(names::norms(collection, &index.name))?;
        Ok(TextIndexer::new(text, norms, &index.options)?)
    };
    definition.indexes.iter().map(open).collect()
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
    Ok(TextIndex::open(reader, collection, &index.name, index.options.clone())?)
}

fn check_fingerprint(collection: &str, index: &IndexDefinition) -> Result<()> {
    let current = Analyzer::new(&index.options.analyzer).fingerprint();
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

/// Indexes all live documents. A cursor borrows the transaction, so it is opened anew after each drain.
fn fill(
    transaction: &mut Transaction,
    collection: &str,
    indexer: &mut TextIndexer,
    inverter_bytes_max: usize,
) -> Result<()> {
    let keyspaces = Keyspaces::find(transaction, collection)?;
    let mut start = Some(DocId::MIN);
    while let Some(from) = start.take() {
        for document in Documents::from(transaction, &keyspaces, from)? {
            let (doc, document) = document?;
            indexer.add(doc, &document)?;
            if indexer.bytes() >= inverter_bytes_max {
                start = Some(doc.plus(1)?);
                break;
            }
        }
        indexer.drain(transaction)?;
    }
    Ok(())
}
