//! Stemming one word with the Snowball algorithms of `rust-stemmers`, so that no word can end the
//! process.
//!
//! Called by [`Analyzer`](super::Analyzer) with folded words of at most 255 bytes. The crate is
//! frozen (1.2.0 is of 2019), which an index likes: stems do not change under it. Its price is one
//! known bug. In the Greek algorithm, step s3 cuts off a suffix (ισα, ισε, ισεσ, ισαν, ισατε,
//! ισαμε, ισανε) and, when exactly ισα is left, replaces the span of the suffix that is no longer
//! there, which panics: `ισαισα`. The steps before it change only a word's end, so every word that
//! fails begins with ισαισ, accents aside. Two fences:
//!
//! * Greek words that begin so are returned as they are, before the algorithm sees them. (No Greek
//!   word in use does.) Nothing panics, so the process's panic hook has nothing to print and needs
//!   no change.
//! * Any other panic of the crate, of which we know none (600,000 words a language, made of its own
//!   suffixes), is caught and the word returned as it is; the hook then prints, as it should for an
//!   unknown bug.
//!
//! Both are functions of the word alone, so index and query agree. Cost: the crate allocates a few
//! short strings a word.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::language::Language;

/// One language's stemmer.
pub(super) struct Stemmer {
    language: Language,
    snowball: rust_stemmers::Stemmer,
}

impl Stemmer {
    pub(super) fn new(language: Language) -> Stemmer {
        Stemmer { language, snowball: rust_stemmers::Stemmer::create(language.algorithm()) }
    }

    /// The stem of a folded word; the word itself when the algorithm leaves nothing or cannot be
    /// trusted with it.
    pub(super) fn stem<'a>(&self, word: &'a str) -> Cow<'a, str> {
        if self.language == Language::Greek && upsets_greek(word) {
            return Cow::Borrowed(word);
        }
        // The algorithm owns all that it changes, so nothing half-changed survives the unwinding.
        match catch_unwind(AssertUnwindSafe(|| self.snowball.stem(word))) {
            Ok(stem) if !stem.is_empty() => stem,
            _ => Cow::Borrowed(word),
        }
    }
}

impl fmt::Debug for Stemmer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stemmer").field(&self.language).finish()
    }
}

/// Whether `word`, without accents, begins with ισαισ.
fn upsets_greek(word: &str) -> bool {
    let bare = word.chars().map(|c| match c {
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ά' => 'α',
        'ς' => 'σ',
        c => c,
    });
    bare.take(5).eq("ισαισ".chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greek_words_that_upset_the_crate_come_back_unstemmed() {
        let stemmer = Stemmer::new(Language::Greek);
        for word in [
            "ισαισα",
            "ισαισε",
            "ισαισεσ",
            "ισαισαν",
            "ισαισατε",
            "ισαισαμε",
            "ισαισανε",
            "ίσαίσα",
            "ϊσάΐσα",
        ] {
            assert_eq!(stemmer.stem(word), word);
        }
        assert_eq!(stemmer.stem("θαλασσεσ"), stemmer.stem("θαλασσα"));
    }

    #[test]
    fn no_word_made_of_greek_suffixes_passes_the_guard_and_panics() {
        // Calls the crate directly: a panic here fails the test, where `Stemmer::stem` would catch
        // it.
        let suffixes = [
            "ισα",
            "ισε",
            "ισεσ",
            "ισαν",
            "ισατε",
            "ισαμε",
            "ισανε",
            "ια",
            "ιου",
            "ων",
            "εσ",
            "ησ",
            "ιζα",
            "ιζω",
            "ωθηκα",
            "ουσα",
            "ηκα",
            "ατα",
            "αδεσ",
            "εων",
            "α",
            "σ",
            "ι",
            "κ",
            "παν",
        ];
        let greek = Stemmer::new(Language::Greek);
        let mut random = fastrand::Rng::with_seed(204);
        for _ in 0..40_000 {
            let mut word = String::from(if random.bool() { "ισα" } else { "" });
            for _ in 0..random.usize(1..4) {
                word.push_str(suffixes[random.usize(..suffixes.len())]);
            }
            if !upsets_greek(&word) {
                let _ = greek.snowball.stem(&word);
            }
        }
    }
}
