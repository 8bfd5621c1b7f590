//! Tests of the parser: the table in `cases.txt`, and the laws of the module on any string and any tree.
//!
//! The table says what each line means for a person; the laws (spans, bounds, strictness, printing and
//! reading again) are tried on strings made of the characters and parts that matter, on arbitrary ones,
//! and on trees.

mod table;
mod tree;

use std::ops::Range;
use std::slice::from_ref;

use proptest::prelude::*;

use super::{
    CLAUSES_MAX, GROUPS_DEPTH_MAX, ParsedQuery, TEXT_BYTES_MAX, WARNINGS_MAX, WarningKind,
};
use crate::query::ast::{Clause, Occur, Pattern, Query};

/// Everything the parser promises about any string.
fn assert_laws(text: &str) {
    let parsed = Query::user(text);
    assert_bounds(text, &parsed.query, 0..text.len(), 0);
    assert!(count(&parsed.query) <= CLAUSES_MAX);
    assert!(parsed.warnings.len() <= WARNINGS_MAX + 3);
    let mut doubts = parsed.warnings.iter().filter(|w| w.kind != WarningKind::OnlyExclusions);
    match (Query::parse(text), doubts.next()) {
        (Ok(query), None) => assert_eq!(query, parsed.query),
        (Err(error), Some(doubt)) => {
            assert_eq!((error.kind(), error.span()), (&doubt.kind, doubt.span.clone()));
            assert!(error.to_string().len() < 2048);
        }
        (read, doubt) => panic!("{text:?} is read as {read:?} in spite of {doubt:?}"),
    }
    for warning in &parsed.warnings {
        assert!(text.get(warning.span.clone()).is_some(), "{warning:?}");
        assert!(warning.to_string().len() < 1024);
    }
    let printed = parsed.query.to_string();
    if printed.len() <= TEXT_BYTES_MAX {
        let again = Query::parse(&printed);
        let again = again.unwrap_or_else(|error| panic!("{text:?} prints {printed:?}: {error}"));
        assert_eq!(without_spans(again), without_spans(parsed.query), "{text:?} {printed:?}");
    }
}

/// Spans, and what stands in them, of the clauses that were read from these bytes.
fn assert_bounds(text: &str, query: &Query, within: Range<usize>, depth: usize) {
    assert!(depth <= GROUPS_DEPTH_MAX);
    let mut end = within.start;
    for clause in &query.clauses {
        let span = clause.span.clone();
        let written = &text[span.clone()];
        assert!(!written.is_empty() && span.end <= within.end);
        // The one in `(* -a)` that OR NOT makes stands for all of the group.
        let is_implied =
            clause.pattern == Pattern::All && span == within && query.clauses.len() > 1;
        assert!(span.start >= end, "clauses in order, apart: {text:?}");
        end = if is_implied { span.start } else { span.end };
        if let Some(text) = clause.pattern.text().filter(|_| !written.contains('\\')) {
            assert!(text.split(' ').all(|word| written.contains(word)), "{text:?} in {written:?}");
        }
        if let Some(field) = &clause.field {
            assert!(written.contains(field.as_str()));
        }
        if let Pattern::Group(query) = &clause.pattern {
            assert!(!query.is_empty());
            assert_bounds(text, query, span, depth + 1);
        }
    }
}

/// How many clauses there are, groups and those in them.
fn count(query: &Query) -> usize {
    let inner = |clause: &Clause| match &clause.pattern {
        Pattern::Group(query) => 1 + count(query),
        _ => 1,
    };
    query.clauses.iter().map(inner).sum()
}

fn without_spans(mut query: Query) -> Query {
    for clause in &mut query.clauses {
        clause.span = 0..0;
        if let Pattern::Group(query) = &mut clause.pattern {
            *query = without_spans(std::mem::take(query));
        }
    }
    query
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_a_query(text in any::<String>()) {
        assert_laws(&text);
    }

    #[test]
    fn any_mix_of_the_characters_that_mean_something_is_a_query(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "bc", "7", "é", "語", "🎉", " ", " ", "\t", "\0", "+", "-", "－", "−", ":", "：", "\"", "\"", "“", "”",
            "«", "»", "「", "」", "＂", "(", ")", "（", "）", "/", "/", "\\", "\\", "'", ".", ",", "_", "~", "^", "*", "*",
            "?", "[", "]", "{", "}", "<", ">", "=", "2", "\u{200f}", "\u{200d}", "\u{301}",
        ]), 0..24)
    ) {
        assert_laws(&parts.concat());
    }

    #[test]
    fn any_mix_of_the_parts_of_the_language_is_a_query(
        parts in prop::collection::vec(prop::sample::select(vec![
            "gold", "river ", " bed", "title:", "(", "(", ")", ")", " ", " ", " AND ", " OR ", " NOT ", "AND", "NOT ", "NEAR(",
            ", 3)", "\"", "\"a b\"", "~2", "~1*", "~", "^2", "^=0.5", "^-1", "*", "?", "/gr[ae]y/", "/", "[1 TO 2]", "[", " TO ",
            "}", ">=5", "<", "+", "-", "\\", "://", "f(", ",", "=",
        ]), 0..24)
    ) {
        assert_laws(&parts.concat());
    }

    #[test]
    fn a_query_made_of_anything_that_can_be_said_is_read_back(query in tree::query()) {
        let printed = query.to_string();
        let read = Query::parse(&printed);
        let read = read.unwrap_or_else(|error| panic!("{query:?} prints {printed:?}: {error}"));
        prop_assert_eq!(without_spans(read), query, "{}", printed);
    }
}

#[test]
fn a_text_beyond_the_limit_is_cut_between_words_with_a_warning() {
    let text = "gold ".repeat(TEXT_BYTES_MAX / 5 + 1);
    let parsed = Query::user(&text);
    assert_eq!(parsed.query.clauses.len(), CLAUSES_MAX);
    let kinds: Vec<_> = parsed.warnings.iter().map(|warning| &warning.kind).collect();
    assert_eq!(
        kinds,
        [
            &WarningKind::TooManyClauses { clauses_max: CLAUSES_MAX },
            &WarningKind::TextTooLong { text_bytes_max: TEXT_BYTES_MAX },
        ]
    );
    assert_eq!(parsed.warnings[0].span.start, 5 * CLAUSES_MAX);
    assert_eq!(parsed.warnings[1].span, TEXT_BYTES_MAX - 2..text.len());

    let long = format!("a \"{}", "é".repeat(TEXT_BYTES_MAX));
    let parsed = Query::user(&long);
    assert_eq!(parsed.query.clauses[1].span, 2..TEXT_BYTES_MAX - 1);
    assert_eq!(parsed.warnings.len(), 2);
}

#[test]
fn long_runs_of_syntax_end_with_bounded_output() {
    let parts = [
        "\"",
        "- ",
        "+-",
        "(",
        "a:",
        "a: ",
        "\"\"",
        "«",
        "「a",
        "-(a ",
        "\u{200f}",
        "a\"“",
        ")",
        "(a)",
        "(a b)",
        "a)",
        "f(",
        "f(x ",
        "AND ",
        "NOT ",
        "NOT a OR ",
        "a AND b OR ",
        "NEAR(",
        "NEAR(a ",
        "x NEAR(a) ",
        "a*",
        "*",
        "?",
        "~",
        "a~1",
        "\"a\"~1",
        "^",
        "a^2",
        "^2",
        "/",
        "/a",
        "/a/ ",
        "\\",
        "\\/",
        "[",
        "a:[",
        "a:[x ",
        "a:[x TO ",
        "a:[1 TO 2] ",
        "[\"",
        "a:[「x ",
        "[x“",
        "a:>x“",
        "a:>",
        "\"a\"^1",
        "{",
        "\\)",
        "://",
        "a,*",
        "()",
        "((a b) c)",
        "(NOT a) ",
    ];
    for part in parts {
        assert_laws(&part.repeat(70_000 / part.len()));
    }
}

#[test]
fn pages_of_punctuation_are_queries() {
    let mut rng = fastrand::Rng::with_seed(7);
    let signs: Vec<char> =
        ('!'..='~').filter(char::is_ascii_punctuation).chain("  «“（".chars()).collect();
    for _ in 0..40 {
        let text: String = (0..10_000).map(|_| signs[rng.usize(..signs.len())]).collect();
        assert_laws(&text);
    }
}

#[test]
fn groups_nest_as_deep_as_the_planner_takes_them() {
    let nested = |depth: usize, inside: &str| {
        let text = format!("{}{inside}{}", "(x ".repeat(depth), ")".repeat(depth));
        assert_laws(&text);
        let kinds = Query::user(&text).warnings.into_iter().map(|warning| warning.kind);
        kinds.collect::<Vec<_>>()
    };
    let too_deep = WarningKind::TooDeep { depth_max: GROUPS_DEPTH_MAX };
    assert_eq!(nested(GROUPS_DEPTH_MAX, "a b"), []);
    assert_eq!(nested(GROUPS_DEPTH_MAX + 1, "a b"), from_ref(&too_deep));
    assert_eq!(nested(GROUPS_DEPTH_MAX + 9, "(a b) AND"), from_ref(&too_deep));
    // AND and NOT make groups of their own.
    assert_eq!(nested(GROUPS_DEPTH_MAX - 1, "a OR b AND c OR NOT d"), []);
    assert_eq!(nested(GROUPS_DEPTH_MAX, "a OR b AND c OR NOT d"), [too_deep.clone(), too_deep]);
}

#[test]
fn groups_and_keywords_count_as_clauses() {
    for text in ["(a b) ", "a AND b OR ", "NOT a OR ", "(NOT a OR b) ", "NEAR(a b) "] {
        let parsed = Query::user(&text.repeat(CLAUSES_MAX + 1));
        let clauses = count(&parsed.query);
        assert!((CLAUSES_MAX / 2..=CLAUSES_MAX).contains(&clauses), "{text}: {clauses}");
        let last = parsed.warnings.last().map(|warning| &warning.kind);
        assert_eq!(last, Some(&WarningKind::TooManyClauses { clauses_max: CLAUSES_MAX }), "{text}");
    }
    // What is open at the limit may still be closed.
    let full = format!("({}) \t", "a ".repeat(CLAUSES_MAX - 1));
    assert_eq!(Query::parse(&full).map(|query| count(&query)), Ok(CLAUSES_MAX));
}

#[test]
fn an_error_shows_the_place_and_the_remedy() {
    let message = |text: &str| Query::parse(text).expect_err("refused").to_string();
    assert_eq!(
        message("gold\nand (river\tbed\nold"),
        "the parenthesis at byte 9 is never closed; close it where the group ends\n  \
         and (river bed\n      ^"
    );
    assert_eq!(
        message("東京 rivr~7 bed"),
        "the word at byte 7 may differ in 2 characters at most; write `~1` or `~2`\n  \
         東京 rivr~7 bed\n     ^^^^^^"
    );
    let long = format!("{}\"{}", "é ".repeat(100), "x".repeat(1000));
    let shown = message(&long);
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    assert_eq!(lines[1], format!("  {}\"{}", "é ".repeat(20), "x".repeat(59)));
    assert_eq!(lines[2], format!("  {}{}", " ".repeat(40), "^".repeat(60)));
    assert!(message(&"a ".repeat(CLAUSES_MAX + 1)).starts_with("a query has at most 1024 clauses"));
}

#[test]
fn a_query_that_only_excludes_is_written_as_the_language_has_it() {
    assert!(Query::parse("-gold").is_ok());
    assert!(Query::parse("gold (-fool)").is_ok());
    assert_eq!(Query::parse(""), Ok(Query::default()));
}

#[test]
fn what_the_language_cannot_say_prints_as_near_as_can_be() {
    let printed = |query: Query| query.to_string();
    assert_eq!(printed(Query::word("gold river").must()), "+gold +river");
    assert_eq!(printed(Query::word("-gold (x").field("my field")), r"my field:-gold my field:\(x");
    assert_eq!(printed(Query::word("gold").grouped()), "(gold)");
    assert_eq!(printed(Query::regex("a b/")), r"/a\u{20}b\//");
    assert_eq!(printed(Query::near("a f(x) AND", 2)), r"NEAR(a f\(x\) \AND, 2)");
    assert_eq!(printed(Query::wildcard(r"a\*b*c")), r"a\*b*c");
    assert_eq!(printed(Query::default().grouped()), "()");
}

#[test]
fn the_number_of_clauses_at_the_limit_needs_no_warning() {
    let parsed = Query::user(&"a ".repeat(CLAUSES_MAX));
    assert_eq!((parsed.query.clauses.len(), parsed.warnings.len()), (CLAUSES_MAX, 0));
}

#[test]
fn a_phrase_that_holds_quotes_prints_between_others() {
    assert_eq!(Query::phrase("a \"b\" c").to_string(), "«a \"b\" c»");
    assert_eq!(Query::phrase("\" « c").to_string(), "「\" « c」");
    assert_eq!(Query::phrase("\" « 」").to_string(), "\"  « 」\"");
}

#[test]
fn a_clause_of_an_unknown_field_falls_back_to_text() {
    let parsed = Query::user("-note:gold +note:\"river bed\" plain");
    let plain: Vec<_> = parsed.query.clauses.iter().map(Clause::without_field).collect();
    assert_eq!(plain[0].pattern, Pattern::Words("note gold".to_owned()));
    assert_eq!((plain[0].occur, plain[0].span.clone()), (Occur::MustNot, 0..10));
    assert_eq!(plain[1].pattern, Pattern::Phrase { text: "river bed".to_owned(), slop: 0 });
    assert_eq!(plain[2], parsed.query.clauses[2]);
}

#[test]
fn a_query_and_its_warnings_survive_serde() {
    let parsed = Query::user("+title:gold -\"a b\" --x title:");
    let json = serde_json::to_string(&parsed).expect("serializes");
    assert!(json.contains(
        r#"{"occur":"must","field":"title","pattern":{"words":"gold"},"span":{"start":0,"end":11}}"#
    ));
    assert_eq!(serde_json::from_str::<ParsedQuery>(&json).expect("reads back"), parsed);
    let built = serde_json::to_string(&Query::word("gold")).expect("serializes");
    assert_eq!(built, r#"{"clauses":[{"occur":"should","pattern":{"words":"gold"}}]}"#);
}
