//! AND, OR and NOT between clauses, as the `+`, `-` and groups of the query tree.
//!
//! ```text
//! a AND b        +a +b               a OR b AND c       a (+b +c)
//! a OR b         a b                 a AND b -c         +a +b -c
//! NOT a          -a                  a OR NOT b         a (* -b)
//! ```
//! NOT binds tighter than AND, and AND tighter than OR or nothing between two clauses, which say the
//! same. Clauses joined by AND are a *chain*.
//!
//! * A `+` or `-` that was written stays what it is.
//! * A chain is a group only beside another clause that asks for something.
//! * A chain that only excludes does so from all that is beside it (`x NOT a` is `x -a`), unless OR makes
//!   an alternative of a NOT: that is every document but those.
//! * A keyword that has nothing to join is a word, with a warning.
//!
//! Linear in the clauses. Adds no more clauses than the keywords were counted for ([`cost`]).

use std::ops::Range;

use super::GROUPS_DEPTH_MAX;
use super::chars::Keyword;
use super::warning::{WarningKind, Warnings};
use crate::query::ast::{Clause, Occur, Pattern, Query, Weight};

/// A part of a query or group, as it was read.
#[derive(Debug)]
pub(super) enum Item {
    Clause(Clause),
    Keyword(Keyword, Range<usize>),
}

/// A clause of which nothing but its pattern is said.
pub(super) fn plain_clause(pattern: Pattern, span: Range<usize>) -> Clause {
    Clause { occur: Occur::Should, field: None, pattern, weight: Weight::default(), span }
}

/// The clause in a group of one that says the same without the group; else the clause.
pub(super) fn unwrapped(mut clause: Clause) -> Clause {
    let says_nothing =
        clause.occur == Occur::Should && clause.field.is_none() && clause.weight.is_plain();
    if let Pattern::Group(Query { clauses }) = &mut clause.pattern
        && says_nothing
        && matches!(&clauses[..], [Clause { occur: Occur::Should, .. }])
    {
        return clauses.remove(0);
    }
    clause
}

/// As how many clauses a keyword counts: as many as can come of it.
pub(super) fn cost(keyword: Keyword) -> usize {
    match keyword {
        Keyword::And | Keyword::Or => 1,
        Keyword::Not => 2,
    }
}

/// Clauses joined by AND; often one.
struct Chain {
    clauses: Vec<Clause>,
    /// Whether a NOT made one of its exclusions.
    has_not: bool,
    /// Whether OR stands beside it.
    is_alternative: bool,
}

/// The clauses that the parts of a query come to, which stands in `depth` groups.
pub(super) fn combine(items: Vec<Item>, depth: usize, warnings: &mut Warnings) -> Vec<Clause> {
    let chains = chains(without_idle_keywords(items, warnings), warnings);
    let asking = chains.iter().filter(|chain| chain.asks()).count();
    let mut clauses = Vec::with_capacity(chains.len());
    for mut chain in chains {
        let excludes_alone = !chain.asks() && chain.is_alternative && chain.has_not;
        if excludes_alone {
            let every = plain_clause(Pattern::All, span(&chain.clauses));
            chain.clauses.insert(0, every);
        } else if chain.clauses.len() > 1 {
            for clause in chain.clauses.iter_mut().filter(|clause| clause.occur == Occur::Should) {
                clause.occur = Occur::Must;
            }
        }
        let is_group = excludes_alone || (chain.asks() && chain.clauses.len() > 1 && asking > 1);
        if !is_group {
            clauses.append(&mut chain.clauses);
            continue;
        }
        let span = span(&chain.clauses);
        if depth < GROUPS_DEPTH_MAX {
            clauses.push(plain_clause(Pattern::Group(Query { clauses: chain.clauses }), span));
        } else {
            warnings.push(WarningKind::TooDeep { depth_max: GROUPS_DEPTH_MAX }, span);
        }
    }
    clauses
}

impl Chain {
    /// Whether it asks for something, rather than only leaving things out.
    fn asks(&self) -> bool {
        self.clauses.iter().any(|clause| clause.occur != Occur::MustNot)
    }
}

/// Makes words of the keywords that have nothing to join.
fn without_idle_keywords(mut items: Vec<Item>, warnings: &mut Warnings) -> Vec<Item> {
    // From the end, so that what follows a keyword is known to be an operand or not.
    let mut is_before_operand = false;
    for index in (0..items.len()).rev() {
        let Item::Keyword(keyword, span) = &items[index] else {
            is_before_operand = true;
            continue;
        };
        let is_not = *keyword == Keyword::Not;
        if is_before_operand && (is_not || index > 0) {
            is_before_operand = is_not;
            continue;
        }
        warnings
            .push(WarningKind::IdleKeyword { keyword: keyword.text().to_owned() }, span.clone());
        let word = plain_clause(Pattern::Words(keyword.text().to_owned()), span.clone());
        items[index] = Item::Clause(word);
        is_before_operand = true;
    }
    items
}

/// Puts the clauses together that AND joins.
fn chains(items: Vec<Item>, warnings: &mut Warnings) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut join = None;
    let mut nots = Vec::new();
    for item in items {
        let clause = match item {
            Item::Keyword(Keyword::Not, span) => {
                nots.push(span);
                continue;
            }
            Item::Keyword(keyword, _) => {
                join = Some(keyword);
                continue;
            }
            Item::Clause(clause) => negated(clause, &nots, warnings),
        };
        let is_or = join == Some(Keyword::Or);
        let is_excluded = !nots.is_empty() && clause.occur == Occur::MustNot;
        if let Some(chain) = chains.last_mut().filter(|_| join == Some(Keyword::And)) {
            chain.has_not |= is_excluded;
            chain.clauses.push(clause);
        } else {
            if let Some(before) = chains.last_mut() {
                before.is_alternative |= is_or;
            }
            let (clauses, has_not) = (vec![clause], is_excluded);
            chains.push(Chain { clauses, has_not, is_alternative: is_or });
        }
        join = None;
        nots.clear();
    }
    chains
}

/// The clause with the NOTs that stand in front of it.
fn negated(mut clause: Clause, nots: &[Range<usize>], warnings: &mut Warnings) -> Clause {
    let (Some(first), Some(last)) = (nots.first(), nots.last()) else {
        return clause;
    };
    clause.span.start = first.start;
    if nots.len() == 1 && clause.occur == Occur::Should {
        clause.occur = Occur::MustNot;
        return clause;
    }
    warnings.push(WarningKind::RepeatedOperator, first.start..last.end);
    clause.occur = Occur::Should;
    unwrapped(clause)
}

/// From the first to the last of some clauses.
fn span(clauses: &[Clause]) -> Range<usize> {
    let start = clauses.first().map_or(0, |clause| clause.span.start);
    start..clauses.last().map_or(start, |clause| clause.span.end)
}
