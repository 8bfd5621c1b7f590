//! Warnings: what a query text said that was not taken as written, and what to type instead.
//!
//! The forgiving parser gives most of them, the planner those that need an index (`UnknownField`,
//! `TooManyPaths`, `NoTerms`). They are values with a span, so that a search box can underline the place; none of
//! them stops a search.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Something in the query text that was not taken as written. `Display` tells the remedy.
///
/// ```
/// use alluvium::{Query, WarningKind};
///
/// let parsed = Query::user("gold +");
/// assert_eq!(parsed.warnings[0].kind, WarningKind::LoneOperator);
/// assert_eq!(parsed.warnings[0].span, 5..6);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What happened.
    pub kind: WarningKind,
    /// The bytes of the query text it is about.
    pub span: Range<usize>,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarningKind {
    /// A quote is never closed; the phrase was read to the end of the text.
    UnclosedQuote,
    /// A phrase has no word in it and was dropped.
    EmptyPhrase,
    /// A field's name has no value right after the colon; it was read as a word.
    MissingValue {
        /// The name before the colon.
        field: String,
    },
    /// A `+` or `-` has no word right after it and was dropped.
    LoneOperator,
    /// Several `+` or `-` stand in front of one word, which was read without them.
    RepeatedOperator,
    /// A parenthesis follows an operator or a field, which apply to the first word only.
    Parenthesis,
    /// All clauses exclude, so nothing matches.
    OnlyExclusions,
    /// The clauses from here on were dropped.
    TooManyClauses {
        /// How many were kept.
        clauses_max: usize,
    },
    /// The text from here on was dropped.
    TextTooLong {
        /// How many bytes are read at most.
        text_bytes_max: usize,
    },
    /// The collection has no such field; its name was read as a word.
    UnknownField {
        /// The name before the colon.
        field: String,
    },
    /// There are too many paths below the one that was named; only the first ones were searched.
    TooManyPaths {
        /// The path before the colon.
        field: String,
        /// How many were searched.
        paths_max: usize,
    },
    /// The analyzer found nothing to search for in a clause, which was dropped.
    NoTerms,
    /// A group stands in too many others; it was dropped.
    TooDeep {
        /// How many may stand in each other.
        depth_max: usize,
    },
}

impl Warning {
    /// A warning about the bytes `span` of the query text.
    pub(crate) fn new(kind: WarningKind, span: Range<usize>) -> Self {
        Self { kind, span }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.span.start;
        match &self.kind {
            WarningKind::UnclosedQuote => write!(
                f,
                "the quote at byte {at} is never closed: the phrase was read to the end of the \
                 text; close it where the phrase ends"
            ),
            WarningKind::EmptyPhrase => write!(
                f,
                "the phrase at byte {at} has no words and was ignored; put words between the quotes"
            ),
            WarningKind::MissingValue { field } => write!(
                f,
                "`{field}:` at byte {at} has no value and was read as a word; to search a field, \
                 write the value right after the colon, as in `{field}:word`"
            ),
            WarningKind::LoneOperator => write!(
                f,
                "the operator at byte {at} stands before no word and was ignored; write it right \
                 before a word, as in `+word` or `-word`"
            ),
            WarningKind::RepeatedOperator => write!(
                f,
                "the operators at byte {at} were ignored and the word was read as plain text; \
                 write one, as in `+word` or `-word`"
            ),
            WarningKind::Parenthesis => write!(
                f,
                "the parenthesis at byte {at} does not group: what stands before it applies to \
                 the next word only; repeat it before each word, as in `-one -two`"
            ),
            WarningKind::OnlyExclusions => {
                write!(f, "nothing matches because every clause excludes; add a word to search for")
            }
            WarningKind::TooManyClauses { clauses_max } => write!(
                f,
                "everything from byte {at} on was ignored because a query has at most \
                 {clauses_max} clauses; search for fewer words"
            ),
            WarningKind::TextTooLong { text_bytes_max } => write!(
                f,
                "everything from byte {at} on was ignored because a query text has at most \
                 {text_bytes_max} bytes; shorten it"
            ),
            WarningKind::UnknownField { field } => write!(
                f,
                "there is no field `{field}` (byte {at}), so the text was searched everywhere; \
                 check the field's name, or write a space instead of the colon"
            ),
            WarningKind::TooManyPaths { field, paths_max } => write!(
                f,
                "`{field}` (byte {at}) has many paths below it, of which {paths_max} were searched; \
                 name one of them"
            ),
            WarningKind::NoTerms => write!(
                f,
                "the text at byte {at} has nothing to search for and was ignored; it holds only \
                 punctuation or stop words, so use other words"
            ),
            WarningKind::TooDeep { depth_max } => write!(
                f,
                "a group stands in more than {depth_max} others and was ignored; nest fewer"
            ),
        }
    }
}
