//! Where the words of a phrase stand in documents of a window, which are asked about one after the other.
//!
//! The positions of a word are read where they stand, for one document at a time; once those read cost as much as all of a window, or
//! where as many will be asked for, all are decoded at once. So that takes no more than twice what the better of both would. Invariant:
//! documents are those of the window; what they are told does not depend on the way. Cost: some ten nanoseconds for each
//! word of a document that is read alone, a few where all are decoded. Memory: tables, which the thread keeps.

use std::cell::{Cell, OnceCell, RefCell};

use super::Chunk;
use super::join::Candidate;
use crate::fts::{self, DocumentPositions, PositionTable};
use crate::kernels::Kernels;
use crate::lsm;
use crate::query::error::Result;
use crate::query::lists::WindowView;
use crate::query::term_window::TermWindow;

/// So many bytes of positions are decoded in the time that it takes to find and read those of one document alone.
const READ_COST_BYTES: usize = 64;
/// With more bytes than these the table of a word is not worth its memory.
const TABLE_LEN_MAX_BYTES: usize = 1 << 20;

/// The words of a phrase in a window.
pub(super) struct Occurrences<'w> {
    words: Vec<Word<'w>>,
    spare: RefCell<Vec<PositionTable>>,
}

/// One of them.
struct Word<'w> {
    postings: TermWindow<'w>,
    view: &'w WindowView<'w>,
    /// Where the last document was found.
    near: Cell<usize>,
    /// What reading documents one by one may cost until all are decoded.
    left_bytes: Cell<usize>,
    table: OnceCell<PositionTable>,
}

impl<'w> Occurrences<'w> {
    /// The words of a chunk in a window. `tables` are filled anew; [`end`](Self::end) gives them back.
    pub(super) fn new(
        chunk: &'w Chunk<'_>,
        number: usize,
        views: &'w [WindowView<'w>],
        tables: Vec<PositionTable>,
    ) -> Result<Self> {
        let mut words = Vec::with_capacity(views.len());
        for (term, view) in chunk.terms.iter().zip(views) {
            let Some(postings) = term.postings(number).map_err(fts::Error::from)? else { continue };
            let block = postings.block().map(|(block, _)| block.positions_len_bytes());
            let left = block.filter(|&bytes| bytes <= TABLE_LEN_MAX_BYTES).unwrap_or(usize::MAX);
            let (near, left_bytes, table) = (Cell::new(0), Cell::new(left), OnceCell::new());
            words.push(Word { postings, view, near, left_bytes, table });
        }
        Ok(Occurrences { words, spare: RefCell::new(tables) })
    }

    /// The postings of a word.
    pub(super) fn postings(&self, place: usize) -> &TermWindow<'w> {
        &self.words[place].postings
    }

    /// Leaves out candidates in which words do not stand as a phrase has them, as far as it is worth decoding all positions of two. Gives for
    /// each that is left in how many places the last of the pairs stands, if it was looked for.
    pub(super) fn narrow(
        &self,
        pairs: impl Iterator<Item = ([usize; 2], u32)>,
        candidates: &mut Vec<Candidate>,
    ) -> Result<Option<Vec<u32>>> {
        let mut counts = None;
        for (pair, distance) in pairs {
            counts = self.count_pairs(pair, distance, candidates).map_err(fts::Error::from)?;
            if let Some(counts) = &mut counts {
                let mut of_each = counts.iter();
                candidates.retain(|_| of_each.next().is_some_and(|count| *count > 0));
                counts.retain(|count| *count > 0);
            }
        }
        Ok(counts)
    }

    fn count_pairs(
        &self,
        pair: [usize; 2],
        distance: u32,
        candidates: &[Candidate],
    ) -> lsm::Result<Option<Vec<u32>>> {
        let [Some(first), Some(other)] = pair.map(|place| self.words.get(place)) else {
            return Ok(None);
        };
        if !(first.is_worth_decoding(candidates.len()) && other.is_worth_decoding(candidates.len()))
        {
            return Ok(None);
        }
        let (Some(of_first), Some(of_other)) = (self.table(first)?, self.table(other)?) else {
            return Ok(None);
        };
        let (firsts, others) = (first.indexes(candidates), other.indexes(candidates));
        let (firsts, others) = (of_first.lists(&firsts), of_other.lists(&others));
        let mut counts = vec![0; candidates.len()];
        Kernels::best().count_followed(firsts, others, distance, &mut counts);
        Ok(Some(counts))
    }

    /// The positions of a word in the document at an offset in the chunk, if it holds it.
    pub(super) fn positions(
        &self,
        place: usize,
        offset: u16,
    ) -> Result<Option<DocumentPositions<'_>>> {
        let Some(word) = self.words.get(place) else { return Ok(None) };
        let mut near = word.near.get();
        let index = word.view.documents.find_near(offset, &mut near);
        word.near.set(near);
        let Some(index) = index else { return Ok(None) };
        self.read(word, offset, index).map(Some).map_err(|error| fts::Error::from(error).into())
    }

    fn read<'s>(
        &'s self,
        word: &'s Word<'w>,
        offset: u16,
        index: usize,
    ) -> lsm::Result<DocumentPositions<'s>> {
        if word.is_worth_decoding(1)
            && let Some(table) = self.table(word)?
        {
            return Ok(DocumentPositions::Decoded(table.positions(word.start() + index)));
        }
        word.left_bytes.set(word.left_bytes.get().saturating_sub(READ_COST_BYTES));
        word.postings.positions(offset, index)
    }

    /// The decoded positions of a word; `None` where its documents stand in several parts, or their positions have to be read one by one.
    fn table<'s>(&'s self, word: &'s Word<'w>) -> lsm::Result<Option<&'s PositionTable>> {
        if let Some(table) = word.table.get() {
            return Ok(Some(table));
        }
        let Some((block, _)) = word.postings.block() else { return Ok(None) };
        let mut table = self.spare.borrow_mut().pop().unwrap_or_default();
        if !block.read_positions(&mut table)? {
            word.left_bytes.set(usize::MAX);
            self.spare.borrow_mut().push(table);
            return Ok(None);
        }
        Ok(Some(word.table.get_or_init(|| table)))
    }

    /// The tables.
    pub(super) fn end(self) -> Vec<PositionTable> {
        let mut tables = self.spare.into_inner();
        tables.extend(self.words.into_iter().filter_map(|word| word.table.into_inner()));
        tables
    }
}

impl Word<'_> {
    /// Whether reading so many more documents one by one costs as much as all of them decoded, with those that were read before.
    fn is_worth_decoding(&self, len: usize) -> bool {
        self.table.get().is_some() || len.saturating_mul(READ_COST_BYTES) >= self.left_bytes.get()
    }

    /// The index of the window's first document in its block.
    fn start(&self) -> usize {
        self.postings.block().map_or(0, |(_, start)| start)
    }

    /// The indexes of documents in the block.
    fn indexes(&self, candidates: &[Candidate]) -> Vec<u16> {
        let (start, mut near) = (self.start(), 0);
        let index = |offset| self.view.documents.find_near(offset, &mut near);
        let offsets = candidates.iter().map(|candidate| candidate.0);
        let indexes = offsets.map(index).map(|index| u16::try_from(start + index?).ok());
        indexes.map(|index| index.unwrap_or(u16::MAX)).collect()
    }
}
