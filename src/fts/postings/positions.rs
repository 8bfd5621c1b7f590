//! Positions: where in each document of one chunk a term stands.
//!
//! Built by the inverter, read by phrase searches and highlighting, one document here and there; so a
//! document's payload begins with its length in bytes and is skipped in one step. Positions of a document
//! ascend, equal ones are allowed. Cost: one byte a document, and one or two a position.

use super::frame::{Entries, Frame, FrameBuilder, Payload, Retained, join, retain};
use crate::lsm::{ByteReader, Result, put_varint};

/// The positions of one term in one chunk; parsing reads the head only.
#[derive(Debug, Clone)]
pub struct Positions<'a> {
    frame: Frame<'a, Places<'a>>,
}

/// Moves over the documents of [`Positions`], forward only.
#[derive(Debug, Clone)]
pub struct PositionsCursor<'a> {
    entries: Entries<'a, Places<'a>>,
    current: Option<(u16, Places<'a>)>,
}

/// Builds the value that [`Positions`] reads.
#[derive(Debug, Clone, Default)]
pub struct PositionsBuilder {
    frame: FrameBuilder,
    places: Vec<u8>,
}

/// The encoded positions of one document.
#[derive(Debug, Clone, Copy)]
struct Places<'a>(&'a [u8]);

impl<'a> Positions<'a> {
    /// Reads the head of a value.
    ///
    /// # Errors
    /// Corruption when the head is none, or promises more documents than the bytes can hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Ok(Positions { frame: Frame::parse(bytes)? })
    }

    /// Offset of the first document.
    pub fn first(&self) -> u16 {
        self.frame.first
    }

    /// Offset of the last document.
    pub fn last(&self) -> u16 {
        self.frame.last
    }

    /// Number of documents, 1 to 65,536.
    pub fn count(&self) -> u32 {
        self.frame.count
    }

    /// A cursor before the first document.
    pub fn cursor(&self) -> PositionsCursor<'a> {
        PositionsCursor { entries: self.frame.entries(), current: None }
    }
}

impl PositionsCursor<'_> {
    /// Moves to the next document and gives its offset; `None` after the last one.
    ///
    /// # Errors
    /// Corruption when the value is damaged here; the cursor is then behind its end.
    pub fn advance(&mut self) -> Result<Option<u16>> {
        self.current = self.entries.next().transpose()?;
        Ok(self.offset())
    }

    /// Moves forward to the first document at or behind `offset` and gives its offset; stays when it
    /// stands on or behind it already; `None` when there is none.
    ///
    /// # Errors
    /// Corruption when the value is damaged on the way; the cursor is then behind its end.
    pub fn seek(&mut self, offset: u16) -> Result<Option<u16>> {
        if self.offset().is_some_and(|current| current >= offset) {
            return Ok(self.offset());
        }
        while let Some(current) = self.advance()? {
            if current >= offset {
                break;
            }
        }
        Ok(self.offset())
    }

    /// Offset of the document that the cursor stands on.
    pub fn offset(&self) -> Option<u16> {
        self.current.map(|(offset, _)| offset)
    }

    /// Replaces the content of `out` by the positions in the document that the cursor stands on.
    ///
    /// # Errors
    /// Corruption when they are damaged.
    pub fn positions(&self, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let Some((_, Places(bytes))) = self.current else {
            return Ok(());
        };
        let mut reader = ByteReader::new(Places::WHAT, bytes);
        let mut position = 0_u32;
        while !reader.is_empty() {
            let next = position.checked_add(reader.varint_u32()?);
            position = next.ok_or_else(|| reader.error("a position does not fit 32 bits"))?;
            out.push(position);
        }
        Ok(())
    }
}

impl PositionsBuilder {
    /// Adds the document at `offset`, which holds the term at `positions`; offsets ascend, and so do
    /// positions, which may be equal.
    ///
    /// # Panics
    /// When offsets or positions do not ascend, or there is no position.
    pub fn push(&mut self, offset: u16, positions: impl IntoIterator<Item = u32>) {
        self.places.clear();
        let mut before = 0;
        for position in positions {
            let gap = u32::checked_sub(position, before);
            let gap = gap.expect("invariant: positions of a document ascend");
            put_varint(&mut self.places, u64::from(gap));
            before = position;
        }
        assert!(!self.places.is_empty(), "invariant: a document of a posting list holds the term");
        Places(&self.places).put(self.frame.document(offset));
    }

    /// Number of documents added.
    pub fn count(&self) -> u32 {
        self.frame.count()
    }

    /// The value; empty when no document was added, which is not a value that can be read.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_into(&mut out);
        out
    }

    /// Appends the value and leaves the builder empty, for the next chunk.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        self.frame.finish_into(out);
    }
}

/// Appends the positions of all `parts` of one chunk, in whatever order they come.
///
/// Associative and commutative. Copies parts that do not interleave without decoding them.
///
/// # Errors
/// Corruption for bytes that are no positions, and for a document that stands in two parts.
pub fn join_positions(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    join::<Places<'_>>(parts, out)
}

/// Takes out of encoded positions the documents whose offsets `keep` refuses.
///
/// # Errors
/// Corruption for bytes that are no positions.
pub fn retain_positions(bytes: &[u8], keep: &mut dyn FnMut(u16) -> bool) -> Result<Retained> {
    retain::<Places<'_>>(bytes, keep)
}

impl<'a> Payload<'a> for Places<'a> {
    const WHAT: &'static str = "positions";
    const BYTES_MIN: u64 = 2;

    fn read(reader: &mut ByteReader<'a>) -> Result<Self> {
        match reader.varint_usize()? {
            0 => Err(reader.error("a document has no position")),
            len => Ok(Places(reader.take(len)?)),
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        out.extend_from_slice(self.0);
    }
}
