//! Where in a filter we are, as a dotted path such as `$or.1.year.$gte`, and the errors that say so.
//!
//! The compiler enters a name before it reads what stands under it and leaves afterwards; whoever
//! refuses something there gets an [`Error::Filter`] with the path.

use super::super::error::Error;

/// Bytes of a position that an error shows, counted from its end.
const SHOWN_BYTES_MAX: usize = 200;

/// The names and indexes on the way to the value being read, joined by dots.
#[derive(Debug, Default)]
pub(super) struct Position {
    path: String,
}

impl Position {
    /// Goes down to `name`; what comes back is for [`Self::leave`].
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let outer_len = self.path.len();
        if outer_len > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        outer_len
    }

    /// Goes back up to where [`Self::enter`] was called.
    pub(super) fn leave(&mut self, outer_len: usize) {
        self.path.truncate(outer_len);
    }

    /// The error that `message` is wrong here.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        let hidden = self.path.len().saturating_sub(SHOWN_BYTES_MAX);
        let mut ends = hidden..=self.path.len();
        let start = ends.find(|&at| self.path.is_char_boundary(at)).unwrap_or_default();
        let dots = if start > 0 { "…" } else { "" };
        let position = format!("{dots}{}", &self.path[start..]);
        Error::Filter { position, message: message.into() }
    }
}

/// A name or a text as errors show it, not longer than fits into a line.
pub(super) fn cut(name: &str) -> String {
    const CHARS_MAX: usize = 40;
    match name.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
