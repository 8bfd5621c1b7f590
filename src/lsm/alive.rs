//! [`AliveScan`]: which values of value segments are alive, found by reading the entries that refer to them.
//!
//! Cleaning, `check` and copies use it. How much is alive is known without (`manifest::values`); this finds out which,
//! and proves that the two agree. Reads leaf blocks only, of those segments that say that they refer to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cursor::{EntryKind, RawCursor};
use super::error::{Error, Result};
use super::ids::SegmentId;
use super::segment::{Segment, SegmentCursor};
use super::value::{HeldValues, Kept, Reference};

/// Entries that one step passes over.
const STEP_ENTRIES: usize = 4096;

/// A walk over entries of one version.
#[derive(Debug)]
pub(crate) struct AliveScan {
    waiting: Vec<Arc<Segment>>,
    cursor: Option<SegmentCursor>,
    found: BTreeMap<SegmentId, Vec<Reference>>,
}

impl AliveScan {
    /// A scan of `segments` for references to the value segments `wanted`.
    pub(crate) fn new<'s>(
        segments: impl Iterator<Item = &'s Arc<Segment>>,
        wanted: &BTreeSet<SegmentId>,
    ) -> Self {
        let refers = |segment: &&Arc<Segment>| {
            segment.summary().referred.iter().any(|(id, _)| wanted.contains(id))
        };
        let found = wanted.iter().map(|&id| (id, Vec::new())).collect();
        AliveScan { waiting: segments.filter(refers).cloned().collect(), cursor: None, found }
    }

    /// One bounded step; true when all is read.
    pub(crate) fn step(&mut self) -> Result<bool> {
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            slot => {
                let Some(segment) = self.waiting.pop() else { return Ok(true) };
                let cursor = slot.insert(segment.passing_cursor());
                cursor.first()?;
                cursor
            }
        };
        for _ in 0..STEP_ENTRIES {
            if !cursor.valid() {
                self.cursor = None;
                break;
            }
            if cursor.kind() == EntryKind::Refer {
                let reference = Reference::decode(&cursor.value()?)?;
                if let Some(found) = self.found.get_mut(&reference.segment) {
                    found.push(reference);
                }
            }
            cursor.next()?;
        }
        Ok(false)
    }

    /// The references to each value segment, by their pages.
    ///
    /// # Errors
    /// Corruption when two values share a page.
    pub(crate) fn finish(mut self) -> Result<BTreeMap<SegmentId, Vec<Reference>>> {
        for (id, references) in &mut self.found {
            references.sort_unstable_by_key(|reference| reference.page);
            if references.windows(2).any(|pair| pair[1].page < pair[0].end()) {
                return Err(Error::corruption(format!("values of value segment {id} overlap"), 0));
            }
        }
        Ok(self.found)
    }
}

/// The pages that the values of `references`, which ascend, take of a value segment.
///
/// # Errors
/// Corruption when they are not as many as are said to be alive.
pub(crate) fn alive(held: &HeldValues, references: &[Reference]) -> Result<Kept> {
    let mut kept = Kept::default();
    for reference in references {
        kept.push(reference.page, reference.pages());
    }
    let (found, said) = (kept.pages(), held.live_pages);
    if found == said {
        return Ok(kept);
    }
    let what = format!("{}: entries refer to {found} pages, segments say {said}", held.segment);
    Err(Error::corruption(what, 0))
}
