//! [`Collection`]: documents of one kind. Each call is a transaction or a snapshot of its own, opened through the
//! [`Database`]; what is found and written is decided by the layers below.

use super::document::IntoDocument;
use super::find::Find;
use super::handle::Database;
use super::import::Import;
use super::options::CollectionOptions;
use super::rebuild::TextIndexRebuild;
use super::search::Search;
use super::snapshot::SnapshotCollection;
use super::transaction::TransactionCollection;
use crate::bson::{Bson, RawDocumentBuf};
use crate::collection::{
    self, CollectionDefinition, DEFAULT_TEXT_INDEX, RebuildProgress, Upserted, ValueIndexOptions,
};
use crate::error::Result;
use crate::fts::TextIndexOptions;
use crate::query::ParsedQuery;

/// A named collection of documents.
///
/// Every write is a transaction of its own; use [`Database::begin`] to join several. Every read sees the newest
/// commit; use [`Database::snapshot`] for several reads of the same state.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let rivers = db.collection("rivers")?;
/// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
/// rivers.upsert(doc! { "_id": "rhine", "km": 1232 })?;
/// assert_eq!(rivers.get("rhine")?.unwrap().get_i32("km").unwrap(), 1232);
/// assert!(rivers.remove("loire")?);
/// assert_eq!(rivers.count()?, 1);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Collection {
    database: Database,
    name: String,
}

impl Collection {
    pub(super) fn new(database: Database, name: String) -> Self {
        Collection { database, name }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it was created; `None` when it does not exist yet.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn options(&self) -> Result<Option<CollectionOptions>> {
        self.now()?.options()
    }

    /// Stores a new document and gives its `_id`, which is made and becomes its first field when it had none.
    ///
    /// # Errors
    /// When there is one with this `_id`, or the document cannot be stored.
    pub fn insert<'d>(&self, document: impl IntoDocument<'d>) -> Result<Bson> {
        self.write(|collection| collection.insert(document))
    }

    /// Stores new documents in one transaction and gives their `_id`s: all of them, or none.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) for any of the documents.
    pub fn insert_many<'d>(
        &self,
        documents: impl IntoIterator<Item = impl IntoDocument<'d>>,
    ) -> Result<Vec<Bson>> {
        self.write(|collection| {
            documents.into_iter().map(|document| collection.insert(document)).collect()
        })
    }

    /// Sets up an import: many documents in batches, analyzed on several threads, with progress, and able to go on where it was ended.
    pub fn import(&self) -> Import<'_> {
        Import::new(self, self.database.shared.options.memory_bytes)
    }

    /// How far the import of this name has come: what [`Import::resumable`] noted. Copies have the same marks, reordered ones too, and
    /// what `repair` makes where nothing is known to be lost.
    ///
    /// # Errors
    /// When the catalog cannot be read, or no import can have this name.
    pub fn import_mark(&self, import: &str) -> Result<Option<RawDocumentBuf>> {
        let snapshot = self.database.shared.store.snapshot();
        Ok(collection::import_mark(&snapshot, &self.name, import)?)
    }

    /// Replaces the document with the same `_id`; whether there was one.
    ///
    /// # Errors
    /// When the document has no `_id` or cannot be stored.
    pub fn replace<'d>(&self, document: impl IntoDocument<'d>) -> Result<bool> {
        self.write(|collection| collection.replace(document))
    }

    /// Stores a document in the place of the one with its `_id`, if there is one.
    ///
    /// # Errors
    /// When the document cannot be stored.
    pub fn upsert<'d>(&self, document: impl IntoDocument<'d>) -> Result<Upserted> {
        self.write(|collection| collection.upsert(document))
    }

    /// Removes the document with this `_id`; whether there was one.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remove(&self, id: impl Into<Bson>) -> Result<bool> {
        self.write(|collection| collection.remove(id))
    }

    /// Removes a document that is given: the one with its `_id`, which has to be the same byte for byte; whether there was one. That is the way in which a
    /// document goes that is [not stored](crate::CollectionOptions::index_only), since its words have to be subtracted.
    ///
    /// # Errors
    /// When it is another document, which leaves all as it was; when it has no `_id`; when the file cannot be read or written.
    pub fn remove_document<'d>(&self, document: impl IntoDocument<'d>) -> Result<bool> {
        self.write(|collection| collection.remove_document(document))
    }

    /// The document with this `_id`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, id: impl Into<Bson>) -> Result<Option<RawDocumentBuf>> {
        self.now()?.get(id)
    }

    /// Number of documents.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64> {
        self.now()?.count()
    }

    /// Number of different words that its text indexes have of living documents, each field for itself. Cost: a step for each, and no
    /// document is read.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert(doc! { "_id": 1, "text": "Gold, gold and a river" })?;
    /// assert_eq!(rivers.count_terms()?, 4);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_terms(&self) -> Result<u64> {
        self.now()?.count_terms()
    }

    /// All documents of this moment, in the order in which they were last written.
    ///
    /// # Errors
    /// When the file cannot be read; so can each item.
    pub fn documents(&self) -> Result<impl Iterator<Item = Result<RawDocumentBuf>> + use<>> {
        Ok(self.now()?.documents())
    }

    /// The documents that `filter` lets through, in the [language](crate::bson::Filter) of MongoDB, in the order in which they were
    /// last written: over value indexes where that costs less than looking at each.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
    /// let mut long = rivers.find(doc! { "km": { "$gt": 1100 } })?.run()?;
    /// assert_eq!(long.next().unwrap()?.get_str("_id").unwrap(), "rhine");
    /// assert!(long.next().is_none());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the filter is none; running it may fail.
    pub fn find<'d>(&self, filter: impl IntoDocument<'d>) -> Result<Find<'static>> {
        self.now()?.find(filter)
    }

    /// A search: any string that a person typed (see `docs/query.md`), or a [`Query`](crate::Query).
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "title": "Panning", "body": "Gold settles where the river slows." })?;
    /// let hits: Vec<_> = notes.search("+gold -silver \"the river\"")?.into_iter().collect();
    /// assert_eq!(hits.len(), 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Never for what the query says; running the search may fail.
    pub fn search(&self, query: impl Into<ParsedQuery>) -> Result<Search<'static>> {
        self.now()?.search(query)
    }

    /// Creates a text index and fills it with the documents that are there.
    ///
    /// # Errors
    /// When there is one of this name, or its options are impossible.
    pub fn create_text_index(&self, index: &str, options: &TextIndexOptions) -> Result<()> {
        self.write(|collection| collection.create_text_index(index, options))
    }

    /// Drops a text index, and what was being built to take its place.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn drop_text_index(&self, index: &str) -> Result<()> {
        self.write(|collection| collection.drop_text_index(index))
    }

    /// Builds a text index anew from the documents, under the options that it has and with this program's analyzer: the remedy
    /// when the analyzer has changed. All else is as of [`rebuild_text_index`](Self::rebuild_text_index).
    ///
    /// An index of another analyzer cannot be searched, and its collection not be written to, until this is done.
    ///
    /// # Errors
    /// When there is none of this name, and those of [`TextIndexRebuild::step`].
    pub fn reindex(&self, index: &str) -> Result<()> {
        TextIndexRebuild::start(&self.database, &self.name, index, None)?.finish(|_| ())
    }

    /// Builds a text index anew from the documents under other options: another analyzer, other paths or weights.
    ///
    /// That happens in many short transactions, so that others write and search meanwhile. Searches use the old index until the last
    /// commit, which puts the new one in its place; both take room until then. Whatever is written meanwhile goes into both, and is
    /// analyzed twice. After a crash or an error the old index is as it was, and the next call goes on where this one ended if it
    /// has the same options; with others it begins anew. [`TextIndexRebuild::cancel`] and dropping the index free what was built.
    /// Other weights and synonyms, which are a matter of queries, are there at once.
    ///
    /// ```
    /// use alluvium::{AnalyzerOptions, Database, Language, TextIndexOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "title": "Panning", "body": "Gold settles where the river slows." })?;
    /// let english = AnalyzerOptions::for_language(Language::English);
    /// let options = TextIndexOptions::chosen([("title", 2.0), ("body", 1.0)], english);
    /// notes.rebuild_text_index("default", &options)?;
    /// assert_eq!(notes.search("title:pans")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is none of this name, or the options are impossible; those of [`TextIndexRebuild::step`].
    pub fn rebuild_text_index(&self, index: &str, options: &TextIndexOptions) -> Result<()> {
        self.rebuild_text_index_with(index, options, |_| ())
    }

    /// Like [`rebuild_text_index`](Self::rebuild_text_index); `progress` hears how far it is.
    ///
    /// # Errors
    /// Those of [`rebuild_text_index`](Self::rebuild_text_index).
    pub fn rebuild_text_index_with(
        &self,
        index: &str,
        options: &TextIndexOptions,
        progress: impl FnMut(RebuildProgress),
    ) -> Result<()> {
        self.start_rebuild(index, options)?.finish(progress)
    }

    /// Begins what [`rebuild_text_index`](Self::rebuild_text_index) does, or goes on with it, for who wants to do the steps.
    ///
    /// Two with the same options share the work; one with other options ends those before it.
    ///
    /// # Errors
    /// When there is none of this name, or the options are impossible.
    pub fn start_rebuild(
        &self,
        index: &str,
        options: &TextIndexOptions,
    ) -> Result<TextIndexRebuild> {
        TextIndexRebuild::start(&self.database, &self.name, index, Some(options))
    }

    /// What its text indexes are, by name, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn text_indexes(&self) -> Result<Vec<(String, TextIndexOptions)>> {
        self.now()?.text_indexes()
    }

    /// Creates a value index and fills it with the documents that are there.
    ///
    /// # Errors
    /// When there is an index of this name, its options are impossible, or two documents have a key in common that has to be unique.
    pub fn create_value_index(&self, index: &str, options: &ValueIndexOptions) -> Result<()> {
        self.write(|collection| collection.create_value_index(index, options))
    }

    /// Drops a value index, at a cost that does not depend on its size.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn drop_value_index(&self, index: &str) -> Result<()> {
        self.write(|collection| collection.drop_value_index(index))
    }

    /// What its value indexes are, by name, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn value_indexes(&self) -> Result<Vec<(String, ValueIndexOptions)>> {
        self.now()?.value_indexes()
    }

    /// Creates a column of the values at a path and fills it with those of the documents that are there, so that sorts,
    /// aggregations and filters need not read documents.
    ///
    /// ```
    /// use alluvium::{Database, SortKey, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
    /// rivers.create_column("km")?;
    /// let longest = rivers.find(doc! {})?.sort_by([SortKey::descending("km")]).limit(1).run()?.next();
    /// assert_eq!(longest.unwrap()?.get_str("_id").unwrap(), "rhine");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is one, when the text is no path, and when the values of a document there take more than 1,000 bytes: columns are
    /// for values, texts have their index.
    pub fn create_column(&self, path: &str) -> Result<()> {
        self.write(|collection| collection.create_column(path))
    }

    /// Drops a column, at a cost that does not depend on its size.
    ///
    /// # Errors
    /// When there is none of this path.
    pub fn drop_column(&self, path: &str) -> Result<()> {
        self.write(|collection| collection.drop_column(path))
    }

    /// The paths of its columns, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn columns(&self) -> Result<Vec<String>> {
        self.now()?.columns()
    }

    /// The collection in a snapshot of now.
    pub(super) fn now(&self) -> Result<SnapshotCollection> {
        self.database.snapshot().collection(&self.name)
    }

    /// One transaction around `change`.
    fn write<T>(
        &self,
        change: impl FnOnce(&mut TransactionCollection<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut transaction = self.database.begin()?;
        let result = change(&mut transaction.collection(&self.name)?)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// What a definition says about how a collection was created.
pub(super) fn options_of(definition: &CollectionDefinition) -> CollectionOptions {
    let default = definition.indexes.iter().find(|index| index.name == DEFAULT_TEXT_INDEX);
    CollectionOptions::new()
        .text_index(default.map(|index| index.options.clone()))
        .index_only(definition.is_index_only)
}
