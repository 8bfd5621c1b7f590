//! What can be chosen about an analyzer; stored with each text index, so that a query is analyzed
//! as the documents were.
//!
//! Built by the collection layer or by a user, read by [`Analyzer::new`](super::Analyzer::new),
//! kept in the catalog through serde. Unknown fields are refused when read: an option of a later
//! version would change terms.

use serde::{Deserialize, Serialize};

use super::language::Language;

/// How text becomes terms. The default knows no language: words, folded, each of them kept.
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
    /// The language of the text, or none. It decides letters (Turkish), elisions (French, Italian),
    /// the possessive (English) and suffixes of names (Turkish), and what the two switches below
    /// mean; without it they mean nothing.
    pub language: Option<Language>,
    /// Whether words are reduced to their stems, so that `rivers` finds `river`. Default: on with a
    /// language.
    pub stemmer: bool,
    /// Whether the most frequent words are left out (their positions stay counted). Default: on
    /// with a language.
    pub stop_words: bool,
}

impl AnalyzerOptions {
    /// The options for text in one language: stemmer and stop words on.
    pub fn for_language(language: Language) -> AnalyzerOptions {
        AnalyzerOptions { language: Some(language), stemmer: true, stop_words: true }
    }

    /// With the stemmer on or off.
    pub fn stemmer(self, on: bool) -> AnalyzerOptions {
        AnalyzerOptions { stemmer: on, ..self }
    }

    /// With stop words left out (`true`) or kept.
    pub fn stop_words(self, on: bool) -> AnalyzerOptions {
        AnalyzerOptions { stop_words: on, ..self }
    }
}
