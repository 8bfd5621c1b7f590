//! Value indexes of a collection: created and filled, dropped.
//!
//! All of it happens inside one transaction, while others go on reading. Whoever calls these functions has drained and dropped the
//! collection's writer before. Cost: creating walks every document; dropping costs the same for every index.

use super::super::catalog::{
    Keyspaces, ValueIndexDefinition, check_name, definition_to_change, put_definition,
};
use super::super::documents::{Documents, id_json};
use super::super::error::Result;
use super::super::fill::{Gathers, fill};
use super::super::value_options::ValueIndexOptions;
use super::entry::keyspace_options;
use super::indexer::ValueIndexer;
use crate::bson::{IndexKeys, RawDocument};
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
        let mut gathered = GatheredKeys { collection, indexer, keys: Vec::new(), bytes: 0 };
        fill(transaction, collection, &mut gathered, bytes_max)
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

/// The keys of documents, which may refuse each other once they are written.
struct GatheredKeys<'c> {
    collection: &'c str,
    indexer: ValueIndexer,
    keys: Vec<(DocId, IndexKeys)>,
    bytes: usize,
}

impl Gathers for GatheredKeys<'_> {
    fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        if let Some(keys) = self.indexer.keys(document)? {
            let of_key = |key: &Vec<u8>| size_of::<Vec<u8>>() + key.len();
            self.bytes += size_of::<(DocId, IndexKeys)>();
            self.bytes += keys.keys.iter().map(of_key).sum::<usize>();
            self.keys.push((doc, keys));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn drain(&mut self, transaction: &mut Transaction) -> Result<()> {
        let keyspaces = Keyspaces::find(transaction, self.collection)?;
        for (doc, keys) in self.keys.drain(..) {
            if let Some(holder) = self.indexer.holder(transaction, &keys, None)? {
                let holder =
                    Documents::from(transaction, &keyspaces, holder)?.next().transpose()?;
                let id = holder.map(|(_, document)| id_json(&document)).transpose()?;
                return Err(self.indexer.duplicate(id.unwrap_or_default()));
            }
            self.indexer.put(transaction, doc, &keys)?;
        }
        self.bytes = 0;
        Ok(())
    }
}
