//! The records that every engine is given: a pure function of their number, so that all see the same bytes.
//!
//! Keys are 16 to 40 bytes. A hundred neighbours share a group of 11 to 20 bytes, as rows of one customer or postings of
//! one term do; behind it stand a rising number and a tail of varying length. Keys ascend with their number.
//!
//! ```text
//! key   := group: 6 digits  '/'  word: 3..=12 bytes  '/'  number: 5 hex digits  tail: 0..=15 bytes
//! value := 50 random bytes  50 bytes of words                                    (100 bytes)
//! ```
//! Half of a value is noise and half is text: real rows hold identifiers and hashes beside names and words. All noise
//! would hide what compression gives, all text would flatter the engines that have it.

use crate::Result;

/// Bytes of every value.
pub(crate) const VALUE_BYTES: usize = 100;

const GROUP_RECORDS: u32 = 100;
const NOISE_BYTES: usize = 50;

const GROUPS: [&str; 10] = [
    "ash",
    "reed",
    "river",
    "gravel",
    "current",
    "cascades",
    "tributary",
    "floodplain",
    "confluences",
    "embankments-",
];

const WORDS: [&str; 32] = [
    "gold", "settles", "where", "the", "river", "slows", "and", "sand", "drifts", "below", "bank",
    "of", "creek", "in", "spring", "floods", "carry", "silt", "from", "hills", "to", "plain",
    "stone", "by", "water", "finds", "its", "level", "pan", "turns", "dust", "light",
];

/// Sixty-four well-mixed bits of `seed` (SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Element of `from` that `bits` choose.
fn choose<T: Copy>(from: &[T], bits: u64) -> T {
    from[usize::try_from(bits % from.len() as u64).unwrap_or(0)]
}

/// Appends the key of record `number`.
pub(crate) fn put_key(number: u32, out: &mut Vec<u8>) {
    put_key_at(number, 0, out);
}

/// Appends a key that no record has, between those of `number` and its neighbour.
pub(crate) fn put_absent_key(number: u32, out: &mut Vec<u8>) {
    put_key_at(number, 1, out);
}

fn put_key_at(number: u32, shift: u32, out: &mut Vec<u8>) {
    let (group, member) = (number / GROUP_RECORDS, number % GROUP_RECORDS);
    let bits = mix(u64::from(number));
    let word = choose(&GROUPS, mix(u64::from(group) << 32));
    // Sixteen places for each record: it takes one, and an absent key takes another.
    let place = member * 16 + (u32::try_from(bits % 16).unwrap_or(0) + shift) % 16;
    out.extend_from_slice(format!("{group:06}/{word}/{place:05x}").as_bytes());
    let tail = (bits >> 8) % 16;
    let letters = mix(bits).to_le_bytes().into_iter().chain(mix(!bits).to_le_bytes());
    out.extend(letters.zip(0..tail).map(|(byte, _)| b'a' + byte % 26));
}

/// Appends the value of record `number` after it was overwritten `version` times.
pub(crate) fn put_value(number: u32, version: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let mut bits = mix(u64::from(number) << 32 | u64::from(version));
    while out.len() < start + NOISE_BYTES {
        bits = mix(bits);
        out.extend_from_slice(&bits.to_le_bytes());
    }
    out.truncate(start + NOISE_BYTES);
    while out.len() < start + VALUE_BYTES {
        bits = mix(bits);
        for choice in bits.to_le_bytes() {
            out.extend_from_slice(choose(&WORDS, choice.into()).as_bytes());
            out.push(b' ');
        }
    }
    out.truncate(start + VALUE_BYTES);
}

/// The numbers below `count` in an order that `seed` chooses.
pub(crate) fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut numbers);
    numbers
}

/// Records ready to be written, in one piece of memory that is used again for the next ones.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each key and each value ends.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    /// Holds these records, as they are after `version` overwrites.
    pub(crate) fn fill(&mut self, numbers: &[u32], version: u32) -> &Self {
        self.bytes.clear();
        self.ends.clear();
        for &number in numbers {
            put_key(number, &mut self.bytes);
            let key_end = self.bytes.len();
            put_value(number, version, &mut self.bytes);
            self.ends.push((key_end, self.bytes.len()));
        }
        self
    }

    /// Keys and values, in the order in which they were given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(key_end, value_end)| {
            let record = (&self.bytes[start..key_end], &self.bytes[key_end..value_end]);
            start = value_end;
            record
        })
    }

    /// Bytes of all keys and values.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Records of a batch in the loads.
pub(crate) const BATCH_RECORDS: usize = 1000;
/// Batches between two durable commits.
pub(crate) const BATCHES_PER_SYNC: usize = 100;

/// Gives `write` the records in batches of [`BATCH_RECORDS`]; every [`BATCHES_PER_SYNC`]th and the last are durable.
pub(crate) fn in_batches(
    numbers: &[u32],
    version: u32,
    mut write: impl FnMut(&Batch, bool) -> Result<()>,
) -> Result<()> {
    let mut batch = Batch::default();
    let batches = numbers.len().div_ceil(BATCH_RECORDS);
    for (done, numbers) in (1..).zip(numbers.chunks(BATCH_RECORDS)) {
        let durable = done % BATCHES_PER_SYNC == 0 || done == batches;
        write(batch.fill(numbers, version), durable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_ascend_have_their_sizes_and_absent_ones_are_absent() {
        let key = |number, put: fn(u32, &mut Vec<u8>)| {
            let mut out = Vec::new();
            put(number, &mut out);
            out
        };
        let keys: Vec<_> = (0..50_000).map(|number| key(number, put_key)).collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
        assert_eq!(keys.iter().map(Vec::len).min(), Some(16));
        assert_eq!(keys.iter().map(Vec::len).max(), Some(40));
        let present: BTreeSet<_> = keys.into_iter().collect();
        assert!((0..50_000).all(|number| !present.contains(&key(number, put_absent_key))));
    }

    #[test]
    fn a_batch_gives_back_what_it_was_filled_with() {
        let mut batch = Batch::default();
        batch.fill(&[7, 8, 9], 0);
        let records: Vec<_> = batch.fill(&[3, 1], 2).iter().collect();
        assert_eq!(records.len(), 2);
        let mut expected = Vec::new();
        put_key(1, &mut expected);
        assert_eq!(records[1].0, expected);
        assert!(records.iter().all(|(_, value)| value.len() == VALUE_BYTES));
    }
}
