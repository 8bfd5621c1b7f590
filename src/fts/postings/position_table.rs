//! [`PositionTable`]: all positions of a block, decoded at once.
//!
//! For phrases of frequent words, of which most documents of a window are asked. Varints are summed up over all documents, so
//! that vectors do it; the positions of a document are what sums are above the last one before it. Invariant: `starts`
//! ascend, one more than documents, and the last is the number of positions; in front of the sums stands 0, behind them as many zeros
//! as kernels read beyond a list. Cost: about half a nanosecond for each position and one for each document. Memory: four bytes for
//! each, and positions are never more than the bytes they stand in.

use super::frequencies::Frequencies;
use super::positions::DecodedPositions;
use crate::kernels::{Kernels, Lists};
use crate::lsm::Result;

/// Zeros behind the sums.
const PADDING: usize = 8;

/// The positions of all documents of a block.
#[derive(Debug, Default)]
pub struct PositionTable {
    /// Of each document, how many positions those before it have.
    starts: Vec<u32>,
    /// Of each position, the sum of all gaps up to it.
    sums: Vec<u32>,
}

impl PositionTable {
    /// Replaces the content: `stream` are the varints of documents that have so many each. Gives `false` where they are fewer, or their sum
    /// does not fit: then they are to be read one by one, which says what is wrong with them, if anything is.
    pub(super) fn read(&mut self, frequencies: &Frequencies<'_>, stream: &[u8]) -> Result<bool> {
        let PositionTable { starts, sums } = self;
        frequencies.sum_up(starts)?;
        let len = starts.last().map_or(0, |&len| len as usize);
        if len > stream.len() {
            return Ok(false);
        }
        sums.clear();
        sums.resize(1 + len + PADDING, 0);
        let of_positions = sums.get_mut(1..=len).unwrap_or_default();
        Ok(Kernels::best().sum_varints(stream, of_positions))
    }

    /// The positions in the document of the posting at `index`; none where there is no such posting.
    #[inline]
    pub fn positions(&self, index: usize) -> DecodedPositions<'_> {
        let bounds = self.starts.get(index..).and_then(|starts| starts.first_chunk());
        let all = bounds.and_then(|&[start, end]| self.sums.get(start as usize..=end as usize));
        let split = all.and_then(|all| all.split_first());
        split.map_or_else(DecodedPositions::default, |(&before, sums)| DecodedPositions {
            sums,
            before,
        })
    }

    /// The positions in the documents of the postings at these indexes, for kernels.
    pub(crate) fn lists<'l>(&'l self, indexes: &'l [u16]) -> Lists<'l> {
        Lists { starts: &self.starts, sums: &self.sums, indexes }
    }
}
