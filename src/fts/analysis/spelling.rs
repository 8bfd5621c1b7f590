//! Spellings of one word that the readers of a language do not tell apart.
//!
//! Called by [`Analyzer`](super::Analyzer) with normalised words, before stop words and stemmer see them.
//!
//! * **Hindi.** A nasal before a consonant is written as a letter or as a dot (हिन्दी, हिंदी), the dot also as a moon (हँस, हंस); a dot
//!   below marks sounds of foreign words and is often left out (फ़िल्म, फिल्म). The dot above wins, the dot below goes.
//! * **Vietnamese.** The tone of oa, oe and uy at the end of a word stands on either vowel (hòa, hoà); it moves to the second.
//!
//! Invariants: results are normalised and never longer; done again they stay. Cost: one pass, and nothing for other languages.

use super::language::Language;

const NUKTA: char = '\u{93C}';
const VIRAMA: char = '\u{94D}';
const ANUSVARA: char = '\u{902}';
const CANDRABINDU: char = '\u{901}';

/// Whether words of a language may have several spellings.
pub(super) fn has_spellings(language: Option<Language>) -> bool {
    matches!(language, Some(Language::Hindi | Language::Nepali | Language::Vietnamese))
}

/// Brings a normalised word to the spelling that stands for all.
pub(super) fn respell(word: &mut String, language: Option<Language>) {
    match language {
        Some(Language::Hindi | Language::Nepali) => devanagari(word),
        Some(Language::Vietnamese) => vietnamese(word),
        _ => {}
    }
}

fn devanagari(word: &mut String) {
    if !word.contains(['न', 'म', 'ङ', 'ञ', 'ण', NUKTA, CANDRABINDU]) {
        return;
    }
    let mut respelt = String::with_capacity(word.len());
    let mut chars = word.chars().filter(|&c| c != NUKTA).peekable();
    while let Some(c) = chars.next() {
        let is_nasal = matches!(c, 'ङ' | 'ञ' | 'ण' | 'न' | 'म');
        if c == CANDRABINDU {
            respelt.push(ANUSVARA);
        } else if is_nasal && !respelt.is_empty() && chars.peek() == Some(&VIRAMA) {
            chars.next();
            // Before its own class of consonants only; अन्य and तुम्हारा have no dot.
            if chars.peek().is_some_and(|&next| is_of_class(c, next)) {
                respelt.push(ANUSVARA);
            } else {
                respelt.extend([c, VIRAMA]);
            }
        } else {
            respelt.push(c);
        }
    }
    *word = respelt;
}

/// Whether the nasal of a class of consonants stands before one of them.
fn is_of_class(nasal: char, consonant: char) -> bool {
    match consonant {
        'क'..='घ' => nasal == 'ङ' || nasal == 'न',
        'च'..='झ' => nasal == 'ञ' || nasal == 'न',
        'ट'..='ढ' => nasal == 'ण' || nasal == 'न',
        'त'..='ध' | 'स' => nasal == 'न',
        'प'..='भ' => nasal == 'म' || nasal == 'न',
        _ => false,
    }
}

fn vietnamese(word: &mut String) {
    for (old, new) in TONES {
        if let Some(stem) = word.strip_suffix(old) {
            // The u of qu belongs to the consonant.
            let end = if stem.ends_with('q') { word.len() } else { stem.len() };
            if end < word.len() {
                word.truncate(end);
                word.push_str(new);
            }
            return;
        }
    }
}

/// Ends with the tone on the first vowel, and on the second.
const TONES: [(&str, &str); 15] = [
    ("òa", "oà"),
    ("óa", "oá"),
    ("ỏa", "oả"),
    ("õa", "oã"),
    ("ọa", "oạ"),
    ("òe", "oè"),
    ("óe", "oé"),
    ("ỏe", "oẻ"),
    ("õe", "oẽ"),
    ("ọe", "oẹ"),
    ("ùy", "uỳ"),
    ("úy", "uý"),
    ("ủy", "uỷ"),
    ("ũy", "uỹ"),
    ("ụy", "uỵ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn respelt(word: &str, language: Language) -> String {
        let mut word = word.to_owned();
        respell(&mut word, Some(language));
        word
    }

    #[test]
    fn spellings_meet_and_stay() {
        for (left, right, language) in [
            ("हिन्दी", "हिंदी", Language::Hindi),
            ("डिफ़ेन्स", "डिफेंस", Language::Hindi),
            ("गाँव", "गांव", Language::Hindi),
            ("कम्पनी", "कंपनी", Language::Hindi),
            ("पण्डित", "पंडित", Language::Hindi),
            ("hòa", "hoà", Language::Vietnamese),
            ("thủy", "thuỷ", Language::Vietnamese),
            ("khỏe", "khoẻ", Language::Vietnamese),
        ] {
            let met = respelt(left, language);
            assert_eq!(met, respelt(right, language));
            assert_eq!(respelt(&met, language), met);
        }
    }

    #[test]
    fn other_words_stay_as_they_are() {
        for (word, language) in [
            ("अन्य", Language::Hindi),
            ("तुम्हारा", Language::Hindi),
            ("जन्म", Language::Hindi),
            ("न्यूयॉर्क", Language::Hindi),
            ("quý", Language::Vietnamese),
            ("hoàng", Language::Vietnamese),
            ("hòa", Language::French),
        ] {
            assert_eq!(respelt(word, language), word);
        }
    }
}
