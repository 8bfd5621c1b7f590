//! [`ColumnChunk`]: the values of one path in the documents of one chunk, ready for look-ups.
//!
//! Sorts, aggregations and range filters read it; a `ColumnSource` gives it, opened in the keyspace or built from documents.
//! It never changes and is shared. Inside a chunk values are compared by their *ordinals*, their places among the distinct values
//! of the chunk. The bytes stay as they are stored, and where; what is in memory beside them are numbers, and directories of what
//! has no fixed width. Cost: a check of all bytes once, then a few nanoseconds to look at a document, less than one where many are.

use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use super::content::Content;
use super::dictionary::Dictionary;
use super::error::Result;
use super::slots::Slots;
use crate::bson::RawBsonRef;
use crate::kernels::Bitmap;

/// The values that the documents of a chunk have at one path.
///
/// ```
/// use alluvium::bson::{Path, rawdoc};
/// use alluvium::columns::ColumnChunkBuilder;
///
/// let mut builder = ColumnChunkBuilder::default();
/// let year = Path::parse("year")?;
/// builder.add(3, &year, &rawdoc! { "year": 1849 })?;
/// builder.add(7, &year, &rawdoc! { "year": [1851, 1849] })?;
/// builder.add(9, &year, &rawdoc! {})?;
/// let years = builder.finish().expect("some values");
/// assert_eq!(years.cardinality(), 2);
/// assert_eq!((years.value(0).as_i32(), years.max().as_i32()), (Some(1849), Some(1851)));
/// assert_eq!(years.ordinals(7).collect::<Vec<_>>(), [0, 1]);
/// assert_eq!(years.ordinals(9).count(), 0);
/// # Ok::<(), alluvium::columns::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ColumnChunk {
    dictionary: Arc<Dictionary>,
    slots: Slots,
}

impl ColumnChunk {
    /// Opens a value of a column's keyspace, which is checked as a whole.
    ///
    /// # Errors
    /// Corruption for bytes that are none. Allocates a small multiple of them, and at most some hundred KiB more.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let (dictionary, slots) = Content::open(bytes)?;
        Ok(ColumnChunk { dictionary: Arc::new(dictionary), slots })
    }

    /// Number of distinct values, at least 1; those of removed documents count until they are gone from the keyspace.
    pub fn cardinality(&self) -> u32 {
        self.dictionary.len()
    }

    /// The value of an ordinal; of equal values that of the first document that has one.
    ///
    /// # Panics
    /// When `ordinal` is not below [`cardinality`](Self::cardinality).
    pub fn value(&self, ordinal: u32) -> RawBsonRef<'_> {
        self.dictionary.value(ordinal)
    }

    /// The sort key of an ordinal's value, which is put into `scratch`.
    ///
    /// # Panics
    /// When `ordinal` is not below [`cardinality`](Self::cardinality).
    pub fn key<'a>(&self, ordinal: u32, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        self.dictionary.key(ordinal, scratch)
    }

    /// The least value.
    pub fn min(&self) -> RawBsonRef<'_> {
        self.value(0)
    }

    /// The greatest value.
    pub fn max(&self) -> RawBsonRef<'_> {
        self.value(self.cardinality() - 1)
    }

    /// The first ordinal whose sort key is not below `key`, which may be [`cardinality`](Self::cardinality), and whether it is equal.
    pub fn find(&self, key: &[u8]) -> (u32, bool) {
        self.dictionary.find(key, self.cardinality() / 2)
    }

    /// The ordinals whose sort keys lie between two bounds.
    pub fn ordinals_between(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Range<u32> {
        let middle = self.cardinality() / 2;
        self.ordinals_near(lower, upper, &(middle..middle))
    }

    /// The same, soonest found where they are about `near`: chunks of one column often have the same values.
    pub fn ordinals_near(
        &self,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        near: &Range<u32>,
    ) -> Range<u32> {
        let find = |key, near| self.dictionary.find(key, near);
        let behind = |(ordinal, is_equal): (u32, bool)| ordinal + u32::from(is_equal);
        let start = match lower {
            Bound::Included(key) => find(key, near.start).0,
            Bound::Excluded(key) => behind(find(key, near.start)),
            Bound::Unbounded => 0,
        };
        let end = match upper {
            Bound::Included(key) => behind(find(key, near.end)),
            Bound::Excluded(key) => find(key, near.end).0,
            Bound::Unbounded => self.cardinality(),
        };
        start..end.max(start)
    }

    /// The ordinals of a document's values, ascending.
    pub fn ordinals(&self, offset: u16) -> impl Iterator<Item = u32> {
        self.slots.ordinals(offset)
    }

    /// Passes some documents, which ascend, to `visit`, each with the ordinals of its values.
    pub(super) fn each_of(&self, offsets: &[u16], visit: impl FnMut(u16, &[u32])) {
        self.slots.each_of(offsets, visit);
    }

    /// Bytes of memory, beside those that it was opened in.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.slots.bytes() + self.dictionary.bytes()
    }

    /// Adds to `counts` how many of the documents, which ascend, have each value: place 0 is for those without one, place 1 for
    /// ordinal 0.
    ///
    /// Counts beyond the end of `counts` are dropped, which is to have [`cardinality`](Self::cardinality) + 1 places.
    pub fn count(&self, offsets: &[u16], counts: &mut [u32]) {
        self.slots.count(offsets, counts);
    }

    /// Adds to `bitmap` the documents of a window that have a value whose ordinal is in `ordinals`.
    pub fn in_range(&self, window: usize, ordinals: &Range<u32>, bitmap: &mut Bitmap) {
        self.slots.in_range(window, ordinals, bitmap);
    }

    /// The values by their order.
    pub(super) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// Whether some document has several values.
    pub fn has_several(&self) -> bool {
        self.slots.has_several()
    }

    /// A document's least ordinal plus 1, or its greatest; 0 if it has no value.
    pub(super) fn slot(&self, offset: u16, greatest: bool) -> u32 {
        self.slots.slot(offset, greatest)
    }
}
