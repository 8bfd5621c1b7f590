//! The pass over a text that always ends in a query.
//!
//! Called by `Query::user`; `clause` reads the clauses, here is what is around them: the limits, the
//! groups and the end. The grammar, where anything that does not fit is text:
//!
//! ```text
//! text    := (gap | clause | keyword)*
//! keyword := "AND" | "OR" | "NOT"                   alone; `boolean` says what they join
//! clause  := operator? (field colon)? (form | phrase phrase_suffix | group suffix | word)
//! group   := "(" text ")"                           the parenthesis may be missing at the end of the text
//! phrase  := quote … quote                          the quote may be missing at the end of the text
//! form    := (regex | range | near) suffix          each in a file of its own
//! word    := everything up to a gap, to a quote that opens a phrase, or to the `)` of a group
//! field   := letters, digits, . _ - $ @             with one letter at least, so that 12:30 is no field
//! ```
//! No recursion, and linear: the position only moves forward, and what is looked at ahead is either
//! bounded or consumed next.

use super::boolean::{self, Item};
use super::chars::{is_closing, is_separator};
use super::group::OpenGroup;
use super::suffix::{Suffix, suffix};
use super::warning::{Warning, WarningKind, Warnings};
use super::{CLAUSES_MAX, GROUPS_DEPTH_MAX, ParsedQuery, TEXT_BYTES_MAX};
use crate::query::ast::{Clause, Pattern, Query, Weight};

/// How far the cut of a text that is too long is moved back to fall between words.
const CUT_BACK_BYTES_MAX: usize = 256;

/// Reads the whole text.
pub(super) fn read(text: &str) -> ParsedQuery {
    let mut reader = Reader::new(within_limit(text));
    reader.clauses();
    ParsedQuery { text: text.to_owned(), ..reader.finish(text.len()) }
}

/// Whether `written`, alone in a group, maybe one with a field, is read as just this clause, without a doubt.
pub(super) fn reads_as(written: &str, clause: &Clause, is_in_field: bool) -> bool {
    let mut reader = Reader::new(written);
    reader.open.push(OpenGroup { is_in_field, ..OpenGroup::default() });
    reader.clause();
    let Some(OpenGroup { items, opened_by_words: 0, .. }) = reader.open.pop() else {
        return false;
    };
    let [Item::Clause(read)] = &items[..] else {
        return false;
    };
    let is_all = reader.at == written.len() && reader.open.len() == 1;
    let expected = Clause { span: read.span.clone(), ..clause.clone() };
    is_all && reader.warnings.count() == 0 && *read == expected
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

/// A text on its way to a query.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    /// Bytes consumed; always on a character boundary.
    pub(super) at: usize,
    /// The groups around, the innermost last; the first is the text.
    pub(super) open: Vec<OpenGroup<'t>>,
    /// Clauses read, with groups, and keywords by their cost.
    pub(super) spent: usize,
    pub(super) warnings: Warnings,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let open = vec![OpenGroup::default()];
        Reader { text, at: 0, open, spent: 0, warnings: Warnings::default() }
    }

    /// Reads clauses up to the end of the text or to their limit.
    fn clauses(&mut self) {
        while self.skip_gap() {
            let next = self.rest().chars().next();
            let close = next.filter(|&c| is_closing(c)).map_or(0, char::len_utf8);
            if close > 0 && self.group().opened_by_words > 0 {
                self.group().opened_by_words -= 1;
                self.at += close;
            } else if close > 0 && self.open.len() > 1 {
                self.at += close;
                self.close(true);
            } else if self.spent < CLAUSES_MAX {
                self.clause();
            } else {
                return;
            }
        }
    }

    /// Ends the innermost group; `at` is behind its parenthesis, if there was one.
    fn close(&mut self, has_parenthesis: bool) {
        let mut group = self.open.pop().expect("invariant: called inside of a group");
        let depth = self.open.len();
        let weight =
            if has_parenthesis { self.suffix_of_group().weight } else { Weight::default() };
        if depth > GROUPS_DEPTH_MAX {
            return;
        }
        let items = std::mem::take(&mut group.items);
        let clauses = boolean::combine(items, depth, &mut self.warnings);
        if clauses.is_empty() {
            if has_parenthesis && self.warnings.count() == group.warnings_before {
                self.warnings.push(WarningKind::EmptyGroup, group.parenthesis.start..self.at);
            }
            return;
        }
        let span = group.start..self.at;
        let clause = group.into_clause(clauses, weight, span.end);
        if let Pattern::Group(query) = &clause.pattern
            && !query.asks_for_something()
        {
            self.warnings.push(WarningKind::OnlyExclusions, span);
        }
        self.group().items.push(Item::Clause(clause));
    }

    /// Consumes what stands right behind a closing parenthesis.
    pub(super) fn suffix_of_group(&mut self) -> Suffix {
        let suffix = suffix(self.rest());
        self.take_suffix(suffix)
    }

    /// Consumes the suffix in front, or the signs that look like one; those say nothing.
    pub(super) fn take_suffix(&mut self, suffix: Option<Suffix>) -> Suffix {
        let signs = self.rest().len() - self.rest().trim_start_matches(['~', '^', '*']).len();
        let (kind, bytes) = match suffix {
            Some(suffix) if suffix.is_limited => {
                (Some(WarningKind::WeightOutOfRange), suffix.bytes)
            }
            Some(suffix) => (None, suffix.bytes),
            None if signs > 0 => (Some(WarningKind::MisplacedSuffix), signs),
            None => (None, 0),
        };
        if let Some(kind) = kind {
            self.warnings.push(kind, self.at..self.at + bytes);
        }
        self.at += bytes;
        suffix.unwrap_or_default()
    }

    /// Closes what is open, and adds the warnings about the text as a whole, which had `text_bytes`.
    fn finish(mut self, text_bytes: usize) -> ParsedQuery {
        let (read, end) = (self.text.len(), self.at);
        while self.open.len() > 1 {
            if end == read {
                let parenthesis = self.group().parenthesis.clone();
                self.warnings.push(WarningKind::UnclosedGroup, parenthesis);
            }
            self.close(false);
        }
        let items = std::mem::take(&mut self.group().items);
        let query = Query { clauses: boolean::combine(items, 0, &mut self.warnings) };
        let mut warnings = self.warnings.in_order();
        let mut warn = |kind, span| warnings.push(Warning::new(kind, span));
        if !query.is_empty() && !query.asks_for_something() {
            warn(WarningKind::OnlyExclusions, 0..read);
        }
        if end < read {
            warn(WarningKind::TooManyClauses { clauses_max: CLAUSES_MAX }, end..read);
        }
        if read < text_bytes {
            let kind = WarningKind::TextTooLong { text_bytes_max: TEXT_BYTES_MAX };
            warn(kind, read..text_bytes);
        }
        ParsedQuery { query, warnings, ..ParsedQuery::default() }
    }

    /// The innermost group.
    pub(super) fn group(&mut self) -> &mut OpenGroup<'t> {
        self.open.last_mut().expect("invariant: the text as a whole is never closed")
    }

    /// What is not consumed yet.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Consumes separators; whether there is text behind them.
    fn skip_gap(&mut self) -> bool {
        let rest = self.rest().trim_start_matches(is_separator);
        self.at = self.text.len() - rest.len();
        !rest.is_empty()
    }
}
