//! Value indexes of a collection: created and filled, dropped.
//!
//! All of it happens inside one transaction, while others go on reading. Whoever calls these functions has drained and dropped the
//! collection's writer before. Cost: creating walks every document; dropping costs the same for every index.

use super::super::catalog::{
    Keyspaces, ValueIndexDefinition, check_name, definition_to_change, put_definition,
};
use super::super::documents::{Documents, id_json};
use super::super::error::Result;
use super::super::value_options::ValueIndexOptions;
use super::entry::keyspace_options;
use super::indexer::ValueIndexer;
use crate::bson::IndexKeys;
use crate::fts::{DocId, names};
use crate::lsm::{Reader, Transaction};

/// Creates a value index and fills it with all live documents.
///
/// Holds about `bytes_max` bytes beside the transaction's own.
///
/// # Errors
/// [`IndexExists`], [`UnknownCollection`], [`InvalidName`] and [`Document`] for impossible options; [`DuplicateKey`] and
/// [`IndexKeyTooLong`] for a document that the index cannot have. All leave the transaction as it was; after those of the storage core
/// it has to be rolled back.
///
/// [`IndexExists`]: crate::collection::Error::IndexExists
/// [`UnknownCollection`]: crate::collection::Error::UnknownCollection
/// [`InvalidName`]: crate::collection::Error::InvalidName
/// [`Document`]: crate::collection::Error::Document
/// [`DuplicateKey`]: crate::collection::Error::DuplicateKey
/// [`IndexKeyTooLong`]: crate::collection::Error::IndexKeyTooLong
pub fn create_value_index(
    transaction: &mut Transaction,
    collection: &str,
    index: &str,
    options: &ValueIndexOptions,
    bytes_max: usize,
) -> Result<()> {
    check_name(index)?;
    options.check()?;
    let mut definition = definition_to_change(transaction, collection)?;
    definition.check_new_index(collection, index)?;
    let added = ValueIndexDefinition { name: index.to_owned(), options: options.clone() };
    definition.value_indexes.push(added.clone());
    let before = transaction.savepoint()?;
    let done = put_definition(transaction, collection, &definition).and_then(|()| {
        let name = names::value(collection, index);
        transaction.create_keyspace(&name, keyspace_options(options.unique))?;
        let indexer = ValueIndexer::open(transaction, collection, &added)?;
        fill(transaction, collection, indexer, bytes_max)
    });
    if done.is_err() {
        transaction.rollback_to(&before)?;
    }
    done
}

/// Drops a value index and all that it holds.
///
/// # Errors
/// [`UnknownCollection`](crate::collection::Error::UnknownCollection) and
/// [`UnknownIndex`](crate::collection::Error::UnknownIndex), which leave the transaction as it was; those of the storage core.
pub fn drop_value_index(
    transaction: &mut Transaction,
    collection: &str,
    index: &str,
) -> Result<()> {
    let mut definition = definition_to_change(transaction, collection)?;
    let place = definition.find_value_index(collection, index)?;
    definition.value_indexes.remove(place);
    put_definition(transaction, collection, &definition)?;
    if let Some(keyspace) = transaction.keyspace(&names::value(collection, index)) {
        transaction.drop_keyspace(keyspace)?;
    }
    Ok(())
}

/// Indexes all live documents. A cursor borrows the transaction, so keys gather before they are put.
fn fill(
    transaction: &mut Transaction,
    collection: &str,
    mut indexer: ValueIndexer,
    bytes_max: usize,
) -> Result<()> {
    let keyspaces = Keyspaces::find(transaction, collection)?;
    let mut start = Some(DocId::MIN);
    while let Some(from) = start.take() {
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        for document in Documents::from(transaction, &keyspaces, from)? {
            let (doc, document) = document?;
            let Some(keys) = indexer.keys(&document)? else { continue };
            bytes += gathered_bytes(&keys);
            gathered.push((doc, keys));
            if bytes >= bytes_max {
                start = Some(doc.plus(1)?);
                break;
            }
        }
        for (doc, keys) in gathered {
            if let Some(holder) = indexer.holder(transaction, &keys, None)? {
                let holder =
                    Documents::from(transaction, &keyspaces, holder)?.next().transpose()?;
                let id = holder.map(|(_, document)| id_json(&document)).transpose()?;
                return Err(indexer.duplicate(id.unwrap_or_default()));
            }
            indexer.put(transaction, doc, &keys)?;
        }
    }
    Ok(())
}

/// Bytes of memory of a document's keys.
fn gathered_bytes(keys: &IndexKeys) -> usize {
    let of_key = |key: &Vec<u8>| size_of::<Vec<u8>>() + key.len();
    size_of::<(DocId, IndexKeys)>() + keys.keys.iter().map(of_key).sum::<usize>()
}
