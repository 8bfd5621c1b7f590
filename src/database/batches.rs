//! [`Batches`]: many documents for a new file, in transactions of a bounded size. Repair and reordering write through it.
//!
//! Until the last batch nothing has to be durable: a file that is not whole is thrown away. Cost: that of the writes.

use super::handle::Database;
use super::options::CollectionOptions;
use super::transaction::{Transaction, TransactionCollection};
use crate::collection::{CollectionDefinition, DEFAULT_TEXT_INDEX, ImportMark};
use crate::error::Result;
use crate::lsm::Durability;

/// Bytes of documents in one transaction.
const BATCH_BYTES: usize = 4 << 20;

/// Writes to one collection, which are committed now and then.
#[derive(Debug)]
pub(super) struct Batches<'d> {
    database: &'d Database,
    collection: &'d str,
    /// The transaction that is open, and bytes of documents in it.
    open: Option<(Transaction, usize)>,
}

impl<'d> Batches<'d> {
    pub(super) fn new(database: &'d Database, collection: &'d str) -> Self {
        Batches { database, collection, open: None }
    }

    /// Lets `write` write a document of so many bytes. What it gives is given back; an error of its own ends nothing.
    pub(super) fn write<T>(
        &mut self,
        document_bytes: usize,
        write: impl FnOnce(&mut TransactionCollection<'_>) -> T,
    ) -> Result<T> {
        let (mut transaction, bytes) = match self.open.take() {
            Some(open) => open,
            None => (self.database.begin()?, 0),
        };
        let written = write(&mut transaction.collection(self.collection)?);
        let bytes = bytes + document_bytes;
        if bytes < BATCH_BYTES {
            self.open = Some((transaction, bytes));
        } else {
            transaction.commit_with(Durability::Buffered)?;
        }
        Ok(written)
    }

    /// Commits what is left, durably.
    pub(super) fn finish(self) -> Result<()> {
        self.open.map_or(Ok(()), |(transaction, _)| transaction.commit().map(|_| ()))
    }
}

/// Notes how far imports have come whose documents a collection has by now.
pub(super) fn put_marks(database: &Database, name: &str, marks: &[ImportMark]) -> Result<()> {
    if marks.is_empty() {
        return Ok(());
    }
    let mut transaction = database.begin()?;
    let (pending, writer) = transaction.writer(name)?;
    for ImportMark { import, mark } in marks {
        writer.mark_import(pending, import, mark)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates a collection with the indexes that one had in another file.
pub(super) fn create_like(
    database: &Database,
    name: &str,
    definition: &CollectionDefinition,
) -> Result<()> {
    let default = definition.indexes.iter().find(|index| index.name == DEFAULT_TEXT_INDEX);
    let text_index = default.map(|index| index.options.clone());
    let options =
        CollectionOptions::new().text_index(text_index).index_only(definition.is_index_only);
    let created = database.create_collection(name, &options)?;
    for index in definition.indexes.iter().filter(|index| index.name != DEFAULT_TEXT_INDEX) {
        created.create_text_index(&index.name, &index.options)?;
    }
    for index in &definition.value_indexes {
        created.create_value_index(&index.name, &index.options)?;
    }
    for path in &definition.columns {
        created.create_column(path)?;
    }
    Ok(())
}
