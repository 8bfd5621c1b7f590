//! Frequencies of a block of postings: one bit for most of them, and any one of them without decoding the others.
//!
//! Most documents hold a term once. A plane of bits says which hold it more often; those have a byte each, and what
//! exceeds it stands in varints at the end. A block whose postings are all 1 has no bytes at all. Searches look up the
//! frequencies of the few postings that survive their bounds. Cost of a look-up: a count of the bits before.
//! The bytes are described in `docs/format/postings.md`.

use crate::kernels::{Kernels, WINDOW};
use crate::lsm::{ByteReader, Result, put_varint};

/// Frequencies of a block, undecoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frequencies<'a> {
    count: usize,
    /// What a posting that `bytes` do not tell about has.
    base: u32,
    /// Empty when all have the base.
    bytes: &'a [u8],
}

/// For each 64 postings of a block, how many before them have a byte: what makes a look-up short.
#[derive(Debug, Clone, Copy)]
pub struct FrequencyRanks([u16; 64]);

const WHAT: &str = "frequencies";
/// The frequency that a byte of 0 stands for.
const BYTE_BASE: u32 = 2;
/// The byte that says: more, in a varint.
const BYTE_MORE: u8 = 0xFF;

impl<'a> Frequencies<'a> {
    /// The frequencies of `count` postings.
    pub(super) fn new(count: usize, bytes: &'a [u8]) -> Self {
        Frequencies { count, base: 1, bytes }
    }

    /// The frequency of a single posting.
    pub(super) fn of_one(frequency: u32) -> Self {
        Frequencies { count: 1, base: frequency, bytes: &[] }
    }

    /// What look-ups in this block take.
    pub(super) fn ranks(&self) -> FrequencyRanks {
        let mut plane = [0; WINDOW / 8];
        let bytes = self.bytes.iter().take(self.count.div_ceil(8));
        plane.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        FrequencyRanks(Kernels::best().ranks(&plane))
    }

    /// Frequency of the posting at `index`, of at most 4,096.
    pub(super) fn get(&self, index: usize, ranks: &FrequencyRanks) -> Result<u32> {
        self.get_ranked(index, |plane| ranks.before(plane, index))
    }

    /// [`get`](Self::get) of a posting before which so many have a byte as `rank` says.
    #[inline]
    pub(super) fn get_ranked(
        &self,
        index: usize,
        rank: impl FnOnce(&[u8]) -> usize,
    ) -> Result<u32> {
        if self.bytes.is_empty() {
            return Ok(self.base);
        }
        let plane = self.plane()?;
        if plane.get(index / 8).is_none_or(|byte| byte >> (index % 8) & 1 == 0) {
            return Ok(1);
        }
        let rank = rank(plane);
        let byte = self.byte(plane.len(), rank)?;
        let frequency = u32::from(byte) + BYTE_BASE;
        if byte < BYTE_MORE {
            return Ok(frequency);
        }
        self.add_more(frequency, &mut self.more(plane, rank)?)
    }

    /// How many postings before the one at `index` have a byte.
    pub(super) fn rank(&self, index: usize, ranks: &FrequencyRanks) -> Result<usize> {
        if self.bytes.is_empty() {
            return Ok(0);
        }
        Ok(ranks.before(self.plane()?, index))
    }

    /// The sum of the frequencies from `start` to before `end`.
    pub(super) fn sum(&self, start: usize, end: usize, ranks: &FrequencyRanks) -> Result<u64> {
        Ok(self.sum_to(start, self.rank(start, ranks)?, end, ranks)?.0)
    }

    /// The sum of the frequencies from `start`, before which `first` postings have a byte, to before `end`, and how many postings
    /// before that have one.
    #[inline]
    pub(super) fn sum_to(
        &self,
        start: usize,
        first: usize,
        end: usize,
        ranks: &FrequencyRanks,
    ) -> Result<(u64, usize)> {
        let mut sum = end.saturating_sub(start) as u64;
        if self.bytes.is_empty() {
            return Ok((sum * u64::from(self.base), 0));
        }
        if sum == 0 {
            return Ok((0, first));
        }
        let plane = self.plane()?;
        let last = ranks.before(plane, end);
        let bytes = self.bytes.get(plane.len() + first..plane.len() + last);
        let bytes = bytes.ok_or_else(|| self.error("bytes are missing"))?;
        let mut continued = 0_usize;
        for &byte in bytes {
            sum += u64::from(byte) + 1;
            continued += usize::from(byte == BYTE_MORE);
        }
        if continued > 0 {
            let mut more = self.more(plane, first)?;
            for _ in 0..continued {
                sum += u64::from(self.add_more(0, &mut more)?);
            }
        }
        Ok((sum, last))
    }

    /// Appends all frequencies.
    pub(super) fn decode(&self, out: &mut Vec<u32>) -> Result<()> {
        if self.bytes.is_empty() {
            out.resize(out.len() + self.count, self.base);
            return Ok(());
        }
        let plane = self.plane()?;
        let more = rank(plane, self.count);
        if rank(plane, plane.len() * 8) != more {
            return Err(self.error("a bit behind the last posting"));
        }
        let mut rest = ByteReader::new(WHAT, self.bytes);
        rest.take(plane.len())?;
        let (bytes, mut number) = (rest.take(more)?, 0);
        out.reserve(self.count);
        for index in 0..self.count {
            let bit = plane.get(index / 8).copied().unwrap_or_default() >> (index % 8) & 1;
            let byte = bytes.get(number).copied().unwrap_or_default();
            number += usize::from(bit);
            let mut frequency = 1 + u32::from(bit) * (u32::from(byte) + BYTE_BASE - 1);
            if frequency == u32::from(BYTE_MORE) + BYTE_BASE {
                frequency = self.add_more(frequency, &mut rest)?;
            }
            out.push(frequency);
        }
        rest.expect_end()
    }

    /// Replaces the content of `starts` by the sums of the frequencies before each posting, and before what is behind the last. Of each
    /// 32 bits are kept.
    pub(super) fn sum_up(&self, starts: &mut Vec<u32>) -> Result<()> {
        starts.clear();
        starts.push(0);
        let plane = if self.bytes.is_empty() { &[] } else { self.plane()? };
        let bytes = self.bytes.get(plane.len()..).unwrap_or_default();
        let bytes = bytes.get(..rank(plane, plane.len() * 8));
        let bytes = bytes.ok_or_else(|| self.error("bytes are missing"))?;
        if self.base == 1 && !bytes.contains(&BYTE_MORE) {
            starts.resize(1 + self.count, 0);
            let ends = starts.get_mut(1..).unwrap_or_default();
            Kernels::best().sum_marked(plane, bytes, ends);
            return Ok(());
        }
        self.decode(starts)?;
        let mut sum = 0_u32;
        for slot in starts {
            sum = sum.wrapping_add(*slot);
            *slot = sum;
        }
        Ok(())
    }

    fn plane(&self) -> Result<&'a [u8]> {
        let plane = self.bytes.get(..self.count.div_ceil(8));
        plane.ok_or_else(|| self.error("shorter than a bit for each posting"))
    }

    fn byte(&self, plane_bytes: usize, number: usize) -> Result<u8> {
        let byte = self.bytes.get(plane_bytes + number).copied();
        byte.ok_or_else(|| self.error("a byte is missing"))
    }

    /// The varints, from that of the posting on whose byte is the `number`-th or of the first behind it that has one.
    #[cold]
    fn more(&self, plane: &[u8], number: usize) -> Result<ByteReader<'a>> {
        let mut reader = ByteReader::new(WHAT, self.bytes);
        reader.take(plane.len())?;
        let bytes = reader.take(rank(plane, self.count))?;
        let rest = reader.rest();
        let before = bytes.iter().take(number).filter(|&&byte| byte == BYTE_MORE).count();
        let start = Kernels::best().skip_varints(rest, before);
        let rest = start.and_then(|start| rest.get(start..));
        Ok(ByteReader::new(WHAT, rest.ok_or_else(|| self.error("a varint is missing"))?))
    }

    /// Adds the next varint to what a byte of 255 says.
    fn add_more(&self, frequency: u32, more: &mut ByteReader<'_>) -> Result<u32> {
        let sum = frequency.checked_add(more.varint_u32()?);
        sum.ok_or_else(|| self.error("more than 32 bits"))
    }

    #[cold]
    fn error(&self, what: &str) -> crate::lsm::Error {
        ByteReader::new(WHAT, self.bytes).error(what)
    }
}

impl FrequencyRanks {
    /// Number of bits of `plane` set before `index`.
    #[inline]
    fn before(&self, plane: &[u8], index: usize) -> usize {
        let Some(before) = self.0.get(index / 64) else { return rank(plane, index) };
        let rest = plane.get(index / 64 * 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        let below = word & ((1 << (index % 64)) - 1);
        usize::from(*before) + below.count_ones() as usize
    }
}

/// Number of bits set before `index`.
fn rank(plane: &[u8], index: usize) -> usize {
    let (before, behind) = plane.split_at_checked(index / 8).unwrap_or((plane, &[]));
    let (words, bytes) = before.as_chunks::<8>();
    let in_words: u32 = words.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum();
    let in_bytes: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    let last = behind.first().copied().unwrap_or_default() & ((1_u8 << (index % 8)) - 1);
    (in_words + in_bytes + last.count_ones()) as usize
}

/// Appends the frequencies of a block; nothing when all are 1.
pub(super) fn put(frequencies: &[u32], out: &mut Vec<u8>) {
    if frequencies.iter().all(|&frequency| frequency == 1) {
        return;
    }
    let plane = out.len();
    out.resize(plane + frequencies.len().div_ceil(8), 0);
    let mut overflow = Vec::new();
    for (index, &frequency) in frequencies.iter().enumerate() {
        let Some(more) = frequency.checked_sub(BYTE_BASE) else { continue };
        out[plane + index / 8] |= 1 << (index % 8);
        let byte = u8::try_from(more).unwrap_or(BYTE_MORE);
        if byte == BYTE_MORE {
            put_varint(&mut overflow, u64::from(more - u32::from(BYTE_MORE)));
        }
        out.push(byte);
    }
    out.extend_from_slice(&overflow);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rng: &mut fastrand::Rng) -> Vec<u32> {
        let kind = rng.u8(..4);
        let len = if rng.bool() { rng.usize(1..300) } else { rng.usize(1..4097) };
        let one = |_| match kind {
            0 => 1,
            1 => rng.u32(1..4),
            2 => rng.u32(1..400),
            _ => 1 << rng.u32(..32),
        };
        (0..len).map(one).collect()
    }

    #[test]
    fn frequencies_come_back_one_by_one_summed_and_all_at_once() {
        let mut rng = fastrand::Rng::with_seed(9);
        for _ in 0..200 {
            let expected = random(&mut rng);
            let mut bytes = Vec::new();
            put(&expected, &mut bytes);
            assert_eq!(bytes.is_empty(), expected.iter().all(|&frequency| frequency == 1));
            let frequencies = Frequencies::new(expected.len(), &bytes);
            let (ranks, mut all) = (frequencies.ranks(), Vec::new());
            frequencies.decode(&mut all).unwrap();
            assert_eq!(all, expected);
            let mut starts = vec![5];
            frequencies.sum_up(&mut starts).unwrap();
            let sums = expected.iter().scan(0_u32, |sum, frequency| {
                *sum = sum.wrapping_add(*frequency);
                Some(*sum)
            });
            assert_eq!(starts, [0].into_iter().chain(sums).collect::<Vec<_>>());
            for _ in 0..20 {
                let (a, b) = (rng.usize(..expected.len()), rng.usize(..=expected.len()));
                assert_eq!(frequencies.get(a, &ranks).unwrap(), expected[a]);
                let sum: u64 =
                    expected.get(a..b).unwrap_or_default().iter().map(|&f| u64::from(f)).sum();
                assert_eq!(frequencies.sum(a, b.max(a), &ranks).unwrap(), sum);
            }
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_errors_or_numbers() {
        let mut rng = fastrand::Rng::with_seed(10);
        for _ in 0..2000 {
            let mut bytes = Vec::new();
            put(&random(&mut rng), &mut bytes);
            bytes.truncate(rng.usize(..=bytes.len()));
            if !bytes.is_empty() {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= rng.u8(..);
            }
            let count = rng.usize(1..300);
            let frequencies = Frequencies::new(count, &bytes);
            let (ranks, mut all) = (frequencies.ranks(), Vec::new());
            if frequencies.decode(&mut all).is_ok() {
                assert_eq!(all.len(), count);
                let index = rng.usize(..count);
                assert_eq!(frequencies.get(index, &ranks).unwrap(), all[index]);
            }
            let _ = frequencies.sum(0, count, &ranks);
            if frequencies.sum_up(&mut all).is_ok() {
                assert_eq!(all.len(), 1 + count);
            }
        }
    }
}
