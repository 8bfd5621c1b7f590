//! A term in one window of 4,096 documents: which of them hold it, and what is known of it in each.
//!
//! `lists` makes it of a part of a posting list, or of several parts whose documents mix; the evaluator looks documents up in
//! it or hands it to kernels as a whole. Invariants: documents strictly ascend, and have one mark each; offsets count from the
//! beginning of the chunk or of the window, and who uses them takes them modulo 4,096. Cost: some ten nanoseconds to find a
//! document, and a few for each document where parts mix.

use std::borrow::Borrow;
use std::cell::{Cell, OnceCell};

use super::bounds::Bounds;
use super::open_set::SetWindow;
use crate::fts::{
    Block, DecodedPositions, DocumentPositions, FrequencyRanks, Marks, PositionsPlace, WINDOW_LEN,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm::{Error, Result};

/// Documents of a window, as offsets count them.
pub(super) const WINDOW: u16 = 4096;
/// Documents of a bitmap that are found sooner one by one than all are decoded.
const SELECTED_LEN_MAX: usize = 32;

/// A term in one window.
#[derive(Debug)]
pub(super) struct TermWindow<'c> {
    len: usize,
    places: Places<'c>,
    source: Source<'c>,
    ranks: OnceCell<Box<[u16; 64]>>,
    /// Index of the document that was looked for last: the next one is often near.
    place: Cell<usize>,
}

/// Which documents of a window hold the term.
#[derive(Debug)]
enum Places<'c> {
    Bitmap(&'c Bitmap),
    OwnedBitmap(Box<Bitmap>),
    Set(SetWindow<'c>),
    List(&'c [u16]),
    OwnedList(Vec<u16>),
}

/// Where it stands what is known of the documents.
#[derive(Debug)]
enum Source<'c> {
    Block(InBlock<'c>),
    Parts(Box<InParts<'c>>),
    /// Of a set, whose documents all get the most.
    Set,
}

/// The impacts of a set's documents.
static FULL: [u8; WINDOW_LEN] = [u8::MAX; WINDOW_LEN];

/// In one block, from the index `start` on.
#[derive(Debug)]
struct InBlock<'c> {
    block: Block<'c>,
    start: usize,
    marks: Marks<'c>,
    scores: &'c [f32],
    frequency_ranks: OnceCell<Box<FrequencyRanks>>,
    positions_place: Cell<PositionsPlace>,
}

/// In windows of several parts; marks and scores of all are gathered when they are asked for.
#[derive(Debug)]
struct InParts<'c> {
    windows: Vec<TermWindow<'c>>,
    marks: OnceCell<Vec<u8>>,
    scores: OnceCell<Vec<f32>>,
}

impl<'c> TermWindow<'c> {
    /// Documents of a list, which stand at `start` and behind in its block.
    pub(super) fn of_list(
        block: Block<'c>,
        start: usize,
        offsets: &'c [u16],
        marks: Marks<'c>,
        scores: &'c [f32],
    ) -> Self {
        let source = InBlock { marks, scores, ..InBlock::new(block, start) };
        Self::new(offsets.len(), Places::List(offsets), Source::Block(source))
    }

    /// All documents of a block, whose offsets these are.
    pub(super) fn of_block(block: Block<'c>, offsets: Vec<u16>) -> Self {
        let source = Source::Block(InBlock::new(block, 0));
        Self::new(block.count(), Places::OwnedList(offsets), source)
    }

    /// All documents of a block, whose bits these are.
    pub(super) fn of_bitmap(block: Block<'c>, bitmap: &'c Bitmap) -> Self {
        let source = Source::Block(InBlock::new(block, 0));
        Self::new(block.count(), Places::Bitmap(bitmap), source)
    }

    /// The documents of a set.
    pub(super) fn of_set(documents: SetWindow<'c>) -> Self {
        // How many there are is found out when it is asked for.
        Self::new(WINDOW_LEN, Places::Set(documents), Source::Set)
    }

    /// The documents of several parts.
    ///
    /// # Errors
    /// Corruption when a document stands in two of them.
    pub(super) fn join(windows: Vec<TermWindow<'c>>) -> Result<Self> {
        let mut bitmap = Box::new([0; WINDOW_LEN / 8]);
        for window in &windows {
            window.add_to(&mut bitmap);
        }
        let len = windows.iter().map(TermWindow::len).sum();
        if Kernels::best().count_bits(&bitmap) as usize != len {
            return Err(Error::corruption("postings: a document stands in two parts", 0));
        }
        let places = if windows.iter().any(|window| window.offsets().is_err()) {
            Places::OwnedBitmap(bitmap)
        } else {
            let mut offsets = [0; WINDOW_LEN];
            let count = Kernels::best().bitmap_offsets(&bitmap, &mut offsets);
            Places::OwnedList(offsets.get(..count).unwrap_or_default().to_vec())
        };
        let (marks, scores) = (OnceCell::new(), OnceCell::new());
        Ok(Self::new(len, places, Source::Parts(Box::new(InParts { windows, marks, scores }))))
    }

    fn new(len: usize, places: Places<'c>, source: Source<'c>) -> Self {
        TermWindow { len, places, source, ranks: OnceCell::new(), place: Cell::new(0) }
    }

    /// Number of documents.
    pub(super) fn len(&self) -> usize {
        match &self.places {
            Places::Set(documents) => Kernels::best().count_bits(documents.all()) as usize,
            _ => self.len,
        }
    }

    /// Offsets of the documents, unless they stand in a bitmap.
    pub(super) fn offsets(&self) -> Result<&[u16], &Bitmap> {
        match &self.places {
            Places::Bitmap(bitmap) => Err(bitmap),
            Places::OwnedBitmap(bitmap) => Err(bitmap),
            Places::Set(documents) => Err(documents.all()),
            Places::List(offsets) => Ok(offsets),
            Places::OwnedList(offsets) => Ok(offsets),
        }
    }

    /// A byte for each document.
    pub(super) fn marks(&self) -> Marks<'_> {
        let parts = match &self.source {
            Source::Block(source) => return source.marks,
            Source::Set => return Marks::Impacts(FULL.get(..self.len()).unwrap_or(&FULL)),
            Source::Parts(parts) => parts,
        };
        let gather = || self.gather(&parts.windows, |part| part.marks().bytes());
        let bytes = parts.marks.get_or_init(gather);
        match parts.windows.first().map(TermWindow::marks) {
            Some(Marks::Codes(_)) => Marks::Codes(bytes),
            Some(Marks::Impacts(_)) | None => Marks::Impacts(bytes),
        }
    }

    /// Whether marks are impacts.
    pub(super) fn has_impacts(&self) -> bool {
        matches!(self.source, Source::Set) || matches!(self.marks(), Marks::Impacts(_))
    }

    /// What each document gets from the term, where length codes tell; nothing elsewhere.
    pub(super) fn scores(&self) -> &[f32] {
        match &self.source {
            Source::Block(source) => source.scores,
            Source::Set => &[],
            // All parts tell, or none does.
            Source::Parts(parts) if parts.windows.iter().any(|part| part.scores().is_empty()) => {
                &[]
            }
            Source::Parts(parts) => {
                parts.scores.get_or_init(|| self.gather(&parts.windows, |part| part.scores()))
            }
        }
    }

    /// What the document at an index gets at most.
    #[inline]
    pub(super) fn bound_at(&self, index: usize, bounds: &Bounds) -> f64 {
        match self.marks() {
            Marks::Impacts(impacts) => {
                bounds.on_line(impacts.get(index).copied().unwrap_or(u8::MAX))
            }
            Marks::Codes(_) => {
                let score = self.scores().get(index);
                score.map_or(bounds.full(), |&score| bounds.of_score(score))
            }
        }
    }

    /// Says that it will be asked about so many documents of a set.
    pub(super) fn prepare_for(&self, count: usize) {
        if let Places::Set(documents) = &self.places {
            documents.prepare_for(count);
        }
    }

    /// Whether the document at `offset` holds the term.
    #[inline]
    pub(super) fn holds(&self, offset: u16) -> bool {
        let offset = offset % WINDOW;
        if let Places::Set(documents) = &self.places
            && let Some(holds) = documents.holds_alone(offset)
        {
            return holds;
        }
        match self.offsets() {
            Ok(offsets) => self.find_listed(offsets, offset).is_some(),
            Err(bitmap) => has_bit(bitmap, offset),
        }
    }

    /// Index among the window's documents of the one at `offset`, if it holds the term.
    #[inline]
    pub(super) fn find(&self, offset: u16) -> Option<usize> {
        let offset = offset % WINDOW;
        if let Places::Set(documents) = &self.places
            && let Some(holds) = documents.holds_alone(offset)
        {
            // Of all documents the same is known, whichever of them it is.
            return holds.then_some(0);
        }
        let bitmap = match self.offsets() {
            Ok(offsets) => return self.find_listed(offsets, offset),
            Err(bitmap) => bitmap,
        };
        index_in(bitmap, self.ranks(bitmap), offset)
    }

    /// Finds one document after the other.
    pub(super) fn finder(&self) -> Finder<'_> {
        if matches!(self.places, Places::Set(_)) {
            return Finder::Set(self);
        }
        match self.offsets() {
            Ok(offsets) => Finder::List(offsets, 0),
            Err(bitmap) => Finder::Bitmap(bitmap, self.ranks(bitmap)),
        }
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

    /// Sets the bits of the documents.
    pub(super) fn add_to(&self, bitmap: &mut Bitmap) {
        match self.offsets() {
            Ok(offsets) => Kernels::best().set_bits(bitmap, offsets),
            Err(documents) => {
                Kernels::best().or(bitmap, documents);
            }
        }
    }

    /// Writes the offsets of the documents at some indexes, which ascend, to the front of `out`.
    pub(super) fn offsets_at(&self, indexes: &[u16], out: &mut [u16; WINDOW_LEN]) {
        match self.offsets() {
            Ok(offsets) => listed_at(offsets, indexes, out),
            Err(bitmap) => bits_at(bitmap, || self.ranks(bitmap), indexes, out),
        }
    }

    /// How often the document at `offset`, which stands at `index`, holds the term.
    pub(super) fn frequency(&self, offset: u16, index: usize) -> Result<u32> {
        match &self.source {
            Source::Block(source) => {
                source.block.frequency(source.start + index, source.frequency_ranks())
            }
            Source::Set => Ok(1),
            Source::Parts(parts) => {
                parts.find(offset).map_or(Ok(0), |(part, index)| part.frequency(offset, index))
            }
        }
    }

    /// The positions in the document at `offset`, which stands at `index`.
    #[inline]
    pub(super) fn positions(&self, offset: u16, index: usize) -> Result<DocumentPositions<'c>> {
        let none = || Ok(DocumentPositions::Decoded(DecodedPositions::default()));
        let source = match &self.source {
            Source::Block(source) => source,
            Source::Set => return none(),
            Source::Parts(parts) => {
                let found = parts.find(offset);
                return found.map_or_else(none, |(part, index)| part.positions(offset, index));
            }
        };
        let mut place = source.positions_place.get();
        let (index, ranks) = (source.start + index, source.frequency_ranks());
        let positions = source.block.positions(index, ranks, &mut place)?;
        source.positions_place.set(place);
        Ok(DocumentPositions::Coded(positions))
    }

    /// The block in which the documents stand, and the index of the first of them there, if it is one.
    pub(super) fn block(&self) -> Option<(&Block<'c>, usize)> {
        let Source::Block(source) = &self.source else { return None };
        Some((&source.block, source.start))
    }

    fn find_listed(&self, offsets: &[u16], offset: u16) -> Option<usize> {
        let mut place = self.place.get();
        let found = find_near(offsets, offset, &mut place);
        self.place.set(place);
        found
    }

    /// What `of` gives for the documents of each part, in the order of all documents.
    fn gather<'p, T: Copy + Default + 'p>(
        &self,
        parts: &'p [TermWindow<'c>],
        of: impl Fn(&'p TermWindow<'c>) -> &'p [T],
    ) -> Vec<T> {
        let (mut decoded, mut by_offset) = ([0; WINDOW_LEN], [T::default(); WINDOW_LEN]);
        for part in parts {
            let offsets = part.decode(&mut decoded);
            for (&offset, value) in offsets.iter().zip(of(part)) {
                by_offset[usize::from(offset % WINDOW)] = *value;
            }
        }
        let offsets = self.decode(&mut decoded);
        offsets.iter().map(|&offset| by_offset[usize::from(offset % WINDOW)]).collect()
    }

    /// The offsets of all documents; `decoded` is for those of a bitmap.
    fn decode<'o>(&'o self, decoded: &'o mut [u16; WINDOW_LEN]) -> &'o [u16] {
        let bitmap = match self.offsets() {
            Ok(offsets) => return offsets,
            Err(bitmap) => bitmap,
        };
        let count = Kernels::best().bitmap_offsets(bitmap, decoded);
        decoded.get(..count).unwrap_or_default()
    }

    fn ranks(&self, bitmap: &Bitmap) -> &[u16; 64] {
        self.ranks.get_or_init(|| Box::new(Kernels::best().ranks(bitmap)))
    }
}

/// Looks up one document of a window after the other: what is the same for all of them was looked up before.
pub(super) enum Finder<'w> {
    /// Offsets, and where the last one was found.
    List(&'w [u16], usize),
    Bitmap(&'w Bitmap, &'w [u16; 64]),
    Set(&'w TermWindow<'w>),
}

impl Finder<'_> {
    /// [`TermWindow::find`].
    #[inline]
    pub(super) fn find(&mut self, offset: u16) -> Option<usize> {
        match self {
            Finder::List(offsets, place) => find_near(offsets, offset, place),
            Finder::Bitmap(bitmap, ranks) => index_in(bitmap, ranks, offset),
            Finder::Set(documents) => documents.find(offset),
        }
    }
}

impl<'c> InBlock<'c> {
    fn new(block: Block<'c>, start: usize) -> Self {
        let (frequency_ranks, positions_place) = (OnceCell::new(), Cell::default());
        let marks = block.marks();
        InBlock { block, start, marks, scores: &[], frequency_ranks, positions_place }
    }

    fn frequency_ranks(&self) -> &FrequencyRanks {
        self.frequency_ranks.get_or_init(|| Box::new(self.block.frequency_ranks()))
    }
}

impl<'c> InParts<'c> {
    /// The part that has the document at `offset`, and its index there.
    fn find(&self, offset: u16) -> Option<(&TermWindow<'c>, usize)> {
        self.windows.iter().find_map(|part| Some((part, part.find(offset)?)))
    }
}

/// Index in a list of a window's documents of the one at `offset`, if it is there; `place` is where the last search ended: the next one is
/// often near. Steps of growing width, then a binary search.
#[inline]
pub(super) fn find_near(offsets: &[u16], offset: u16, place: &mut usize) -> Option<usize> {
    // All count from the same beginning.
    let wanted = (offsets.first()? / WINDOW * WINDOW) | (offset % WINDOW);
    let is_before = |place: usize| offsets.get(place).is_some_and(|&at| at < wanted);
    let last = *place;
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
    *place = start + rest.partition_point(|&at| at < wanted);
    offsets.get(*place).filter(|&&at| at == wanted).map(|_| *place)
}

/// Whether the document at `offset` from the window's beginning is one of a bitmap's.
#[inline]
pub(super) fn has_bit(bitmap: &Bitmap, offset: u16) -> bool {
    bitmap[usize::from(offset / 8)] >> (offset % 8) & 1 == 1
}

/// Index among the documents of a bitmap of the one at `offset`, if it is there; `ranks` says how many stand before each 64th.
#[inline]
pub(super) fn index_in(bitmap: &Bitmap, ranks: &[u16; 64], offset: u16) -> Option<usize> {
    let number = usize::from(offset % WINDOW / 64);
    let word = bitmap.as_chunks::<8>().0.get(number).map_or(0, |word| u64::from_le_bytes(*word));
    let bit = 1_u64 << (offset % 64);
    if word & bit == 0 {
        return None;
    }
    Some(usize::from(ranks[number]) + (word & (bit - 1)).count_ones() as usize)
}

/// Writes the offsets at some indexes of a list to the front of `out`.
pub(super) fn listed_at(offsets: &[u16], indexes: &[u16], out: &mut [u16; WINDOW_LEN]) {
    let of = |index: &u16| offsets.get(usize::from(*index)).copied();
    let found = indexes.iter().map(|index| of(index).unwrap_or_default());
    out.iter_mut().zip(found).for_each(|(to, offset)| *to = offset);
}

/// Moves the offsets at some indexes, which ascend, to the front.
pub(super) fn keep_at(indexes: &[u16], offsets: &mut [u16; WINDOW_LEN]) {
    for (to, &index) in indexes.iter().enumerate().take(WINDOW_LEN) {
        // None of them stands further ahead than where it is moved to.
        offsets[to] = offsets[usize::from(index) % WINDOW_LEN];
    }
}

/// Writes the offsets at some indexes, which ascend, of a bitmap to the front of `out`.
pub(super) fn bits_at<R: Borrow<[u16; 64]>>(
    bitmap: &Bitmap,
    ranks: impl FnOnce() -> R,
    indexes: &[u16],
    out: &mut [u16; WINDOW_LEN],
) {
    if indexes.len() > SELECTED_LEN_MAX {
        Kernels::best().bitmap_offsets(bitmap, out);
        return keep_at(indexes, out);
    }
    Kernels::best().select(bitmap, ranks().borrow(), indexes, out);
}
