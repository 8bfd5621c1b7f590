//! The one checksum of the file: XXH3-64, seeded with where the bytes belong.
//!
//! A seed made of the owner's identity and the offset inside it catches blocks that were written to,
//! or read from, the wrong place; and it survives a relocation of the whole segment.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Checksum of `bytes` that belong to `owner` (a segment's id, a log's generation) at `offset` inside it.
pub(crate) fn checksum(owner: u64, offset: u64, bytes: &[u8]) -> u64 {
    // The odd constant (2^64 divided by the golden ratio) spreads owners over the whole seed space.
    xxh3_64_with_seed(bytes, owner.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ offset)
}
