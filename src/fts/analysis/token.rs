//! Tokens, and where those of one call go.
//!
//! What tokenizers and [`Analyzer`](super::Analyzer) pass to callers. Invariants of what is emitted: terms are not empty and
//! have at most [`TERM_BYTES_MAX`] bytes, positions do not descend. Cost: none to speak of.

/// Longest term in bytes; longer words are cut.
pub const TERM_BYTES_MAX: usize = 255;

/// One occurrence of a term in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Token<'a> {
    /// The normalised, perhaps stemmed term: 1 to [`TERM_BYTES_MAX`] bytes.
    pub term: &'a str,
    /// Place among the words of the text, from 0; stop words leave holes.
    pub position: u32,
    /// First byte of the word in the text.
    pub start: usize,
    /// Byte after the word in the text.
    pub end: usize,
}

/// The state of one call: where its tokens go and which position is next.
pub(super) struct Output<'a> {
    pub(super) sink: &'a mut dyn FnMut(Token<'_>),
    pub(super) position: u32,
}

impl Output<'_> {
    #[inline]
    pub(super) fn emit(&mut self, term: &str, start: usize, end: usize) {
        self.emit_here(term, start, end);
        self.skip();
    }

    /// Emits without going on to the next position.
    #[inline]
    pub(super) fn emit_here(&mut self, term: &str, start: usize, end: usize) {
        (self.sink)(Token { term, position: self.position, start, end });
    }

    #[inline]
    pub(super) fn skip(&mut self) {
        self.position = self.position.saturating_add(1);
    }
}

/// At most [`TERM_BYTES_MAX`] bytes of a stem: a few rules lengthen a word.
#[inline]
pub(super) fn cut(stem: &str) -> &str {
    if stem.len() <= TERM_BYTES_MAX {
        return stem;
    }
    let end = (0..=TERM_BYTES_MAX).rev().find(|&end| stem.is_char_boundary(end));
    &stem[..end.unwrap_or(0)]
}
