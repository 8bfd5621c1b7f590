//! [`ValueIndex`]: one value index as a state of the database has it, and [`ValueWalk`]s through it.
//!
//! Whoever looks for documents asks which ranges of keys a filter leaves, and walks them entry by entry, or as far as it pays.
//! Invariants: documents that the filter wants have an entry in its ranges; dead ones may have some too. Cost: a seek a range, a
//! step an entry.

use super::super::catalog::ValueIndexDefinition;
use super::super::error::Result;
use super::super::value_options::ValueIndexOptions;
use super::entry::{MARK_KEY, split_shared_key};
use super::indexer::{keyspace, read_arrays};
use crate::bson::{Filter, KeyRange, KeyRanges, KeyShape};
use crate::fts::DocId;
use crate::lsm::{Cursor, KeyspaceId, Reader, Seek};

/// A value index, opened.
#[derive(Debug)]
pub(in super::super) struct ValueIndex {
    name: String,
    options: ValueIndexOptions,
    keyspace: KeyspaceId,
    shape: KeyShape,
    filter: Option<Filter>,
    arrays: u32,
}

/// A walk through the entries of some ranges of a value index.
pub(in super::super) struct ValueWalk<'r> {
    cursor: Cursor<'r>,
    unique: bool,
    ranges: std::vec::IntoIter<KeyRange>,
    /// The range that the cursor stands in; `None` before the first.
    range: Option<KeyRange>,
}

impl ValueIndex {
    /// Opens an index in the state that `reader` shows.
    pub(in super::super) fn open(
        reader: &dyn Reader,
        collection: &str,
        definition: &ValueIndexDefinition,
    ) -> Result<Self> {
        let keyspace = keyspace(reader, collection, &definition.name)?;
        let (shape, filter) = definition.options.compile()?;
        Ok(ValueIndex {
            name: definition.name.clone(),
            options: definition.options.clone(),
            keyspace,
            shape,
            filter,
            arrays: read_arrays(reader, keyspace)?,
        })
    }

    /// Its name.
    pub(in super::super) fn name(&self) -> &str {
        &self.name
    }

    /// What its keys consist of.
    pub(in super::super) fn shape(&self) -> &KeyShape {
        &self.shape
    }

    /// The fields that met arrays: bit i for field i.
    pub(in super::super) fn arrays(&self) -> u32 {
        self.arrays
    }

    /// Whether every document that `filter` wants is surely in the index.
    pub(in super::super) fn has_all(&self, filter: &Filter) -> bool {
        let is_present =
            || self.shape.fields().iter().any(|field| filter.requires_present(&field.path));
        (!self.options.sparse || is_present())
            && self.filter.as_ref().is_none_or(|partial| filter.implies(partial))
    }

    /// Where the entries of the documents that `filter` wants stand; `None` when the index narrows nothing down, or does not have them
    /// all.
    pub(in super::super) fn ranges(&self, filter: &Filter) -> Option<KeyRanges> {
        if !self.has_all(filter) {
            return None;
        }
        filter.key_ranges(&self.shape, self.arrays)
    }

    /// A walk through the entries of ascending ranges.
    ///
    /// # Errors
    /// Those of the storage core.
    pub(in super::super) fn walk<'r>(
        &self,
        reader: &'r dyn Reader,
        ranges: Vec<KeyRange>,
    ) -> Result<ValueWalk<'r>> {
        let cursor = reader.cursor(self.keyspace)?;
        let (unique, ranges) = (self.options.unique, ranges.into_iter());
        Ok(ValueWalk { cursor, unique, ranges, range: None })
    }
}

/// An entry of a walk that tells which entries have equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct ValueStep {
    /// Its document.
    pub(in super::super) doc: DocId,
    /// Whether the entry before has the same key.
    pub(in super::super) is_equal: bool,
}

/// A walk through entries forward or backward.
pub(in super::super) struct ValueSteps<'r> {
    cursor: Cursor<'r>,
    unique: bool,
    /// Those that are left; the last is the next.
    ranges: Vec<KeyRange>,
    range: Option<KeyRange>,
    is_backward: bool,
    /// The key of the entry before.
    key: Option<Vec<u8>>,
}

impl ValueIndex {
    /// The range of all entries.
    pub(in super::super) fn all() -> KeyRange {
        // Behind the mark.
        KeyRange { lower: vec![MARK_KEY[0] + 1], upper: None }
    }

    /// A walk through the entries of ascending ranges, from the first or from the last.
    ///
    /// # Errors
    /// Those of the storage core.
    pub(in super::super) fn steps<'r>(
        &self,
        reader: &'r dyn Reader,
        mut ranges: Vec<KeyRange>,
        is_backward: bool,
    ) -> Result<ValueSteps<'r>> {
        if !is_backward {
            ranges.reverse();
        }
        let (cursor, unique) = (reader.cursor(self.keyspace)?, self.options.unique);
        Ok(ValueSteps { cursor, unique, ranges, range: None, is_backward, key: None })
    }
}

impl ValueSteps<'_> {
    /// The next entry; `None` behind the last.
    ///
    /// # Errors
    /// Those of the storage core, and corruption.
    pub(in super::super) fn next(&mut self) -> Result<Option<ValueStep>> {
        let mut valid = match (&self.range, self.is_backward) {
            (None, _) => false,
            (Some(_), false) => self.cursor.next()?,
            (Some(_), true) => self.cursor.prev()?,
        };
        while !(valid && self.is_inside()) {
            let Some(range) = self.ranges.pop() else {
                self.range = None;
                return Ok(None);
            };
            valid = match &range.upper {
                _ if !self.is_backward => self.cursor.seek(&range.lower, Seek::Ge)?,
                None => self.cursor.last()?,
                Some(upper) => {
                    let valid = self.cursor.seek(upper, Seek::Le)?;
                    // The bound itself is not in the range.
                    if valid && self.cursor.key() == upper { self.cursor.prev()? } else { valid }
                }
            };
            self.range = Some(range);
        }
        let (key, doc) = if self.unique {
            (self.cursor.key(), DocId::from_key(&self.cursor.value()?)?)
        } else {
            split_shared_key(self.cursor.key())?
        };
        let is_equal = self.key.as_deref() == Some(key);
        if !is_equal {
            self.key = Some(key.to_vec());
        }
        Ok(Some(ValueStep { doc, is_equal }))
    }

    /// Whether the cursor stands in the range.
    fn is_inside(&self) -> bool {
        let key = self.cursor.key();
        self.range.as_ref().is_some_and(|range| {
            let is_below = |upper: &Vec<u8>| key < upper.as_slice();
            key >= range.lower.as_slice() && range.upper.as_ref().is_none_or(is_below)
        })
    }
}

impl ValueWalk<'_> {
    /// Appends the documents of the next entries, of `most` at most; gives how many entries were walked, and whether these were the last.
    ///
    /// # Errors
    /// Those of the storage core, and corruption.
    pub(in super::super) fn walk(
        &mut self,
        most: usize,
        documents: &mut Vec<DocId>,
    ) -> Result<(usize, bool)> {
        let mut walked = 0;
        loop {
            if let Some(range) = &self.range {
                let upper = range.upper.as_deref();
                walked += if self.unique {
                    walk_unique(&mut self.cursor, upper, most - walked, documents)?
                } else {
                    self.cursor.walk(upper, most - walked, &mut |key| {
                        documents.push(split_shared_key(key)?.1);
                        Ok(())
                    })?
                };
                let is_inside = |upper: &[u8]| self.cursor.key() < upper;
                if walked == most && self.cursor.valid() && upper.is_none_or(is_inside) {
                    return Ok((walked, false));
                }
            }
            let Some(range) = self.ranges.next() else {
                self.range = None;
                return Ok((walked, true));
            };
            self.cursor.seek(&range.lower, Seek::Ge)?;
            self.range = Some(range);
        }
    }
}

/// Entries of a unique index have their documents in their values.
fn walk_unique(
    cursor: &mut Cursor<'_>,
    upper: Option<&[u8]>,
    most: usize,
    documents: &mut Vec<DocId>,
) -> Result<usize> {
    let mut walked = 0;
    while walked < most && cursor.valid() && upper.is_none_or(|upper| cursor.key() < upper) {
        documents.push(DocId::from_key(&cursor.value()?)?);
        walked += 1;
        cursor.next()?;
    }
    Ok(walked)
}

impl std::fmt::Debug for ValueWalk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueWalk").field("range", &self.range).finish_non_exhaustive()
    }
}
