//! What one word says: itself, or with `*`, `?` and `~` a pattern over the words of the index.
//!
//! ```text
//! *                every document           gol*             a prefix: one star, at the end
//! g?ld*  *berg     wildcards                rivr~  rivr~1    what comes near; rivr~1* its beginning
//! ```
//! Choices, each for what people type:
//! * question marks behind all letters are punctuation (`gold?`, `what?!`) unless there is a `*` too;
//! * a word with `://` is an address, in which none of these means anything;
//! * punctuation behind a last star is dropped (`gol*, silv*`): no word of an index ends so;
//! * `~` counts only at the end, and with at most two digits: `a~b` and `2019~2020` are text.
//!
//! Linear in the word.

use super::chars::is_searchable;
use super::escape::{Symbol, last_bare, plain, push_escaped, symbols};
use super::suffix::{Suffix, digits, split_weight};
use super::warning::WarningKind;
use crate::query::ast::Pattern;

/// The most characters in which a word may differ from a fuzzy one.
const DISTANCE_MAX: u8 = 2;

/// A longer word may differ in two characters where no number says otherwise, a shorter one in one.
const SHORT_CHARS_MAX: usize = 5;

/// A word that was read.
pub(super) struct Word {
    pub(super) pattern: Pattern,
    /// The weight at its end.
    pub(super) suffix: Suffix,
    /// What was not taken as written.
    pub(super) warning: Option<WarningKind>,
}

impl Word {
    /// The words that `written` stands for, whatever it looks like.
    pub(super) fn of_text(written: &str, warning: Option<WarningKind>) -> Self {
        Word { pattern: words(written), suffix: Suffix::default(), warning }
    }
}

/// Reads a word. `None` where it holds nothing to search for.
pub(super) fn read(written: &str) -> Option<Word> {
    let (body, suffix) = split_weight(written);
    if let Some((pattern, warning)) = pattern(body) {
        return Some(Word { pattern, suffix, warning });
    }
    let (pattern, warning) = pattern(written)?;
    Some(Word { pattern, suffix: Suffix::default(), warning })
}

/// Whether the word has a star that may mean something.
pub(super) fn has_star(written: &str) -> bool {
    last_bare(written, '*').is_some()
}

fn words(written: &str) -> Pattern {
    Pattern::Words(plain(written))
}

fn pattern(written: &str) -> Option<(Pattern, Option<WarningKind>)> {
    if written == "*" {
        return Some((Pattern::All, None));
    }
    if !is_searchable(&plain(written)) {
        return None;
    }
    if written.contains("://") {
        return Some((words(written), None));
    }
    Some(fuzzy(written).unwrap_or_else(|| (wildcard(written), None)))
}

/// Reads `rivr~`, `rivr~1` and `rivr~1*`.
fn fuzzy(written: &str) -> Option<(Pattern, Option<WarningKind>)> {
    let tilde = last_bare(written, '~')?;
    let (body, behind) = (&written[..tilde], &written[tilde + 1..]);
    let number = &behind[..digits(behind)];
    let prefix = match &behind[number.len()..] {
        "" => false,
        "*" => true,
        _ => return None,
    };
    let text = plain(body);
    if number.len() > 2 || !is_searchable(&text) {
        return None;
    }
    let body = wildcard(body);
    if !matches!(body, Pattern::Words(_)) {
        return Some((body, Some(WarningKind::FuzzyWildcard)));
    }
    let default = if text.chars().count() > SHORT_CHARS_MAX { 2 } else { 1 };
    let asked = number.parse().unwrap_or(default);
    let distance = asked.min(DISTANCE_MAX);
    let limited = WarningKind::DistanceTooHigh { distance_max: DISTANCE_MAX };
    let pattern = match (distance, prefix) {
        (0, false) => Pattern::Words(text),
        (0, true) => Pattern::Prefix(text),
        _ => Pattern::Fuzzy { text, distance, prefix },
    };
    Some((pattern, (asked > distance).then_some(limited)))
}

/// Reads a word that may have wildcards.
fn wildcard(written: &str) -> Pattern {
    let written = without_punctuation(written);
    let is_wildcard = |symbol: &Symbol| symbol.is('*') || symbol.is('?');
    let Some(first) = symbols(written).find(is_wildcard) else {
        return words(written);
    };
    let is_punctuation = !has_star(written) && !is_searchable(&plain(&written[first.at..]));
    if is_punctuation {
        return words(written);
    }
    let before = plain(&written[..first.at]);
    if &written[first.at..] == "*" && is_searchable(&before) {
        return Pattern::Prefix(before);
    }
    let mut pattern = String::with_capacity(written.len());
    for symbol in symbols(written) {
        if !is_wildcard(&symbol) && matches!(symbol.c, '*' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(symbol.c);
    }
    Pattern::Wildcard(pattern)
}

/// The word without the punctuation behind its last star.
fn without_punctuation(written: &str) -> &str {
    let trimmed = written.trim_end_matches([',', ';', '.', '!', ':']);
    match last_bare(trimmed, '*') {
        Some(star) if star + 1 == trimmed.len() => trimmed,
        _ => written,
    }
}

/// A way to write the pattern of a wildcard so that nothing but its wildcards means anything.
pub(super) fn escaped_wildcard(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len() + 8);
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' | '?' => written.push(c),
            '\\' => push_escaped(&mut written, characters.next().unwrap_or(c)),
            _ => push_escaped(&mut written, c),
        }
    }
    written
}
