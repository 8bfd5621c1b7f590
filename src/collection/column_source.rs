//! [`CollectionColumns`]: the values of some documents at some paths, from columns or from the documents.
//!
//! Whoever sorts or aggregates documents of a collection gives it to the layer that computes. A path that has a column costs checking
//! its chunks, which are kept with the state as far as there is memory for it, and read in the file where they stand; of any other the documents of the set are read. Invariant:
//! for the documents of the set both say the same. Cost: memory for one chunk of each path that is asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::columns::column_keyspace;
use super::error::{Error, Result};
use super::read::CollectionReader;
use crate::bson::Path;
use crate::columns::{ColumnChunk, ColumnChunkBuilder, ColumnSource, column_key};
use crate::fts::{DocId, DocumentSet};
use crate::lsm::Seek;

/// The values of some documents at any path.
pub struct CollectionColumns<'c, 'r> {
    collection: &'c CollectionReader<'r>,
    documents: &'c DocumentSet,
    known: RefCell<Known>,
}

/// What was asked for of the chunk at hand, by path.
#[derive(Debug, Default)]
struct Known {
    chunk: u32,
    columns: HashMap<String, Option<Arc<ColumnChunk>>>,
}

impl<'c, 'r> CollectionColumns<'c, 'r> {
    /// Columns in which these documents are looked up.
    pub fn new(collection: &'c CollectionReader<'r>, documents: &'c DocumentSet) -> Self {
        CollectionColumns { collection, documents, known: RefCell::default() }
    }

    fn read(&self, path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>> {
        if self.collection.definition().columns.iter().any(|other| other == path) {
            return stored_chunk(self.collection, path, chunk);
        }
        Ok(self.of_documents(&Path::parse(path)?, chunk)?.map(Arc::new))
    }

    /// A chunk of a path that has no column.
    fn of_documents(&self, path: &Path, chunk: u32) -> Result<Option<ColumnChunk>> {
        let mut builder = ColumnChunkBuilder::default();
        let start = DocId::from_parts(chunk, 0);
        let documents = self.documents.iter_from(start);
        for doc in documents.take_while(|doc| doc.chunk() == chunk) {
            if let Some(document) = self.collection.document(doc)? {
                builder.add(doc.offset(), path, &document)?;
            }
        }
        Ok(builder.finish())
    }
}

/// A chunk of a column that the collection has; `None` when no document has a value there.
pub(super) fn stored_chunk(
    collection: &CollectionReader<'_>,
    path: &str,
    chunk: u32,
) -> Result<Option<Arc<ColumnChunk>>> {
    if let Some(kept) = collection.kept_columns().get(path, chunk) {
        return Ok(Some(kept));
    }
    let reader = collection.reader();
    let keyspace = column_keyspace(reader, collection.name(), path)?;
    let mut cursor = reader.cursor(keyspace)?;
    if !cursor.seek(&column_key(chunk), Seek::Eq)? {
        return Ok(None);
    }
    let mut parts = Vec::new();
    cursor.each_operand(|part| parts.push(part))?;
    let (value, joined_bytes) = if let [only] = parts.as_slice() {
        (only.clone(), 0)
    } else {
        let joined = cursor.value()?;
        let bytes = joined.len();
        (joined, bytes)
    };
    let column = Arc::new(ColumnChunk::decode(&value)?);
    let reserve = |bytes: usize| cursor.reserve(bytes.saturating_add(joined_bytes));
    collection.kept_columns().keep(path, chunk, Arc::clone(&column), reserve);
    Ok(Some(column))
}

impl ColumnSource for CollectionColumns<'_, '_> {
    type Error = Error;

    fn chunk(&self, path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>> {
        let mut known = self.known.borrow_mut();
        if known.chunk != chunk {
            *known = Known { chunk, columns: HashMap::new() };
        }
        if let Some(known) = known.columns.get(path) {
            return Ok(known.clone());
        }
        let found = self.read(path, chunk)?;
        known.columns.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

impl std::fmt::Debug for CollectionColumns<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionColumns")
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}
