//! Queries: the tree a search is made of and the parsers that build it. It reads only, and the layers
//! below know nothing of it.

mod ast;
mod parser;

pub use ast::{Clause, Occur, Pattern, Query};
pub use parser::{ParsedQuery, Warning, WarningKind};
