//! A query as text, in the language that [`Query::parse`] reads.
//!
//! Explanations and messages print queries this way. For a parsed query the text parses to the same
//! clauses; a query made in Rust may hold what the language cannot say (a word with a space, a group of
//! one word), which prints as near to it as can be.
//!
//! A word is printed as it is if the reader takes that for the word, and else with a backslash before
//! every character that may mean something: so reader and printer cannot disagree.

use std::fmt::{self, Write};

use super::boolean::plain_clause;
use super::chars::{is_opening, is_separator};
use super::escape::{escaped, quoted};
use super::reader::reads_as;
use super::{range, regex, word};
use crate::query::ast::{Clause, Occur, Pattern, Query, Weight};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Pattern::Words(text) = &self.pattern {
            for (index, word) in pieces(text).enumerate() {
                let space = if index > 0 { " " } else { "" };
                let word = written_word(self, word);
                write!(f, "{space}{}{word}{}", Prefix(self), Suffix(self.weight))?;
            }
            return Ok(());
        }
        write!(f, "{}", Prefix(self))?;
        match &self.pattern {
            Pattern::Words(_) => {}
            Pattern::Similar { text, prefix, .. } => {
                f.write_str(&escaped(text))?;
                f.write_str(if *prefix { "~*" } else { "~" })?;
            }
            Pattern::Phrase { text, slop: 0 } => f.write_str(&quoted(text))?,
            Pattern::Phrase { text, slop } => write!(f, "{}~{slop}", quoted(text))?,
            Pattern::Near { text, distance } => write_near(f, text, *distance)?,
            Pattern::Prefix(text) => {
                f.write_str(&plain_or(self, format!("{text}*"), || format!("{}*", escaped(text))))?;
            }
            Pattern::Wildcard(pattern) => {
                let escaped = || word::escaped_wildcard(pattern);
                f.write_str(&plain_or(self, pattern.clone(), escaped))?;
            }
            Pattern::Fuzzy { text, distance, prefix } => {
                let star = if *prefix { "*" } else { "" };
                let with = |text: &str| format!("{text}~{distance}{star}");
                f.write_str(&plain_or(self, with(text), || with(&escaped(text))))?;
            }
            Pattern::Regex(expression) => f.write_str(&regex::written(expression))?,
            Pattern::Range { lower, upper } => f.write_str(&range::written(lower, upper))?,
            Pattern::All => f.write_char('*')?,
            Pattern::Filter(filter) => write!(f, "{filter}")?,
            Pattern::Group(query) => write!(f, "({query})")?,
            Pattern::Across { fields, query } => write!(f, "({}):({query})", fields.join(" "))?,
            Pattern::DisMax { queries, tie_breaker } => write_best(f, queries, *tie_breaker)?,
        }
        write!(f, "{}", Suffix(self.weight))
    }
}

/// What stands in front of a clause.
struct Prefix<'c>(&'c Clause);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.occur {
            Occur::Should => "",
            Occur::Must => "+",
            Occur::MustNot => "-",
        })?;
        match &self.0.field {
            Some(field) => write!(f, "{field}:"),
            None => Ok(()),
        }
    }
}

/// What stands behind a clause.
struct Suffix(Weight);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            weight if weight.is_plain() => Ok(()),
            Weight::Boost(factor) => write!(f, "^{factor}"),
            Weight::Constant(score) => write!(f, "^={score}"),
        }
    }
}

/// The words of a text, which gaps divide.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_separator).filter(|word| !word.is_empty())
}

fn written_word(clause: &Clause, word: &str) -> String {
    let clause = Clause { pattern: Pattern::Words(word.to_owned()), ..clause.clone() };
    plain_or(&clause, word.to_owned(), || escaped(word))
}

fn write_near(f: &mut fmt::Formatter<'_>, text: &str, distance: u32) -> fmt::Result {
    f.write_str("NEAR(")?;
    for (index, word) in pieces(text).enumerate() {
        let space = if index > 0 { " " } else { "" };
        let clause = plain_clause(Pattern::Words(word.to_owned()), 0..0);
        let word =
            if word.contains(is_opening) { escaped(word) } else { written_word(&clause, word) };
        write!(f, "{space}{word}")?;
    }
    write!(f, ", {distance})")
}

/// Queries of which the best counts, in the way of other engines: no text says it.
fn write_best(f: &mut fmt::Formatter<'_>, queries: &[Query], tie_breaker: f32) -> fmt::Result {
    for (index, query) in queries.iter().enumerate() {
        f.write_str(if index > 0 { " | " } else { "(" })?;
        if let [_] = query.clauses.as_slice() {
            write!(f, "{query}")?;
        } else {
            write!(f, "({query})")?;
        }
    }
    f.write_str(if queries.is_empty() { "()" } else { ")" })?;
    if tie_breaker > 0.0 { write!(f, "~{tie_breaker}") } else { Ok(()) }
}

/// The value of a clause as it is, if that is read as this clause; else with backslashes.
fn plain_or(clause: &Clause, plain: String, escaped: impl Fn() -> String) -> String {
    // Which field it is makes no difference, and not every name can be written.
    let field = clause.field.as_ref().map(|_| "field".to_owned());
    let clause = Clause { field, weight: Weight::default(), ..clause.clone() };
    // A backslash at the end would take the meaning from what comes next, and a range could begin here.
    let is_safe = !plain.ends_with('\\')
        && !range::is_likely(&format!("{plain} TO "))
        && reads_as(&format!("{}{plain}", Prefix(&clause)), &clause, true);
    if is_safe { plain } else { escaped() }
}
