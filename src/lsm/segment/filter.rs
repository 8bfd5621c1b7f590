//! The filter of a segment: says of most keys that the segment does not have that it does not.
//!
//! A blocked Bloom filter: a key's bits all lie in one block of 64 bytes, so asking costs one cache line. The writer
//! collects hashes with [`FilterBuilder`], the reader asks a [`Filter`] before it looks into the index. A get hashes its key
//! once, whatever the number of runs ([`KeyHash`]). A yes may be wrong, a no never is.
//!
//! After Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters" (2007); bits are drawn by
//! repeated multiplication, as RocksDB's filters draw them.
#![doc = ""]
#![doc = include_str!("../../../docs/format/filter.md")]

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::Result;
use crate::lsm::ids::SegmentId;

const BLOCK_BYTES: usize = 64;
/// The upper 9 bits of 32 are a bit's number inside a block.
const BIT_SHIFT: u32 = 32 - 9;
/// 2^32 divided by the golden ratio, odd.
const SPREAD: u32 = 0x9E37_79B9;
const PROBES_BYTES: usize = 1;
const CHECKSUM_BYTES: usize = 8;
const PROBES_MAX: u8 = 16;
/// More bits than this for each key no longer pay.
const BITS_PER_KEY_MAX: u8 = 32;

/// The hash by which filters know a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    pub(crate) fn of(key: &[u8]) -> Self {
        KeyHash(xxh3_64(key))
    }

    /// The block of the key's bits, of so many.
    fn block(self, blocks: usize) -> usize {
        let scaled = u128::from(self.0 >> 32) * blocks as u128;
        usize::try_from(scaled >> 32).unwrap_or(0)
    }

    /// The key's bits in its block.
    fn bits(self, probes: u8) -> impl Iterator<Item = usize> {
        let mut state = u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(0);
        (0..probes).map(move |_| {
            let bit = state >> BIT_SHIFT;
            state = state.wrapping_mul(SPREAD);
            bit as usize
        })
    }
}

/// Collects the keys of a segment: eight bytes each until the segment is finished.
#[derive(Debug)]
pub(super) struct FilterBuilder {
    bits_per_key: u8,
    hashes: Vec<KeyHash>,
}

impl FilterBuilder {
    /// With 0 bits for each key nothing is collected and there is no filter.
    pub(super) fn new(bits_per_key: u8) -> Self {
        FilterBuilder { bits_per_key: bits_per_key.min(BITS_PER_KEY_MAX), hashes: Vec::new() }
    }

    /// Bytes that the filter will take, without those that a cipher reserves.
    pub(super) fn bytes(&self) -> usize {
        if self.hashes.is_empty() {
            0
        } else {
            self.blocks() * BLOCK_BYTES + PROBES_BYTES + CHECKSUM_BYTES
        }
    }

    fn blocks(&self) -> usize {
        (self.hashes.len() * usize::from(self.bits_per_key)).div_ceil(BLOCK_BYTES * 8)
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        if self.bits_per_key > 0 {
            self.hashes.push(KeyHash::of(key));
        }
    }

    /// Appends the filter, which is to stand `offset` bytes into `segment`; nothing when there is none.
    pub(super) fn finish(
        &self,
        sealer: &Sealer,
        segment: SegmentId,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        let start = out.len();
        let blocks = self.blocks();
        // ln 2 bits of a plain Bloom filter's; a block that is fuller than others wants a little less.
        let probes = (u32::from(self.bits_per_key) * 6).div_ceil(10);
        let probes = u8::try_from(probes).unwrap_or(PROBES_MAX).clamp(1, PROBES_MAX);
        out.resize(start + blocks * BLOCK_BYTES, 0);
        for hash in &self.hashes {
            let block = start + hash.block(blocks) * BLOCK_BYTES;
            for bit in hash.bits(probes) {
                out[block + bit / 8] |= 1 << (bit % 8);
            }
        }
        out.push(probes);
        sealer.seal(Owner::Segment(segment), offset, &[], start, out)?;
        let sum = checksum(segment.0, offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        Ok(())
    }
}

/// The filter of one segment, checked: its blocks, then the number of probes.
#[derive(Debug)]
pub(super) struct Filter {
    bytes: Bytes,
}

impl Filter {
    /// Checks the bytes that were read `offset` bytes into `segment`.
    pub(super) fn parse(
        sealer: &Sealer,
        bytes: &Bytes,
        segment: SegmentId,
        offset: u64,
    ) -> Result<Filter> {
        let mut reader = ByteReader::new("segment filter", bytes);
        let summed = reader.take(bytes.len().saturating_sub(CHECKSUM_BYTES))?;
        let expected = reader.u64()?;
        let found = checksum(segment.0, offset, summed);
        if found != expected {
            return Err(
                reader.error(format_args!("checksum {found:016x}, {expected:016x} expected"))
            );
        }
        let plain =
            sealer.open(Owner::Segment(segment), offset, &[], bytes.slice(..summed.len()))?;
        let blocks_len = plain.len().saturating_sub(PROBES_BYTES);
        let mut reader = ByteReader::new("segment filter", &plain);
        reader.take(blocks_len)?;
        let probes = reader.u8()?;
        let whole = blocks_len > 0 && blocks_len.is_multiple_of(BLOCK_BYTES);
        if !whole || !(1..=PROBES_MAX).contains(&probes) {
            return Err(reader.error(format_args!("{blocks_len} bytes and {probes} probes")));
        }
        Ok(Filter { bytes: plain })
    }

    /// Whether the segment may have a key; false when it certainly has not.
    pub(super) fn may_have(&self, hash: KeyHash) -> bool {
        let (blocks, tail) = self.bytes.as_chunks::<BLOCK_BYTES>();
        let (Some(block), Some(&probes)) = (blocks.get(hash.block(blocks.len())), tail.first())
        else {
            return true;
        };
        hash.bits(probes).all(|bit| block[bit / 8] & 1 << (bit % 8) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/format/filter.md");

    fn filter(keys: &[Vec<u8>], bits_per_key: u8) -> (Vec<u8>, Filter) {
        let mut builder = FilterBuilder::new(bits_per_key);
        for key in keys {
            builder.add(key);
        }
        let mut bytes = Vec::new();
        builder.finish(&Sealer::NONE, SegmentId(7), 64, &mut bytes).unwrap();
        let filter =
            Filter::parse(&Sealer::NONE, &Bytes::from(bytes.clone()), SegmentId(7), 64).unwrap();
        (bytes, filter)
    }

    #[test]
    fn a_key_of_the_segment_is_never_denied() {
        let mut rng = fastrand::Rng::with_seed(31);
        for bits_per_key in [1, 2, 5, 10, 16, 32, 255] {
            for len in [1, 2, 60, 3000] {
                let key =
                    |rng: &mut fastrand::Rng| (0..rng.usize(0..40)).map(|_| rng.u8(..)).collect();
                let keys: Vec<Vec<u8>> = (0..len).map(|_| key(&mut rng)).collect();
                let (_, filter) = filter(&keys, bits_per_key);
                assert!(keys.iter().all(|key| filter.may_have(KeyHash::of(key))));
            }
        }
    }

    /// What a block of 512 bits costs beside a plain filter of as many bits: 1.0 % would be 0.8 %.
    #[test]
    fn few_other_keys_are_let_through() {
        for (bits_per_key, percent_max) in [(5, 12.0), (10, 1.4), (16, 0.3)] {
            let key = |number: u32| format!("account/{number:012}").into_bytes();
            let keys: Vec<Vec<u8>> = (0..50_000).map(|number| key(number * 2)).collect();
            let (bytes, filter) = filter(&keys, bits_per_key);
            assert!(bytes.len() <= 50_000 * usize::from(bits_per_key) / 8 + 2 * BLOCK_BYTES);
            let wrong = |number: &u32| filter.may_have(KeyHash::of(&key(number * 2 + 1)));
            let wrong = (0..50_000).filter(wrong).count();
            let percent = f64::from(u32::try_from(wrong).unwrap()) / 500.0;
            assert!(percent < percent_max, "{bits_per_key} bits: {percent} %");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let (mut bytes, _) = filter(&[b"gold".to_vec(), b"silt".to_vec()], 10);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let parsed =
                Filter::parse(&Sealer::NONE, &Bytes::from(bytes.clone()), SegmentId(7), 64);
            assert!(parsed.unwrap_err().is_corruption());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..len]);
            assert!(
                Filter::parse(&Sealer::NONE, &cut, SegmentId(7), 64).unwrap_err().is_corruption()
            );
        }
        assert!(Filter::parse(&Sealer::NONE, &Bytes::from(bytes), SegmentId(7), 65).is_err());
    }

    #[test]
    fn random_bytes_with_a_right_checksum_never_panic_a_filter() {
        let mut rng = fastrand::Rng::with_seed(32);
        for _ in 0..2000 {
            let mut bytes: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(0..20)).collect();
            let sum = checksum(7, 64, &bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            if let Ok(filter) = Filter::parse(&Sealer::NONE, &Bytes::from(bytes), SegmentId(7), 64)
            {
                filter.may_have(KeyHash(rng.u64(..)));
            }
        }
    }

    #[test]
    fn the_page_on_filters_shows_the_bytes_of_this_filter() {
        let (bytes, _) = filter(&[b"gold".to_vec(), b"silt".to_vec()], 10);
        let mut dump = String::new();
        for (row, bytes) in bytes.chunks(16).enumerate() {
            write!(dump, "{:04x} ", row * 16).unwrap();
            for byte in bytes {
                write!(dump, " {byte:02x}").unwrap();
            }
            dump.push('\n');
        }
        let hashes = [b"gold", b"silt"].map(|key| format!("`{:016x}`", KeyHash::of(key).0));
        let bits = [b"gold", b"silt"].map(|key| {
            let bits: Vec<String> = KeyHash::of(key).bits(6).map(|bit| bit.to_string()).collect();
            bits.join(", ")
        });
        let shown = hashes.iter().chain(&bits).all(|part| PAGE.contains(part.as_str()));
        assert!(shown && PAGE.contains(&dump), "the bytes are now\n{dump}{hashes:?}\n{bits:?}");
    }
}
