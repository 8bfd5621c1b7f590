//! Where the terms of a phrase stand in one document, and in which of its texts.
//!
//! The evaluator asks for documents that hold all terms and whose bounds are good enough. Cost: a pass over the positions of
//! the terms, the fewest first, which ends where no beginning is left.

use super::error::Result;
use super::lists::TermChunk;
use super::plan::Slop;
use crate::fts::{self, DecodedPositions, DocumentPositions};
use crate::kernels::Kernels;
use crate::lsm;

/// The texts of a document at or below a path, as ranges of positions.
#[derive(Debug, Default)]
pub(super) struct PathRanges {
    /// First position, and the one after the last; ascending.
    ranges: Vec<(u32, u32)>,
    pairs: Vec<u32>,
}

/// Replaces the content of `firsts` by where a phrase may begin one of whose terms, at a distance from its beginning, has these positions.
pub(super) fn begin(
    firsts: &mut Vec<u32>,
    positions: DocumentPositions<'_>,
    distance: u32,
) -> lsm::Result<()> {
    firsts.clear();
    match positions {
        DocumentPositions::Coded(positions) => {
            for position in positions {
                firsts.extend(position?.checked_sub(distance));
            }
        }
        DocumentPositions::Decoded(positions) => {
            let too_near = positions.clone().take_while(|&position| position < distance).count();
            let sums = positions.sums.get(too_near..).unwrap_or_default();
            let beginning = positions.before.wrapping_add(distance);
            firsts.extend(sums.iter().map(|sum| sum.wrapping_sub(beginning)));
        }
    }
    Ok(())
}

/// Keeps those of `firsts`, which ascend, that a term whose positions these are follows at a distance. Reads no more positions
/// than that takes.
pub(super) fn keep_followed(
    firsts: &mut Vec<u32>,
    positions: DocumentPositions<'_>,
    distance: u32,
) -> lsm::Result<()> {
    let mut positions = match positions {
        DocumentPositions::Coded(positions) => positions,
        DocumentPositions::Decoded(DecodedPositions { sums, before }) => {
            let kept = Kernels::best().keep_followed(firsts, sums, before, distance);
            firsts.truncate(kept);
            return Ok(());
        }
    };
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

/// Finds where terms at these positions stand as near to each other as `slop` says, from left to right, no occurrence in two
/// matches.
///
/// `takes` is told the position of each term in a match, and says whether it counts: else the next may begin within it.
pub(super) fn each_sloppy(
    slop: Slop,
    lists: &[Vec<u32>],
    terms: &[(String, u32)],
    takes: impl FnMut(&[u32]) -> bool,
) {
    match slop {
        Slop::Exact => each_ordered(lists, terms, 0, takes),
        Slop::Ordered(slop) => each_ordered(lists, terms, slop, takes),
        Slop::Any(distance) => each_near(lists, terms, distance, takes),
    }
}

/// Finds where terms at these positions follow each other in their order, with at most `slop` positions more between them than
/// their distances say.
fn each_ordered(
    lists: &[Vec<u32>],
    terms: &[(String, u32)],
    slop: u32,
    mut takes: impl FnMut(&[u32]) -> bool,
) {
    let Some((firsts, others)) = lists.split_first() else { return };
    let distances = terms.windows(2).map(|pair| pair[1].1 - pair[0].1);
    let reach = terms.last().map_or(0, |&(_, distance)| distance).saturating_add(slop);
    let (mut places, mut found) = (vec![0; others.len()], Vec::with_capacity(lists.len()));
    let mut behind = 0;
    for &first in firsts {
        if first < behind {
            continue;
        }
        found.clear();
        found.push(first);
        let mut at = first;
        for ((list, place), distance) in others.iter().zip(&mut places).zip(distances.clone()) {
            let wanted = at.saturating_add(distance);
            *place += list[*place..].partition_point(|&position| position < wanted);
            let Some(&position) = list.get(*place) else { return };
            at = position;
            found.push(at);
        }
        if at - first <= reach && takes(&found) {
            behind = at.saturating_add(1);
        }
    }
}

/// Finds where all terms, which are sorted, stand among each other with at most `distance` other positions.
fn each_near(
    lists: &[Vec<u32>],
    terms: &[(String, u32)],
    distance: u32,
    mut takes: impl FnMut(&[u32]) -> bool,
) {
    let mut all: Vec<u32> = lists.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let span = u32::try_from(terms.len()).unwrap_or(u32::MAX).saturating_add(distance);
    let (mut found, mut behind) = (Vec::with_capacity(lists.len()), 0);
    for first in all {
        if first < behind {
            continue;
        }
        found.clear();
        let mut same = 0;
        for (place, list) in lists.iter().enumerate() {
            // A term that is asked for twice has to stand there twice.
            let is_repeated = place > 0 && terms[place - 1].0 == terms[place].0;
            same = if is_repeated { same + 1 } else { 0 };
            let from = list.partition_point(|&position| position < first);
            let Some(&position) = list.get(from + same) else { return };
            found.push(position);
        }
        let last = found.iter().copied().max().unwrap_or(first);
        if last - first < span && takes(&found) {
            behind = last.saturating_add(1);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_position_that_a_file_can_hold_is_a_position_like_any_other() {
        let lists = [vec![3, u32::MAX - 1], vec![7, u32::MAX]];
        let terms = [("a".to_owned(), 0), ("b".to_owned(), 1)];
        for slop in [Slop::Ordered(2), Slop::Any(2)] {
            let mut found = Vec::new();
            each_sloppy(slop, &lists, &terms, |places| {
                found.push(places.to_vec());
                true
            });
            assert_eq!(found, [vec![u32::MAX - 1, u32::MAX]], "{slop:?}");
        }
    }
}
