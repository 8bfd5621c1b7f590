//! The ways of cutting a text into words other than the default one.
//!
//! Called by [`Analyzer`](super::Analyzer), which normalises what comes out. Invariants: ranges lie on borders of characters, are not
//! empty, ascend, and do not overlap, whatever an expression or a program's own tokenizer says. Cost: one pass; an expression is
//! linear in the text, and its automaton at most [`PATTERN_BYTES_MAX`] large.

use std::fmt;

use regex::{Regex, RegexBuilder};
use unicode_normalization::char::is_combining_mark;

use super::error::AnalyzerError;
use super::normalize::is_ignored_by_default;
use super::options::Tokenizer;
use super::registry::{self, Registered, Split};

/// Memory that the automaton of an expression may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Characters of the longest n-gram, and of the longest beginning.
const NGRAM_CHARS_MAX: u8 = 16;
const EDGE_CHARS_MAX: u8 = 64;

/// A tokenizer, ready to work.
#[derive(Clone)]
pub(super) enum Cut {
    /// UAX #29 and pairs: not cut here.
    Words,
    /// UAX #29 and a dictionary: not cut here.
    #[cfg(feature = "icu")]
    Dictionary,
    Whitespace,
    Letters,
    Keyword,
    Regex(Regex),
    Custom(Registered<Split>),
    /// Not cut here but into words, as the next two.
    Ngrams(Sizes),
    EdgeNgrams(Sizes),
    Path(char),
}

/// Characters of the shortest and of the longest part of a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) min: usize,
    pub(super) max: usize,
}

impl Cut {
    pub(super) fn new(tokenizer: &Tokenizer) -> Result<Cut, AnalyzerError> {
        Ok(match tokenizer {
            Tokenizer::Words => Cut::Words,
            #[cfg(feature = "icu")]
            Tokenizer::Dictionary => Cut::Dictionary,
            #[cfg(not(feature = "icu"))]
            Tokenizer::Dictionary => {
                let option = "tokenizer `dictionary`";
                return Err(AnalyzerError::Feature { feature: "icu", option });
            }
            Tokenizer::Whitespace => Cut::Whitespace,
            Tokenizer::Letters => Cut::Letters,
            Tokenizer::Keyword => Cut::Keyword,
            Tokenizer::Ngrams { min, max } => {
                Cut::Ngrams(sizes("tokenizer `ngrams`", *min, *max, NGRAM_CHARS_MAX)?)
            }
            Tokenizer::EdgeNgrams { min, max } => {
                Cut::EdgeNgrams(sizes("tokenizer `edge_ngrams`", *min, *max, EDGE_CHARS_MAX)?)
            }
            Tokenizer::Path { delimiter } => Cut::Path(*delimiter),
            Tokenizer::Regex { pattern } => {
                let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
                Cut::Regex(built.map_err(|error| {
                    // The lines before it draw the expression.
                    let message = error.to_string();
                    let reason = message.lines().last().unwrap_or_default();
                    let reason = reason.trim_start_matches("error: ").to_owned();
                    AnalyzerError::Option { option: "tokenizer `regex`", reason }
                })?)
            }
            Tokenizer::Custom { name } => Cut::Custom(registry::tokenizer(name)?),
        })
    }

    /// Whether words are those of UAX #29, whose ends may hold underscores and apostrophes.
    pub(super) fn is_words(&self) -> bool {
        match self {
            Cut::Words => true,
            #[cfg(feature = "icu")]
            Cut::Dictionary => true,
            _ => false,
        }
    }

    /// Passes the words of a text on, each with the byte where it begins.
    pub(super) fn each<'t>(&self, text: &'t str, visit: &mut dyn FnMut(usize, &'t str)) {
        match self {
            Cut::Whitespace => each_run(text, &|c| !c.is_whitespace(), visit),
            Cut::Letters => each_run(text, &is_letter, visit),
            Cut::Ngrams(_) | Cut::EdgeNgrams(_) => {
                each_run(text, &|c| is_letter(c) || c.is_numeric(), visit);
            }
            Cut::Keyword | Cut::Path(_) => {
                let word = text.trim();
                if !word.is_empty() {
                    visit(text.len() - text.trim_start().len(), word);
                }
            }
            Cut::Regex(pattern) => {
                let group = usize::from(pattern.captures_len() > 1);
                for found in pattern.captures_iter(text) {
                    if let Some(found) = found.get(group).filter(|found| !found.is_empty()) {
                        visit(found.start(), found.as_str());
                    }
                }
            }
            Cut::Custom(custom) => {
                let mut end = 0;
                (custom.part)(text, &mut |range| {
                    let word = text.get(range.clone()).filter(|word| !word.is_empty());
                    if let Some(word) = word.filter(|_| range.start >= end) {
                        end = range.end;
                        visit(range.start, word);
                    }
                });
            }
            Cut::Words => {}
            #[cfg(feature = "icu")]
            Cut::Dictionary => {}
        }
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What else there is to say stands in the options.
        f.debug_struct("Cut").field("is_words", &self.is_words()).finish_non_exhaustive()
    }
}

/// A letter, or what belongs to the one before.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c) || is_ignored_by_default(c)
}

/// Passes the longest runs of characters on that are of a kind; none begins with a mark of what is not.
fn each_run<'t>(text: &'t str, is: &dyn Fn(char) -> bool, visit: &mut dyn FnMut(usize, &'t str)) {
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), '\0')]);
    for (at, c) in ends {
        let inside = at < text.len() && is(c);
        match start {
            None if inside && !is_combining_mark(c) => start = Some(at),
            Some(from) if !inside => {
                start = None;
                visit(from, text.get(from..at).unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn sizes(option: &'static str, min: u8, max: u8, most: u8) -> Result<Sizes, AnalyzerError> {
    if min == 0 || min > max || max > most {
        let reason =
            format!("{min} to {max} characters, but at least 1, at most {most}, and in this order");
        return Err(AnalyzerError::Option { option, reason });
    }
    Ok(Sizes { min: usize::from(min), max: usize::from(max) })
}
