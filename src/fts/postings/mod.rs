//! Values of the text keyspace: which documents of a chunk hold a term, how often, and where.
//!
//! The inverter builds one value of a chunk per transaction, [`TextOperator`] joins them, the rewriter takes dead documents
//! out, searches read. Shapes follow density: a document alone stands inline, short lists carry the lengths of their
//! documents, long ones an impact for each posting, and lists of a thousand and more are divided into windows with bounds
//! in front, as lists of packed gaps or as bitmaps.
//!
//! Invariants: documents strictly ascend; what a value says does not depend on how it was joined. Cost: joining copies
//! windows that only one part has.

mod block;
mod build;
mod frequencies;
mod join;
mod operator;
mod position_table;
mod positions;
#[cfg(test)]
mod tests;
mod value;

pub use block::{BITMAP_BYTES, Block, Marks, Offsets, WINDOW_LEN};
pub use build::PostingsBuilder;
pub use frequencies::FrequencyRanks;
pub use join::{Rewritten, Weights, join, rewrite};
pub use operator::TextOperator;
pub use position_table::PositionTable;
pub use positions::{DecodedPositions, DocumentPositions, PositionsPlace};
pub(in crate::fts) use value::CODED_LEN_MAX;
pub use value::{Body, LISTED_LEN_MAX, Postings, WINDOWS_LEN, Windows};
