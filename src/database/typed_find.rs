//! [`TypedFind`]: a [`Find`] whose documents are values of a Rust type.
//!
//! Typed collections give one out. It has what a find has and does what that does; each document becomes a value as it is returned, by
//! [`values`](super::values).

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::document::IntoDocument;
use super::find::{Find, FindIter, FoundDocuments};
use super::values::decode;
use crate::collection::AccessReport;
use crate::columns::{Aggregation, AggregationResults, SortKey};
use crate::error::Result;

/// A question for the values whose documents a filter lets through, which has not been asked yet: it is when this is iterated.
///
/// ```
/// use alluvium::{Database, SortKey, doc};
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
/// let longest = rivers.find(doc! { "km": { "$gt": 500 } })?.sort_by([SortKey::descending("km")]).limit(1);
/// assert_eq!(longest.count()?, 2);
/// for river in longest {
///     assert_eq!(river?.name, "rhine");
/// }
/// # Ok::<(), alluvium::Error>(())
/// ```
#[must_use = "values are found when it is iterated"]
pub struct TypedFind<'a, T> {
    find: Find<'a>,
    values: PhantomData<fn() -> T>,
}

/// The values of a [`TypedFind`].
pub struct TypedFound<I, T> {
    documents: I,
    values: PhantomData<fn() -> T>,
}

impl<'a, T> TypedFind<'a, T> {
    pub(super) fn new(find: Find<'a>) -> Self {
        TypedFind { find, values: PhantomData }
    }

    fn map(self, change: impl FnOnce(Find<'a>) -> Find<'a>) -> Self {
        TypedFind { find: change(self.find), values: PhantomData }
    }

    /// Orders the values, as of [`Find::sort_by`].
    pub fn sort_by(self, keys: impl IntoIterator<Item = SortKey>) -> Self {
        self.map(|find| find.sort_by(keys))
    }

    /// Leaves out the first `offset` values. Default: 0.
    pub fn offset(self, offset: usize) -> Self {
        self.map(|find| find.offset(offset))
    }

    /// Returns at most this many values. Default: all.
    pub fn limit(self, limit: usize) -> Self {
        self.map(|find| find.limit(limit))
    }

    /// Makes values of some fields of the documents only, as of [`Find::project`]; the type has to do without the others.
    ///
    /// # Errors
    /// When it is no projection.
    pub fn project<'d>(self, projection: impl IntoDocument<'d>) -> Result<Self> {
        Ok(Self::new(self.find.project(projection)?))
    }

    /// Takes the way over the value index of this name, whatever it costs.
    pub fn hint(self, index: impl Into<String>) -> Self {
        self.map(|find| find.hint(index))
    }

    /// Takes no way over an index: looks at all documents.
    pub fn without_indexes(self) -> Self {
        self.map(Find::without_indexes)
    }

    /// Number of documents that the filter lets through, whether they fit the type or not.
    ///
    /// # Errors
    /// Those of [`Find::count`].
    pub fn count(&self) -> Result<u64> {
        self.find.count()
    }

    /// Counts and sums up the documents that the filter lets through, as of [`Find::aggregate`].
    ///
    /// # Errors
    /// Those of [`Find::aggregate`].
    pub fn aggregate<N: Into<String>, A: Into<Aggregation>>(
        &self,
        aggregations: impl IntoIterator<Item = (N, A)>,
    ) -> Result<AggregationResults> {
        self.find.aggregate(aggregations)
    }

    /// How the documents are found, as of [`Find::explain`].
    ///
    /// # Errors
    /// Those of [`Find::explain`].
    pub fn explain(&self) -> Result<AccessReport> {
        self.find.explain()
    }

    /// Asks: the values, in the order that was asked for. A document that does not fit is an error in its place, and the others follow.
    ///
    /// # Errors
    /// Those of [`Find::run`].
    pub fn run(self) -> Result<TypedFound<FoundDocuments<'a>, T>> {
        Ok(TypedFound { documents: self.find.run()?, values: PhantomData })
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for TypedFind<'a, T> {
    type Item = Result<T>;
    type IntoIter = TypedFound<FindIter<'a>, T>;

    /// Asks; when that fails, the error is the only item.
    fn into_iter(self) -> Self::IntoIter {
        TypedFound { documents: self.find.into_iter(), values: PhantomData }
    }
}

impl<I, T> Iterator for TypedFound<I, T>
where
    I: Iterator<Item = Result<crate::bson::RawDocumentBuf>>,
    T: DeserializeOwned,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.documents.next()?.and_then(|document| decode(&document)))
    }
}

impl<T> fmt::Debug for TypedFind<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedFind").field(&self.find).finish()
    }
}

impl<I: fmt::Debug, T> fmt::Debug for TypedFound<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedFound").field(&self.documents).finish()
    }
}
