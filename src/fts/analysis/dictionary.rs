//! Words of scripts without spaces, found by dictionary and statistics: Chinese, Japanese, Thai, Lao, Khmer and Burmese.
//!
//! Called by [`Analyzer`](super::Analyzer) for the tokenizer `dictionary`, which the feature `icu` brings. All else is cut by UAX #29
//! as by default; only runs of characters that would become pairs are cut by `icu_segmenter` instead, with the data that it was
//! compiled with, so that one version of it always gives the same words: the fingerprint names it. Invariants: words of a run are
//! its segments, in their order; those without a letter or a digit are left out. Cost: the models of South-East Asian
//! scripts take some 20 µs a word, the dictionary of Chinese and Japanese less than 1 µs.

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};
use unicode_segmentation::UnicodeSegmentation;

use super::analyzer::Analyzer;
use super::token::Output;

impl Analyzer {
    /// The words of a text by UAX #29 and by dictionary.
    pub(super) fn dictionary_words(
        &self,
        buffer: &mut String,
        text: &str,
        output: &mut Output<'_>,
    ) {
        let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
        let mut run: Option<(usize, usize)> = None;
        for (start, word) in text.unicode_word_indices() {
            let end = start + word.len();
            let has_pairs = self.has_pairs(word);
            match run {
                Some((from, to)) if has_pairs && to == start => run = Some((from, end)),
                _ => {
                    self.segments(&segmenter, buffer, text, run.take(), output);
                    if has_pairs {
                        run = Some((start, end));
                    } else {
                        self.word(buffer, word, start..end, output);
                    }
                }
            }
        }
        self.segments(&segmenter, buffer, text, run, output);
    }

    /// The words of a run of a text.
    fn segments(
        &self,
        segmenter: &WordSegmenterBorrowed<'_>,
        buffer: &mut String,
        text: &str,
        run: Option<(usize, usize)>,
        output: &mut Output<'_>,
    ) {
        let Some((start, end)) = run else { return };
        let mut from = start;
        for border in segmenter.segment_str(text.get(start..end).unwrap_or_default()) {
            let to = start + border;
            let word = text.get(from..to).unwrap_or_default();
            if word.chars().any(char::is_alphanumeric) {
                self.word(buffer, word, from..to, output);
            }
            from = to;
        }
    }
}
