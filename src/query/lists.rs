//! Posting lists opened for one search: a term in a chunk, and in a window of it.
//!
//! The evaluator opens every chunk in which a document may match and takes windows from it. Lists that stand in one block are
//! decoded once a chunk, windows when they are looked at. Invariant: offsets of a [`TermWindow`] count from the beginning of
//! the chunk or of the window; who uses them takes them modulo 4,096. Cost: a fraction of a nanosecond a posting to decode,
//! some ten to find one.

use std::cell::OnceCell;

use crate::fts::{
    Block, Body, FrequencyRanks, Marks, Offsets, Postings, StoredPostings, WINDOW_LEN, Windows,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm::Result;

/// Documents of a window, as offsets count them.
const WINDOW: u16 = 4096;

/// A term in one chunk.
#[derive(Debug)]
pub(super) struct TermChunk<'a> {
    postings: Postings<'a>,
    /// Offsets of all documents, when they stand in one block.
    offsets: Vec<u16>,
}

/// A term in one window.
#[derive(Debug)]
pub(super) struct TermWindow<'c> {
    block: Block<'c>,
    /// Index in the block of the window's first posting.
    start: usize,
    places: Places<'c>,
    ranks: OnceCell<[u16; 64]>,
    frequency_ranks: OnceCell<FrequencyRanks>,
}

/// Which documents of a window hold the term.
#[derive(Debug)]
enum Places<'c> {
    Bitmap(&'c Bitmap),
    Borrowed(&'c [u16]),
    Owned(Vec<u16>),
}

impl<'a> TermChunk<'a> {
    pub(super) fn open(stored: &'a StoredPostings) -> crate::fts::Result<Self> {
        let postings = stored.view()?;
        let mut offsets = Vec::new();
        if let Body::List { block, .. } = postings.body() {
            block.read_offsets(&mut offsets)?;
        }
        Ok(TermChunk { postings, offsets })
    }

    /// Whether the window has no document.
    pub(super) fn is_empty(&self, window: usize) -> bool {
        match self.postings.body() {
            Body::None => true,
            Body::List { .. } => self.listed(window).is_empty(),
            Body::Windows(windows) => windows.count(window) == 0,
        }
    }

    /// The postings.
    pub(super) fn postings(&self) -> &Postings<'a> {
        &self.postings
    }

    /// The windows, if the postings are divided into such.
    pub(super) fn windows(&self) -> Option<&Windows<'a>> {
        match self.postings.body() {
            Body::Windows(windows) => Some(windows),
            Body::None | Body::List { .. } => None,
        }
    }

    /// The documents of a window.
    pub(super) fn window(&self, window: usize) -> Result<Option<TermWindow<'_>>> {
        let (block, start, places) = match self.postings.body() {
            Body::None => return Ok(None),
            Body::List { block, .. } => {
                let range = self.listed(window);
                let offsets = self.offsets.get(range.clone()).unwrap_or_default();
                if offsets.is_empty() {
                    return Ok(None);
                }
                (*block, range.start, Places::Borrowed(offsets))
            }
            Body::Windows(windows) => {
                let Some(block) = windows.block(window)? else { return Ok(None) };
                let places = match block.offsets() {
                    Offsets::Bitmap(bitmap) => {
                        block.check_bitmap()?;
                        Places::Bitmap(bitmap)
                    }
                    Offsets::List { .. } => {
                        let mut offsets = Vec::new();
                        block.read_offsets(&mut offsets)?;
                        Places::Owned(offsets)
                    }
                };
                (block, 0, places)
            }
        };
        let (ranks, frequency_ranks) = (OnceCell::new(), OnceCell::new());
        Ok(Some(TermWindow { block, start, places, ranks, frequency_ranks }))
    }

    /// Indexes of a window's documents in the list.
    fn listed(&self, window: usize) -> std::ops::Range<usize> {
        let of = |offset: &u16| usize::from(*offset) / WINDOW_LEN;
        let start = self.offsets.partition_point(|offset| of(offset) < window);
        let len = self.offsets.iter().skip(start);
        let len = if self.offsets.len() - start < 32 {
            len.take_while(|offset| of(offset) == window).count()
        } else {
            self.offsets.partition_point(|offset| of(offset) <= window) - start
        };
        start..start + len
    }
}

impl<'c> TermWindow<'c> {
    /// Number of documents.
    pub(super) fn len(&self) -> usize {
        match &self.places {
            Places::Bitmap(_) => self.block.count(),
            Places::Borrowed(offsets) => offsets.len(),
            Places::Owned(offsets) => offsets.len(),
        }
    }

    /// Offsets of the documents, unless they stand in a bitmap.
    pub(super) fn offsets(&self) -> Result<&[u16], &'c Bitmap> {
        match &self.places {
            Places::Bitmap(bitmap) => Err(bitmap),
            Places::Borrowed(offsets) => Ok(offsets),
            Places::Owned(offsets) => Ok(offsets),
        }
    }

    /// A byte for each document.
    pub(super) fn marks(&self) -> Marks<'c> {
        let of =
            |bytes: &'c [u8]| bytes.get(self.start..self.start + self.len()).unwrap_or_default();
        match self.block.marks() {
            Marks::Codes(bytes) => Marks::Codes(of(bytes)),
            Marks::Impacts(bytes) => Marks::Impacts(of(bytes)),
        }
    }

    /// Index among the window's documents of the one at `offset`, if it holds the term.
    pub(super) fn find(&self, offset: u16) -> Option<usize> {
        let offset = offset % WINDOW;
        let bitmap = match self.offsets() {
            Ok(offsets) => {
                return offsets.binary_search_by_key(&offset, |offset| offset % WINDOW).ok();
            }
            Err(bitmap) => bitmap,
        };
        let number = usize::from(offset / 64);
        let word =
            bitmap.as_chunks::<8>().0.get(number).map_or(0, |word| u64::from_le_bytes(*word));
        let bit = 1_u64 << (offset % 64);
        if word & bit == 0 {
            return None;
        }
        let ranks = self.ranks.get_or_init(|| Kernels::best().ranks(bitmap));
        Some(usize::from(ranks[number]) + (word & (bit - 1)).count_ones() as usize)
    }

    /// Index in the chunk's list of the document at `index`.
    pub(super) fn index_in_block(&self, index: usize) -> usize {
        self.start + index
    }

    /// How often the document at `index` holds the term.
    pub(super) fn frequency(&self, index: usize) -> Result<u32> {
        self.block.frequency(self.start + index, self.frequency_ranks())
    }

    /// Replaces the content of `out` by the positions in the document at `index`.
    pub(super) fn positions(&self, index: usize, out: &mut Vec<u32>) -> Result<()> {
        self.block.read_positions(self.start + index, self.frequency_ranks(), out)
    }

    fn frequency_ranks(&self) -> &FrequencyRanks {
        self.frequency_ranks.get_or_init(|| self.block.frequency_ranks())
    }

    /// Sets the bits of the documents.
    pub(super) fn add_to(&self, bitmap: &mut Bitmap) {
        match self.offsets() {
            Ok(offsets) => Kernels::best().set_bits(bitmap, offsets),
            Err(documents) => {
                Kernels::best().or(bitmap, documents);
            }
        }
    }
}
