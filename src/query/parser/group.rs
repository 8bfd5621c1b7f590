//! Groups that are being read: `( … )`, and as the outermost the text as a whole.
//!
//! The reader keeps them on a stack of its own, so that no nesting is deep for the machine. A
//! parenthesis inside a word belongs to the word, and so does its partner, even some words later:
//! `(see f(x y))` is a group that holds `f(x` and `y)`.

use std::ops::Range;

use super::boolean::{Item, unwrapped};
use crate::query::ast::{Clause, Occur, Pattern, Query, Weight};

/// A group that is not closed yet.
#[derive(Debug)]
pub(super) struct OpenGroup<'t> {
    /// Where it begins, operator and field included.
    pub(super) start: usize,
    pub(super) parenthesis: Range<usize>,
    pub(super) occur: Occur,
    pub(super) field: Option<&'t str>,
    /// Whether it or a group around it has a field.
    pub(super) is_in_field: bool,
    /// What was read of it.
    pub(super) items: Vec<Item>,
    /// How many parentheses its words have opened.
    pub(super) opened_by_words: usize,
    /// How many warnings there were before it.
    pub(super) warnings_before: usize,
}

impl Default for OpenGroup<'_> {
    fn default() -> Self {
        OpenGroup {
            start: 0,
            parenthesis: 0..0,
            occur: Occur::Should,
            field: None,
            is_in_field: false,
            items: Vec::new(),
            opened_by_words: 0,
            warnings_before: 0,
        }
    }
}

impl OpenGroup<'_> {
    /// The group of these clauses as a clause that ends at byte `end`.
    pub(super) fn into_clause(self, clauses: Vec<Clause>, weight: Weight, end: usize) -> Clause {
        unwrapped(Clause {
            occur: self.occur,
            field: self.field.map(str::to_owned),
            pattern: Pattern::Group(Query { clauses }),
            weight,
            span: self.start..end,
        })
    }
}
