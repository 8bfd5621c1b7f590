//! Tests of the forgiving parser: the table in `cases.txt`, and the laws of the module on any string.
//!
//! The table says what each line means for a person; the laws (spans, bounds, printing and reading
//! again) are tried on strings made of the characters that matter and on arbitrary ones.

use std::fmt::Write;

use proptest::prelude::*;

use super::{CLAUSES_MAX, ParsedQuery, TEXT_BYTES_MAX, WARNINGS_MAX, WarningKind};
use crate::query::ast::{Clause, Occur, Pattern, Query};

/// Reads the escapes of `cases.txt`.
fn unescape(input: &str) -> String {
    let mut out = String::new();
    let mut rest = input.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next().expect("an escape") {
            's' => out.push(' '),
            't' => out.push('\t'),
            'n' => out.push('\n'),
            '0' => out.push('\0'),
            '\\' => out.push('\\'),
            'u' => {
                let code: String = rest.by_ref().skip(1).take_while(|&c| c != '}').collect();
                let code = u32::from_str_radix(&code, 16).expect("a code point");
                out.push(char::from_u32(code).expect("a character"));
            }
            other => panic!("no such escape: \\{other}"),
        }
    }
    out
}

/// Writes a parsed query the way `cases.txt` does.
fn describe(text: &str, parsed: &ParsedQuery) -> String {
    let clauses: Vec<_> = parsed.query.clauses.iter().map(|c| describe_clause(text, c)).collect();
    let mut out = clauses.join(" | ");
    for (index, warning) in parsed.warnings.iter().enumerate() {
        out += match (index, out.is_empty()) {
            (0, true) => "!! ",
            (0, false) => " !! ",
            _ => ", ",
        };
        match &warning.kind {
            WarningKind::MissingValue { field } => write!(out, "MissingValue({field})"),
            kind => write!(out, "{kind:?}"),
        }
        .and_then(|()| write!(out, "@{:?}", warning.span))
        .expect("writing to a string");
    }
    out
}

fn describe_clause(text: &str, clause: &Clause) -> String {
    let occur = match clause.occur {
        Occur::Should => '?',
        Occur::Must => '+',
        Occur::MustNot => '-',
    };
    let field = clause.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    let pattern = match &clause.pattern {
        Pattern::Words(text) => text.clone(),
        Pattern::Phrase(text) => format!("[{}]", text.replace('\0', "\\0")),
        Pattern::Group(_) => unreachable!("the language has no groups"),
    };
    let span = if clause.to_string() == text[clause.span.clone()] {
        String::new()
    } else {
        format!(" @{:?}", clause.span)
    };
    format!("{occur} {field}{pattern}{span}")
}

#[test]
fn every_case_of_the_table_is_read_as_it_says() {
    let mut failures = String::new();
    let mut count = 0;
    for (index, line) in include_str!("cases.txt").lines().enumerate() {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (input, expected) = line.split_once('⇒').expect("input ⇒ expected");
        let text = unescape(input.trim());
        let found = describe(&text, &Query::user(&text));
        if found != expected.trim() {
            let line = index + 1;
            writeln!(failures, "line {line}: {text:?}\n  expected {expected}\n  found     {found}")
                .expect("writing to a string");
        }
        assert_laws(&text);
        count += 1;
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count >= 60, "the table has only {count} cases");
}

/// Everything the parser promises about any string.
fn assert_laws(text: &str) {
    let parsed = Query::user(text);
    assert!(parsed.query.clauses.len() <= CLAUSES_MAX);
    assert!(parsed.warnings.len() <= WARNINGS_MAX + 3);
    let mut end = 0;
    for clause in &parsed.query.clauses {
        assert!(clause.span.start >= end, "clauses in order, apart");
        assert!(!text[clause.span.clone()].is_empty());
        assert!(text[clause.span.clone()].contains(clause.pattern.text().unwrap()));
        if let Some(field) = &clause.field {
            assert!(text[clause.span.clone()].contains(field.as_str()));
        }
        end = clause.span.end;
    }
    for warning in &parsed.warnings {
        assert!(text.get(warning.span.clone()).is_some(), "{warning:?}");
        assert!(warning.to_string().len() < 1024);
    }
    let printed = parsed.query.to_string();
    if printed.len() <= TEXT_BYTES_MAX {
        let again = Query::user(&printed);
        assert_eq!(without_spans(again.query), without_spans(parsed.query), "{text:?} {printed:?}");
    }
}

fn without_spans(mut query: Query) -> Query {
    for clause in &mut query.clauses {
        clause.span = 0..0;
    }
    query
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_a_query(text in any::<String>()) {
        assert_laws(&text);
    }

    #[test]
    fn any_mix_of_the_characters_that_mean_something_is_a_query(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "bc", "7", "é", "語", "🎉", " ", " ", "\t", "\0", "+", "-", "－", "−", ":", "：", "\"", "\"", "“", "”",
            "«", "»", "「", "」", "＂", "(", ")", "（", "/", "\\", "'", ".", "_", "~", "\u{200f}", "\u{200d}", "\u{301}",
        ]), 0..24)
    ) {
        assert_laws(&parts.concat());
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
    for part in ["\"", "- ", "+-", "(", "a:", "a: ", "\"\"", "«", "「a", "-(a ", "\u{200f}", "a\"“"]
    {
        assert_laws(&part.repeat(100_000 / part.len()));
    }
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
    assert_eq!(plain[1].pattern, Pattern::Phrase("river bed".to_owned()));
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
