//! [`TermEnding`]: which bytes stand at the end of every term that fits a pattern, so that most terms are refused by a look at it.
//!
//! Made from the expression of a wildcard or a regular expression; the walk over a dictionary asks it before the automaton, which has to
//! read a term from its beginning. Invariant: a term that fits has such an end. Cost: a look-up for one of its bytes, mostly.

use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{ExtractKind, Extractor};

/// Bytes that are looked at, at most: most of what does not fit is refused by the first.
const BYTES_MAX: usize = 4;

/// From the last byte of a term on, backwards, which ones may stand there.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct TermEnding(Vec<ByteSet>);

/// A bit for each byte.
#[derive(Debug, Clone, Copy, Default)]
struct ByteSet([u64; 4]);

impl TermEnding {
    /// The end of all that `expression` matches.
    pub(super) fn new(expression: &Hir) -> Self {
        let found = Extractor::new().kind(ExtractKind::Suffix).extract(expression);
        let Some(literals) = found.literals() else { return TermEnding::default() };
        let len = found.min_literal_len().unwrap_or_default().min(BYTES_MAX);
        let mut sets = vec![ByteSet::default(); len];
        for literal in literals {
            for (set, &byte) in sets.iter_mut().zip(literal.as_bytes().iter().rev()) {
                set.insert(byte);
            }
        }
        TermEnding(sets)
    }

    /// Leaves out from where one of these bytes may stand on.
    pub(in super::super) fn without(&self, bytes: &[u8]) -> Self {
        let has_none = |set: &&ByteSet| bytes.iter().all(|&byte| !set.contains(byte));
        TermEnding(self.0.iter().take_while(has_none).copied().collect())
    }

    /// Whether nothing is known of it.
    pub(in super::super) fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a term that fits may end as `term` does.
    pub(in super::super) fn fits(&self, term: &[u8]) -> bool {
        self.0.iter().zip(term.iter().rev()).all(|(set, &byte)| set.contains(byte))
    }
}

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::TermPattern;

    #[test]
    fn whatever_fits_has_the_end_that_is_known() {
        let terms =
            ["", "g", "berg", "Berg", "eisberg", "bergs", "gold", "é", "né", "水", "a\u{1}"];
        for (pattern, known) in [
            (TermPattern::wildcard("*berg"), 4),
            (TermPattern::wildcard("*eisberg"), 4),
            (TermPattern::wildcard("*é"), 2),
            (TermPattern::wildcard("g*"), 0),
            (TermPattern::wildcard("*ber?"), 0),
            (TermPattern::wildcard("?"), 0),
            (TermPattern::wildcard(""), 0),
            (TermPattern::regex(".*berg"), 4),
            (TermPattern::regex("(eis)?berg"), 4),
            (TermPattern::regex(".*(berg|old|s)"), 1),
            (TermPattern::regex(".*berg|"), 0),
            (TermPattern::regex("[a-z]+g"), 1),
            (TermPattern::regex("a\u{1}$"), 2),
        ] {
            let pattern = pattern.unwrap();
            assert_eq!(pattern.ending().0.len(), known, "{pattern:?}");
            for term in terms {
                let fits = pattern.distance_of(term.as_bytes()).is_some();
                assert!(pattern.ending().fits(term.as_bytes()) || !fits, "{pattern:?}: {term}");
            }
        }
        let berg = TermPattern::wildcard("*berg").unwrap();
        let refused = ["g", "erg", "eisbergs", "gold", "birg", ""];
        let fits = refused.map(|term| berg.ending().fits(term.as_bytes()));
        // Those that are too short are left to the automaton.
        assert_eq!(fits, [true, true, false, false, false, true]);
        assert!(berg.is_open() && !TermPattern::wildcard("??b*").unwrap().is_open());
        let escaped = TermPattern::wildcard("*a\u{1}b").unwrap();
        assert_eq!(escaped.ending().without(&[0, 1]).0.len(), 1);
    }
}
