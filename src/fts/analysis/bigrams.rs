//! Overlapping pairs of characters for scripts that put no space between words.
//!
//! Used by [`Analyzer`](super::Analyzer) for what UAX #29 cannot cut into words without a
//! dictionary: Han, Hiragana and Katakana (one run together, since Japanese mixes them), Thai, Lao,
//! Khmer and Myanmar (a run each). Hangul has spaces, so its syllables are paired only where the language is Korean, whose particles
//! hang on words without one.
//!
//! ```text
//! 東京都 に → units 東 京 都 | に      terms 東京 (position 0) 京都 (1) に (2)
//! ```
//! A unit is a base character with its marks, normalised; a run of n ≥ 2 units gives n − 1 pairs at
//! consecutive positions, a lone unit itself. So a quoted phrase of two or more characters matches
//! exactly where the characters stand together, and a text is as long as its characters. The price:
//! one character alone is a term only where it stands alone; a query looks for it in all pairs.
//!
//! The ranges are written out rather than taken from a table of scripts, so that no update of a
//! crate changes an index. Invariants: at most two units are held, so memory does not grow with the
//! run; a unit has at most 127 bytes, so a pair fits into a term. Cost: O(1) a character.

use unicode_normalization::char::is_combining_mark;

use super::normalize::is_ignored_by_default;

/// Longest unit; half of [`TERM_BYTES_MAX`](super::TERM_BYTES_MAX), rounded down.
pub(super) const UNIT_BYTES_MAX: usize = 127;

/// A script, or a family of them, whose characters run together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Script {
    /// Han, Hiragana, Katakana.
    Cjk,
    Thai,
    Lao,
    Khmer,
    Myanmar,
    Hangul,
}

/// Which scripts are indexed by pairs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scripts {
    /// Whether Hangul is.
    pub(super) hangul: bool,
}

impl Scripts {
    /// The script of a base character that is indexed by pairs; digits, punctuation and marks of those
    /// scripts are not.
    #[inline]
    pub(super) fn of(self, c: char) -> Option<Script> {
        // Thai is the first block of them.
        if c <= '\u{E00}' {
            return None;
        }
        if self.hangul && matches!(c, '\u{1100}'..='\u{115E}' | '가'..='힣') {
            return Some(Script::Hangul);
        }
        script_by_range(c).filter(|_| !is_combining_mark(c))
    }

    /// Whether `c` belongs to the character before it: marks, what Unicode ignores by default, the
    /// half-width voicing signs, which are letters by name only, and vowels and finals of a syllable.
    #[inline]
    pub(super) fn continues_unit(self, c: char) -> bool {
        is_combining_mark(c)
            || is_ignored_by_default(c)
            || matches!(c, '\u{FF9E}' | '\u{FF9F}')
            || self.hangul && matches!(c, '\u{1161}'..='\u{11FF}')
    }
}

fn script_by_range(c: char) -> Option<Script> {
    match c {
        '\u{E01}'..='\u{E3A}' | '\u{E40}'..='\u{E4E}' => Some(Script::Thai),
        '\u{E81}'..='\u{EBD}' | '\u{EC0}'..='\u{ECE}' | '\u{EDC}'..='\u{EDF}' => Some(Script::Lao),
        '\u{1000}'..='\u{103F}'
        | '\u{1050}'..='\u{108F}'
        | '\u{109A}'..='\u{109D}'
        | '\u{A9E0}'..='\u{A9EF}'
        | '\u{A9FA}'..='\u{A9FE}'
        | '\u{AA60}'..='\u{AA7F}' => Some(Script::Myanmar),
        '\u{1780}'..='\u{17D3}' | '\u{17D7}' | '\u{17DC}'..='\u{17DD}' => Some(Script::Khmer),
        '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{3029}'
        | '\u{3031}'..='\u{3035}'
        | '\u{3038}'..='\u{303B}'
        | '\u{3041}'..='\u{3096}'
        | '\u{309D}'..='\u{309F}'
        | '\u{30A1}'..='\u{30FA}'
        | '\u{30FC}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9D}'
        | '\u{1B000}'..='\u{1B16F}'
        | '\u{20000}'..='\u{3FFFD}' => Some(Script::Cjk),
        _ => None,
    }
}

/// A normalised unit in the buffer and where it came from.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    bytes: usize,
    start: usize,
    end: usize,
}

/// The run being read: its last one or two units.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    script: Option<Script>,
    /// First byte of the text after the run.
    end: usize,
    text: String,
    units: [Unit; 2],
    count: usize,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a unit of `script` at byte `start` of the text belongs to this run.
    pub(super) fn continues_with(&self, script: Script, start: usize) -> bool {
        self.script == Some(script) && self.end == start
    }

    /// Takes the next unit of the text, `normalized`, from `start..end`; emits each pair that is
    /// complete.
    ///
    /// Normalising may have made several characters of one (ゟ, ำ); each counts, and a mark joins
    /// what stands before it.
    pub(super) fn push(
        &mut self,
        script: Script,
        normalized: &str,
        start: usize,
        end: usize,
        emit: &mut dyn FnMut(&str, usize, usize),
    ) {
        self.script = Some(script);
        self.end = end;
        for c in normalized.chars() {
            if self.count > 0 && is_combining_mark(c) {
                let last = &mut self.units[self.count - 1];
                if last.bytes + c.len_utf8() <= UNIT_BYTES_MAX {
                    last.bytes += c.len_utf8();
                    last.end = end;
                    self.text.push(c);
                }
                continue;
            }
            if self.count == 2 {
                let [first, second] = self.units;
                emit(&self.text, first.start, second.end);
                self.text.drain(..first.bytes);
                self.units[0] = second;
                self.count = 1;
            }
            self.units[self.count] = Unit { bytes: c.len_utf8(), start, end };
            self.count += 1;
            self.text.push(c);
        }
    }

    /// Ends the run: emits its last pair, or its only unit, and is empty again.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(&str, usize, usize)) {
        if self.count > 0 {
            emit(&self.text, self.units[0].start, self.units[self.count - 1].end);
        }
        self.script = None;
        self.count = 0;
        self.text.clear();
    }
}
