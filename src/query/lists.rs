//! Posting lists opened for one search: a term in a chunk, and in a window of it.
//!
//! The evaluator opens every chunk in which a document may match and takes windows from it. Lists that stand in one block are
//! decoded once a chunk, windows when they are looked at. Invariant: offsets of a [`TermWindow`] count from the beginning of
//! the chunk or of the window; who uses them takes them modulo 4,096. Cost: a fraction of a nanosecond a posting to decode,
//! some ten to find one.

use std::cell::{Cell, OnceCell};

use crate::fts::{
    Block, Body, FrequencyRanks, Marks, Offsets, PositionsPlace, Postings, StoredPostings,
    WINDOW_LEN, WINDOWS_LEN, Windows,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm::Result;

/// Documents of a window, as offsets count them.
pub(super) const WINDOW: u16 = 4096;
/// Of so many documents of a bitmap one has to be wanted for all to be decoded.
const SELECTED_SHARE: usize = 16;

/// A term in one chunk.
#[derive(Debug)]
pub(super) struct TermChunk<'a> {
    postings: Postings<'a>,
    /// Offsets of all documents, when they stand in one block, and where those of each window begin and the last ones end.
    offsets: Vec<u16>,
    starts: [u16; WINDOWS_LEN + 1],
}

/// A term in one window.
#[derive(Debug)]
pub(super) struct TermWindow<'c> {
    block: Block<'c>,
    /// Index in the block of the window's first posting.
    start: usize,
    places: Places<'c>,
    ranks: OnceCell<Box<[u16; 64]>>,
    /// Index of the document that was looked for last: the next one is often near.
    place: Cell<usize>,
    frequency_ranks: OnceCell<Box<FrequencyRanks>>,
    positions_place: Cell<PositionsPlace>,
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
        let (mut offsets, mut starts) = (Vec::new(), [0; WINDOWS_LEN + 1]);
        if let Body::List { block, .. } = postings.body() {
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
        Ok(TermChunk { postings, offsets, starts })
    }

    /// Number of documents in a window.
    pub(super) fn count(&self, window: usize) -> usize {
        match self.postings.body() {
            Body::None => 0,
            Body::List { .. } => self.listed(window).len(),
            Body::Windows(windows) => windows.count(window),
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

    /// The offsets of all documents, when they stand in one block.
    pub(super) fn listed_offsets(&self) -> &[u16] {
        &self.offsets
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
        let (place, positions_place) = (Cell::new(0), Cell::default());
        Ok(Some(TermWindow {
            block,
            start,
            places,
            ranks,
            place,
            frequency_ranks,
            positions_place,
        }))
    }

    /// Indexes of a window's documents in the list.
    fn listed(&self, window: usize) -> std::ops::Range<usize> {
        let at = |number: usize| self.starts.get(number).copied().map_or(0, usize::from);
        at(window)..at(window + 1)
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

    /// The impact of the document at `offset`, if it holds the term.
    #[inline]
    pub(super) fn impact_of(&self, offset: u16) -> Option<u8> {
        let index = self.find(offset)?;
        let marks = self.block.marks().bytes();
        Some(marks.get(self.start + index).copied().unwrap_or(u8::MAX))
    }

    /// Index among the window's documents of the one at `offset`, if it holds the term.
    #[inline]
    pub(super) fn find(&self, offset: u16) -> Option<usize> {
        let offset = offset % WINDOW;
        let bitmap = match self.offsets() {
            Ok(offsets) => return self.find_listed(offsets, offset),
            Err(bitmap) => bitmap,
        };
        let number = usize::from(offset / 64);
        let word =
            bitmap.as_chunks::<8>().0.get(number).map_or(0, |word| u64::from_le_bytes(*word));
        let bit = 1_u64 << (offset % 64);
        if word & bit == 0 {
            return None;
        }
        let ranks = self.ranks(bitmap);
        Some(usize::from(ranks[number]) + (word & (bit - 1)).count_ones() as usize)
    }

    /// Keeps the bits of the documents; gives how many are left.
    pub(super) fn keep_in(&self, bitmap: &mut Bitmap) -> u32 {
        match self.offsets() {
            Ok(offsets) => {
                let mut documents = [0; WINDOW_LEN / 8];
                Kernels::best().set_bits(&mut documents, offsets);
                Kernels::best().and(bitmap, &documents)
            }
            Err(documents) => Kernels::best().and(bitmap, documents),
        }
    }

    /// Steps of growing width from the last place on, then a binary search.
    fn find_listed(&self, offsets: &[u16], offset: u16) -> Option<usize> {
        let is_before = |place: usize| offsets.get(place).is_some_and(|at| at % WINDOW < offset);
        let last = self.place.get();
        let (mut start, mut width) = (last, 0);
        if is_before(last) {
            (start, width) = (last + 1, 1);
            while is_before(start + width - 1) {
                start += width;
                width *= 2;
            }
        } else if last > 0 && !is_before(last - 1) {
            (start, width) = (0, last);
        }
        let rest = offsets.get(start..offsets.len().min(start + width)).unwrap_or_default();
        let place = start + rest.partition_point(|at| at % WINDOW < offset);
        self.place.set(place);
        offsets.get(place).filter(|at| *at % WINDOW == offset).map(|_| place)
    }

    /// Writes the offsets of the documents at some indexes, which ascend, to the front of `out`.
    pub(super) fn offsets_at(&self, indexes: &[u16], out: &mut [u16; WINDOW_LEN]) {
        let bitmap = match self.offsets() {
            Ok(offsets) => {
                let of = |index: &u16| offsets.get(usize::from(*index)).copied();
                let found = indexes.iter().map(|index| of(index).unwrap_or_default());
                return out.iter_mut().zip(found).for_each(|(to, offset)| *to = offset);
            }
            Err(bitmap) => bitmap,
        };
        if indexes.len() * SELECTED_SHARE > self.block.count() {
            let mut all = [0; WINDOW_LEN];
            Kernels::best().bitmap_offsets(bitmap, &mut all);
            let found = indexes.iter().map(|&index| all[usize::from(index) % WINDOW_LEN]);
            return out.iter_mut().zip(found).for_each(|(to, offset)| *to = offset);
        }
        let ranks = self.ranks(bitmap);
        let mut number = 0;
        for (&index, to) in indexes.iter().zip(out) {
            while ranks.get(number + 1).is_some_and(|&rank| rank <= index) {
                number += 1;
            }
            let word =
                bitmap.as_chunks::<8>().0.get(number).map_or(0, |word| u64::from_le_bytes(*word));
            let before = ranks.get(number).copied().unwrap_or_default();
            let word = (before..index).fold(word, |word, _| word & word.wrapping_sub(1));
            *to = u16::try_from(number * 64).unwrap_or_default()
                + (word.trailing_zeros() % 64) as u16;
        }
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
        let mut place = self.positions_place.get();
        let index = self.start + index;
        self.block.read_positions(index, self.frequency_ranks(), &mut place, out)?;
        self.positions_place.set(place);
        Ok(())
    }

    fn frequency_ranks(&self) -> &FrequencyRanks {
        self.frequency_ranks.get_or_init(|| Box::new(self.block.frequency_ranks()))
    }

    fn ranks(&self, bitmap: &Bitmap) -> &[u16; 64] {
        self.ranks.get_or_init(|| Box::new(Kernels::best().ranks(bitmap)))
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
