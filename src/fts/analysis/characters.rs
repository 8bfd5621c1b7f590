//! Single characters of scripts that are indexed by pairs: which words of a query are one, and where it stands in a text.
//!
//! Called by [`Analyzers`](crate::fts::Analyzers) for the planner, which looks for such a word in all pairs, and by the highlighter,
//! which marks the character and not the pair. A character is what [`bigrams`](super::bigrams) calls a unit: a base with its marks.
//! Invariant: ranges lie on character borders and ascend. Cost: the normalisation of the text's characters.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::analyzer::Analyzer;
use super::bigrams::UNIT_BYTES_MAX;
use super::normalize::normalize_into;
use super::tokenize::Cut;

impl Analyzer {
    /// Whether a term is one character of a script that is indexed by pairs.
    ///
    /// ```
    /// use alluvium::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default())?;
    /// assert!(analyzer.is_character("水"));
    /// assert!(!analyzer.is_character("河水") && !analyzer.is_character("a"));
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn is_character(&self, term: &str) -> bool {
        let mut chars = term.chars();
        let is_paired = chars.next().is_some_and(|first| self.scripts.of(first).is_some());
        matches!(self.cut, Cut::Words) && is_paired && chars.all(is_combining_mark)
    }

    /// Passes the bytes of each place in `text` to `sink` where the character `wanted` stands, which is a term.
    ///
    /// ```
    /// use alluvium::{Analyzer, AnalyzerOptions};
    ///
    /// let (analyzer, mut found) = (Analyzer::new(&AnalyzerOptions::default())?, Vec::new());
    /// analyzer.each_character("河水 the 水", "水", &mut |bytes| found.push(bytes));
    /// assert_eq!(found, [3..6, 11..14]);
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn each_character(&self, text: &str, wanted: &str, sink: &mut dyn FnMut(Range<usize>)) {
        let mut units = text.char_indices().filter(|&(_, c)| !self.scripts.continues_unit(c));
        let (mut normalized, mut unit) = (String::new(), units.next());
        while let Some((start, first)) = unit {
            unit = units.next();
            let bytes = start..unit.map_or(text.len(), |(end, _)| end);
            let Some(written) =
                text.get(bytes.clone()).filter(|_| self.scripts.of(first).is_some())
            else {
                continue;
            };
            normalized.clear();
            normalize_into(written, self.options.language, UNIT_BYTES_MAX, &mut normalized);
            // Several characters may be written as one.
            let is_several = normalized.chars().filter(|&c| !is_combining_mark(c)).nth(1).is_some();
            if normalized == wanted || is_several && normalized.contains(wanted) {
                sink(bytes);
            }
        }
    }
}
