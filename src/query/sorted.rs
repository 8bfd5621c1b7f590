//! Searches whose order is not that of their scores: by values of the documents, or by what a program makes of score and values.
//!
//! The facade brings a plan and says how to order. The documents that match are gathered as a set; columns, or the documents
//! themselves, say what they have. Invariant: every hit has the score that a search by score gives it. Cost: of sorting, a few nanoseconds a
//! document that matches and the scores of those that are returned; of a program's function, the scores of all that match.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bm25::Parameters;
use super::error::{Error, Result};
use super::plan::Plan;
use super::position::Position;
use super::searcher::{RESULTS_LEN_MAX, Searcher};
use super::tiers::RankedDoc;
use super::topk::{ScoredDoc, TopK};
use crate::collection::CollectionColumns;
use crate::columns::{ColumnSource, SortKey, Sorted, number, sorted};
use crate::fts::{DocId, DocumentSet};

/// Makes a score of a document's BM25 score and its greatest number at each of some paths.
pub type Rescore<'f> = dyn Fn(f32, &[Option<f64>]) -> f32 + Send + Sync + 'f;

impl Searcher<'_, '_> {
    /// The documents that match, ordered by their values at the paths of `keys`; `limit` of them from `offset` on, behind `after`.
    ///
    /// # Errors
    /// [`Error::PositionGone`] when the document of `after` is not there any more, those of [`search`](Searcher::search), and of reading columns or documents.
    pub fn search_sorted(
        self,
        plan: &Plan,
        parameters: Parameters,
        keys: &[SortKey],
        after: Option<Position>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<RankedDoc>> {
        check_len(offset.saturating_add(limit))?;
        let matching = self.documents(plan)?;
        let columns = CollectionColumns::new(self.collection(), &matching);
        let after = after.map(|after| self.place_of(after, keys)).transpose()?;
        let order = sorted(&matching, &columns, keys, offset, limit, after.as_ref())?;
        let documents: DocumentSet = order.iter().map(|sorted| sorted.doc).collect();
        let scores = self.scores(plan, parameters, documents, order.len())?;
        let ranked = |doc| {
            let score = scores.get(&doc).copied().unwrap_or_default();
            RankedDoc::as_typed(ScoredDoc { doc, score })
        };
        Ok(order.into_iter().map(|sorted| ranked(sorted.doc)).collect())
    }

    /// The documents that match, best first by what `rescore` makes of their scores and of their greatest numbers at `paths`.
    ///
    /// # Errors
    /// Those of [`search`](Searcher::search), and of reading columns or documents.
    pub fn search_rescored(
        self,
        plan: &Plan,
        parameters: Parameters,
        (paths, rescore): (&[String], &Rescore<'_>),
        after: Option<Position>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<RankedDoc>> {
        let k = offset.saturating_add(limit);
        check_len(k)?;
        let matching = self.documents(plan)?;
        let columns = CollectionColumns::new(self.collection(), &matching);
        let mut top = TopK::new(k, after.map(|after| after.scored));
        // A chunk at a time, so that no more scores than a chunk has documents are held.
        let chunks: Vec<u32> = matching.chunks().map(|(chunk, _)| chunk).collect();
        for chunk in chunks.into_iter().filter(|_| limit > 0) {
            let of_chunk = matching.iter_from(DocId::from_parts(chunk, 0));
            let documents: DocumentSet = of_chunk.take_while(|doc| doc.chunk() == chunk).collect();
            let mut of_paths = Vec::with_capacity(paths.len());
            for path in paths {
                of_paths.push(columns.chunk(path, chunk)?);
            }
            let len = usize::try_from(documents.len()).unwrap_or(usize::MAX);
            for (doc, score) in self.scores(plan, parameters, documents, len)? {
                let numbers: Vec<Option<f64>> = of_paths
                    .iter()
                    .map(|column| {
                        let column = column.as_ref()?;
                        let numbers = column.ordinals(doc.offset());
                        numbers.filter_map(|ordinal| number(column.value(ordinal))).last()
                    })
                    .collect();
                let score = rescore(score, &numbers);
                // What is no number has no place in an order.
                let score = if score.is_nan() { f32::NEG_INFINITY } else { score };
                top.push(ScoredDoc { doc, score });
            }
        }
        Ok(top.into_sorted().into_iter().skip(offset).map(RankedDoc::as_typed).collect())
    }

    /// Where a hit of a sorted search stands among values: those of its document, which has to be there.
    fn place_of(self, after: Position, keys: &[SortKey]) -> Result<Sorted> {
        let doc = after.scored.doc;
        let gone = || Error::PositionGone { text: after.to_string() };
        if self.collection().is_dead(doc)? || self.collection().next_doc_id() <= doc {
            return Err(gone());
        }
        let alone: DocumentSet = std::iter::once(doc).collect();
        let columns = CollectionColumns::new(self.collection(), &alone);
        sorted(&alone, &columns, keys, 0, 1, None)?.pop().ok_or_else(gone)
    }

    /// The scores of documents that match.
    fn scores(
        self,
        plan: &Plan,
        parameters: Parameters,
        documents: DocumentSet,
        len: usize,
    ) -> Result<BTreeMap<DocId, f32>> {
        if len == 0 {
            return Ok(BTreeMap::new());
        }
        let found = self.search(&plan.within(Arc::new(documents)), parameters, 0, len)?;
        Ok(found.into_iter().map(|ScoredDoc { doc, score }| (doc, score)).collect())
    }
}

/// Whether so many results may be asked for.
pub(super) fn check_len(k: usize) -> Result<()> {
    if k > RESULTS_LEN_MAX {
        let what = "results (offset and limit together)";
        return Err(Error::LimitExceeded { what, asked: k, limit: RESULTS_LEN_MAX });
    }
    Ok(())
}
