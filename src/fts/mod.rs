//! Full text: analysis, and what is built on it. Placeholder face; the index side brings its own.

mod analysis;
pub mod length_code;

pub use analysis::{
    Analyzer, AnalyzerOptions, Language, Scratch, TERM_BYTES_MAX, Token, UnknownLanguage,
};
