//! Trees that the query language can say, made at random.
//!
//! What it cannot say is left out: words with spaces or without a letter, groups of one clause that says
//! the same alone, ranges without a field, and texts that several ways of writing come to.

use std::ops::Bound;

use proptest::prelude::*;

use crate::query::ast::{Clause, Occur, Pattern, Query, Weight};

/// Queries of up to three levels.
pub(super) fn query() -> impl Strategy<Value = Query> {
    let leaf = clause(leaf(), true);
    let clauses = leaf.prop_recursive(2, 24, 5, |inner| {
        let group = prop::collection::vec(inner, 2..5);
        clause(group.prop_map(|clauses| Pattern::Group(Query { clauses })), false)
    });
    prop::collection::vec(clauses, 1..5).prop_map(|clauses| Query { clauses })
}

fn clause(
    pattern: impl Strategy<Value = Pattern>,
    needs_field: bool,
) -> impl Strategy<Value = Clause> {
    let occur = prop::sample::select(vec![Occur::Should, Occur::Must, Occur::MustNot]);
    let field = prop::sample::select(vec![None, Some("title"), Some("a.b"), Some("名前")]);
    let weight = prop_oneof![
        3 => Just(Weight::default()),
        1 => (0.0..=Weight::MAX).prop_map(Weight::Boost),
        1 => prop::sample::select(vec![0.0, 1.0, 0.1, Weight::MAX]).prop_map(Weight::Constant),
    ];
    (occur, field, pattern, weight).prop_map(move |(occur, field, pattern, weight)| {
        let is_range = needs_field && matches!(pattern, Pattern::Range { .. });
        let field = field.or(is_range.then_some("year")).map(str::to_owned);
        Clause { occur, field, pattern, weight, span: 0..0 }
    })
}

fn leaf() -> impl Strategy<Value = Pattern> {
    let words = prop::collection::vec(word(), 1..4).prop_map(|words| words.join(" "));
    prop_oneof![
        4 => word().prop_map(Pattern::Words),
        1 => (phrase(), 0..3_u32).prop_map(|(text, slop)| Pattern::Phrase { text, slop }),
        1 => (words, any::<u32>()).prop_map(|(text, distance)| Pattern::Near { text, distance }),
        1 => word().prop_map(Pattern::Prefix),
        2 => wildcard(),
        2 => (word(), 1..=2_u8, any::<bool>())
            .prop_map(|(text, distance, prefix)| Pattern::Fuzzy { text, distance, prefix }),
        1 => "([a-z.()|*+?^$/\"“-]|\\[a-z\\]|\\\\[dw.\\\\]){1,8}".prop_map(Pattern::Regex),
        2 => (bound(), bound()).prop_map(|(lower, upper)| Pattern::Range { lower, upper }),
        1 => Just(Pattern::All),
    ]
}

/// A word with at least one letter and with anything in it that may mean something.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+:/.,;!'#a-z0-9]{0,3}[a-zé語][-+:/.,;!'()*?~^=\"\\\\a-z0-9]{0,6}",
        "[-+:(“«\\[{<>*?~^/\\\\\")]{0,3}[a-z][-+:()“”«」\\[\\]{}<>*?~^=/\\\\\"12 ]{0,6}"
            .prop_map(|word| word.replace(' ', "")),
        prop::sample::select(vec!["AND", "OR", "NOT", "TO", "NEAR", "NEAR(a", "http://a?b=c"])
            .prop_map(str::to_owned),
    ]
}

fn phrase() -> impl Strategy<Value = String> {
    "[-+:()*?~^/\\\\\"“a-z]{0,3}[a-z]([ -+:()*?~^/\\\\»\"a-z]{0,6}[a-z\\\\])?"
}

/// A pattern with a wildcard that counts, and no other sign that a backslash would have to keep.
fn wildcard() -> impl Strategy<Value = Pattern> {
    let piece = || "([a-z]|[-+:/()\"^~<]|\\\\[*?\\\\]){0,3}";
    let pattern = (piece(), "[*?]", piece(), "[*?]?", "[a-z]", "[*?]?");
    pattern.prop_map(|(a, b, c, d, e, f)| Pattern::Wildcard([a, b, c, d, e, f].concat()))
}

fn bound() -> impl Strategy<Value = Bound<String>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        3 => "[-+:/.a-z0-9*=\\[\\]{}()\"«]{1,6}".prop_map(Bound::Included),
        1 => "[ *a-z\"]{0,6}".prop_map(Bound::Included),
        3 => "[-+:/.a-z0-9*=^<>\\\\]{1,6}".prop_map(Bound::Excluded),
    ]
}
