//! [`Tally`]: how many documents have which value, over all chunks.
//!
//! Aggregations count a chunk's ordinals and keep the counts beside its dictionary; values are compared across chunks when all are
//! counted, by a merge of the dictionaries, which ascend. So a distinct value costs a few bytes until it is looked at, and
//! only those that are given back are copied. Cost: a nanosecond or two a document, and for each value of each chunk that some
//! document has, some ten.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use super::chunk::ColumnChunk;
use super::dictionary::Dictionary;
use crate::bson::Bson;

/// Ordinals that some documents of a chunk have, ascending, and how many have each.
pub(super) type Counted = Vec<(u32, u32)>;

/// The values of some documents of a chunk.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) counted: Counted,
    /// Documents without a value.
    pub(super) missing: u64,
}

/// Counts of several chunks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    parts: Vec<(Arc<Dictionary>, Counted)>,
    missing: u64,
}

/// The most frequent values of a tally, the number of all, and of the documents without one.
pub(super) struct Frequent {
    pub(super) values: Vec<(Bson, u64)>,
    pub(super) distinct: u64,
    pub(super) missing: u64,
}

/// So many documents for a value are sorted rather than counted in an array of all values.
const SORTED_SHARE: usize = 8;

/// Counts the values of some documents of a chunk.
pub(super) fn count_values(column: Option<&ColumnChunk>, offsets: &[u16]) -> Counts {
    let Some(column) = column else {
        return Counts { counted: Vec::new(), missing: offsets.len() as u64 };
    };
    let cardinality = column.cardinality() as usize;
    if offsets.len() < cardinality / SORTED_SHARE {
        return count_few(column, offsets);
    }
    let mut counts = vec![0; cardinality + 1];
    column.count(offsets, &mut counts);
    let missing = counts.first().map_or(0, |&missing| u64::from(missing));
    let some = (0..).zip(counts.into_iter().skip(1)).filter(|&(_, count)| count > 0);
    Counts { counted: some.collect(), missing }
}

fn count_few(column: &ColumnChunk, offsets: &[u16]) -> Counts {
    let (mut ordinals, mut missing) = (Vec::with_capacity(offsets.len()), 0);
    column.each_of(offsets, |_, found| {
        ordinals.extend_from_slice(found);
        missing += u64::from(found.is_empty());
    });
    ordinals.sort_unstable();
    let runs = ordinals.chunk_by(|a, b| a == b);
    let count = |run: &[u32]| u32::try_from(run.len()).unwrap_or(u32::MAX);
    let counted = runs.filter_map(|run| Some((*run.first()?, count(run)))).collect();
    Counts { counted, missing }
}

/// A part's next value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: Vec<u8>,
    part: usize,
    at: usize,
}

impl Tally {
    /// Adds the values of some documents of a chunk.
    pub(super) fn add(&mut self, column: Option<&ColumnChunk>, offsets: &[u16]) {
        let Counts { counted, missing } = count_values(column, offsets);
        self.missing += missing;
        if let Some(column) = column.filter(|_| !counted.is_empty()) {
            self.parts.push((Arc::clone(column.dictionary()), counted));
        }
    }

    /// Number of distinct values.
    pub(super) fn distinct(&self) -> u64 {
        let mut distinct = 0;
        self.each(|_, _, _| distinct += 1);
        distinct
    }

    /// The values that most documents have, at most `limit`; of as many, the least.
    pub(super) fn frequent(&self, limit: usize) -> Frequent {
        let mut distinct = 0_u64;
        // The greatest is the one to drop: of the fewest documents the last value.
        let mut best = BinaryHeap::new();
        self.each(|part, ordinal, count| {
            distinct += 1;
            best.push((Reverse(count), distinct, part, ordinal));
            if best.len() > limit {
                best.pop();
            }
        });
        let value = |(Reverse(count), _, part, ordinal): (Reverse<u64>, u64, usize, u32)| {
            let (dictionary, _) = self.parts.get(part)?;
            Some((Bson::try_from(dictionary.value(ordinal)).ok()?, count))
        };
        let values = best.into_sorted_vec().into_iter().filter_map(value).collect();
        Frequent { values, distinct, missing: self.missing }
    }

    /// Passes each value to `visit`, ascending: a part and an ordinal that have it, and how many documents.
    fn each(&self, mut visit: impl FnMut(usize, u32, u64)) {
        if let [(_, counted)] = self.parts.as_slice() {
            return counted.iter().for_each(|&(ordinal, count)| visit(0, ordinal, count.into()));
        }
        let mut heads: BinaryHeap<Reverse<Head>> = (0..self.parts.len())
            .map(|part| Reverse(Head { key: Vec::new(), part, at: 0 }))
            .filter_map(|Reverse(mut head)| self.read_key(&mut head).then_some(Reverse(head)))
            .collect();
        let mut key = Vec::new();
        let mut value = (0, 0, 0);
        while let Some(mut head) = heads.peek_mut() {
            let Reverse(first) = &mut *head;
            let (ordinal, count) = self.at(first).unwrap_or_default();
            if value.2 > 0 && key == first.key {
                value.2 += u64::from(count);
            } else {
                if value.2 > 0 {
                    visit(value.0, value.1, value.2);
                }
                value = (first.part, ordinal, count.into());
                key.clone_from(&first.key);
            }
            first.at += 1;
            if !self.read_key(first) {
                PeekMut::pop(head);
            }
        }
        if value.2 > 0 {
            visit(value.0, value.1, value.2);
        }
    }

    fn at(&self, head: &Head) -> Option<(u32, u32)> {
        self.parts.get(head.part)?.1.get(head.at).copied()
    }

    /// Reads the key at which a head stands; whether there is one.
    fn read_key(&self, head: &mut Head) -> bool {
        let (Some((ordinal, _)), Some((dictionary, _))) =
            (self.at(head), self.parts.get(head.part))
        else {
            return false;
        };
        dictionary.key(ordinal, &mut head.key);
        true
    }
}
