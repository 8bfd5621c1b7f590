//! The languages that an analyzer can be told about, and how people name them.
//!
//! Used by [`AnalyzerOptions`](super::AnalyzerOptions), by the catalog (through serde) and by the
//! command line's `--language` (through [`FromStr`]). A language is here if it changes what becomes of a text: by a stemmer
//! (`stem.rs` says which), by its letters (`normalize.rs`) or by stop words (`stop_words.rs`); those that only current Snowball
//! can stem are marked. Cost: none to speak of.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use rust_stemmers::Algorithm;
use serde::{Deserialize, Deserializer, Serialize};

/// A language of texts.
///
/// Parses from its ISO 639-1 code or its English name, in any case; written by serde as its English
/// name, read as either. Those marked with a star have a stemmer only by [`Stemmers::Snowball`](super::Stemmers).
///
/// ```
/// use alluvium::fts::Language;
///
/// assert_eq!("en".parse(), Ok(Language::English));
/// assert_eq!("German".parse(), Ok(Language::German));
/// assert_eq!(Language::German.code(), "de");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Language {
    /// `ar`
    Arabic,
    /// `hy` *
    Armenian,
    /// `eu` *
    Basque,
    /// `ca` *
    Catalan,
    /// `zh`: pairs of characters, no stemmer
    Chinese,
    /// `cs` *
    Czech,
    /// `da`
    Danish,
    /// `nl`
    Dutch,
    /// `en`
    English,
    /// `eo` *
    Esperanto,
    /// `et` *
    Estonian,
    /// `fi`
    Finnish,
    /// `fr`
    French,
    /// `de`
    German,
    /// `el`
    Greek,
    /// `hi`
    Hindi,
    /// `hu`
    Hungarian,
    /// `id` *
    Indonesian,
    /// `ga` *
    Irish,
    /// `it`
    Italian,
    /// `ja`: pairs of characters, no stemmer
    Japanese,
    /// `ko`: pairs of syllables, no stemmer
    Korean,
    /// `lt` *
    Lithuanian,
    /// `ne` *
    Nepali,
    /// `no`, also `nb` and `nn`
    Norwegian,
    /// `fa` *
    Persian,
    /// `pl` *
    Polish,
    /// `pt`
    Portuguese,
    /// `ro`
    Romanian,
    /// `ru`
    Russian,
    /// `sr` *
    Serbian,
    /// `es`
    Spanish,
    /// `sv`
    Swedish,
    /// `ta`
    Tamil,
    /// `th`: pairs of characters, no stemmer
    Thai,
    /// `tr`
    Turkish,
    /// `uk` *
    Ukrainian,
    /// `vi`: words as they are, no stemmer
    Vietnamese,
    /// `yi` *
    Yiddish,
}

impl Language {
    /// Every language, in the order of their English names.
    pub const ALL: [Language; 39] = [
        Language::Arabic,
        Language::Armenian,
        Language::Basque,
        Language::Catalan,
        Language::Chinese,
        Language::Czech,
        Language::Danish,
        Language::Dutch,
        Language::English,
        Language::Esperanto,
        Language::Estonian,
        Language::Finnish,
        Language::French,
        Language::German,
        Language::Greek,
        Language::Hindi,
        Language::Hungarian,
        Language::Indonesian,
        Language::Irish,
        Language::Italian,
        Language::Japanese,
        Language::Korean,
        Language::Lithuanian,
        Language::Nepali,
        Language::Norwegian,
        Language::Persian,
        Language::Polish,
        Language::Portuguese,
        Language::Romanian,
        Language::Russian,
        Language::Serbian,
        Language::Spanish,
        Language::Swedish,
        Language::Tamil,
        Language::Thai,
        Language::Turkish,
        Language::Ukrainian,
        Language::Vietnamese,
        Language::Yiddish,
    ];

    /// The ISO 639-1 code: two lower-case letters.
    pub fn code(self) -> &'static str {
        self.code_name_algorithm().0
    }

    /// The English name in lower case.
    pub fn name(self) -> &'static str {
        self.code_name_algorithm().1
    }

    /// The algorithm of `rust-stemmers`, if it has one.
    pub(super) fn algorithm(self) -> Option<Algorithm> {
        self.code_name_algorithm().2
    }

    fn code_name_algorithm(self) -> (&'static str, &'static str, Option<Algorithm>) {
        match self {
            Language::Arabic => ("ar", "arabic", Some(Algorithm::Arabic)),
            Language::Armenian => ("hy", "armenian", None),
            Language::Basque => ("eu", "basque", None),
            Language::Catalan => ("ca", "catalan", None),
            Language::Chinese => ("zh", "chinese", None),
            Language::Czech => ("cs", "czech", None),
            Language::Danish => ("da", "danish", Some(Algorithm::Danish)),
            Language::Dutch => ("nl", "dutch", Some(Algorithm::Dutch)),
            Language::English => ("en", "english", Some(Algorithm::English)),
            Language::Esperanto => ("eo", "esperanto", None),
            Language::Estonian => ("et", "estonian", None),
            Language::Finnish => ("fi", "finnish", Some(Algorithm::Finnish)),
            Language::French => ("fr", "french", Some(Algorithm::French)),
            Language::German => ("de", "german", Some(Algorithm::German)),
            Language::Greek => ("el", "greek", Some(Algorithm::Greek)),
            Language::Hindi => ("hi", "hindi", None),
            Language::Hungarian => ("hu", "hungarian", Some(Algorithm::Hungarian)),
            Language::Indonesian => ("id", "indonesian", None),
            Language::Irish => ("ga", "irish", None),
            Language::Italian => ("it", "italian", Some(Algorithm::Italian)),
            Language::Japanese => ("ja", "japanese", None),
            Language::Korean => ("ko", "korean", None),
            Language::Lithuanian => ("lt", "lithuanian", None),
            Language::Nepali => ("ne", "nepali", None),
            Language::Norwegian => ("no", "norwegian", Some(Algorithm::Norwegian)),
            Language::Persian => ("fa", "persian", None),
            Language::Polish => ("pl", "polish", None),
            Language::Portuguese => ("pt", "portuguese", Some(Algorithm::Portuguese)),
            Language::Romanian => ("ro", "romanian", Some(Algorithm::Romanian)),
            Language::Russian => ("ru", "russian", Some(Algorithm::Russian)),
            Language::Serbian => ("sr", "serbian", None),
            Language::Spanish => ("es", "spanish", Some(Algorithm::Spanish)),
            Language::Swedish => ("sv", "swedish", Some(Algorithm::Swedish)),
            Language::Tamil => ("ta", "tamil", Some(Algorithm::Tamil)),
            Language::Thai => ("th", "thai", None),
            Language::Turkish => ("tr", "turkish", Some(Algorithm::Turkish)),
            Language::Ukrainian => ("uk", "ukrainian", None),
            Language::Vietnamese => ("vi", "vietnamese", None),
            Language::Yiddish => ("yi", "yiddish", None),
        }
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Language, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
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
        assert_eq!(serde_json::from_str::<Language>("\"de\"").unwrap(), Language::German);
        assert!(Language::ALL.map(Language::name).is_sorted());
        let mut codes = Language::ALL.map(Language::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Language::ALL.len());
    }

    #[test]
    fn an_unknown_language_is_answered_with_the_known_ones() {
        let error = "klingon".parse::<Language>().unwrap_err().to_string();
        for known in ["\"klingon\"", "en (english)", "tr (turkish)"] {
            assert!(error.contains(known), "{error}");
        }
    }
}
