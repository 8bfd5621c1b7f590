//! [`Aggregation`]: what to count in a set of documents, as data.
//!
//! Programs build it or read it from JSON, `aggregate` computes it. Those that make buckets may hold aggregations for the documents
//! of each bucket, which hold no buckets' aggregations themselves. Limits are checked before anything is computed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::bson::Bson;

/// The most terms that an aggregation gives back.
pub const TERMS_LEN_MAX: usize = 10_000;
/// The most buckets of a histogram.
pub const HISTOGRAM_LEN_MAX: usize = 65_536;
/// Terms that are given back when nothing else is said.
const TERMS_LEN: usize = 10;

/// Aggregations by their names.
pub type Aggregations = BTreeMap<String, Aggregation>;

/// What to count or to compute in a set of documents.
///
/// A document with several values at the path counts in several buckets, once in each.
///
/// ```
/// use alluvium::columns::{Aggregation, Aggregations};
///
/// let by_place = Aggregation::terms("place").limit(5).with("ounces", Aggregation::stats("ounces"));
/// let aggregations = Aggregations::from([("places".to_owned(), by_place.into())]);
/// let read: Aggregations = serde_json::from_str(
///     r#"{"places": {"terms": {
///         "path": "place", "limit": 5, "aggregations": {"ounces": {"stats": {"path": "ounces"}}}
///     }}}"#,
/// )?;
/// assert_eq!(read, aggregations);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aggregation {
    /// A bucket for each distinct value; the greatest are given back.
    Terms(Terms),
    /// A bucket for each interval that has numbers.
    Histogram(Histogram),
    /// A bucket for each interval that has dates.
    DateHistogram(DateHistogram),
    /// A bucket for each of these ranges.
    Ranges(Ranges),
    /// The number of values, the least and the greatest, the sum and the average of numbers.
    Stats(Stats),
    /// The number of distinct values.
    Distinct(Distinct),
}

/// A bucket for each distinct value at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The path.
    pub path: String,
    /// Buckets that are given back, those with the most documents; at most [`TERMS_LEN_MAX`].
    #[serde(default = "terms_len")]
    pub limit: usize,
    /// What to compute in each bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregations: Aggregations,
}

/// A bucket for each interval in which numbers at a path lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// The path.
    pub path: String,
    /// Width of a bucket, above 0.
    pub interval: f64,
    /// Where a bucket begins; the others lie intervals away.
    #[serde(default)]
    pub offset: f64,
    /// What to compute in each bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregations: Aggregations,
}

/// A bucket for each interval in which dates at a path lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateHistogram {
    /// The path.
    pub path: String,
    /// Width of a bucket in milliseconds, at least 1.
    pub interval_ms: u64,
    /// Where a bucket begins, in milliseconds since 1970; the others lie intervals away.
    #[serde(default)]
    pub offset_ms: i64,
    /// What to compute in each bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregations: Aggregations,
}

/// A bucket for each of some ranges of the values at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// The path.
    pub path: String,
    /// The ranges, which may overlap.
    pub ranges: Vec<NamedRange>,
    /// What to compute in each bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregations: Aggregations,
}

/// A range of values, by the order of all BSON values: one without a bound also has values of other types on that side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedRange {
    /// Name of the bucket.
    pub name: String,
    /// The least value that lies in the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Bson>,
    /// The least value above that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Bson>,
}

/// Figures of the values at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// The path.
    pub path: String,
}

/// How many distinct values there are at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distinct {
    /// The path.
    pub path: String,
}

impl Aggregation {
    /// A bucket for each distinct value at `path`; the ten greatest are given back.
    pub fn terms(path: impl Into<String>) -> Terms {
        Terms { path: path.into(), limit: TERMS_LEN, aggregations: BTreeMap::new() }
    }

    /// A bucket for each interval in which numbers at `path` lie; one of them begins at 0.
    pub fn histogram(path: impl Into<String>, interval: f64) -> Histogram {
        Histogram { path: path.into(), interval, offset: 0.0, aggregations: BTreeMap::new() }
    }

    /// A bucket for each interval of so many milliseconds in which dates at `path` lie; one of them begins with 1970.
    pub fn date_histogram(path: impl Into<String>, interval_ms: u64) -> DateHistogram {
        let (path, aggregations) = (path.into(), BTreeMap::new());
        DateHistogram { path, interval_ms, offset_ms: 0, aggregations }
    }

    /// Buckets for ranges of the values at `path`, none so far.
    pub fn ranges(path: impl Into<String>) -> Ranges {
        Ranges { path: path.into(), ranges: Vec::new(), aggregations: BTreeMap::new() }
    }

    /// Figures of the values at `path`.
    pub fn stats(path: impl Into<String>) -> Aggregation {
        Aggregation::Stats(Stats { path: path.into() })
    }

    /// The number of distinct values at `path`.
    pub fn distinct(path: impl Into<String>) -> Aggregation {
        Aggregation::Distinct(Distinct { path: path.into() })
    }

    /// The path whose values it looks at.
    pub fn path(&self) -> &str {
        match self {
            Aggregation::Terms(terms) => &terms.path,
            Aggregation::Histogram(histogram) => &histogram.path,
            Aggregation::DateHistogram(histogram) => &histogram.path,
            Aggregation::Ranges(ranges) => &ranges.path,
            Aggregation::Stats(stats) => &stats.path,
            Aggregation::Distinct(distinct) => &distinct.path,
        }
    }

    /// The aggregations of its buckets, if it makes some.
    pub fn aggregations(&self) -> Option<&Aggregations> {
        match self {
            Aggregation::Terms(terms) => Some(&terms.aggregations),
            Aggregation::Histogram(histogram) => Some(&histogram.aggregations),
            Aggregation::DateHistogram(histogram) => Some(&histogram.aggregations),
            Aggregation::Ranges(ranges) => Some(&ranges.aggregations),
            Aggregation::Stats(_) | Aggregation::Distinct(_) => None,
        }
    }

    /// Refuses what cannot be computed.
    ///
    /// # Errors
    /// [`Error::TooManyTerms`], [`Error::Interval`] and [`Error::NestedTooDeeply`].
    pub fn check(&self) -> Result<()> {
        self.check_alone()?;
        for inner in self.aggregations().into_iter().flat_map(BTreeMap::values) {
            inner.check_alone()?;
            if let Some((name, _)) = inner.aggregations().and_then(BTreeMap::first_key_value) {
                return Err(Error::NestedTooDeeply { name: name.clone() });
            }
        }
        Ok(())
    }

    fn check_alone(&self) -> Result<()> {
        let path = || self.path().to_owned();
        let refused = |reason| Err(Error::Interval { path: path(), reason });
        match self {
            Aggregation::Terms(Terms { limit, .. }) if *limit > TERMS_LEN_MAX => {
                Err(Error::TooManyTerms { path: path(), limit: *limit, limit_max: TERMS_LEN_MAX })
            }
            Aggregation::Histogram(Histogram { interval, offset, .. }) => {
                if !interval.is_finite() || *interval <= 0.0 {
                    return refused("its interval has to be a number above 0");
                }
                if offset.is_finite() { Ok(()) } else { refused("its offset has to be a number") }
            }
            Aggregation::DateHistogram(DateHistogram { interval_ms: 0, .. }) => {
                refused("its interval has to be 1 millisecond or more")
            }
            _ => Ok(()),
        }
    }
}

impl Terms {
    /// Gives back at most so many buckets.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Also computes this in each bucket.
    pub fn with(mut self, name: impl Into<String>, aggregation: impl Into<Aggregation>) -> Self {
        self.aggregations.insert(name.into(), aggregation.into());
        self
    }
}

impl Histogram {
    /// Lets a bucket begin here.
    pub fn offset(mut self, offset: f64) -> Self {
        self.offset = offset;
        self
    }

    /// Also computes this in each bucket.
    pub fn with(mut self, name: impl Into<String>, aggregation: impl Into<Aggregation>) -> Self {
        self.aggregations.insert(name.into(), aggregation.into());
        self
    }
}

impl DateHistogram {
    /// Lets a bucket begin so many milliseconds after 1970.
    pub fn offset_ms(mut self, offset_ms: i64) -> Self {
        self.offset_ms = offset_ms;
        self
    }

    /// Also computes this in each bucket.
    pub fn with(mut self, name: impl Into<String>, aggregation: impl Into<Aggregation>) -> Self {
        self.aggregations.insert(name.into(), aggregation.into());
        self
    }
}

impl Ranges {
    /// Adds a range from a value on to the one before `to`; `None` is no bound.
    pub fn range(
        mut self,
        name: impl Into<String>,
        from: Option<impl Into<Bson>>,
        to: Option<impl Into<Bson>>,
    ) -> Self {
        let (from, to) = (from.map(Into::into), to.map(Into::into));
        self.ranges.push(NamedRange { name: name.into(), from, to });
        self
    }

    /// Also computes this in each bucket.
    pub fn with(mut self, name: impl Into<String>, aggregation: impl Into<Aggregation>) -> Self {
        self.aggregations.insert(name.into(), aggregation.into());
        self
    }
}

impl From<Terms> for Aggregation {
    fn from(terms: Terms) -> Self {
        Aggregation::Terms(terms)
    }
}

impl From<Histogram> for Aggregation {
    fn from(histogram: Histogram) -> Self {
        Aggregation::Histogram(histogram)
    }
}

impl From<DateHistogram> for Aggregation {
    fn from(histogram: DateHistogram) -> Self {
        Aggregation::DateHistogram(histogram)
    }
}

impl From<Ranges> for Aggregation {
    fn from(ranges: Ranges) -> Self {
        Aggregation::Ranges(ranges)
    }
}

fn terms_len() -> usize {
    TERMS_LEN
}
