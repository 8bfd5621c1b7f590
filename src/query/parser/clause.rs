//! One clause: operator, field, and then a phrase, a group, a form or a word.
//!
//! The other half of the reader: `reader` calls [`Reader::clause`] wherever one may begin. Choices,
//! each for what people type:
//! * an operator counts only at the start of a word and alone: `a-b`, `c++`, `--verbose` are text;
//! * right after a closing quote or parenthesis nothing is an operator: `"state"-owned`;
//! * a quote right after a letter or digit is text: `5"`, `צה"ל`;
//! * a colon before `/`, `\` or another colon is text: `http://…`, `C:\…`, `std::vec`;
//! * a parenthesis opens a group only where a clause or its value begins: `f(x)` is a word. One that
//!   closes ends a group, belongs to a word that opened one, or is dropped at the end of a word.

use std::ops::Range;

use super::boolean::{self, Item, plain_clause};
use super::chars::{
    self, QuoteClass, denies_field, is_closing, is_colon, is_invisible, is_opening, is_searchable,
    is_separator,
};
use super::escape::{plain, symbols};
use super::group::OpenGroup;
use super::near::{self, Near};
use super::reader::{Reader, reads_as};
use super::suffix::{Suffix, phrase_suffix, suffix};
use super::warning::WarningKind;
use super::word::{self, Word};
use super::{GROUPS_DEPTH_MAX, range, regex};
use crate::query::ast::{Clause, Occur, Pattern, Weight};

/// A longer name before a colon is text.
const FIELD_BYTES_MAX: usize = 256;

/// What stands in front of a value, and where.
struct Head<'t> {
    start: usize,
    occur: Occur,
    /// Operators that ask for something, even if in vain.
    operators: Option<Range<usize>>,
    is_repeated: bool,
    /// Whether something stands right before it, so that nothing is an operator.
    is_glued: bool,
    /// Where a word with its field begins.
    word_at: usize,
    field: Option<&'t str>,
    value_at: usize,
}

/// The bytes of a word, and the parentheses in it.
struct Run {
    end: usize,
    /// Where the parentheses begin at the end that close nothing.
    text_end: usize,
    /// How many parentheses are open behind it.
    open: usize,
}

impl<'t> Reader<'t> {
    /// Reads one clause, or drops text that holds none. Consumes at least one character.
    pub(super) fn clause(&mut self) {
        let mut head = self.operators();
        let keyword = chars::keyword(self.rest()).filter(|_| head.operators.is_none());
        if let Some(keyword) = keyword {
            let start = self.at;
            self.at += keyword.text().len();
            self.spent += boolean::cost(keyword);
            let span = start..self.at;
            return self.group().items.push(Item::Keyword(keyword, span));
        }
        if let Some((name, behind)) = self.named() {
            let value = self.text[behind..].trim_start_matches(is_invisible);
            (head.field, head.value_at) = (Some(name), self.text.len() - value.len());
        }
        self.value(&head);
    }

    /// Consumes what stands in front of a word: invisible marks and operators.
    fn operators(&mut self) -> Head<'t> {
        let before = self.text[..self.at].chars().next_back();
        let mut head = Head {
            start: self.at,
            occur: Occur::Should,
            operators: None,
            is_repeated: false,
            is_glued: before.is_some_and(|c| !is_separator(c) && !is_opening(c)),
            word_at: self.at,
            field: None,
            value_at: self.at,
        };
        while let Some(c) = self.rest().chars().next() {
            let end = self.at + c.len_utf8();
            if let Some(occur) = chars::operator(c).filter(|_| !head.is_glued) {
                head.is_repeated = head.operators.is_some();
                head.occur = if head.is_repeated { Occur::Should } else { occur };
                head.operators = Some(head.operators.map_or(self.at, |earlier| earlier.start)..end);
            } else if !is_invisible(c) && chars::operator(c).is_none() {
                break;
            }
            self.at = end;
        }
        (head.word_at, head.value_at) = (self.at, self.at);
        head
    }

    /// Looks for a field's name and the place behind its colon; consumes nothing.
    fn named(&self) -> Option<(&'t str, usize)> {
        let rest = self.rest();
        let (end, colon) = rest
            .char_indices()
            .take_while(|&(at, _)| at <= FIELD_BYTES_MAX)
            .find(|&(_, c)| !chars::is_field(c))?;
        let name = &rest[..end];
        let is_name = is_colon(colon) && name.chars().any(char::is_alphabetic);
        is_name.then(|| (name, self.at + end + colon.len_utf8()))
    }

    /// Reads what stands behind operator and field.
    fn value(&mut self, head: &Head<'t>) {
        let rest = &self.text[head.value_at..];
        let first = rest.chars().next();
        if let Some(class) = first.and_then(chars::opens_at_start) {
            return self.phrase(head, class);
        }
        if first.is_some_and(is_opening) {
            return self.open(head);
        }
        if let Some(near) = near::read(rest) {
            return self.near(head, &near);
        }
        let is_in_field = self.is_in_field(head);
        let form = regex::read(rest).or_else(|| range::read(rest).filter(|_| is_in_field));
        if let Some((pattern, bytes)) = form
            && let Some(suffix) = suffix(&rest[bytes..])
        {
            self.at = head.value_at + bytes;
            self.take_suffix(Some(suffix));
            self.push(head, head.field, pattern, suffix.weight);
        } else {
            self.word(head);
        }
    }

    /// Reads a quoted phrase.
    fn phrase(&mut self, head: &Head<'t>, class: QuoteClass) {
        self.at = head.value_at;
        self.bump();
        let end = self.rest().find(|c| chars::closes(c, class));
        let text = &self.rest()[..end.unwrap_or(self.rest().len())];
        self.at += text.len();
        self.bump();
        let span = head.value_at..self.at;
        let Suffix { slop, weight, .. } = self.take_suffix(phrase_suffix(self.rest()));
        if is_searchable(text) {
            let text = text.trim().to_owned();
            self.push(head, head.field, Pattern::Phrase { text, slop }, weight);
        } else if end.is_some() {
            self.warnings.push(WarningKind::EmptyPhrase, span.clone());
        }
        if end.is_none() {
            self.warnings.push(WarningKind::UnclosedQuote, span);
        }
    }

    /// Reads words near each other. What is more than a word is read as text.
    fn near(&mut self, head: &Head<'t>, near: &Near) {
        let mut words = Vec::with_capacity(near.words.len());
        for range in &near.words {
            let span = head.value_at + range.start..head.value_at + range.end;
            let written = &self.text[span.clone()];
            let word = plain(written);
            if !is_searchable(&word) {
                continue;
            }
            let is_word = !symbols(written).any(|symbol| symbol.is_bare && is_opening(symbol.c))
                && reads_as(written, &plain_clause(Pattern::Words(word.clone()), 0..0), false);
            if !is_word {
                self.warnings.push(WarningKind::NearTakesWords, span);
            }
            words.push(word);
        }
        self.at = head.value_at + near.bytes;
        let parenthesis =
            head.value_at + near.parenthesis.start..head.value_at + near.parenthesis.end;
        if !near.is_closed {
            self.warnings.push(WarningKind::UnclosedGroup, parenthesis.clone());
        }
        let weight = self.take_suffix(suffix(self.rest())).weight;
        if !words.is_empty() {
            let pattern = Pattern::Near { text: words.join(" "), distance: near.distance };
            self.push(head, head.field, pattern, weight);
        } else if near.is_closed {
            self.warnings.push(WarningKind::EmptyGroup, parenthesis.start..self.at);
        }
    }

    /// Opens a group; its clauses are read next.
    fn open(&mut self, head: &Head<'t>) {
        self.at = head.value_at;
        self.bump();
        let parenthesis = head.value_at..self.at;
        let warnings_before = self.warnings.count();
        self.warn_repeated(head);
        if self.open.len() == GROUPS_DEPTH_MAX + 1 {
            let kind = WarningKind::TooDeep { depth_max: GROUPS_DEPTH_MAX };
            self.warnings.push(kind, parenthesis.clone());
        }
        self.spent += 1;
        let group = OpenGroup {
            start: head.start,
            parenthesis,
            occur: head.occur,
            field: head.field,
            is_in_field: self.is_in_field(head),
            warnings_before,
            ..OpenGroup::default()
        };
        self.open.push(group);
    }

    /// Reads a word, with its field if the colon is one's.
    fn word(&mut self, head: &Head<'t>) {
        let run = self.run(head.value_at);
        let value = &self.text[head.value_at..run.text_end];
        let whole = &self.text[head.word_at..run.text_end];
        let denied =
            symbols(value).next().is_some_and(|first| first.is_bare && denies_field(first.c));
        let mut field = head.field.filter(|_| !denied);
        let broken = self.broken_range(head, value);
        let mut read = word::read(if field.is_some() { value } else { whole });
        if let (Some(name), None) = (field, &read) {
            let missing = WarningKind::MissingValue { field: name.to_owned() };
            (field, read) = (None, Some(Word::of_text(whole, broken.is_none().then_some(missing))));
        }
        if let Some(kind) = broken {
            self.warnings.push(kind, head.value_at..run.text_end);
        }
        // A star behind a phrase does not ask for every document.
        let read = read.filter(|word| !(head.is_glued && word.pattern == Pattern::All));
        let opened = self.group().opened_by_words;
        let Some(word) = read else {
            self.at = run.end;
            self.group().opened_by_words = opened.min(run.open);
            return self.warn_dropped(head, whole, &run);
        };
        self.group().opened_by_words = run.open;
        if let Some(kind) = word.warning {
            self.warnings.push(kind, head.word_at..run.text_end);
        }
        if run.text_end < run.end {
            self.warnings.push(WarningKind::StrayParenthesis, run.text_end..run.end);
        }
        self.at = run.text_end - word.suffix.bytes;
        self.take_suffix(Some(word.suffix));
        self.push(head, field, word.pattern, word.suffix.weight);
        self.at = run.end;
    }

    /// Where the word ends that begins at `from`: at a separator, at a quote that opens a phrase, or at a
    /// parenthesis that closes the group.
    fn run(&mut self, from: usize) -> Run {
        let is_in_group = self.open.len() > 1;
        let mut open = self.group().opened_by_words;
        let (mut previous, mut stray, mut end) = (None, None, from);
        for symbol in symbols(&self.text[from..]) {
            let c = symbol.c;
            let opens_phrase = previous.is_some_and(|previous| chars::opens_after(c, previous));
            let is_closing = symbol.is_bare && is_closing(c);
            let is_partner = is_closing && open > 0;
            let is_stray = is_closing && !is_partner;
            if symbol.is_bare && (is_separator(c) || opens_phrase) || is_stray && is_in_group {
                break;
            }
            if is_partner {
                open -= 1;
            } else if symbol.is_bare && is_opening(c) {
                open += 1;
            }
            stray = if is_stray { stray.or(Some(end)) } else { None };
            previous = Some(c);
            end = from + symbol.end;
        }
        Run { end, text_end: stray.unwrap_or(end), open }
    }

    /// What to say about a word that begins as a range does, since it was not read as one.
    fn broken_range(&mut self, head: &Head<'t>, value: &str) -> Option<WarningKind> {
        let is_likely = range::is_likely(&self.text[head.value_at..]);
        if self.is_in_field(head) {
            let is_broken = is_likely
                || value.starts_with(['<', '>'])
                || head.field.is_some() && value.starts_with(['[', '{']);
            is_broken.then_some(WarningKind::MalformedRange)
        } else {
            is_likely.then_some(WarningKind::RangeWithoutField)
        }
    }

    fn warn_dropped(&mut self, head: &Head<'t>, whole: &str, run: &Run) {
        if whole.is_empty() && run.text_end < run.end {
            self.warnings.push(WarningKind::StrayParenthesis, run.text_end..run.end);
        } else if word::has_star(whole) {
            self.warnings.push(WarningKind::BareWildcard, head.word_at..run.text_end);
        } else if let Some(operators) = &head.operators {
            self.warnings.push(WarningKind::LoneOperator, operators.clone());
        }
    }

    fn warn_repeated(&mut self, head: &Head<'t>) {
        if head.is_repeated
            && let Some(operators) = &head.operators
        {
            self.warnings.push(WarningKind::RepeatedOperator, operators.clone());
        }
    }

    fn push(&mut self, head: &Head<'t>, field: Option<&str>, pattern: Pattern, weight: Weight) {
        self.warn_repeated(head);
        self.spent += 1;
        let clause = Clause {
            occur: head.occur,
            field: field.map(str::to_owned),
            pattern,
            weight,
            span: head.start..self.at,
        };
        self.group().items.push(Item::Clause(clause));
    }

    fn is_in_field(&mut self, head: &Head<'t>) -> bool {
        head.field.is_some() || self.group().is_in_field
    }

    /// Consumes one character, if there is one.
    fn bump(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }
}
