//! [`DocumentSet`]: documents that some condition holds for, a bit for each.
//!
//! Searches gather in it what no posting list of its own says: documents with any of many words, those that a query matches, those
//! that a filter lets through; a window of it is searched like that of a word. Cost: 8 KiB for each chunk that has a document.

use std::collections::BTreeMap;

use super::dead::DeadChunk;
use super::error::Result;
use super::ids::DocId;
use super::postings::{Body, WINDOW_LEN, WINDOWS_LEN};
use super::term::{StoredPostings, TermPostings};
use crate::kernels::{Bitmap, Kernels};

/// A set of documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentSet {
    /// The windows of each chunk.
    chunks: BTreeMap<u32, Box<[Bitmap; WINDOWS_LEN]>>,
}

impl DocumentSet {
    /// Adds a document.
    pub fn insert(&mut self, doc: DocId) {
        let offset = usize::from(doc.offset());
        let window = self.window_mut(doc.chunk(), offset / WINDOW_LEN);
        window[offset % WINDOW_LEN / 8] |= 1 << (offset % 8);
    }

    /// Adds documents in any order; those of a chunk that follow each other cost less.
    pub fn insert_all(&mut self, documents: &[DocId]) {
        for documents in documents.chunk_by(|left, right| left.chunk() == right.chunk()) {
            let Some(chunk) = documents.first().map(|doc| doc.chunk()) else { continue };
            let windows = self.windows_mut(chunk);
            for offset in documents.iter().map(|doc| usize::from(doc.offset())) {
                windows[offset / WINDOW_LEN][offset % WINDOW_LEN / 8] |= 1 << (offset % 8);
            }
        }
    }

    /// Adds the documents of a posting list, dead ones included.
    ///
    /// # Errors
    /// Corruption.
    pub fn add(&mut self, postings: &TermPostings) -> Result<()> {
        postings.chunks.iter().try_for_each(|stored| self.add_chunk(stored))
    }

    /// Adds those of one chunk of a posting list, dead ones included.
    ///
    /// # Errors
    /// Corruption.
    pub fn add_chunk(&mut self, stored: &StoredPostings) -> Result<()> {
        let (mut listed, mut scratch) = (Vec::new(), [0; WINDOW_LEN]);
        for part in stored.parts() {
            match part?.body() {
                Body::None => {}
                Body::List { block, .. } => {
                    block.read_offsets(&mut listed)?;
                    for &offset in &listed {
                        self.insert(DocId::from_parts(stored.chunk, offset));
                    }
                }
                Body::Windows(windows) => {
                    for number in 0..WINDOWS_LEN {
                        if let Some(block) = windows.block(number)? {
                            block.add_to(self.window_mut(stored.chunk, number), &mut scratch)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The documents of a window, to add some.
    ///
    /// # Panics
    /// When a chunk has no window of this number.
    pub fn window_mut(&mut self, chunk: u32, window: usize) -> &mut Bitmap {
        &mut self.windows_mut(chunk)[window]
    }

    fn windows_mut(&mut self, chunk: u32) -> &mut [Bitmap; WINDOWS_LEN] {
        let empty = || Box::new([[0; WINDOW_LEN / 8]; WINDOWS_LEN]);
        self.chunks.entry(chunk).or_insert_with(empty)
    }

    /// Keeps the documents that are in `other` too.
    pub fn intersect(&mut self, other: &DocumentSet) {
        self.chunks.retain(|chunk, windows| {
            let Some(others) = other.chunks.get(chunk) else { return false };
            for (window, other) in windows.iter_mut().zip(others.iter()) {
                window.iter_mut().zip(other).for_each(|(byte, other)| *byte &= other);
            }
            true
        });
    }

    /// Adds the documents that are in `other`.
    pub fn unite(&mut self, other: &DocumentSet) {
        for (&chunk, windows) in &other.chunks {
            for (number, window) in windows.iter().enumerate() {
                Kernels::best().or(self.window_mut(chunk, number), window);
            }
        }
    }

    /// Takes out the documents that are dead in a chunk.
    pub fn remove_dead(&mut self, chunk: u32, dead: &DeadChunk) {
        let Some(windows) = self.chunks.get_mut(&chunk) else { return };
        for offset in dead.iter().map(usize::from) {
            windows[offset / WINDOW_LEN][offset % WINDOW_LEN / 8] &= !(1 << (offset % 8));
        }
    }

    /// The windows of each chunk that may have documents, ascending.
    pub fn chunks(&self) -> impl Iterator<Item = (u32, &[Bitmap; WINDOWS_LEN])> {
        self.chunks.iter().map(|(&chunk, windows)| (chunk, &**windows))
    }

    /// The windows of a chunk, if it may have documents.
    pub fn in_chunk(&self, chunk: u32) -> Option<&[Bitmap; WINDOWS_LEN]> {
        self.chunks.get(&chunk).map(|windows| &**windows)
    }

    /// Number of documents.
    pub fn len(&self) -> u64 {
        let windows = self.chunks.values().flat_map(|windows| windows.iter());
        windows.map(|window| u64::from(Kernels::best().count_bits(window))).sum()
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The documents, ascending.
    pub fn iter(&self) -> impl Iterator<Item = DocId> {
        self.iter_from(DocId::MIN)
    }

    /// The documents from `start` on, ascending. Cost: a step a document of the chunk that `start` is in.
    pub fn iter_from(&self, start: DocId) -> impl Iterator<Item = DocId> {
        let windows = self.chunks.range(start.chunk()..).flat_map(|(&chunk, windows)| {
            windows.iter().enumerate().map(move |(number, window)| (chunk, number, window))
        });
        let documents = windows.flat_map(|(chunk, number, window)| {
            offsets(number, window).map(move |offset| DocId::from_parts(chunk, offset))
        });
        documents.skip_while(move |doc| *doc < start)
    }
}

impl FromIterator<DocId> for DocumentSet {
    fn from_iter<I: IntoIterator<Item = DocId>>(documents: I) -> Self {
        let mut set = DocumentSet::default();
        for doc in documents {
            set.insert(doc);
        }
        set
    }
}

/// Offsets in the chunk of the documents of a window.
fn offsets(number: usize, window: &Bitmap) -> impl Iterator<Item = u16> {
    let mut offsets = [0; WINDOW_LEN];
    let count = Kernels::best().bitmap_offsets(window, &mut offsets);
    let base = u16::try_from(number * WINDOW_LEN).unwrap_or_default();
    offsets.into_iter().take(count).map(move |offset| base | offset)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_set_holds_what_was_added() {
        let mut rng = fastrand::Rng::with_seed(7);
        for len in [0, 1, 40, 1_000, 30_000] {
            let documents: BTreeSet<DocId> = (0..len)
                .map(|_| DocId::from_parts(rng.u32(..3), rng.u16(..) | rng.u16(..)))
                .collect();
            let set: DocumentSet = documents.iter().copied().collect();
            let mut together = DocumentSet::default();
            let mut shuffled: Vec<DocId> = documents.iter().copied().collect();
            rng.shuffle(&mut shuffled);
            together.insert_all(&shuffled);
            assert_eq!(together, set);
            assert!(set.iter().eq(documents.iter().copied()));
            assert_eq!((set.len(), set.is_empty()), (documents.len() as u64, len == 0));
            for chunk in 0..4 {
                let windows = set.chunks().find(|(number, _)| *number == chunk);
                assert_eq!(set.in_chunk(chunk), windows.map(|(_, windows)| windows));
            }
            let other: DocumentSet =
                (0..len).map(|_| DocId::from_parts(rng.u32(..4), rng.u16(..))).collect();
            let both = |doc: &DocId| other.iter().any(|other| other == *doc);
            let (mut common, mut union, mut alive) = (set.clone(), set.clone(), set);
            common.intersect(&other);
            union.unite(&other);
            if len < 30_000 {
                assert!(common.iter().eq(documents.iter().copied().filter(both)));
                let united: BTreeSet<_> = documents.iter().copied().chain(other.iter()).collect();
                assert!(union.iter().eq(united));
            }
            assert_eq!(union.len() + common.len(), documents.len() as u64 + other.len());
            let dead: DeadChunk = (0..300).map(|_| rng.u16(..)).collect();
            alive.remove_dead(1, &dead);
            let is_alive = |doc: &DocId| doc.chunk() != 1 || !dead.contains(doc.offset());
            assert!(alive.iter().eq(documents.iter().copied().filter(is_alive)));
        }
    }
}
