//! Distinct hits: of the documents with the same value at a path only the best.
//!
//! The facade says how hits are ranked, as a function that gives pages of the ranking; here they are gone through from the front, and a
//! document is left out whose value one before it has. A document counts with the least of its values, as in an ascending sort; null
//! is no value, and documents without one stay. Invariant: what is returned is the whole ranking without what is left out, however it is
//! paged. Cost: pages four times as long as the ones before, until enough hits are found; memory for the values of the hits that were
//! gone through.

use std::collections::{HashMap, HashSet};

use super::error::Result;
use super::plan::Plan;
use super::position::Position;
use super::searcher::{RESULTS_LEN_MAX, Searcher};
use super::sorted::check_len;
use super::tiers::RankedDoc;
use crate::bson::RawBsonRef;
use crate::collection::CollectionColumns;
use crate::columns::ColumnSource;
use crate::fts::{DocId, DocumentSet};

/// Gives so many hits of a ranking, at most, behind a position.
pub type Ranking<'f> = dyn FnMut(Option<Position>, usize) -> Result<Vec<RankedDoc>> + 'f;

impl Searcher<'_, '_> {
    /// The hits of a ranking of which none before has the value that it has at `path`; `limit` of them from `offset` on, which counts from
    /// behind `after`.
    ///
    /// # Errors
    /// Those of `ranking`, and of reading columns or documents.
    pub fn distinct(
        self,
        path: &str,
        ranking: &mut Ranking<'_>,
        after: Option<Position>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<RankedDoc>> {
        let wanted = offset.saturating_add(limit);
        check_len(wanted)?;
        // What stands before the position has values too.
        let mut first = None;
        if let Some(after) = after {
            let Some(found) = ranking(Some(after), 1)?.first().copied() else {
                return Ok(Vec::new());
            };
            first = Some(found.doc);
        }
        let (mut seen, mut hits) = (HashSet::new(), Vec::new());
        let (mut last, mut len) = (None, wanted.saturating_mul(2));
        if limit == 0 {
            return Ok(hits);
        }
        loop {
            len = len.min(RESULTS_LEN_MAX);
            let page = ranking(last, len)?;
            let documents: DocumentSet = page.iter().map(|found| found.doc).collect();
            let mut values: HashMap<DocId, Vec<u8>> =
                self.values(path, &documents)?.into_iter().collect();
            for found in &page {
                first = first.filter(|first| *first != found.doc);
                let value = values.remove(&found.doc);
                let is_new = value.is_none_or(|value| seen.insert(value));
                if is_new && first.is_none() {
                    hits.push(*found);
                }
                if hits.len() == wanted {
                    break;
                }
            }
            if page.len() < len || hits.len() == wanted {
                break;
            }
            (last, len) = (page.last().map(RankedDoc::position), len.saturating_mul(4));
        }
        hits.drain(..offset.min(hits.len()));
        Ok(hits)
    }

    /// How many hits there are of which none before has the same value at `path`, in whatever order.
    ///
    /// # Errors
    /// Those of the text index, and of reading columns or documents.
    pub fn count_distinct(self, plan: &Plan, path: &str) -> Result<u64> {
        let matching = self.documents(plan)?;
        let (mut seen, mut with_values) = (HashSet::new(), 0);
        for (_, value) in self.values(path, &matching)? {
            with_values += 1;
            seen.insert(value);
        }
        Ok(matching.len() - with_values + seen.len() as u64)
    }

    /// The least values of documents that have some, as keys that are equal where values are.
    fn values(self, path: &str, documents: &DocumentSet) -> Result<Vec<(DocId, Vec<u8>)>> {
        let columns = CollectionColumns::new(self.collection(), documents);
        let (mut values, mut scratch) = (Vec::new(), Vec::new());
        let mut column = None;
        for doc in documents.iter() {
            if column.as_ref().is_none_or(|(chunk, _)| *chunk != doc.chunk()) {
                column = Some((doc.chunk(), columns.chunk(path, doc.chunk())?));
            }
            let Some((_, Some(column))) = &column else { continue };
            let mut ordinals = column.ordinals(doc.offset());
            let least = ordinals.find(|&ordinal| column.value(ordinal) != RawBsonRef::Null);
            if let Some(ordinal) = least {
                values.push((doc, column.key(ordinal, &mut scratch).to_vec()));
            }
        }
        Ok(values)
    }
}
