//! What a text index offers beside searches: completions of the last word, the query that was probably meant, documents that are like
//! one, and its most frequent words, for collections, their snapshots and transactions.
//!
//! The query layer finds them in the dictionary of a text index; here a collection of a view is opened and asked. A collection
//! that does not exist, or has no text index, offers nothing.
//!
#![doc = include_str!("../../docs/suggestions.md")]

use super::collection::Collection;
use super::search::{Search, text_index};
use super::snapshot::SnapshotCollection;
use super::transaction::{TransactionCollection, raw_id};
use super::view::View;
use crate::bson::{Bson, RawBson};
use crate::error::Result;
use crate::query::{
    Completion, LikeOptions, Query, Suggestion, completions, frequent_words, like_document,
    like_text,
};

/// Completions that are given when it is not told how many.
const LIMIT_DEFAULT: usize = 10;

/// A question for the words that begin as the last word of a text, which has not been asked yet.
///
/// ```
/// use alluvium::{Database, TextIndexOptions, AnalyzerOptions, CollectionOptions, doc};
///
/// let db = Database::in_memory()?;
/// let index = TextIndexOptions::chosen([("title", 2.0), ("body", 1.0)], AnalyzerOptions::default());
/// let notes = db.create_collection("notes", &CollectionOptions::new().text_index(Some(index)))?;
/// notes.insert(doc! { "title": "Rivers", "body": "Gold settles where a river slows." })?;
/// let titles = notes.complete("riv")?.field("title").limit(5).run()?;
/// assert_eq!(titles.len(), 1);
/// assert_eq!((titles[0].word.as_str(), titles[0].documents), ("rivers", 1));
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "words are looked for when it is run"]
pub struct Completions<'a> {
    view: View<'a>,
    text: String,
    index: Option<String>,
    field: Option<String>,
    limit: usize,
}

impl<'a> Completions<'a> {
    fn new(view: View<'a>, text: &str) -> Self {
        let (text, limit) = (text.to_owned(), LIMIT_DEFAULT);
        Completions { view, text, index: None, field: None, limit }
    }

    /// Gives at most this many words. Default: 10; at most 1,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Uses the text index of this name. Default: the only one, else the one named `default`.
    pub fn index(mut self, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self
    }

    /// Gives words of this field only, one of those that the index was created with. Default: words of all.
    pub fn field(mut self, path: impl Into<String>) -> Self {
        self.field = Some(path.into());
        self
    }

    /// The words: those that most documents hold first, then in the order of the alphabet.
    ///
    /// # Errors
    /// When there is no such index or field, too many words are asked for, or the file cannot be read.
    pub fn run(self) -> Result<Vec<Completion>> {
        let Some(collection) = self.view.collection()? else { return Ok(Vec::new()) };
        let Some(reader) = text_index(&collection, self.index.as_deref())? else {
            return Ok(Vec::new());
        };
        Ok(completions(&collection, &reader, self.field.as_deref(), &self.text, self.limit)?)
    }
}

/// The `limit` words that most documents hold.
fn frequent(view: &View<'_>, index: Option<&str>, limit: usize) -> Result<Vec<String>> {
    let Some(collection) = view.collection()? else { return Ok(Vec::new()) };
    let reader = text_index(&collection, index)?;
    let words =
        reader.map_or_else(|| Ok(Vec::new()), |text| frequent_words(&collection, &text, limit));
    Ok(words?)
}

/// The query for what is like `text`.
fn query_like(view: &View<'_>, text: &str, options: &LikeOptions) -> Result<Query> {
    let Some(collection) = view.collection()? else { return Ok(nothing()) };
    let reader = text_index(&collection, options.index.as_deref())?;
    Ok(reader.map_or_else(|| Ok(nothing()), |reader| like_text(&reader, text, options.terms))?)
}

/// The search for what is like the document with this `_id`.
fn more_like<'a>(view: View<'a>, id: RawBson, options: &LikeOptions) -> Result<Search<'a>> {
    let query = {
        let collection = view.collection()?;
        let reader = match &collection {
            Some(collection) => text_index(collection, options.index.as_deref())?,
            None => None,
        };
        match collection.zip(reader) {
            None => nothing(),
            Some((collection, reader)) => match collection.get(id.as_raw_bson_ref())? {
                None => nothing(),
                Some(document) => like_document(&reader, &document, options.terms)?,
            },
        }
    };
    let search = Search::new(view, query.into()).without(id);
    Ok(match &options.index {
        Some(index) => search.index(index),
        None => search,
    })
}

/// A query that no document matches, whatever filters let through.
fn nothing() -> Query {
    Query::all().must_not()
}

impl Collection {
    /// The words of documents that begin as the last word of `text` does, for a box that offers them while somebody types. Words are
    /// given as documents have them, in lower case, each with the number of documents that hold it in any of its forms.
    ///
    /// What stands before the last word makes no difference; a text that ends with a space has no word to complete. Cost: a step for each word
    /// of the index that begins so, and a look at 8 documents for each word that is given.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([doc! { "text": "Gold" }, doc! { "text": "gold, golden" }, doc! { "text": "goal" }])?;
    /// let found = notes.complete("a pan of gol")?.run()?;
    /// let words: Vec<_> = found.iter().map(|found| (found.word.as_str(), found.documents)).collect();
    /// assert_eq!(words, [("gold", 2), ("golden", 1)]);
    /// assert_eq!(found[0].text, "a pan of gold");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for now; running it may fail.
    pub fn complete(&self, text: &str) -> Result<Completions<'static>> {
        self.now()?.complete(text)
    }

    /// The `limit` words that most documents hold, the most frequent first, as documents have them: those that are worth to be
    /// [paired](crate::TextIndexOptions::paired_words). At most 1,000. `index` names the text index; without it, it is the only one, else
    /// that named `default`. Cost: a step for each word of the index, and a look at 8 documents for each that is given.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([doc! { "text": "This is it." }, doc! { "text": "It is." }, doc! { "text": "Is that so?" }])?;
    /// assert_eq!(notes.frequent_words(None, 2)?, ["is", "it"]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such index, too many words are asked for, or the file cannot be read.
    pub fn frequent_words(&self, index: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.now()?.frequent_words(index, limit)
    }

    /// The query that was probably meant by one that somebody typed; `None` when there is nothing to correct. See
    /// [`Search::suggestion`](crate::Search::suggestion).
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert(doc! { "text": "Gold settles where the river slows." })?;
    /// let suggestion = notes.suggest("rivr gold")?.unwrap();
    /// assert_eq!(suggestion.text, "river gold");
    /// assert!(notes.suggest("river gold")?.is_none());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn suggest(&self, query: &str) -> Result<Option<Suggestion>> {
        self.search(query)?.suggestion()
    }

    /// A search for documents that are like the one with this `_id`, without itself: those with the 25 words that tell most about it.
    ///
    /// Of the words that the index has of the document, those tell most that stand often in it and in few others. Words that only one
    /// document holds, or more than half of them, tell nothing. Nothing is found when there is no such document.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "text": "gold in the river" },
    ///     doc! { "_id": 2, "text": "the gold of a king" },
    ///     doc! { "_id": 3, "text": "silver of the mine" },
    ///     doc! { "_id": 4, "text": "a silver spoon" },
    /// ])?;
    /// let like: Vec<_> = notes.more_like(1)?.limit(5).run()?.collect();
    /// assert_eq!(like[0].id()?, 2.into());
    /// assert!(like.iter().all(|hit| hit.id().unwrap() != 1.into()));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn more_like(&self, id: impl Into<Bson>) -> Result<Search<'static>> {
        self.more_like_with(id, &LikeOptions::default())
    }

    /// [`more_like`](Self::more_like) with other options.
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn more_like_with(
        &self,
        id: impl Into<Bson>,
        options: &LikeOptions,
    ) -> Result<Search<'static>> {
        self.now()?.more_like_with(id, options)
    }

    /// The query for documents that are like `text`: its words that tell most, as of [`more_like`](Self::more_like).
    ///
    /// ```
    /// use alluvium::{Database, LikeOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// for text in ["gold in the river", "the gold of a king", "silver in the mine", "a silver spoon"] {
    ///     notes.insert(doc! { "text": text })?;
    /// }
    /// let query = notes.query_like("Gold, gold, and a king", &LikeOptions::new().terms(1))?;
    /// assert_eq!(query.to_string(), "gold");
    /// assert_eq!(notes.search(query)?.count()?, 2);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn query_like(&self, text: &str, options: &LikeOptions) -> Result<Query> {
        self.now()?.query_like(text, options)
    }
}

impl SnapshotCollection {
    /// The words that begin as the last word of `text` does, as of [`Collection::complete`].
    ///
    /// # Errors
    /// None for now; running it may fail.
    pub fn complete(&self, text: &str) -> Result<Completions<'static>> {
        Ok(Completions::new(View::Snapshot(self.clone()), text))
    }

    /// The words that most documents hold, as of [`Collection::frequent_words`].
    ///
    /// # Errors
    /// When there is no such index, too many words are asked for, or the file cannot be read.
    pub fn frequent_words(&self, index: Option<&str>, limit: usize) -> Result<Vec<String>> {
        frequent(&View::Snapshot(self.clone()), index, limit)
    }

    /// The query that was probably meant by one that somebody typed, as of [`Collection::suggest`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn suggest(&self, query: &str) -> Result<Option<Suggestion>> {
        self.search(query)?.suggestion()
    }

    /// A search for documents that are like the one with this `_id`, as of [`Collection::more_like`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn more_like(&self, id: impl Into<Bson>) -> Result<Search<'static>> {
        self.more_like_with(id, &LikeOptions::default())
    }

    /// [`more_like`](Self::more_like) with other options.
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn more_like_with(
        &self,
        id: impl Into<Bson>,
        options: &LikeOptions,
    ) -> Result<Search<'static>> {
        more_like(View::Snapshot(self.clone()), raw_id(id)?, options)
    }

    /// The query for documents that are like `text`, as of [`Collection::query_like`].
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn query_like(&self, text: &str, options: &LikeOptions) -> Result<Query> {
        query_like(&View::Snapshot(self.clone()), text, options)
    }
}

impl TransactionCollection<'_> {
    /// The words that begin as the last word of `text` does, as of [`Collection::complete`], in what this transaction wrote too.
    ///
    /// # Errors
    /// When what was gathered cannot be made searchable.
    pub fn complete(&mut self, text: &str) -> Result<Completions<'_>> {
        Ok(Completions::new(self.view()?, text))
    }

    /// The words that most documents hold, as of [`Collection::frequent_words`], with those that this transaction wrote.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let mut transaction = db.begin()?;
    /// let mut notes = transaction.collection("notes")?;
    /// notes.insert(doc! { "text": "gold in the river" })?;
    /// notes.insert(doc! { "text": "the sand" })?;
    /// assert_eq!(notes.frequent_words(None, 1)?, ["the"]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such index, too many words are asked for, or the file cannot be read.
    pub fn frequent_words(&mut self, index: Option<&str>, limit: usize) -> Result<Vec<String>> {
        frequent(&self.view()?, index, limit)
    }

    /// The query that was probably meant by one that somebody typed, as of [`Collection::suggest`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn suggest(&mut self, query: &str) -> Result<Option<Suggestion>> {
        self.search(query)?.suggestion()
    }

    /// A search for documents that are like the one with this `_id`, as of [`Collection::more_like`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn more_like(&mut self, id: impl Into<Bson>) -> Result<Search<'_>> {
        self.more_like_with(id, &LikeOptions::default())
    }

    /// [`more_like`](Self::more_like) with other options.
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn more_like_with(
        &mut self,
        id: impl Into<Bson>,
        options: &LikeOptions,
    ) -> Result<Search<'_>> {
        more_like(self.view()?, raw_id(id)?, options)
    }

    /// The query for documents that are like `text`, as of [`Collection::query_like`].
    ///
    /// # Errors
    /// When there is no such index, or it cannot be read.
    pub fn query_like(&mut self, text: &str, options: &LikeOptions) -> Result<Query> {
        query_like(&self.view()?, text, options)
    }
}
