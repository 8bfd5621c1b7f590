//! The table in `cases.txt`: how a text is read, and whether the strict parser takes it.
//!
//! One line is one case; its head says how they are written. What a line says about warnings is what a
//! person would see.

use std::fmt::Write;
use std::ops::Bound;

use super::super::{ParsedQuery, WarningKind};
use super::assert_laws;
use crate::query::ast::{Clause, Occur, Pattern, Query, Weight};

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
    let mut out = describe_clauses(text, &parsed.query);
    for (index, warning) in parsed.warnings.iter().enumerate() {
        out += match (index, out.is_empty()) {
            (0, true) => "!! ",
            (0, false) => " !! ",
            _ => ", ",
        };
        match &warning.kind {
            WarningKind::MissingValue { field } => write!(out, "MissingValue({field})"),
            WarningKind::IdleKeyword { keyword } => write!(out, "IdleKeyword({keyword})"),
            WarningKind::TooDeep { depth_max } => write!(out, "TooDeep({depth_max})"),
            WarningKind::DistanceTooHigh { distance_max } => {
                write!(out, "DistanceTooHigh({distance_max})")
            }
            kind => write!(out, "{kind:?}"),
        }
        .and_then(|()| write!(out, "@{:?}", warning.span))
        .expect("writing to a string");
    }
    out
}

fn describe_clauses(text: &str, query: &Query) -> String {
    let clauses: Vec<_> = query.clauses.iter().map(|c| describe_clause(text, c)).collect();
    clauses.join(" | ")
}

fn describe_clause(text: &str, clause: &Clause) -> String {
    let occur = match clause.occur {
        Occur::Should => '?',
        Occur::Must => '+',
        Occur::MustNot => '-',
    };
    let field = clause.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    let weight = match clause.weight {
        weight if weight.is_plain() => String::new(),
        Weight::Boost(factor) => format!(" ^{factor}"),
        Weight::Constant(score) => format!(" ^={score}"),
    };
    let span = if clause.to_string() == text[clause.span.clone()] {
        String::new()
    } else {
        format!(" @{:?}", clause.span)
    };
    format!("{occur} {field}{}{weight}{span}", describe_pattern(text, &clause.pattern))
}

fn describe_pattern(text: &str, pattern: &Pattern) -> String {
    match pattern {
        Pattern::Words(text) => text.clone(),
        Pattern::Phrase { text, slop } => {
            let slop = if *slop > 0 { format!("~{slop}") } else { String::new() };
            format!("[{}]{slop}", text.replace('\0', "\\0"))
        }
        Pattern::Near { text, distance } => format!("NEAR({text}, {distance})"),
        Pattern::Prefix(text) => format!("prefix {text}"),
        Pattern::Wildcard(text) => format!("wildcard {text}"),
        Pattern::Fuzzy { text, distance, prefix } => {
            format!("fuzzy {text} {distance}{}", if *prefix { "*" } else { "" })
        }
        Pattern::Regex(text) => format!("regex {text}"),
        Pattern::Range { lower, upper } => {
            let lower = match lower {
                Bound::Included(text) => format!("≥{text}"),
                Bound::Excluded(text) => format!(">{text}"),
                Bound::Unbounded => "any".to_owned(),
            };
            let upper = match upper {
                Bound::Included(text) => format!("≤{text}"),
                Bound::Excluded(text) => format!("<{text}"),
                Bound::Unbounded => "any".to_owned(),
            };
            format!("range {lower} {upper}")
        }
        Pattern::All => "all".to_owned(),
        Pattern::Filter(_)
        | Pattern::Similar { .. }
        | Pattern::Across { .. }
        | Pattern::DisMax { .. } => {
            unreachable!("no text says it")
        }
        Pattern::Group(query) => format!("({})", describe_clauses(text, query)),
    }
}

#[test]
fn every_case_of_the_table_is_read_as_it_says() {
    let mut failures = String::new();
    let mut count = 0;
    for (index, line) in include_str!("cases.txt").lines().enumerate() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            continue;
        }
        let (input, expected) = line.split_once(['⇒', '⇏']).expect("input, arrow, expected");
        let text = unescape(input.trim());
        let arrow = if Query::parse(&text).is_ok() { '⇒' } else { '⇏' };
        let found = describe(&text, &Query::user(&text));
        if found != expected.trim() || !line[input.len()..].starts_with(arrow) {
            writeln!(
                failures,
                "line {}: expected {line}\n{} {arrow} {found}",
                index + 1,
                input.trim()
            )
            .expect("writing to a string");
        }
        assert_laws(&text);
        count += 1;
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count >= 300, "the table has only {count} cases");
}
