//! Words near each other: `NEAR(river gold, 3)`.
//!
//! ```text
//! near := "NEAR(" (gap | word)* ("," digits)? ")"       the parenthesis may be missing at the end of the text
//! ```
//! This file finds the parts; the reader judges the words. Linear, and what is looked at is consumed.

use std::ops::Range;

use super::chars::{is_closing, is_opening, is_separator};
use super::escape::symbols;

/// How many other words may stand between, where no number says it.
const DISTANCE_DEFAULT: u32 = 10;

/// The parts of one, in bytes from its start.
pub(super) struct Near {
    pub(super) words: Vec<Range<usize>>,
    pub(super) distance: u32,
    pub(super) parenthesis: Range<usize>,
    pub(super) is_closed: bool,
    pub(super) bytes: usize,
}

/// The one at the start of `rest`.
pub(super) fn read(rest: &str) -> Option<Near> {
    let open = rest.strip_prefix("NEAR")?.chars().next().filter(|&c| is_opening(c))?;
    let parenthesis = 4..4 + open.len_utf8();
    let inside_at = parenthesis.end;
    let close = symbols(&rest[inside_at..]).find(|symbol| symbol.is_bare && is_closing(symbol.c));
    let (inside_end, bytes) = match close {
        Some(close) => (inside_at + close.at, inside_at + close.end),
        None => (rest.len(), rest.len()),
    };
    let (listed, distance) = split_distance(&rest[inside_at..inside_end]);
    let mut words = Vec::new();
    let mut at = inside_at;
    for piece in listed.split_inclusive(is_separator) {
        let word = piece.trim_end_matches(is_separator);
        if !word.is_empty() {
            words.push(at..at + word.len());
        }
        at += piece.len();
    }
    Some(Near { words, distance, parenthesis, is_closed: close.is_some(), bytes })
}

/// Takes the number off the end.
fn split_distance(inside: &str) -> (&str, u32) {
    let parts = inside.rsplit_once(',').and_then(|(words, number)| {
        let number = number.trim_matches(is_separator);
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        Some((words, number.parse().ok().filter(|_| is_number)?))
    });
    parts.unwrap_or((inside, DISTANCE_DEFAULT))
}
