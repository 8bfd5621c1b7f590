//! What aggregations come to: buckets and figures, to read, to write as JSON or to keep as a document.
//!
//! `aggregate` makes them. A bucket is named by its value, or by its range's name. Results depend on the documents alone, in what
//! they count; of equal values that are written differently, as 1 and 1.0, any may name the bucket.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bson::{Bson, Document, doc};

/// Results by the names of their aggregations.
pub type AggregationResults = BTreeMap<String, AggregationResult>;

/// What an aggregation comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum AggregationResult {
    /// Of [`Terms`](super::Terms).
    Terms(TermsResult),
    /// Of [`Histogram`](super::Histogram) and [`DateHistogram`](super::DateHistogram).
    Histogram(HistogramResult),
    /// Of [`Ranges`](super::Ranges).
    Ranges(RangesResult),
    /// Of [`Stats`](super::Stats).
    Stats(Box<StatsResult>),
    /// Of [`Distinct`](super::Distinct).
    Distinct(DistinctResult),
}

/// Documents with one value, or with values of one interval or range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// The value; the number or the date at which the interval begins; the name of the range.
    pub key: Bson,
    /// Number of documents.
    pub count: u64,
    /// What was computed of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregations: AggregationResults,
}

/// Buckets of distinct values.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TermsResult {
    /// Those with the most documents first, of as many the one with the least value.
    pub buckets: Vec<Bucket>,
    /// Number of distinct values, also of those that are not given back.
    pub distinct: u64,
    /// Documents without a value.
    pub missing: u64,
}

/// Buckets of intervals.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HistogramResult {
    /// Those that have documents, the least first.
    pub buckets: Vec<Bucket>,
    /// Documents that are in no bucket: they have no finite number, or no date.
    pub missing: u64,
}

/// Buckets of ranges.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RangesResult {
    /// As they were asked for, also those without documents.
    pub buckets: Vec<Bucket>,
}

/// Figures of values; equal values of one document count once.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StatsResult {
    /// Number of values.
    pub count: u64,
    /// The least value of any type.
    pub min: Option<Bson>,
    /// The greatest value of any type.
    pub max: Option<Bson>,
    /// Number of values that are numbers.
    pub numbers: u64,
    /// Sum of the numbers, rounded once if all of them are whole; a Decimal128 counts as the double next to it.
    pub sum: f64,
    /// The exact sum, if all numbers are whole ones of 64 bits and so is the sum.
    pub whole_sum: Option<i64>,
    /// Average of the numbers, if there are any.
    pub avg: Option<f64>,
}

/// A number of distinct values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DistinctResult {
    /// Number of distinct values.
    pub distinct: u64,
}

impl AggregationResult {
    /// The buckets, if the aggregation makes some.
    pub fn buckets(&self) -> Option<&[Bucket]> {
        match self {
            AggregationResult::Terms(terms) => Some(&terms.buckets),
            AggregationResult::Histogram(histogram) => Some(&histogram.buckets),
            AggregationResult::Ranges(ranges) => Some(&ranges.buckets),
            AggregationResult::Stats(_) | AggregationResult::Distinct(_) => None,
        }
    }

    /// The figures, if it is about figures.
    pub fn stats(&self) -> Option<&StatsResult> {
        match self {
            AggregationResult::Stats(stats) => Some(stats),
            _ => None,
        }
    }

    /// The result as a document whose fields are those of the JSON.
    ///
    /// ```
    /// use alluvium::bson::doc;
    /// use alluvium::columns::{AggregationResult, DistinctResult};
    ///
    /// let result = AggregationResult::Distinct(DistinctResult { distinct: 3 });
    /// assert_eq!(result.to_document(), doc! { "distinct": 3_i64 });
    /// ```
    pub fn to_document(&self) -> Document {
        match self {
            AggregationResult::Terms(TermsResult { buckets, distinct, missing }) => doc! {
                "buckets": array(buckets), "distinct": count(*distinct), "missing": count(*missing),
            },
            AggregationResult::Histogram(HistogramResult { buckets, missing }) => {
                doc! { "buckets": array(buckets), "missing": count(*missing) }
            }
            AggregationResult::Ranges(RangesResult { buckets }) => {
                doc! { "buckets": array(buckets) }
            }
            AggregationResult::Stats(stats) => doc! {
                "count": count(stats.count),
                "min": stats.min.clone(),
                "max": stats.max.clone(),
                "numbers": count(stats.numbers),
                "sum": stats.sum,
                "whole_sum": stats.whole_sum,
                "avg": stats.avg,
            },
            AggregationResult::Distinct(DistinctResult { distinct }) => {
                doc! { "distinct": count(*distinct) }
            }
        }
    }

    /// The buckets, to put results of inner aggregations into.
    pub(super) fn buckets_mut(&mut self) -> &mut [Bucket] {
        match self {
            AggregationResult::Terms(terms) => &mut terms.buckets,
            AggregationResult::Histogram(histogram) => &mut histogram.buckets,
            AggregationResult::Ranges(ranges) => &mut ranges.buckets,
            AggregationResult::Stats(_) | AggregationResult::Distinct(_) => &mut [],
        }
    }
}

impl Bucket {
    /// A bucket of which nothing else is known.
    pub(super) fn new(key: Bson, count: u64) -> Self {
        Bucket { key, count, aggregations: AggregationResults::new() }
    }
}

fn array(buckets: &[Bucket]) -> Vec<Document> {
    let document = |bucket: &Bucket| {
        let mut document = doc! { "key": bucket.key.clone(), "count": count(bucket.count) };
        if !bucket.aggregations.is_empty() {
            let inner = bucket.aggregations.iter();
            let inner = inner.map(|(name, result)| (name.clone(), result.to_document().into()));
            document.insert("aggregations", inner.collect::<Document>());
        }
        document
    };
    buckets.iter().map(document).collect()
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
