//! What stands right behind a word, phrase or group: `^2.5`, `^=1`, and `~3` behind a phrase.
//!
//! ```text
//! suffix := ("~" digits)? ("^" "="? number)?    and then the clause has to end
//! number := "-"? (digits ("." digits?)? | "." digits)
//! ```
//! Anything else is no suffix but text, `x^y` and `^_^` for two. Every function reads forward and stops
//! at the first character that does not fit, so looking costs what is then consumed.

use super::chars::{is_closing, is_separator};
use super::escape::last_bare;
use crate::query::ast::Weight;

/// A suffix and its length in bytes; with none, nothing was said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Suffix {
    /// How many words may stand between those of a phrase.
    pub(super) slop: u32,
    pub(super) weight: Weight,
    /// Whether another weight was written, which is out of range.
    pub(super) is_limited: bool,
    pub(super) bytes: usize,
}

/// The suffix at the start of `rest`, if the clause ends behind it.
pub(super) fn suffix(rest: &str) -> Option<Suffix> {
    let suffix = weight(rest).unwrap_or_default();
    ends_clause(&rest[suffix.bytes..]).then_some(suffix)
}

/// The suffix of a phrase at the start of `rest`, if the clause ends behind it.
pub(super) fn phrase_suffix(rest: &str) -> Option<Suffix> {
    let Some((slop, bytes)) = slop(rest) else {
        return suffix(rest);
    };
    let behind = suffix(&rest[bytes..])?;
    Some(Suffix { slop, bytes: bytes + behind.bytes, ..behind })
}

/// Takes the weight off the end of a word.
pub(super) fn split_weight(word: &str) -> (&str, Suffix) {
    let caret = last_bare(word, '^').unwrap_or(word.len());
    match weight(&word[caret..]) {
        Some(suffix) if caret + suffix.bytes == word.len() => (&word[..caret], suffix),
        _ => (word, Suffix::default()),
    }
}

/// Whether nothing of a clause follows.
fn ends_clause(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| is_separator(c) || is_closing(c))
}

fn slop(rest: &str) -> Option<(u32, usize)> {
    let behind = rest.strip_prefix('~')?;
    let digits = digits(behind);
    Some((behind[..digits].parse().ok()?, 1 + digits))
}

fn weight(rest: &str) -> Option<Suffix> {
    let behind = rest.strip_prefix('^')?;
    let number_at = usize::from(behind.starts_with('='));
    let number = &behind[number_at..];
    let number = &number[..number_bytes(number)?];
    let written: f32 = number.parse().ok()?;
    // Adding zero turns -0 into 0.
    let limited = written.clamp(0.0, Weight::MAX) + 0.0;
    let weight = if number_at > 0 { Weight::Constant(limited) } else { Weight::Boost(limited) };
    Some(Suffix {
        slop: 0,
        weight,
        is_limited: !(0.0..=Weight::MAX).contains(&written),
        bytes: 1 + number_at + number.len(),
    })
}

/// How long the number is with which `rest` begins.
fn number_bytes(rest: &str) -> Option<usize> {
    let sign = usize::from(rest.starts_with('-'));
    let whole = sign + digits(&rest[sign..]);
    let end = match rest[whole..].strip_prefix('.') {
        Some(fraction) => whole + 1 + digits(fraction),
        None => whole,
    };
    rest[..end].bytes().any(|byte| byte.is_ascii_digit()).then_some(end)
}

/// With how many digits `rest` begins.
pub(super) fn digits(rest: &str) -> usize {
    rest.bytes().take_while(u8::is_ascii_digit).count()
}
