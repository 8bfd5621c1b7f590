//! Values of the text keyspace: which documents hold a term, how often, and where.
//!
//! The inverter builds one part of a chunk per transaction, [`TextOperator`] joins parts, the rewriter takes
//! dead documents out, readers iterate. Both kinds of value share one frame (`frame`), and differ in
//! what follows each document: its frequency ([`Postings`]) or its positions ([`Positions`]).
//!
//! Invariants: documents strictly ascend; equal contents have equal bytes, however they were joined.
//! Cost: joining parts that do not interleave, the normal case, copies their bytes.
//!
#![doc = include_str!("../../../docs/format/postings.md")]

mod frame;
mod list;
mod operator;
mod positions;
#[cfg(test)]
mod tests;

pub use frame::Retained;
pub use list::{Postings, PostingsBuilder, PostingsIter, join_postings, retain_postings};
pub use operator::TextOperator;
pub use positions::{
    Positions, PositionsBuilder, PositionsCursor, join_positions, retain_positions,
};
