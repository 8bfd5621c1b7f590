//! A query as text, in the language that [`Query::user`] reads.
//!
//! Explanations and messages print queries this way. For a parsed query the text parses to the same
//! clauses; a query made in Rust may hold what the language cannot say (a group, a word that begins with
//! `-`), which prints as near to it as can be.

use std::fmt;

use super::chars::{QuoteClass, closes};
use crate::query::ast::{Clause, Occur, Pattern, Query};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Words(text) => {
                for (index, word) in text.split_whitespace().enumerate() {
                    if index > 0 {
                        f.write_str(" ")?;
                    }
                    write_prefix(self, f)?;
                    f.write_str(word)?;
                }
                Ok(())
            }
            Pattern::Phrase(text) => {
                write_prefix(self, f)?;
                write_phrase(text, f)
            }
            Pattern::Group(query) => {
                write_prefix(self, f)?;
                write!(f, "({query})")
            }
        }
    }
}

fn write_prefix(clause: &Clause, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match clause.occur {
        Occur::Should => "",
        Occur::Must => "+",
        Occur::MustNot => "-",
    })?;
    match &clause.field {
        Some(field) => write!(f, "{field}:"),
        None => Ok(()),
    }
}

/// Writes the phrase between quotes that do not occur in it. No parsed phrase holds them all.
fn write_phrase(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let free = |class| !text.chars().any(|c| closes(c, class));
    if free(QuoteClass::Double) {
        write!(f, "\"{text}\"")
    } else if free(QuoteClass::Angle) {
        write!(f, "«{text}»")
    } else if free(QuoteClass::Corner) {
        write!(f, "「{text}」")
    } else {
        write!(f, "\"{}\"", text.replace(|c| closes(c, QuoteClass::Double), " "))
    }
}
