//! Positions of a block of postings: where in each document the term stands.
//!
//! One stream of varints: of each document its first position and then the gaps. Nothing separates documents, since
//! frequencies say how many varints are whose; so that a search may begin in the middle, the place of every 128th
//! document is noted in front. Cost of a document: the varints between it and the one that was read before are skipped, or
//! those behind the nearest noted place, many at a time.
//! The bytes are described in `docs/format/postings.md`.

use super::frequencies::{Frequencies, FrequencyRanks};
use crate::kernels::Kernels;
use crate::lsm::{ByteReader, Result};

/// Postings between two noted places.
pub(super) const STRIDE: usize = 128;
const START_BYTES: usize = 4;
const WHAT: &str = "positions";

/// Positions of a block, undecoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positions<'a> {
    starts: &'a [[u8; START_BYTES]],
    stream: &'a [u8],
}

/// Where a reader of positions stands: in front of those of a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct PositionsPlace {
    index: usize,
    /// Bytes of the stream before it.
    start: usize,
}

impl<'a> Positions<'a> {
    /// The positions of `count` postings.
    pub(super) fn parse(count: usize, bytes: &'a [u8]) -> Result<Self> {
        let mut reader = ByteReader::new(WHAT, bytes);
        let starts = reader.take(starts_len(count) * START_BYTES)?;
        let (starts, _) = starts.as_chunks();
        Ok(Positions { starts, stream: reader.rest() })
    }

    /// Replaces the content of `out` by the positions in the document of the posting at `index`, behind which `place` stands
    /// then.
    pub(super) fn read(
        &self,
        index: usize,
        frequencies: &Frequencies<'_>,
        ranks: &FrequencyRanks,
        place: &mut PositionsPlace,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if place.index > index || place.index < index / STRIDE * STRIDE {
            *place = self.noted(index / STRIDE)?;
        }
        let rest = self.stream.get(place.start..).unwrap_or_default();
        let skipped = usize::try_from(frequencies.sum(place.index, index, ranks)?);
        let start = skipped.ok().and_then(|skipped| Kernels::best().skip_varints(rest, skipped));
        let Some(stream) = start.and_then(|start| rest.get(start..)) else {
            return Err(self.error("they end before their documents do"));
        };
        let mut reader = ByteReader::new(WHAT, stream);
        out.clear();
        read_document(&mut reader, frequencies.get(index, ranks)?, out)?;
        let start = self.stream.len() - reader.rest().len();
        *place = PositionsPlace { index: index + 1, start };
        Ok(())
    }

    /// The place that was noted as the `noted`-th; the beginning needs no note.
    fn noted(&self, noted: usize) -> Result<PositionsPlace> {
        let Some(before) = noted.checked_sub(1) else { return Ok(PositionsPlace::default()) };
        let start = self.starts.get(before).map(|start| u32::from_le_bytes(*start));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.filter(|&start| start <= self.stream.len());
        let start = start.ok_or_else(|| self.error("a place is noted outside of them"))?;
        Ok(PositionsPlace { index: noted * STRIDE, start })
    }

    /// All varints, for who walks through them in order.
    pub(super) fn stream(&self) -> ByteReader<'a> {
        ByteReader::new(WHAT, self.stream)
    }

    #[cold]
    fn error(&self, what: &str) -> crate::lsm::Error {
        ByteReader::new(WHAT, self.stream).error(what)
    }
}

/// Appends the positions of a document that has `frequency` of them.
pub(super) fn read_document(
    reader: &mut ByteReader<'_>,
    frequency: u32,
    out: &mut Vec<u32>,
) -> Result<()> {
    let mut position = 0_u32;
    for _ in 0..frequency {
        let next = position.checked_add(reader.varint_u32()?);
        position = next.ok_or_else(|| reader.error("a position does not fit 32 bits"))?;
        out.push(position);
    }
    Ok(())
}

/// How many places are noted in front of the positions of `count` postings.
fn starts_len(count: usize) -> usize {
    count.div_ceil(STRIDE).saturating_sub(1)
}

/// Appends the positions of a block: `documents` are its parts of `stream`, given by their ends from `start` on.
pub(super) fn put(stream: &[u8], start: usize, ends: &[usize], out: &mut Vec<u8>) {
    for noted in 1..=starts_len(ends.len()) {
        let place = ends[noted * STRIDE - 1] - start;
        let place = u32::try_from(place).expect("invariant: a value is shorter than 4 GiB");
        out.extend_from_slice(&place.to_le_bytes());
    }
    let end = ends.last().copied().unwrap_or(start);
    out.extend_from_slice(&stream[start..end]);
}
