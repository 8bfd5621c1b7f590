//! A block: some documents of one chunk in ascending order, with all that is known of the term in each.
//!
//! Lists have one block, which counts offsets from the chunk's beginning; windowed postings have one for each window of
//! 4,096 documents, which counts from the window's. `value` finds blocks in values, searches take from them what they need
//! and no more: offsets and marks are two runs of bytes for the kernels, frequencies and positions are looked up one by one.
//!
//! Invariant: lengths fit each other, as far as they are needed to find the parts; contents are checked when they are read.
//! The bytes are described in `docs/format/postings.md`.

use super::frequencies::{Frequencies, FrequencyRanks};
use super::position_table::PositionTable;
use super::positions::{CodedPositions, Positions, PositionsPlace};
use crate::kernels::{Bitmap, Kernels, WINDOW};
use crate::lsm::{ByteReader, Result};

/// Documents of a window.
pub const WINDOW_LEN: usize = WINDOW;
/// Bytes of a bitmap over a window.
pub const BITMAP_BYTES: usize = WINDOW_LEN / 8;

const OTHER_COUNT: &str = "a bitmap of another number of documents";

/// Documents of a list or a window, undecoded.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    pub(super) count: usize,
    pub(super) offsets: Offsets<'a>,
    pub(super) marks: Marks<'a>,
    pub(super) frequencies: Frequencies<'a>,
    pub(super) positions: Positions<'a>,
}

/// Is shown documents: offset in the chunk, mark, positions.
pub(super) type Visit<'v> = dyn FnMut(u16, u8, &[u32]) -> Result<()> + 'v;

/// Which documents a block has.
#[derive(Debug, Clone, Copy)]
pub enum Offsets<'a> {
    /// The first document, and the gaps to each further one, less 1.
    List {
        /// Offset of the first document; of windows, which have a gap in its place, none.
        first: Option<u16>,
        /// Bits of a gap, at most 16.
        width: u8,
        /// The gaps.
        packed: &'a [u8],
    },
    /// A bit for each document of the window.
    Bitmap(&'a [u8; BITMAP_BYTES]),
}

/// What says, without a look elsewhere, how much a posting can add to a score: one byte each.
#[derive(Debug, Clone, Copy)]
pub enum Marks<'a> {
    /// Length codes of the documents: enough for exact scores.
    Codes(&'a [u8]),
    /// Impacts, see [`ImpactScale`](crate::fts::ImpactScale).
    Impacts(&'a [u8]),
}

impl<'a> Marks<'a> {
    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Marks::Codes(bytes) | Marks::Impacts(bytes) => bytes,
        }
    }
}

impl<'a> Block<'a> {
    /// Number of documents, at least 1.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Which documents these are.
    pub fn offsets(&self) -> Offsets<'a> {
        self.offsets
    }

    /// A byte for each posting.
    pub fn marks(&self) -> Marks<'a> {
        self.marks
    }

    /// Replaces the content of `out` by the offsets of the documents.
    ///
    /// # Errors
    /// Corruption when they are not as many as they should be.
    pub fn read_offsets(&self, out: &mut Vec<u16>) -> Result<()> {
        out.clear();
        self.append_offsets(0, out)
    }

    /// Appends the offsets of the documents, from `base` on.
    pub(super) fn append_offsets(&self, base: u16, out: &mut Vec<u16>) -> Result<()> {
        let from = out.len();
        match self.offsets {
            Offsets::List { .. } => {
                out.resize(from + self.count, 0);
                self.unpack(out.get_mut(from..).unwrap_or_default())?;
            }
            Offsets::Bitmap(_) => {
                out.extend_from_slice(self.decode_offsets(&mut [0; WINDOW_LEN])?);
            }
        }
        if base > 0 {
            out.iter_mut().skip(from).for_each(|offset| *offset |= base);
        }
        Ok(())
    }

    /// The offsets of the documents of a window, or of a list that has no more; `scratch` is overwritten.
    ///
    /// # Errors
    /// Corruption when they are not as many as they should be.
    pub fn decode_offsets<'o>(&self, scratch: &'o mut [u16; WINDOW_LEN]) -> Result<&'o [u16]> {
        match self.offsets {
            Offsets::List { packed, .. } => {
                let Some(offsets) = scratch.get_mut(..self.count) else {
                    return Err(corrupt(packed, "more documents than a window has"));
                };
                self.unpack(offsets)?;
                Ok(offsets)
            }
            Offsets::Bitmap(bitmap) => {
                let count = Kernels::best().bitmap_offsets(bitmap, scratch);
                let offsets = scratch.get(..count).filter(|_| count == self.count);
                offsets.ok_or_else(|| corrupt(bitmap, OTHER_COUNT))
            }
        }
    }

    /// Sets the bits of the documents of a window; `scratch` is overwritten.
    ///
    /// # Errors
    /// Corruption when they are not as many as they should be.
    pub fn add_to(&self, bitmap: &mut Bitmap, scratch: &mut [u16; WINDOW_LEN]) -> Result<()> {
        match self.offsets {
            Offsets::List { .. } => {
                Kernels::best().set_bits(bitmap, self.decode_offsets(scratch)?);
            }
            Offsets::Bitmap(documents) => {
                self.check_bitmap()?;
                Kernels::best().or(bitmap, documents);
            }
        }
        Ok(())
    }

    /// Writes the offsets of a list to `out`, which is as long.
    fn unpack(&self, out: &mut [u16]) -> Result<()> {
        let Offsets::List { first, width, packed } = self.offsets else { return Ok(()) };
        let (head, base, rest) = match (first, &mut *out) {
            (Some(first), [head, rest @ ..]) => (Some((head, first)), u32::from(first) + 1, rest),
            (_, all) => (None, 0, all),
        };
        let fits = Kernels::best().unpack_ascending(packed, width, base, rest);
        if let Some((head, first)) = head {
            *head = first;
        }
        let end = if first.is_none() { WINDOW_LEN } else { 1 << 16 };
        let last = out.last().copied().map_or(0, usize::from);
        if fits && last < end {
            return Ok(());
        }
        Err(corrupt(packed, "documents beyond the last that there can be"))
    }

    /// Checks that a bitmap has as many documents as the block, which [`read_offsets`](Self::read_offsets) does too.
    ///
    /// # Errors
    /// Corruption when it has not.
    pub fn check_bitmap(&self) -> Result<()> {
        match self.offsets {
            Offsets::Bitmap(bitmap)
                if Kernels::best().count_bits(bitmap) as usize != self.count =>
            {
                Err(corrupt(bitmap, OTHER_COUNT))
            }
            _ => Ok(()),
        }
    }

    /// What looking up frequencies and positions takes; worth keeping for more than one.
    pub fn frequency_ranks(&self) -> FrequencyRanks {
        self.frequencies.ranks()
    }

    /// How often the document of the posting at `index` holds the term.
    pub fn frequency(&self, index: usize, ranks: &FrequencyRanks) -> Result<u32> {
        self.frequencies.get(index, ranks)
    }

    /// Replaces the content of `out` by how often each document holds the term.
    ///
    /// # Errors
    /// Corruption when they are not as many as documents.
    pub fn read_frequencies(&self, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        self.frequencies.decode(out)
    }

    /// The positions of all documents.
    pub(super) fn frequencies_sum(&self) -> Result<u64> {
        self.frequencies.sum(0, self.count, &self.frequencies.ranks())
    }

    /// The positions in the document of the posting at `index`; `place` is where the last call for this block left it, or the
    /// default.
    ///
    /// # Errors
    /// Corruption when those of the documents before are damaged.
    #[inline]
    pub fn positions(
        &self,
        index: usize,
        ranks: &FrequencyRanks,
        place: &mut PositionsPlace,
    ) -> Result<CodedPositions<'a>> {
        self.positions.seek(index, &self.frequencies, ranks, place)
    }

    /// How many bytes the positions of all documents take.
    pub fn positions_len_bytes(&self) -> usize {
        self.positions.stream().len()
    }

    /// Decodes the positions of all documents; `false` where they have to be read one by one.
    ///
    /// # Errors
    /// Corruption when frequencies are missing.
    pub fn read_positions(&self, table: &mut PositionTable) -> Result<bool> {
        table.read(&self.frequencies, self.positions.stream())
    }

    /// Passes all documents to `visit`, ascending, with the byte, the frequency and the positions of each.
    pub(super) fn walk(&self, base: u16, visit: &mut Visit<'_>) -> Result<()> {
        let (mut offsets, mut frequencies, mut places) = (Vec::new(), Vec::new(), Vec::new());
        self.read_offsets(&mut offsets)?;
        self.frequencies.decode(&mut frequencies)?;
        let mut stream = self.positions.stream();
        let marks = self.marks.bytes();
        for ((offset, mark), frequency) in offsets.iter().zip(marks).zip(frequencies) {
            places.clear();
            let mut positions = CodedPositions::new(stream, frequency);
            for position in positions.by_ref() {
                places.push(position?);
            }
            stream = positions.rest();
            visit(base | offset, *mark, &places)?;
        }
        ByteReader::new("positions", stream).expect_end()
    }
}

/// Bytes that `count` numbers of `width` bits take.
pub(super) fn packed_bytes(count: usize, width: u8) -> usize {
    (count * usize::from(width)).div_ceil(8)
}

#[cold]
pub(super) fn corrupt(bytes: &[u8], what: &str) -> crate::lsm::Error {
    ByteReader::new("postings", bytes).error(what)
}
