//! What ways to documents cost, in entries of an index walked. Those who choose between ways ask here; the numbers were measured, and only
//! their order of size matters.

/// What it costs to look a document up, in entries of an index walked.
pub(super) const LOOKED_UP_COST: u64 = 20;
/// What it costs to read a document after its neighbour.
pub(super) const READ_COST: u64 = 6;

/// What it costs to see in columns whether a document passes.
pub(super) const CHECKED_COST: u64 = 2;
/// Documents of a column that are looked at together for what an entry costs, and where documents have several values.
const COLUMN_SHARE: u64 = 32;
const SEVERAL_SHARE: u64 = 4;
/// What an index may cost before columns are asked how much it will.
pub(super) const UNASKED_COST: u64 = 64;

/// What it costs to find documents by a column of a collection of `count` documents.
pub(super) fn column_cost(count: u64, has_several: bool) -> u64 {
    count / if has_several { SEVERAL_SHARE } else { COLUMN_SHARE }
}

/// Entries that may be walked for the first documents, however few are wanted.
const FIRST_COST_MIN: u64 = 1_000;

/// What it may cost to find the first `enough` of `count` documents over an index: where more entries are there, as many documents match, and
/// the first of these come sooner when documents are looked at.
pub(super) fn first_cost(enough: u64, count: u64) -> u64 {
    let all = count.saturating_mul(READ_COST);
    enough.saturating_mul(all).isqrt().max(FIRST_COST_MIN)
}
