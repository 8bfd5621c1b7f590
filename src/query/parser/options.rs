//! [`UserOptions`]: what a query that a person typed may find beside what was typed.
//!
//! [`Query::user_with`] reads the text as ever and comes here for a second tree, in which words stand for those that may have been
//! meant: [`relaxed`]. The search ranks what the first one finds before what only the second does. Invariant: a document that
//! matches the query as typed matches the relaxed one. Cost: a copy of the tree.

use crate::query::ast::{Clause, Occur, Pattern, Query};

/// What a query that a person typed may find beside what was typed: see [`Query::user_with`].
///
/// ```
/// use alluvium::{Query, UserOptions};
///
/// let parsed = Query::user_with("rivr gol", UserOptions::new().typos(true).prefix(true));
/// assert_eq!(parsed.query.to_string(), "rivr gol");
/// assert!(parsed.relaxed.is_some());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserOptions {
    /// Whether words may be misspelt. Default: false.
    pub typos: bool,
    /// Whether the last word may be the beginning of one. Default: false.
    pub prefix: bool,
}

impl UserOptions {
    /// The defaults: everything is taken as typed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`typos`](Self::typos).
    #[must_use]
    pub fn typos(mut self, typos: bool) -> Self {
        self.typos = typos;
        self
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub fn prefix(mut self, prefix: bool) -> Self {
        self.prefix = prefix;
        self
    }
}

/// The query, in which words stand for similar ones too; `None` where it says the same.
pub(super) fn relaxed(text: &str, query: &Query, options: UserOptions) -> Option<Query> {
    let is_open = options.prefix && !text.ends_with(char::is_whitespace);
    let unfinished = is_open.then_some(text.len());
    let mut relaxed = query.clone();
    relax(&mut relaxed, options.typos, unfinished).then_some(relaxed)
}

/// Relaxes the words that are not excluded; whether there were any. The one that ends at `unfinished` may be a beginning.
fn relax(query: &mut Query, typos: bool, unfinished: Option<usize>) -> bool {
    let mut is_changed = false;
    let asked = |clause: &&mut Clause| clause.occur != Occur::MustNot;
    for clause in query.clauses.iter_mut().filter(asked) {
        match &mut clause.pattern {
            Pattern::Group(query) => is_changed |= relax(query, typos, unfinished),
            Pattern::Words(text) => {
                let prefix = unfinished == Some(clause.span.end);
                if typos || prefix {
                    let text = std::mem::take(text);
                    clause.pattern = Pattern::Similar { text, typos, prefix };
                    is_changed = true;
                }
            }
            _ => {}
        }
    }
    is_changed
}
