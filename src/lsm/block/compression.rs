//! Compression of blocks and of values in the value area: LZ4, or nothing when it does not pay.
//!
//! Called by `frame` for blocks and by the segment writer and reader for values. The codec is stored beside
//! the bytes, so that a reader never guesses. LZ4's bytes are a bare LZ4 block, without frame or length.

use std::borrow::Cow;

use bytes::Bytes;

use crate::lsm::codec::ByteReader;
use crate::lsm::error::{Error, Result};

/// LZ4 cannot expand by more than this: one length byte stands for at most 255 bytes.
const LZ4_RATIO_MAX: usize = 255;

/// Whether a keyspace's blocks and values are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Stored as they are; values can be read in place.
    None,
    /// LZ4, where it saves at least an eighth.
    Lz4,
}

/// How one stretch of bytes is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Raw,
    Lz4,
}

impl Codec {
    pub(super) fn number(self) -> u8 {
        match self {
            Codec::Raw => 0,
            Codec::Lz4 => 1,
        }
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<Codec> {
        match reader.u8()? {
            0 => Ok(Codec::Raw),
            1 => Ok(Codec::Lz4),
            other => Err(reader.error(format_args!("unknown codec {other}"))),
        }
    }
}

/// `raw` as it is to be stored: compressed when `compression` allows it and it saves an eighth.
pub(crate) fn compress(raw: &[u8], compression: Compression) -> (Codec, Cow<'_, [u8]>) {
    if compression == Compression::Lz4 {
        let packed = lz4_flex::block::compress(raw);
        if packed.len() + raw.len().div_ceil(8) <= raw.len() {
            return (Codec::Lz4, Cow::Owned(packed));
        }
    }
    (Codec::Raw, Cow::Borrowed(raw))
}

/// The `raw_bytes` bytes from which `stored` was made; `raw_bytes_max` bounds what is allocated.
///
/// # Errors
/// Corruption when `stored` does not decode to exactly `raw_bytes`.
pub(crate) fn decompress(
    codec: Codec,
    stored: Bytes,
    raw_bytes: usize,
    raw_bytes_max: usize,
) -> Result<Bytes> {
    if codec == Codec::Raw {
        if stored.len() != raw_bytes {
            return Err(Error::corruption(
                format!("{raw_bytes} bytes expected, {} are stored", stored.len()),
                0,
            ));
        }
        return Ok(stored);
    }
    let reachable = stored.len().saturating_mul(LZ4_RATIO_MAX).min(raw_bytes_max);
    if raw_bytes > reachable {
        return Err(Error::corruption(
            format!("{} stored bytes cannot hold {raw_bytes} compressed bytes", stored.len()),
            0,
        ));
    }
    let mut raw = vec![0; raw_bytes];
    match lz4_flex::block::decompress_into(&stored, &mut raw) {
        Ok(found) if found == raw_bytes => Ok(Bytes::from(raw)),
        Ok(found) => Err(Error::corruption(
            format!("{raw_bytes} bytes expected, {found} were compressed"),
            0,
        )),
        Err(error) => Err(Error::corruption(format!("LZ4 data is damaged: {error}"), 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compresses_well_is_compressed_and_comes_back() {
        let raw = vec![7; 100_000];
        let (codec, stored) = compress(&raw, Compression::Lz4);
        assert_eq!(codec, Codec::Lz4);
        let stored = Bytes::copy_from_slice(&stored);
        assert_eq!(decompress(codec, stored.clone(), raw.len(), raw.len()).unwrap(), raw);
        for wrong in [0, 1, raw.len() - 1, raw.len() + 1, usize::MAX] {
            assert!(decompress(codec, stored.clone(), wrong, usize::MAX).is_err());
        }
        assert!(decompress(codec, stored, raw.len(), raw.len() - 1).is_err());
    }

    #[test]
    fn what_does_not_compress_is_stored_as_it_is() {
        let mut rng = fastrand::Rng::with_seed(3);
        let raw: Vec<u8> = (0..5000).map(|_| rng.u8(..)).collect();
        for bytes in [&raw[..], b"", b"x"] {
            assert_eq!(compress(bytes, Compression::Lz4).0, Codec::Raw);
            assert_eq!(compress(bytes, Compression::None).0, Codec::Raw);
        }
    }

    #[test]
    fn random_bytes_never_panic_the_decoder() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            let stored: Bytes = (0..rng.usize(0..64)).map(|_| rng.u8(..)).collect();
            let _ = decompress(Codec::Lz4, stored, rng.usize(0..5000), 4096);
        }
    }
}
