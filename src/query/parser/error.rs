//! [`ParseError`]: why a text is not a query for the strict parser.
//!
//! Made by `Query::parse` of the first warning that says that the text was not taken as written.

use std::fmt;
use std::ops::Range;

use super::warning::{Warning, WarningKind};

/// How many characters of the line are shown before the place, and from it on.
const BEFORE_CHARS_MAX: usize = 40;
const FROM_CHARS_MAX: usize = 60;

/// What in a text is not as the query language has it. `Display` tells the place and the remedy.
///
/// ```
/// use alluvium::{Query, WarningKind};
///
/// let error = Query::parse("gold AND (river OR bed").unwrap_err();
/// assert_eq!(error.kind(), &WarningKind::UnclosedGroup);
/// assert_eq!(error.span(), 9..10);
/// assert_eq!(
///     error.to_string(),
///     "the parenthesis at byte 9 is never closed; close it where the group ends\n  \
///      gold AND (river OR bed\n           ^"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    warning: Warning,
    /// The line of the text, or the part of it around the place.
    excerpt: String,
    /// The characters of the excerpt that it is about.
    marked: Range<usize>,
}

impl ParseError {
    pub(super) fn new(text: &str, warning: Warning) -> Self {
        let (before, from) = text.split_at(warning.span.start);
        let line_before = before.rsplit('\n').next().unwrap_or_default();
        let line_from = from.split('\n').next().unwrap_or_default();
        let cut_chars = line_before.chars().count().saturating_sub(BEFORE_CHARS_MAX);
        let shown =
            line_before.chars().skip(cut_chars).chain(line_from.chars().take(FROM_CHARS_MAX));
        let excerpt: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let start = line_before.chars().count() - cut_chars;
        let bytes = warning.span.len().min(line_from.len());
        let chars = line_from[..bytes].chars().take(FROM_CHARS_MAX).count().max(1);
        ParseError { warning, excerpt, marked: start..start + chars }
    }

    /// What is wrong.
    pub fn kind(&self) -> &WarningKind {
        &self.warning.kind
    }

    /// The bytes of the text it is about.
    pub fn span(&self) -> Range<usize> {
        self.warning.span.clone()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.warning.message();
        let (indent, length) = (self.marked.start, self.marked.len());
        write!(f, "{}; {}\n  {}\n  ", message.what, message.remedy, self.excerpt)?;
        write!(f, "{:indent$}{:^<length$}", "", "")
    }
}

impl std::error::Error for ParseError {}
