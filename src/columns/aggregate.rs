//! [`aggregate`]: computes aggregations of a set of documents.
//!
//! Searches call it with what they found. It walks the set twice at most: once to count what stands outside, and once more, if
//! buckets have inner aggregations, when the buckets that are given back are known; then each chunk's documents are dealt out to
//! their buckets. Cost: a few nanoseconds for each document and aggregation, and in the second walk for each document and bucket
//! that it is in; memory for the counts of all values that documents have.

use super::aggregation::{Aggregation, Aggregations};
use super::buckets::{IntervalCounts, Known, RangeCounts, key_of};
use super::chunk::ColumnChunk;
use super::documents::read_offsets;
use super::error::{Error, Result};
use super::figures::Figures;
use super::intervals::Intervals;
use super::results::{
    AggregationResult, AggregationResults, Bucket, DistinctResult, HistogramResult, RangesResult,
    TermsResult,
};
use super::source::ColumnSource;
use super::tally::{Frequent, Tally};
use crate::bson::Bson;
use crate::fts::DocumentSet;

/// Results inside of the buckets of one aggregation: what each takes while it is computed, times this, is 100 MB.
const INNER_LEN_MAX: usize = 1 << 18;

/// What the documents of `set` come to.
///
/// ```
/// use std::sync::Arc;
/// use alluvium::bson::{Bson, Path, rawdoc};
/// use alluvium::columns::{
///     Aggregation, AggregationResult, Aggregations, ColumnChunk, ColumnChunkBuilder, ColumnSource,
///     Error, aggregate,
/// };
/// use alluvium::fts::{DocId, DocumentSet};
///
/// /// Has places alone, and of chunk 0.
/// struct Places(Arc<ColumnChunk>);
///
/// impl ColumnSource for Places {
///     type Error = Error;
///
///     fn chunk(&self, _path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>, Error> {
///         Ok((chunk == 0).then(|| Arc::clone(&self.0)))
///     }
/// }
///
/// let mut builder = ColumnChunkBuilder::default();
/// for (offset, place) in [(1, "Coloma"), (2, "Ballarat"), (4, "Coloma")] {
///     builder.add(offset, &Path::parse("place")?, &rawdoc! { "place": place })?;
/// }
/// let places = Places(Arc::new(builder.finish().expect("some values")));
/// let set: DocumentSet = (1..5).map(|offset| DocId::from_parts(0, offset)).collect();
/// let asked = Aggregations::from([("places".into(), Aggregation::terms("place").limit(1).into())]);
/// let results = aggregate(&set, &places, &asked)?;
/// let AggregationResult::Terms(terms) = &results["places"] else { unreachable!() };
/// assert_eq!((terms.buckets[0].key.as_str(), terms.buckets[0].count), (Some("Coloma"), 2));
/// assert_eq!((terms.distinct, terms.missing), (2, 1));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of [`Aggregation::check`], [`TooManyBuckets`](super::Error::TooManyBuckets),
/// [`TooManyInner`](super::Error::TooManyInner), and those of the source.
pub fn aggregate<S: ColumnSource>(
    set: &DocumentSet,
    source: &S,
    aggregations: &Aggregations,
) -> Result<AggregationResults, S::Error> {
    let mut states = Vec::new();
    for aggregation in aggregations.values() {
        aggregation.check()?;
        states.push(State::new(aggregation)?);
    }
    each_chunk(set, |chunk, offsets| -> Result<(), S::Error> {
        for (aggregation, state) in aggregations.values().zip(&mut states) {
            let column = source.chunk(aggregation.path(), chunk)?;
            state.add(aggregation.path(), column.as_deref(), offsets)?;
        }
        Ok(())
    })?;
    let mut results = AggregationResults::new();
    for ((name, aggregation), state) in aggregations.iter().zip(states) {
        let (mut result, known) = state.finish()?;
        let inner = aggregation.aggregations().filter(|inner| !inner.is_empty());
        if let (Some(inner), Some(known)) = (inner, known) {
            fill(set, source, aggregation.path(), inner, &known, result.buckets_mut())?;
        }
        results.insert(name.clone(), result);
    }
    Ok(results)
}

/// Computes the inner aggregations of buckets that are known.
fn fill<S: ColumnSource>(
    set: &DocumentSet,
    source: &S,
    path: &str,
    inner: &Aggregations,
    known: &Known,
    buckets: &mut [Bucket],
) -> Result<(), S::Error> {
    if known.len().saturating_mul(inner.len()) > INNER_LEN_MAX {
        let (path, buckets, inner) = (path.to_owned(), known.len(), inner.len());
        return Err(Error::TooManyInner { path, buckets, inner, results_max: INNER_LEN_MAX }.into());
    }
    let mut states = Vec::with_capacity(known.len());
    for _ in 0..known.len() {
        states.push(inner.values().map(State::new).collect::<Result<Vec<_>>>()?);
    }
    let mut lists = vec![Vec::new(); known.len()];
    each_chunk(set, |chunk, offsets| -> Result<(), S::Error> {
        let Some(column) = source.chunk(path, chunk)? else { return Ok(()) };
        lists.iter_mut().for_each(Vec::clear);
        known.deal(&column, offsets, &mut lists);
        for (at, aggregation) in inner.values().enumerate() {
            let column = source.chunk(aggregation.path(), chunk)?;
            for (list, states) in lists.iter().zip(&mut states) {
                if let Some(state) = states.get_mut(at).filter(|_| !list.is_empty()) {
                    state.add(aggregation.path(), column.as_deref(), list)?;
                }
            }
        }
        Ok(())
    })?;
    for (bucket, states) in buckets.iter_mut().zip(states) {
        for (name, state) in inner.keys().zip(states) {
            bucket.aggregations.insert(name.clone(), state.finish()?.0);
        }
    }
    Ok(())
}

/// Passes the documents of each chunk to `f`.
fn each_chunk<E>(
    set: &DocumentSet,
    mut f: impl FnMut(u32, &[u16]) -> Result<(), E>,
) -> Result<(), E> {
    let mut offsets = Vec::new();
    for (chunk, windows) in set.chunks() {
        read_offsets(windows, &mut offsets);
        if !offsets.is_empty() {
            f(chunk, &offsets)?;
        }
    }
    Ok(())
}

/// An aggregation while documents are counted.
#[derive(Debug)]
enum State<'a> {
    Terms { limit: usize, tally: Tally },
    Histogram(IntervalCounts),
    Ranges { names: Vec<&'a str>, counts: RangeCounts },
    Stats(Box<Figures>),
    Distinct(Tally),
}

impl<'a> State<'a> {
    fn new(aggregation: &'a Aggregation) -> Result<Self> {
        if let Some(intervals) = Intervals::of(aggregation) {
            return Ok(State::Histogram(IntervalCounts::new(intervals)));
        }
        Ok(match aggregation {
            Aggregation::Terms(terms) => {
                State::Terms { limit: terms.limit, tally: Tally::default() }
            }
            Aggregation::Ranges(ranges) => State::Ranges {
                names: ranges.ranges.iter().map(|range| range.name.as_str()).collect(),
                counts: RangeCounts::new(ranges)?,
            },
            Aggregation::Stats(_) => State::Stats(Box::default()),
            _ => State::Distinct(Tally::default()),
        })
    }

    /// Adds some documents of a chunk.
    fn add(&mut self, path: &str, column: Option<&ColumnChunk>, offsets: &[u16]) -> Result<()> {
        match self {
            State::Terms { tally, .. } | State::Distinct(tally) => tally.add(column, offsets),
            State::Histogram(counts) => counts.add(path, column, offsets)?,
            State::Ranges { counts, .. } => counts.add(column, offsets),
            State::Stats(figures) => figures.add(column, offsets)?,
        }
        Ok(())
    }

    /// The result, and its buckets if it has some.
    fn finish(self) -> Result<(AggregationResult, Option<Known>)> {
        let buckets = |pairs: Vec<(Bson, u64)>| -> Vec<Bucket> {
            pairs.into_iter().map(|(key, count)| Bucket::new(key, count)).collect()
        };
        Ok(match self {
            State::Terms { limit, tally } => {
                let Frequent { values, distinct, missing } = tally.frequent(limit);
                let keys = values.iter().map(|(value, _)| key_of(value)).collect::<Result<_>>()?;
                let result = TermsResult { buckets: buckets(values), distinct, missing };
                (AggregationResult::Terms(result), Some(Known::Values(keys)))
            }
            State::Histogram(counts) => {
                let (pairs, missing, known) = counts.finish();
                let result = HistogramResult { buckets: buckets(pairs), missing };
                (AggregationResult::Histogram(result), Some(known))
            }
            State::Ranges { names, counts } => {
                let (counts, known) = counts.finish();
                let pairs = names.into_iter().map(Bson::from).zip(counts).collect();
                let result = RangesResult { buckets: buckets(pairs) };
                (AggregationResult::Ranges(result), Some(known))
            }
            State::Stats(figures) => (AggregationResult::Stats(Box::new(figures.finish())), None),
            State::Distinct(tally) => {
                let result = DistinctResult { distinct: tally.distinct() };
                (AggregationResult::Distinct(result), None)
            }
        })
    }
}
