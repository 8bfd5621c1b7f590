//! [`Transaction`]: writes that become visible and durable together, or not at all. It pairs the storage core's transaction
//! with one writer for each collection, and drains the writers before anything is read or committed.

use std::collections::BTreeMap;

use super::document::IntoDocument;
use super::find::Find;
use super::handle::Database;
use super::options::CollectionOptions;
use super::search::Search;
use super::view::{Opened, View};
use crate::bson::{self, Bson, Filter, RawBson, RawDocumentBuf};
use crate::collection::{
    self, CollectionWriter, DEFAULT_TEXT_INDEX, Upserted, ValueIndexOptions, WriterOptions,
    check_name,
};
use crate::error::Result;
use crate::fts::TextIndexOptions;
use crate::lsm::{self, CommitNo, Durability};
use crate::query::ParsedQuery;

/// Pending writes to any number of collections; dropped without `commit`, they never happened.
///
/// It reads its own writes, and finds them in its own searches:
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let mut transaction = db.begin()?;
/// let mut notes = transaction.collection("notes")?;
/// notes.insert(doc! { "text": "a nugget of gold" })?;
/// assert_eq!(notes.search("nugget")?.count()?, 1);
/// transaction.rollback();
/// assert_eq!(db.collection("notes")?.search("nugget")?.count()?, 0);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    inner: lsm::Transaction,
    writers: BTreeMap<String, CollectionWriter>,
    /// Collections as reads since the last write found them.
    opened: BTreeMap<String, Opened>,
    // Behind the transaction, which has to end first.
    database: Database,
}

impl Transaction {
    pub(super) fn new(database: Database) -> Result<Self> {
        let inner = database.shared.store.begin()?;
        let (writers, opened) = (BTreeMap::new(), BTreeMap::new());
        Ok(Transaction { inner, writers, opened, database })
    }

    /// A collection within this transaction; the first write creates it.
    ///
    /// # Errors
    /// When no collection can have this name.
    pub fn collection(&mut self, name: &str) -> Result<TransactionCollection<'_>> {
        check_name(name)?;
        Ok(TransactionCollection { transaction: self, name: name.to_owned() })
    }

    /// Drops a collection with its documents and indexes, at a cost that does not depend on how many there are.
    ///
    /// What this transaction wrote to it goes too; the next write creates it anew.
    ///
    /// # Errors
    /// When there is none of this name; the transaction is then as it was
    /// ([`is_unknown_collection`](crate::Error::is_unknown_collection)).
    pub fn drop_collection(&mut self, name: &str) -> Result<()> {
        collection::drop_collection(self.inner(), name)?;
        // What it gathered would lead nowhere.
        self.writers.remove(name);
        Ok(())
    }

    pub(super) fn create_collection(
        &mut self,
        name: &str,
        options: &CollectionOptions,
    ) -> Result<()> {
        let text_index = options.text_index.as_ref();
        let is_index_only = options.index_only;
        let options = self.writer_options();
        text_index.map_or(Ok(()), TextIndexOptions::check)?;
        if is_index_only
            && collection::create_index_only(self.inner(), name)?
            && let Some(text_index) = text_index
        {
            let (name_of_index, bytes_max) = (DEFAULT_TEXT_INDEX, options.inverter_bytes_max);
            collection::create_text_index(
                self.inner(),
                name,
                name_of_index,
                text_index,
                bytes_max,
            )?;
        }
        let writer = CollectionWriter::open_or_create(self.inner(), name, text_index, options)?;
        self.writers.insert(name.to_owned(), writer);
        Ok(())
    }

    /// Makes everything visible, as durable as the database's options say.
    ///
    /// # Errors
    /// After an error nothing of the transaction is visible.
    pub fn commit(self) -> Result<CommitNo> {
        let durability = self.database.shared.options.durability;
        self.commit_with(durability)
    }

    /// Makes everything visible, as durable as asked.
    ///
    /// # Errors
    /// After an error nothing of the transaction is visible.
    pub fn commit_with(mut self, durability: Durability) -> Result<CommitNo> {
        self.drain()?;
        Ok(self.inner.commit(durability)?)
    }

    /// Makes everything visible, as durable as the options say; writes of so many bytes or more go to the file by themselves and not
    /// through the log.
    pub(super) fn commit_bulk(mut self, spill_bytes_min: usize) -> Result<CommitNo> {
        self.drain()?;
        if self.inner.bytes() >= spill_bytes_min {
            self.inner.spill()?;
        }
        Ok(self.inner.commit(self.database.shared.options.durability)?)
    }

    /// Undoes everything; the same as dropping the transaction.
    pub fn rollback(self) {}

    fn writer_options(&self) -> WriterOptions {
        let inverter_bytes_max = self.database.shared.options.inverter_bytes_max();
        WriterOptions { inverter_bytes_max, ..WriterOptions::default() }
    }

    /// Moves what the writers gathered into the pending run, where reads and the commit find it.
    fn drain(&mut self) -> Result<()> {
        for writer in self.writers.values_mut() {
            writer.drain(&mut self.inner)?;
        }
        Ok(())
    }

    /// The pending run and the writer of a collection, which is created when it is not there.
    pub(super) fn writer(
        &mut self,
        name: &str,
    ) -> Result<(&mut lsm::Transaction, &mut CollectionWriter)> {
        if !self.writers.contains_key(name) {
            self.create_collection(name, &CollectionOptions::default())?;
        }
        self.opened.clear();
        let writer = self.writers.get_mut(name).expect("invariant: the writer was opened above");
        Ok((&mut self.inner, writer))
    }

    /// The pending run, for writing to it.
    pub(super) fn inner(&mut self) -> &mut lsm::Transaction {
        self.opened.clear();
        &mut self.inner
    }

    /// What reads of a collection see: everything gathered so far.
    fn view(&mut self, name: &str) -> Result<View<'_>> {
        self.drain()?;
        let opened = self.opened.entry(name.to_owned()).or_default();
        Ok(View::Transaction { transaction: &self.inner, name: name.to_owned(), opened })
    }
}

/// A collection within a transaction.
#[derive(Debug)]
pub struct TransactionCollection<'t> {
    transaction: &'t mut Transaction,
    name: String,
}

impl TransactionCollection<'_> {
    /// Stores a new document and gives its `_id`, which is made and becomes its first field when it had none.
    ///
    /// # Errors
    /// A duplicate `_id`, and a document that cannot be stored, leave the transaction as it was.
    pub fn insert<'d>(&mut self, document: impl IntoDocument<'d>) -> Result<Bson> {
        let document = document.into_document()?;
        let (transaction, writer) = self.transaction.writer(&self.name)?;
        Ok(writer.insert(transaction, &document)?)
    }

    /// Replaces the document with the same `_id`; whether there was one.
    ///
    /// # Errors
    /// A document without `_id`, or one that cannot be stored, leaves the transaction as it was.
    pub fn replace<'d>(&mut self, document: impl IntoDocument<'d>) -> Result<bool> {
        let document = document.into_document()?;
        let (transaction, writer) = self.transaction.writer(&self.name)?;
        Ok(writer.replace(transaction, &document)?)
    }

    /// Stores a document in the place of the one with its `_id`, if there is one.
    ///
    /// # Errors
    /// A document that cannot be stored leaves the transaction as it was.
    pub fn upsert<'d>(&mut self, document: impl IntoDocument<'d>) -> Result<Upserted> {
        let document = document.into_document()?;
        let (transaction, writer) = self.transaction.writer(&self.name)?;
        Ok(writer.upsert(transaction, &document)?)
    }

    /// Removes the document with this `_id`; whether there was one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn remove(&mut self, id: impl Into<Bson>) -> Result<bool> {
        let id = raw_id(id)?;
        let (transaction, writer) = self.transaction.writer(&self.name)?;
        Ok(writer.remove(transaction, id.as_raw_bson_ref())?)
    }

    /// Removes a document that is given, as of [`Collection::remove_document`](crate::Collection::remove_document).
    ///
    /// # Errors
    /// Those of that.
    pub fn remove_document<'d>(&mut self, document: impl IntoDocument<'d>) -> Result<bool> {
        let document = document.into_document()?;
        let (transaction, writer) = self.transaction.writer(&self.name)?;
        Ok(writer.remove_document(transaction, &document)?)
    }

    /// The document with this `_id`, pending writes included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&mut self, id: impl Into<Bson>) -> Result<Option<RawDocumentBuf>> {
        let id = raw_id(id)?;
        let view = self.transaction.view(&self.name)?;
        let Some(collection) = view.collection()? else { return Ok(None) };
        Ok(collection.get(id.as_raw_bson_ref())?)
    }

    /// Number of documents, pending writes included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&mut self) -> Result<u64> {
        let view = self.transaction.view(&self.name)?;
        Ok(view.collection()?.map_or(0, |collection| collection.count()))
    }

    /// A search that also finds what this transaction wrote.
    ///
    /// # Errors
    /// When what was gathered cannot be made searchable.
    pub fn search(&mut self, query: impl Into<ParsedQuery>) -> Result<Search<'_>> {
        let view = self.transaction.view(&self.name)?;
        Ok(Search::new(view, query.into()))
    }

    /// The documents that `filter` lets through, those that this transaction wrote included.
    ///
    /// # Errors
    /// When the filter is none, or what was gathered cannot be made searchable.
    pub fn find<'d>(&mut self, filter: impl IntoDocument<'d>) -> Result<Find<'_>> {
        let filter = Filter::parse(&filter.into_document()?)?;
        Ok(Find::new(self.transaction.view(&self.name)?, filter))
    }

    /// The collection as its reads see it.
    pub(super) fn view(&mut self) -> Result<View<'_>> {
        self.transaction.view(&self.name)
    }

    /// Creates a text index and fills it with the documents that are there.
    ///
    /// # Errors
    /// When there is one of this name, or its options are impossible.
    pub fn create_text_index(&mut self, index: &str, options: &TextIndexOptions) -> Result<()> {
        self.transaction.writer(&self.name)?;
        let inverter_bytes_max = self.close_writer()?;
        let inner = self.transaction.inner();
        Ok(collection::create_text_index(inner, &self.name, index, options, inverter_bytes_max)?)
    }

    /// Drops a text index, and what was being built to take its place.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn drop_text_index(&mut self, index: &str) -> Result<()> {
        self.close_writer()?;
        collection::drop_text_index(self.transaction.inner(), &self.name, index)?;
        Ok(())
    }

    /// Builds a text index anew from the documents, all within this transaction: other writers wait until it ends.
    /// [`Collection::reindex`](crate::Collection::reindex) lets them go on. What was being built to take its place is dropped.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn reindex(&mut self, index: &str) -> Result<()> {
        let inverter_bytes_max = self.close_writer()?;
        let inner = self.transaction.inner();
        Ok(collection::reindex(inner, &self.name, index, inverter_bytes_max)?)
    }

    /// Creates a value index and fills it with the documents that are there.
    ///
    /// # Errors
    /// When there is an index of this name, its options are impossible, or two documents have a key in common that has to be
    /// unique: the transaction is then as it was.
    pub fn create_value_index(&mut self, index: &str, options: &ValueIndexOptions) -> Result<()> {
        self.transaction.writer(&self.name)?;
        let bytes_max = self.close_writer()?;
        let inner = self.transaction.inner();
        Ok(collection::create_value_index(inner, &self.name, index, options, bytes_max)?)
    }

    /// Drops a value index, at a cost that does not depend on its size.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn drop_value_index(&mut self, index: &str) -> Result<()> {
        self.close_writer()?;
        Ok(collection::drop_value_index(self.transaction.inner(), &self.name, index)?)
    }

    /// Creates a column of the values at a path, as of [`Collection::create_column`](crate::Collection::create_column).
    ///
    /// # Errors
    /// When there is one, or a document has too long a value there: the transaction is then as it was.
    pub fn create_column(&mut self, path: &str) -> Result<()> {
        self.transaction.writer(&self.name)?;
        let bytes_max = self.close_writer()?;
        let inner = self.transaction.inner();
        Ok(collection::create_column(inner, &self.name, path, bytes_max)?)
    }

    /// Drops a column, at a cost that does not depend on its size.
    ///
    /// # Errors
    /// When there is none of this path.
    pub fn drop_column(&mut self, path: &str) -> Result<()> {
        self.close_writer()?;
        Ok(collection::drop_column(self.transaction.inner(), &self.name, path)?)
    }

    /// Drains and forgets the writer, whose indexes are about to change.
    fn close_writer(&mut self) -> Result<usize> {
        self.transaction.drain()?;
        self.transaction.writers.remove(&self.name);
        Ok(self.transaction.writer_options().inverter_bytes_max)
    }
}

/// An `_id` as the layers below want it.
pub(super) fn raw_id(id: impl Into<Bson>) -> Result<RawBson> {
    Ok(RawBson::try_from(id.into()).map_err(bson::Error::from)?)
}
