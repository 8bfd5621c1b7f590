//! Buckets of histograms and ranges while a set is counted, and which documents belong to a bucket that is known.
//!
//! Aggregations count with it chunk by chunk, and then hand the documents of each bucket to its inner aggregations. Where
//! documents have one value each, counts of ordinals are added up; else each document is looked at, since it counts once in a bucket
//! however many of its values lie there. Cost: a few nanoseconds a document, for ranges that many for each.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use super::aggregation::{HISTOGRAM_LEN_MAX, Ranges};
use super::chunk::ColumnChunk;
use super::error::{Error, Result};
use super::intervals::{Begin, Intervals};
use super::tally::{Counts, count_values};
use crate::bson::{Bson, RawDocumentBuf, doc, sort_key};

/// Documents of each interval.
#[derive(Debug)]
pub(super) struct IntervalCounts {
    intervals: Intervals,
    counts: BTreeMap<Begin, u64>,
    missing: u64,
}

/// Documents of each range.
#[derive(Debug)]
pub(super) struct RangeCounts {
    bounds: Vec<Bounds>,
    counts: Vec<u64>,
}

/// Sort keys of a range's bounds.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

/// Buckets that are known.
#[derive(Debug)]
pub(super) enum Known {
    /// Those of values, by their sort keys.
    Values(Vec<Vec<u8>>),
    /// Those of intervals, ascending.
    Intervals(Intervals, Vec<Begin>),
    /// Those of ranges.
    Ranges(Vec<Bounds>),
}

/// The sort key of a value.
pub(super) fn key_of(value: &Bson) -> Result<Vec<u8>> {
    let mut key = Vec::new();
    let document =
        RawDocumentBuf::try_from(&doc! { "": value.clone() }).map_err(crate::bson::Error::from)?;
    for field in &document {
        let (_, value) = field.map_err(crate::bson::Error::from)?;
        sort_key(value, &mut key)?;
    }
    Ok(key)
}

impl IntervalCounts {
    pub(super) fn new(intervals: Intervals) -> Self {
        IntervalCounts { intervals, counts: BTreeMap::new(), missing: 0 }
    }

    /// Adds some documents of a chunk.
    ///
    /// # Errors
    /// [`Error::TooManyBuckets`].
    pub(super) fn add(
        &mut self,
        path: &str,
        column: Option<&ColumnChunk>,
        offsets: &[u16],
    ) -> Result<()> {
        let Some(column) = column else {
            self.missing += offsets.len() as u64;
            return Ok(());
        };
        if column.has_several() {
            self.add_each(column, offsets);
        } else {
            self.add_counted(column, offsets);
        }
        if self.counts.len() > HISTOGRAM_LEN_MAX {
            return Err(Error::TooManyBuckets {
                path: path.to_owned(),
                buckets_max: HISTOGRAM_LEN_MAX,
            });
        }
        Ok(())
    }

    fn add_counted(&mut self, column: &ColumnChunk, offsets: &[u16]) {
        let Counts { counted, missing } = count_values(Some(column), offsets);
        self.missing += missing;
        // Values ascend, so those of an interval follow each other.
        let mut pending: Option<(Begin, u64)> = None;
        for (ordinal, count) in counted {
            let count = u64::from(count);
            match (self.intervals.begin(column.value(ordinal)), &mut pending) {
                (None, _) => self.missing += count,
                (Some(begin), Some((pending, sum))) if *pending == begin => *sum += count,
                (Some(begin), pending) => {
                    if let Some((begin, sum)) = pending.replace((begin, count)) {
                        *self.counts.entry(begin).or_default() += sum;
                    }
                }
            }
        }
        if let Some((begin, sum)) = pending {
            *self.counts.entry(begin).or_default() += sum;
        }
    }

    fn add_each(&mut self, column: &ColumnChunk, offsets: &[u16]) {
        column.each_of(offsets, |_, ordinals| {
            let mut last = None;
            for &ordinal in ordinals {
                let begin = self.intervals.begin(column.value(ordinal));
                if let Some(begin) = begin.filter(|_| begin != last) {
                    *self.counts.entry(begin).or_default() += 1;
                    last = Some(begin);
                }
            }
            self.missing += u64::from(last.is_none());
        });
    }

    /// The buckets by their names, and the documents that are in none.
    pub(super) fn finish(self) -> (Vec<(Bson, u64)>, u64, Known) {
        let begins = self.counts.keys().copied().collect();
        let buckets =
            self.counts.into_iter().map(|(begin, count)| (self.intervals.key(begin), count));
        (buckets.collect(), self.missing, Known::Intervals(self.intervals, begins))
    }
}

impl Bounds {
    fn ordinals(&self, column: &ColumnChunk) -> Range<u32> {
        let from =
            self.from.as_ref().map_or(Bound::Unbounded, |key| Bound::Included(key.as_slice()));
        let to = self.to.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_slice()));
        column.ordinals_between(from, to)
    }
}

impl RangeCounts {
    /// # Errors
    /// [`Error::Document`] for a bound that BSON cannot hold.
    pub(super) fn new(ranges: &Ranges) -> Result<Self> {
        let key = |bound: &Option<Bson>| bound.as_ref().map(key_of).transpose();
        let bounds = ranges.ranges.iter();
        let bounds =
            bounds.map(|range| Ok(Bounds { from: key(&range.from)?, to: key(&range.to)? }));
        let bounds = bounds.collect::<Result<Vec<_>>>()?;
        Ok(RangeCounts { counts: vec![0; bounds.len()], bounds })
    }

    /// Adds some documents of a chunk.
    pub(super) fn add(&mut self, column: Option<&ColumnChunk>, offsets: &[u16]) {
        let Some(column) = column else { return };
        let ranges = self.bounds.iter().map(|bounds| bounds.ordinals(column));
        if column.has_several() {
            for (ordinals, count) in ranges.zip(&mut self.counts) {
                each_with_some(column, offsets, &ordinals, |_| *count += 1);
            }
            return;
        }
        let Counts { counted, .. } = count_values(Some(column), offsets);
        for (ordinals, sum) in ranges.zip(&mut self.counts) {
            let start = counted.partition_point(|&(ordinal, _)| ordinal < ordinals.start);
            let within =
                counted.iter().skip(start).take_while(|&&(ordinal, _)| ordinal < ordinals.end);
            *sum += within.map(|&(_, count)| u64::from(count)).sum::<u64>();
        }
    }

    /// The documents of each range.
    pub(super) fn finish(self) -> (Vec<u64>, Known) {
        (self.counts, Known::Ranges(self.bounds))
    }
}

/// Passes the documents that have a value whose ordinal is in `ordinals` to `visit`.
fn each_with_some(
    column: &ColumnChunk,
    offsets: &[u16],
    ordinals: &Range<u32>,
    mut visit: impl FnMut(u16),
) {
    column.each_of(offsets, |offset, found| {
        if found.iter().any(|ordinal| ordinals.contains(ordinal)) {
            visit(offset);
        }
    });
}

impl Known {
    /// Number of buckets.
    pub(super) fn len(&self) -> usize {
        match self {
            Known::Values(keys) => keys.len(),
            Known::Intervals(_, begins) => begins.len(),
            Known::Ranges(bounds) => bounds.len(),
        }
    }

    /// Appends each of a chunk's documents to the lists of the buckets that it is in.
    pub(super) fn deal(&self, column: &ColumnChunk, offsets: &[u16], lists: &mut [Vec<u16>]) {
        if let Known::Ranges(bounds) = self {
            for (bounds, list) in bounds.iter().zip(lists) {
                each_with_some(column, offsets, &bounds.ordinals(column), |offset| {
                    list.push(offset);
                });
            }
            return;
        }
        let buckets = self.buckets(column);
        column.each_of(offsets, |offset, ordinals| {
            for &ordinal in ordinals {
                let bucket = buckets.get(ordinal as usize).copied().flatten();
                // Values of a document that share a bucket follow each other.
                if let Some(list) = bucket.and_then(|bucket| lists.get_mut(bucket as usize))
                    && list.last() != Some(&offset)
                {
                    list.push(offset);
                }
            }
        });
    }

    /// The bucket of each ordinal, if it has one.
    fn buckets(&self, column: &ColumnChunk) -> Vec<Option<u32>> {
        let mut buckets = vec![None; column.cardinality() as usize];
        match self {
            Known::Values(keys) => {
                for (key, bucket) in keys.iter().zip(0..) {
                    let (ordinal, is_equal) = column.find(key);
                    if let Some(place) = buckets.get_mut(ordinal as usize).filter(|_| is_equal) {
                        *place = Some(bucket);
                    }
                }
            }
            Known::Intervals(intervals, begins) => {
                for (ordinal, place) in (0..).zip(&mut buckets) {
                    let begin = intervals.begin(column.value(ordinal));
                    let at = begin.and_then(|begin| begins.binary_search(&begin).ok());
                    *place = at.and_then(|at| u32::try_from(at).ok());
                }
            }
            Known::Ranges(_) => {}
        }
        buckets
    }
}
