//! Where the terms of a phrase stand in one document, and in which of its texts.
//!
//! The evaluator asks for documents that hold all terms and whose bounds are good enough. Cost: a pass over the positions of
//! the first term, with binary searches in those of the others.

use super::error::Result;
use super::lists::TermChunk;
use crate::fts;
use crate::lsm;

/// The texts of a document at or below a path, as ranges of positions.
#[derive(Debug, Default)]
pub(super) struct PathRanges {
    /// First position, and the one after the last; ascending.
    ranges: Vec<(u32, u32)>,
    pairs: Vec<u32>,
}

/// How often `terms` with these `positions`, one list for each, stand at their distances from a common beginning, `within`
/// the texts of a path if one is given.
pub(super) fn places(
    positions: &[Vec<u32>],
    terms: &[(String, u32)],
    within: Option<&PathRanges>,
) -> u32 {
    let placed = || positions.iter().zip(terms.iter().map(|&(_, distance)| distance));
    let Some((rarest, (lead, distance))) =
        placed().enumerate().min_by_key(|(_, (positions, _))| positions.len())
    else {
        return 0;
    };
    let last = terms.last().map_or(0, |&(_, distance)| distance);
    let follows = |first: u32, (positions, distance): (&Vec<u32>, u32)| {
        let position = first.checked_add(distance);
        position.is_some_and(|position| positions.binary_search(&position).is_ok())
    };
    let holds = |first: &u32| {
        let others = placed().enumerate().filter(|(number, _)| *number != rarest);
        others.map(|(_, term)| term).all(|term| follows(*first, term))
            && within.is_none_or(|ranges| ranges.holds(*first, last))
    };
    let firsts = lead.iter().filter_map(|position| position.checked_sub(distance));
    u32::try_from(firsts.filter(holds).count()).unwrap_or(u32::MAX)
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
            window.positions(offset, index, &mut self.pairs).map_err(fts::Error::from)?;
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
    fn holds(&self, first: u32, last: u32) -> bool {
        let behind = self.ranges.partition_point(|&(start, _)| start <= first);
        let range = behind.checked_sub(1).and_then(|place| self.ranges.get(place));
        range.is_some_and(|&(_, end)| first.checked_add(last).is_some_and(|last| last < end))
    }
}
