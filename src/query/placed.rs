//! Where the terms of a phrase stand in one document, and in which of its texts.
//!
//! The evaluator asks for documents that hold all terms and whose bounds are good enough. Cost: a pass over the positions of
//! the terms, the fewest first, which ends where no beginning is left.

use super::error::Result;
use super::lists::TermChunk;
use crate::fts::{self, DocumentPositions};
use crate::lsm;

/// The texts of a document at or below a path, as ranges of positions.
#[derive(Debug, Default)]
pub(super) struct PathRanges {
    /// First position, and the one after the last; ascending.
    ranges: Vec<(u32, u32)>,
    pairs: Vec<u32>,
}

/// Keeps those of `firsts`, which ascend, that a term whose positions these are follows at a distance. Reads no more positions
/// than that takes.
pub(super) fn keep_followed(
    firsts: &mut Vec<u32>,
    mut positions: DocumentPositions<'_>,
    distance: u32,
) -> lsm::Result<()> {
    let (mut kept, mut position) = (0, positions.next().transpose()?);
    for place in 0..firsts.len() {
        let Some(wanted) = firsts[place].checked_add(distance) else { break };
        while position.is_some_and(|position| position < wanted) {
            position = positions.next().transpose()?;
        }
        if position == Some(wanted) {
            firsts[kept] = firsts[place];
            kept += 1;
        }
    }
    firsts.truncate(kept);
    Ok(())
}

impl PathRanges {
    /// Reads the texts of the document at `offset` of a chunk.
    pub(super) fn read(&mut self, paths: &[TermChunk<'_>], offset: u16) -> Result<()> {
        self.ranges.clear();
        for path in paths {
            let window =
                path.window(usize::from(offset) / fts::WINDOW_LEN).map_err(fts::Error::from)?;
            let Some((window, index)) = window.and_then(|window| {
                let index = window.find(offset)?;
                Some((window, index))
            }) else {
                continue;
            };
            self.pairs.clear();
            for position in window.positions(offset, index).map_err(fts::Error::from)? {
                self.pairs.push(position.map_err(fts::Error::from)?);
            }
            let (pairs, rest) = self.pairs.as_chunks::<2>();
            if !rest.is_empty() {
                let what = "positions of a path: a text has no end";
                return Err(fts::Error::Lsm(lsm::Error::corruption(what, 0)).into());
            }
            self.ranges.extend(pairs.iter().map(|[start, end]| (*start, *end)));
        }
        self.ranges.sort_unstable();
        Ok(())
    }

    /// Whether a phrase that begins at `first` and ends `last` positions further on lies in one of the texts.
    pub(super) fn holds(&self, first: u32, last: u32) -> bool {
        let behind = self.ranges.partition_point(|&(start, _)| start <= first);
        let range = behind.checked_sub(1).and_then(|place| self.ranges.get(place));
        range.is_some_and(|&(_, end)| first.checked_add(last).is_some_and(|last| last < end))
    }
}
