//! [`Typed`]: a collection whose documents are values of a Rust type, by serde. It wraps any of the three handles of a
//! collection and has the same methods as the handle; what they do is decided there, and what becomes of a value in
//! [`values`](super::values).
//!
//! Only methods have bounds: a type that is only read need not be `Serialize`, one that is only written need not be
//! `Deserialize`. The type leaves no trace in the file, so that one collection may be read as several types.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collection::Collection;
use super::document::IntoDocument;
use super::search::Search;
use super::snapshot::SnapshotCollection;
use super::suggestions::Completions;
use super::transaction::TransactionCollection;
use super::typed_find::TypedFind;
use super::values::{decode, encode};
use crate::bson::Bson;
use crate::collection::Upserted;
use crate::error::Result;
use crate::query::{ParsedQuery, Suggestion};

/// A collection whose documents are values of type `T`: `C` is a [`Collection`], a [`SnapshotCollection`] or a
/// [`TransactionCollection`].
///
/// ```
/// use alluvium::Database;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct River {
///     #[serde(rename = "_id")]
///     name: String,
///     km: i32,
/// }
///
/// let db = Database::in_memory()?;
/// let rivers = db.collection("rivers")?.typed::<River>();
/// rivers.insert(River { name: "loire".into(), km: 1006 })?;
/// let loire: River = rivers.get("loire")?.unwrap();
/// assert_eq!(loire.km, 1006);
/// for hit in rivers.search("loire")? {
///     assert_eq!(hit?.document_as::<River>()?, loire);
/// }
/// # Ok::<(), alluvium::Error>(())
/// ```
///
/// # How values become documents
///
/// As the `bson` crate does it. A struct or a map with string keys is a document, a sequence or a tuple an array. Fields keep
/// their names; the one that serde calls `_id` is the `_id`.
///
/// | Rust | BSON |
/// |---|---|
/// | `bool`, `f32` and `f64`, `String` | boolean, double, string |
/// | `i8` to `i32`, `u8`, `u16` | 32-bit integer |
/// | `i64`, `u32`, `u64` | 64-bit integer; above `i64::MAX` an error |
/// | `ObjectId`, `DateTime` and other types of [`bson`](crate::bson) | what they are |
/// | `None`, `()` | null; nothing with `#[serde(skip_serializing_if = "Option::is_none")]` |
/// | `Kind::Big` | the string `Big` |
/// | `Kind::Big(1)`, `Kind::Big { m: 1 }` | the documents `{ Big: 1 }`, `{ Big: { m: 1 } }` |
///
/// An enum for whole documents needs `#[serde(tag = "kind")]` or the like, since the `_id` stands beside what it holds.
/// An `_id` of type `Option` needs that `skip_serializing_if` to have [`insert`](Typed::insert) make one, since null is an
/// `_id` like any other.
///
/// # Which documents fit
///
/// Fields of a document that the type does not have are passed over, and **lost when the value is written back**, unless a
/// flattened map takes them. Integers fit integers that are wide enough, and floats; doubles fit floats only. A missing field
/// fits `Option` and `#[serde(default)]`.
///
/// # Errors
///
/// A value that is no document (a number, a sequence, a map whose keys are not strings) gives
/// [`Error::Serialize`](crate::Error::Serialize), and nothing is written. A document that does not fit gives
/// [`Error::Deserialize`](crate::Error::Deserialize), with its `_id` and the path; [`raw`](Typed::raw) still reads it.
pub struct Typed<C, T> {
    raw: C,
    // A function that makes values: the handle holds none, and goes between threads whatever they are.
    values: PhantomData<fn() -> T>,
}

/// A [`Collection`] of values of type `T`; see [`Typed`].
pub type TypedCollection<T> = Typed<Collection, T>;

/// A [`SnapshotCollection`] of values of type `T`; see [`Typed`].
pub type TypedSnapshotCollection<T> = Typed<SnapshotCollection, T>;

/// A [`TransactionCollection`] of values of type `T`; see [`Typed`].
pub type TypedTransactionCollection<'t, T> = Typed<TransactionCollection<'t>, T>;

impl Collection {
    /// The same collection, with values of type `T` for documents.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct River {
    ///     km: i32,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.insert(doc! { "_id": "rhine", "km": 1233 })?;
    /// assert_eq!(rivers.typed::<River>().get("rhine")?.unwrap().km, 1233);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn typed<T>(&self) -> TypedCollection<T> {
        Typed::new(self.clone())
    }
}

impl SnapshotCollection {
    /// The same collection of the snapshot, with values of type `T` for documents.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct River {
    ///     km: i32,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// db.collection("rivers")?.insert(doc! { "_id": "rhine", "km": 1233 })?;
    /// let rivers = db.snapshot().collection("rivers")?.typed::<River>();
    /// assert_eq!(rivers.get("rhine")?.unwrap().km, 1233);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn typed<T>(&self) -> TypedSnapshotCollection<T> {
        Typed::new(self.clone())
    }
}

impl<'t> TransactionCollection<'t> {
    /// The same collection of the transaction, with values of type `T` for documents.
    ///
    /// ```
    /// use alluvium::Database;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct River {
    ///     km: i32,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let mut transaction = db.begin()?;
    /// let mut rivers = transaction.collection("rivers")?.typed::<River>();
    /// rivers.insert(River { km: 1233 })?;
    /// assert_eq!(rivers.count()?, 1);
    /// transaction.commit()?;
    /// assert_eq!(db.collection("rivers")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn typed<T>(self) -> TypedTransactionCollection<'t, T> {
        Typed::new(self)
    }
}

impl<C, T> Typed<C, T> {
    fn new(raw: C) -> Self {
        Typed { raw, values: PhantomData }
    }

    /// The collection with documents as they are: for what is not there for values, and for documents that do not fit.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?.typed::<alluvium::bson::Document>();
    /// rivers.raw().insert(doc! { "_id": "rhine", "km": 1233 })?;
    /// assert_eq!(rivers.raw().name(), "rivers");
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn raw(&self) -> &C {
        &self.raw
    }

    /// [`raw`](Self::raw), as the collections of transactions need it.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let mut transaction = db.begin()?;
    /// let mut rivers = transaction.collection("rivers")?.typed::<alluvium::bson::Document>();
    /// rivers.raw_mut().insert(doc! { "_id": "rhine", "km": 1233 })?;
    /// assert_eq!(rivers.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn raw_mut(&mut self) -> &mut C {
        &mut self.raw
    }
}

impl<C: Clone, T> Clone for Typed<C, T> {
    fn clone(&self) -> Self {
        Typed::new(self.raw.clone())
    }
}

impl<C: fmt::Debug, T> fmt::Debug for Typed<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("raw", &self.raw).finish_non_exhaustive()
    }
}

/// Each write is a transaction of its own, and each read sees the newest commit, as with [`Collection`].
impl<T> Typed<Collection, T> {
    /// Stores a new value and gives its `_id`, which is made when the value has none.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`Collection::insert`].
    pub fn insert(&self, value: impl Borrow<T>) -> Result<Bson>
    where
        T: Serialize,
    {
        self.raw.insert(encode(value.borrow()))
    }

    /// Stores new values in one transaction and gives their `_id`s: all of them, or none.
    ///
    /// ```
    /// use alluvium::Database;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct River {
    ///     #[serde(rename = "_id")]
    ///     name: &'static str,
    ///     km: u64,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?.typed::<River>();
    /// let (loire, styx) = (River { name: "loire", km: 1006 }, River { name: "styx", km: u64::MAX });
    /// let error = rivers.insert_many([&loire, &styx]).unwrap_err();
    /// assert!(error.to_string().contains("18446744073709551615 cannot fit"));
    /// assert_eq!(rivers.count()?, 0);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) for any of the values.
    pub fn insert_many(&self, values: impl IntoIterator<Item = impl Borrow<T>>) -> Result<Vec<Bson>>
    where
        T: Serialize,
    {
        self.raw.insert_many(values.into_iter().map(|value| encode(value.borrow())))
    }

    /// Replaces the document with the value's `_id`; whether there was one.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`Collection::replace`].
    pub fn replace(&self, value: impl Borrow<T>) -> Result<bool>
    where
        T: Serialize,
    {
        self.raw.replace(encode(value.borrow()))
    }

    /// Stores a value in the place of the document with its `_id`, if there is one.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`Collection::upsert`].
    pub fn upsert(&self, value: impl Borrow<T>) -> Result<Upserted>
    where
        T: Serialize,
    {
        self.raw.upsert(encode(value.borrow()))
    }

    /// Removes the document with this `_id`; whether there was one. It need not fit the type.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remove(&self, id: impl Into<Bson>) -> Result<bool> {
        self.raw.remove(id)
    }

    /// The value with this `_id`.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Debug, Deserialize)]
    /// struct River {
    ///     mouth: Place,
    /// }
    ///
    /// #[derive(Debug, Deserialize)]
    /// struct Place {
    ///     depth: i32,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?.typed::<River>();
    /// rivers.raw().insert(doc! { "_id": "rhine", "mouth": { "depth": "deep" } })?;
    /// let error = rivers.get("rhine").unwrap_err().to_string();
    /// assert!(error.contains("_id \"rhine\""));
    /// assert!(error.contains("River: mouth.depth: invalid type: string \"deep\", expected i32"));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Deserialize`](crate::Error::Deserialize) when the document does not fit; and when the file cannot be read.
    pub fn get(&self, id: impl Into<Bson>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.get(id)?.map(|document| decode(&document)).transpose()
    }

    /// Number of documents, whether they fit the type or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64> {
        self.raw.count()
    }

    /// All values of this moment, in the order in which they were last written. A document that does not fit is an error in
    /// its place, and the others follow.
    ///
    /// # Errors
    /// When the file cannot be read; so can each item, and it can be an [`Error::Deserialize`](crate::Error::Deserialize).
    pub fn documents(&self) -> Result<impl Iterator<Item = Result<T>> + use<T>>
    where
        T: DeserializeOwned,
    {
        Ok(self.raw.documents()?.map(|document| decode(&document?)))
    }

    /// The values whose documents `filter` lets through, as of [`Collection::find`]; the filter names fields as they are stored.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct River {
    ///     #[serde(rename = "_id")]
    ///     name: String,
    ///     km: i32,
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?.typed::<River>();
    /// rivers.insert(River { name: "loire".into(), km: 1006 })?;
    /// rivers.insert(River { name: "rhine".into(), km: 1233 })?;
    /// let long: Vec<River> = rivers.find(doc! { "km": { "$gt": 1100 } })?.run()?.collect::<Result<_, _>>()?;
    /// assert_eq!(long.iter().map(|river| &river.name).collect::<Vec<_>>(), ["rhine"]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the filter is none.
    pub fn find<'d>(&self, filter: impl IntoDocument<'d>) -> Result<TypedFind<'static, T>> {
        Ok(TypedFind::new(self.raw.find(filter)?))
    }

    /// A search, as of [`Collection::search`]; [`Hit::document_as`](crate::Hit::document_as) gives a hit's value.
    ///
    /// # Errors
    /// Never for what the query says; running the search may fail.
    pub fn search(&self, query: impl Into<ParsedQuery>) -> Result<Search<'static>> {
        self.raw.search(query)
    }

    /// A search for what is like the document with this `_id`, as of [`Collection::more_like`].
    ///
    /// # Errors
    /// When there is no such document, and when the file cannot be read.
    pub fn more_like(&self, id: impl Into<Bson>) -> Result<Search<'static>> {
        self.raw.more_like(id)
    }

    /// The words that begin as the last one of a text does, as of [`Collection::complete`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn complete(&self, text: &str) -> Result<Completions<'static>> {
        self.raw.complete(text)
    }

    /// The query that was probably meant, as of [`Collection::suggest`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn suggest(&self, query: &str) -> Result<Option<Suggestion>> {
        self.raw.suggest(query)
    }
}

/// Reads of one state, as with [`SnapshotCollection`].
impl<T> Typed<SnapshotCollection, T> {
    /// The value with this `_id`.
    ///
    /// # Errors
    /// [`Error::Deserialize`](crate::Error::Deserialize) when the document does not fit; and when the file cannot be read.
    pub fn get(&self, id: impl Into<Bson>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.get(id)?.map(|document| decode(&document)).transpose()
    }

    /// Number of documents, whether they fit the type or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64> {
        self.raw.count()
    }

    /// All values, in the order in which they were last written. A document that does not fit is an error in its place, and
    /// the others follow.
    pub fn documents(&self) -> impl Iterator<Item = Result<T>> + use<T>
    where
        T: DeserializeOwned,
    {
        self.raw.documents().map(|document| decode(&document?))
    }

    /// The values whose documents `filter` lets through, as of [`Collection::find`].
    ///
    /// # Errors
    /// When the filter is none.
    pub fn find<'d>(&self, filter: impl IntoDocument<'d>) -> Result<TypedFind<'static, T>> {
        Ok(TypedFind::new(self.raw.find(filter)?))
    }

    /// A search over what the snapshot shows; [`Hit::document_as`](crate::Hit::document_as) gives a hit's value.
    ///
    /// # Errors
    /// None for now; running the search may fail.
    pub fn search(&self, query: impl Into<ParsedQuery>) -> Result<Search<'static>> {
        self.raw.search(query)
    }

    /// A search for what is like the document with this `_id`, as of [`SnapshotCollection::more_like`].
    ///
    /// # Errors
    /// When there is no such document, and when the file cannot be read.
    pub fn more_like(&self, id: impl Into<Bson>) -> Result<Search<'static>> {
        self.raw.more_like(id)
    }

    /// The words that begin as the last one of a text does, as of [`SnapshotCollection::complete`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn complete(&self, text: &str) -> Result<Completions<'static>> {
        self.raw.complete(text)
    }

    /// The query that was probably meant, as of [`SnapshotCollection::suggest`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn suggest(&self, query: &str) -> Result<Option<Suggestion>> {
        self.raw.suggest(query)
    }
}

/// Pending writes, and reads that see them, as with [`TransactionCollection`].
impl<T> Typed<TransactionCollection<'_>, T> {
    /// Stores a new value and gives its `_id`, which is made when the value has none.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`TransactionCollection::insert`]; the transaction is as it
    /// was.
    pub fn insert(&mut self, value: impl Borrow<T>) -> Result<Bson>
    where
        T: Serialize,
    {
        self.raw.insert(encode(value.borrow()))
    }

    /// Replaces the document with the value's `_id`; whether there was one.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`TransactionCollection::replace`]; the transaction is as it
    /// was.
    pub fn replace(&mut self, value: impl Borrow<T>) -> Result<bool>
    where
        T: Serialize,
    {
        self.raw.replace(encode(value.borrow()))
    }

    /// Stores a value in the place of the document with its `_id`, if there is one.
    ///
    /// # Errors
    /// [`Error::Serialize`](crate::Error::Serialize), and those of [`TransactionCollection::upsert`]; the transaction is as it
    /// was.
    pub fn upsert(&mut self, value: impl Borrow<T>) -> Result<Upserted>
    where
        T: Serialize,
    {
        self.raw.upsert(encode(value.borrow()))
    }

    /// Removes the document with this `_id`; whether there was one. It need not fit the type.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn remove(&mut self, id: impl Into<Bson>) -> Result<bool> {
        self.raw.remove(id)
    }

    /// The value with this `_id`, pending writes included.
    ///
    /// # Errors
    /// [`Error::Deserialize`](crate::Error::Deserialize) when the document does not fit; and when the file cannot be read.
    pub fn get(&mut self, id: impl Into<Bson>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.get(id)?.map(|document| decode(&document)).transpose()
    }

    /// Number of documents, pending writes included, whether they fit the type or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&mut self) -> Result<u64> {
        self.raw.count()
    }

    /// A search that also finds what this transaction wrote; [`Hit::document_as`](crate::Hit::document_as) gives a hit's
    /// value.
    ///
    /// # Errors
    /// When what was gathered cannot be made searchable.
    pub fn search(&mut self, query: impl Into<ParsedQuery>) -> Result<Search<'_>> {
        self.raw.search(query)
    }
    /// The values whose documents `filter` lets through, those that this transaction wrote among them.
    ///
    /// # Errors
    /// When the filter is none.
    pub fn find<'d>(&mut self, filter: impl IntoDocument<'d>) -> Result<TypedFind<'_, T>> {
        Ok(TypedFind::new(self.raw.find(filter)?))
    }
}
