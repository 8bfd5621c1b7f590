//! Stemming one word, so that no word can end the process.
//!
//! Called by [`Analyzer`](super::Analyzer) with folded words of at most 255 bytes. There are three [`Stemmer`]s, all of
//! Snowball's algorithms: `rust-stemmers`, a few lines of our own for Hindi, and with the feature `snowball` the current ones.
//!
//! The crate `rust-stemmers` is frozen (1.2.0 is of 2019), which an index likes: stems do not change under it. Its price is one
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
//! And two that lose words: Finnish cuts the last of two equal digits off, so that 2000 is 200, and Arabic, as it still is, drops the
//! point of 3.55; they are not given words with a digit, and words without a letter.
//!
//! All are functions of the word alone, so index and query agree. Cost: the crates allocate a few
//! short strings a word.
//!
//! `frostem` is what current Snowball's compiler makes for Rust, one feature a language, kept up weekly; a version is a date of
//! Snowball's, and the version here is exact, since stems change with it. Of four such crates it is the one that is kept up:
//! all agree on Snowball's vocabularies but for words of which the algorithms changed (`tests/stemmers.rs`).

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::AnalyzerError;
use super::language::Language;
use super::options::Stemmers;
use super::stem_hindi;

/// One language's algorithm.
pub(super) trait Stemmer: Send + Sync {
    /// The stem of a folded word; the word itself when the algorithm leaves nothing or cannot be
    /// trusted with it.
    fn stem<'a>(&self, word: &'a str) -> Cow<'a, str>;

    /// Crate, version and algorithm, for fingerprints.
    fn name(&self) -> String;
}

impl fmt::Debug for dyn Stemmer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The stemmer of a language, if it has one.
///
/// # Errors
/// [`AnalyzerError::Feature`] for current Snowball without the feature.
pub(super) fn stemmer(
    stemmers: Stemmers,
    language: Language,
) -> Result<Option<Box<dyn Stemmer>>, AnalyzerError> {
    if stemmers == Stemmers::Snowball && !cfg!(feature = "snowball") {
        let option = "stemmers `snowball`";
        return Err(AnalyzerError::Feature { feature: "snowball", option });
    }
    Ok(match (stemmers, language, language.algorithm()) {
        (Stemmers::Classic, _, Some(algorithm)) => {
            let snowball = rust_stemmers::Stemmer::create(algorithm);
            Some(Box::new(Classic { language, snowball }))
        }
        (Stemmers::Classic, Language::Hindi, None) => Some(Box::new(Hindi)),
        #[cfg(feature = "snowball")]
        (Stemmers::Snowball, ..) => current::stemmer(language),
        _ => None,
    })
}

// Named in fingerprints; a test compares them with Cargo.lock, since a crate does not know its
// dependencies' versions.
pub(super) const RUST_STEMMERS: &str = "1.2.0";

/// An algorithm of `rust-stemmers`.
struct Classic {
    language: Language,
    snowball: rust_stemmers::Stemmer,
}

impl Stemmer for Classic {
    fn stem<'a>(&self, word: &'a str) -> Cow<'a, str> {
        let is_unfit = match self.language {
            Language::Greek => upsets_greek(word),
            Language::Finnish => word.contains(|c: char| c.is_ascii_digit()),
            Language::Arabic => is_number(word),
            _ => false,
        };
        if is_unfit { Cow::Borrowed(word) } else { guarded(word, |word| self.snowball.stem(word)) }
    }

    fn name(&self) -> String {
        let keeps = matches!(self.language, Language::Arabic | Language::Finnish);
        let numbers = if keeps { " but numbers" } else { "" };
        format!("rust-stemmers {RUST_STEMMERS} {}{numbers}", self.language)
    }
}

/// The algorithm for Hindi.
struct Hindi;

impl Stemmer for Hindi {
    fn stem<'a>(&self, word: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(stem_hindi::stem(word))
    }

    fn name(&self) -> String {
        "hindi-1".to_owned()
    }
}

/// Whether a word has no letter.
fn is_number(word: &str) -> bool {
    !word.contains(char::is_alphabetic)
}

/// What `stem` makes of a word, unless that is nothing or a panic.
fn guarded<'a>(word: &'a str, stem: impl FnOnce(&'a str) -> Cow<'a, str>) -> Cow<'a, str> {
    // The algorithms own all that they change, so nothing half-changed survives the unwinding.
    match catch_unwind(AssertUnwindSafe(|| stem(word))) {
        Ok(stem) if !stem.is_empty() => stem,
        _ => Cow::Borrowed(word),
    }
}

/// Current Snowball.
#[cfg(feature = "snowball")]
pub(super) mod current {
    use std::borrow::Cow;

    use super::{Language, Stemmer, guarded, is_number};

    /// Named in fingerprints, as that of `rust-stemmers`.
    pub(in crate::fts::analysis) const FROSTEM: &str = "2.20261016.1";

    struct Current {
        language: Language,
        snowball: frostem::Stemmer,
    }

    pub(super) fn stemmer(language: Language) -> Option<Box<dyn Stemmer>> {
        let snowball = frostem::Stemmer::try_from_name(language.name()).ok()?;
        Some(Box::new(Current { language, snowball }))
    }

    impl Stemmer for Current {
        fn stem<'a>(&self, word: &'a str) -> Cow<'a, str> {
            if is_number(word) {
                return Cow::Borrowed(word);
            }
            guarded(word, |word| self.snowball.stem(word))
        }

        fn name(&self) -> String {
            format!("frostem {FROSTEM} {}", self.language)
        }
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
        let stemmer = stemmer(Stemmers::Classic, Language::Greek).unwrap().unwrap();
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
        let greek = rust_stemmers::Stemmer::create(rust_stemmers::Algorithm::Greek);
        let mut random = fastrand::Rng::with_seed(204);
        for _ in 0..40_000 {
            let mut word = String::from(if random.bool() { "ισα" } else { "" });
            for _ in 0..random.usize(1..4) {
                word.push_str(suffixes[random.usize(..suffixes.len())]);
            }
            if !upsets_greek(&word) {
                let _ = greek.stem(&word);
            }
        }
    }
}
