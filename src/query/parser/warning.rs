//! Warnings: what a query text said that was not taken as written, and what to type instead.
//!
//! The parser gives most of them, the planner those that need an index. They are values with a span, so
//! that a search box can underline the place; none of them stops a search. `Query::parse` makes an
//! error of the first that is a doubt about the text.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::WARNINGS_MAX;
use crate::query::ast::Weight;

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
    /// AND, OR or NOT has nothing to join and was read as a word.
    IdleKeyword {
        /// Which of them.
        keyword: String,
    },
    /// A parenthesis is never closed; the group was read to the end of the text.
    UnclosedGroup,
    /// A parenthesis closes nothing and was dropped.
    StrayParenthesis,
    /// A group has nothing in it and was dropped.
    EmptyGroup,
    /// Something in `NEAR(…)` is more than a word and was read as one.
    NearTakesWords,
    /// A `*` or `?` has no letter or digit beside it and was dropped.
    BareWildcard,
    /// A `~`, `^` or `*` stands where it says nothing and was dropped.
    MisplacedSuffix,
    /// A word has wildcards and a `~` at its end, which was ignored.
    FuzzyWildcard,
    /// The number behind `~` is too high and was lowered.
    DistanceTooHigh {
        /// What it was lowered to.
        distance_max: u8,
    },
    /// The number behind `^` is out of range and was moved into it.
    WeightOutOfRange,
    /// The part that what is not the best counts is not between 0 and 1, and was moved there.
    TieBreakerOutOfRange,
    /// A range is not written as one and was read as text.
    MalformedRange,
    /// A range has no field and was read as text.
    RangeWithoutField,
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
    /// The index has no such field among several that words were to be looked for in; it was left out.
    MissingField {
        /// Its name.
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
    /// A wildcard, a regular expression or a range cannot be searched for; it was dropped.
    InvalidPattern {
        /// What is wrong with it.
        message: String,
    },
    /// Prefixes, wildcards, regular expressions, words with a `~`, ranges and constant scores from here on were dropped.
    TooManyPatterns {
        /// How many were kept.
        patterns_max: usize,
    },
    /// A group stands in too many others; it was dropped.
    TooDeep {
        /// How many may stand in each other.
        depth_max: usize,
    },
}

/// The parts of a warning's text.
pub(super) struct Message {
    /// What is wrong, and where.
    pub(super) what: String,
    /// What was done about it; the sentence reads on.
    done: &'static str,
    pub(super) remedy: &'static str,
}

impl Warning {
    /// A warning about the bytes `span` of the query text.
    pub(crate) fn new(kind: WarningKind, span: Range<usize>) -> Self {
        Self { kind, span }
    }

    /// Whether the text was not taken as written: a reason to refuse it.
    pub(super) fn is_doubt(&self) -> bool {
        self.kind != WarningKind::OnlyExclusions
    }

    pub(super) fn message(&self) -> Message {
        let (done, remedy) = self.kind.done_and_remedy();
        Message { what: self.what(), done, remedy }
    }

    fn what(&self) -> String {
        let at = self.span.start;
        match &self.kind {
            WarningKind::UnclosedQuote => format!("the quote at byte {at} is never closed"),
            WarningKind::EmptyPhrase => format!("the phrase at byte {at} has no words"),
            WarningKind::MissingValue { field } => format!("`{field}:` at byte {at} has no value"),
            WarningKind::LoneOperator => format!("the operator at byte {at} stands before no word"),
            WarningKind::RepeatedOperator => {
                format!("the operators at byte {at} are more than one may be")
            }
            WarningKind::IdleKeyword { keyword } => {
                format!("{keyword} at byte {at} has nothing to join")
            }
            WarningKind::UnclosedGroup => format!("the parenthesis at byte {at} is never closed"),
            WarningKind::StrayParenthesis => format!("the parenthesis at byte {at} closes nothing"),
            WarningKind::EmptyGroup => format!("the group at byte {at} has nothing in it"),
            WarningKind::NearTakesWords => {
                format!("NEAR takes words only, which the text at byte {at} is not")
            }
            WarningKind::BareWildcard => {
                format!("the wildcard at byte {at} has no letter or digit beside it")
            }
            WarningKind::MisplacedSuffix => {
                format!("the sign at byte {at} says nothing where it stands")
            }
            WarningKind::FuzzyWildcard => {
                format!("the word at byte {at} has both wildcards and a `~`")
            }
            WarningKind::DistanceTooHigh { distance_max } => {
                format!("the word at byte {at} may differ in {distance_max} characters at most")
            }
            WarningKind::WeightOutOfRange => {
                format!("the number at byte {at} is not between 0 and {}", Weight::MAX)
            }
            WarningKind::MalformedRange => format!("the range at byte {at} is not written as one"),
            WarningKind::RangeWithoutField => format!("the range at byte {at} has no field"),
            WarningKind::OnlyExclusions => {
                "nothing matches because every clause excludes".to_owned()
            }
            WarningKind::TooManyClauses { clauses_max } => {
                format!(
                    "a query has at most {clauses_max} clauses, and at byte {at} one more begins"
                )
            }
            WarningKind::TextTooLong { text_bytes_max } => {
                format!("a query text has at most {text_bytes_max} bytes, and this one goes on")
            }
            kind => kind.found_by_planner(at),
        }
    }
}

impl WarningKind {
    /// What the planner finds wrong at a byte.
    fn found_by_planner(&self, at: usize) -> String {
        match self {
            Self::UnknownField { field } => {
                format!("there is no field `{field}` (byte {at})")
            }
            Self::MissingField { field } => format!("there is no field `{field}`"),
            Self::TooManyPaths { field, paths_max } => format!(
                "`{field}` (byte {at}) has many paths below it, of which {paths_max} were searched"
            ),
            Self::NoTerms => {
                format!("the text at byte {at} has nothing to search for")
            }
            Self::InvalidPattern { message } => {
                format!("the pattern at byte {at} cannot be searched for ({message})")
            }
            Self::TooManyPatterns { patterns_max } => {
                format!(
                    "a query has at most {patterns_max} patterns, ranges and constant scores, and at byte {at} \
                     one more is"
                )
            }
            Self::TooDeep { depth_max } => {
                format!("a group stands in more than {depth_max} others")
            }
            Self::TieBreakerOutOfRange => "a tie breaker is not from 0 to 1".to_owned(),
            // All others are the parser's.
            _ => String::new(),
        }
    }

    fn done_and_remedy(&self) -> (&'static str, &'static str) {
        const IGNORED: &str = " and was ignored";
        const WORD: &str = " and was read as a word";
        match self {
            Self::UnclosedQuote => {
                (": the phrase was read to the end of the text", "close it where the phrase ends")
            }
            Self::EmptyPhrase => (IGNORED, "put words between the quotes"),
            Self::MissingValue { .. } => (
                WORD,
                "to search a field, write the value right after the colon, as in `title:gold`",
            ),
            Self::LoneOperator => {
                (IGNORED, "write it right before a word, as in `+word` or `-word`")
            }
            Self::RepeatedOperator => {
                (" and were ignored", "write one, as in `+word`, `-word` or `NOT word`")
            }
            Self::IdleKeyword { .. } => {
                (WORD, "write it between two clauses (NOT before one), or in lower case as a word")
            }
            Self::UnclosedGroup => {
                (": the group was read to the end of the text", "close it where the group ends")
            }
            Self::StrayParenthesis => {
                (IGNORED, "open the group, or write `\\)` to search for text")
            }
            Self::EmptyGroup => (IGNORED, "put words between the parentheses"),
            Self::NearTakesWords => (" but was taken for", "write words, and a number at the end"),
            Self::BareWildcard => {
                (IGNORED, "write letters beside it, or `*` alone for every document")
            }
            Self::MisplacedSuffix => (
                IGNORED,
                "`~` and a number follow a word or phrase, `^` and a number any \
                 clause; write a backslash before it to search for text",
            ),
            Self::FuzzyWildcard => (", which was ignored", "use one of them"),
            Self::DistanceTooHigh { .. } => (", so that was searched", "write `~1` or `~2`"),
            Self::WeightOutOfRange | Self::TieBreakerOutOfRange => {
                (" and was moved there", "write a number in that range")
            }
            Self::MalformedRange => (
                ", so its text was searched",
                "write `[low TO high]`, `{low TO high}` or `>=low`, or a backslash before the first \
                 sign to search for text",
            ),
            Self::RangeWithoutField => {
                (", so its text was searched", "write one before it, as in `year:[1990 TO 2000]`")
            }
            Self::OnlyExclusions => ("", "add a word to search for"),
            Self::TooManyClauses { .. } => {
                (": everything from there on was ignored", "search for fewer words")
            }
            Self::TextTooLong { .. } => (": the rest was ignored", "shorten it"),
            Self::UnknownField { .. } => (
                ", so the text was searched everywhere",
                "check the field's name, or write a space instead of the colon",
            ),
            Self::MissingField { .. } => (", which was left out", "check the field's name"),
            Self::TooManyPaths { .. } => ("", "name one of them"),
            Self::NoTerms => {
                (IGNORED, "it holds only punctuation or stop words, so use other words")
            }
            Self::InvalidPattern { .. } => (IGNORED, "write another one"),
            Self::TooManyPatterns { .. } => (": those from there on were ignored", "use fewer"),
            Self::TooDeep { .. } => (IGNORED, "nest fewer"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { what, done, remedy } = self.message();
        write!(f, "{what}{done}; {remedy}")
    }
}

/// The warnings about places of a text, as many as are kept.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    kept: Vec<Warning>,
    count: usize,
}

impl Warnings {
    pub(super) fn push(&mut self, kind: WarningKind, span: Range<usize>) {
        self.count += 1;
        if self.kept.len() < WARNINGS_MAX {
            self.kept.push(Warning::new(kind, span));
        }
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Those that were kept, in the order of the text.
    pub(super) fn in_order(mut self) -> Vec<Warning> {
        self.kept.sort_by_key(|warning| warning.span.start);
        self.kept
    }
}
