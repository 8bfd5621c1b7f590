//! [`TermTrail`]: the states that a pattern has in front of each byte of a term, so that what two neighbours begin with is read once.
//!
//! The dictionary keeps one while it walks sorted terms. What an automaton is, is asked once for all bytes that a term adds, and states
//! take no more room than its kind needs: most bytes of a dictionary are read here. Invariant: there is at least one state, the first
//! is that of an empty term. Cost: a look-up a byte that is added; cutting off costs nothing.

use levenshtein_automata::{DFA as FuzzyDfa, SINK_STATE};
use regex_automata::dfa::{Automaton, dense};
use regex_automata::util::primitives::StateID;

use super::{First, Source, State, TermAutomaton, TermPattern, TermState};

/// States behind each other.
pub(in super::super) struct TermTrail<'p> {
    pattern: &'p TermPattern,
    states: States<'p>,
}

enum States<'p> {
    Regex(&'p dense::DFA<Vec<u32>>, Vec<StateID>),
    Fuzzy(&'p FuzzyDfa, Vec<(u32, First)>),
    Other(Vec<TermState>),
}

impl<'p> TermTrail<'p> {
    /// The trail of an empty term.
    pub(in super::super) fn new(pattern: &'p TermPattern) -> Self {
        let states = match (&pattern.automaton, pattern.start()) {
            (TermAutomaton::Regex(dfa, _), TermState(State::Regex(start), _)) => {
                States::Regex(dfa, vec![start])
            }
            (TermAutomaton::Fuzzy(dfa), TermState(State::Fuzzy(start), first)) => {
                States::Fuzzy(dfa, vec![(start, first)])
            }
            (_, start) => States::Other(vec![start]),
        };
        TermTrail { pattern, states }
    }

    /// How many bytes were followed.
    pub(in super::super) fn len(&self) -> usize {
        let states = match &self.states {
            States::Regex(_, states) => states.len(),
            States::Fuzzy(_, states) => states.len(),
            States::Other(states) => states.len(),
        };
        states - 1
    }

    /// Goes back to where `len` bytes were followed, if there were more.
    pub(in super::super) fn truncate(&mut self, len: usize) {
        match &mut self.states {
            States::Regex(_, states) => states.truncate(len + 1),
            States::Fuzzy(_, states) => states.truncate(len + 1),
            States::Other(states) => states.truncate(len + 1),
        }
    }

    /// Goes along `bytes`, as far as some term may lie ahead; whether that is to their end.
    pub(in super::super) fn follow(&mut self, bytes: &[u8]) -> bool {
        let pattern = self.pattern;
        match &mut self.states {
            States::Regex(dfa, states) => along(states, bytes, |at, byte| {
                Some(dfa.next_state(at, byte)).filter(|&at| !dfa.is_dead_state(at))
            }),
            States::Fuzzy(dfa, states) => {
                if states.last().is_some_and(|&(_, first)| is_settled(pattern, first)) {
                    return along(states, bytes, |(at, first), byte| {
                        Some((dfa.transition(at, byte), first)).filter(|&(at, _)| at != SINK_STATE)
                    });
                }
                along(states, bytes, |(at, first), byte| {
                    let (at, first) = (dfa.transition(at, byte), pattern.first_after(first, byte));
                    pattern.can_match(TermState(State::Fuzzy(at), first)).then_some((at, first))
                })
            }
            States::Other(states) => along(states, bytes, |at, byte| {
                Some(pattern.step(at, byte)).filter(|&at| pattern.can_match(at))
            }),
        }
    }

    /// Adds a byte that changes nothing.
    pub(in super::super) fn stay(&mut self) {
        match &mut self.states {
            States::Regex(_, states) => states.extend_from_within(states.len() - 1..),
            States::Fuzzy(_, states) => states.extend_from_within(states.len() - 1..),
            States::Other(states) => states.extend_from_within(states.len() - 1..),
        }
    }

    /// Whether the term fits that ends here.
    pub(in super::super) fn fits(&self) -> bool {
        match &self.states {
            States::Regex(dfa, states) => {
                states.last().is_some_and(|&at| dfa.is_match_state(dfa.next_eoi_state(at)))
            }
            _ => self.pattern.distance(self.state(self.len())).is_some(),
        }
    }

    /// Whether some term may lie ahead that goes on with `byte` behind the first `len` bytes.
    pub(in super::super) fn has_way(&self, len: usize, byte: u8) -> bool {
        self.pattern.can_match(self.pattern.step(self.state(len), byte))
    }

    /// The state behind the first `len` bytes.
    fn state(&self, len: usize) -> TermState {
        match &self.states {
            States::Regex(_, states) => TermState(State::Regex(states[len]), First::Met(0)),
            States::Fuzzy(_, states) => TermState(State::Fuzzy(states[len].0), states[len].1),
            States::Other(states) => states[len],
        }
    }
}

/// Whether no further byte changes how a term begins.
fn is_settled(pattern: &TermPattern, first: First) -> bool {
    match (&pattern.source, first) {
        (Source::Fuzzy { text, first_counts_twice: true, .. }, First::Met(met)) => {
            usize::from(met) >= text.chars().next().map_or(0, char::len_utf8)
        }
        _ => true,
    }
}

/// Steps along `bytes` from the last of `states`, and adds the state behind each, as far as there is a way; whether that is to the end.
fn along<S: Copy>(states: &mut Vec<S>, bytes: &[u8], step: impl Fn(S, u8) -> Option<S>) -> bool {
    let Some(mut at) = states.last().copied() else { return false };
    bytes.iter().all(|&byte| {
        let next = step(at, byte);
        if let Some(next) = next {
            at = next;
            states.push(next);
        }
        next.is_some()
    })
}
