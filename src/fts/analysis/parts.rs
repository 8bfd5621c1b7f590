//! Tokenizers that make several terms of one word: n-grams, beginnings, paths.
//!
//! Called by [`Analyzer`](super::Analyzer) with words and a way to normalise a piece. In documents they make all parts, in queries
//! only what finds those, so that a query is not answered by whatever shares a few letters with it.
//!
//! ```text
//! ngrams 2..3       document  gold → go(0) gol(0) ol(1) old(1) ld(2)       query  gold → gol(0) old(1)      go → go
//! edge_ngrams 1..3  document  gold → g go gol gold, all at one position     query  gold → gold    go → go    golden → golden
//! path              document  /a/b → /a /a/b, both at one position          query  /a → /a
//! ```
//! N-grams of a word stand side by side, so that those of one query in their order are a phrase; behind a word one position stays
//! free. A word is also a beginning of itself, however long it is.
//!
//! Invariants: a part's range is that of the characters it was made of, marks included; terms are cut to the bytes a term may
//! have. Cost: for n-grams the word's characters are held.

use super::bigrams::Scripts;
use super::normalize::push_within;
use super::token::{Output, TERM_BYTES_MAX, cut};
use super::tokenize::Sizes;

/// A normalised character of a word, and the bytes of the text that it was made of.
struct Unit {
    c: char,
    /// Where it begins in the normalised word.
    at: usize,
    start: usize,
    end: usize,
}

/// A word as its normalised characters.
#[derive(Default)]
pub(super) struct Units {
    text: String,
    units: Vec<Unit>,
}

impl Units {
    /// The characters of `word`, which begins at byte `start` of the text.
    pub(super) fn new(word: &str, start: usize, normalize: &dyn Fn(&str, &mut String)) -> Units {
        let scripts = Scripts { hangul: true };
        let (mut units, mut rest, mut at) = (Units::default(), word, start);
        let mut piece = String::new();
        while !rest.is_empty() {
            let mut after = rest.char_indices().skip(1);
            let bytes =
                after.find(|&(_, c)| !scripts.continues_unit(c)).map_or(rest.len(), |(at, _)| at);
            let (unit, behind) = rest.split_at(bytes);
            piece.clear();
            normalize(unit, &mut piece);
            for c in piece.chars() {
                let from = units.text.len();
                units.text.push(c);
                units.units.push(Unit { c, at: from, start: at, end: at + bytes });
            }
            (rest, at) = (behind, at + bytes);
        }
        units
    }

    fn len(&self) -> usize {
        self.units.len()
    }

    /// The term of some characters in a row, and their bytes.
    fn part(&self, from: usize, len: usize) -> Option<(&str, usize, usize)> {
        let units = self.units.get(from..from.checked_add(len)?)?;
        let (first, last) = (units.first()?, units.last()?);
        let term = self.text.get(first.at..last.at + last.c.len_utf8())?;
        Some((term, first.start, last.end))
    }

    fn emit(&self, from: usize, len: usize, output: &mut Output<'_>) {
        if let Some((term, start, end)) = self.part(from, len) {
            output.emit_here(cut(term), start, end);
        }
    }

    /// N-grams, at a position for each character.
    pub(super) fn ngrams(
        &self,
        Sizes { min, max }: Sizes,
        is_query: bool,
        output: &mut Output<'_>,
    ) {
        let first = output.position;
        if is_query {
            let size = self.len().min(max);
            for from in 0..=self.len() - size {
                if size >= min {
                    self.emit(from, size, output);
                }
                output.skip();
            }
        } else {
            for from in 0..self.len() {
                for size in min..=max {
                    self.emit(from, size, output);
                }
                output.skip();
            }
        }
        let len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        output.position = first.saturating_add(len).saturating_add(1);
    }

    /// Beginnings and the word itself, at one position.
    pub(super) fn beginnings(&self, sizes: Sizes, is_query: bool, output: &mut Output<'_>) {
        if self.len() == 0 {
            return;
        }
        if !is_query {
            for size in sizes.min..=sizes.max.min(self.len() - 1) {
                self.emit(0, size, output);
            }
        }
        self.emit(0, self.len(), output);
        output.skip();
    }
}

/// A path and what lies above it, at one position.
pub(super) fn path(
    word: &str,
    start: usize,
    delimiter: char,
    is_query: bool,
    normalize: &dyn Fn(&str, &mut String),
    output: &mut Output<'_>,
) {
    let word = word.trim_end_matches(delimiter);
    let (mut term, mut piece) = (String::new(), String::new());
    let borders = word.char_indices().filter(|&(at, c)| {
        let before = word.get(..at).unwrap_or_default();
        c == delimiter && !before.ends_with(delimiter)
    });
    let (mut from, mut emitted) = (0, false);
    for at in borders.map(|(at, _)| at).chain([word.len()]) {
        piece.clear();
        normalize(word.get(from..at).unwrap_or_default(), &mut piece);
        let is_whole = push_within(&piece, TERM_BYTES_MAX, &mut term);
        let is_last = at == word.len() || !is_whole;
        if (is_last || !is_query) && !term.is_empty() && at > from {
            let end = if is_last { word.len() } else { at };
            output.emit_here(&term, start, start + end);
            emitted = true;
        }
        if is_last {
            break;
        }
        from = at;
    }
    if emitted {
        output.skip();
    }
}
