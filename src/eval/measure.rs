//! The names of measures: what users ask for, files keep and tables print.
//!
//! A [`Measure`] is only a name and the ranks that it looks at; `graded` has the formulas and values. Everything that takes or
//! gives a measure as text goes through here, so that there is one spelling for people and one for JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// One way to tell how good a ranking is, with the ranks that it looks at where that is to choose.
///
/// As text it is what people write, in any case: `MAP`, `nDCG`, `nDCG@10`, `P@10`, `recall@100`, `MRR`, `bpref`, `ERR`,
/// `ERR@20`. [`Measure::key`] is its name in JSON, which parses as well.
///
/// ```
/// use alluvium::eval::Measure;
///
/// let measure: Measure = "ndcg@10".parse()?;
/// assert_eq!(measure, Measure::Ndcg(Some(10)));
/// assert_eq!(measure.to_string(), "nDCG@10");
/// assert_eq!(measure.key().parse(), Ok(measure));
/// # Ok::<(), alluvium::eval::MeasureError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Average precision; its mean over queries is MAP.
    Map,
    /// Normalised discounted cumulative gain of the first so many documents, or of all.
    Ndcg(Option<u32>),
    /// Precision: the relevant among the first so many.
    Precision(u32),
    /// The part of the relevant documents that is among the first so many.
    Recall(u32),
    /// One over the rank of the first relevant document; its mean over queries is MRR.
    Mrr,
    /// How seldom a document judged not relevant stands before a relevant one.
    Bpref,
    /// Expected reciprocal rank of the document that satisfies, among the first so many, or in all.
    ExpectedReciprocalRank(Option<u32>),
}

impl Measure {
    /// What is measured unless something else is asked for: MAP, nDCG@10, P@10, recall@100, MRR.
    pub const DEFAULT: [Measure; 5] = [
        Measure::Map,
        Measure::Ndcg(Some(10)),
        Measure::Precision(10),
        Measure::Recall(100),
        Measure::Mrr,
    ];

    /// The name in JSON: lower case, `_at_` in the place of `@`.
    ///
    /// ```
    /// assert_eq!(alluvium::eval::Measure::Recall(100).key(), "recall_at_100");
    /// ```
    pub fn key(self) -> String {
        self.to_string().to_lowercase().replace('@', "_at_")
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ranks) = match *self {
            Self::Map => ("MAP", None),
            Self::Ndcg(ranks) => ("nDCG", ranks),
            Self::Precision(ranks) => ("P", Some(ranks)),
            Self::Recall(ranks) => ("recall", Some(ranks)),
            Self::Mrr => ("MRR", None),
            Self::Bpref => ("bpref", None),
            Self::ExpectedReciprocalRank(ranks) => ("ERR", ranks),
        };
        match ranks {
            Some(ranks) => f.pad(&format!("{name}@{ranks}")),
            None => f.pad(name),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

impl FromStr for Measure {
    type Err = MeasureError;

    fn from_str(text: &str) -> Result<Self, MeasureError> {
        let refused = || MeasureError { found: text.to_owned() };
        let name = text.trim().to_lowercase().replace("_at_", "@");
        let (name, ranks) = match name.split_once('@') {
            Some((name, ranks)) => {
                let ranks = ranks.parse::<u32>().ok().filter(|ranks| *ranks > 0);
                (name, Some(ranks.ok_or_else(refused)?))
            }
            None => (name.as_str(), None),
        };
        match (name, ranks) {
            ("map", None) => Ok(Self::Map),
            ("ndcg", ranks) => Ok(Self::Ndcg(ranks)),
            ("p", Some(ranks)) => Ok(Self::Precision(ranks)),
            ("recall", Some(ranks)) => Ok(Self::Recall(ranks)),
            ("mrr", None) => Ok(Self::Mrr),
            ("bpref", None) => Ok(Self::Bpref),
            ("err", ranks) => Ok(Self::ExpectedReciprocalRank(ranks)),
            _ => Err(refused()),
        }
    }
}

/// A text that is not the name of a [`Measure`].
///
/// ```
/// let error = "f1".parse::<alluvium::eval::Measure>().unwrap_err();
/// assert!(error.to_string().starts_with("`f1` is no measure; expected MAP, nDCG@k"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureError {
    found: String,
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no measure; expected MAP, nDCG@k, P@k, recall@k, MRR, bpref or ERR@k, with a whole number from 1 as k \
             (nDCG and ERR may do without)",
            self.found
        )
    }
}

impl std::error::Error for MeasureError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_any_case() {
        for name in ["MAP", "nDCG", "nDCG@10", "P@5", "recall@100", "MRR", "bpref", "ERR", "ERR@20"]
        {
            let measure: Measure = name.parse().unwrap();
            assert_eq!(measure.to_string(), name);
            assert_eq!(name.to_uppercase().parse(), Ok(measure));
            assert_eq!(measure.key().parse(), Ok(measure));
        }
        for name in
            ["", "map@10", "P", "recall", "ndcg@", "ndcg@0", "ndcg@-1", "P@x", "f1", "@", "é"]
        {
            assert!(name.parse::<Measure>().is_err(), "{name}");
        }
        assert_eq!(
            format!("{:>8}|{:<8}|", Measure::Precision(5), Measure::Mrr),
            "     P@5|MRR     |"
        );
    }
}
