//! [`TermPattern`]: which terms a prefix, a wildcard, a regular expression or a misspelt word stands for.
//!
//! The planner makes one of what was typed; the reader walks the sorted terms of a field with it, the highlighter asks it about
//! the words of a document. It is an automaton over the bytes of a term, so that whole ranges of terms are passed over at once.
//!
//! Invariants: a state that is not [`can_match`](TermPattern::can_match) has no term ahead; terms are UTF-8, and a character
//! counts as one however many bytes it has. Cost: a look-up a byte. An automaton takes at most [`AUTOMATON_BYTES_MAX`]; those of
//! regular expressions may take some milliseconds to make.
//!
//! Sources: K. Schulz, S. Mihov, "Fast string correction with Levenshtein automata" (2002), as `levenshtein_automata` has it;
//! `regex-automata` for the rest.

use std::sync::{Arc, LazyLock};
use std::{fmt, iter};

use levenshtein_automata::{DFA as FuzzyDfa, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use regex_automata::dfa::{Automaton, dense};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, util::start};
use regex_syntax::hir::{Dot, Hir, Look, Repetition};

use super::character_state::CharacterState;
use super::error::{Error, Result};

pub(super) use known_bytes::{KnownBytes, ends_with};
pub(super) use trail::TermTrail;

mod known_bytes;
mod trail;

/// The greatest number of characters in which a term may differ from a fuzzy word.
pub const FUZZY_DISTANCE_MAX: u8 = 2;

/// Characters of the longest fuzzy word; a longer one has to fit as it is.
const FUZZY_CHARS_MAX: usize = 64;

/// What the automaton of a pattern takes at most, in bytes.
pub const AUTOMATON_BYTES_MAX: usize = 4 << 20;

/// Who goes on behind so many bytes, whatever they are, is taken to go on behind any number.
const OPEN_BYTES: usize = 8;

/// Which terms a pattern stands for.
#[derive(Clone)]
pub struct TermPattern {
    source: Source,
    automaton: TermAutomaton,
    known: KnownBytes,
}

/// What a pattern was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Prefix(String),
    Wildcard(String),
    Regex(String),
    Character(String),
    Fuzzy { text: String, distance: u8, prefix: bool, first_counts_twice: bool },
}

#[derive(Clone)]
enum TermAutomaton {
    Prefix,
    Character,
    Regex(Arc<dense::DFA<Vec<u32>>>, StateID),
    Fuzzy(Arc<FuzzyDfa>),
    FuzzyPrefix(Arc<FuzzyDfa>),
}

/// Where an automaton is after some bytes of a term.
#[derive(Debug, Clone, Copy)]
pub struct TermState(State, First);

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many bytes of the prefix were met; `None` when another byte was, or more than any term has.
    Prefix(Option<u16>),
    Character(CharacterState),
    Regex(StateID),
    Fuzzy(u32),
    /// With the least distance of what was read so far.
    FuzzyPrefix(u32, Option<u8>),
}

/// How a term begins, where that counts.
#[derive(Debug, Clone, Copy)]
enum First {
    /// With so many bytes of the first character of the word.
    Met(u8),
    Differs,
}

/// Makes automata, from tables that take a while to compute.
static FUZZY: [LazyLock<LevenshteinAutomatonBuilder>; FUZZY_DISTANCE_MAX as usize + 1] = [
    LazyLock::new(|| LevenshteinAutomatonBuilder::new(0, true)),
    LazyLock::new(|| LevenshteinAutomatonBuilder::new(1, true)),
    LazyLock::new(|| LevenshteinAutomatonBuilder::new(2, true)),
];

impl TermPattern {
    /// Terms that begin with `text`.
    pub fn prefix(text: &str) -> Self {
        Self::of_any_ending(Source::Prefix(text.to_owned()), TermAutomaton::Prefix)
    }

    /// Terms like `pattern`, in which `?` stands for one character, `*` for any number of them, and `\` takes the meaning from
    /// what follows.
    ///
    /// # Errors
    /// [`Error::TermPattern`] when the automaton gets too large.
    pub fn wildcard(pattern: &str) -> Result<Self> {
        let any = || Hir::dot(Dot::AnyChar);
        let (mut parts, mut chars) = (Vec::new(), pattern.chars());
        while let Some(c) = chars.next() {
            parts.push(match c {
                '?' => any(),
                '*' => {
                    let (min, max, greedy, sub) = (0, None, true, Box::new(any()));
                    Hir::repetition(Repetition { min, max, greedy, sub })
                }
                '\\' => literal(chars.next().unwrap_or(c)),
                c => literal(c),
            });
        }
        Self::of_expression(pattern, Source::Wildcard(pattern.to_owned()), Hir::concat(parts))
    }

    /// Terms that the regular expression `pattern` matches as a whole. Terms have no upper case, so that case makes no difference.
    ///
    /// # Errors
    /// [`Error::TermPattern`] when it is none, asks for what automata cannot tell, or gets too large.
    pub fn regex(pattern: &str) -> Result<Self> {
        let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(true).build();
        let parsed = parser.parse(pattern).map_err(|error| {
            let reason = match &error {
                regex_syntax::Error::Parse(error) => error.kind().to_string(),
                regex_syntax::Error::Translate(error) => error.kind().to_string(),
                _ => error.to_string(),
            };
            Error::TermPattern { pattern: pattern.to_owned(), reason }
        })?;
        Self::of_expression(pattern, Source::Regex(pattern.to_owned()), parsed)
    }

    /// Terms that are the character `text`, marks included, or a pair that it is in, as scripts without spaces are indexed.
    pub fn character(text: &str) -> Self {
        let source = Source::Character(text.to_owned());
        Self::of_any_ending(source, TermAutomaton::Character)
    }

    /// The character, of a pattern for one.
    pub fn as_character(&self) -> Option<&str> {
        match &self.source {
            Source::Character(text) => Some(text),
            _ => None,
        }
    }

    /// Terms that come of `text` by at most `distance` insertions, deletions, replacements and exchanges of neighbours, of
    /// characters; at most [`FUZZY_DISTANCE_MAX`] of them. With `prefix`, terms that begin so.
    pub fn fuzzy(text: &str, distance: u8, prefix: bool) -> Self {
        Self::of_word(text, distance, prefix, false)
    }

    /// The same, where another first character than that of `text` counts as two: few people mistype that one.
    pub fn typo(text: &str, distance: u8, prefix: bool) -> Self {
        Self::of_word(text, distance, prefix, true)
    }

    fn of_word(text: &str, distance: u8, prefix: bool, first_counts_twice: bool) -> Self {
        let is_long = text.chars().nth(FUZZY_CHARS_MAX).is_some();
        let distance = if is_long { 0 } else { distance.min(FUZZY_DISTANCE_MAX) };
        let dfa = FUZZY[usize::from(distance)].build_dfa(text);
        let source = Source::Fuzzy { text: text.to_owned(), distance, prefix, first_counts_twice };
        let dfa = Arc::new(dfa);
        let automaton =
            if prefix { TermAutomaton::FuzzyPrefix(dfa) } else { TermAutomaton::Fuzzy(dfa) };
        Self::of_any_ending(source, automaton)
    }

    fn of_any_ending(source: Source, automaton: TermAutomaton) -> Self {
        TermPattern { source, automaton, known: KnownBytes::default() }
    }

    fn of_expression(pattern: &str, source: Source, expression: Hir) -> Result<Self> {
        let known = KnownBytes::new(&expression);
        Ok(TermPattern { source, automaton: compile(pattern, expression)?, known })
    }

    /// Which bytes are known of terms that fit.
    pub(super) fn known(&self) -> &KnownBytes {
        &self.known
    }

    /// Before the first byte of a term.
    pub fn start(&self) -> TermState {
        let state = match &self.automaton {
            TermAutomaton::Prefix => State::Prefix(Some(0)),
            TermAutomaton::Character => State::Character(CharacterState::start()),
            TermAutomaton::Regex(_, start) => State::Regex(*start),
            TermAutomaton::Fuzzy(dfa) => State::Fuzzy(dfa.initial_state()),
            TermAutomaton::FuzzyPrefix(dfa) => {
                let state = dfa.initial_state();
                State::FuzzyPrefix(state, self.distance_at(dfa, state))
            }
        };
        TermState(state, First::Met(0))
    }

    /// After a further byte.
    pub fn step(&self, state: TermState, byte: u8) -> TermState {
        let first = self.first_after(state.1, byte);
        let state = match (&self.automaton, state.0, &self.source) {
            (TermAutomaton::Prefix, State::Prefix(met), Source::Prefix(text)) => {
                State::Prefix(met.and_then(|met| match text.as_bytes().get(usize::from(met)) {
                    Some(&wanted) => met.checked_add(1).filter(|_| wanted == byte),
                    None => Some(met),
                }))
            }
            (_, State::Character(state), Source::Character(text)) => {
                State::Character(state.step(text, byte))
            }
            (TermAutomaton::Regex(dfa, _), State::Regex(state), _) => {
                State::Regex(dfa.next_state(state, byte))
            }
            (TermAutomaton::Fuzzy(dfa), State::Fuzzy(state), _) => {
                State::Fuzzy(dfa.transition(state, byte))
            }
            (TermAutomaton::FuzzyPrefix(dfa), State::FuzzyPrefix(state, least), _) => {
                let state = dfa.transition(state, byte);
                let here = self.distance_at(dfa, state);
                State::FuzzyPrefix(state, least.into_iter().chain(here).min())
            }
            (_, state, _) => state,
        };
        TermState(state, first)
    }

    /// Whether all terms that fit begin with the same byte, and so stand close together.
    pub(super) fn is_narrow(&self) -> bool {
        let begins = |&byte: &u8| self.can_match(self.step(self.start(), byte));
        (0..=u8::MAX).filter(begins).nth(1).is_none()
    }

    /// Whether terms that fit begin with about anything, so that hardly a term is refused before its end.
    pub(super) fn is_open(&self) -> bool {
        let goes_on = |byte: &u8| {
            let mut states = iter::successors(Some(self.start()), |&at| Some(self.step(at, *byte)));
            states.nth(OPEN_BYTES).is_some_and(|at| self.can_match(at))
        };
        b"az09".iter().all(goes_on)
    }

    /// How a term begins that goes on with this byte.
    fn first_after(&self, first: First, byte: u8) -> First {
        let (Source::Fuzzy { text, first_counts_twice: true, .. }, First::Met(met)) =
            (&self.source, first)
        else {
            return first;
        };
        let len = text.chars().next().map_or(0, char::len_utf8);
        let at = usize::from(met);
        if at >= len {
            first
        } else if text.as_bytes().get(at) == Some(&byte) {
            First::Met(met + 1)
        } else {
            First::Differs
        }
    }

    /// What a distance counts in a term that begins so; `None` when that is too much.
    fn counted(&self, found: u8, first: First) -> Option<u8> {
        match (&self.source, first) {
            (Source::Fuzzy { distance, .. }, First::Differs) => {
                found.checked_add(1).filter(|found| found <= distance)
            }
            _ => Some(found),
        }
    }

    /// Whether some term may lie ahead of this state, or end here.
    pub fn can_match(&self, state: TermState) -> bool {
        match (&self.automaton, state.0) {
            // Whose first character differs is no nearer than 1.
            (..) if self.counted(1, state.1).is_none() => false,
            (_, State::Prefix(met)) => met.is_some(),
            (_, State::Character(state)) => state.can_match(),
            (TermAutomaton::Regex(dfa, _), State::Regex(state)) => !dfa.is_dead_state(state),
            (_, State::Fuzzy(state)) => state != SINK_STATE,
            (_, State::FuzzyPrefix(state, least)) => state != SINK_STATE || least.is_some(),
            (_, State::Regex(_)) => false,
        }
    }

    /// How far a term that ends here is from what was asked for, in characters; 0 where it fits, `None` where it does not.
    pub fn distance(&self, state: TermState) -> Option<u8> {
        let found = match (&self.automaton, state.0, &self.source) {
            (_, State::Prefix(met), Source::Prefix(text)) => {
                met.filter(|&met| usize::from(met) == text.len()).map(|_| 0)
            }
            (_, State::Character(state), Source::Character(text)) => {
                state.is_match(text).then_some(0)
            }
            (TermAutomaton::Regex(dfa, _), State::Regex(state), _) => {
                dfa.is_match_state(dfa.next_eoi_state(state)).then_some(0)
            }
            (TermAutomaton::Fuzzy(dfa), State::Fuzzy(state), _) => self.distance_at(dfa, state),
            (_, State::FuzzyPrefix(_, least), _) => least,
            _ => None,
        };
        found.and_then(|found| self.counted(found, state.1))
    }

    /// How far what an automaton has read is from a fuzzy word.
    fn distance_at(&self, dfa: &FuzzyDfa, state: u32) -> Option<u8> {
        match (dfa.distance(state), &self.source) {
            (Distance::Exact(found), Source::Fuzzy { distance, .. }) => {
                Some(found).filter(|found| found <= distance)
            }
            _ => None,
        }
    }

    /// How far `term` is from what was asked for; `None` when it does not fit.
    pub fn distance_of(&self, term: &[u8]) -> Option<u8> {
        let mut state = self.start();
        for &byte in term {
            if !self.can_match(state) {
                return None;
            }
            state = self.step(state, byte);
        }
        self.distance(state)
    }
}

impl PartialEq for TermPattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// As the query language has it.
impl fmt::Display for TermPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Prefix(text) => write!(f, "{text}*"),
            Source::Wildcard(text) | Source::Character(text) => f.write_str(text),
            Source::Regex(pattern) => write!(f, "/{pattern}/"),
            Source::Fuzzy { text, distance, prefix, .. } => {
                write!(f, "{text}~{distance}{}", if *prefix { "*" } else { "" })
            }
        }
    }
}

impl fmt::Debug for TermPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

fn literal(c: char) -> Hir {
    Hir::literal(c.to_string().into_bytes())
}

/// The automaton of whole terms that an expression matches.
fn compile(pattern: &str, expression: Hir) -> Result<TermAutomaton> {
    let refused = |reason: String| Error::TermPattern { pattern: pattern.to_owned(), reason };
    let whole = Hir::concat(vec![expression, Hir::look(Look::End)]);
    let nfa = NFA::compiler()
        .configure(NFA::config().nfa_size_limit(Some(AUTOMATON_BYTES_MAX)))
        .build_from_hir(&whole)
        .map_err(|error| refused(error.to_string()))?;
    let config = dense::Config::new()
        .start_kind(regex_automata::dfa::StartKind::Anchored)
        .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
        .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
    let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa);
    let dfa = dfa.map_err(|error| refused(error.to_string()))?;
    let anchored = start::Config::new().anchored(Anchored::Yes);
    let start = dfa.start_state(&anchored).map_err(|error| refused(error.to_string()))?;
    Ok(TermAutomaton::Regex(Arc::new(dfa), start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &TermPattern, terms: &[&str]) -> Vec<bool> {
        terms.iter().map(|term| pattern.distance_of(term.as_bytes()).is_some()).collect()
    }

    #[test]
    fn prefixes_wildcards_and_regular_expressions_fit_whole_terms() {
        let prefix = TermPattern::prefix("gol");
        assert_eq!(
            fits(&prefix, &["gol", "gold", "go", "agold", ""]),
            [true, true, false, false, false]
        );
        let wildcard = TermPattern::wildcard("g?ld*").unwrap();
        assert_eq!(
            fits(&wildcard, &["gold", "gélder", "gld", "gold\n", "agold", "goldé"]),
            [true, true, false, true, false, true]
        );
        let escaped = TermPattern::wildcard(r"a\*\").unwrap();
        assert_eq!(fits(&escaped, &[r"a*\", "a*", "ab"]), [true, false, false]);
        let regex = TermPattern::regex("A|ab|gr[ae]y").unwrap();
        assert_eq!(
            fits(&regex, &["a", "ab", "gray", "grayer", ""]),
            [true, true, true, false, false]
        );
        let all = TermPattern::regex("").unwrap();
        assert_eq!(fits(&all, &["", "a"]), [true, false]);
    }

    #[test]
    fn fuzzy_words_count_characters_and_exchanges() {
        let fuzzy = TermPattern::fuzzy("rivr", 1, false);
        let distance = |term: &str| fuzzy.distance_of(term.as_bytes());
        assert_eq!(distance("rivr"), Some(0));
        assert_eq!(distance("river"), Some(1));
        assert_eq!(distance("rirv"), Some(1));
        assert_eq!(distance("révr"), Some(1));
        assert_eq!(distance("rivers"), None);
        let prefix = TermPattern::fuzzy("rivr", 1, true);
        assert_eq!(prefix.distance_of(b"riverside"), Some(1));
        // The nearest beginning counts, not the first that is near enough.
        assert_eq!(TermPattern::fuzzy("old", 2, true).distance_of(b"olden"), Some(0));
        assert_eq!(TermPattern::fuzzy("ab", 9, false).distance_of(b"xyz"), None);
        for (len, fits) in [(FUZZY_CHARS_MAX, true), (FUZZY_CHARS_MAX + 1, false)] {
            let word = "é".repeat(len);
            let pattern = TermPattern::fuzzy(&word, 1, false);
            assert_eq!(pattern.distance_of(word.as_bytes()), Some(0));
            assert_eq!(pattern.distance_of((word + "e").as_bytes()).is_some(), fits, "{len}");
        }
    }

    #[test]
    fn a_mistyped_first_character_counts_as_two() {
        let distance = |pattern: &TermPattern, term: &str| pattern.distance_of(term.as_bytes());
        let short = TermPattern::typo("élan", 1, false);
        for (term, expected) in
            [("élan", Some(0)), ("élen", Some(1)), ("elan", None), ("lan", None), ("xélan", None)]
        {
            assert_eq!(distance(&short, term), expected, "{term}");
        }
        let long = TermPattern::typo("mountain", 2, false);
        for (term, expected) in [
            ("mountain", Some(0)),
            ("mountian", Some(1)),
            ("muntian", Some(2)),
            ("fountain", Some(2)),
            ("omuntain", Some(2)),
            ("fountian", None),
        ] {
            assert_eq!(distance(&long, term), expected, "{term}");
        }
        let prefix = TermPattern::typo("mountain", 2, true);
        assert_eq!(distance(&prefix, "mountiansides"), Some(1));
        assert_eq!(distance(&prefix, "fountains"), Some(2));
        assert_eq!(distance(&prefix, "fountians"), None);
        assert_eq!(distance(&TermPattern::typo("m", 0, true), "mountain"), Some(0));
        assert_ne!(long, TermPattern::fuzzy("mountain", 2, false));
    }

    #[test]
    fn characters_fit_the_pairs_that_they_are_in() {
        let water = TermPattern::character("水");
        let terms = ["水", "水道", "河水", "水水", "河川", "a水", "水a", "河水道", "", "water"];
        let expected = [true, true, true, true, false, false, false, false, false, false];
        assert_eq!(fits(&water, &terms), expected);
        // Marks belong to the character before them.
        let thai = TermPattern::character("น");
        assert_eq!(
            fits(&thai, &["น", "น้", "น้ำ", "นก", "กน", "ก้น", "กน้"]),
            [true, false, false, true, true, true, false]
        );
        assert_eq!(
            (water.as_character(), TermPattern::prefix("水").as_character()),
            (Some("水"), None)
        );
    }

    #[test]
    fn what_no_automaton_can_tell_is_refused_with_its_reason() {
        for (pattern, reason) in [
            ("(a", "unclosed group"),
            (r"\bgold", "nicode word bound"),
            (r"(\w{100}){100}", "limit"),
            ("a{2,1}", "invalid repetition"),
        ] {
            let error = TermPattern::regex(pattern).unwrap_err().to_string();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }
}
