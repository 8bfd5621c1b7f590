//! Queries: the tree a search is made of and the parsers that build it. It reads only, and the layers
//! below know nothing of it.

mod ast;
mod bm25;
mod bounds;
mod completion;
mod deferred;
mod distinct;
mod error;
mod explain;
mod explanation;
mod feedback;
mod filtered;
mod highlight;
mod leaf;
mod likeness;
mod lists;
mod nesting;
mod open_set;
mod parser;
mod placed;
mod plan;
mod planner;
mod position;
mod searcher;
mod sets;
mod sorted;
mod suggestion;
mod term_window;
#[cfg(test)]
mod tests;
mod tiers;
mod topk;
mod tree_score;
mod value_range;
mod variants;
mod vocabulary;
mod window;
mod words;

pub use ast::{Clause, Occur, Pattern, Query, Weight};
pub use bm25::Parameters;
pub use completion::{COMPLETIONS_LEN_MAX, Completion, completions};
pub use distinct::Ranking;
pub use error::{Error, Result};
pub use explanation::Explanation;
pub use feedback::{Feedback, RelevanceModel};
pub use highlight::{Highlighter, SNIPPET_CHARS, Snippet};
pub use likeness::{LikeOptions, like_document, like_text};
pub use nesting::{Best, Group, Node};
pub use parser::{ParseError, ParsedQuery, UserOptions, Warning, WarningKind};
pub use plan::{Plan, PlannedFilter, PlannedSet};
pub use position::Position;
pub use searcher::{RESULTS_LEN_MAX, Searcher};
pub use sorted::Rescore;
pub use suggestion::{Correction, Suggestion, suggestion};
pub use tiers::RankedDoc;
pub use topk::ScoredDoc;
