//! The first documents in an order, taken from a value index that stands in it.
//!
//! A find with a sort and a small limit asks before it gathers and sorts everything that its filter wants. An index will do whose last fields are
//! the paths of the sort, all in its directions or all against them, whose fields before those have one value each in the filter, and
//! which has met no array: then each document has one entry, and entries stand as the documents are sorted. It is walked from the front
//! or from the back, documents are looked at where the filter says more than the index tells, and what has equal keys is put in the order
//! of document numbers.
//!
//! Invariant: what is found is the front of all documents that the filter wants, as they are sorted. Cost: as few entries as there are
//! documents wanted, where the filter leaves out none; the walk is given up where it costs more than a share of the collection, as
//! [`Access`](super::Access) has it.

use std::sync::Arc;

use super::super::error::Result;
use super::super::read::CollectionReader;
use super::super::value_index::{ValueIndex, ValueStep};
use super::cost::{LOOKED_UP_COST, first_cost};
use super::hint::Hint;
use crate::bson::{Filter, KeyRange};
use crate::columns::SortKey;
use crate::fts::DocId;

/// Documents up to which an index is walked however small the collection is.
const WANTED_LEN_MIN: u64 = 1_000;
/// Where more than one document of so many is wanted, sorting costs less.
const WANTED_SHARE: u64 = 16;

/// The first documents in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedDocuments {
    /// The documents.
    pub documents: Vec<DocId>,
    /// The index that was walked.
    pub index: String,
    /// Entries that were walked.
    pub entries: u64,
    /// Documents that were looked at.
    pub looked_at: u64,
}

/// The first `wanted` of the documents that `filter` wants, as `order` sorts them; `None` where no index stands in this order, or to walk
/// it costs too much.
///
/// # Errors
/// Those of the storage core; a document that cannot be read is corruption.
pub fn first_in_order(
    collection: &CollectionReader<'_>,
    filter: &Filter,
    hint: &Hint,
    order: &[SortKey],
    wanted: usize,
) -> Result<Option<OrderedDocuments>> {
    let count = collection.count();
    if order.is_empty() || wanted as u64 > (count / WANTED_SHARE).max(WANTED_LEN_MIN) {
        return Ok(None);
    }
    let indexes = collection.value_indexes()?;
    let may_be_taken = |index: &&Arc<ValueIndex>| match hint {
        Hint::None => true,
        Hint::Index(name) => index.name() == name,
        Hint::Scan => false,
    };
    let fitting = indexes.iter().filter(may_be_taken);
    let fitting = fitting.filter_map(|index| Way::find(index, filter, order));
    // The more fields have one value, the less has to be walked.
    let Some(way) = fitting.max_by_key(|way| way.index.shape().fields().len()) else {
        return Ok(None);
    };
    let cost_max = first_cost(wanted as u64, count);
    let (documents, entries, looked_at) = (Vec::new(), 0, 0);
    let found =
        OrderedDocuments { documents, index: way.index.name().to_owned(), entries, looked_at };
    Walk { collection, filter, is_exact: way.is_exact, wanted, cost_max, found }.along(way)
}

/// An index that stands in the order, and where in it.
struct Way<'i> {
    index: &'i ValueIndex,
    ranges: Vec<KeyRange>,
    /// Whether all entries in the ranges are of documents that the filter wants.
    is_exact: bool,
    is_backward: bool,
}

impl<'i> Way<'i> {
    fn find(index: &'i ValueIndex, filter: &Filter, order: &[SortKey]) -> Option<Self> {
        let fields = index.shape().fields();
        let prefix_len = fields.len().checked_sub(order.len())?;
        let sorted = || fields.iter().skip(prefix_len).zip(order);
        let has_paths = sorted().all(|(field, key)| field.path == key.path);
        let along = sorted().filter(|(field, key)| field.direction == key.direction).count();
        let is_ordered = has_paths && (along == order.len() || along == 0);
        if !is_ordered || index.arrays() != 0 || !index.has_all(filter) {
            return None;
        }
        if prefix_len > 0 {
            filter.key_prefix(index.shape(), prefix_len)?;
        }
        let (ranges, is_exact) = match index.ranges(filter) {
            Some(ranges) => (ranges.ranges, ranges.is_exact),
            None => (vec![ValueIndex::all()], filter.is_all()),
        };
        Some(Way { index, ranges, is_exact, is_backward: along == 0 })
    }
}

/// A walk for the first documents.
struct Walk<'w, 'r> {
    collection: &'w CollectionReader<'r>,
    filter: &'w Filter,
    is_exact: bool,
    wanted: usize,
    cost_max: u64,
    found: OrderedDocuments,
}

impl Walk<'_, '_> {
    fn along(mut self, way: Way<'_>) -> Result<Option<OrderedDocuments>> {
        let mut steps = way.index.steps(self.collection.reader(), way.ranges, way.is_backward)?;
        // Of equal keys, backward, the first document comes last.
        let mut equal = Vec::new();
        while self.found.documents.len() < self.wanted {
            let step = steps.next()?;
            let goes_on = matches!(step, Some(ValueStep { is_equal: true, .. }));
            if !goes_on {
                for doc in equal.drain(..).rev() {
                    if !self.take(doc)? {
                        return Ok(None);
                    }
                }
            }
            let Some(ValueStep { doc, .. }) = step else { break };
            self.found.entries += 1;
            if way.is_backward {
                equal.push(doc);
            } else if !self.take(doc)? {
                return Ok(None);
            }
            if self.cost() > self.cost_max {
                return Ok(None);
            }
        }
        Ok(Some(self.found))
    }

    /// Takes a document if it lives and the filter wants it; whether the walk may go on.
    fn take(&mut self, doc: DocId) -> Result<bool> {
        if self.found.documents.len() == self.wanted || self.collection.is_dead(doc)? {
            return Ok(true);
        }
        if self.is_exact {
            self.found.documents.push(doc);
            return Ok(true);
        }
        self.found.looked_at += 1;
        if let Some(document) = self.collection.document(doc)?
            && self.filter.matches(&document)?
        {
            self.found.documents.push(doc);
        }
        Ok(self.cost() <= self.cost_max)
    }

    fn cost(&self) -> u64 {
        self.found.entries.saturating_add(self.found.looked_at.saturating_mul(LOOKED_UP_COST))
    }
}
