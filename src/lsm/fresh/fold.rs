//! Two tables as one: what `newer` says above what `older` says.
//!
//! Called when runs fold. Parts whose keys lie between two keys of the other table are taken as they are, shared, so that
//! tables of keys that ascend from commit to commit are joined and not copied. Cost: one comparison for each part that is
//! shared; one comparison and a copy for each entry of the others.

use std::cmp::Ordering;
use std::sync::Arc;

use super::table::{FreshTable, FreshTableBuilder, Part, Parts, Place};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::merge_operator::MergeOperator;
use crate::lsm::ranges::Ranges;

/// A place in a table that is walked.
struct Walk<'a> {
    table: &'a FreshTable,
    at: Place,
}

impl<'a> Walk<'a> {
    fn new(table: &'a FreshTable) -> Self {
        Walk { table, at: Place::default() }
    }

    fn key(&self) -> Option<&'a [u8]> {
        self.table.entry(self.at).map(|(key, ..)| key)
    }

    fn next(&mut self) {
        self.at = self.table.behind(self.at);
    }

    /// The part at whose first entry it stands, if all of it is before `key`.
    fn part_before(&self, key: Option<&[u8]>) -> Option<&'a Arc<Part>> {
        let part = (self.at.index == 0).then(|| self.table.parts.get(self.at.part)).flatten();
        part.filter(|part| key.is_none_or(|key| part.last_key() < key))
    }

    fn skip_part(&mut self) {
        self.at = Place { part: self.at.part + 1, index: 0 };
    }
}

/// Whether two tables become one without a look at most of their entries.
pub(super) fn is_free(older: &FreshTable, newer: &FreshTable) -> bool {
    has_no_ranges(older, newer) && older.is_apart_from(newer)
}

fn has_no_ranges(older: &FreshTable, newer: &FreshTable) -> bool {
    older.ranges.is_empty() && newer.ranges.is_empty()
}

pub(super) fn fold_tables(
    older: &FreshTable,
    newer: &FreshTable,
    operator: Option<&dyn MergeOperator>,
) -> Result<FreshTable> {
    let mut ranges = Ranges::clone(&older.ranges);
    ranges.unite(&newer.ranges);
    let mut out = FreshTableBuilder::new(Arc::new(ranges));
    // A range may hide entries in the midst of a part, or change what they say.
    let shares = has_no_ranges(older, newer);
    let (mut left, mut right) = (Walk::new(older), Walk::new(newer));
    loop {
        let (below, above) = (left.key(), right.key());
        if shares && let Some(part) = left.part_before(above) {
            out.append(part);
            left.skip_part();
            continue;
        }
        if shares && let Some(part) = right.part_before(below) {
            out.append(part);
            right.skip_part();
            continue;
        }
        let order = match (below, above) {
            (None, None) => return Ok(out.finish()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(below), Some(above)) => below.cmp(above),
        };
        if order == Ordering::Less {
            copy_older(&mut out, newer, &left);
        } else if order == Ordering::Greater {
            copy_newer(&mut out, older, &right);
        } else {
            combine(&mut out, &left, &right, operator)?;
        }
        if order.is_le() {
            left.next();
        }
        if order.is_ge() {
            right.next();
        }
    }
}

/// Adds an entry of the older table of which the newer one has no key.
fn copy_older(out: &mut FreshTableBuilder, newer: &FreshTable, from: &Walk<'_>) {
    if from.key().is_some_and(|key| !newer.ranges.covers(key)) {
        out.copy(from.table, from.at);
    }
}

/// Adds an entry of the newer table of which the older one has no key.
fn copy_newer(out: &mut FreshTableBuilder, older: &FreshTable, from: &Walk<'_>) {
    match from.table.entry(from.at) {
        // Nothing is below it but the older table's range.
        Some((key, kind @ (EntryKind::Delete | EntryKind::Merge), value))
            if older.ranges.covers(key) =>
        {
            if kind == EntryKind::Merge {
                out.add(key, EntryKind::Put, value);
            }
        }
        _ => out.copy(from.table, from.at),
    }
}

/// Adds what both tables say of a key.
fn combine(
    out: &mut FreshTableBuilder,
    older: &Walk<'_>,
    newer: &Walk<'_>,
    operator: Option<&dyn MergeOperator>,
) -> Result<()> {
    let (below, above) = (older.table.entry(older.at), newer.table.entry(newer.at));
    let Some((below, (key, kind, value))) = below.zip(above) else { return Ok(()) };
    match combined(key, (below.1, below.2), (kind, value), operator)? {
        Some((kind, value)) => out.add(key, kind, &value),
        None if kind == EntryKind::Delete && out.ranges().covers(key) => {}
        None => out.copy(newer.table, newer.at),
    }
    Ok(())
}

/// What two entries of one key say together; `None` when that is what the newer one says alone.
pub(crate) fn combined(
    key: &[u8],
    older: (EntryKind, &[u8]),
    newer: (EntryKind, &[u8]),
    operator: Option<&dyn MergeOperator>,
) -> Result<Option<(EntryKind, Vec<u8>)>> {
    if newer.0 != EntryKind::Merge {
        return Ok(None);
    }
    if older.0 == EntryKind::Delete {
        return Ok(Some((EntryKind::Put, newer.1.to_vec())));
    }
    if older.0 == EntryKind::Refer {
        return Err(Error::corruption("an operand stands above a reference to a value", 0));
    }
    let operator = operator.ok_or_else(|| {
        Error::corruption("an operand stands in a keyspace without a merge operator", 0)
    })?;
    let mut out = Vec::new();
    operator.merge(key, &[older.1, newer.1], &mut out)?;
    Ok(Some((older.0, out)))
}
