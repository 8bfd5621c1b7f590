//! What windows are evaluated in: sums, and lists of offsets and indexes as long as a window has documents.
//!
//! A search [takes](Memory::take) it and [gives it back](Memory::give_back) at its end, for the next search of the same thread: so a
//! search of a few microseconds asks for no memory that it would have to fill with zeros. One that fails keeps it to itself.
//! Invariant: whoever gives it back left all sums at 0. Memory: 24 KiB a thread, 8 more for each word that
//! had to occur beside others, what the documents of a short list get, and the positions of a document; of each word of a phrase four
//! bytes for every position that it had in one window, at most 4 MiB.

use std::cell::Cell;

use super::bounds::Bounds;
use super::leaf::Scratch;
use super::term_window::TermWindow;
use crate::fts::{PositionTable, WINDOW_LEN};
use crate::kernels::{Aligned, Kernels, Sums};

/// Room for the documents of a window.
pub(super) struct Memory {
    pub(super) sums: Aligned<Sums>,
    pub(super) offsets: Aligned<[u16; WINDOW_LEN]>,
    pub(super) indexes: Aligned<[u16; WINDOW_LEN]>,
    pub(super) scratch: Scratch,
    /// For the offsets of several words.
    pub(super) rooms: Vec<Aligned<[u16; WINDOW_LEN]>>,
    /// For what the documents of a list get, and from how many occurrences.
    pub(super) scores: Vec<f32>,
    pub(super) frequencies: Vec<u32>,
    /// For the positions of a phrase's words.
    pub(super) tables: Vec<PositionTable>,
}

thread_local! {
    /// That of the last search of this thread.
    static SPARE: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
}

impl Memory {
    /// That of the thread's last search, or a new one.
    pub(super) fn take() -> Box<Self> {
        SPARE.take().unwrap_or_else(|| {
            let list = || Aligned([0; WINDOW_LEN]);
            let (sums, offsets, indexes) = (list(), list(), list());
            let (scratch, rooms, tables) = (Scratch::default(), Vec::new(), Vec::new());
            let (scores, frequencies) = (Vec::new(), Vec::new());
            Box::new(Memory { sums, offsets, indexes, scratch, rooms, scores, frequencies, tables })
        })
    }

    /// Finds the documents of a word whose impacts allow so much: how many they are, their indexes and their offsets.
    pub(super) fn thin_out(&mut self, term: &TermWindow<'_>, bounds: &Bounds, least: f64) -> usize {
        let Ok(impact) = u8::try_from(bounds.impact_for(least)) else { return 0 };
        let impacts = term.marks().bytes();
        let count = Kernels::best().impacts_at_least(impacts, impact, &mut self.indexes.0);
        let indexes = self.indexes.0.get(..count).unwrap_or_default();
        term.offsets_at(indexes, &mut self.offsets.0);
        count
    }

    /// Keeps it for the next search of the thread.
    pub(super) fn give_back(self: Box<Self>) {
        SPARE.set(Some(self));
    }
}
