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
use super::position::Position;
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
    /// Where another search may go on.
    pub fn position(&self) -> Position {
        let &RankedDoc { is_corrected, score, doc } = self;
        Position { is_corrected, scored: ScoredDoc { doc, score } }
    }

    /// A document of a search that corrects nothing.
    pub fn as_typed(ScoredDoc { doc, score }: ScoredDoc) -> Self {
        RankedDoc { is_corrected: false, score, doc }
    }
}

impl Searcher<'_, '_> {
    /// The best documents that match `plan`, best first: those that match `as_typed` too, then the others; each by score
    /// descending, then by DocId ascending. `limit` of them from `offset` on, which counts from behind `after`. Without `as_typed`
    /// there is but one tier.
    ///
    /// # Errors
    /// Those of [`search`](Searcher::search).
    pub fn search_tiers(
        self,
        plan: &Plan,
        as_typed: Option<&Plan>,
        parameters: Parameters,
        after: Option<Position>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<RankedDoc>> {
        let in_tier = |is_corrected| {
            let after = after.filter(|after| after.is_corrected == is_corrected);
            after.map(|after| after.scored)
        };
        let (after_typed, after_corrected) = (in_tier(false), in_tier(true));
        let Some(as_typed) = as_typed.filter(|_| limit > 0) else {
            // Nothing is ranked behind a second tier.
            let limit = if after_corrected.is_some() { 0 } else { limit };
            let found = self.search_after(plan, parameters, after_typed, offset, limit)?;
            return Ok(found.into_iter().map(RankedDoc::as_typed).collect());
        };
        let documents = Arc::new(self.documents(as_typed)?);
        let first = if after_corrected.is_none() {
            let (within, len) = (plan.within(Arc::clone(&documents)), offset.saturating_add(limit));
            self.search_after(&within, parameters, after_typed, 0, len)?
        } else {
            Vec::new()
        };
        let found = first.len();
        let first = first.into_iter().map(RankedDoc::as_typed);
        let mut page: Vec<RankedDoc> = first.skip(offset).collect();
        let missing = limit - page.len();
        if missing > 0 {
            let offset = offset.saturating_sub(found);
            let without = plan.without(documents);
            let second =
                self.search_after(&without, parameters, after_corrected, offset, missing)?;
            let second = second.into_iter().map(RankedDoc::as_typed);
            page.extend(second.map(|found| RankedDoc { is_corrected: true, ..found }));
        }
        Ok(page)
    }
}
