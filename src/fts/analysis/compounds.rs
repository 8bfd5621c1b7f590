//! Words joined by hyphens: `wi-fi`, `e-mail`, `covid-19`.
//!
//! Called by [`Analyzer`](super::Analyzer) where the options ask for it. UAX #29 makes words of their parts; here they are a
//! compound, which takes one position: all its parts stand there, and what they are without hyphens.
//!
//! ```text
//! a wi-fi network      a(0)  wi fi wifi(1)  network(2)
//! ```
//! So `wifi`, `wi` and `fi` find it, and the phrase `a wifi network` does; a query for `wi-fi` looks for `wifi` or the phrase
//! `wi fi`, and thus finds all three ways of writing. Numbers stay as UAX #29 has them: `3.14` and `1,000` are words.
//!
//! Invariants: parts ascend and are apart; more than [`PARTS_LEN_MAX`] in a row are no compound. Cost: one character between words.

use unicode_segmentation::UnicodeSegmentation;

/// The most parts of a compound; a longer chain is something else.
const PARTS_LEN_MAX: usize = 8;

/// A word of a text: where it begins, and what it is.
pub(super) type Part<'t> = (usize, &'t str);

/// Passes the words of a text on, those of a compound together. `is_apart` says which words are never part of one.
pub(super) fn each_compound<'t>(
    text: &'t str,
    is_apart: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(&[Part<'t>]),
) {
    let mut parts: Vec<Part<'t>> = Vec::new();
    let mut flush = |parts: &mut Vec<Part<'t>>| {
        if parts.len() <= PARTS_LEN_MAX {
            visit(parts);
        } else {
            for part in parts.iter() {
                visit(&[*part]);
            }
        }
        parts.clear();
    };
    for (start, word) in text.unicode_word_indices() {
        let joins = parts.last().is_some_and(|(before, last)| {
            let gap = text.get(before + last.len()..start);
            gap.is_some_and(is_hyphen) && !is_apart(last) && !is_apart(word)
        });
        if !joins && !parts.is_empty() {
            flush(&mut parts);
        }
        parts.push((start, word));
    }
    if !parts.is_empty() {
        flush(&mut parts);
    }
}

/// What joins the parts of a compound.
fn is_hyphen(gap: &str) -> bool {
    matches!(gap, "-" | "\u{2010}" | "\u{2011}" | "\u{FE63}" | "\u{FF0D}")
}

/// The bytes of some parts, and what they are without what joins them.
pub(super) fn joined(parts: &[Part<'_>]) -> Option<(String, usize, usize)> {
    let ((start, _), (last, word)) = (parts.first()?, parts.last()?);
    let joined = parts.iter().map(|(_, word)| word.trim_matches('_')).collect();
    Some((joined, *start, last + word.len()))
}
