//! Ranges of values: `[1990 TO 2000}`, `>=1990`, there and back.
//!
//! ```text
//! range := ("[" | "{") bound gap "TO" gap bound ("]" | "}")       square: with the bound, curly: without
//!        | (">" | ">=" | "<" | "<=") (word | quoted)
//! bound := "*" | word | quoted                                    the star: no bound
//! ```
//! A bound is kept as it is written, white space between quotes included. Nothing here looks further
//! than [`QUOTED_BYTES_MAX`] for a closing quote, or than the word goes, so that a try that fails costs
//! little: what is read instead consumes as much.

use std::ops::Bound;

use super::chars::{closes, is_closing, is_separator, is_special, opens_after, opens_at_start};
use super::escape::{escaped, plain, quoted, symbols};
use super::suffix::split_weight;
use crate::query::ast::Pattern;

/// A longer quoted bound is none.
const QUOTED_BYTES_MAX: usize = 256;

/// The range at the start of `rest`, and its length.
pub(super) fn read(rest: &str) -> Option<(Pattern, usize)> {
    brackets(rest).or_else(|| comparison(rest))
}

/// Whether `rest` begins as a range in brackets does, up to its TO.
pub(super) fn is_likely(rest: &str) -> bool {
    up_to_keyword(rest).is_some()
}

fn brackets(rest: &str) -> Option<(Pattern, usize)> {
    let (lower, at) = up_to_keyword(rest)?;
    let lower = side(lower, rest.starts_with('['));
    let (upper, at) = bound(rest, at + gap(&rest[at..]))?;
    let at = at + gap(&rest[at..]);
    let close = rest[at..].chars().next()?;
    let upper = match close {
        ']' => side(upper, true),
        '}' => side(upper, false),
        _ => return None,
    };
    Some((Pattern::Range { lower, upper }, at + close.len_utf8()))
}

/// The lower bound of a range in brackets, and where its TO ends.
fn up_to_keyword(rest: &str) -> Option<(Option<String>, usize)> {
    let behind = rest.strip_prefix(['[', '{'])?;
    let (lower, at) = bound(rest, 1 + gap(behind))?;
    let keyword_at = at + gap(&rest[at..]);
    let behind = rest[keyword_at..].strip_prefix("TO")?;
    let stands_alone = keyword_at > at && behind.chars().next().is_none_or(is_separator);
    stands_alone.then_some((lower, keyword_at + 2))
}

/// The bound at byte `at`, where no gap is, and where it ends. Inside, `None` is no bound.
fn bound(rest: &str, at: usize) -> Option<(Option<String>, usize)> {
    if let Some((text, bytes)) = quoted_bound(&rest[at..]) {
        return Some((Some(text), at + bytes));
    }
    let word = word(&rest[at..], |c| c == ']' || c == '}')?;
    Some(((word != "*").then(|| plain(word)), at + word.len()))
}

/// The word at the start of `rest`, which also ends where one of the text would.
fn word(rest: &str, ends: impl Fn(char) -> bool) -> Option<&str> {
    let mut previous = None;
    let symbols = symbols(rest).take_while(|symbol| {
        let c = symbol.c;
        let opens_phrase = previous.replace(c).is_some_and(|previous| opens_after(c, previous));
        !(symbol.is_bare && (is_separator(c) || opens_phrase || ends(c)))
    });
    Some(&rest[..symbols.last()?.end])
}

fn quoted_bound(rest: &str) -> Option<(String, usize)> {
    let open = rest.chars().next()?;
    let class = opens_at_start(open)?;
    let mut characters = rest.char_indices().skip(1);
    let (end, close) = characters
        .by_ref()
        .take_while(|&(at, _)| at <= QUOTED_BYTES_MAX)
        .find(|&(_, c)| closes(c, class))?;
    Some((rest[open.len_utf8()..end].to_owned(), end + close.len_utf8()))
}

fn side(bound: Option<String>, is_included: bool) -> Bound<String> {
    match bound {
        Some(value) if is_included => Bound::Included(value),
        Some(value) => Bound::Excluded(value),
        None => Bound::Unbounded,
    }
}

fn comparison(rest: &str) -> Option<(Pattern, usize)> {
    let is_lower = rest.starts_with('>');
    let behind = rest.strip_prefix(['>', '<'])?;
    let is_included = behind.starts_with('=');
    let value = &behind[usize::from(is_included)..];
    let (text, bytes) = quoted_bound(value).or_else(|| {
        let (word, _) = split_weight(word(value, is_closing)?);
        (!word.is_empty() && word != "*").then(|| (plain(word), word.len()))
    })?;
    let bound = side(Some(text), is_included);
    let pattern = if is_lower {
        Pattern::Range { lower: bound, upper: Bound::Unbounded }
    } else {
        Pattern::Range { lower: Bound::Unbounded, upper: bound }
    };
    Some((pattern, rest.len() - value.len() + bytes))
}

/// How many bytes of gap are at the start of `rest`.
fn gap(rest: &str) -> usize {
    rest.len() - rest.trim_start_matches(is_separator).len()
}

/// The range as it is written in a query, behind its field.
pub(super) fn written(lower: &Bound<String>, upper: &Bound<String>) -> String {
    // An equals sign would join the one before it.
    let compares = |text: &str| !text.starts_with('=');
    match (lower, upper) {
        (Bound::Included(text), Bound::Unbounded) if compares(text) => {
            format!(">={}", written_bound(text))
        }
        (Bound::Excluded(text), Bound::Unbounded) if compares(text) => {
            format!(">{}", written_bound(text))
        }
        (Bound::Unbounded, Bound::Included(text)) if compares(text) => {
            format!("<={}", written_bound(text))
        }
        (Bound::Unbounded, Bound::Excluded(text)) if compares(text) => {
            format!("<{}", written_bound(text))
        }
        _ => {
            let open = if matches!(lower, Bound::Excluded(_)) { '{' } else { '[' };
            let close = if matches!(upper, Bound::Excluded(_)) { '}' } else { ']' };
            format!("{open}{} TO {}{close}", written_side(lower), written_side(upper))
        }
    }
}

fn written_side(bound: &Bound<String>) -> String {
    match bound {
        Bound::Included(text) | Bound::Excluded(text) => written_bound(text),
        Bound::Unbounded => "*".to_owned(),
    }
}

fn written_bound(text: &str) -> String {
    let is_text = |c| !is_special(c) || matches!(c, '-' | '+' | ':' | '/');
    if text.is_empty() || text.contains(is_separator) {
        quoted(text)
    } else if text.chars().all(is_text) {
        text.to_owned()
    } else {
        escaped(text)
    }
}
