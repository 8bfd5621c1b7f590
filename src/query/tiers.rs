//! Searches in two tiers: documents that match a query as it was typed come before those that match with other words only.
//!
//! The facade brings the plan of the relaxed query, which scores everything, and that of the query as typed, which says who comes
//! first. The documents of the second are gathered as a set, and the first is searched among them; among all others only where
//! these are too few for the page.
//!
//! ```text
//! as typed   rivr        ─► set of documents ──┬─ required ─► first tier, by score
//! relaxed    rivr~1                            └─ excluded ─► second tier, by score
//! ```
//! Invariant: a document that matches the query as typed matches the relaxed one. Cost: a count of what matches as typed, a search, and
//! where the page goes beyond the first tier another one. Memory: a bit for each document.

use std::sync::Arc;

use super::bm25::Parameters;
use super::error::Result;
use super::plan::Plan;
use super::searcher::Searcher;
use super::topk::ScoredDoc;
use crate::fts::DocId;

/// A document that matches, and its place in the ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedDoc {
    /// Whether it matches only with other words than those that were typed: such documents come last.
    pub is_corrected: bool,
    /// Its score; never NaN.
    pub score: f32,
    /// Its number.
    pub doc: DocId,
}

impl RankedDoc {
    /// A document of a search that corrects nothing.
    pub fn as_typed(ScoredDoc { doc, score }: ScoredDoc) -> Self {
        RankedDoc { is_corrected: false, score, doc }
    }
}

impl Searcher<'_, '_> {
    /// The best documents that match `plan`, best first: those that match `as_typed` too, then the others; each by score
    /// descending, then by DocId ascending. `limit` of them from `offset` on. Without `as_typed` there is but one tier.
    ///
    /// # Errors
    /// Those of [`search`](Searcher::search).
    pub fn search_tiers(
        self,
        plan: &Plan,
        as_typed: Option<&Plan>,
        parameters: Parameters,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<RankedDoc>> {
        let documents = match as_typed {
            Some(as_typed) if limit > 0 => Arc::new(self.documents(as_typed)?),
            _ => {
                let found = self.search(plan, parameters, offset, limit)?;
                return Ok(found.into_iter().map(RankedDoc::as_typed).collect());
            }
        };
        let within = plan.within(Arc::clone(&documents));
        let first = self.search(&within, parameters, 0, offset.saturating_add(limit))?;
        let found = first.len();
        let first = first.into_iter().map(RankedDoc::as_typed);
        let mut page: Vec<RankedDoc> = first.skip(offset).collect();
        let missing = limit - page.len();
        if missing > 0 {
            let offset = offset.saturating_sub(found);
            let second = self.search(&plan.without(documents), parameters, offset, missing)?;
            let second = second.into_iter().map(RankedDoc::as_typed);
            page.extend(second.map(|found| RankedDoc { is_corrected: true, ..found }));
        }
        Ok(page)
    }
}
