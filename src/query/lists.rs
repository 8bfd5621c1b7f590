//! Posting lists opened for one search: a term in a chunk.
//!
//! The evaluator opens every chunk in which a document may match and takes windows from it. Parts that commits and compactions
//! left are not joined: a bound is that of all parts, and a window that of the only part with documents there, or made of
//! several. Lists that stand in one block are decoded once a chunk, windows when they are looked at.
//!
//! Invariants: offsets of a list count from the beginning of the chunk; marks of all parts are of one kind, length codes with
//! scores or impacts, once they are weighed. Cost: a fraction of a nanosecond a posting, some more for those with length codes.

use super::bm25::Norms;
use super::bounds::Bounds;
use super::term_window::TermWindow;
use crate::fts::{
    self, Averages, Block, Body, Marks, Offsets, Postings, StoredPostings, WINDOW_LEN, WINDOWS_LEN,
};
use crate::lsm;

#[cfg(test)]
mod tests;

/// A term in one chunk.
#[derive(Debug)]
pub(super) struct TermChunk<'a> {
    first: Part<'a>,
    /// None where postings are compacted.
    others: Vec<Part<'a>>,
}

/// What one run has of a term in a chunk: at least one document.
#[derive(Debug)]
struct Part<'a> {
    postings: Postings<'a>,
    /// Offsets of all documents, when they stand in one block, and where those of each window begin and the last ones end.
    offsets: Vec<u16>,
    starts: [u16; WINDOWS_LEN + 1],
    /// What documents get from the term, where the parts have length codes.
    scores: Vec<f32>,
    /// In place of length codes, where other parts have impacts.
    impacts: Vec<u8>,
    /// No document gets more; of a list.
    most: f64,
}

impl<'a> TermChunk<'a> {
    /// Opens the postings of a chunk; `None` when they have no document.
    pub(super) fn open(stored: &'a StoredPostings) -> fts::Result<Option<Self>> {
        let mut opened: Option<Self> = None;
        for postings in stored.parts() {
            let Some(part) = Part::open(postings?)? else { continue };
            match &mut opened {
                Some(chunk) => chunk.others.push(part),
                None => opened = Some(TermChunk { first: part, others: Vec::new() }),
            }
        }
        Ok(opened)
    }

    /// Finds what bounds and scores need.
    pub(super) fn weigh(&mut self, norms: &Norms, bounds: &Bounds) -> lsm::Result<()> {
        let has_impacts = self.averages().is_some();
        let parts = std::iter::once(&mut self.first).chain(&mut self.others);
        for part in parts {
            part.weigh(norms, bounds, has_impacts)?;
        }
        Ok(())
    }

    /// The average lengths that impacts assume; `None` when there are length codes only.
    pub(super) fn averages(&self) -> Option<Averages> {
        self.parts().filter_map(|part| part.postings.averages()).reduce(Averages::and)
    }

    /// Number of documents in a window.
    pub(super) fn count(&self, window: usize) -> usize {
        self.parts().map(|part| part.count(window)).sum()
    }

    /// No document of the window gets more from the term.
    pub(super) fn bound(&self, window: usize, bounds: &Bounds) -> f64 {
        let holding = self.parts().filter(|part| part.count(window) > 0);
        let of_part = |part: &Part<'_>| match part.postings.body() {
            Body::Windows(windows) => bounds.above(windows.bound(window)),
            Body::None | Body::List { .. } => part.most,
        };
        holding.map(of_part).fold(0.0, f64::max)
    }

    /// The documents and what they get, where length codes tell; nothing elsewhere.
    pub(super) fn scores(&self) -> impl Iterator<Item = (u16, f32)> {
        let documents = self.parts().flat_map(|part| part.offsets.iter().zip(&part.scores));
        documents.map(|(&offset, &score)| (offset, score))
    }

    /// Whether there are scores, of all documents.
    pub(super) fn has_scores(&self) -> bool {
        !self.first.scores.is_empty()
    }

    /// Adds, under impacts, how many documents are known to have them at least.
    pub(super) fn count_impacts(&self, reached: &mut [usize; 256]) {
        for part in self.parts() {
            let marks = match part.postings.body() {
                Body::Windows(windows) => {
                    let mut before = 0;
                    for (rank, impact) in windows.ranked() {
                        reached[usize::from(impact)] += rank - before;
                        before = rank;
                    }
                    continue;
                }
                Body::List { block, .. } => part.marks(block),
                Body::None => continue,
            };
            if let Marks::Impacts(impacts) = marks {
                impacts.iter().for_each(|&impact| reached[usize::from(impact)] += 1);
            }
        }
    }

    /// The documents of a window.
    pub(super) fn window(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        if self.others.is_empty() {
            return self.first.window(window);
        }
        let mut windows = Vec::new();
        for part in self.parts() {
            windows.extend(part.window(window)?);
        }
        Ok(if windows.len() > 1 { Some(TermWindow::join(windows)?) } else { windows.pop() })
    }

    fn parts(&self) -> impl Iterator<Item = &Part<'a>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl<'a> Part<'a> {
    fn open(postings: Postings<'a>) -> fts::Result<Option<Self>> {
        let (mut offsets, mut starts) = (Vec::new(), [0; WINDOWS_LEN + 1]);
        match postings.body() {
            Body::None => return Ok(None),
            Body::Windows(_) => {}
            Body::List { block, .. } => {
                block.read_offsets(&mut offsets)?;
                for offset in &offsets {
                    starts[usize::from(*offset) / WINDOW_LEN + 1] += 1;
                }
                let mut before = 0;
                for start in &mut starts {
                    *start += before;
                    before = *start;
                }
            }
        }
        let (scores, impacts) = (Vec::new(), Vec::new());
        Ok(Some(Part { postings, offsets, starts, scores, impacts, most: 0.0 }))
    }

    fn weigh(&mut self, norms: &Norms, bounds: &Bounds, has_impacts: bool) -> lsm::Result<()> {
        let Body::List { block, .. } = self.postings.body() else { return Ok(()) };
        let codes = match block.marks() {
            Marks::Codes(codes) => codes,
            Marks::Impacts(impacts) => {
                self.most = bounds.above(impacts.iter().copied().max().unwrap_or_default());
                return Ok(());
            }
        };
        let ranks = block.frequency_ranks();
        for (index, &code) in codes.iter().enumerate() {
            let score = norms.score(bounds.weight(), block.frequency(index, &ranks)?, code);
            self.most = self.most.max(bounds.of_score(score));
            if has_impacts {
                self.impacts.push(bounds.impact_of(score));
            } else {
                self.scores.push(score);
            }
        }
        Ok(())
    }

    fn count(&self, window: usize) -> usize {
        match self.postings.body() {
            Body::None => 0,
            Body::List { .. } => self.listed(window).len(),
            Body::Windows(windows) => windows.count(window),
        }
    }

    fn window(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        match self.postings.body() {
            Body::None => Ok(None),
            Body::List { block, .. } => {
                let range = self.listed(window);
                let offsets = self.offsets.get(range.clone()).unwrap_or_default();
                if offsets.is_empty() {
                    return Ok(None);
                }
                let marks = match self.marks(block) {
                    Marks::Codes(codes) => {
                        Marks::Codes(codes.get(range.clone()).unwrap_or_default())
                    }
                    Marks::Impacts(impacts) => {
                        Marks::Impacts(impacts.get(range.clone()).unwrap_or_default())
                    }
                };
                let scores = self.scores.get(range.clone()).unwrap_or_default();
                Ok(Some(TermWindow::of_list(*block, range.start, offsets, marks, scores)))
            }
            Body::Windows(windows) => {
                let Some(block) = windows.block(window)? else { return Ok(None) };
                if let Offsets::Bitmap(bitmap) = block.offsets() {
                    block.check_bitmap()?;
                    return Ok(Some(TermWindow::of_bitmap(block, bitmap)));
                }
                let mut offsets = Vec::new();
                block.read_offsets(&mut offsets)?;
                Ok(Some(TermWindow::of_block(block, offsets)))
            }
        }
    }

    /// A byte for each document of a list, of the kind that all parts have.
    fn marks<'m>(&'m self, block: &Block<'m>) -> Marks<'m> {
        if self.impacts.is_empty() { block.marks() } else { Marks::Impacts(&self.impacts) }
    }

    /// Indexes of a window's documents in the list.
    fn listed(&self, window: usize) -> std::ops::Range<usize> {
        let at = |number: usize| self.starts.get(number).copied().map_or(0, usize::from);
        at(window)..at(window + 1)
    }
}
