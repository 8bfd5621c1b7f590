//! What an analyzer may fold beyond case: marks on letters, digits of other scripts, marks between groups of digits.
//!
//! Called by [`Analyzer`](super::Analyzer) with normalised words, where the options ask for it.
//!
//! * **Diacritics.** Marks are taken off by canonical decomposition: Latin, Greek and Cyrillic accents, Arabic and Hebrew vowel
//!   points. Marks that are vowels or make another letter stay: those of Indic scripts, of kana, and й, ї, ў, which their readers
//!   count as letters. Latin letters that Unicode does not decompose are in a short table (ø, đ, ł, æ …).
//! * **Digits** of all scripts become ASCII, since each script has its ten in a row.
//! * **Groups.** `1,000,000.5` becomes `1000000.5`: the first group has one to three digits, all others three, and a mark between
//!   them that the language uses. So `3,14` stays a decimal number, and `1.234` is a thousand in German and not in English.
//!
//! Invariants: results are normalised, never longer than twice the word, and folded once more the same; canonically equivalent words
//! give one result. Cost: one pass.

use unicode_normalization::UnicodeNormalization;

use super::language::Language;

/// Appends `word` without its diacritics.
pub(super) fn without_diacritics(word: &str, out: &mut String) {
    if word.is_ascii() {
        out.push_str(word);
        return;
    }
    let mut after = '\0';
    let kept = word.nfd().filter(move |&mark| {
        let letter = after;
        if is_diacritic(mark) {
            // й, ў and ї.
            return matches!((letter, mark), ('и' | 'у', '\u{306}') | ('і', '\u{308}'));
        }
        after = mark;
        true
    });
    for c in kept.nfc() {
        match latin(c) {
            Some(plain) => out.push_str(plain),
            None => out.push(c),
        }
    }
}

/// Marks that say how a letter sounds, not which letter it is.
fn is_diacritic(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{34E}'
            | '\u{350}'..='\u{36F}'
            | '\u{591}'..='\u{5BD}'
            | '\u{5BF}'
            | '\u{5C1}'..='\u{5C2}'
            | '\u{5C4}'..='\u{5C5}'
            | '\u{5C7}'
            | '\u{610}'..='\u{61A}'
            | '\u{64B}'..='\u{65F}'
            | '\u{670}'
            | '\u{6D6}'..='\u{6DC}'
            | '\u{6DF}'..='\u{6E4}'
            | '\u{6E7}'..='\u{6E8}'
            | '\u{6EA}'..='\u{6ED}'
            | '\u{1AB0}'..='\u{1ACE}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20F0}'
            | '\u{FE20}'..='\u{FE2F}'
    )
}

/// Folded Latin letters that have no decomposition.
fn latin(c: char) -> Option<&'static str> {
    Some(match c {
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŧ' => "t",
        'ŋ' => "n",
        _ => return None,
    })
}

/// Appends `word` with ASCII digits and without marks between groups of them.
pub(super) fn with_plain_numbers(word: &str, language: Option<Language>, out: &mut String) {
    let from = out.len();
    out.extend(word.chars().map(|c| ascii_digit(c).unwrap_or(c)));
    if let Some(number) = out.get(from..).and_then(|word| ungrouped(word, group_mark(language))) {
        out.truncate(from);
        out.push_str(&number);
    }
}

/// The ASCII digit of a digit of any script.
fn ascii_digit(c: char) -> Option<char> {
    let place = ZEROS.partition_point(|&zero| zero <= c);
    let zero = *ZEROS.get(place.checked_sub(1)?)?;
    let value = u32::from(c) - u32::from(zero);
    char::from_digit(value, 10)
}

/// The zeros of scripts that NFKC leaves; nine digits follow each.
#[rustfmt::skip]
const ZEROS: &[char] = &[
    '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}', '\u{CE6}',
    '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}', '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}', '\u{1946}', '\u{19D0}',
    '\u{1A80}', '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}', '\u{A8D0}', '\u{A900}', '\u{A9D0}',
    '\u{A9F0}', '\u{AA50}', '\u{ABF0}',
];

/// What stands between groups of three digits in a language.
fn group_mark(language: Option<Language>) -> char {
    match language {
        Some(
            Language::Basque
            | Language::Catalan
            | Language::Danish
            | Language::Dutch
            | Language::German
            | Language::Greek
            | Language::Indonesian
            | Language::Italian
            | Language::Portuguese
            | Language::Romanian
            | Language::Serbian
            | Language::Spanish
            | Language::Turkish
            | Language::Vietnamese,
        ) => '.',
        _ => ',',
    }
}

/// A number without its group marks and with a point before its fraction; `None` for what is no number or has neither.
fn ungrouped(word: &str, mark: char) -> Option<String> {
    let decimal = if mark == '.' { ',' } else { '.' };
    let is_mark = |c: char| c == mark || matches!(c, '\'' | '\u{66C}');
    let (whole, fraction) = match word.split_once([decimal, '\u{66B}']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (word, None),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if fraction.is_some_and(|fraction| !is_digits(fraction)) {
        return None;
    }
    let mut groups = whole.split(is_mark);
    let first = groups.next()?;
    let mut number = String::from(first);
    for group in groups {
        if !(is_digits(group) && group.len() == 3 && first.len() <= 3) {
            return None;
        }
        number.push_str(group);
    }
    if !is_digits(first) {
        return None;
    }
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(fraction);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bare(word: &str) -> String {
        let mut out = String::new();
        without_diacritics(word, &mut out);
        out
    }

    fn number(word: &str, language: Option<Language>) -> String {
        let mut out = String::new();
        with_plain_numbers(word, language, &mut out);
        out
    }

    #[test]
    fn accents_go_and_letters_stay() {
        for (word, expected) in [
            ("café", "cafe"),
            ("ærøskøbing", "aeroskobing"),
            ("việt", "viet"),
            ("łódź", "lodz"),
            ("ὀδυσσεύσ", "οδυσσευσ"),
            ("ёлка", "елка"),
            ("йогурт", "йогурт"),
            ("київ", "київ"),
            ("مُحَمَّد", "محمد"),
            ("שָׁלוֹם", "שלום"),
            ("हिन्दी", "हिन्दी"),
            ("が", "が"),
            ("ที่", "ที่"),
        ] {
            assert_eq!(bare(word), expected);
        }
    }

    #[test]
    fn digits_of_every_script_are_known() {
        let digit = regex::Regex::new(r"^\p{Nd}$").unwrap();
        for c in ('\u{80}'..='\u{FFFF}').filter(|c| !('\u{FF10}'..='\u{FF19}').contains(c)) {
            let is_digit = digit.is_match(&c.to_string());
            assert_eq!(ascii_digit(c).is_some(), is_digit, "U+{:04X}", u32::from(c));
        }
        assert_eq!(ascii_digit('\u{669}'), Some('9'));
    }

    #[test]
    fn groups_are_joined_where_the_language_writes_them() {
        let german = Some(Language::German);
        for (word, language, expected) in [
            ("1,000", None, "1000"),
            ("1,000,000.5", None, "1000000.5"),
            ("3.14", None, "3.14"),
            ("3,14", None, "3,14"),
            ("1.234", None, "1.234"),
            ("1.234", german, "1234"),
            ("3,14", german, "3.14"),
            ("1.234,5", german, "1234.5"),
            ("1'000", german, "1000"),
            ("1.2.3", german, "1.2.3"),
            ("2024,100", None, "2024,100"),
            ("١٬٩٩٠", Some(Language::Arabic), "1990"),
            ("٣٫١٤", Some(Language::Arabic), "3.14"),
            ("१९९०", Some(Language::Hindi), "1990"),
            ("๒๕๔๙", Some(Language::Thai), "2549"),
            ("a1", None, "a1"),
            (",", None, ","),
            ("", None, ""),
        ] {
            assert_eq!(number(word, language), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(word in "[a-zà-žα-ωά-ώа-яёйїў\u{300}-\u{30F}\u{64B}-\u{65F}क-ह0-9,.']{0,8}") {
            let word: String = word.nfkc().collect();
            let once = bare(&word);
            prop_assert_eq!(bare(&once), once.clone());
            prop_assert_eq!(once.nfkc().collect::<String>(), once.clone());
            prop_assert!(once.len() <= 2 * word.len().max(1));
            let composed: String = word.nfd().collect();
            prop_assert_eq!(bare(&composed), once);
            for language in [None, Some(Language::German)] {
                let plain = number(&word, language);
                prop_assert!(plain.len() <= word.len());
            }
        }
    }
}
