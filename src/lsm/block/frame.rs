//! The frame around a block: compression, and the trailer that proves that the bytes belong here.
//!
//! Segment writers [`seal`] what a builder made, readers [`open`] what the storage gave them. The checksum
//! covers every byte before it and is seeded with the segment and the block's offset in it, so bytes of
//! another segment, another block, or an older life of the same pages do not pass. In between stands the cipher, if there is one.

use bytes::Bytes;

use super::compression::{Codec, Compression, compress, decompress};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Bytes of the trailer: codec, raw length, checksum. Before it stand those that a cipher reserves.
pub(crate) const TRAILER_BYTES: usize = 1 + 4 + 8;
const CHECKSUM_BYTES: usize = 8;
/// The longest block that is compressed, and so the most that opening one allocates beyond its own bytes.
/// Longer ones (a huge inline value, an index of very long keys) are stored as they are.
const COMPRESSED_RAW_BYTES_MAX: usize = (16 << 20) + (128 << 10);

/// Appends `raw`, compressed if that pays, encrypted, and its trailer to `out`. The block is to stand `offset` bytes
/// into `segment`. Says how it is stored.
pub(crate) fn seal(
    sealer: &Sealer,
    raw: &[u8],
    compression: Compression,
    segment: SegmentId,
    offset: u64,
    out: &mut Vec<u8>,
) -> Result<Codec> {
    let raw_len = u32::try_from(raw.len()).expect("invariant: a block is shorter than 4 GiB");
    let compression =
        if raw.len() > COMPRESSED_RAW_BYTES_MAX { Compression::None } else { compression };
    let (codec, stored) = compress(raw, compression);
    let start = out.len();
    out.extend_from_slice(&stored);
    let [a, b, c, d] = raw_len.to_le_bytes();
    let clear = [codec.number(), a, b, c, d];
    sealer.seal(Owner::Segment(segment), offset, &clear, start, out)?;
    out.extend_from_slice(&clear);
    let sum = checksum(segment.0, offset, &out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
    Ok(codec)
}

/// The raw block of a sealed one that was read `offset` bytes into `segment`.
///
/// # Errors
/// Corruption when the checksum does not match, the cipher does not accept the bytes, or they do not decompress to the
/// length they claim.
pub(crate) fn open(
    sealer: &Sealer,
    sealed: &Bytes,
    segment: SegmentId,
    offset: u64,
) -> Result<Bytes> {
    let summed = verified(sealed, segment, offset)?;
    if !sealer.is_on() {
        return open_verified(sealed);
    }
    let stored_len = sealed.len().saturating_sub(TRAILER_BYTES);
    let clear = summed.get(stored_len..).unwrap_or_default();
    let stored = sealed.slice(..stored_len);
    unpack(sealed, sealer.open(Owner::Segment(segment), offset, clear, stored)?)
}

/// Appends a sealed block as another file has it, in the same place of the segment with the same number.
///
/// # Errors
/// Those of [`open`].
pub(crate) fn reseal(
    from: &Sealer,
    to: &Sealer,
    sealed: &Bytes,
    segment: SegmentId,
    offset: u64,
    out: &mut Vec<u8>,
) -> Result<()> {
    let summed = verified(sealed, segment, offset)?;
    let stored_len = sealed.len().saturating_sub(TRAILER_BYTES);
    let clear = summed.get(stored_len..).unwrap_or_default();
    let owner = Owner::Segment(segment);
    let start = out.len();
    out.extend_from_slice(&from.open(owner, offset, clear, sealed.slice(..stored_len))?);
    to.seal(owner, offset, clear, start, out)?;
    out.extend_from_slice(clear);
    let sum = checksum(segment.0, offset, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// What the checksum of a sealed block covers, if it matches.
fn verified(sealed: &Bytes, segment: SegmentId, offset: u64) -> Result<&[u8]> {
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
    Ok(summed)
}

/// Like [`open`], for a block without a cipher whose checksum was compared before.
pub(crate) fn open_verified(sealed: &Bytes) -> Result<Bytes> {
    unpack(sealed, sealed.slice(..sealed.len().saturating_sub(TRAILER_BYTES)))
}

/// The raw block of which `stored` is the plain form, as the trailer of `sealed` says.
fn unpack(sealed: &Bytes, stored: Bytes) -> Result<Bytes> {
    let mut trailer = ByteReader::new("block trailer", sealed);
    trailer.take(sealed.len().saturating_sub(TRAILER_BYTES))?;
    let codec = Codec::decode(&mut trailer)?;
    let raw_len = trailer.u32()? as usize;
    decompress(codec, stored, raw_len, COMPRESSED_RAW_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lsm::cipher::tests::ToyCipher;

    fn sealed(raw: &[u8], compression: Compression) -> Bytes {
        let mut out = Vec::new();
        seal(&Sealer::NONE, raw, compression, SegmentId(5), 4096, &mut out).unwrap();
        Bytes::from(out)
    }

    #[test]
    fn a_sealed_block_opens_only_where_it_belongs() {
        for raw in [&b""[..], b"abc", &[9; 1000]] {
            for compression in [Compression::None, Compression::Lz4] {
                let block = sealed(raw, compression);
                assert_eq!(open(&Sealer::NONE, &block, SegmentId(5), 4096).unwrap(), raw);
                assert!(
                    open(&Sealer::NONE, &block, SegmentId(6), 4096).unwrap_err().is_corruption()
                );
                assert!(
                    open(&Sealer::NONE, &block, SegmentId(5), 4097).unwrap_err().is_corruption()
                );
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let block = sealed(&[9; 100], Compression::Lz4);
        for bit in 0..block.len() * 8 {
            let mut bytes = block.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                open(&Sealer::NONE, &Bytes::from(bytes), SegmentId(5), 4096)
                    .unwrap_err()
                    .is_corruption()
            );
        }
        for len in 0..block.len() {
            assert!(
                open(&Sealer::NONE, &block.slice(..len), SegmentId(5), 4096)
                    .unwrap_err()
                    .is_corruption()
            );
        }
    }

    /// Codec and raw length stand beside the encrypted bytes, where anyone can read them.
    #[test]
    fn nothing_of_an_encrypted_block_can_be_changed_together_with_its_checksum() {
        let sealer = Sealer::new(Arc::new(ToyCipher::new(1)), [2; 16]);
        let mut block = Vec::new();
        let raw = [9; 100];
        seal(&sealer, &raw, Compression::Lz4, SegmentId(5), 4096, &mut block).unwrap();
        assert_eq!(
            open(&sealer, &Bytes::from(block.clone()), SegmentId(5), 4096).unwrap(),
            &raw[..]
        );
        let summed = block.len() - CHECKSUM_BYTES;
        for bit in 0..summed * 8 {
            let mut forged = block[..summed].to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            let sum = checksum(5, 4096, &forged);
            forged.extend_from_slice(&sum.to_le_bytes());
            let opened = open(&sealer, &Bytes::from(forged), SegmentId(5), 4096);
            assert!(opened.unwrap_err().is_corruption());
        }
    }
}
