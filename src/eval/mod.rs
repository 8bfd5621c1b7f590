//! Relevance evaluation: how well a ranking answers the queries of a test collection.
//!
//! Three things meet here. A [`TestCollection`] is a folder of documents, queries and [`Judgements`]; a [`Run`] is what some
//! engine answered; [`evaluate`] compares the two by any [`Measure`]: MAP, nDCG, precision, recall, MRR, bpref and ERR, as
//! `trec_eval` and `gdeval` define them. The layer imports nothing of the others and knows no engine, so the command line, the
//! tests and a user's own regression tests all use it in the same way.
//!
//! ```
//! use alluvium::eval::{Judgements, Measure, Run, evaluate};
//!
//! let judgements = Judgements::read("q1\tpenicillin\t2\n".as_bytes(), "qrels.tsv")?;
//! let mut run = Run::new();
//! run.insert("q1", [("aspirin", 3.1), ("penicillin", 2.7)])?;
//!
//! let evaluation = evaluate(&run, &judgements, &[Measure::Map, Measure::Recall(1)]);
//! assert_eq!(evaluation.mean(Measure::Map), Some(0.5));
//! assert_eq!(evaluation.value("q1", Measure::Recall(1)), Some(0.0));
//! # Ok::<(), alluvium::eval::Error>(())
//! ```
//!
//! What a ranking was worth is kept in a [`Baseline`], a file for reviews. A [`Comparison`] sets what is measured now beside it:
//! means with their significance, queries, documents that moved; [`Comparison::regression`] decides and tells which queries got
//! worse. `examples/relevance_test.rs` is a test of one's own made of these.
//!
//! Every reader names file, line and expectation in its errors. Numbers are checked against
//! `pytrec_eval` and `gdeval`: `tests/data/eval/make_expected.py` made the expected values.
//!
#![doc = include_str!("../../docs/relevance.md")]

mod error;
mod lines;
mod measure;

mod judgements;
mod queries;

mod collection;
mod run;

mod evaluation;
mod graded;

mod baseline;
mod comparison;
mod regression;
mod significance;

pub use baseline::{Baseline, BaselineQuery};
pub use collection::{CorpusDocument, CorpusReader, TestCollection};
pub use comparison::{Comparison, DocumentMove, MeanChange, ParameterChange, QueryChange};
pub use error::{Error, Result};
pub use evaluation::{Evaluation, evaluate, measure_ranking};
pub use judgements::{Grades, Judgements};
pub use measure::{Measure, MeasureError};
pub use queries::{TestQuery, open_queries, read_queries};
pub use regression::{Regression, Tolerances, TolerancesError};
pub use run::{RankedDocument, Run};

#[cfg(test)]
mod tests;
