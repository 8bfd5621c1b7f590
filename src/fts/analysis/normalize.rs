//! What makes two spellings of a word one term: Unicode normalisation, case folding, apostrophes.
//!
//! Called by [`Analyzer`](super::Analyzer) once a word, and by the bigrams once a character. A word
//! goes through
//!
//! 1. the letters of its language: Turkish capitals (I → ı, İ → i); Romanian ș and ț become ş and
//!    ţ, as the stemmer knows them; Russian ё becomes е, as most people write it;
//! 2. canonical decomposition, full case folding (ß → ss, final ς → σ), NFKC (ﬁ → fi, ｘ → x),
//!    folding again for what NFKC uncovered, removal of code points that Unicode ignores by default
//!    (soft hyphen, joiners, variation selectors), NFKC: the compatibility caseless match of
//!    Unicode §3.13, composed;
//! 3. ’ ‘ ʼ become the ASCII apostrophe;
//! 4. spellings that its readers do not tell apart: `spelling.rs`.
//!
//! Invariants: the result is at most `bytes_max` long and cut between characters; applied to its
//! own result it changes nothing; canonically equivalent texts (NFC, NFD) give the same result.
//! ASCII, Latin and Cyrillic letters take shorter ways that the tests prove equal. Cost: one pass;
//! allocates only to grow the output, or for stacks of marks.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

use super::language::Language;

/// Appends the normalised form of `word` to `out`, at most `bytes_max` bytes of it.
pub(super) fn normalize_into(
    word: &str,
    language: Option<Language>,
    bytes_max: usize,
    out: &mut String,
) {
    match language {
        // Composed first, so that İ written as I and a dot above is met as one letter, ё as е and dots.
        Some(Language::Turkish) => fold_any(word.nfc().map(turkish_lower), bytes_max, out),
        Some(Language::Russian) if word.chars().all(folds_alone) => {
            let folded = word.chars().default_case_fold();
            push_while_fits(folded.map(plain_apostrophe).map(without_dots), bytes_max, out);
        }
        Some(Language::Russian) => fold_any(word.nfc().map(without_dots), bytes_max, out),
        Some(Language::Romanian) => fold_any(word.nfc().map(with_cedilla), bytes_max, out),
        _ if word.is_ascii() => {
            let from = out.len();
            out.push_str(&word[..word.len().min(bytes_max)]);
            out[from..].make_ascii_lowercase();
        }
        _ if word.chars().all(folds_alone) => {
            push_while_fits(word.chars().default_case_fold().map(plain_apostrophe), bytes_max, out);
        }
        _ => fold_any(word.chars(), bytes_max, out),
    }
}

/// `word` in lower case as people write it: composed, with plain apostrophes and without code points that nobody sees, but
/// not folded.
pub(super) fn lower_case(word: &str, language: Option<Language>) -> String {
    let visible = word.nfc().filter(|&c| !is_ignored_by_default(c)).map(plain_apostrophe);
    match language {
        Some(Language::Turkish) => visible.map(turkish_lower).collect::<String>().to_lowercase(),
        _ => visible.collect::<String>().to_lowercase(),
    }
}

fn fold_any(chars: impl Iterator<Item = char>, bytes_max: usize, out: &mut String) {
    let folded = chars
        .nfd()
        .default_case_fold()
        .nfkc()
        .default_case_fold()
        .filter(|&c| !is_ignored_by_default(c))
        .nfkc()
        .map(plain_apostrophe);
    push_while_fits(folded, bytes_max, out);
}

/// Appends what of `piece` fits into `bytes_max` bytes of `out`; whether that is all of it.
pub(super) fn push_within(piece: &str, bytes_max: usize, out: &mut String) -> bool {
    let (from, room) = (out.len(), bytes_max.saturating_sub(out.len()));
    push_while_fits(piece.chars(), room, out);
    out.len() - from == piece.len()
}

fn push_while_fits(chars: impl Iterator<Item = char>, bytes_max: usize, out: &mut String) {
    let end = out.len() + bytes_max;
    for c in chars {
        if out.len() + c.len_utf8() > end {
            break;
        }
        out.push(c);
    }
}

/// Whether `c` needs folding only, whatever stands beside it: a starter that never composes with
/// what follows from this set and has no decomposition but a canonical one that folding leaves
/// composed.
fn folds_alone(c: char) -> bool {
    match c {
        'ĳ' | 'Ĳ' | 'ŀ' | 'Ŀ' | 'ŉ' => false,
        '\0'..='\x7F' | 'À'..='ſ' | '\u{400}'..='\u{481}' | '\u{48A}'..='\u{52F}' | '’' => true,
        _ => false,
    }
}

fn plain_apostrophe(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{2BC}' => '\'',
        c => c,
    }
}

fn turkish_lower(c: char) -> char {
    match c {
        'I' => 'ı',
        'İ' => 'i',
        c => c,
    }
}

fn without_dots(c: char) -> char {
    match c {
        'ё' | 'Ё' => 'е',
        c => c,
    }
}

fn with_cedilla(c: char) -> char {
    match c {
        'ș' | 'Ș' => 'ş',
        'ț' | 'Ț' => 'ţ',
        c => c,
    }
}

/// Unicode's `Default_Ignorable_Code_Point`, which the standard promises to keep to these ranges.
pub(super) fn is_ignored_by_default(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalize(word: &str) -> String {
        let mut out = String::new();
        normalize_into(word, None, usize::MAX / 2, &mut out);
        out
    }

    fn slow(word: &str) -> String {
        let mut out = String::new();
        fold_any(word.chars(), usize::MAX / 2, &mut out);
        out
    }

    fn in_language(word: &str, language: Language) -> String {
        let mut out = String::new();
        normalize_into(word, Some(language), 255, &mut out);
        out
    }

    #[test]
    fn every_character_is_stable_after_one_pass_and_equal_on_both_ways() {
        for c in '\0'..=char::MAX {
            let word = String::from(c);
            let once = normalize(&word);
            assert_eq!(once, slow(&word), "{c:?}");
            assert_eq!(normalize(&once), once, "{c:?} U+{:04X}", u32::from(c));
            assert_eq!(normalize(&word.nfd().to_string()), once, "{c:?}");
        }
    }

    #[test]
    fn spellings_meet() {
        for (left, right) in [
            ("STRASSE", "straße"),
            ("Café", "cafe\u{301}"),
            ("ﬁnal", "FINAL"),
            ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
            ("co\u{AD}operate", "cooperate"),
            ("don’t", "DON'T"),
            ("ＡＢＣ１", "abc1"),
            ("e\u{34F}\u{301}", "é"),
        ] {
            assert_eq!(normalize(left), normalize(right));
        }
    }

    #[test]
    fn languages_have_their_letters() {
        for word in ["ёлка", "ЁЛКА", "е\u{308}лка", "Е\u{308}ЛКА", "ёлка\u{AD}"]
        {
            assert_eq!(in_language(word, Language::Russian), "елка");
        }
        assert_eq!(in_language("ISI", Language::Turkish), "ısı");
        assert_eq!(in_language("İzmir", Language::Turkish), "izmir");
        assert_eq!(in_language("I\u{307}zmir", Language::Turkish), "izmir");
        assert_eq!(
            in_language("Țară", Language::Romanian),
            in_language("ţară", Language::Romanian)
        );
    }

    #[test]
    fn small_letters_of_ascii_and_digits_stay_what_they_are_in_every_language() {
        let word: String = ('a'..='z').chain('0'..='9').chain("ijifflss".chars()).collect();
        assert_eq!(normalize(&word), word);
        for language in Language::ALL {
            assert_eq!(in_language(&word, language), word, "{language:?}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let mut out = String::from("x");
        normalize_into(&"é".repeat(300), None, 255, &mut out);
        assert_eq!(out, format!("x{}", "é".repeat(127)));
    }

    proptest! {
        #[test]
        fn quick_ways_equal_the_slow_way(word in "[\0-\u{17F}\u{400}-\u{52F}’]{0,12}") {
            prop_assert_eq!(normalize(&word), slow(&word));
        }

        #[test]
        fn canonically_equivalent_texts_give_one_result(word in "\\PC{0,12}") {
            let composed = word.nfc().to_string();
            let decomposed = word.nfd().to_string();
            prop_assert_eq!(normalize(&composed), normalize(&decomposed));
            prop_assert_eq!(normalize(&word), normalize(&composed));
        }

        #[test]
        fn a_second_pass_changes_nothing(word in "\\PC{0,12}") {
            let once = normalize(&word);
            prop_assert_eq!(normalize(&once), once.clone());
        }
    }
}
