//! Conditions that a column answers: every document's values are in it, so no document has to be read.
//!
//! `Access` asks for the conditions that no index covers, where that costs less than to look at the documents that are left. Invariant: a
//! condition is answered only where its ranges are all that it says, and where what columns leave out (nothing, null and empty arrays are one
//! to them) does not matter. Cost: decoding the chunks, and a nanosecond or two a document.

use super::super::column_source::stored_chunk;
use super::super::error::Result;
use super::super::read::CollectionReader;
use crate::bson::{Direction, Filter, KeyField, KeyRange, KeyShape, RawBsonRef, sort_key};
use crate::columns::range_documents;
use crate::fts::DocumentSet;
use std::ops::Bound;

/// A condition, and the column that answers it.
#[derive(Debug)]
pub(super) struct ColumnWay {
    /// The condition's place among those of the filter.
    pub(super) conjunct: usize,
    pub(super) path: String,
    ranges: Vec<KeyRange>,
}

impl ColumnWay {
    /// The conditions that columns of the collection answer.
    pub(super) fn find(
        collection: &CollectionReader<'_>,
        conjuncts: &[Filter],
    ) -> Result<Vec<ColumnWay>> {
        let mut ways = Vec::new();
        let columns = collection.definition().columns.iter();
        // Filters may take a number for a name or for an index, columns know names alone.
        for path in columns.filter(|path| !path.split('.').any(is_number)) {
            let field = KeyField { path: path.clone(), direction: Direction::Ascending };
            let shape = KeyShape::new([field])?;
            for (conjunct, filter) in conjuncts.iter().enumerate() {
                // Arrays may have been met: nothing says that none was.
                let Some(found) = filter.key_ranges(&shape, 1) else { continue };
                if found.is_exact && !has_null(&found.ranges)? {
                    ways.push(ColumnWay { conjunct, path: path.clone(), ranges: found.ranges });
                }
            }
        }
        Ok(ways)
    }

    /// The documents for which the condition holds; dead ones may be among them.
    pub(super) fn documents(&self, collection: &CollectionReader<'_>) -> Result<DocumentSet> {
        let mut found = DocumentSet::default();
        for chunk in 0..chunks_len(collection) {
            let Some(column) = stored_chunk(collection, &self.path, chunk)? else { continue };
            for KeyRange { lower, upper } in &self.ranges {
                let upper = upper.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                range_documents(&column, chunk, Bound::Included(lower), upper, &mut found);
            }
        }
        Ok(found)
    }
}

/// Chunks that documents may be in.
pub(super) fn chunks_len(collection: &CollectionReader<'_>) -> u32 {
    collection.next_doc_id().chunk().saturating_add(1)
}

fn is_number(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether documents without a value may be meant.
fn has_null(ranges: &[KeyRange]) -> Result<bool> {
    let mut null = Vec::new();
    sort_key(RawBsonRef::Null, &mut null)?;
    let is_below = |upper: &Vec<u8>| null < *upper;
    Ok(ranges.iter().any(|range| range.lower <= null && range.upper.as_ref().is_none_or(is_below)))
}
