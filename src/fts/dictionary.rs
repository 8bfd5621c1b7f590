//! The dictionary of a field: its terms in the order of their bytes, walked by an automaton.
//!
//! The sorted keys of the text keyspace are the dictionary, in all runs and pending writes at once. The reader walks it for
//! patterns. Where an automaton has no way ahead, the walk leaps to the next term that may fit; states of what two neighbours
//! begin with are kept. Invariant: every term that fits is visited once, in order. Cost: a step for each entry that may fit, some
//! tens of nanoseconds, and a look-up for each leap.

use super::error::Result;
use super::ids::FieldId;
use super::keyspace;
use super::term::TermPostings;
use super::term_pattern::{TermPattern, TermState};
use crate::lsm::{Cursor, Seek};

/// Steps to entries that follow, before a look-up leaps over all that cannot fit.
const STEPS_BEFORE_LEAP: usize = 4;

/// Is shown a term that fits, how far it is from what was asked for, and its postings.
pub type TermVisitor<'v> = dyn FnMut(&[u8], u8, TermPostings) -> Result<()> + 'v;

/// Passes the terms of `field` that fit `pattern` to `visit`, those included that no live document holds.
pub(super) fn each_term(
    cursor: &mut Cursor<'_>,
    field: FieldId,
    pattern: &TermPattern,
    visit: &mut TermVisitor<'_>,
) -> Result<()> {
    let mut path = Path { pattern, term: Vec::new(), states: vec![pattern.start()] };
    let of_field = keyspace::field_prefix(field);
    let mut valid = cursor.seek(&of_field, Seek::Ge)?;
    while valid && cursor.key().starts_with(&of_field) {
        let term = keyspace::decode(cursor.key())?.term;
        if !path.follow(&term) {
            let Some(next) = path.next_that_may_fit() else { return Ok(()) };
            let mut key = keyspace::term_prefix(field, &next);
            // Without the end of the term, so that longer terms follow it too.
            key.truncate(key.len() - keyspace::TERMINATOR_LEN);
            valid = leap(cursor, &key)?;
            continue;
        }
        if let Some(distance) = path.distance() {
            let (term, prefix) = (term.to_vec(), keyspace::term_prefix(field, &term));
            let postings = TermPostings::read(cursor, &prefix)?;
            visit(&term, distance, postings)?;
            valid = cursor.valid();
        } else {
            // What the term has in other chunks is passed over in the same way.
            valid = cursor.next()?;
        }
    }
    Ok(())
}

/// Goes to the first entry at or behind `key`, which lies ahead.
fn leap(cursor: &mut Cursor<'_>, key: &[u8]) -> Result<bool> {
    for _ in 0..STEPS_BEFORE_LEAP {
        if !cursor.next()? {
            return Ok(false);
        }
        if cursor.key() >= key {
            return Ok(true);
        }
    }
    Ok(cursor.seek(key, Seek::Ge)?)
}

/// A term, and the states of an automaton in front of each of its bytes, as far as it can match.
struct Path<'p> {
    pattern: &'p TermPattern,
    term: Vec<u8>,
    states: Vec<TermState>,
}

impl Path<'_> {
    /// Goes along `term`; whether the automaton can match to its end.
    fn follow(&mut self, term: &[u8]) -> bool {
        let same = self.term.iter().zip(term).take_while(|(old, new)| old == new).count();
        self.states.truncate(same + 1);
        self.term.clear();
        self.term.extend_from_slice(term);
        while let (Some(&state), Some(&byte)) =
            (self.states.last(), term.get(self.states.len() - 1))
        {
            let state = self.pattern.step(state, byte);
            if !self.pattern.can_match(state) {
                return false;
            }
            self.states.push(state);
        }
        true
    }

    fn distance(&self) -> Option<u8> {
        self.states.last().and_then(|&state| self.pattern.distance(state))
    }

    /// The least beginning of a term behind this one that the automaton does not refuse.
    fn next_that_may_fit(&self) -> Option<Vec<u8>> {
        let known = self.states.iter().zip(&self.term).enumerate().rev();
        for (at, (&state, &byte)) in known {
            let next = (byte..=u8::MAX).skip(1);
            let mut alive =
                next.filter(|&next| self.pattern.can_match(self.pattern.step(state, next)));
            if let Some(next) = alive.next() {
                let mut beginning = self.term[..at].to_vec();
                beginning.push(next);
                return Some(beginning);
            }
        }
        None
    }
}
