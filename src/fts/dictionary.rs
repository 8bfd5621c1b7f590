//! The dictionary of a field: its terms in the order of their bytes, walked by an automaton.
//!
//! The reader walks it for patterns. Large segments list what their groups are called, which is all that a walk reads of them; of all other
//! runs and of pending writes, and where terms that fit stand close together, the sorted keys are the dictionary. Where an automaton has no
//! way ahead, the walk leaps to the next term that may fit; states of what two neighbours begin with are kept. Where it has one nearly
//! always, bytes that every term that fits has are looked for first. What fits is looked up among the living entries, so that lists cannot disagree with
//! postings. Invariant: every term that fits and has an entry is visited once, in order. Cost: some tens of nanoseconds for each term that
//! may fit, and a look-up for each leap and each term that does.

use super::error::Result;
use super::ids::FieldId;
use super::keyspace::{self, TermPiece};
use super::term::TermPostings;
use super::term_pattern::{KnownBytes, TermPattern, TermTrail, ends_with};
use crate::lsm::{self, Cursor, KeyspaceId, Look, NameCursor, NameFilter, Reader, Seek};

/// Keys that are refused one after the other, before a look-up leaps over all that cannot fit.
const KEYS_BEFORE_LEAP: usize = 4;

/// The same, of listed names: passing over one costs a tenth. Tests leap often.
const NAMES_BEFORE_LEAP: usize = if cfg!(test) { 2 } else { 64 };

/// Is shown a term that fits, how far it is from what was asked for, and its postings.
pub type TermVisitor<'v> = dyn FnMut(&[u8], u8, TermPostings) -> Result<()> + 'v;

/// Passes the terms of `field` in the text keyspace `text` that fit `pattern` to `visit`, those included that no live document holds.
pub(super) fn each_term(
    reader: &dyn Reader,
    text: KeyspaceId,
    (field, pattern): (FieldId, &TermPattern),
    visit: &mut TermVisitor<'_>,
) -> Result<()> {
    let from = keyspace::field_prefix(field);
    let filter = || -> Box<dyn NameFilter + '_> {
        Box::new(TermFilter::new(field, pattern, NAMES_BEFORE_LEAP))
    };
    let mut walk = Walk { cursor: reader.cursor(text)?, pattern, visit };
    // Where they stand close together, to pass over the others saves less than to look up those that fit costs.
    let names = if pattern.is_narrow() { None } else { reader.names(text, &from, &filter)? };
    match names {
        Some(names) => walk.listed(names),
        None => walk.by_keys(&from, TermFilter::new(field, pattern, KEYS_BEFORE_LEAP)),
    }
}

/// Shows the terms whose names are found.
struct Walk<'r, 'w, 'v> {
    /// Over the living entries.
    cursor: Cursor<'r>,
    pattern: &'w TermPattern,
    visit: &'w mut TermVisitor<'v>,
}

impl Walk<'_, '_, '_> {
    fn listed(&mut self, mut names: NameCursor<'_>) -> Result<()> {
        let mut valid = match names.next_name()? {
            Some(name) => self.cursor.seek(name, Seek::Ge)? && self.show(name)?,
            None => return Ok(()),
        };
        while valid && let Some(name) = names.next_name()? {
            valid = go_on(&mut self.cursor, name)? && self.show(name)?;
        }
        Ok(())
    }

    fn by_keys(&mut self, from: &[u8], mut filter: TermFilter<'_>) -> Result<()> {
        let mut before = Vec::new();
        let mut valid = self.cursor.seek(from, Seek::Ge)?;
        while valid {
            let key = self.cursor.key();
            let shared = key.iter().zip(&before).take_while(|(new, old)| new == old).count();
            before.truncate(shared);
            before.extend_from_slice(key.get(shared..).unwrap_or_default());
            valid = match filter.look(&before, shared)? {
                Look::Take(len) => self.show(before.get(..len).unwrap_or(&before))?,
                Look::Pass => self.cursor.next()?,
                Look::Leap(key) => self.cursor.seek(&key, Seek::Ge)?,
                Look::End => false,
            };
        }
        Ok(())
    }

    /// Shows the term called `name`, if the cursor stands on an entry of it, which it then goes behind. Whether there are more entries.
    fn show(&mut self, name: &[u8]) -> Result<bool> {
        if self.cursor.key().starts_with(name) {
            let term = keyspace::decode_name(name)?;
            let postings = TermPostings::read(&mut self.cursor, name)?;
            if let Some(distance) = self.pattern.distance_of(&term) {
                (self.visit)(&term, distance, postings)?;
            }
        }
        Ok(self.cursor.valid())
    }
}

/// Goes to the first entry at or behind `key`, which does not lie behind the cursor.
fn go_on(cursor: &mut Cursor<'_>, key: &[u8]) -> Result<bool> {
    for _ in 0..KEYS_BEFORE_LEAP {
        if cursor.key() >= key {
            return Ok(true);
        }
        if !cursor.next()? {
            return Ok(false);
        }
    }
    Ok(cursor.key() >= key || cursor.seek(key, Seek::Ge)?)
}

/// Takes the names of terms that fit. Each term is told once, also where it has several keys.
struct TermFilter<'p> {
    of_field: [u8; 2],
    /// Along what the last key has behind the field, as far as the automaton can match; the end of its term left out.
    trail: TermTrail<'p>,
    /// Whether the last key was followed to where the trail ends, so that no key fits that goes on as that one did.
    is_followed: bool,
    /// Bytes of terms that fit, as they stand in keys; nothing where the automaton refuses many before.
    known: KnownBytes,
    /// Where the first ones end in the last key, if they may stand anywhere.
    infix_end: Option<usize>,
    /// Keys that were refused one after the other, and how many are before a leap.
    refused: usize,
    before_leap: usize,
}

/// What a filter knows of a term.
enum Found {
    /// It fits; its name, without the field, has so many bytes.
    Fit(usize),
    NoFit,
    /// No term that begins so fits.
    Refused,
}

impl<'p> TermFilter<'p> {
    fn new(field: FieldId, pattern: &'p TermPattern, before_leap: usize) -> Self {
        let (of_field, trail) = (keyspace::field_prefix(field), TermTrail::new(pattern));
        // Elsewhere leaps save more.
        let known = if pattern.is_open() { pattern.known() } else { &KnownBytes::Nothing };
        let (known, infix_end) = (known.without(&keyspace::ESCAPED_BYTES), None);
        TermFilter {
            of_field,
            trail,
            is_followed: false,
            known,
            infix_end,
            refused: 0,
            before_leap,
        }
    }

    /// Whether a key lacks the bytes that are known of terms that fit. It has so many as `same` in common with the one before.
    fn lacks_known(&mut self, term: &[u8], same: usize) -> bool {
        match &self.known {
            KnownBytes::Nothing => false,
            KnownBytes::Ending(ending) => !ends_with(keyspace::escaped_term(term), ending),
            KnownBytes::Infix(infix) => {
                if self.infix_end.is_none_or(|end| end > same) {
                    // None ends in what both begin with.
                    self.infix_end = infix.end_in(term, same + 1);
                }
                self.infix_end.is_none()
            }
        }
    }

    /// Goes along what stands behind the field, from where the trail ends.
    fn follow(&mut self, term: &[u8]) -> lsm::Result<Found> {
        let mut ends = false;
        while !ends {
            let piece = keyspace::term_piece(term, self.trail.len())?;
            ends = matches!(piece, TermPiece::LastBytes(_) | TermPiece::End);
            let has_way = match piece {
                TermPiece::Bytes(bytes) | TermPiece::LastBytes(bytes) => self.trail.follow(bytes),
                // What it means is known with the next byte.
                TermPiece::Escape => {
                    self.trail.stay();
                    true
                }
                TermPiece::Escaped(byte) => self.trail.follow(&[byte]),
                TermPiece::End => true,
            };
            if !has_way {
                return Ok(Found::Refused);
            }
        }
        Ok(if self.trail.fits() { Found::Fit(self.trail.len() + 1) } else { Found::NoFit })
    }

    /// The next term that may fit behind `term`, at which the automaton had no way ahead.
    fn leap(&self, term: &[u8]) -> Look {
        let known = term.iter().enumerate().take(self.trail.len() + 1).rev();
        for (at, &byte) in known {
            let mut next = keyspace::term_bytes_behind(term, at, byte);
            if let Some((next, _)) = next.find(|&(_, read)| self.trail.has_way(at, read)) {
                let mut key = self.of_field.to_vec();
                key.extend(term.iter().take(at));
                key.push(next);
                return Look::Leap(key);
            }
        }
        Look::End
    }
}

impl NameFilter for TermFilter<'_> {
    fn look(&mut self, key: &[u8], shared: usize) -> lsm::Result<Look> {
        let Some(term) = key.strip_prefix(&self.of_field) else { return Ok(Look::End) };
        let same = shared.saturating_sub(self.of_field.len());
        if same <= self.trail.len() {
            self.trail.truncate(same);
            self.is_followed = false;
        }
        // Where to leap to is known to the automaton alone, so that it is shown one of some that lack them.
        if self.lacks_known(term, same) && self.refused + 1 < self.before_leap {
            self.refused += 1;
            return Ok(Look::Pass);
        }
        if !std::mem::replace(&mut self.is_followed, true) {
            match self.follow(term)? {
                Found::Fit(len) => {
                    self.refused = 0;
                    return Ok(Look::Take(self.of_field.len() + len));
                }
                Found::NoFit => {
                    self.refused = 0;
                    return Ok(Look::Pass);
                }
                Found::Refused => {}
            }
        }
        self.refused += 1;
        if self.refused < self.before_leap {
            return Ok(Look::Pass);
        }
        self.refused = 0;
        Ok(self.leap(term))
    }
}

#[cfg(test)]
mod tests;
