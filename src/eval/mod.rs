//! Relevance evaluation: how well a ranking answers the queries of a test collection.
//!
//! Three things meet here. A [`TestCollection`] is a folder of documents, queries and
//! [`Judgements`]; a [`Run`] is what some engine answered; [`evaluate`] compares the two with
//! MAP, nDCG@10, P@10, recall@100 and MRR as `trec_eval` defines them ([`QueryMeasures`] has the
//! formulas, [`evaluate`] says which queries count). The layer imports nothing of the others and
//! knows no engine, so the command line, the tests and a user's own regression tests all use it in
//! the same way.
//!
//! ```
//! use alluvium::eval::{Judgements, Run, evaluate};
//!
//! let judgements = Judgements::read("q1\tpenicillin\t2\n".as_bytes(), "qrels.tsv")?;
//! let mut run = Run::new();
//! run.insert("q1", [("aspirin", 3.1), ("penicillin", 2.7)])?;
//!
//! let summary = evaluate(&run, &judgements).summary;
//! assert_eq!(summary.queries, 1);
//! assert_eq!(summary.map, 0.5);
//! assert_eq!(summary.mrr, 0.5);
//! # Ok::<(), alluvium::eval::Error>(())
//! ```
//!
//! Every reader names file, line and expectation in its errors. Numbers are checked against
//! `pytrec_eval`: `tests/data/eval/make_expected.py` made the expected values.

mod error;
mod lines;

mod judgements;

mod collection;
mod run;

mod measures;

pub use collection::{
    CorpusDocument, CorpusReader, TestCollection, TestQuery, open_queries, read_queries,
};
pub use error::{Error, Result};
pub use judgements::{Grades, Judgements};
pub use measures::{Evaluation, MeasureSummary, QueryMeasures, evaluate, measure_ranking};
pub use run::{RankedDocument, Run};

#[cfg(test)]
mod tests;
