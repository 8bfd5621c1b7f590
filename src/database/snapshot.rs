//! [`Snapshot`]: the database as it was at one moment. Collections read through it, and so does every call of a
//! collection outside of a transaction.

use std::sync::Arc;

use super::collection::options_of;
use super::document::IntoDocument;
use super::find::Find;
use super::options::CollectionOptions;
use super::search::Search;
use super::transaction::raw_id;
use super::view::{Opened, OpenedCollections, View};
use crate::bson::{Bson, Filter, RawDocumentBuf};
use crate::collection::{self, CollectionReader, ValueIndexOptions, check_name};
use crate::error::Result;
use crate::fts::{DocId, TermPattern, TextIndexOptions};
use crate::lsm::{self, CommitNo};
use crate::query::ParsedQuery;

/// A view that later writes do not change.
///
/// It keeps what it sees from being freed, so do not hold one for ever.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let notes = db.collection("notes")?;
/// notes.insert(doc! { "text": "gold" })?;
/// let before = db.snapshot();
/// notes.insert(doc! { "text": "silver" })?;
/// assert_eq!(before.collection("notes")?.count()?, 1);
/// assert_eq!(notes.count()?, 2);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Snapshot {
    inner: lsm::Snapshot,
}

impl Snapshot {
    pub(super) fn new(inner: lsm::Snapshot) -> Self {
        Snapshot { inner }
    }

    /// The newest commit that it shows.
    pub(super) fn commit(&self) -> CommitNo {
        self.inner.commit()
    }

    /// The names of all collections, in ascending order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn collection_names(&self) -> Result<Vec<String>> {
        Ok(collection::collection_names(&self.inner)?)
    }

    /// A collection as the snapshot shows it; one that does not exist is empty.
    ///
    /// # Errors
    /// When no collection can have this name.
    pub fn collection(&self, name: &str) -> Result<SnapshotCollection> {
        check_name(name)?;
        let opened = self.inner.derived(OpenedCollections::default).of(name);
        let (snapshot, name) = (self.inner.clone(), name.to_owned());
        Ok(SnapshotCollection { snapshot, name, opened })
    }
}

/// A collection as a snapshot shows it. It is opened by the first read; all who look at the same state share that.
#[derive(Debug, Clone)]
pub struct SnapshotCollection {
    snapshot: lsm::Snapshot,
    name: String,
    opened: Arc<Opened>,
}

/// Documents that an iteration reads at a time.
const PAGE_LEN: usize = 64;

impl SnapshotCollection {
    /// The collection, if it exists.
    pub(super) fn open(&self) -> Result<Option<CollectionReader<'_>>> {
        self.opened.read(&self.snapshot, &self.name)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How the collection was created; `None` when it does not exist.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn options(&self) -> Result<Option<CollectionOptions>> {
        Ok(self.open()?.map(|collection| options_of(collection.definition())))
    }

    /// The document with this `_id`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, id: impl Into<Bson>) -> Result<Option<RawDocumentBuf>> {
        let id = raw_id(id)?;
        let Some(collection) = self.open()? else { return Ok(None) };
        Ok(collection.get(id.as_raw_bson_ref())?)
    }

    /// Number of documents.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64> {
        Ok(self.open()?.map_or(0, |collection| collection.count()))
    }

    /// Number of different words, as of [`Collection::count_terms`](crate::Collection::count_terms).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_terms(&self) -> Result<u64> {
        let Some(collection) = self.open()? else { return Ok(0) };
        let mut terms = 0;
        for index in &collection.definition().indexes {
            let text = collection.text_index(Some(&index.name))?;
            let all = TermPattern::prefix("");
            for field in text.fields() {
                text.each_term(field.id, &all, &mut |_, _, postings| {
                    terms += u64::from(postings.statistics.df > 0);
                    Ok(())
                })?;
            }
        }
        Ok(terms)
    }

    /// A search over what the snapshot shows.
    ///
    /// # Errors
    /// None for now; running the search may fail.
    pub fn search(&self, query: impl Into<ParsedQuery>) -> Result<Search<'static>> {
        Ok(Search::new(View::Snapshot(self.clone()), query.into()))
    }

    /// The documents that `filter` lets through, as of [`Collection::find`](crate::Collection::find).
    ///
    /// # Errors
    /// When the filter is none; running it may fail.
    pub fn find<'d>(&self, filter: impl IntoDocument<'d>) -> Result<Find<'static>> {
        let filter = Filter::parse(&filter.into_document()?)?;
        Ok(Find::new(View::Snapshot(self.clone()), filter))
    }

    /// What its text indexes are, by name, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn text_indexes(&self) -> Result<Vec<(String, TextIndexOptions)>> {
        let Some(collection) = self.open()? else { return Ok(Vec::new()) };
        let indexes = collection.definition().indexes.iter();
        Ok(indexes.map(|index| (index.name.clone(), index.options.clone())).collect())
    }

    /// What its value indexes are, by name, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn value_indexes(&self) -> Result<Vec<(String, ValueIndexOptions)>> {
        let Some(collection) = self.open()? else { return Ok(Vec::new()) };
        let indexes = collection.definition().value_indexes.iter();
        Ok(indexes.map(|index| (index.name.clone(), index.options.clone())).collect())
    }

    /// The paths of its columns, in the order of their creation.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn columns(&self) -> Result<Vec<String>> {
        let Some(collection) = self.open()? else { return Ok(Vec::new()) };
        Ok(collection.definition().columns.clone())
    }

    /// All documents, in the order in which they were last written.
    pub fn documents(&self) -> impl Iterator<Item = Result<RawDocumentBuf>> + use<> {
        let mut pages = Pages { collection: self.clone(), next: Some(DocId::MIN) };
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(document) = page.next() {
                    return Some(Ok(document));
                }
                match pages.read() {
                    Ok(read) if read.is_empty() => return None,
                    Ok(read) => page = read.into_iter(),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }
}

/// Reads a collection page by page, so that an iterator need not borrow from itself.
struct Pages {
    collection: SnapshotCollection,
    /// Where the next page begins; `None` when there is none.
    next: Option<DocId>,
}

impl Pages {
    fn read(&mut self) -> Result<Vec<RawDocumentBuf>> {
        let Some(next) = self.next.take() else { return Ok(Vec::new()) };
        let Some(collection) = self.collection.open()? else { return Ok(Vec::new()) };
        let mut page = Vec::with_capacity(PAGE_LEN);
        for found in collection.documents_from(next)?.take(PAGE_LEN) {
            let (doc, document) = found?;
            page.push(document);
            self.next = doc.plus(1).ok();
        }
        Ok(page)
    }
}
