//! An analysis step by step, for whoever wonders why a word is found or is not.
//!
//! Asked by the command line's `analyze`. A stage is the whole analysis by an analyzer that knows only the steps up to it, so that
//! what is shown is what is done. Invariants: the last stage is [`Analyzer::analyze`]'s result; stages that the options do not have
//! are not shown. Cost: an analysis a stage.

use serde::Serialize;

use super::analyzer::{Analyzer, Steps};
use super::error::AnalyzerError;
use super::options::AnalyzerOptions;

/// What a step leaves of a text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stage {
    /// The step: `words`, `normalized`, `apostrophes`, `spelling`, `diacritics`, `numbers`, `length`, `stop words`, `stemmed` or
    /// `filters`.
    pub name: &'static str,
    /// Its tokens.
    pub tokens: Vec<StageToken>,
}

/// A token as a step leaves it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StageToken {
    /// The term; in the first stage the word as it stands in the text.
    pub term: String,
    /// Its position.
    pub position: u32,
    /// First byte of the word in the text.
    pub start: usize,
    /// Byte after the word in the text.
    pub end: usize,
}

impl Analyzer {
    /// The analysis of a document's text, step by step; the last stage is what [`analyze`](Self::analyze) makes of it.
    ///
    /// ```
    /// use alluvium::{Analyzer, AnalyzerOptions, Language};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English))?;
    /// let stages = analyzer.stages("The River's");
    /// let shown: Vec<_> = stages
    ///     .iter()
    ///     .map(|stage| (stage.name, stage.tokens.last().map(|token| token.term.as_str())))
    ///     .collect();
    /// assert_eq!(shown, [
    ///     ("words", Some("River's")),
    ///     ("normalized", Some("river's")),
    ///     ("apostrophes", Some("river")),
    ///     ("stop words", Some("river")),
    ///     ("stemmed", Some("river")),
    /// ]);
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn stages(&self, text: &str) -> Vec<Stage> {
        self.stages_of(text).unwrap_or_default()
    }

    fn stages_of(&self, text: &str) -> Result<Vec<Stage>, AnalyzerError> {
        let wanted = self.options();
        let mut steps = Steps { elisions: false, spellings: false };
        let mut options = AnalyzerOptions {
            language: wanted.language,
            tokenizer: wanted.tokenizer.clone(),
            stemmers: wanted.stemmers,
            compounds: wanted.compounds,
            ..AnalyzerOptions::default()
        };
        let mut stages = Vec::new();
        let mut stage = |name, options: &AnalyzerOptions, steps| {
            let analyzer = Analyzer::with_steps(options, steps)?;
            let tokens = analyzer.stage_tokens(text);
            if stages.is_empty() {
                let mut words = tokens.clone();
                for token in &mut words {
                    text.get(token.start..token.end)
                        .unwrap_or_default()
                        .clone_into(&mut token.term);
                }
                stages.push(Stage { name: "words", tokens: words });
            }
            stages.push(Stage { name, tokens });
            Ok::<_, AnalyzerError>(())
        };
        stage("normalized", &options, steps)?;
        if self.steps.elisions {
            steps.elisions = true;
            stage("apostrophes", &options, steps)?;
        }
        if self.steps.spellings {
            steps.spellings = true;
            stage("spelling", &options, steps)?;
        }
        if wanted.diacritics != options.diacritics {
            options.diacritics = wanted.diacritics;
            stage("diacritics", &options, steps)?;
        }
        if wanted.fold_numbers {
            options.fold_numbers = true;
            stage("numbers", &options, steps)?;
        }
        if wanted.chars_min.is_some() || wanted.chars_max.is_some() {
            (options.chars_min, options.chars_max) = (wanted.chars_min, wanted.chars_max);
            stage("length", &options, steps)?;
        }
        if self.has_stop_words() {
            options.stop_words = wanted.stop_words;
            options.more_stop_words.clone_from(&wanted.more_stop_words);
            stage("stop words", &options, steps)?;
        }
        if self.stemmer.is_some() {
            options.stemmer = true;
            stage("stemmed", &options, steps)?;
        }
        if !wanted.filters.is_empty() {
            options.filters.clone_from(&wanted.filters);
            stage("filters", &options, steps)?;
        }
        Ok(stages)
    }

    fn stage_tokens(&self, text: &str) -> Vec<StageToken> {
        let mut tokens = Vec::new();
        self.analyze(text, &mut |token| {
            let (term, position) = (token.term.to_owned(), token.position);
            tokens.push(StageToken { term, position, start: token.start, end: token.end });
        });
        tokens
    }
}
