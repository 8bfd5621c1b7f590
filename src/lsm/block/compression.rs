//! Compression of blocks and of values in the value area: LZ4 or zstd, or nothing when it does not pay.
//!
//! Called by `frame` for blocks and by the segment writer and reader for values. The codec is stored beside
//! the bytes, so that a reader never guesses. LZ4's bytes are a bare LZ4 block, without frame or length; zstd's are one
//! frame. zstd is compiled from C and stands behind the feature of its name; a build without it refuses what needs it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::lsm::codec::ByteReader;
use crate::lsm::error::{Error, Result};

/// LZ4 cannot expand by more than this: one length byte stands for at most 255 bytes.
const LZ4_RATIO_MAX: usize = 255;
/// The level of zstd's own default: higher ones cost several times as much and save little.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

/// Whether a keyspace's blocks and values are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Stored as they are; values can be read in place.
    None,
    /// LZ4, where it saves at least an eighth.
    Lz4,
    /// zstd, where it saves at least an eighth: a quarter smaller than LZ4 on text, and four times as slow to read.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// The number by which a keyspace's options name it.
    pub(crate) fn number(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Lz4 => 1,
            #[cfg(feature = "zstd")]
            Compression::Zstd => ZSTD,
        }
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Compression> {
        match reader.u8()? {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Lz4),
            #[cfg(feature = "zstd")]
            ZSTD => Ok(Compression::Zstd),
            #[cfg(not(feature = "zstd"))]
            ZSTD => Err(Error::MissingFeature { feature: "zstd" }),
            other => Err(reader.error(format_args!("{other} is no known compression"))),
        }
    }
}

/// How one stretch of bytes is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Raw,
    Lz4,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The number of zstd, as a codec and as a keyspace's compression.
const ZSTD: u8 = 2;

impl Codec {
    pub(super) fn number(self) -> u8 {
        match self {
            Codec::Raw => 0,
            Codec::Lz4 => 1,
            #[cfg(feature = "zstd")]
            Codec::Zstd => ZSTD,
        }
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<Codec> {
        match reader.u8()? {
            0 => Ok(Codec::Raw),
            1 => Ok(Codec::Lz4),
            #[cfg(feature = "zstd")]
            ZSTD => Ok(Codec::Zstd),
            #[cfg(not(feature = "zstd"))]
            ZSTD => Err(Error::MissingFeature { feature: "zstd" }),
            other => Err(reader.error(format_args!("unknown codec {other}"))),
        }
    }
}

/// `raw` as it is to be stored: compressed when `compression` allows it and it saves an eighth.
pub(crate) fn compress(raw: &[u8], compression: Compression) -> (Codec, Cow<'_, [u8]>) {
    let (codec, packed) = match compression {
        Compression::None => return (Codec::Raw, Cow::Borrowed(raw)),
        Compression::Lz4 => (Codec::Lz4, lz4_flex::block::compress(raw)),
        #[cfg(feature = "zstd")]
        Compression::Zstd => match zstd::bulk::compress(raw, ZSTD_LEVEL) {
            Ok(packed) => (Codec::Zstd, packed),
            // Nothing but memory can fail here, and what is not compressed is right as well.
            Err(_) => return (Codec::Raw, Cow::Borrowed(raw)),
        },
    };
    if packed.len() + raw.len().div_ceil(8) <= raw.len() {
        return (codec, Cow::Owned(packed));
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
    let wrong = |what: String| Err(Error::corruption(what, 0));
    // No ratio bounds what zstd makes of a few bytes.
    let ratio_max = if codec == Codec::Lz4 { LZ4_RATIO_MAX } else { usize::MAX };
    if codec != Codec::Raw && raw_bytes > stored.len().saturating_mul(ratio_max).min(raw_bytes_max)
    {
        let stored = stored.len();
        return wrong(format!("{stored} stored bytes cannot hold {raw_bytes} compressed bytes"));
    }
    let unpacked = match codec {
        Codec::Raw => Ok(stored),
        Codec::Lz4 => {
            let mut raw = vec![0; raw_bytes];
            let found = lz4_flex::block::decompress_into(&stored, &mut raw);
            found.map_err(|error| error.to_string()).map(|found| {
                raw.truncate(found);
                Bytes::from(raw)
            })
        }
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            let unpacked = zstd::bulk::decompress(&stored, raw_bytes);
            unpacked.map_err(|error| error.to_string()).map(Bytes::from)
        }
    };
    match unpacked {
        Ok(raw) if raw.len() == raw_bytes => Ok(raw),
        Ok(raw) => wrong(format!("{raw_bytes} bytes expected, {} are stored", raw.len())),
        Err(error) => wrong(format!("compressed data is damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that compress in this build.
    const COMPRESSIONS: &[(Compression, Codec)] = &[
        (Compression::Lz4, Codec::Lz4),
        #[cfg(feature = "zstd")]
        (Compression::Zstd, Codec::Zstd),
    ];

    #[test]
    fn what_compresses_well_is_compressed_and_comes_back() {
        for &(compression, expected) in COMPRESSIONS {
            let raw = vec![7; 100_000];
            let (codec, stored) = compress(&raw, compression);
            assert_eq!(codec, expected);
            let stored = Bytes::copy_from_slice(&stored);
            assert_eq!(decompress(codec, stored.clone(), raw.len(), raw.len()).unwrap(), raw);
            for wrong in [0, 1, raw.len() - 1, raw.len() + 1] {
                assert!(decompress(codec, stored.clone(), wrong, 1 << 20).is_err());
            }
            assert!(decompress(codec, stored.clone(), usize::MAX, 1 << 20).is_err());
            assert!(decompress(codec, stored, raw.len(), raw.len() - 1).is_err());
        }
    }

    #[cfg(not(feature = "zstd"))]
    #[test]
    fn a_build_without_zstd_names_the_feature_that_it_lacks() {
        let codec = Codec::decode(&mut ByteReader::new("test", &[2])).unwrap_err();
        let compression = Compression::decode(&mut ByteReader::new("test", &[2])).unwrap_err();
        for error in [codec, compression] {
            assert!(matches!(error, Error::MissingFeature { feature: "zstd" }));
            assert!(error.to_string().contains("feature `zstd`"), "{error}");
        }
    }

    #[test]
    fn what_does_not_compress_is_stored_as_it_is() {
        let mut rng = fastrand::Rng::with_seed(3);
        let raw: Vec<u8> = (0..5000).map(|_| rng.u8(..)).collect();
        for bytes in [&raw[..], b"", b"x"] {
            for &(compression, _) in COMPRESSIONS {
                assert_eq!(compress(bytes, compression).0, Codec::Raw);
            }
            assert_eq!(compress(bytes, Compression::None).0, Codec::Raw);
        }
    }

    #[test]
    fn random_bytes_never_panic_the_decoder() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            let stored: Bytes = (0..rng.usize(0..64)).map(|_| rng.u8(..)).collect();
            let (_, codec) = COMPRESSIONS[rng.usize(0..COMPRESSIONS.len())];
            let _ = decompress(codec, stored, rng.usize(0..5000), 4096);
        }
    }
}
