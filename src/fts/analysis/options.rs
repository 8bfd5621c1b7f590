//! What can be chosen about an analyzer; stored with each text index, so that a query is analyzed
//! as the documents were.
//!
//! Built by the collection layer or by a user, read by [`Analyzer::new`](super::Analyzer::new),
//! kept in the catalog through serde. Unknown fields are refused when read: an option of a later
//! version would change terms. What is as it is by default is not written, so that an index which does without looks as it did
//! before there was a choice.

use serde::{Deserialize, Serialize};

use super::language::Language;

/// How text becomes terms. The default knows no language: words, folded, each of them kept.
///
/// What happens to a text, in this order, whatever is chosen: it is cut into words ([`tokenizer`](Self::tokenizer)), these are
/// normalised and folded, what hangs on them by an apostrophe is removed, and then come `diacritics`, `fold_numbers`, the length
/// limits, the stop words, the stemmer, and the `filters`. `docs/analysis.md` shows each.
///
/// ```
/// use alluvium::fts::{AnalyzerOptions, Language};
///
/// let english = AnalyzerOptions::for_language(Language::English);
/// assert!(english.stemmer && english.stop_words);
/// let exact = english.stemmer(false);
/// assert!(!exact.stemmer && exact.stop_words);
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AnalyzerOptions {
    /// The language of the text, or none. It decides letters (Turkish, Romanian, Hindi, Vietnamese), pairs of syllables (Korean),
    /// elisions (French, Italian, Catalan), the possessive (English) and suffixes of names (Turkish), and what the two switches below
    /// mean; without it they mean nothing.
    pub language: Option<Language>,
    /// Whether words are reduced to their stems, so that `rivers` finds `river`. Default: on with a
    /// language.
    pub stemmer: bool,
    /// Whether the most frequent words are left out (their positions stay counted). Default: on
    /// with a language.
    pub stop_words: bool,
    /// How a text is cut into words. Default: [`Tokenizer::Words`].
    #[serde(skip_serializing_if = "is_default")]
    pub tokenizer: Tokenizer,
    /// Whose algorithms the stemmer uses. Default: [`Stemmers::Classic`].
    #[serde(skip_serializing_if = "is_default")]
    pub stemmers: Stemmers,
    /// Whether letters keep their marks. Default: they do.
    #[serde(skip_serializing_if = "is_default")]
    pub diacritics: Diacritics,
    /// Whether digits of all scripts become ASCII ones, and marks between groups of three are removed: `١٬٩٩٠` and `1,990` become
    /// `1990`. A group mark is what the language takes for one, a comma where none is told. Default: off.
    #[serde(skip_serializing_if = "is_default")]
    pub fold_numbers: bool,
    /// What words joined by hyphens are. Only with [`Tokenizer::Words`]. Default: words side by side.
    #[serde(skip_serializing_if = "is_default")]
    pub compounds: Compounds,
    /// Words of fewer characters are left out. Default: none are.
    #[serde(skip_serializing_if = "is_default")]
    pub chars_min: Option<u32>,
    /// Words of more characters are left out. Default: none are; beyond 255 bytes they are cut.
    #[serde(skip_serializing_if = "is_default")]
    pub chars_max: Option<u32>,
    /// Further words that are left out, with a language or without.
    #[serde(skip_serializing_if = "is_default")]
    pub more_stop_words: Vec<String>,
    /// Names of registered filters ([`register_filter`](super::register_filter)) that terms go through at the end, in this order.
    #[serde(skip_serializing_if = "is_default")]
    pub filters: Vec<String>,
    /// Words that mean the same, for queries: `usa, united states` or, one way, `poodle => dog`. They change what is looked for and
    /// nothing that is stored, so they may be changed without a rebuild.
    #[serde(skip_serializing_if = "is_default")]
    pub synonyms: Vec<String>,
}

/// How a text is cut into words.
///
/// ```
/// use alluvium::{Analyzer, AnalyzerOptions, Tokenizer};
///
/// let folders = AnalyzerOptions::default().tokenizer(Tokenizer::path('/'));
/// let analyzer = Analyzer::new(&folders)?;
/// assert_eq!(analyzer.terms("/usr/share/doc"), ["/usr", "/usr/share", "/usr/share/doc"]);
/// # Ok::<(), alluvium::AnalyzerError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Tokenizer {
    /// The words of UAX #29 with a letter or a digit; pairs of characters in scripts without spaces.
    #[default]
    Words,
    /// The words of UAX #29, and in scripts without spaces those of a dictionary: Chinese, Japanese, Thai, Lao, Khmer, Burmese. Needs
    /// the feature `icu`.
    Dictionary,
    /// What stands between white space.
    Whitespace,
    /// Letters and their marks in a row.
    Letters,
    /// All parts of a word that have so many characters, for looking inside of words. A query is cut into its longest parts.
    Ngrams {
        /// Characters of the shortest part, at least 1.
        min: u8,
        /// Characters of the longest part, at most 16 and at least `min`.
        max: u8,
    },
    /// All beginnings of a word that have so many characters, at its position, for searching while somebody types. A word of a query
    /// stands for itself.
    EdgeNgrams {
        /// Characters of the shortest beginning, at least 1.
        min: u8,
        /// Characters of the longest beginning, at most 64 and at least `min`.
        max: u8,
    },
    /// The whole text as one word.
    Keyword,
    /// A path and all that lie above it, at one position: `/usr`, `/usr/share`, `/usr/share/doc`. A path of a query stands for itself.
    Path {
        /// What stands between names.
        delimiter: char,
    },
    /// What a regular expression matches, or the part of it that its first group does.
    Regex {
        /// The expression, in the syntax of the crate `regex`.
        pattern: String,
    },
    /// A tokenizer of the program's own ([`register_tokenizer`](super::register_tokenizer)).
    Custom {
        /// Its name.
        name: String,
    },
}

/// Whose stemming algorithms are used.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stemmers {
    /// Those of `rust-stemmers` 1.2.0, which is Snowball as it was in 2019, and Snowball's for Hindi. They never change.
    #[default]
    Classic,
    /// Those of Snowball 3.2 (`frostem`), for all languages that it knows. Needs the feature `snowball`.
    Snowball,
}

/// Whether letters keep their marks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Diacritics {
    /// They do: é is not e.
    #[default]
    Keep,
    /// é becomes e, ø o, æ ae, so that what is typed without marks is found. Vowel signs of Indic and other scripts stay, and so do
    /// й, ї and ў.
    Fold,
}

/// What words joined by hyphens are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compounds {
    /// `wi-fi` is `wi` and `fi` side by side.
    #[default]
    Apart,
    /// `wi-fi` is `wi`, `fi` and `wifi` at one position, found by each of them and by `"wi fi"`.
    Joined,
}

impl Tokenizer {
    /// [`Tokenizer::Path`] with this delimiter.
    pub fn path(delimiter: char) -> Tokenizer {
        Tokenizer::Path { delimiter }
    }

    /// [`Tokenizer::Regex`] with this pattern.
    pub fn regex(pattern: impl Into<String>) -> Tokenizer {
        Tokenizer::Regex { pattern: pattern.into() }
    }

    /// [`Tokenizer::Custom`] of this name.
    pub fn custom(name: impl Into<String>) -> Tokenizer {
        Tokenizer::Custom { name: name.into() }
    }
}

impl AnalyzerOptions {
    /// The options for text in one language: stemmer and stop words on, and for languages that are written with digits of
    /// their own also `fold_numbers`.
    pub fn for_language(language: Language) -> AnalyzerOptions {
        let options = AnalyzerOptions {
            language: Some(language),
            stemmer: true,
            stop_words: true,
            ..AnalyzerOptions::default()
        };
        let own_digits = matches!(
            language,
            Language::Arabic
                | Language::Hindi
                | Language::Nepali
                | Language::Persian
                | Language::Thai
        );
        options.fold_numbers(own_digits)
    }

    /// The same for another language, with its stemmer and stop words.
    pub fn in_language(self, language: Language) -> AnalyzerOptions {
        let AnalyzerOptions { stemmer, stop_words, .. } = AnalyzerOptions::for_language(language);
        AnalyzerOptions { language: Some(language), stemmer, stop_words, ..self }
    }

    /// With the stemmer on or off.
    pub fn stemmer(self, on: bool) -> AnalyzerOptions {
        AnalyzerOptions { stemmer: on, ..self }
    }

    /// With stop words left out (`true`) or kept.
    pub fn stop_words(self, on: bool) -> AnalyzerOptions {
        AnalyzerOptions { stop_words: on, ..self }
    }

    /// Sets [`tokenizer`](Self::tokenizer).
    pub fn tokenizer(self, tokenizer: Tokenizer) -> AnalyzerOptions {
        AnalyzerOptions { tokenizer, ..self }
    }

    /// Sets [`stemmers`](Self::stemmers).
    pub fn stemmers(self, stemmers: Stemmers) -> AnalyzerOptions {
        AnalyzerOptions { stemmers, ..self }
    }

    /// Sets [`diacritics`](Self::diacritics).
    pub fn diacritics(self, diacritics: Diacritics) -> AnalyzerOptions {
        AnalyzerOptions { diacritics, ..self }
    }

    /// Sets [`fold_numbers`](Self::fold_numbers).
    pub fn fold_numbers(self, on: bool) -> AnalyzerOptions {
        AnalyzerOptions { fold_numbers: on, ..self }
    }

    /// Sets [`compounds`](Self::compounds).
    pub fn compounds(self, compounds: Compounds) -> AnalyzerOptions {
        AnalyzerOptions { compounds, ..self }
    }

    /// Sets [`chars_min`](Self::chars_min) and [`chars_max`](Self::chars_max).
    pub fn chars(self, min: Option<u32>, max: Option<u32>) -> AnalyzerOptions {
        AnalyzerOptions { chars_min: min, chars_max: max, ..self }
    }

    /// Sets [`more_stop_words`](Self::more_stop_words).
    pub fn more_stop_words<W: Into<String>>(
        self,
        words: impl IntoIterator<Item = W>,
    ) -> AnalyzerOptions {
        let more_stop_words = words.into_iter().map(Into::into).collect();
        AnalyzerOptions { more_stop_words, ..self }
    }

    /// Sets [`filters`](Self::filters).
    pub fn filters<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> AnalyzerOptions {
        AnalyzerOptions { filters: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets [`synonyms`](Self::synonyms).
    pub fn synonyms<R: Into<String>>(self, rules: impl IntoIterator<Item = R>) -> AnalyzerOptions {
        AnalyzerOptions { synonyms: rules.into_iter().map(Into::into).collect(), ..self }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
