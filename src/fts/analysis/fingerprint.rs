//! Names all that the terms of an analyzer depend on, so that an index is never searched with other terms than it holds.
//!
//! Stored with each index; opening compares it with what this program's analyzer says. Invariants: what is as it is by default is
//! not named, so that a choice added later leaves the fingerprints of before; versions are those of the lock file, which a test
//! compares. Synonyms are not named, since they change queries only. Cost: none to speak of.

use std::fmt::Write;

use super::analyzer::Analyzer;
use super::language::Language;
use super::options::{Compounds, Diacritics, Tokenizer};
use super::token::TERM_BYTES_MAX;
use super::tokenize::Cut;

/// Raised when any rule of the default analysis, a list of stop words included, changes the terms of some
/// text.
const ALGORITHM: u32 = 1;

/// Raised when a rule of anything else does.
const FURTHER: u32 = 1;

// A test compares them with Cargo.lock, since a crate does not know its dependencies' versions.
pub(super) const SEGMENTATION: &str = "1.13";
pub(super) const NORMALIZATION: &str = "0.1";
pub(super) const CASELESS: &str = "0.2";
#[cfg(feature = "icu")]
pub(super) const ICU: &str = "2.4.0";

impl Analyzer {
    /// Names all that terms depend on: two analyzers with equal fingerprints make the same terms of
    /// every text.
    ///
    /// `alluvium-1; uax29 17.0.0 (unicode-segmentation 1.13); nfkc 18.0.0 (unicode-normalization
    /// 0.1); …`
    pub fn fingerprint(&self) -> String {
        let version = |(major, minor, patch): (u64, u64, u64)| format!("{major}.{minor}.{patch}");
        let of_bytes = |(major, minor, patch): (u8, u8, u8)| {
            version((u64::from(major), u64::from(minor), u64::from(patch)))
        };
        let mut text = format!(
            "alluvium-{ALGORITHM}; uax29 {} (unicode-segmentation {SEGMENTATION}); \
             nfkc {} (unicode-normalization {NORMALIZATION}); casefold {} (caseless {CASELESS}); \
             bigrams; cut {TERM_BYTES_MAX}",
            version(unicode_segmentation::UNICODE_VERSION),
            of_bytes(unicode_normalization::UNICODE_VERSION),
            version(caseless::UNICODE_VERSION),
        );
        if let Some(language) = self.options.language {
            let mut add = |part: &str| text.push_str(part);
            add("; language ");
            add(language.name());
            if let Some(stemmer) = &self.stemmer {
                add("; ");
                add(&stemmer.name());
            }
            if !self.stop_words.is_empty() {
                add(&format!("; stop {}-{}", language.name(), self.stop_words.len()));
            }
        }
        self.name_choices(&mut text);
        text
    }

    /// Adds what was chosen.
    fn name_choices(&self, text: &mut String) {
        let from = text.len();
        let mut add = |part: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = text.write_fmt(format_args!("; {part}"));
        };
        let options = &self.options;
        match (&options.tokenizer, &self.cut) {
            (Tokenizer::Words, _) => {}
            (_, Cut::Custom(custom)) => add(format_args!("tokenizer {custom:?}")),
            #[cfg(feature = "icu")]
            (_, Cut::Dictionary) => add(format_args!("tokenizer icu_segmenter {ICU}")),
            (tokenizer, _) => add(format_args!("tokenizer {tokenizer:?}")),
        }
        if self.steps.spellings || options.language == Some(Language::Russian) {
            add(format_args!("spellings"));
        }
        for (is_on, name) in [
            (options.diacritics == Diacritics::Fold, "diacritics"),
            (options.fold_numbers, "numbers"),
            (options.compounds == Compounds::Joined, "compounds"),
        ] {
            if is_on {
                add(format_args!("{name}"));
            }
        }
        if options.chars_min.is_some() || options.chars_max.is_some() {
            add(format_args!("chars {:?} {:?}", options.chars_min, options.chars_max));
        }
        if !options.more_stop_words.is_empty() {
            add(format_args!("stop {:?}", options.more_stop_words));
        }
        for filter in &self.filters {
            add(format_args!("filter {filter:?}"));
        }
        if text.len() > from {
            let _ = write!(text, "; further-{FURTHER}");
        }
    }
}
