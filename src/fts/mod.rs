//! The text index: how text becomes terms, and which document holds which term where.
//!
//! Sits on the storage core, whose keyspaces it fills with merge operands, and on the document layer, whose strings it
//! indexes; the collection layer says which documents come and go. It stores frequencies, positions and lengths, never
//! a score, and knows neither pages nor queries.
//!
//! ```text
//! document ─► TextIndexer ─► Analyzer ─► Inverter ─► operands ─► keyspaces  text.<index>, norms.<index>
//!                                                                     │
//! search   ◄─ TextReader ◄─ postings, positions, lengths, counters ◄──┘   dead documents are masked
//! compaction:  TextRewriter takes the postings of dead documents out
//! ```
//!
//! | part | answers |
//! |---|---|
//! | [`Analyzer`] | which terms does this text have, and where? |
//! | [`TextIndexOptions`] | which strings of a document are indexed, and how? |
//! | [`TextWalker`] | what has the index to know about this document? |
//! | [`TextIndexer`] | what does this transaction change in the index? |
//! | [`TextIndex`] | what do all searches of one state ask for? |
//! | [`TextReader`] | which documents of this chunk hold this term? |
//!
//! Invariants
//! * The counters of terms and fields are exact for the live documents, whatever was compacted when.
//! * The analyzer that reads is the analyzer that wrote: its fingerprint is compared when an index is opened.
//! * Keys are built and taken apart in one file, `keyspace`.

mod analysis;
mod analyzers;
mod bisection;
mod character_state;
mod counters;
mod dead;
mod dictionary;
mod document_set;
mod error;
mod ids;
mod impact;
mod index;
mod indexer;
mod inverter;
pub mod keyspace;
pub mod length_code;
mod norms;
mod pairs;
mod postings;
mod reader;
mod rewriter;
mod schema;
mod term;
mod term_pattern;

pub use analysis::{
    Analyzer, AnalyzerError, AnalyzerOptions, Compounds, Diacritics, Language, QueryWord, Scratch,
    Stage, StageToken, Stemmers, TERM_BYTES_MAX as TOKEN_BYTES_MAX, Token, Tokenizer,
    UnknownLanguage, register_filter, register_tokenizer,
};
pub use analyzers::Analyzers;
pub use bisection::{Forward, bisect};
pub use counters::{FieldStatistics as FieldCounters, TermCounters};
pub use dead::{DeadChunk, DeadOperator};
pub use dictionary::TermVisitor;
pub use document_set::DocumentSet;
pub use error::{Error, Result};
pub use ids::{DocId, FieldId};
pub(crate) use impact::whole;
pub use impact::{Averages, Drift, ImpactScale};
pub use index::{FieldStatistics, StoredLengths, TextIndex};
pub use indexer::{
    PATH_BYTES_MAX, POSITION_GAP, SideIndexer, TextEvent, TextIndexer, TextWalker, path_term,
};
pub use inverter::{INVERTER_BYTES_MAX, Inverter, Part};
pub use keyspace::{
    IndexKeyspace, NormsKey, NormsKind, TERM_BYTES_MAX, TextKey, dead_key, decode_dead, names,
};
pub use norms::{LengthCodes, LengthCodesBuilder, NormsOperator};
pub use pairs::{Pairs, PhraseTerm};
pub use postings::{
    BITMAP_BYTES, Block, Body, DecodedPositions, DocumentPositions, FrequencyRanks, LISTED_LEN_MAX,
    Marks, Offsets, PositionTable, PositionsPlace, Postings, PostingsBuilder, Rewritten,
    TextOperator, WINDOW_LEN, WINDOWS_LEN, Weights, Windows, join, rewrite,
};
pub use reader::TextReader;
pub use rewriter::TextRewriter;
pub use schema::{FIELDS_LEN_MAX, Field, Fields, LanguageField, TextIndexOptions};
pub use term::{StoredPostings, TermPostings, TermStatistics};
pub use term_pattern::{AUTOMATON_BYTES_MAX, FUZZY_DISTANCE_MAX, TermPattern, TermState};
