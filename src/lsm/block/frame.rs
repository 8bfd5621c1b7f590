//! The frame around a block: compression, and the trailer that proves that the bytes belong here.
//!
//! Segment writers [`seal`] what a builder made, readers [`open`] what the storage gave them. The checksum
//! covers every byte before it and is seeded with the segment and the block's offset in it, so bytes of
//! another segment, another block, or an older life of the same pages do not pass.

use bytes::Bytes;

use super::compression::{Codec, Compression, compress, decompress};
use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Bytes of the trailer: codec, raw length, checksum.
pub(crate) const TRAILER_BYTES: usize = 1 + 4 + 8;
const CHECKSUM_BYTES: usize = 8;
/// The longest block that is compressed, and so the most that opening one allocates beyond its own bytes.
/// Longer ones (a huge inline value, an index of very long keys) are stored as they are.
const COMPRESSED_RAW_BYTES_MAX: usize = (16 << 20) + (128 << 10);

/// Appends `raw`, compressed if that pays, and its trailer to `out`. The block is to stand `offset` bytes
/// into `segment`. Says how it is stored.
pub(crate) fn seal(
    raw: &[u8],
    compression: Compression,
    segment: SegmentId,
    offset: u64,
    out: &mut Vec<u8>,
) -> Codec {
    let raw_len = u32::try_from(raw.len()).expect("invariant: a block is shorter than 4 GiB");
    let compression =
        if raw.len() > COMPRESSED_RAW_BYTES_MAX { Compression::None } else { compression };
    let (codec, stored) = compress(raw, compression);
    let start = out.len();
    out.extend_from_slice(&stored);
    out.push(codec.number());
    out.extend_from_slice(&raw_len.to_le_bytes());
    let sum = checksum(segment.0, offset, &out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
    codec
}

/// The raw block of a sealed one that was read `offset` bytes into `segment`.
///
/// # Errors
/// Corruption when the checksum does not match or the bytes do not decompress to the length they claim.
pub(crate) fn open(sealed: &Bytes, segment: SegmentId, offset: u64) -> Result<Bytes> {
    let damaged = |message: String| Error::corruption(format!("block: {message}"), offset);
    let summed = sealed.len().checked_sub(CHECKSUM_BYTES).and_then(|end| sealed.get(..end));
    let Some(summed) = summed.filter(|_| sealed.len() >= TRAILER_BYTES) else {
        return Err(damaged(format!("{} bytes are too few for a trailer", sealed.len())));
    };
    let mut trailer = ByteReader::new("block trailer", sealed);
    trailer.take(summed.len())?;
    let expected = trailer.u64()?;
    let found = checksum(segment.0, offset, summed);
    if found != expected {
        return Err(damaged(format!("checksum {found:016x}, {expected:016x} expected")));
    }
    open_verified(sealed)
}

/// Like [`open`], for a block whose checksum was compared before.
pub(crate) fn open_verified(sealed: &Bytes) -> Result<Bytes> {
    let stored_len = sealed.len().saturating_sub(TRAILER_BYTES);
    let mut trailer = ByteReader::new("block trailer", sealed);
    trailer.take(stored_len)?;
    let codec = Codec::decode(&mut trailer)?;
    let raw_len = trailer.u32()? as usize;
    decompress(codec, sealed.slice(..stored_len), raw_len, COMPRESSED_RAW_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(raw: &[u8], compression: Compression) -> Bytes {
        let mut out = Vec::new();
        seal(raw, compression, SegmentId(5), 4096, &mut out);
        Bytes::from(out)
    }

    #[test]
    fn a_sealed_block_opens_only_where_it_belongs() {
        for raw in [&b""[..], b"abc", &[9; 1000]] {
            for compression in [Compression::None, Compression::Lz4] {
                let block = sealed(raw, compression);
                assert_eq!(open(&block, SegmentId(5), 4096).unwrap(), raw);
                assert!(open(&block, SegmentId(6), 4096).unwrap_err().is_corruption());
                assert!(open(&block, SegmentId(5), 4097).unwrap_err().is_corruption());
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let block = sealed(&[9; 100], Compression::Lz4);
        for bit in 0..block.len() * 8 {
            let mut bytes = block.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&Bytes::from(bytes), SegmentId(5), 4096).unwrap_err().is_corruption());
        }
        for len in 0..block.len() {
            assert!(open(&block.slice(..len), SegmentId(5), 4096).unwrap_err().is_corruption());
        }
    }
}
