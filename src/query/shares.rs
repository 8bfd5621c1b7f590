//! What documents of a window get from all terms, term by term instead of document by document.
//!
//! The evaluator (`window`) asks about documents that match if they hold any term. What is the same for all of them, where the term's
//! documents, their frequencies and lengths stand, is looked up once. Each document gets its shares in the order of the leaves, as it
//! would alone, so sums are the same to the last bit. Cost: some nanoseconds for a document and a term.

use super::error::Result;
use super::leaf::{LeafWindow, Scale};
use super::term_window::{Finder, index_in};

/// Replaces the content of `scores` by what the documents at `offsets` get from the leaves of a window, of which each is one term, or
/// nothing where they hold none; `scales` has what scoring needs, by the leaf's index.
pub(super) fn sum_shares(
    leaves: &[LeafWindow<'_>],
    scales: &[Option<Scale<'_>>],
    offsets: &[u16],
    scores: &mut Vec<Option<f32>>,
) -> Result<()> {
    scores.clear();
    scores.resize(offsets.len(), None);
    for leaf in leaves.iter().filter(|leaf| leaf.chunk.open.scores()) {
        let (Some(Some(scale)), [term]) = (scales.get(leaf.index), leaf.terms()?) else { continue };
        let share = |offset, index| scale.score_at(term, offset, index, leaf.bounds.weight());
        match term.finder() {
            Finder::Bitmap(bitmap, ranks) => {
                add_shares(offsets, scores, |offset| index_in(bitmap, ranks, offset), share)?;
            }
            mut finder => add_shares(offsets, scores, |offset| finder.find(offset), share)?,
        }
    }
    Ok(())
}

/// Adds what the documents get that are found.
fn add_shares(
    offsets: &[u16],
    scores: &mut [Option<f32>],
    mut find: impl FnMut(u16) -> Option<usize>,
    share: impl Fn(u16, usize) -> Result<f32>,
) -> Result<()> {
    for (&offset, score) in offsets.iter().zip(scores) {
        if let Some(index) = find(offset) {
            *score = Some(score.unwrap_or_default() + share(offset, index)?);
        }
    }
    Ok(())
}
