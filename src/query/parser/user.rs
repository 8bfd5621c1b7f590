//! The forgiving parser: one pass over the text that always ends in a query.
//!
//! Called by `Query::user` alone; asks `chars` what each character means. The grammar, where anything
//! that does not fit is text:
//!
//! ```text
//! text   := (separator | clause)*
//! clause := prefix (field colon)? "("* (phrase | word)
//! prefix := ("(" | invisible)* operator? ("(" | invisible)*
//! phrase := quote … quote                     the closing quote may be missing at the end of the text
//! word   := everything up to a separator or to a quote that opens a phrase
//! field  := letters, digits, . _ - $ @        with one letter at least, so that 12:30 is no field
//! ```
//!
//! Choices, each for what people type:
//! * an operator counts only at the start of a word and alone: `a-b`, `c++`, `--verbose` are text;
//! * right after a closing quote nothing is an operator: `"state"-owned`;
//! * a quote right after a letter or digit is text: `5"`, `צה"ל`;
//! * a colon before `/`, `\` or another colon is text: `http://…`, `C:\…`, `std::vec`.
//!
//! Linear: the position only moves forward, and looking for a field reads at most [`FIELD_BYTES_MAX`]
//! bytes, which the clause then consumes.

use std::ops::Range;

use super::chars::{
    self, QuoteClass, denies_field, is_colon, is_invisible, is_parenthesis, is_searchable,
    is_separator,
};
use super::{CLAUSES_MAX, ParsedQuery, TEXT_BYTES_MAX, WARNINGS_MAX, Warning, WarningKind};
use crate::query::ast::{Clause, Occur, Pattern};

/// A longer name before a colon is text.
const FIELD_BYTES_MAX: usize = 256;

/// How far the cut of a text that is too long is moved back to fall between words.
const CUT_BACK_BYTES_MAX: usize = 256;

/// Reads the whole text.
pub(super) fn parse(text: &str) -> ParsedQuery {
    let read = within_limit(text);
    let mut parser = Parser { text: read, at: 0, parsed: ParsedQuery::default() };
    while parser.skip_to_clause() && parser.parsed.query.clauses.len() < CLAUSES_MAX {
        parser.clause();
    }
    parser.finish(text.len())
}

/// The part of the text that is read: up to the limit, ending between words where there is a gap near.
fn within_limit(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let head = &text[..boundary_before(text, TEXT_BYTES_MAX)];
    let tail_at = boundary_before(head, TEXT_BYTES_MAX - CUT_BACK_BYTES_MAX);
    match head[tail_at..].rfind(is_separator) {
        Some(end) => &head[..tail_at + end],
        None => head,
    }
}

/// The last character boundary at or before byte `at`.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

struct Parser<'t> {
    text: &'t str,
    /// Bytes consumed; always on a character boundary.
    at: usize,
    parsed: ParsedQuery,
}

/// What stands in front of a word.
struct Prefix {
    occur: Occur,
    /// Operators that ask for something, even if in vain.
    operators: Option<Range<usize>>,
    repeated: bool,
    /// A parenthesis after an operator.
    parenthesis: Option<Range<usize>>,
}

impl Default for Prefix {
    fn default() -> Self {
        Self { occur: Occur::Should, operators: None, repeated: false, parenthesis: None }
    }
}

/// A field's name and the place right after its colon.
type Named<'t> = Option<(&'t str, usize)>;

impl<'t> Parser<'t> {
    /// Reads one clause, or drops text that holds none. Consumes at least one character.
    fn clause(&mut self) {
        let start = self.at;
        let prefix = self.prefix();
        let named = self.named();
        let value_at = named.map_or(self.at, |(_, after)| self.behind_parentheses(after));
        let next = self.text[value_at..].chars().next();
        if let Some(class) = next.and_then(chars::opens_at_start) {
            self.phrase(start, &prefix, named, value_at, class);
        } else {
            self.word(start, &prefix, named, value_at);
        }
    }

    /// Reads a quoted phrase whose opening quote is at `quote_at`.
    fn phrase(
        &mut self,
        start: usize,
        prefix: &Prefix,
        named: Named<'t>,
        quote_at: usize,
        class: QuoteClass,
    ) {
        self.at = quote_at;
        self.bump();
        let rest = &self.text[self.at..];
        let end = rest.find(|c| chars::closes(c, class));
        let text = &rest[..end.unwrap_or(rest.len())];
        self.at += text.len();
        self.bump();
        if is_searchable(text) {
            self.push(start, prefix, named, quote_at, Pattern::Phrase(text.trim().to_owned()));
        } else if end.is_some() {
            self.warn(WarningKind::EmptyPhrase, quote_at..self.at);
        }
        if end.is_none() {
            self.warn(WarningKind::UnclosedQuote, quote_at..self.at);
        }
    }

    /// Reads a word, with its field if the colon is one's; `at` is behind the prefix.
    fn word(&mut self, start: usize, prefix: &Prefix, named: Named<'t>, value_at: usize) {
        let word_at = self.at;
        self.at = self.word_end(value_at);
        let (text, value) = (&self.text[word_at..self.at], &self.text[value_at..self.at]);
        let named = named.filter(|_| !value.starts_with(denies_field));
        if named.is_some() && is_searchable(value) {
            return self.push(start, prefix, named, value_at, Pattern::Words(value.to_owned()));
        }
        if is_searchable(text) {
            self.push(start, prefix, None, value_at, Pattern::Words(text.to_owned()));
        } else if let Some(operators) = &prefix.operators {
            self.warn(WarningKind::LoneOperator, operators.clone());
        }
        if let Some((name, _)) = named {
            let kind = WarningKind::MissingValue { field: name.to_owned() };
            self.warn(kind, word_at..self.at);
        }
    }

    /// Consumes what stands in front of a word: parentheses, invisible marks, operators.
    fn prefix(&mut self) -> Prefix {
        // Right after a closing quote a plus or minus is a mere sign.
        let glued = self.text[..self.at].chars().next_back().is_some_and(|c| !is_separator(c));
        let mut prefix = Prefix::default();
        while let Some(c) = self.peek() {
            let end = self.at + c.len_utf8();
            if let Some(occur) = chars::operator(c) {
                let earlier = prefix.operators.as_ref().map(|range| range.start);
                prefix.repeated = earlier.is_some();
                prefix.occur = if prefix.repeated { Occur::Should } else { occur };
                prefix.operators = Some(earlier.unwrap_or(self.at)..end);
            } else if is_parenthesis(c) {
                if prefix.operators.is_some() && prefix.parenthesis.is_none() {
                    prefix.parenthesis = Some(self.at..end);
                }
            } else if !is_invisible(c) {
                break;
            }
            self.at = end;
        }
        if glued { Prefix::default() } else { prefix }
    }

    /// Looks for a field's name and its colon ahead; consumes nothing.
    fn named(&self) -> Named<'t> {
        let rest = &self.text[self.at..];
        let (end, colon) = rest
            .char_indices()
            .take_while(|&(at, _)| at <= FIELD_BYTES_MAX)
            .find(|&(_, c)| !chars::is_field(c))?;
        let name = &rest[..end];
        let is_name = is_colon(colon) && name.chars().any(char::is_alphabetic);
        is_name.then(|| (name, self.at + end + colon.len_utf8()))
    }

    /// The place behind the parentheses and invisible marks that begin at `from`.
    fn behind_parentheses(&self, from: usize) -> usize {
        let value = self.text[from..].trim_start_matches(|c| is_parenthesis(c) || is_invisible(c));
        self.text.len() - value.len()
    }

    /// Where the word that begins at `from` ends: at a separator or a quote that opens a phrase.
    fn word_end(&self, from: usize) -> usize {
        let mut previous = None;
        for (at, c) in self.text[from..].char_indices() {
            let quote = previous.is_some_and(|previous| chars::opens_after(c, previous));
            if quote || is_separator(c) {
                return from + at;
            }
            previous = Some(c);
        }
        self.text.len()
    }

    fn push(
        &mut self,
        start: usize,
        prefix: &Prefix,
        named: Named<'t>,
        value_at: usize,
        pattern: Pattern,
    ) {
        if prefix.repeated
            && let Some(operators) = &prefix.operators
        {
            self.warn(WarningKind::RepeatedOperator, operators.clone());
        } else if let Some(parenthesis) = &prefix.parenthesis {
            self.warn(WarningKind::Parenthesis, parenthesis.clone());
        } else if let Some((_, after)) = named
            && self.text[after..value_at].contains(is_parenthesis)
        {
            self.warn(WarningKind::Parenthesis, after..value_at);
        }
        self.parsed.query.clauses.push(Clause {
            occur: prefix.occur,
            field: named.map(|(name, _)| name.to_owned()),
            pattern,
            span: start..self.at,
        });
    }

    fn warn(&mut self, kind: WarningKind, span: Range<usize>) {
        if self.parsed.warnings.len() < WARNINGS_MAX {
            self.parsed.warnings.push(Warning::new(kind, span));
        }
    }

    /// Adds the warnings about the text as a whole, whose length was `text_bytes`.
    fn finish(self, text_bytes: usize) -> ParsedQuery {
        let mut parsed = self.parsed;
        let read = self.text.len();
        let mut warn = |kind, span| parsed.warnings.push(Warning::new(kind, span));
        if !parsed.query.is_empty() && !parsed.query.asks_for_something() {
            warn(WarningKind::OnlyExclusions, 0..read);
        }
        if self.at < read {
            warn(WarningKind::TooManyClauses { clauses_max: CLAUSES_MAX }, self.at..read);
        }
        if read < text_bytes {
            let kind = WarningKind::TextTooLong { text_bytes_max: TEXT_BYTES_MAX };
            warn(kind, read..text_bytes);
        }
        parsed
    }

    /// Consumes separators; whether there is text behind them.
    fn skip_to_clause(&mut self) -> bool {
        let rest = self.text[self.at..].trim_start_matches(is_separator);
        self.at = self.text.len() - rest.len();
        !rest.is_empty()
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Consumes one character, if there is one.
    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }
}
