//! [`AccessReport`]: which way was taken to the documents of a filter, which were not, and how many entries and documents each cost.
//!
//! Made by an `Access` once it has found documents, shown by `explain`. Invariant: numbers are counted, none is estimated; a way that was
//! not walked to its end has at least its entries. Cost: none to speak of.

use std::fmt;

use serde::Serialize;

use super::ordered::OrderedDocuments;
use super::race::Runner;

/// How the documents of a filter were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccessReport {
    /// The ways over indexes whose documents were intersected; none when documents were looked at one after the other.
    pub chosen: Vec<WayReport>,
    /// The columns that answered conditions, by path.
    pub columns: Vec<String>,
    /// The ways that were not taken.
    pub rejected: Vec<WayReport>,
    /// The index that was walked in the order that was asked for, from the front as far as was needed, instead of finding everything and
    /// sorting it. Then only documents of the page count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered: Option<WayReport>,
    /// Paths to sort by that have no [column](crate::Collection::create_column): for these all documents that were found are read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_to_sort: Vec<String>,
    /// Living documents that the ways left.
    pub candidates: u64,
    /// Documents that were read, because the ways do not tell everything.
    pub looked_at: u64,
    /// Documents that the filter wants.
    pub found: u64,
}

/// A way over one index, or over one for each branch of an `$or`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WayReport {
    /// The indexes, by name; `None` for a branch that was not decided.
    pub indexes: Vec<Option<String>>,
    /// Ranges of keys.
    pub ranges: usize,
    /// Entries that were walked.
    pub entries: u64,
    /// Whether that was all of them.
    pub is_complete: bool,
}

impl AccessReport {
    /// Of documents that were taken from an index in order.
    pub fn in_order(documents: &OrderedDocuments) -> Self {
        let OrderedDocuments { documents, index, entries, looked_at } = documents;
        let way = WayReport {
            indexes: vec![Some(index.clone())],
            ranges: 1,
            entries: *entries,
            is_complete: true,
        };
        let found = documents.len() as u64;
        let ordered = Some(way);
        AccessReport {
            ordered,
            candidates: *entries,
            looked_at: *looked_at,
            found,
            ..AccessReport::default()
        }
    }
}

impl WayReport {
    pub(super) fn of(runner: &Runner<'_>) -> Self {
        let told = runner.told();
        WayReport {
            ranges: told.iter().map(|told| told.ranges).sum(),
            indexes: told.into_iter().map(|told| told.index).collect(),
            entries: runner.entries,
            is_complete: runner.is_done,
        }
    }
}

impl fmt::Display for WayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.indexes.iter().map(|name| name.as_deref().unwrap_or("(undecided)"));
        let names: Vec<_> = names.collect();
        let at_least = if self.is_complete { "" } else { "at least " };
        let Self { ranges, entries, .. } = self;
        let s = if *ranges == 1 { "" } else { "s" };
        write!(f, "{}: {ranges} range{s}, {at_least}{entries} entries", names.join(" or "))
    }
}

impl fmt::Display for AccessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(way) = &self.ordered {
            writeln!(f, "walked in order {way}")?;
        } else if self.chosen.is_empty() && self.columns.is_empty() {
            writeln!(f, "looked at documents")?;
        }
        for way in &self.chosen {
            writeln!(f, "took {way}")?;
        }
        for path in &self.columns {
            writeln!(f, "took column {path}")?;
        }
        for way in &self.rejected {
            writeln!(f, "left {way}")?;
        }
        for path in &self.read_to_sort {
            writeln!(
                f,
                "read {} documents to sort by {path}; a column of {path} would save that",
                self.found
            )?;
        }
        write!(
            f,
            "{} candidates, {} documents looked at, {} found",
            self.candidates, self.looked_at, self.found
        )
    }
}
