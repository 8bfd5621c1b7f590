//! Analysis: how a text becomes terms with positions and byte ranges.
//!
//! One [`Analyzer`] object serves the index writer, the query parser and the snippets, so the three
//! cannot disagree. It calls `unicode-segmentation`, `unicode-normalization`, `caseless` and
//! `rust-stemmers`, and nothing of this crate.
//!
//! ```text
//! "The river's CAFÉS slowed"        UAX #29 words:        The | river's | CAFÉS | slowed
//!                                   normalised, folded:   the | river's | cafés | slowed
//!   (English)                       possessive off:       the | river   | cafés | slowed
//!   (English)                       stop words out:        –  | river   | cafés | slowed
//!   (English)                       stemmed:               –  | river   | café  | slow
//!                                   positions:             0     1         2       3
//! ```
//! 1. **Words** are UAX #29's, those with a letter or a digit: `3.14`, `don't` and `foo_bar` are
//!    one word, `foo-bar` two; emoji and punctuation are none. Scripts without spaces become pairs
//!    of characters instead: `bigrams.rs`.
//! 2. **Normalisation** and folding: `normalize.rs`. Underscores and apostrophes at a word's ends
//!    are dropped (`_so_`).
//! 3. **Elision** (French `l'eau`, Italian `dell'acqua`), the **English possessive** (`'s`) and
//!    Turkish suffixes of names (`İstanbul'da`) are removed.
//! 4. **Stop words** are left out, leaving a hole in the positions: `stop_words.rs`.
//! 5. **Stemming**: `stem.rs`.
//!
//! Rules that others rely on
//! * `start..end` are bytes of the original text, on character borders, the whole word with what
//!   was removed from it.
//! * Positions begin at 0 and grow by one for each word, stop words included; they never repeat.
//! * A term is never empty and has at most [`TERM_BYTES_MAX`] bytes. A longer word is **cut** to
//!   that, in documents and in queries alike: pasted whole it is found, and two words equal that
//!   far are one term.
//! * Terms depend on text and options alone; [`Analyzer::fingerprint`] names all that matters.
//! * No text panics, and memory is bounded by the longest word, not by the text
//!   (in fact by its longest stack of combining marks).
//!
//! Cost: linear; no allocation a token beyond the reused [`Scratch`], except the stemmer's.

mod bigrams;
mod language;
mod normalize;
mod options;
mod stem;
mod stop_words;
#[cfg(test)]
mod tests;
mod words;

use unicode_segmentation::UnicodeSegmentation;

use bigrams::{Run, UNIT_BYTES_MAX, continues_unit, script};
use normalize::{lower_case, normalize_into};
use stem::Stemmer;
use stop_words::stop_words;
use words::each_word;

pub use language::{Language, UnknownLanguage};
pub use options::AnalyzerOptions;

/// Longest term in bytes; longer words are cut.
pub const TERM_BYTES_MAX: usize = 255;

/// Raised when any rule of this module, a list of stop words included, changes the terms of some
/// text.
const ALGORITHM: u32 = 1;

/// One occurrence of a term in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Token<'a> {
    /// The normalised, perhaps stemmed term: 1 to [`TERM_BYTES_MAX`] bytes.
    pub term: &'a str,
    /// Place among the words of the text, from 0; stop words leave holes.
    pub position: u32,
    /// First byte of the word in the text.
    pub start: usize,
    /// Byte after the word in the text.
    pub end: usize,
}

/// Turns texts into terms; shared freely between threads.
///
/// ```
/// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
///
/// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English));
/// let mut terms = Vec::new();
/// let positions = analyzer.analyze("The river's cafés", &mut |token| {
///     terms.push((token.term.to_owned(), token.position, token.start..token.end));
/// });
/// assert_eq!(positions, 3);
/// assert_eq!(terms, [("river".to_owned(), 1, 4..11), ("café".to_owned(), 2, 12..18)]);
/// ```
#[derive(Debug)]
pub struct Analyzer {
    options: AnalyzerOptions,
    stemmer: Option<Stemmer>,
    stop_words: &'static [&'static str],
}

/// Buffers that one caller reuses from text to text.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    term: String,
    unit: String,
    run: Run,
}

/// The state of one call: where its tokens go and which position is next.
struct Output<'a> {
    sink: &'a mut dyn FnMut(Token<'_>),
    position: u32,
}

impl Output<'_> {
    fn emit(&mut self, term: &str, start: usize, end: usize) {
        (self.sink)(Token { term, position: self.position, start, end });
        self.skip();
    }

    fn skip(&mut self) {
        self.position = self.position.saturating_add(1);
    }
}

impl Analyzer {
    /// An analyzer with these options.
    pub fn new(options: &AnalyzerOptions) -> Analyzer {
        let language = options.language;
        Analyzer {
            options: options.clone(),
            stemmer: language.filter(|_| options.stemmer).map(Stemmer::new),
            stop_words: language.filter(|_| options.stop_words).map_or(&[], stop_words),
        }
    }

    /// The options that the analyzer was made with.
    pub fn options(&self) -> &AnalyzerOptions {
        &self.options
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
        each_word(text, &mut |start, word| {
            if word.is_ascii() || !word.chars().any(|c| script(c).is_some()) {
                finish_run(&mut scratch.run, &mut output);
                self.word(&mut scratch.term, word, start, &mut output);
            } else {
                self.mixed(scratch, word, start, &mut output);
            }
        });
        finish_run(&mut scratch.run, &mut output);
        output.position
    }

    /// What `text` becomes in terms before stemming, whatever characters it has: normalised and folded, without a look for words.
    /// For what stands for a part of a term.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default());
    /// assert_eq!(analyzer.fold("CAFÉ-"), "café-");
    /// ```
    pub fn fold(&self, text: &str) -> String {
        let mut folded = String::new();
        normalize_into(text, self.options.language, TERM_BYTES_MAX, &mut folded);
        folded
    }

    /// A word of a text as people write it: in lower case, without what [`analyze`](Self::analyze) takes off its ends, but not
    /// folded and not stemmed.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English));
    /// assert_eq!(analyzer.written("River’s"), "river");
    /// assert_eq!(analyzer.written("Straße"), "straße");
    /// ```
    pub fn written(&self, word: &str) -> String {
        let language = self.options.language;
        let lower = lower_case(word, language);
        bare(lower.trim_matches(['_', '\'']), language).to_owned()
    }

    /// Whether `text` is one word, which becomes this term.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions, Language};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::for_language(Language::English));
    /// assert!(analyzer.is_word_of("rivers", "river"));
    /// assert!(!analyzer.is_word_of("river bed", "river"));
    /// ```
    pub fn is_word_of(&self, text: &str, term: &str) -> bool {
        let (mut tokens, mut equal) = (0, 0);
        let positions = self.analyze(text, &mut |token| {
            tokens += 1;
            equal += u32::from(token.term == term);
        });
        (tokens, equal, positions) == (1, 1, 1)
    }

    /// Where the word begins that `text` ends with; `None` when it does not end with one.
    ///
    /// ```
    /// use alluvium::fts::{Analyzer, AnalyzerOptions};
    ///
    /// let analyzer = Analyzer::new(&AnalyzerOptions::default());
    /// assert_eq!(analyzer.last_word("river (gol"), Some(7));
    /// assert_eq!(analyzer.last_word("gold "), None);
    /// ```
    pub fn last_word(&self, text: &str) -> Option<usize> {
        let gap = text.char_indices().rev().find(|(_, c)| c.is_whitespace());
        let behind = gap.map_or(0, |(at, c)| at + c.len_utf8());
        let tail = text.get(behind..)?;
        // Forwards, as documents are analyzed.
        let (start, word) = tail.unicode_word_indices().fold(None, |_, word| Some(word))?;
        (start + word.len() == tail.len()).then_some(behind + start)
    }

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
            text.push_str("; language ");
            text.push_str(language.name());
            if self.stemmer.is_some() {
                text.push_str("; rust-stemmers ");
                text.push_str(STEMMERS);
                text.push(' ');
                text.push_str(language.name());
            }
            if !self.stop_words.is_empty() {
                text.push_str("; stop ");
                text.push_str(language.name());
                text.push('-');
                text.push_str(&self.stop_words.len().to_string());
            }
        }
        text
    }

    /// One word of a script that has spaces.
    fn word(&self, buffer: &mut String, word: &str, start: usize, output: &mut Output<'_>) {
        buffer.clear();
        normalize_into(word, self.options.language, TERM_BYTES_MAX, buffer);
        let term = bare(buffer.trim_matches(['_', '\'']), self.options.language);
        if term.is_empty() {
            return;
        }
        if self.stop_words.binary_search(&term).is_ok() {
            output.skip();
            return;
        }
        let end = start + word.len();
        match &self.stemmer {
            Some(stemmer) => output.emit(cut(&stemmer.stem(term)), start, end),
            None => output.emit(term, start, end),
        }
    }

    /// One UAX #29 word with characters that are indexed by pairs: one of them, a string of
    /// Katakana, or, joined by underscores, several kinds.
    fn mixed(&self, scratch: &mut Scratch, word: &str, start: usize, output: &mut Output<'_>) {
        let mut rest = word;
        let mut at = start;
        while let Some(first) = rest.chars().next() {
            let script_here = script(first);
            let bytes = if script_here.is_some() {
                let marks = rest.char_indices().skip(1);
                end_of(rest, marks, |c| !continues_unit(c))
            } else {
                end_of(rest, rest.char_indices(), |c| script(c).is_some())
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
                if piece.unicode_words().next().is_some() {
                    self.word(&mut scratch.term, piece, at, output);
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
const ITALIAN_ELISIONS: &[&str] = &[
    "l", "d", "c", "m", "t", "s", "v", "un", "gl", "dell", "all", "dall", "nell", "sull", "quell",
    "quest",
];

/// At most [`TERM_BYTES_MAX`] bytes of a stem: a few rules lengthen a word.
fn cut(stem: &str) -> &str {
    if stem.len() <= TERM_BYTES_MAX {
        return stem;
    }
    let end = (0..=TERM_BYTES_MAX).rev().find(|&end| stem.is_char_boundary(end));
    &stem[..end.unwrap_or(0)]
}

// Named in fingerprints; a test compares them with Cargo.lock, since a crate does not know its
// dependencies' versions.
const SEGMENTATION: &str = "1.13";
const NORMALIZATION: &str = "0.1";
const CASELESS: &str = "0.2";
const STEMMERS: &str = "1.2.0";
