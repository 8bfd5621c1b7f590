//! [`ColumnChunkBuilder`]: gathers the values of documents into a column's chunk.
//!
//! The indexer fills one for each chunk that a transaction writes to, and searches make columns of documents with it where none
//! is stored. Of equal values the one of the first document is kept, so that nothing
//! depends on the order of adding. Cost: a sort key and a look-up in a hash table for each value; each distinct value is in
//! memory twice, as a key and as itself.

use std::collections::HashMap;

use super::chunk::ColumnChunk;
use super::content::Content;
use super::dictionary::{Dictionary, wrap};
use super::error::Result;
use super::rows::Rows;
use crate::bson::{self, Path, RawBsonRef, RawDocument, sort_key};

/// Gathers the values that documents of one chunk have at one path.
///
/// ```
/// use alluvium::bson::{Path, rawdoc};
/// use alluvium::columns::{ColumnChunk, ColumnChunkBuilder};
///
/// let mut builder = ColumnChunkBuilder::default();
/// let name = Path::parse("authors.name")?;
/// builder.add(5, &name, &rawdoc! { "authors": [{ "name": "Grace" }, { "name": "Ada" }] })?;
/// let mut bytes = Vec::new();
/// builder.finish_into(&mut bytes);
/// assert_eq!(ColumnChunk::decode(&bytes.into())?.min().as_str(), Some("Ada"));
/// # Ok::<(), alluvium::columns::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ColumnChunkBuilder {
    /// Places in `entries` by sort key.
    places: HashMap<Box<[u8]>, u32>,
    entries: Vec<Entry>,
    rows: Vec<Row>,
    /// Places of the values of all rows.
    row_places: Vec<u32>,
    /// The key of the value at hand.
    key: Vec<u8>,
    value_bytes: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    /// The first document that has the value.
    offset: u16,
    /// The value as that document has it, wrapped.
    wrapped: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    offset: u16,
    start: usize,
    end: usize,
}

/// What a distinct value takes in memory beside its bytes, about.
const ENTRY_BYTES: usize = 64;

impl ColumnChunkBuilder {
    /// Adds the values of the document at `offset`; each document once, in any order.
    ///
    /// An array at the end of the path gives its elements. Values that are equal count once. A document without a value adds
    /// nothing; null is a value.
    ///
    /// # Errors
    /// [`Error::Document`](super::Error::Document) for bytes that were not validated; nothing is added then.
    pub fn add(&mut self, offset: u16, path: &Path, document: &RawDocument) -> Result<()> {
        let start = self.row_places.len();
        let mut added = Ok(());
        let walked = path.each_value(document, &mut |value| {
            if added.is_ok() {
                added = self.place(offset, value).map(|place| self.row_places.push(place));
            }
        });
        if let Err(error) = walked.and(added) {
            self.row_places.truncate(start);
            return Err(error.into());
        }
        self.end_row(offset, start);
        Ok(())
    }

    /// Whether no document with a value was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory that the values take, about.
    pub fn bytes(&self) -> usize {
        let entries = self.entries.len() * ENTRY_BYTES + self.value_bytes;
        entries + size_of_val(&*self.rows) + size_of_val(&*self.row_places)
    }

    /// The column's chunk; `None` when no document has a value. The builder is empty then.
    ///
    /// # Panics
    /// When a document was added twice.
    pub fn finish(&mut self) -> Option<ColumnChunk> {
        let content = self.take_content()?;
        let mut bytes = Vec::new();
        content.encode(&mut bytes);
        let chunk = ColumnChunk::decode(&bytes.into());
        Some(chunk.expect("invariant: what was just written can be read"))
    }

    /// Appends the value of a column's keyspace and leaves the builder empty. An empty builder has no value and appends nothing.
    ///
    /// # Panics
    /// When a document was added twice.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        if let Some(content) = self.take_content() {
            content.encode(out);
        }
    }

    /// What was gathered, if anything was. The builder is empty then.
    fn take_content(&mut self) -> Option<Content> {
        let ColumnChunkBuilder { places, entries, mut rows, row_places, .. } = std::mem::take(self);
        let mut order: Vec<(Box<[u8]>, u32)> = places.into_iter().collect();
        order.sort_unstable();
        let mut ordinals_of = vec![0; entries.len()];
        for ((_, place), ordinal) in order.iter().zip(0_u32..) {
            ordinals_of[*place as usize] = ordinal;
        }
        rows.sort_unstable_by_key(|row| row.offset);
        let once = rows.is_sorted_by(|before, row| before.offset < row.offset);
        assert!(once, "invariant: a document is added once");
        if rows.is_empty() {
            return None;
        }
        let (mut sorted, mut ordinals) = (Rows::default(), Vec::new());
        for Row { offset, start, end } in rows {
            ordinals.clear();
            ordinals
                .extend(row_places[start..end].iter().map(|&place| ordinals_of[place as usize]));
            ordinals.sort_unstable();
            ordinals.dedup();
            sorted.push(offset, &ordinals);
        }
        let wrapped = order.iter().map(|(_, place)| &*entries[*place as usize].wrapped);
        Some(Content { dictionary: Dictionary::from_wrapped(wrapped), rows: sorted })
    }

    /// The place of a value that the document at `offset` has.
    fn place(&mut self, offset: u16, value: RawBsonRef<'_>) -> bson::Result<u32> {
        self.key.clear();
        sort_key(value, &mut self.key)?;
        if let Some(&place) = self.places.get(&*self.key) {
            let entry = &mut self.entries[place as usize];
            if offset < entry.offset {
                *entry = Entry { offset, wrapped: wrap(value) };
            }
            return Ok(place);
        }
        let place = u32::try_from(self.entries.len()).expect("invariant: fewer than 2^30 values");
        let entry = Entry { offset, wrapped: wrap(value) };
        self.value_bytes += self.key.len() + entry.wrapped.len();
        self.entries.push(entry);
        self.places.insert(self.key.as_slice().into(), place);
        Ok(place)
    }

    fn end_row(&mut self, offset: u16, start: usize) {
        let end = self.row_places.len();
        if end > start {
            self.rows.push(Row { offset, start, end });
        }
    }
}
