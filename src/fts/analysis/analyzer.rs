//! [`Analyzer`]: from a text to its tokens.
//!
//! Made of options by the index, by queries and by whoever asks; `mod.rs` tells the steps and the rules that others rely on. It calls
//! what stands left of it in this folder. The plain case, words of UAX #29 of a language or none, goes through as little as
//! possible; whatever else was chosen is behind one flag. Cost: linear; no allocation a token beyond the reused [`Scratch`], except
//! the stemmer's and those of what was chosen.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::bigrams::{Run, Scripts, UNIT_BYTES_MAX};
use super::compounds::{each_compound, joined};
use super::error::AnalyzerError;
use super::folding::{with_plain_numbers, without_diacritics};
use super::language::Language;
use super::normalize::{lower_case, normalize_into};
use super::options::{AnalyzerOptions, Compounds, Diacritics};
use super::parts::{Units, path};
use super::registry::{Registered, Rewrite, filter};
use super::spelling::{has_spellings, respell};
use super::stem::{Stemmer, stemmer};
use super::stop_words::stop_words;
use super::synonyms::Synonyms;
use super::token::{Output, TERM_BYTES_MAX, Token, cut};
use super::tokenize::Cut;
use super::words::each_word;

/// Turns texts into terms; shared freely between threads.
///
/// ```
/// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
///
/// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English))?;
/// let mut terms = Vec::new();
/// let positions = analyzer.analyze("The river's cafés", &mut |token| {
///     terms.push((token.term.to_owned(), token.position, token.start..token.end));
/// });
/// assert_eq!(positions, 3);
/// assert_eq!(terms, [("river".to_owned(), 1, 4..11), ("café".to_owned(), 2, 12..18)]);
/// # Ok::<(), alluvium::AnalyzerError>(())
/// ```
#[derive(Debug)]
pub struct Analyzer {
    pub(super) options: AnalyzerOptions,
    pub(super) steps: Steps,
    pub(super) cut: Cut,
    pub(super) scripts: Scripts,
    /// Whether the ends of words are trimmed, and what hangs on them by an apostrophe goes.
    trims: bool,
    pub(super) stemmer: Option<Box<dyn Stemmer>>,
    pub(super) stop_words: &'static [&'static str],
    /// Whether words go through more than stop words and stemmer.
    has_more: bool,
    /// All stop words as `has_more` meets them, sorted.
    all_stop_words: Vec<String>,
    pub(super) filters: Vec<Registered<Rewrite>>,
    pub(super) synonyms: Synonyms,
}

/// Steps that a language takes by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Removes what hangs on words by an apostrophe.
    pub(super) elisions: bool,
    /// Brings several spellings of a word to one.
    pub(super) spellings: bool,
}

/// Buffers that one caller reuses from text to text.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    term: String,
    unit: String,
    run: Run,
}

impl Analyzer {
    /// An analyzer with these options.
    ///
    /// # Errors
    /// [`AnalyzerError`] for an option that makes no sense, names what this program has not registered, or needs a feature that it
    /// was built without.
    pub fn new(options: &AnalyzerOptions) -> Result<Analyzer, AnalyzerError> {
        let elisions = matches!(
            options.language,
            Some(
                Language::Catalan
                    | Language::English
                    | Language::French
                    | Language::Italian
                    | Language::Turkish
            )
        );
        let spellings = has_spellings(options.language);
        let mut analyzer = Self::with_steps(options, Steps { elisions, spellings })?;
        analyzer.synonyms = Synonyms::new(&options.synonyms, &|text| {
            let (tokens, _) = analyzer.query_tokens(text);
            tokens.into_iter().map(|token| (token.term, token.position)).collect()
        })?;
        Ok(analyzer)
    }

    pub(super) fn with_steps(
        options: &AnalyzerOptions,
        steps: Steps,
    ) -> Result<Analyzer, AnalyzerError> {
        let cut = Cut::new(&options.tokenizer)?;
        let trims = cut.is_words();
        let language = options.language;
        if let (Some(min), Some(max)) = (options.chars_min, options.chars_max)
            && min > max
        {
            let reason = format!("{min} characters at least, and {max} at most, which no word has");
            return Err(AnalyzerError::Option { option: "`chars_min`", reason });
        }
        let filters = options.filters.iter().map(|name| filter(name));
        let filters: Vec<_> = filters.collect::<Result<_, _>>()?;
        let stemmer = match language.filter(|_| options.stemmer) {
            Some(language) => stemmer(options.stemmers, language)?,
            None => None,
        };
        let has_more = steps.spellings
            || options.diacritics != Diacritics::Keep
            || options.fold_numbers
            || options.chars_min.is_some()
            || options.chars_max.is_some()
            || !options.more_stop_words.is_empty()
            || !filters.is_empty();
        let mut analyzer = Analyzer {
            options: options.clone(),
            steps: Steps { elisions: steps.elisions && trims, ..steps },
            cut,
            scripts: Scripts { hangul: language == Some(Language::Korean) },
            trims,
            stemmer,
            stop_words: language.filter(|_| options.stop_words).map_or(&[], stop_words),
            has_more,
            all_stop_words: Vec::new(),
            filters,
            synonyms: Synonyms::default(),
        };
        if has_more {
            let more = options.more_stop_words.iter().map(String::as_str);
            let all = analyzer.stop_words.iter().copied().chain(more);
            let word = |word: &str| {
                let mut normalized = String::new();
                normalize_into(word, language, TERM_BYTES_MAX, &mut normalized);
                analyzer.folded(analyzer.trimmed(&normalized))
            };
            let mut all: Vec<String> = all.map(word).collect();
            all.sort_unstable();
            all.dedup();
            analyzer.all_stop_words = all;
        }
        Ok(analyzer)
    }

    /// The options that the analyzer was made with.
    pub fn options(&self) -> &AnalyzerOptions {
        &self.options
    }

    /// Whether there are spaces within words: in Vietnamese they stand between syllables, and most words have two.
    ///
    /// A query then looks for each two neighbours side by side, too, as for one more word that need not be there.
    pub fn writes_syllables(&self) -> bool {
        self.trims && self.options.language == Some(Language::Vietnamese)
    }

    /// Whether its tokens are parts of words, of which several stand in one position.
    pub(in crate::fts) fn makes_parts(&self) -> bool {
        matches!(self.cut, Cut::Ngrams(_) | Cut::EdgeNgrams(_) | Cut::Path(_))
    }

    /// Passes the tokens of `text` to `sink`, in the order of the text.
    ///
    /// Returns how many positions the text takes: the next text of the same field begins there, or
    /// a gap further on.
    pub fn analyze(&self, text: &str, sink: &mut dyn FnMut(Token<'_>)) -> u32 {
        self.analyze_with(&mut Scratch::default(), text, sink)
    }

    /// [`analyze`](Analyzer::analyze) with the caller's buffers, for many short texts.
    pub fn analyze_with(
        &self,
        scratch: &mut Scratch,
        text: &str,
        sink: &mut dyn FnMut(Token<'_>),
    ) -> u32 {
        let mut output = Output { sink, position: 0 };
        match self.cut {
            Cut::Words if self.options.compounds == Compounds::Joined => {
                self.with_compounds(scratch, text, &mut output);
            }
            Cut::Words => self.words(scratch, text, &mut output),
            _ => self.otherwise(scratch, text, false, &mut output),
        }
        output.position
    }

    /// The terms of a text, as of a document.
    ///
    /// ```
    /// use alluvium::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default())?;
    /// assert_eq!(analyzer.terms("Gold, 3.14 g"), ["gold", "3.14", "g"]);
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.analyze(text, &mut |token| terms.push(token.term.to_owned()));
        terms
    }

    /// Words of UAX #29, and pairs.
    pub(super) fn words(&self, scratch: &mut Scratch, text: &str, output: &mut Output<'_>) {
        each_word(text, &mut |start, word, is_folded| {
            let bytes = start..start + word.len();
            if is_folded && word.len() <= TERM_BYTES_MAX {
                // Neither normalising nor trimming would change it.
                finish_run(&mut scratch.run, output);
                self.normalized_word(word, bytes, output);
            } else if word.is_ascii() || !self.has_pairs(word) {
                finish_run(&mut scratch.run, output);
                self.word(&mut scratch.term, word, bytes, output);
            } else {
                self.mixed(scratch, word, start, output);
            }
        });
        finish_run(&mut scratch.run, output);
    }

    /// The same, where words that are joined by hyphens take one position together.
    fn with_compounds(&self, scratch: &mut Scratch, text: &str, output: &mut Output<'_>) {
        each_compound(text, &|word| self.has_pairs(word), &mut |parts| {
            if let &[(start, word)] = parts {
                if self.has_pairs(word) {
                    return self.mixed(scratch, word, start, output);
                }
                finish_run(&mut scratch.run, output);
                return self.word(&mut scratch.term, word, start..start + word.len(), output);
            }
            finish_run(&mut scratch.run, output);
            let position = output.position;
            for &(start, word) in parts {
                output.position = position;
                self.word(&mut scratch.term, word, start..start + word.len(), output);
            }
            if let Some((joined, start, end)) = joined(parts) {
                output.position = position;
                self.word(&mut scratch.term, &joined, start..end, output);
            }
        });
        finish_run(&mut scratch.run, output);
    }

    /// What other tokenizers make of a text.
    pub(super) fn otherwise(
        &self,
        scratch: &mut Scratch,
        text: &str,
        is_query: bool,
        output: &mut Output<'_>,
    ) {
        let normalize = &|piece: &str, out: &mut String| {
            let folded = self.fold(piece);
            out.push_str(&folded);
        };
        #[cfg(feature = "icu")]
        if let Cut::Dictionary = self.cut {
            return self.dictionary_words(&mut scratch.term, text, output);
        }
        self.cut.each(text, &mut |start, word| match self.cut {
            Cut::Ngrams(sizes) => {
                Units::new(word, start, normalize).ngrams(sizes, is_query, output);
            }
            Cut::EdgeNgrams(sizes) => {
                Units::new(word, start, normalize).beginnings(sizes, is_query, output);
            }
            Cut::Path(delimiter) => {
                path(word, start, delimiter, is_query, normalize, output);
            }
            _ => self.word(&mut scratch.term, word, start..start + word.len(), output),
        });
    }

    /// Whether a word has characters that are indexed by pairs.
    #[inline]
    pub(super) fn has_pairs(&self, word: &str) -> bool {
        word.chars().any(|c| self.scripts.of(c).is_some())
    }

    /// What `text` becomes in terms before stemming, whatever characters it has: normalised and folded, without a look for words.
    /// For what stands for a part of a term.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default())?;
    /// assert_eq!(analyzer.fold("CAFÉ-"), "café-");
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn fold(&self, text: &str) -> String {
        let mut folded = String::new();
        normalize_into(text, self.options.language, TERM_BYTES_MAX, &mut folded);
        if self.has_more { cut(&self.folded(&folded)).to_owned() } else { folded }
    }

    /// A word of a text as people write it: in lower case, without what [`analyze`](Self::analyze) takes off its ends, but not
    /// folded and not stemmed.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English))?;
    /// assert_eq!(analyzer.written("River’s"), "river");
    /// assert_eq!(analyzer.written("Straße"), "straße");
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn written(&self, word: &str) -> String {
        let language = self.options.language;
        let lower = lower_case(word, language);
        self.trimmed(&lower).to_owned()
    }

    /// Whether `text` is one word, which becomes this term.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English))?;
    /// assert!(analyzer.is_word_of("rivers", "river"));
    /// assert!(!analyzer.is_word_of("river bed", "river"));
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn is_word_of(&self, text: &str, term: &str) -> bool {
        let (words, positions) = self.query_tokens(text);
        positions == 1 && matches!(words.as_slice(), [only] if only.term == term)
    }

    /// Where the word begins that `text` ends with; `None` when it does not end with one.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default())?;
    /// assert_eq!(analyzer.last_word("river (gol"), Some(7));
    /// assert_eq!(analyzer.last_word("gold "), None);
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn last_word(&self, text: &str) -> Option<usize> {
        if !self.cut.is_words() {
            let mut last = None;
            self.cut.each(text, &mut |start, word| last = Some((start, start + word.len())));
            return last.filter(|(_, end)| *end == text.len()).map(|(start, _)| start);
        }
        let gap = text.char_indices().rev().find(|(_, c)| c.is_whitespace());
        let behind = gap.map_or(0, |(at, c)| at + c.len_utf8());
        let tail = text.get(behind..)?;
        // Forwards, as documents are analyzed.
        let (start, word) = tail.unicode_word_indices().fold(None, |_, word| Some(word))?;
        (start + word.len() == tail.len()).then_some(behind + start)
    }

    /// One word of a script that has spaces.
    pub(super) fn word(
        &self,
        buffer: &mut String,
        word: &str,
        bytes: Range<usize>,
        output: &mut Output<'_>,
    ) {
        buffer.clear();
        normalize_into(word, self.options.language, TERM_BYTES_MAX, buffer);
        let term = self.trimmed(buffer);
        if !term.is_empty() {
            self.normalized_word(term, bytes, output);
        }
    }

    /// The rest of the way of a word that is normalised and trimmed.
    #[inline]
    fn normalized_word(&self, term: &str, bytes: Range<usize>, output: &mut Output<'_>) {
        if self.has_more {
            self.word_of_more_steps(term, bytes, output);
            return;
        }
        if self.stop_words.binary_search(&term).is_ok() {
            output.skip();
            return;
        }
        match &self.stemmer {
            Some(stemmer) => output.emit(cut(&stemmer.stem(term)), bytes.start, bytes.end),
            None => output.emit(term, bytes.start, bytes.end),
        }
    }

    /// The rest of the way of a word that goes through more than stop words and stemmer; apart, so that the plain way stays short.
    #[cold]
    fn word_of_more_steps(&self, word: &str, bytes: Range<usize>, output: &mut Output<'_>) {
        match self.more(word) {
            Some(term) => output.emit(cut(&term), bytes.start, bytes.end),
            None => output.skip(),
        }
    }

    /// A normalised word without what analysis takes off its ends.
    #[inline]
    fn trimmed<'w>(&self, word: &'w str) -> &'w str {
        if !self.trims {
            return word;
        }
        let word = word.trim_matches(['_', '\'']);
        if self.steps.elisions { bare(word, self.options.language) } else { word }
    }

    /// What the steps that are not always there make of a normalised word; `None` for one that is left out.
    fn more(&self, word: &str) -> Option<String> {
        let mut term = self.folded(word);
        let (min, max) = (self.options.chars_min, self.options.chars_max);
        if min.is_some() || max.is_some() {
            let chars = u32::try_from(term.chars().count()).unwrap_or(u32::MAX);
            if min.is_some_and(|min| chars < min) || max.is_some_and(|max| chars > max) {
                return None;
            }
        }
        if self.all_stop_words.binary_search(&term).is_ok() {
            return None;
        }
        if let Some(stemmer) = &self.stemmer {
            term = stemmer.stem(&term).into_owned();
        }
        for filter in &self.filters {
            let mut filtered = String::new();
            (filter.part)(&term, &mut filtered);
            term = filtered;
            if term.is_empty() {
                return None;
            }
        }
        (!term.is_empty()).then_some(term)
    }

    /// A normalised word without what the options and the language fold.
    fn folded(&self, word: &str) -> String {
        let (language, mut term) = (self.options.language, word.to_owned());
        if self.steps.spellings {
            respell(&mut term, language);
        }
        if self.options.diacritics == Diacritics::Fold {
            let mut folded = String::with_capacity(term.len());
            without_diacritics(&term, &mut folded);
            term = folded;
        }
        if self.options.fold_numbers {
            let mut folded = String::with_capacity(term.len());
            with_plain_numbers(&term, language, &mut folded);
            term = folded;
        }
        term
    }

    /// Whether there are words that are left out for being frequent.
    pub(super) fn has_stop_words(&self) -> bool {
        !self.stop_words.is_empty() || !self.options.more_stop_words.is_empty()
    }

    /// One UAX #29 word with characters that are indexed by pairs: one of them, a string of
    /// Katakana, or, joined by underscores, several kinds.
    fn mixed(&self, scratch: &mut Scratch, word: &str, start: usize, output: &mut Output<'_>) {
        let mut rest = word;
        let mut at = start;
        while let Some(first) = rest.chars().next() {
            let script_here = self.scripts.of(first);
            let bytes = if script_here.is_some() {
                let marks = rest.char_indices().skip(1);
                end_of(rest, marks, |c| !self.scripts.continues_unit(c))
            } else {
                end_of(rest, rest.char_indices(), |c| self.scripts.of(c).is_some())
            };
            let (piece, after) = rest.split_at(bytes);
            if let Some(script) = script_here {
                if !scratch.run.continues_with(script, at) {
                    finish_run(&mut scratch.run, output);
                }
                scratch.unit.clear();
                normalize_into(piece, self.options.language, UNIT_BYTES_MAX, &mut scratch.unit);
                let emit = &mut |term: &str, start, end| output.emit(term, start, end);
                scratch.run.push(script, &scratch.unit, at, at + bytes, emit);
            } else {
                finish_run(&mut scratch.run, output);
                for (from, word) in piece.unicode_word_indices() {
                    let bytes = at + from..at + from + word.len();
                    self.word(&mut scratch.term, word, bytes, output);
                }
            }
            at += bytes;
            rest = after;
        }
    }
}

/// Where the first character that `stops` begins, or the end of `text`.
fn end_of(
    text: &str,
    mut chars: impl Iterator<Item = (usize, char)>,
    stops: impl Fn(char) -> bool,
) -> usize {
    chars.find(|&(_, c)| stops(c)).map_or(text.len(), |(index, _)| index)
}

fn finish_run(run: &mut Run, output: &mut Output<'_>) {
    if !run.is_empty() {
        run.finish(&mut |term, start, end| output.emit(term, start, end));
    }
}

/// A normalised word without what its language hangs on it with an apostrophe: elided articles
/// before (French, Italian), the possessive behind (English), suffixes behind a name (Turkish).
fn bare(word: &str, language: Option<Language>) -> &str {
    let elided: &[&str] = match language {
        Some(Language::English) => return word.strip_suffix("'s").unwrap_or(word),
        Some(Language::Turkish) => return word.split_once('\'').map_or(word, |(name, _)| name),
        Some(Language::French) => FRENCH_ELISIONS,
        Some(Language::Catalan) => CATALAN_ELISIONS,
        Some(Language::Italian) => ITALIAN_ELISIONS,
        _ => return word,
    };
    match word.split_once('\'') {
        Some((article, rest)) if !rest.is_empty() && elided.contains(&article) => rest,
        _ => word,
    }
}

const FRENCH_ELISIONS: &[&str] =
    &["l", "d", "j", "m", "t", "n", "s", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu"];
const CATALAN_ELISIONS: &[&str] = &["d", "l", "m", "n", "s", "t"];
const ITALIAN_ELISIONS: &[&str] = &[
    "l", "d", "c", "m", "t", "s", "v", "un", "gl", "dell", "all", "dall", "nell", "sull", "quell",
    "quest",
];
