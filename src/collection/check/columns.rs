//! The deep check of one column: the values of every living document against those that the column has for it.
//!
//! The walk over the documents shows each living one by ascending numbers, so one chunk at a time is decoded. Invariant: the column of a
//! document that is alive has its values, each once. Cost: the values of each document are taken again.

use std::sync::Arc;

use super::super::column_source::stored_chunk;
use super::super::error::Result;
use super::super::read::CollectionReader;
use super::DeepReport;
use crate::bson::{Path, RawDocument};
use crate::columns::{ColumnChunk, ColumnChunkBuilder};
use crate::fts::DocId;

/// Compares one column with the documents.
#[derive(Debug)]
pub(super) struct ColumnCheck {
    path: Path,
    /// The chunk at hand: its number and what the column has there.
    chunk: Option<(u32, Option<Arc<ColumnChunk>>)>,
}

impl ColumnCheck {
    pub(super) fn new(path: &str) -> Result<Self> {
        Ok(ColumnCheck { path: Path::parse(path)?, chunk: None })
    }

    /// Compares a living document; they come by ascending numbers.
    pub(super) fn document(
        &mut self,
        collection: &CollectionReader<'_>,
        doc: DocId,
        document: &RawDocument,
        report: &mut DeepReport,
    ) -> Result<()> {
        let path = self.path.to_string();
        if self.chunk.as_ref().is_none_or(|(chunk, _)| *chunk != doc.chunk()) {
            self.chunk = Some((doc.chunk(), stored_chunk(collection, &path, doc.chunk())?));
        }
        let stored = self.chunk.as_ref().and_then(|(_, stored)| stored.as_deref());
        let mut builder = ColumnChunkBuilder::default();
        builder.add(doc.offset(), &self.path, document)?;
        let expected = values(builder.finish().as_ref(), doc);
        let found = values(stored, doc);
        if expected != found {
            let (expected, found) = (expected.len(), found.len());
            let name = collection.name();
            report.found(format_args!(
                "{name}: document {doc} has {expected} values at {path}, the column {found} or others"
            ));
        }
        report.column_values += expected.len() as u64;
        Ok(())
    }
}

/// The sort keys of a document's values, ascending.
fn values(chunk: Option<&ColumnChunk>, doc: DocId) -> Vec<Vec<u8>> {
    let Some(chunk) = chunk else { return Vec::new() };
    let mut scratch = Vec::new();
    chunk.ordinals(doc.offset()).map(|ordinal| chunk.key(ordinal, &mut scratch).to_vec()).collect()
}
