//! The words of a text: those of UAX #29 that have a letter or a digit, found without tables where the text allows it.
//!
//! The analyzer calls [`each_word`] for every text. Most text is of few alphabets, and there the standard's rules come down to
//! a handful: letters, digits and underscores join, and a point, comma, colon or apostrophe joins what stands on both of its sides.
//! The text is taken in *stretches* between spaces, since no rule reaches over a space:
//!
//! * one of ASCII letters and digits alone is a word, and is said to be *folded* if none is a capital;
//! * one of *plain* characters, those of [`class`], is taken apart by these rules;
//! * anything else is left to `unicode-segmentation`, together with the spaces before it, to which marks may belong.
//!
//! Invariant: what is found equals what `unicode_word_indices` finds, which a test shows on random strings of all that matters.
//! Cost: a table look-up a byte for the first kind, a few comparisons a character for the second.

use unicode_segmentation::UnicodeSegmentation;

/// What a plain character is to the rules for words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// Joins letters and digits: the underscore.
    Connector,
    /// Joins letters: `MidLetter`.
    BetweenLetters,
    /// Joins digits: `MidNum`.
    BetweenDigits,
    /// Joins either: `MidNumLet` and the apostrophe.
    Between,
    /// Is no part of a word.
    Other,
}

/// A stretch has a capital letter of ASCII.
const CAPITAL: u8 = 8;
/// A stretch has a byte of a character that is not ASCII.
const HIGH: u8 = 4;
/// A stretch has an ASCII character that is neither a letter nor a digit.
const MARK: u8 = 2;
/// A stretch has a letter or a digit.
const WORD: u8 = 1;
/// Ends a stretch.
const SPACE: u8 = 0;

/// What each byte says about its stretch.
const KINDS: [u8; 256] = {
    let mut kinds = [HIGH; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        kinds[byte as usize] = if byte.is_ascii_alphanumeric() { WORD } else { MARK };
        if byte.is_ascii_uppercase() {
            kinds[byte as usize] |= CAPITAL;
        }
        byte += 1;
    }
    kinds[b' ' as usize] = SPACE;
    kinds
};

/// Calls `f(start, word, is_folded)` with every word of `text` that has a letter or a digit, in the order of the text. One that is
/// folded has small letters of ASCII and digits alone; of others that have nothing else it may be said or not.
pub(super) fn each_word<'t>(text: &'t str, f: &mut impl FnMut(usize, &'t str, bool)) {
    let mut at = 0;
    while at < text.len() {
        let (start, end, kinds) = stretch_from(text, at);
        let stretch = &text[start..end];
        if kinds & !CAPITAL == WORD {
            f(start, stretch, kinds == WORD);
        } else if kinds & HIGH == 0 || stretch.chars().all(|c| class(c).is_some()) {
            plain_words(stretch, start, f);
        } else {
            let behind = at;
            at = end_of_any(text, end);
            for (index, word) in text[behind..at].unicode_word_indices() {
                f(behind + index, word, false);
            }
            continue;
        }
        at = end;
    }
}

/// Start and end of the stretch that comes next, and all that its bytes say.
fn stretch_from(text: &str, at: usize) -> (usize, usize, u8) {
    let rest = &text.as_bytes()[at..];
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    let (mut kinds, mut end) = (0, spaces);
    for &byte in &rest[spaces..] {
        let kind = KINDS[usize::from(byte)];
        if kind == SPACE {
            break;
        }
        kinds |= kind;
        end += 1;
    }
    (at + spaces, at + end, kinds)
}

/// Where a part for `unicode-segmentation` ends, to which the stretch belongs that ends at `at`: in front of a plain character
/// behind a space. Another one might belong to the space, and the space to what is before it.
fn end_of_any(text: &str, mut at: usize) -> usize {
    loop {
        let (start, end, _) = stretch_from(text, at);
        if text[start..].chars().next().is_none_or(|c| class(c).is_some()) {
            return at;
        }
        at = end;
    }
}

/// The words of a stretch of plain characters that begins at `offset`.
fn plain_words<'t>(stretch: &'t str, offset: usize, f: &mut impl FnMut(usize, &'t str, bool)) {
    let mut chars = Classes { stretch, at: 0 };
    while let Some((mut last, start)) = chars.next() {
        if !is_part(last) {
            continue;
        }
        let mut is_word = last != Class::Connector;
        loop {
            let behind = chars;
            let Some((class, _)) = chars.next() else { break };
            if is_part(class) {
                last = class;
            } else {
                // Joins only what it stands between.
                let beyond = chars.next().map(|(class, _)| class);
                if !joins(last, class, beyond) {
                    chars = behind;
                    break;
                }
                last = beyond.unwrap_or(last);
            }
            is_word |= last != Class::Connector;
        }
        if is_word {
            f(offset + start, &stretch[start..chars.at], false);
        }
    }
}

/// Whether a character can begin a word.
fn is_part(class: Class) -> bool {
    matches!(class, Class::Letter | Class::Digit | Class::Connector)
}

/// Whether `between` joins the characters on its sides.
fn joins(left: Class, between: Class, right: Option<Class>) -> bool {
    match between {
        Class::Between => right == Some(left) && matches!(left, Class::Letter | Class::Digit),
        Class::BetweenLetters => left == Class::Letter && right == Some(Class::Letter),
        Class::BetweenDigits => left == Class::Digit && right == Some(Class::Digit),
        Class::Letter | Class::Digit | Class::Connector | Class::Other => false,
    }
}

/// The classes of a stretch's characters, and where they begin.
#[derive(Debug, Clone, Copy)]
struct Classes<'t> {
    stretch: &'t str,
    at: usize,
}

impl Classes<'_> {
    fn next(&mut self) -> Option<(Class, usize)> {
        let c = self.stretch[self.at..].chars().next()?;
        let start = self.at;
        self.at += c.len_utf8();
        Some((class(c).unwrap_or(Class::Other), start))
    }
}

/// What a character is to the rules; nothing when it takes more than these rules, as marks, joiners, Hebrew, Katakana and emoji do.
fn class(c: char) -> Option<Class> {
    Some(match c {
        'a'..='z'
        | 'A'..='Z'
        | 'ª'
        | 'µ'
        | 'º'
        | 'À'..='Ö'
        | 'Ø'..='ö'
        | 'ø'..='ɏ'
        | 'Έ'..='Ί'
        | 'Ό'
        | 'Ύ'..='Ρ'
        | 'Σ'..='ώ'
        | 'Ѐ'..='ҁ'
        | 'Ҋ'..='ԯ' => Class::Letter,
        '0'..='9' => Class::Digit,
        '_' => Class::Connector,
        '.' | '\'' | '‘' | '’' => Class::Between,
        ',' | ';' => Class::BetweenDigits,
        ':' | '·' => Class::BetweenLetters,
        // Of Latin-1 without the soft hyphen, and without digits above the line and fractions, which are words by themselves. Of what
        // is beyond: dashes, quotation marks, daggers, the bullet, the ellipsis.
        '\0'..='§'
        | '©'
        | '«'
        | '¬'
        | '®'
        | '°'
        | '±'
        | '¶'
        | '»'
        | '¿'
        | '×'
        | '÷'
        | '‐'..='‗'
        | '‚'..='‣'
        | '…' => Class::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let expected: Vec<_> = text.unicode_word_indices().collect();
        let mut found = Vec::new();
        each_word(text, &mut |start, word, is_folded| {
            let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(!is_folded || word.bytes().all(small), "{word:?}");
            found.push((start, word));
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_pair_and_triple_of_plain_classes_is_joined_as_the_standard_says() {
        // Of each class some, and of every range the ends.
        let some: Vec<char> = "aZ5_.'‘’,;:·-\n\r\t\"é ªÿɏЯҊΆώΣ×÷¿§–…‣\u{85}".chars().collect();
        for a in &some {
            for b in &some {
                for c in &some {
                    check(&String::from_iter([a, b, c]));
                    check(&String::from_iter([&'x', a, b, c, &'7']));
                    check(&String::from_iter([&'1', a, b, &' ', c]));
                }
            }
        }
    }

    #[test]
    fn each_plain_character_is_of_the_class_that_the_standard_gives_it() {
        for c in ('\0'..='\u{FFFF}').filter(|&c| class(c).is_some()) {
            for [left, right] in
                [["a", "a"], ["1", "1"], ["a", "1"], ["_", "a"], ["", ""], [".", "'"]]
            {
                check(&format!("{left}{c}{right}"));
                check(&format!("{left}{c}{c}{right} {c}{right}"));
            }
        }
    }

    #[test]
    fn random_texts_have_the_words_of_the_standard() {
        let some: Vec<char> =
            "abZ 059_.',;:- \n\r’‘·é—Я\u{301}\u{AD}\u{200D}\u{200B}\u{FE0F}א\"״カー漢ひ한ไ\
            \u{A0}\u{2003}\u{3000}👩🏽👍🇩🇪Ⓜ©\u{61C}٣٫ा\u{20D0}ⅷ²\u{202F}\u{2040}＿．’"
                .chars()
                .collect();
        let mut random = fastrand::Rng::with_seed(29);
        for _ in 0..60_000 {
            let len = random.usize(1..12);
            // Plain characters stand in front of the list and are chosen more often.
            let text: String = (0..len)
                .map(|_| some[random.usize(0..some.len()).min(random.usize(0..90))])
                .collect();
            check(&text);
        }
    }
}
