//! [`CharacterState`]: how far a term is read by the pattern of a single character, which fits that character and pairs it is in.
//!
//! [`TermPattern::character`](super::TermPattern::character) walks terms with it. A term of a script without spaces is one character or
//! a pair of them, each a base with its marks; whether the wanted one is the first or the second is followed side by side.
//! Invariants: nothing is allocated; what is not UTF-8 fits nothing. Cost: a few comparisons a byte; all pairs are read, other scripts'
//! terms left out at their first character.

use unicode_normalization::char::is_combining_mark;

/// The first character of a script that is indexed by pairs; all others come behind it.
const FIRST: char = '\u{E00}';

/// Where a term is after some of its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CharacterState {
    /// The wanted character as the first.
    first: Part,
    /// The wanted character as the second.
    second: Part,
    /// The bits of an unfinished character, and how many of its bytes are missing.
    bits: u32,
    missing: u8,
}

/// How far one of the two ways has got.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// Nothing is read yet.
    Start,
    /// In the other character.
    Other,
    /// So many bytes of the wanted character were met.
    Met(u16),
    /// In the other character, behind the wanted one.
    Behind,
    Differs,
}

impl CharacterState {
    pub(super) fn start() -> Self {
        CharacterState { first: Part::Met(0), second: Part::Start, bits: 0, missing: 0 }
    }

    /// After a further byte.
    pub(super) fn step(mut self, wanted: &str, byte: u8) -> Self {
        (self.bits, self.missing) = match (byte, self.missing.checked_sub(1)) {
            (0x80..0xC0, Some(missing)) => (self.bits << 6 | u32::from(byte & 0x3F), missing),
            (0..0x80, None) => (u32::from(byte), 0),
            (0xC0..0xE0, None) => (u32::from(byte & 0x1F), 1),
            (0xE0..0xF0, None) => (u32::from(byte & 0x0F), 2),
            (0xF0.., None) => (u32::from(byte & 0x07), 3),
            _ => (u32::MAX >> 6, 0),
        };
        if self.missing == 0 {
            let read = char::from_u32(self.bits);
            self.first = read.map_or(Part::Differs, |c| after(self.first, wanted, c, true));
            self.second = read.map_or(Part::Differs, |c| after(self.second, wanted, c, false));
        }
        self
    }

    /// Whether some term may lie ahead, or end here.
    pub(super) fn can_match(self) -> bool {
        self.first != Part::Differs || self.second != Part::Differs
    }

    /// Whether a term that ends here has the character.
    pub(super) fn is_match(self, wanted: &str) -> bool {
        let is_met = |part| {
            part == Part::Behind
                || matches!(part, Part::Met(len) if usize::from(len) == wanted.len())
        };
        self.missing == 0 && (is_met(self.first) || is_met(self.second))
    }
}

/// Where a way is after a further character; behind the wanted one comes another only if it is the first.
fn after(part: Part, wanted: &str, c: char, is_first: bool) -> Part {
    let is_mark = is_combining_mark(c);
    let is_base = !is_mark && c >= FIRST;
    let met = |met: u16| {
        let rest = wanted.get(usize::from(met)..).unwrap_or_default();
        let len = u16::try_from(usize::from(met) + c.len_utf8());
        len.ok().filter(|_| rest.starts_with(c)).map_or(Part::Differs, Part::Met)
    };
    match part {
        Part::Start if is_base => Part::Other,
        Part::Other if is_mark => Part::Other,
        Part::Other => met(0),
        Part::Met(len) if usize::from(len) == wanted.len() && is_base && is_first => Part::Behind,
        Part::Met(len) => met(len),
        Part::Behind if is_mark => Part::Behind,
        Part::Start | Part::Behind | Part::Differs => Part::Differs,
    }
}
