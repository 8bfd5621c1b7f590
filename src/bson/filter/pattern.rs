//! Regular expressions of a filter, from `$regex` or a BSON regex value.
//!
//! Compiled once with the filter. A pattern matches strings and symbols that contain a match, and
//! regex values that are written the same. The language is that of the `regex` crate: close to
//! MongoDB's PCRE, but without look-around and back-references, so that the time to match is linear
//! in the text whatever the pattern. `$` without the option `m` is the very end of the text.
//!
//! Where a pattern starts with `^` and plain text, that text is known, so that an index can be
//! searched for it.
//!
//! Compiled size is bounded by [`COMPILED_BYTES_MAX`]. Matching allocates only while the caches of
//! the `regex` crate warm up, once per thread and not per document.

use bson::raw::CString;
use bson::{RawBson, RawBsonRef, Regex as Written};
use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{HirKind, Look};

/// Most bytes that one compiled pattern may take: 1 MiB.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A compiled regular expression and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    written: Written,
    regex: Regex,
}

impl Pattern {
    /// The error is a message about the pattern or its options.
    pub(super) fn compile(pattern: &str, options: &str) -> Result<Self, String> {
        let mut letters: Vec<char> = options.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        if let Some(letter) = letters.iter().find(|&&letter| !"imsux".contains(letter)) {
            return Err(format!(
                "expected options among i, m, s, u and x, found {:?}",
                letter.to_string()
            ));
        }
        let on = |letter| letters.contains(&letter);
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(on('i'))
            .multi_line(on('m'))
            .dot_matches_new_line(on('s'))
            .ignore_whitespace(on('x'))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| reason(&error))?;
        let options = CString::try_from(letters.into_iter().collect::<String>());
        let (Ok(pattern), Ok(options)) = (CString::try_from(pattern.to_owned()), options) else {
            return Err("expected a regular expression without NUL; write \\x00 for it".into());
        };
        Ok(Self { written: Written { pattern, options }, regex })
    }

    /// The regex value that is written as this pattern is, which is the only one that it matches.
    pub(super) fn written(&self) -> RawBson {
        RawBson::RegularExpression(self.written.clone())
    }

    /// Bytes that every text with a match starts with, and whether every text that starts with them
    /// has one; `None` when there are no such bytes.
    pub(super) fn prefix(&self) -> Option<(Box<[u8]>, bool)> {
        let on = |letter| self.written.options.as_str().contains(letter);
        let mut parser = ParserBuilder::new()
            .case_insensitive(on('i'))
            .multi_line(on('m'))
            .dot_matches_new_line(on('s'))
            .ignore_whitespace(on('x'))
            .build();
        let parsed = parser.parse(self.written.pattern.as_str()).ok()?;
        let HirKind::Concat(parts) = parsed.kind() else { return None };
        let [start, literal, rest @ ..] = parts.as_slice() else { return None };
        match (start.kind(), literal.kind()) {
            (HirKind::Look(Look::Start), HirKind::Literal(literal)) => {
                Some((literal.0.clone(), rest.is_empty()))
            }
            _ => None,
        }
    }

    pub(super) fn holds(&self, found: Option<RawBsonRef<'_>>) -> bool {
        match found {
            Some(RawBsonRef::String(text) | RawBsonRef::Symbol(text)) => self.regex.is_match(text),
            Some(RawBsonRef::RegularExpression(found)) => {
                *found.pattern == *self.written.pattern && *found.options == *self.written.options
            }
            _ => false,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// The last line of a syntax error says what is wrong; those before draw the pattern.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!(
            "expected a regular expression of at most {COMPILED_BYTES_MAX} bytes when compiled; \
             shorten its repetitions"
        ),
        error => {
            let shown = error.to_string();
            let last = shown.lines().last().unwrap_or_default();
            format!("the regular expression is wrong: {}", last.trim_start_matches("error: "))
        }
    }
}
