//! [`Find`]: documents by a filter, over indexes where that is cheaper, against one collection of one view.
//!
//! Collections give one out; it runs when it is iterated. How documents are found, the collection layer decides; here they are read, page
//! by page, so that what is returned borrows nothing. Cost: that of the way that is taken, and a look-up a document.

use std::fmt;

use super::document::IntoDocument;
use super::view::View;
use crate::bson::{Filter, Projection, RawDocumentBuf};
use crate::collection::{
    Access, AccessReport, CollectionColumns, CollectionReader, Hint, OrderedDocuments,
    first_in_order,
};
use crate::columns::{Aggregation, AggregationResults, SortKey, aggregate, sorted};
use crate::error::{Error, Result};
use crate::fts::{DocId, DocumentSet};
use crate::lsm;

/// Documents that are read at a time.
const PAGE_LEN: usize = 64;

/// A question for the documents that a filter lets through, which has not been asked yet: it is when this is iterated.
///
/// ```
/// use alluvium::{Database, ValueIndexOptions, doc};
///
/// let db = Database::in_memory()?;
/// let rivers = db.collection("rivers")?;
/// rivers.create_value_index("by_length", &ValueIndexOptions::ascending("km"))?;
/// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
/// let long = rivers.find(doc! { "km": { "$gt": 1100 } })?;
/// assert_eq!(long.count()?, 1);
/// for river in long {
///     assert_eq!(river?.get_str("_id").unwrap(), "rhine");
/// }
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "documents are found when it is iterated"]
pub struct Find<'a> {
    view: View<'a>,
    filter: Filter,
    hint: Hint,
    sort: Vec<SortKey>,
    offset: usize,
    limit: usize,
    projection: Option<Projection>,
}

impl<'a> Find<'a> {
    pub(super) fn new(view: View<'a>, filter: Filter) -> Self {
        let (sort, offset, limit) = (Vec::new(), 0, usize::MAX);
        let projection = None;
        Find { view, filter, hint: Hint::None, sort, offset, limit, projection }
    }

    /// Orders the documents by their values at some paths, the most significant first. Ascending a document counts with its least
    /// value, descending with its greatest; a missing one counts as null; what is equal comes in the order in which it was written. Paths with a
    /// [column](crate::Collection::create_column) need no documents to be read.
    ///
    /// ```
    /// use alluvium::{Database, SortKey, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
    /// let mut longest = rivers.find(doc! {})?.sort_by([SortKey::descending("km")]).limit(1).run()?;
    /// assert_eq!(longest.next().unwrap()?.get_str("_id").unwrap(), "rhine");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn sort_by(mut self, keys: impl IntoIterator<Item = SortKey>) -> Self {
        self.sort = keys.into_iter().collect();
        self
    }

    /// Leaves out the first `offset` documents. Default: 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Returns at most this many documents. Default: all.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Hands out only some fields of the documents: see [`Projection`].
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use alluvium::bson::rawdoc;
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert(doc! { "_id": "loire", "km": 1006, "sea": { "name": "Atlantic", "salt": 35 } })?;
    /// let mut found = rivers.find(doc! {})?.project(doc! { "sea.name": 1 })?.run()?;
    /// assert_eq!(found.next().unwrap()?, rawdoc! { "_id": "loire", "sea": { "name": "Atlantic" } });
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is no projection; the message says where, and what was expected there.
    pub fn project<'d>(mut self, projection: impl IntoDocument<'d>) -> Result<Self> {
        self.projection = Some(Projection::parse(&projection.into_document()?)?);
        Ok(self)
    }

    /// Takes the way over the value index of this name, whatever it costs.
    pub fn hint(mut self, index: impl Into<String>) -> Self {
        self.hint = Hint::Index(index.into());
        self
    }

    /// Takes no way over an index: looks at all documents.
    pub fn without_indexes(mut self) -> Self {
        self.hint = Hint::Scan;
        self
    }

    /// Number of documents that the filter lets through. Where indexes tell it all no document is read.
    ///
    /// # Errors
    /// When a hint cannot be followed, or the file cannot be read.
    pub fn count(&self) -> Result<u64> {
        match self.view.collection()? {
            None => Ok(0),
            Some(collection) if self.filter.is_all() => Ok(collection.count()),
            Some(collection) => Ok(self.gather(&collection)?.0.len()),
        }
    }

    /// Counts and sums up the documents that the filter lets through, whatever offset and limit: a result under each name.
    ///
    /// ```
    /// use alluvium::{Aggregation, Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert_many([
    ///     doc! { "_id": "loire", "km": 1006, "sea": "Atlantic" },
    ///     doc! { "_id": "rhine", "km": 1233, "sea": "North" },
    ///     doc! { "_id": "thames", "km": 346, "sea": "North" },
    /// ])?;
    /// let by_sea = Aggregation::terms("sea").with("km", Aggregation::stats("km"));
    /// let results = rivers.find(doc! {})?.aggregate([("seas", by_sea)])?;
    /// let north = &results["seas"].buckets().unwrap()[0];
    /// assert_eq!((north.key.as_str(), north.count), (Some("North"), 2));
    /// assert_eq!(north.aggregations["km"].stats().unwrap().avg, Some(789.5));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`count`](Self::count), and for aggregations that ask for too much.
    pub fn aggregate<N: Into<String>, A: Into<Aggregation>>(
        &self,
        aggregations: impl IntoIterator<Item = (N, A)>,
    ) -> Result<AggregationResults> {
        let aggregations = aggregations.into_iter();
        let aggregations =
            aggregations.map(|(name, aggregation)| (name.into(), aggregation.into())).collect();
        let Some(collection) = self.view.collection()? else {
            return Ok(AggregationResults::default());
        };
        let found = self.gather(&collection)?.0;
        Ok(aggregate(&found, &CollectionColumns::new(&collection, &found), &aggregations)?)
    }

    /// How the documents are found: the way that is taken and those that are not, with what each costs; with a sort and a limit, whether an
    /// index is walked in that order, and for which paths documents are read since they have no column. Finds them.
    ///
    /// ```
    /// use alluvium::{Database, ValueIndexOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.create_value_index("by_length", &ValueIndexOptions::ascending("km"))?;
    /// rivers.insert_many([doc! { "_id": "loire", "km": 1006 }, doc! { "_id": "rhine", "km": 1233 }])?;
    /// let report = rivers.find(doc! { "km": { "$gt": 1100 } })?.explain()?;
    /// assert_eq!(report.chosen[0].indexes, [Some("by_length".to_owned())]);
    /// assert_eq!((report.looked_at, report.found), (0, 1));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`count`](Self::count).
    pub fn explain(&self) -> Result<AccessReport> {
        let Some(collection) = self.view.collection()? else { return Ok(AccessReport::default()) };
        if let Some(found) = self.walk(&collection)? {
            return Ok(AccessReport::in_order(&found));
        }
        let mut report = self.gather(&collection)?.1;
        let columns = &collection.definition().columns;
        let paths = self.sort.iter().map(|key| &key.path);
        report.read_to_sort = paths.filter(|path| !columns.contains(path)).cloned().collect();
        Ok(report)
    }

    /// The documents of the page in the order that was asked for, the last first.
    fn in_order(&self, collection: &CollectionReader<'_>) -> Result<Vec<DocId>> {
        if let Some(found) = self.walk(collection)? {
            return Ok(found.documents.into_iter().skip(self.offset).rev().collect());
        }
        let found = self.gather(collection)?.0;
        let columns = CollectionColumns::new(collection, &found);
        let sorted = sorted(&found, &columns, &self.sort, self.offset, self.limit, None)?;
        Ok(sorted.into_iter().rev().map(|sorted| sorted.doc).collect())
    }

    /// The documents up to the end of the page, where an index has them in order.
    fn walk(&self, collection: &CollectionReader<'_>) -> Result<Option<OrderedDocuments>> {
        let wanted = self.offset.saturating_add(self.limit);
        Ok(first_in_order(collection, &self.filter, &self.hint, &self.sort, wanted)?)
    }

    /// Asks: the documents, in the order that was asked for, or else that in which they were last written.
    ///
    /// # Errors
    /// Those of [`count`](Self::count).
    pub fn run(self) -> Result<FoundDocuments<'a>> {
        let (mut skip, mut left) = (self.offset, self.limit);
        let way = match self.view.collection()? {
            None => Way::Listed(DocumentSet::default()),
            Some(collection) if !self.sort.is_empty() => {
                (skip, left) = (0, usize::MAX);
                Way::Ordered(self.in_order(&collection)?)
            }
            Some(collection) => {
                let enough = self.offset.saturating_add(self.limit);
                let mut access = self.access(&collection)?.enough(enough as u64);
                if access.gathers()? {
                    Way::Listed(access.documents(None)?)
                } else {
                    Way::Filtered(self.filter)
                }
            }
        };
        let page = Vec::new().into_iter();
        let (view, projection, next) = (self.view, self.projection, Some(DocId::MIN));
        Ok(FoundDocuments { view, way, next, page, skip, left, projection })
    }

    fn access<'c, 'r>(&self, collection: &'c CollectionReader<'r>) -> Result<Access<'c, 'r>> {
        Ok(Access::open(collection, &self.filter, self.hint.clone())?)
    }

    fn gather(&self, collection: &CollectionReader<'_>) -> Result<(DocumentSet, AccessReport)> {
        let mut access = self.access(collection)?;
        access.run(None)?;
        let found = access.documents(None)?;
        Ok((found, access.report().clone()))
    }
}

impl<'a> IntoIterator for Find<'a> {
    type Item = Result<RawDocumentBuf>;
    type IntoIter = FindIter<'a>;

    /// Asks; when that fails, the error is the only item.
    fn into_iter(self) -> FindIter<'a> {
        FindIter(self.run().map_err(Some))
    }
}

/// The documents of a [`Find`] that was iterated, or its error.
#[derive(Debug)]
pub struct FindIter<'a>(Result<FoundDocuments<'a>, Option<Error>>);

impl Iterator for FindIter<'_> {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Ok(documents) => documents.next(),
            Err(error) => error.take().map(Err),
        }
    }
}

/// The documents that a filter let through.
pub struct FoundDocuments<'a> {
    view: View<'a>,
    way: Way,
    /// Where the next page begins; `None` when there is none.
    next: Option<DocId>,
    page: std::vec::IntoIter<RawDocumentBuf>,
    /// Documents that are left out before the first, and those that may follow.
    skip: usize,
    left: usize,
    projection: Option<Projection>,
}

/// Which documents are read.
enum Way {
    /// These.
    Listed(DocumentSet),
    /// These, in this order, the last first.
    Ordered(Vec<DocId>),
    /// All, to see what the filter says.
    Filtered(Filter),
}

impl FoundDocuments<'_> {
    /// The documents of the next page; none when there are no more pages.
    fn read_page(&mut self) -> Result<Vec<RawDocumentBuf>> {
        let (Some(start), Some(collection)) = (self.next.take(), self.view.collection()?) else {
            return Ok(Vec::new());
        };
        let mut page = Vec::new();
        match &mut self.way {
            Way::Listed(documents) => {
                for doc in documents.iter_from(start).skip(self.skip).take(PAGE_LEN) {
                    page.push(stored(&collection, doc)?);
                    self.next = doc.plus(1).ok();
                }
                self.skip = 0;
            }
            Way::Ordered(documents) => {
                let rest = documents.len().saturating_sub(PAGE_LEN);
                for doc in documents.drain(rest..).rev() {
                    page.push(stored(&collection, doc)?);
                    self.next = Some(DocId::MIN);
                }
            }
            Way::Filtered(filter) => {
                for found in collection.documents_from(start)? {
                    let (doc, document) = found?;
                    if !filter.matches(&document)? {
                        continue;
                    }
                    if self.skip > 0 {
                        self.skip -= 1;
                        continue;
                    }
                    page.push(document);
                    if page.len() == PAGE_LEN.min(self.left.saturating_add(1)) {
                        self.next = doc.plus(1).ok();
                        break;
                    }
                }
            }
        }
        Ok(page)
    }
}

/// A document that was found, which has to be there.
fn stored(collection: &CollectionReader<'_>, doc: DocId) -> Result<RawDocumentBuf> {
    let missing = || {
        let what = format!("document {doc} is indexed but not stored");
        Error::Store(lsm::Error::corruption(what, 0))
    };
    collection.document(doc)?.ok_or_else(missing)
}

impl Iterator for FoundDocuments<'_> {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.page.len() == 0 {
            match self.read_page() {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let document = self.page.next()?;
        Some(match &self.projection {
            Some(projection) => projection.apply(&document).map_err(Error::from),
            None => Ok(document),
        })
    }
}

impl fmt::Debug for FoundDocuments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundDocuments").field("next", &self.next).finish_non_exhaustive()
    }
}
