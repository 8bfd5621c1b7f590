//! [`Explanation`]: how a document's score comes about, as a tree of numbers.
//!
//! `explain` makes one; the facade and the command line show it. Invariant: the value of the root is the score of the search to the
//! last bit, and that of its parts, added as f32 in their order. Cost: a few nodes for each clause that matches.

use std::fmt;

use serde::Serialize;

/// A number of a score, what it is, and what it comes from.
///
/// `Display` shows the tree, one number a line, each part two spaces further to the right than what it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The number. What the definition has as f64 (`docs/scoring.md`) is rounded here, but not in the score.
    pub value: f32,
    /// What it is.
    pub what: String,
    /// What it comes from, in the order in which it is put together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

impl Explanation {
    /// A number that comes from some others.
    pub(super) fn new(value: f32, what: impl Into<String>, parts: Vec<Explanation>) -> Self {
        Explanation { value, what: what.into(), parts }
    }

    /// A number that stands for itself.
    pub(super) fn leaf(value: f32, what: impl Into<String>) -> Self {
        Self::new(value, what, Vec::new())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        if depth > 0 {
            write!(f, "\n{:1$}", "", 2 * depth)?;
        }
        write!(f, "{} {}", self.value, self.what)?;
        self.parts.iter().try_for_each(|part| part.write(f, depth + 1))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}
