//! Positions of a block of postings: where in each document the term stands.
//!
//! One stream of varints: of each document its first position and then the gaps. Nothing separates documents, since
//! frequencies say how many varints are whose; so that a search may begin in the middle, the place of every 128th
//! document is noted in front. Cost of a document: the varints between it and the one that was read before are skipped, or
//! those behind the nearest noted place, many at a time. Who wants those of many documents has all of them decoded into a
//! [`PositionTable`](super::PositionTable).
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

/// The positions in one document, ascending. After an error there are no more.
#[derive(Debug, Clone)]
pub enum DocumentPositions<'a> {
    /// As they stand in a value.
    Coded(CodedPositions<'a>),
    /// As a table has them.
    Decoded(DecodedPositions<'a>),
}

/// Undecoded positions of one document.
#[derive(Debug, Clone)]
pub struct CodedPositions<'a> {
    rest: &'a [u8],
    left: u32,
    position: u32,
}

/// Decoded positions of one document: how much each sum is above another.
#[derive(Debug, Clone, Default)]
pub struct DecodedPositions<'a> {
    /// The sums.
    pub sums: &'a [u32],
    /// What is taken from each.
    pub before: u32,
}

/// Where a reader of positions stands: in front of those of a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct PositionsPlace {
    index: usize,
    /// How many documents before it have a byte that says their frequency.
    rank: usize,
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

    /// The positions in the document of the posting at `index`, before which `place` stands then.
    #[inline]
    pub(super) fn seek(
        &self,
        index: usize,
        frequencies: &Frequencies<'_>,
        ranks: &FrequencyRanks,
        place: &mut PositionsPlace,
    ) -> Result<CodedPositions<'a>> {
        if place.index > index || place.index < index / STRIDE * STRIDE {
            *place = self.noted(index / STRIDE, frequencies, ranks)?;
        }
        let (skipped, rank) = frequencies.sum_to(place.index, place.rank, index, ranks)?;
        let rest = self.stream.get(place.start..).unwrap_or_default();
        let start = match usize::try_from(skipped) {
            Ok(0) => Some(0),
            Ok(skipped) => Kernels::best().skip_varints(rest, skipped),
            Err(_) => None,
        };
        let Some((start, rest)) = start.and_then(|start| Some((start, rest.get(start..)?))) else {
            return Err(self.error("they end before their documents do"));
        };
        *place = PositionsPlace { index, rank, start: place.start + start };
        Ok(CodedPositions::new(rest, frequencies.get_ranked(index, |_| rank)?))
    }

    /// The place that was noted as the `noted`-th; the beginning needs no note.
    fn noted(
        &self,
        noted: usize,
        frequencies: &Frequencies<'_>,
        ranks: &FrequencyRanks,
    ) -> Result<PositionsPlace> {
        let Some(before) = noted.checked_sub(1) else { return Ok(PositionsPlace::default()) };
        let start = self.starts.get(before).map(|start| u32::from_le_bytes(*start));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.filter(|&start| start <= self.stream.len());
        let start = start.ok_or_else(|| self.error("a place is noted outside of them"))?;
        let index = noted * STRIDE;
        Ok(PositionsPlace { index, rank: frequencies.rank(index, ranks)?, start })
    }

    /// All varints, for who goes through them in order.
    pub(super) fn stream(&self) -> &'a [u8] {
        self.stream
    }

    #[cold]
    fn error(&self, what: &str) -> crate::lsm::Error {
        ByteReader::new(WHAT, self.stream).error(what)
    }
}

impl<'a> CodedPositions<'a> {
    /// The positions in a document that has `frequency` of them, with which `stream` begins.
    pub(super) fn new(stream: &'a [u8], frequency: u32) -> Self {
        CodedPositions { rest: stream, left: frequency, position: 0 }
    }

    /// The bytes behind those that were read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next gap.
    #[inline]
    fn gap(&mut self) -> Result<u32> {
        if let [gap @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok((*gap).into());
        }
        let mut reader = ByteReader::new(WHAT, self.rest);
        let gap = reader.varint_u32()?;
        self.rest = reader.rest();
        Ok(gap)
    }
}

impl Iterator for DocumentPositions<'_> {
    type Item = Result<u32>;

    #[inline]
    fn next(&mut self) -> Option<Result<u32>> {
        match self {
            DocumentPositions::Coded(positions) => positions.next(),
            DocumentPositions::Decoded(positions) => positions.next().map(Ok),
        }
    }
}

impl Iterator for DecodedPositions<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (sum, rest) = self.sums.split_first()?;
        self.sums = rest;
        Some(sum.wrapping_sub(self.before))
    }
}

impl Iterator for CodedPositions<'_> {
    type Item = Result<u32>;

    #[inline]
    fn next(&mut self) -> Option<Result<u32>> {
        self.left = self.left.checked_sub(1)?;
        let next = self.gap().and_then(|gap| {
            let next = self.position.checked_add(gap);
            let reader = || ByteReader::new(WHAT, self.rest);
            next.ok_or_else(|| reader().error("a position does not fit 32 bits"))
        });
        match next {
            Ok(position) => self.position = position,
            Err(_) => self.left = 0,
        }
        Some(next)
    }
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
