//! Snippets: the part of a stored string that shows best why a document was found, with the matches marked.
//!
//! The facade and the command line make a [`Highlighter`] of a plan and give it strings or whole documents. It analyzes
//! them anew with the index's analyzer, so that what is marked is what the search found: stems mark the words as they
//! stand in the text, a phrase is marked only where its words stand side by side, and a prefix wherever a word begins with it.
//!
//! ```text
//! text       … When the river slows, gold settles: the rivers' gold …        query  river "gold settles"
//! matches                 ─────      ────────────      ───────
//! snippet    the stretch of about 160 characters with the most different terms and phrases, then the most matches,
//!            then the earliest; grown to both sides and cut between words
//! ```
//! Invariants: `source` and all highlights lie on character borders of the stored string; highlights lie in `source`,
//! ascend and do not touch. Cost: the analysis of the string; memory for its matches.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::error::Result;
use super::placed::each_sloppy;
use super::plan::{Plan, PlannedSet, Slop};
use crate::bson::{self, RawDocument, each_string};
use crate::fts::{
    self, Analyzer, Analyzers, Field, FieldId, Language, TermPattern, TextReader, path_term,
};

/// Characters of a snippet, about.
pub const SNIPPET_CHARS: usize = 160;

/// How far a cut moves to fall between words, in characters.
const WORD_CHARS_MAX: usize = 24;

/// A part of a stored string, and what in it matches.
///
/// `Display` puts `**` around the matches, `…` where the string was cut, and a space for each line break.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    /// The part, as it is stored.
    pub text: String,
    /// Its bytes in the stored string.
    pub source: Range<usize>,
    /// The matches: bytes of the stored string, all within `source`, ascending and apart.
    pub highlights: Vec<Range<usize>>,
    /// Bytes of the stored string.
    pub stored_bytes: usize,
}

impl Snippet {
    /// The text with `open` before and `close` behind each match, `…` where it was cut, and a space for each control
    /// character, line breaks among them. Nothing is escaped.
    pub fn marked(&self, open: &str, close: &str) -> String {
        let mut marked = String::with_capacity(self.text.len() + 16);
        if self.source.start > 0 {
            marked.push('…');
        }
        let mut at = self.source.start;
        for highlight in &self.highlights {
            self.push(at..highlight.start, &mut marked);
            marked.push_str(open);
            self.push(highlight.clone(), &mut marked);
            marked.push_str(close);
            at = highlight.end;
        }
        self.push(at..self.source.end, &mut marked);
        if self.source.end < self.stored_bytes {
            marked.push('…');
        }
        marked
    }

    /// Appends bytes of the stored string.
    fn push(&self, bytes: Range<usize>, marked: &mut String) {
        let base = self.source.start;
        let piece = self.text.get(bytes.start.saturating_sub(base)..bytes.end.saturating_sub(base));
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        marked.extend(piece.unwrap_or_default().chars().map(shown));
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.marked("**", "**"))
    }
}

/// Finds in stored strings what a plan looks for.
#[derive(Debug)]
pub struct Highlighter<'h> {
    analyzers: Option<&'h Analyzers>,
    /// The analyzer where there is one for all.
    analyzer: &'h Analyzer,
    fields: &'h [Field],
    patterns: Vec<Pattern<'h>>,
    /// The patterns that a term begins or continues.
    by_term: HashMap<&'h str, Vec<usize>>,
}

/// What is marked, and where it counts.
#[derive(Debug)]
struct Pattern<'h> {
    wanted: Wanted<'h>,
    places: Vec<Place<'h>>,
}

/// What a pattern consists of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wanted<'h> {
    /// A term, or several in their places.
    Terms(&'h [(String, u32)], Slop),
    /// Terms that fit.
    Fitting(&'h TermPattern),
    /// A character, which is marked by itself in a pair.
    Character(&'h str),
}

/// Which strings a pattern is looked for in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place<'h> {
    Everywhere,
    /// The strings at exactly this path.
    At(&'h str),
    /// The strings at this path and below it.
    Under(&'h str),
}

/// A match in a string.
#[derive(Debug, Clone, PartialEq)]
struct Match {
    bytes: Range<usize>,
    pattern: usize,
}

/// A token that some pattern of terms has.
struct Found<'h> {
    position: u32,
    bytes: Range<usize>,
    term: &'h str,
}

/// A stretch of matches, and how good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Stretch {
    distinct: usize,
    matches: usize,
}

impl<'h> Highlighter<'h> {
    /// A highlighter for what `plan` looks for in the index that `reader` reads.
    pub fn new(reader: &'h TextReader<'_>, plan: &'h Plan) -> Self {
        let (analyzers, fields) = (Some(reader.analyzers()), reader.fields());
        Highlighter { analyzers, fields, ..Self::with_analyzer(reader.analyzer(), plan) }
    }

    /// [`new`](Self::new) for an index with this analyzer.
    pub fn with_analyzer(analyzer: &'h Analyzer, plan: &'h Plan) -> Self {
        let mut patterns = Vec::new();
        add_patterns(plan, &mut patterns);
        let mut by_term: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, pattern) in patterns.iter().enumerate() {
            if let Wanted::Terms(terms, _) = pattern.wanted {
                for (term, _) in terms {
                    by_term.entry(term).or_default().push(number);
                }
            }
        }
        Highlighter { analyzers: None, analyzer, fields: &[], patterns, by_term }
    }

    /// The best part of the string `text`, which stands at `path`, in a document that names no language; its beginning when nothing
    /// matches.
    pub fn snippet(&self, path: &str, text: &str) -> Snippet {
        let matches = self.matches(path, text, None);
        cut(text, &matches, best_stretch(text, &matches).0)
    }

    /// The best part of the strings at `path` and below it; `None` when the document has none.
    ///
    /// # Errors
    /// [`fts::Error::Document`] for bytes that were not validated.
    pub fn field(&self, document: &RawDocument, path: &str) -> Result<Option<Snippet>> {
        let best = self.best_of(document, &|found| is_under(found, path))?;
        Ok(best.map(|(_, snippet)| snippet))
    }

    /// The best part of all strings of a document, and its path; `None` when there is no string.
    ///
    /// # Errors
    /// [`fts::Error::Document`] for bytes that were not validated.
    pub fn best(&self, document: &RawDocument) -> Result<Option<(String, Snippet)>> {
        self.best_of(document, &|_| true)
    }

    fn best_of(
        &self,
        document: &RawDocument,
        takes: &dyn Fn(&str) -> bool,
    ) -> Result<Option<(String, Snippet)>> {
        // Between equals the longer string says more: a title alone repeats what a reader sees anyway.
        let room = |text: &str| text.len().min(SNIPPET_CHARS);
        let mut best: Option<((Stretch, usize), String, Snippet)> = None;
        let analyzers = self.analyzers;
        let language = analyzers.map_or(Ok(None), |known| known.language_of(document))?;
        let walked = each_string(document, &mut |path, text| {
            if !takes(path) {
                return Ok::<(), bson::Error>(());
            }
            let matches = self.matches(path, text, language);
            let (stretch, value) = best_stretch(text, &matches);
            let value = (value, room(text));
            if best.as_ref().is_none_or(|(known, ..)| value > *known) {
                best = Some((value, path.to_owned(), cut(text, &matches, stretch)));
            }
            Ok(())
        });
        walked.map_err(fts::Error::Document)?;
        Ok(best.map(|(_, path, snippet)| (path, snippet)))
    }

    /// The analyzer of the strings at a path.
    fn analyzer_of(&self, path: &str, language: Option<Language>) -> &Analyzer {
        let covers = |field: &&Field| field.path.as_deref().is_none_or(|covered| covered == path);
        let field = self.fields.iter().find(covers).map(|field| field.id);
        let found = self.analyzers.zip(field);
        found.map_or(self.analyzer, |(analyzers, field)| analyzers.of(field, language))
    }

    /// All matches in a string, by where they begin; of several at one place the longest first.
    fn matches(&self, path: &str, text: &str, language: Option<Language>) -> Vec<Match> {
        let active: Vec<bool> = self
            .patterns
            .iter()
            .map(|pattern| pattern.places.iter().any(|p| p.holds(path)))
            .collect();
        if !active.contains(&true) {
            return Vec::new();
        }
        let (mut found, mut matches): (Vec<Found<'_>>, _) = (Vec::new(), Vec::new());
        let analyzer = self.analyzer_of(path, language);
        analyzer.analyze(text, &mut |token| {
            let bytes = token.start..token.end;
            for pattern in (0..self.patterns.len()).filter(|&number| active[number]) {
                let mut add = |bytes| matches.push(Match { bytes, pattern });
                match self.patterns[pattern].wanted {
                    Wanted::Fitting(fitting) => {
                        if fitting.distance_of(token.term.as_bytes()).is_some() {
                            add(bytes.clone());
                        }
                    }
                    Wanted::Character(character) if token.term.contains(character) => {
                        let read = text.get(bytes.clone()).unwrap_or_default();
                        analyzer.each_character(read, character, &mut |found| {
                            add(bytes.start + found.start..bytes.start + found.end);
                        });
                    }
                    Wanted::Terms(..) | Wanted::Character(_) => {}
                }
            }
            if let Some((&term, _)) = self.by_term.get_key_value(token.term) {
                found.push(Found { position: token.position, bytes, term });
            }
        });
        for (index, first) in found.iter().enumerate() {
            for &number in &self.by_term[first.term] {
                let Wanted::Terms(terms, Slop::Exact) = self.patterns[number].wanted else {
                    continue;
                };
                let begins = terms.first().is_some_and(|(term, _)| term == first.term);
                if !active[number] || !begins {
                    continue;
                }
                let rest = found.get(index..).unwrap_or_default();
                if let Some(bytes) = phrase(rest, terms) {
                    matches.push(Match { bytes, pattern: number });
                }
            }
        }
        for (number, pattern) in self.patterns.iter().enumerate().filter(|(at, _)| active[*at]) {
            match pattern.wanted {
                Wanted::Terms(_, Slop::Exact) | Wanted::Fitting(_) | Wanted::Character(_) => {}
                Wanted::Terms(terms, slop) => {
                    add_sloppy(&found, terms, slop, &mut |bytes| {
                        matches.push(Match { bytes, pattern: number });
                    });
                }
            }
        }
        matches
            .sort_by_key(|found| (found.bytes.start, usize::MAX - found.bytes.end, found.pattern));
        // A term that stands twice in a phrase meets it once for each.
        matches.dedup();
        matches
    }
}

impl<'h> Wanted<'h> {
    fn fitting(pattern: &'h TermPattern) -> Self {
        pattern.as_character().map_or(Wanted::Fitting(pattern), Wanted::Character)
    }
}

impl Place<'_> {
    fn holds(&self, path: &str) -> bool {
        match self {
            Place::Everywhere => true,
            Place::At(place) => path == *place,
            Place::Under(place) => is_under(path_term(path), place),
        }
    }
}

/// Adds what a plan looks for, that of plans within it included.
fn add_patterns<'h>(plan: &'h Plan, patterns: &mut Vec<Pattern<'h>>) {
    let mut add = |wanted: Wanted<'h>, place| {
        if let Some(known) = patterns.iter_mut().find(|pattern| pattern.wanted == wanted) {
            known.places.push(place);
        } else {
            patterns.push(Pattern { wanted, places: vec![place] });
        }
    };
    let mut inner = Vec::new();
    for leaf in plan.leaves.iter().filter(|leaf| leaf.scores) {
        let key = &leaf.key;
        let character = key.character.as_deref();
        match key.set.and_then(|set| plan.sets.get(set)) {
            None => add(
                character.map_or(Wanted::Terms(&key.terms, key.slop), Wanted::Character),
                place(plan, key.field, key.path.as_deref()),
            ),
            Some(PlannedSet::Terms { fields, path, pattern }) => {
                for &field in fields {
                    add(Wanted::fitting(pattern), place(plan, field, path.as_deref()));
                }
            }
            Some(PlannedSet::Fitting { field, pattern, .. }) => {
                add(Wanted::fitting(pattern), place(plan, *field, None));
            }
            Some(PlannedSet::Query(plan)) => inner.push(plan),
            Some(PlannedSet::All | PlannedSet::Documents(_) | PlannedSet::Filter(_)) => {}
        }
    }
    for plan in inner {
        add_patterns(plan, patterns);
    }
}

fn place<'h>(plan: &'h Plan, field: FieldId, path: Option<&'h str>) -> Place<'h> {
    let field = plan.fields.get(&field).and_then(|field| field.path.as_deref());
    match (field, path) {
        (Some(field), _) => Place::At(field),
        (None, Some(path)) => Place::Under(path),
        (None, None) => Place::Everywhere,
    }
}

/// Whether `path` is `above` or lies below it.
fn is_under(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The bytes of the phrase that begins at the first of `found`, if it does.
fn phrase(found: &[Found<'_>], terms: &[(String, u32)]) -> Option<Range<usize>> {
    let first = found.first()?;
    let mut end = first.bytes.end;
    for (term, distance) in terms {
        let position = first.position.checked_add(*distance)?;
        let token = at_position(found, position).find(|token| token.term == term)?;
        end = end.max(token.bytes.end);
    }
    Some(first.bytes.start..end)
}

/// The tokens at a position; a compound, for one, has several.
fn at_position<'f, 'h>(
    found: &'f [Found<'h>],
    position: u32,
) -> impl Iterator<Item = &'f Found<'h>> {
    let first = found.partition_point(|token| token.position < position);
    let rest = found.get(first..).unwrap_or_default();
    rest.iter().take_while(move |token| token.position == position)
}

/// Passes the bytes of each word to `add` that stands near enough to others.
fn add_sloppy(
    found: &[Found<'_>],
    terms: &[(String, u32)],
    slop: Slop,
    add: &mut dyn FnMut(Range<usize>),
) {
    let positions = |(term, _): &(String, u32)| {
        found.iter().filter(|token| token.term == term).map(|token| token.position).collect()
    };
    let lists: Vec<Vec<u32>> = terms.iter().map(positions).collect();
    each_sloppy(slop, &lists, terms, |places| {
        let is_wanted = |token: &&Found<'_>| terms.iter().any(|(term, _)| term == token.term);
        let tokens = places.iter().flat_map(|&place| at_position(found, place)).filter(is_wanted);
        tokens.for_each(|token| add(token.bytes.clone()));
        true
    });
}

/// The matches, as a range of them, that a snippet should show, and how good they are.
fn best_stretch(text: &str, matches: &[Match]) -> (Range<usize>, Stretch) {
    let mut best = (0..0, Stretch::default());
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut end = 0;
    for start in 0..matches.len() {
        let limit = after_chars(text, matches[start].bytes.start, SNIPPET_CHARS);
        end = end.max(start);
        while end < matches.len() && (end == start || matches[end].bytes.end <= limit) {
            *counts.entry(matches[end].pattern).or_default() += 1;
            end += 1;
        }
        let value = Stretch { distinct: counts.len(), matches: end - start };
        if value > best.1 {
            best = (start..end, value);
        }
        let first = matches[start].pattern;
        if let Some(count) = counts.get_mut(&first) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&first);
            }
        }
    }
    best
}

/// Cuts the snippet that shows these matches.
fn cut(text: &str, matches: &[Match], stretch: Range<usize>) -> Snippet {
    let shown = matches.get(stretch).unwrap_or_default();
    let core_start = shown.first().map_or(0, |first| first.bytes.start);
    let core_end = shown.iter().map(|found| found.bytes.end).max().unwrap_or(0);
    let core_end = core_end.min(after_chars(text, core_start, SNIPPET_CHARS));
    let core_chars = text.get(core_start..core_end).map_or(0, |core| core.chars().count());
    let spare = SNIPPET_CHARS.saturating_sub(core_chars);
    // What one side cannot use, the other gets.
    let before = before_chars(text, core_start, spare / 2);
    let before_len = text.get(before..core_start).map_or(0, |side| side.chars().count());
    let end = after_chars(text, core_end, spare - before_len);
    let end_len = text.get(core_end..end).map_or(0, |side| side.chars().count());
    let start = before_chars(text, core_start, spare - end_len);
    let start = word_start(text, start, core_start);
    let end = word_end(text, end, core_end);
    let source = start..end;
    let highlights = merged(matches, &source);
    let text_bytes = text.len();
    let text = text.get(source.clone()).unwrap_or_default().to_owned();
    Snippet { text, source, highlights, stored_bytes: text_bytes }
}

/// The parts of all matches that lie in `source`, joined where they meet.
fn merged(matches: &[Match], source: &Range<usize>) -> Vec<Range<usize>> {
    let mut highlights: Vec<Range<usize>> = Vec::new();
    for Match { bytes, .. } in matches {
        let bytes = bytes.start.max(source.start)..bytes.end.min(source.end);
        if bytes.is_empty() {
            continue;
        }
        match highlights.last_mut().filter(|last| bytes.start <= last.end) {
            Some(last) => last.end = last.end.max(bytes.end),
            None => highlights.push(bytes),
        }
    }
    highlights
}

/// The byte `chars` characters behind `at`, at most the end.
fn after_chars(text: &str, at: usize, chars: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.char_indices().nth(chars).map_or(text.len(), |(bytes, _)| at + bytes)
}

/// The byte `chars` characters before `at`, at least the beginning.
fn before_chars(text: &str, at: usize, chars: usize) -> usize {
    let Some(last) = chars.checked_sub(1) else { return at };
    let front = text.get(..at).unwrap_or_default();
    front.char_indices().rev().nth(last).map_or(0, |(bytes, _)| bytes)
}

/// `at`, moved forward behind a space, but not beyond `limit`: so that no word is cut. Stays when no space is near.
fn word_start(text: &str, at: usize, limit: usize) -> usize {
    let front = text.get(..at).unwrap_or_default();
    if at == 0 || front.ends_with(char::is_whitespace) {
        return at;
    }
    let near = text.get(at..limit).unwrap_or_default().char_indices().take(WORD_CHARS_MAX);
    let mut behind =
        near.skip_while(|(_, c)| !c.is_whitespace()).skip_while(|(_, c)| c.is_whitespace());
    let ends_at_space =
        || text.get(at..limit).is_some_and(|gap| gap.ends_with(char::is_whitespace));
    match behind.next() {
        Some((bytes, _)) => at + bytes,
        None if ends_at_space() && limit - at <= WORD_CHARS_MAX => limit,
        None => at,
    }
}

/// `at`, moved back before a space, but not before `limit`: so that no word is cut. Stays when no space is near.
fn word_end(text: &str, at: usize, limit: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let side = text.get(limit..at).unwrap_or_default();
    if rest.is_empty() || rest.starts_with(char::is_whitespace) {
        return limit + side.trim_end().len();
    }
    let near = side.char_indices().rev().take(WORD_CHARS_MAX).find(|(_, c)| c.is_whitespace());
    near.map_or(at, |(bytes, _)| limit + side.get(..bytes).unwrap_or_default().trim_end().len())
}

#[cfg(test)]
mod tests;
