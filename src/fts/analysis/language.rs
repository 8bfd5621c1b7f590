//! The languages that an analyzer can be told about, and how people name them.
//!
//! Used by [`AnalyzerOptions`](super::AnalyzerOptions), by the catalog (through serde) and by the
//! command line's `--language` (through [`FromStr`]). Exactly the languages for which
//! `rust-stemmers` has an algorithm are here; which of them have stop words is said in
//! `stop_words.rs`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use rust_stemmers::Algorithm;
use serde::{Deserialize, Serialize};

/// A language with a stemmer.
///
/// Parses from its ISO 639-1 code or its English name, in any case; written by serde as its English
/// name.
///
/// ```
/// use alluvium::fts::Language;
///
/// assert_eq!("en".parse(), Ok(Language::English));
/// assert_eq!("German".parse(), Ok(Language::German));
/// assert_eq!(Language::German.code(), "de");
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Language {
    /// `ar`
    Arabic,
    /// `da`
    Danish,
    /// `nl`
    Dutch,
    /// `en`
    English,
    /// `fi`
    Finnish,
    /// `fr`
    French,
    /// `de`
    German,
    /// `el`
    Greek,
    /// `hu`
    Hungarian,
    /// `it`
    Italian,
    /// `no`, also `nb` and `nn`
    Norwegian,
    /// `pt`
    Portuguese,
    /// `ro`
    Romanian,
    /// `ru`
    Russian,
    /// `es`
    Spanish,
    /// `sv`
    Swedish,
    /// `ta`
    Tamil,
    /// `tr`
    Turkish,
}

impl Language {
    /// Every language, in the order of their English names.
    pub const ALL: [Language; 18] = [
        Language::Arabic,
        Language::Danish,
        Language::Dutch,
        Language::English,
        Language::Finnish,
        Language::French,
        Language::German,
        Language::Greek,
        Language::Hungarian,
        Language::Italian,
        Language::Norwegian,
        Language::Portuguese,
        Language::Romanian,
        Language::Russian,
        Language::Spanish,
        Language::Swedish,
        Language::Tamil,
        Language::Turkish,
    ];

    /// The ISO 639-1 code: two lower-case letters.
    pub fn code(self) -> &'static str {
        self.code_name_algorithm().0
    }

    /// The English name in lower case.
    pub fn name(self) -> &'static str {
        self.code_name_algorithm().1
    }

    pub(super) fn algorithm(self) -> Algorithm {
        self.code_name_algorithm().2
    }

    fn code_name_algorithm(self) -> (&'static str, &'static str, Algorithm) {
        match self {
            Language::Arabic => ("ar", "arabic", Algorithm::Arabic),
            Language::Danish => ("da", "danish", Algorithm::Danish),
            Language::Dutch => ("nl", "dutch", Algorithm::Dutch),
            Language::English => ("en", "english", Algorithm::English),
            Language::Finnish => ("fi", "finnish", Algorithm::Finnish),
            Language::French => ("fr", "french", Algorithm::French),
            Language::German => ("de", "german", Algorithm::German),
            Language::Greek => ("el", "greek", Algorithm::Greek),
            Language::Hungarian => ("hu", "hungarian", Algorithm::Hungarian),
            Language::Italian => ("it", "italian", Algorithm::Italian),
            Language::Norwegian => ("no", "norwegian", Algorithm::Norwegian),
            Language::Portuguese => ("pt", "portuguese", Algorithm::Portuguese),
            Language::Romanian => ("ro", "romanian", Algorithm::Romanian),
            Language::Russian => ("ru", "russian", Algorithm::Russian),
            Language::Spanish => ("es", "spanish", Algorithm::Spanish),
            Language::Swedish => ("sv", "swedish", Algorithm::Swedish),
            Language::Tamil => ("ta", "tamil", Algorithm::Tamil),
            Language::Turkish => ("tr", "turkish", Algorithm::Turkish),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Language, UnknownLanguage> {
        let wanted = text.trim();
        if wanted.eq_ignore_ascii_case("nb") || wanted.eq_ignore_ascii_case("nn") {
            return Ok(Language::Norwegian);
        }
        Language::ALL
            .into_iter()
            .find(|language| {
                wanted.eq_ignore_ascii_case(language.code())
                    || wanted.eq_ignore_ascii_case(language.name())
            })
            .ok_or_else(|| UnknownLanguage { text: text.to_owned() })
    }
}

/// A text that names no [`Language`]; displays the names that are known.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnknownLanguage {
    /// What was given.
    pub text: String,
}

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown language {:?}; known are", self.text)?;
        for (index, language) in Language::ALL.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {} ({})", language.code(), language.name())?;
        }
        f.write_str("; leave the language out for text of any other")
    }
}

impl Error for UnknownLanguage {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_parses_from_its_code_and_its_name() {
        for language in Language::ALL {
            assert_eq!(language.code().parse(), Ok(language));
            assert_eq!(language.name().to_uppercase().parse(), Ok(language));
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("\"{language}\""));
            assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), language);
        }
        assert_eq!("nb".parse(), Ok(Language::Norwegian));
    }

    #[test]
    fn an_unknown_language_is_answered_with_the_known_ones() {
        let error = "klingon".parse::<Language>().unwrap_err().to_string();
        for known in ["\"klingon\"", "en (english)", "tr (turkish)"] {
            assert!(error.contains(known), "{error}");
        }
    }
}
