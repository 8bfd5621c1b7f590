//! Backslashes: how text says that a character means only itself.
//!
//! A `\` before a character that may mean something ([`is_special`]) makes that one text and is gone;
//! before AND, OR or NOT as a whole word it makes a word of the keyword. Everywhere else it is text
//! itself: `C:\dir`. All forms of a clause are read symbol by symbol, so that none of them has to know
//! about backslashes. Linear.

use super::chars::{QuoteClass, closes, is_keyword, is_special};

/// A character of the text, together with the backslash in front that makes it mean only itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    pub(super) c: char,
    /// Whether it may mean something.
    pub(super) is_bare: bool,
    /// Where it begins, the backslash included.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
}

impl Symbol {
    /// Whether it is this character and may mean something.
    pub(super) fn is(self, c: char) -> bool {
        self.is_bare && self.c == c
    }
}

/// The symbols of a text.
pub(super) fn symbols(text: &str) -> impl Iterator<Item = Symbol> {
    let mut characters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (at, c) = characters.next()?;
        let escaped = match c {
            '\\' => characters.next_if(|&(_, next)| is_special(next)),
            _ => None,
        };
        let (last_at, c) = escaped.unwrap_or((at, c));
        Some(Symbol { c, is_bare: escaped.is_none(), at, end: last_at + c.len_utf8() })
    })
}

/// Where the last bare `c` stands.
pub(super) fn last_bare(text: &str, c: char) -> Option<usize> {
    symbols(text).filter(|symbol| symbol.is(c)).last().map(|symbol| symbol.at)
}

/// The text that `written` stands for.
pub(super) fn plain(written: &str) -> String {
    match written.strip_prefix('\\') {
        Some(word) if is_keyword(word) => word.to_owned(),
        _ => symbols(written).map(|symbol| symbol.c).collect(),
    }
}

/// A way to write a word so that nothing in it means anything: [`plain`] gives it back.
pub(super) fn escaped(word: &str) -> String {
    let mut written = String::with_capacity(word.len() + 8);
    if is_keyword(word) {
        written.push('\\');
    }
    for c in word.chars() {
        push_escaped(&mut written, c);
    }
    written
}

/// Writes a character so that it means only itself.
pub(super) fn push_escaped(written: &mut String, c: char) {
    if is_special(c) {
        written.push('\\');
    }
    written.push(c);
}

/// The text between quotes that do not occur in it. No parsed text holds them all.
pub(super) fn quoted(text: &str) -> String {
    let free = |class| !text.chars().any(|c| closes(c, class));
    if free(QuoteClass::Double) {
        format!("\"{text}\"")
    } else if free(QuoteClass::Angle) {
        format!("«{text}»")
    } else if free(QuoteClass::Corner) {
        format!("「{text}」")
    } else {
        format!("\"{}\"", text.replace(|c| closes(c, QuoteClass::Double), " "))
    }
}
