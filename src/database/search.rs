//! [`Search`] and its [`Hit`]s: a query against one collection of one view. The query layer plans and ranks; documents and
//! snippets are read when a hit is asked for them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::document::IntoDocument;
use super::transaction::raw_id;
use super::values::decode;
use super::view::View;
use crate::bson::{self, Bson, Document, Filter, Projection, RawBson, RawDocumentBuf};
use crate::collection::{self, CollectionColumns, CollectionReader};
use crate::columns::{Aggregation, AggregationResults, SortKey, aggregate};
use crate::error::{Error, Result};
use crate::fts::TextReader;
use crate::query::{
    Explanation, Feedback, Highlighter, Parameters, ParsedQuery, Plan, Position, Query, RankedDoc,
    RelevanceModel, Rescore, Searcher, Snippet, Suggestion, Warning, suggestion,
};

/// Hits that a search returns when it is not told.
const LIMIT_DEFAULT: usize = 10;

/// A search that has not run yet; it runs when it is iterated.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let notes = db.collection("notes")?;
/// notes.insert_many([doc! { "text": "gold" }, doc! { "text": "gold and more gold" }])?;
/// let search = notes.search("gold")?.limit(1).k1(0.9).b(0.4);
/// assert_eq!(search.count()?, 2);
/// let scores: Vec<f32> = search.into_iter().map(|hit| Ok(hit?.score)).collect::<alluvium::Result<_>>()?;
/// assert_eq!(scores.len(), 1);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a search runs when it is iterated"]
pub struct Search<'a> {
    view: View<'a>,
    index: Option<String>,
    query: ParsedQuery,
    /// Whether words are looked for in all fields as in one.
    combines_fields: bool,
    /// All of them have to let a document through.
    filters: Vec<Document>,
    after: Option<Position>,
    limit: usize,
    offset: usize,
    totals: bool,
    k1: f32,
    b: f32,
    order: Order,
    feedback: Option<Feedback>,
    /// The path of whose values each is that of one hit at most.
    distinct: Option<String>,
    /// Which fields of hits are handed out; all where there is none.
    projection: Option<Projection>,
    /// The `_id` of a document that is no hit.
    left_out: Option<RawBson>,
}

/// What hits are ordered by.
enum Order {
    Score,
    Values(Vec<SortKey>),
    Rescored(Vec<String>, Box<Rescore<'static>>),
}

/// What is searched.
struct Searched<'q> {
    query: Cow<'q, Query>,
    /// What documents match as typed, if others match too.
    as_typed: Option<Cow<'q, Query>>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Score => f.write_str("Score"),
            Order::Values(keys) => f.debug_tuple("Values").field(keys).finish(),
            Order::Rescored(paths, _) => {
                f.debug_tuple("Rescored").field(paths).finish_non_exhaustive()
            }
        }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(view: View<'a>, query: ParsedQuery) -> Self {
        let (limit, offset, totals) = (LIMIT_DEFAULT, 0, false);
        let defaults = Parameters::default();
        let (k1, b) = (defaults.k1(), defaults.b());
        let (index, filters, after, left_out) = (None, Vec::new(), None, None);
        let (order, combines_fields) = (Order::Score, false);
        let (feedback, distinct, projection) = (None, None, None);
        Search {
            view,
            index,
            query,
            combines_fields,
            filters,
            after,
            limit,
            offset,
            totals,
            k1,
            b,
            order,
            feedback,
            distinct,
            projection,
            left_out,
        }
    }

    /// Leaves out the document with this `_id`.
    pub(super) fn without(mut self, id: RawBson) -> Self {
        self.left_out = Some(id);
        self
    }

    /// Plans a query of this search.
    fn plan(&self, searcher: Searcher<'_, '_>, query: &Query) -> Result<(Plan, Vec<Warning>)> {
        let (plan, warnings) = searcher.plan(query)?;
        let Some(id) = &self.left_out else { return Ok((plan, warnings)) };
        let doc = searcher.collection().doc_id(id.as_raw_bson_ref())?;
        Ok((plan.without(Arc::new(doc.into_iter().collect())), warnings))
    }

    /// Returns at most this many hits. Default: 10.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Leaves out the best `offset` hits. Default: 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Returns the hits that follow this position of a hit in the same ranking: the next page, however deep, for the cost of a search
    /// and with no more memory. The offset counts from there, and only with the limit it is bounded.
    ///
    /// A ranking is the same for the same query, filters and parameters while nothing is written; [`Snapshot`](crate::Snapshot)s
    /// keep it so. Positions of another state, or another ranking, are taken too: what is returned is ranked behind that place now, so
    /// that documents which moved up since are missed and those which moved down come again.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many((0..5).map(|n| doc! { "_id": n, "text": "gold" }))?;
    /// let first: Vec<_> = notes.search("gold")?.limit(2).run()?.collect();
    /// let position = first[1].position().to_string();
    /// let mut next = notes.search("gold")?.limit(2).after(position.parse()?).run()?;
    /// assert_eq!(next.next().unwrap().id()?, 2.into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn after(mut self, position: Position) -> Self {
        self.after = Some(position);
        self
    }

    /// Leaves out documents that `filter` does not let through, in the [language](bson::Filter) of MongoDB; of several filters all
    /// have to. Scores stay as they are. With a query that is empty, everything that the filter lets through is found.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "gold", "year": 1849 },
    ///     doc! { "_id": 2, "text": "gold", "year": 1896 },
    /// ])?;
    /// let mut hits = notes.search("gold")?.filter(doc! { "year": { "$gt": 1850 } })?.run()?;
    /// assert_eq!(hits.next().unwrap().id()?, 2.into());
    /// assert!(hits.next().is_none());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the filter is none; the message says where, and what was expected there.
    pub fn filter<'d>(mut self, filter: impl IntoDocument<'d>) -> Result<Self> {
        let filter = filter.into_document()?;
        Filter::parse(&filter)?;
        self.filters.push(Document::try_from(&*filter).map_err(bson::Error::from)?);
        Ok(self)
    }

    /// What may match: this query, with the filters.
    fn asked<'q>(&self, query: Cow<'q, Query>) -> Cow<'q, Query> {
        if self.filters.is_empty() && !self.combines_fields {
            return query;
        }
        let asked = if self.combines_fields {
            Query::across(Vec::<String>::new(), query.into_owned())
        } else {
            query.into_owned().grouped()
        };
        let filters = self.filters.iter().cloned();
        let filters = filters.map(|filter| Query::filter(filter).must().boost(0.0));
        Cow::Owned(filters.fold(asked.must(), Query::with))
    }

    /// The query as it is searched, and the one that documents match as typed, where that is another: both with the words of feedback.
    fn searched(&self, searcher: Searcher<'_, '_>) -> Result<Searched<'_>> {
        let ParsedQuery { query: typed, relaxed, .. } = &self.query;
        let query = relaxed.as_ref().unwrap_or(typed);
        let Some(feedback) = self.feedback else {
            let as_typed = relaxed.as_ref().map(|_| Cow::Borrowed(typed));
            return Ok(Searched { query: self.asked(Cow::Borrowed(query)), as_typed });
        };
        let parameters = Parameters::new(self.k1, self.b)?;
        feedback.check()?;
        let (plan, _) = self.plan(searcher, &self.asked(Cow::Borrowed(query)))?;
        let as_typed = relaxed.as_ref().map(|_| self.plan(searcher, typed)).transpose()?;
        let as_typed = as_typed.as_ref().map(|(plan, _)| plan);
        let hits =
            searcher.search_tiers(&plan, as_typed, parameters, None, 0, feedback.documents)?;
        let model = RelevanceModel::new(searcher, &hits, feedback)?;
        Ok(Searched {
            query: self.asked(Cow::Owned(model.expand(searcher, query))),
            as_typed: relaxed.as_ref().map(|_| Cow::Owned(model.expand(searcher, typed))),
        })
    }

    /// Adds words that the first hits have in common to the query, at a lower weight, so that documents are found too that say the
    /// same in other words: pseudo-relevance feedback, RM3. It helps where many documents answer a query, and harms where one does,
    /// or where the first hits are wrong; the [guide](crate::eval) shows how to measure it. Default: none.
    ///
    /// * The first hits are those of this search by score, with its filters. Everything else is that of the query with the added words:
    ///   hits, their order, pages, [count](Self::count), [aggregations](Self::aggregate), [explanations](Self::explain) and
    ///   snippets, which mark added words too.
    /// * With a query of optional words alone, documents that have nothing but added words are hits as well. With any other (`+`,
    ///   phrases, fields, patterns), and for what `-` and filters leave out, the hits stay the same, and only their order changes.
    /// * It costs a search more, reads and analyzes the first hits' documents, and searches more words.
    ///
    /// ```
    /// use alluvium::{Database, Feedback, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "Gold and gravel" },
    ///     doc! { "_id": 2, "text": "Gold below gravel" },
    ///     doc! { "_id": 3, "text": "A pan full of gravel" },
    ///     doc! { "_id": 4, "text": "Snow" },
    ///     doc! { "_id": 5, "text": "Rain" },
    ///     doc! { "_id": 6, "text": "Wind" },
    /// ])?;
    /// assert_eq!(notes.search("gold")?.count()?, 2);
    /// assert_eq!(notes.search("gold")?.feedback(Feedback::new()).count()?, 3);
    /// assert_eq!(notes.search("+gold")?.feedback(Feedback::new()).count()?, 2);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn feedback(mut self, feedback: Feedback) -> Self {
        self.feedback = Some(feedback);
        self
    }

    /// Looks for words that name no field in all fields of the index as if these were one: BM25F, as of [`Query::across`]. Default: a
    /// word is scored in each field by itself, and the scores are added.
    ///
    /// ```
    /// use alluvium::{AnalyzerOptions, CollectionOptions, Database, TextIndexOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let fields = [("title", 3.0), ("body", 1.0)];
    /// let index = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    /// let notes = db.create_collection("notes", &CollectionOptions::new().text_index(index))?;
    /// notes.insert(doc! { "_id": 1, "title": "Gold", "body": "Where the river slows." })?;
    /// let mut hits = notes.search("gold river")?.combine_fields().run()?;
    /// let explanation = hits.next().unwrap().explain()?;
    /// assert!(explanation.to_string().contains("gold as in one field"));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn combine_fields(mut self) -> Self {
        self.combines_fields = true;
        self
    }

    /// Orders hits by the values of their documents at some paths instead of by score, as of
    /// [`Find::sort_by`](crate::Find::sort_by). They keep their scores.
    ///
    /// ```
    /// use alluvium::{Database, SortKey, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "gold", "year": 1849 },
    ///     doc! { "_id": 2, "text": "gold", "year": 1896 },
    /// ])?;
    /// let mut newest = notes.search("gold")?.sort_by([SortKey::descending("year")]).run()?;
    /// assert_eq!(newest.next().unwrap().id()?, 2.into());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn sort_by(mut self, keys: impl IntoIterator<Item = SortKey>) -> Self {
        let keys: Vec<SortKey> = keys.into_iter().collect();
        self.order = if keys.is_empty() { Order::Score } else { Order::Values(keys) };
        self
    }

    /// Orders hits by what `rescore` makes of a document's BM25 score and its values: the greatest number at each of `paths`, `None` where
    /// there is none; a date counts as milliseconds. What is no number ranks last. All documents that match are scored; paths with a
    /// [column](crate::Collection::create_column) need no documents to be read.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "gold and more gold", "likes": 3 },
    ///     doc! { "_id": 2, "text": "gold", "likes": 500 },
    /// ])?;
    /// let search = notes.search("gold")?;
    /// let liked = search.score_by(["likes"], |score, values| {
    ///     score * (1.0 + values[0].unwrap_or_default().ln_1p() as f32)
    /// });
    /// assert_eq!(liked.run()?.next().unwrap().id()?, 2.into());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn score_by<P: Into<String>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
        rescore: impl Fn(f32, &[Option<f64>]) -> f32 + Send + Sync + 'static,
    ) -> Self {
        self.order =
            Order::Rescored(paths.into_iter().map(Into::into).collect(), Box::new(rescore));
        self
    }

    /// Returns of the documents with the same value at `path` only the one that is ranked first; those without a value there, or with
    /// null, stay. A document with several values counts with the least. [`count`](Self::count) and [`Hits::total`] count what is left.
    /// Paths with a [column](crate::Collection::create_column) need no documents to be read.
    ///
    /// Behind a [position](Self::after) what has a value of a hit before it is left out too, so that pages fit together; for that
    /// the ranking is gone through from its front.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "gold", "author": "Ada" },
    ///     doc! { "_id": 2, "text": "gold and gold", "author": "Ada" },
    ///     doc! { "_id": 3, "text": "gold and silver and sand", "author": "Bo" },
    /// ])?;
    /// let hits = notes.search("gold")?.distinct("author").run()?;
    /// let ids: Vec<_> = hits.map(|hit| hit.id()).collect::<alluvium::Result<_>>()?;
    /// assert_eq!(ids, [2.into(), 3.into()]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn distinct(mut self, path: impl Into<String>) -> Self {
        self.distinct = Some(path.into());
        self
    }

    /// Hands out only some fields of [documents](Hit::document): see [`bson::Projection`]. Snippets are made of the whole.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use alluvium::bson::rawdoc;
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "_id": 1, "title": "Gold", "body": "Where the river slows." })?;
    /// let hit = notes.search("river")?.project(doc! { "title": 1 })?.run()?.next().unwrap();
    /// assert_eq!(hit.document()?, rawdoc! { "_id": 1, "title": "Gold" });
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is no projection; the message says where, and what was expected there.
    pub fn project<'d>(mut self, projection: impl IntoDocument<'d>) -> Result<Self> {
        self.projection = Some(Projection::parse(&projection.into_document()?)?);
        Ok(self)
    }

    /// Counts and sums up the documents that match, whatever offset and limit: a result under each name, as of
    /// [`Find::aggregate`](crate::Find::aggregate).
    ///
    /// ```
    /// use alluvium::{Aggregation, Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "text": "gold", "place": "Coloma" },
    ///     doc! { "text": "gold", "place": "Ballarat" },
    ///     doc! { "text": "silver", "place": "Potosí" },
    /// ])?;
    /// let places = notes.search("gold")?.aggregate([("places", Aggregation::terms("place"))])?;
    /// assert_eq!(places["places"].buckets().unwrap().len(), 2);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index cannot be read, and for aggregations that ask for too much.
    pub fn aggregate<N: Into<String>, A: Into<Aggregation>>(
        &self,
        aggregations: impl IntoIterator<Item = (N, A)>,
    ) -> Result<AggregationResults> {
        let aggregations = aggregations.into_iter();
        let aggregations =
            aggregations.map(|(name, aggregation)| (name.into(), aggregation.into())).collect();
        let none = || Ok(AggregationResults::default());
        let Some(collection) = self.view.collection()? else { return none() };
        let Some(reader) = text_index(&collection, self.index.as_deref())? else { return none() };
        let searcher = Searcher::new(&collection, &reader);
        let (plan, _) = self.plan(searcher, &self.searched(searcher)?.query)?;
        let found = searcher.documents(&plan)?;
        Ok(aggregate(&found, &CollectionColumns::new(&collection, &found), &aggregations)?)
    }

    /// Counts all documents that match as well, for [`Hits::total`]: less work than [`count`](Self::count) beside the search, more
    /// than none.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([doc! { "text": "gold" }, doc! { "text": "gold and more gold" }])?;
    /// let hits = notes.search("gold")?.limit(1).with_total().run()?;
    /// assert_eq!((hits.total(), hits.len()), (Some(2), 1));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn with_total(mut self) -> Self {
        self.totals = true;
        self
    }

    /// How much repetition of a term counts: BM25's k1, finite and at least 0. Default: 1.2.
    pub fn k1(mut self, k1: f32) -> Self {
        self.k1 = k1;
        self
    }

    /// How much the length of a text counts: BM25's b, 0 to 1. Default: 0.75.
    pub fn b(mut self, b: f32) -> Self {
        self.b = b;
        self
    }

    /// Uses the text index of this name. Default: the only one, else the one named `default`.
    pub fn index(mut self, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self
    }

    /// Number of documents that match, whatever the limit; of [distinct](Self::distinct) ones those that are left. Scores nothing.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn count(&self) -> Result<u64> {
        let Some(collection) = self.view.collection()? else { return Ok(0) };
        let Some(reader) = text_index(&collection, self.index.as_deref())? else { return Ok(0) };
        let searcher = Searcher::new(&collection, &reader);
        let (plan, _) = self.plan(searcher, &self.searched(searcher)?.query)?;
        self.total(searcher, &plan)
    }

    /// How the score of the document with this `_id` comes about, be it among the hits or not, and if it does not match, why.
    /// `None` when there is no such document, or no index.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([doc! { "_id": 1, "text": "gold" }, doc! { "_id": 2, "text": "river" }])?;
    /// let search = notes.search("+gold river")?;
    /// let explanation = search.explain(1)?.unwrap();
    /// assert!(explanation.to_string().contains("idf: 1 of 2 documents hold \"gold\""));
    /// assert_eq!(search.explain(2)?.unwrap().parts[0].what, "required, and missing: gold");
    /// assert_eq!(search.explain(3)?, None);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index cannot be read, or k1 or b are out of range.
    pub fn explain(&self, id: impl Into<Bson>) -> Result<Option<Explanation>> {
        let parameters = Parameters::new(self.k1, self.b)?;
        let id = raw_id(id)?;
        let Some(collection) = self.view.collection()? else { return Ok(None) };
        let Some(doc) = collection.doc_id(id.as_raw_bson_ref())? else { return Ok(None) };
        let Some(reader) = text_index(&collection, self.index.as_deref())? else { return Ok(None) };
        let searcher = Searcher::new(&collection, &reader);
        let (plan, _) = self.plan(searcher, &self.searched(searcher)?.query)?;
        Ok(Some(searcher.explain(&plan, parameters, doc)?))
    }

    /// The query that was probably meant, if a word of the one that was typed is in no document, or in very few beside one that is
    /// near it; `None` when there is nothing to correct. The rules are those of `docs/suggestions.md`.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "text": "Gold settles where the river slows." })?;
    /// let search = notes.search("+Gold -\"big rivr\" rivr^2")?;
    /// let suggestion = search.suggestion()?.unwrap();
    /// assert_eq!(suggestion.text, "+Gold -\"big rivr\" river^2");
    /// assert_eq!(suggestion.corrections[0].span, 18..22);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn suggestion(&self) -> Result<Option<Suggestion>> {
        let Some(collection) = self.view.collection()? else { return Ok(None) };
        let Some(reader) = text_index(&collection, self.index.as_deref())? else { return Ok(None) };
        Ok(suggestion(&collection, &reader, &self.query)?)
    }

    /// Runs the search: hits by descending score, then in the order in which they were written; those that match only with
    /// [corrected](Hit::is_corrected) words behind all others.
    ///
    /// # Errors
    /// When the index cannot be read, k1 or b are out of range, or offset and limit ask for too much.
    pub fn run(self) -> Result<Hits<'a>> {
        let parameters = Parameters::new(self.k1, self.b)?;
        let mut warnings = self.query.warnings.clone();
        let (plan, (ranked, total)) = {
            let collection = self.view.collection()?;
            let reader = match &collection {
                Some(collection) => text_index(collection, self.index.as_deref())?,
                None => None,
            };
            match collection.as_ref().zip(reader.as_ref()) {
                None => (Plan::default(), (Vec::new(), self.totals.then_some(0))),
                Some((collection, reader)) => {
                    let searcher = Searcher::new(collection, reader);
                    let searched = self.searched(searcher)?;
                    let (plan, mut more) = self.plan(searcher, &searched.query)?;
                    let mut as_typed = None;
                    if let Some(query) = &searched.as_typed {
                        let (plan, of_it) = self.plan(searcher, query)?;
                        (as_typed, more) = (Some(plan), of_it);
                    }
                    warnings.extend(more);
                    let found = self.ranked(searcher, &plan, as_typed.as_ref(), parameters)?;
                    (plan, found)
                }
            }
        };
        let Search { view, index, projection, .. } = self;
        let context = Context { view, index, plan, parameters, projection };
        Ok(Hits { context: Arc::new(context), ranked: ranked.into_iter(), total, warnings })
    }

    /// The hits of the page, and the total if it is wanted.
    fn ranked(
        &self,
        searcher: Searcher<'_, '_>,
        plan: &Plan,
        as_typed: Option<&Plan>,
        parameters: Parameters,
    ) -> Result<(Vec<RankedDoc>, Option<u64>)> {
        let (offset, limit) = (self.offset, self.limit);
        let after = self.after;
        let total = || self.totals.then(|| self.total(searcher, plan)).transpose();
        let page = |after, offset, limit| match &self.order {
            Order::Score => searcher.search_tiers(plan, as_typed, parameters, after, offset, limit),
            Order::Values(keys) => {
                searcher.search_sorted(plan, parameters, keys, after, offset, limit)
            }
            Order::Rescored(paths, rescore) => {
                let how: (&[String], &Rescore<'_>) = (paths, &**rescore);
                searcher.search_rescored(plan, parameters, how, after, offset, limit)
            }
        };
        if let Some(path) = &self.distinct {
            let mut ranking = |after, limit| page(after, 0, limit);
            let found = searcher.distinct(path, &mut ranking, after, offset, limit)?;
            return Ok((found, total()?));
        }
        let is_plain = matches!(self.order, Order::Score) && as_typed.is_none() && after.is_none();
        if self.totals && is_plain {
            let (found, total) = searcher.search_and_count(plan, parameters, offset, limit)?;
            return Ok((found.into_iter().map(RankedDoc::as_typed).collect(), Some(total)));
        }
        Ok((page(after, offset, limit)?, total()?))
    }

    /// How many hits there are, whatever the limit.
    fn total(&self, searcher: Searcher<'_, '_>, plan: &Plan) -> Result<u64> {
        match &self.distinct {
            Some(path) => Ok(searcher.count_distinct(plan, path)?),
            None => Ok(searcher.count(plan)?),
        }
    }
}

/// The text index to search; `None` when the collection has none at all.
pub(super) fn text_index<'r>(
    collection: &CollectionReader<'r>,
    index: Option<&str>,
) -> Result<Option<TextReader<'r>>> {
    if index.is_none() && collection.definition().indexes.is_empty() {
        return Ok(None);
    }
    Ok(Some(collection.text_index(index)?))
}

impl<'a> IntoIterator for Search<'a> {
    type Item = Result<Hit<'a>>;
    type IntoIter = Found<'a>;

    /// Runs the search; when that fails, the error is the only item.
    fn into_iter(self) -> Found<'a> {
        Found(self.run().map_err(Some))
    }
}

/// The hits of a search that was iterated, or its error.
#[derive(Debug)]
pub struct Found<'a>(Result<Hits<'a>, Option<Error>>);

impl<'a> Iterator for Found<'a> {
    type Item = Result<Hit<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Ok(hits) => hits.next().map(Ok),
            Err(error) => error.take().map(Err),
        }
    }
}

/// What the hits of one search share.
struct Context<'a> {
    view: View<'a>,
    index: Option<String>,
    plan: Plan,
    parameters: Parameters,
    projection: Option<Projection>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("collection", &self.view.name()).finish_non_exhaustive()
    }
}

/// The hits of a search, best first.
#[derive(Debug)]
pub struct Hits<'a> {
    context: Arc<Context<'a>>,
    ranked: std::vec::IntoIter<RankedDoc>,
    total: Option<u64>,
    warnings: Vec<Warning>,
}

impl Hits<'_> {
    /// What was odd about the query, each with its place and a remedy.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of documents that match, whatever the limit; `None` unless the search was made [`with_total`](Search::with_total).
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

impl<'a> Iterator for Hits<'a> {
    type Item = Hit<'a>;

    fn next(&mut self) -> Option<Hit<'a>> {
        let ranked = self.ranked.next()?;
        Some(Hit { score: ranked.score, ranked, context: Arc::clone(&self.context) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranked.size_hint()
    }
}

impl ExactSizeIterator for Hits<'_> {}

/// A document that matches, and how well.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The document's BM25 score; greater is better.
    pub score: f32,
    ranked: RankedDoc,
    context: Arc<Context<'a>>,
}

impl Hit<'_> {
    /// Whether the document matches only with other words than those that were typed; never, unless the query was read
    /// by [`Query::user_with`].
    pub fn is_corrected(&self) -> bool {
        self.ranked.is_corrected
    }

    /// The hit's place in the ranking, from which [`Search::after`] goes on.
    pub fn position(&self) -> Position {
        self.ranked.position()
    }

    /// The document, or what a [projection](Search::project) leaves of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn document(&self) -> Result<RawDocumentBuf> {
        let document = self.stored()?;
        match &self.context.projection {
            Some(projection) => Ok(projection.apply(&document)?),
            None => Ok(document),
        }
    }

    /// The document as it is stored.
    fn stored(&self) -> Result<RawDocumentBuf> {
        let collection = self.context.view.collection()?.ok_or_else(|| self.gone())?;
        collection.document(self.ranked.doc)?.ok_or_else(|| self.gone())
    }

    fn gone(&self) -> Error {
        let what = format!("document {} is indexed but is not there", self.ranked.doc);
        Error::Store(crate::lsm::Error::corruption(what, 0))
    }

    /// The document as a value of type `T`, whether or not the collection is [typed](crate::Typed).
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Note {
    ///     title: String,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "title": "Panning", "body": "Gold settles where the river slows." })?;
    /// let hit = notes.search("gold")?.run()?.next().unwrap();
    /// assert_eq!(hit.document_as::<Note>()?.title, "Panning");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Deserialize`] when the document does not fit the type, and when the file cannot be read.
    pub fn document_as<T: DeserializeOwned>(&self) -> Result<T> {
        decode(&self.document()?)
    }

    /// The document's `_id`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn id(&self) -> Result<Bson> {
        let collection = self.context.view.collection()?.ok_or_else(|| self.gone())?;
        collection.id(self.ranked.doc)?.ok_or_else(|| self.gone())
    }

    /// How the score comes about: a tree of numbers, of which the first is the [score](Self::score) to the last bit. It is
    /// computed anew, which takes about as long as a search.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "text": "gold and silver" })?;
    /// let hit = notes.search("gold silver")?.run()?.next().unwrap();
    /// let explanation = hit.explain()?;
    /// assert_eq!(explanation.value, hit.score);
    /// assert_eq!(explanation.parts.iter().map(|part| part.value).sum::<f32>(), hit.score);
    /// println!("{explanation}");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn explain(&self) -> Result<Explanation> {
        let Context { parameters, plan, .. } = &*self.context;
        let doc = self.ranked.doc;
        self.with_index(|collection, reader| {
            Ok(Searcher::new(collection, reader).explain(plan, *parameters, doc)?)
        })
    }

    /// The part of the text at `path` that matches best, with what matched marked.
    ///
    /// The path is dotted; of several strings at and below it the best one is taken. Empty when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn snippet(&self, path: &str) -> Result<Snippet> {
        let document = self.stored()?;
        let found = self.with_highlighter(|highlighter| Ok(highlighter.field(&document, path)?))?;
        Ok(found.unwrap_or_default())
    }

    /// The part of all the document's text that matches best, and its path; `None` when it has no text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn best_snippet(&self) -> Result<Option<(String, Snippet)>> {
        let document = self.stored()?;
        self.with_highlighter(|highlighter| Ok(highlighter.best(&document)?))
    }

    fn with_highlighter<T>(&self, ask: impl FnOnce(&Highlighter<'_>) -> Result<T>) -> Result<T> {
        self.with_index(|_, reader| ask(&Highlighter::new(reader, &self.context.plan)))
    }

    fn with_index<T>(
        &self,
        ask: impl for<'r> FnOnce(&CollectionReader<'r>, &TextReader<'r>) -> Result<T>,
    ) -> Result<T> {
        let Context { view, index, .. } = &*self.context;
        let unknown = || collection::Error::UnknownCollection { name: view.name().to_owned() };
        let found = view.collection()?.ok_or_else(unknown)?;
        let reader = found.text_index(index.as_deref())?;
        ask(&found, &reader)
    }
}
