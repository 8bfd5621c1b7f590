//! Columns of a collection: created and filled, dropped, and opened by those who write and read documents.
//!
//! All of it happens inside one transaction; whoever creates or drops has drained and dropped the collection's writer before.
//! Invariant: a stored column has the values of every living document. Cost: creating walks every document; dropping costs the same
//! for every column.

use super::catalog::{CollectionDefinition, definition_to_change, put_definition};
use super::error::{Error, Result};
use super::fill::fill;
use crate::bson::Path;
use crate::columns::ColumnIndexer;
use crate::fts::names;
use crate::lsm::{self, Compression, KeyspaceId, KeyspaceOptions, Reader, Transaction};

/// Creates a column of the values at a path and fills it with those of all live documents.
///
/// Holds about `bytes_max` bytes beside the transaction's own.
///
/// # Errors
/// [`Error::ColumnExists`], [`Error::UnknownCollection`] and [`Error::Document`] for a text that is no path;
/// [`Error::Columns`] for a document with too long a value. All leave the transaction as it was; after those of the storage core it has
/// to be rolled back.
pub fn create_column(
    transaction: &mut Transaction,
    collection: &str,
    path: &str,
    bytes_max: usize,
) -> Result<()> {
    Path::parse(path)?;
    let mut definition = definition_to_change(transaction, collection)?;
    if definition.columns.iter().any(|other| other == path) {
        let (collection, path) = (collection.to_owned(), path.to_owned());
        return Err(Error::ColumnExists { collection, path });
    }
    definition.columns.push(path.to_owned());
    let before = transaction.savepoint()?;
    let done = put_definition(transaction, collection, &definition).and_then(|()| {
        let options = KeyspaceOptions {
            compression: Compression::None,
            merge_operator: Some("column".to_owned()),
            ..KeyspaceOptions::default()
        };
        transaction.create_keyspace(&names::columns(collection, path), options)?;
        let mut indexer = open_column_indexer(transaction, collection, path)?;
        fill(transaction, collection, &mut indexer, bytes_max)
    });
    if done.is_err() {
        transaction.rollback_to(&before)?;
    }
    done
}

/// Drops a column.
///
/// # Errors
/// [`Error::UnknownCollection`] and [`Error::UnknownColumn`], which leave the transaction as it was; those of the storage core.
pub fn drop_column(transaction: &mut Transaction, collection: &str, path: &str) -> Result<()> {
    let mut definition = definition_to_change(transaction, collection)?;
    let known = definition.columns.len();
    definition.columns.retain(|other| other != path);
    if definition.columns.len() == known {
        let (collection, path) = (collection.to_owned(), path.to_owned());
        return Err(Error::UnknownColumn { collection, path, known: definition.columns });
    }
    put_definition(transaction, collection, &definition)?;
    if let Some(keyspace) = transaction.keyspace(&names::columns(collection, path)) {
        transaction.drop_keyspace(keyspace)?;
    }
    Ok(())
}

/// The indexers of all columns of a collection.
pub(super) fn open_column_indexers(
    reader: &dyn Reader,
    collection: &str,
    definition: &CollectionDefinition,
) -> Result<Vec<ColumnIndexer>> {
    let paths = definition.columns.iter();
    paths.map(|path| open_column_indexer(reader, collection, path)).collect()
}

fn open_column_indexer(reader: &dyn Reader, collection: &str, path: &str) -> Result<ColumnIndexer> {
    Ok(ColumnIndexer::new(column_keyspace(reader, collection, path)?, Path::parse(path)?))
}

/// The keyspace of a column that exists.
pub(super) fn column_keyspace(
    reader: &dyn Reader,
    collection: &str,
    path: &str,
) -> Result<KeyspaceId> {
    let name = names::columns(collection, path);
    let found = reader.keyspace(&name);
    Ok(found.ok_or(lsm::Error::UnknownKeyspace(name))?)
}
