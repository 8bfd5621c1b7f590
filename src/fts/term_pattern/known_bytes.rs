//! [`KnownBytes`]: which bytes stand at the end of every term that fits a pattern, or one behind the other somewhere in it, so that most
//! terms are refused by a look at them.
//!
//! Made from the expression of a wildcard or a regular expression; the walk over a dictionary asks before the automaton, which has to
//! read a term from its beginning. Invariant: a term that fits has these bytes. Cost: a look-up for one of its bytes, mostly, at the end; some
//! instructions for every five, elsewhere.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};

/// Bytes that are looked at, at most: most of what does not fit is refused by the first.
const BYTES_MAX: usize = 4;
/// Parts of an expression that are looked at for them.
const PARTS_MAX: usize = 64;
/// Bytes of a word of the processor.
const WORD: usize = 8;
/// 1 in each byte of a word.
const ONES: u64 = u64::MAX / 255;

/// What is known of terms that fit.
#[derive(Debug, Clone, Default)]
pub(in super::super) enum KnownBytes {
    #[default]
    Nothing,
    /// From the last byte of a term on, backwards, which ones may stand there.
    Ending(Vec<ByteSet>),
    /// Somewhere there stands one of each, in this order.
    Infix(Infix),
}

/// A bit for each byte.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct ByteSet([u64; 4]);

/// Bytes that stand behind each other, and such as differ from them in few bits.
#[derive(Debug, Clone)]
pub(in super::super) struct Infix {
    len: usize,
    /// Behind the last any byte.
    alike: [Alike; BYTES_MAX],
}

/// Bytes that are all bits of `value` once the bits of `ignored` are set, both in each byte of a word.
#[derive(Debug, Clone, Copy)]
struct Alike {
    ignored: u64,
    value: u64,
    /// Bits of a word that stand before the byte.
    shift: u8,
}

impl KnownBytes {
    /// What is known of all that `expression` matches. The end, where it is known, is the sooner looked at.
    pub(super) fn new(expression: &Hir) -> Self {
        let ending = known(ExtractKind::Suffix, expression);
        if !ending.is_empty() {
            return KnownBytes::Ending(ending);
        }
        let mut whole = expression;
        while let HirKind::Capture(capture) = whole.kind() {
            whole = &capture.sub;
        }
        let HirKind::Concat(parts) = whole.kind() else { return KnownBytes::Nothing };
        // Whatever follows a part begins where that part ends.
        let behind = |at: usize| {
            let next = parts.iter().skip(at).take(BYTES_MAX).cloned().collect();
            Infix::new(&known(ExtractKind::Prefix, &Hir::concat(next)))
        };
        let infixes = (1..parts.len().min(PARTS_MAX)).map(behind);
        let most_telling = infixes.max_by_key(Infix::telling);
        most_telling.map_or(KnownBytes::Nothing, KnownBytes::Infix).or_nothing()
    }

    /// Leaves out from where one of these bytes may stand on.
    pub(in super::super) fn without(&self, bytes: &[u8]) -> Self {
        let before = |has: &dyn Fn(u8) -> bool| bytes.iter().all(|&byte| !has(byte));
        match self {
            KnownBytes::Nothing => KnownBytes::Nothing,
            KnownBytes::Ending(sets) => {
                let kept = sets.iter().take_while(|set| before(&|byte| set.contains(byte)));
                KnownBytes::Ending(kept.copied().collect()).or_nothing()
            }
            KnownBytes::Infix(infix) => {
                let has_none = |alike: &&Alike| before(&|byte| alike.contains(byte));
                let len = infix.bytes().iter().take_while(has_none).count();
                KnownBytes::Infix(infix.first(len)).or_nothing()
            }
        }
    }

    fn or_nothing(self) -> Self {
        let is_nothing = match &self {
            KnownBytes::Nothing => true,
            KnownBytes::Ending(sets) => sets.is_empty(),
            KnownBytes::Infix(infix) => infix.len == 0,
        };
        if is_nothing { KnownBytes::Nothing } else { self }
    }
}

/// Whether a term that fits may end as `term` does, where these are the bytes of its end.
pub(in super::super) fn ends_with(term: &[u8], ending: &[ByteSet]) -> bool {
    ending.iter().zip(term.iter().rev()).all(|(set, &byte)| set.contains(byte))
}

/// Which bytes all begin or end with that an expression matches; none where that is anything.
fn known(kind: ExtractKind, expression: &Hir) -> Vec<ByteSet> {
    let is_ending = matches!(kind, ExtractKind::Suffix);
    let found = Extractor::new().kind(kind).extract(expression);
    let Some(literals) = found.literals() else { return Vec::new() };
    let len = found.min_literal_len().unwrap_or_default().min(BYTES_MAX);
    let mut sets = vec![ByteSet::default(); len];
    for literal in literals {
        let bytes = literal.as_bytes();
        for (place, set) in sets.iter_mut().enumerate() {
            set.insert(bytes[if is_ending { bytes.len() - 1 - place } else { place }]);
        }
    }
    sets
}

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }
}

impl Infix {
    fn new(sets: &[ByteSet]) -> Self {
        let mut alike = [Alike::ANY; BYTES_MAX];
        for ((alike, set), shift) in alike.iter_mut().zip(sets).zip((0..).step_by(8)) {
            *alike = Alike::of(set, shift);
        }
        Infix { len: sets.len(), alike }
    }

    /// The first bytes of it.
    fn first(&self, len: usize) -> Self {
        let mut alike = [Alike::ANY; BYTES_MAX];
        alike[..len].copy_from_slice(&self.alike[..len]);
        Infix { len, alike }
    }

    fn bytes(&self) -> &[Alike] {
        &self.alike[..self.len]
    }

    /// How many bits are known.
    fn telling(&self) -> u32 {
        self.bytes().iter().map(|alike| alike.ignored.count_zeros() / 8).sum()
    }

    /// Where the first one ends. It is known that none ends before `from`.
    #[inline]
    pub(in super::super) fn end_in(&self, term: &[u8], from: usize) -> Option<usize> {
        let last = term.len().saturating_sub(WORD);
        let mut at = from.saturating_sub(self.len).min(last);
        loop {
            let word = match term.get(at..).and_then(<[u8]>::first_chunk) {
                Some(word) => u64::from_le_bytes(*word),
                // A term that is shorter; no byte of it is what stands behind it here.
                None => term.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
            };
            let found = self.alike.iter().fold(u64::MAX, |found, alike| found & alike.places(word));
            if found != 0 {
                return Some(at + found.trailing_zeros() as usize / 8 + self.len);
            }
            if at == last {
                return None;
            }
            at = (at + WORD + 1 - self.len).min(last);
        }
    }
}

impl Alike {
    const ANY: Alike = Alike { ignored: u64::MAX, value: u64::MAX, shift: 0 };

    /// The bytes of a set, and those that differ from one in no other bit than they do from each other.
    fn of(set: &ByteSet, shift: u8) -> Self {
        let bytes = || (0..=u8::MAX).filter(|&byte| set.contains(byte));
        let any = bytes().fold(0, |any, byte| any | byte);
        let all = bytes().fold(u8::MAX, |all, byte| all & byte);
        Alike { ignored: u64::from(any & !all) * ONES, value: u64::from(any) * ONES, shift }
    }

    fn contains(&self, byte: u8) -> bool {
        self.found_in(u64::from(byte)) & 0x80 != 0
    }

    /// The highest bit of each byte of a word that is one.
    #[inline]
    fn found_in(&self, word: u64) -> u64 {
        const LOW: u64 = ONES * 0x7F;
        let other = (word | self.ignored) ^ self.value;
        !(((other & LOW) + LOW) | other | LOW)
    }

    /// The highest bit of each byte of a word from which on one stands where it has to.
    #[inline]
    fn places(&self, word: u64) -> u64 {
        self.found_in(word) >> self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::super::TermPattern;
    use super::*;

    /// How many bytes are known at the end and elsewhere.
    fn known_len(pattern: &TermPattern) -> (usize, usize) {
        match pattern.known() {
            KnownBytes::Nothing => (0, 0),
            KnownBytes::Ending(sets) => (sets.len(), 0),
            KnownBytes::Infix(infix) => (0, infix.len),
        }
    }

    fn has_known(pattern: &TermPattern, term: &[u8]) -> bool {
        match pattern.known() {
            KnownBytes::Nothing => true,
            KnownBytes::Ending(sets) => ends_with(term, sets),
            KnownBytes::Infix(infix) => infix.end_in(term, 0).is_some(),
        }
    }

    #[test]
    fn whatever_fits_has_the_bytes_that_are_known() {
        let terms = [
            "", "g", "berg", "Berg", "eisberg", "bergs", "gold", "é", "né", "水", "a\u{1}",
            "bbergx", "abcxberz",
        ];
        for (pattern, known) in [
            (TermPattern::wildcard("*berg"), (4, 0)),
            (TermPattern::wildcard("*eisberg"), (4, 0)),
            (TermPattern::wildcard("*é"), (2, 0)),
            (TermPattern::wildcard("g*"), (0, 0)),
            (TermPattern::wildcard("*ber?"), (0, 3)),
            (TermPattern::wildcard("*e*ber*"), (0, 3)),
            (TermPattern::wildcard("*水*"), (0, 3)),
            (TermPattern::wildcard("?"), (0, 0)),
            (TermPattern::wildcard(""), (0, 0)),
            (TermPattern::regex(".*berg"), (4, 0)),
            (TermPattern::regex("(eis)?berg"), (4, 0)),
            (TermPattern::regex(".*(berg|old|s)"), (1, 0)),
            (TermPattern::regex(".*(ber|old).*"), (0, 3)),
            (TermPattern::regex("(.*be+r.*)"), (0, 2)),
            (TermPattern::regex(".*(berg)*.*"), (0, 0)),
            (TermPattern::regex(".*berg|"), (0, 0)),
            (TermPattern::regex("[a-z]+g"), (1, 0)),
            (TermPattern::regex("a\u{1}$"), (2, 0)),
        ] {
            let pattern = pattern.unwrap();
            assert_eq!(known_len(&pattern), known, "{pattern:?}");
            for term in terms {
                let fits = pattern.distance_of(term.as_bytes()).is_some();
                assert!(has_known(&pattern, term.as_bytes()) || !fits, "{pattern:?}: {term}");
            }
        }
        let berg = TermPattern::wildcard("*berg").unwrap();
        let refused = ["g", "erg", "eisbergs", "gold", "birg", ""];
        let found = refused.map(|term| has_known(&berg, term.as_bytes()));
        // Those that are too short are left to the automaton.
        assert_eq!(found, [true, true, false, false, false, true]);
        assert!(berg.is_open() && !TermPattern::wildcard("??b*").unwrap().is_open());
        for (pattern, left) in [("*a\u{1}b", 1), ("*ab\u{1}*", 2), ("*\u{1}*", 0)] {
            let pattern = TermPattern::wildcard(pattern).unwrap();
            let left_len = match pattern.known().without(&[0, 1]) {
                KnownBytes::Nothing => 0,
                KnownBytes::Ending(sets) => sets.len(),
                KnownBytes::Infix(infix) => infix.len,
            };
            assert_eq!(left_len, left, "{pattern:?}");
        }
    }

    #[test]
    fn long_patterns_are_looked_at_as_far_as_pays() {
        // The automaton would be too large; this is asked before that is known.
        let infix_len = |middle: &str| {
            let expression = regex_syntax::parse(&format!(".*x{middle}berg.*")).unwrap();
            match KnownBytes::new(&expression) {
                KnownBytes::Infix(infix) => infix.len,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(infix_len(&".".repeat(20)), 4);
        // What tells most is among the first parts, or is not looked for.
        assert_eq!(infix_len(&".".repeat(100_000)), 1);
        assert_eq!(infix_len(&r"\pL".repeat(1_000)), 1);
    }

    #[test]
    fn the_first_infix_is_found() {
        let mut rng = fastrand::Rng::with_seed(4);
        for (pattern, fits) in [
            ("*ber*", (|bytes| bytes == b"ber") as fn(&[u8]) -> bool),
            ("*\u{7f}*", |bytes| bytes == b"\x7F"),
            ("*b?*", |bytes| bytes[0] == b'b'),
            ("*rebe*", |bytes| bytes == b"rebe"),
            ("*é*", |bytes| bytes == "é".as_bytes()),
        ] {
            let pattern = TermPattern::wildcard(pattern).unwrap();
            let KnownBytes::Infix(infix) = pattern.known() else { panic!("{pattern:?}") };
            let mut found = 0;
            for _ in 0..3_000 {
                let letters = [b'b', b'e', b'r', 0x7F, 0xC3, 0xA9, 0xFF, 0x62 ^ 0x80];
                let term: Vec<u8> =
                    (0..rng.usize(..24)).map(|_| *rng.choice(&letters[..]).unwrap()).collect();
                let ends = term.windows(infix.len).position(fits).map(|at| at + infix.len);
                // None ends before.
                let from = rng.usize(..=ends.unwrap_or(term.len()));
                assert_eq!(infix.end_in(&term, from), ends, "{term:x?} from {from}");
                found += usize::from(ends.is_some());
            }
            assert!(found > 3, "{pattern:?} found {found} times");
        }
    }

    #[test]
    fn what_is_like_a_set_has_all_of_it() {
        let regex = TermPattern::regex(".*[ab][0-3]x.*").unwrap();
        let KnownBytes::Infix(infix) = regex.known() else { panic!("{:?}", regex.known()) };
        let like = |place: usize| -> Vec<u8> {
            (0..=u8::MAX).filter(|&byte| infix.alike[place].contains(byte)).collect()
        };
        // Case makes no difference.
        assert_eq!(like(0), b"@ABC`abc");
        assert_eq!(like(1), b"0123");
        assert_eq!(like(2), b"Xx");
        assert_eq!(infix.telling(), 5 + 6 + 7);
    }
}
