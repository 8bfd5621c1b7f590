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
//! * Positions begin at 0 and grow by one for each word, stop words included. Only the parts of a compound, beginnings, n-grams and
//!   paths share one; no position is less than the one before.
//! * A term is never empty and has at most [`TERM_BYTES_MAX`] bytes. A longer word is **cut** to
//!   that, in documents and in queries alike: pasted whole it is found, and two words equal that
//!   far are one term.
//! * Terms depend on text and options alone; [`Analyzer::fingerprint`] names all that matters.
//! * No text panics, and memory is bounded by the longest word, not by the text
//!   (in fact by its longest stack of combining marks).
//!
//! Cost: linear; no allocation a token beyond the reused [`Scratch`], except the stemmer's.
//!
#![doc = include_str!("../../../docs/analysis.md")]

mod analyzer;
mod bigrams;
mod characters;
mod compounds;
#[cfg(feature = "icu")]
mod dictionary;
mod error;
mod fingerprint;
mod folding;
mod language;
mod normalize;
mod options;
mod parts;
mod query_words;
mod registry;
mod spelling;
mod stages;
mod stem;
mod stem_hindi;
mod stop_words;
mod synonyms;
#[cfg(test)]
mod tests;
mod token;
mod tokenize;
mod words;

pub use analyzer::{Analyzer, Scratch};
pub use error::AnalyzerError;
pub use language::{Language, UnknownLanguage};
pub use options::{AnalyzerOptions, Compounds, Diacritics, Stemmers, Tokenizer};
pub use query_words::QueryWord;
pub use registry::{register_filter, register_tokenizer};
pub use stages::{Stage, StageToken};
pub use token::{TERM_BYTES_MAX, Token};
