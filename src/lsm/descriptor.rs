//! The descriptor: the file's first page, which says what was decided for the whole file when it was created.
//!
//! `root` writes it, the last thing that a new file gets, and reads it before anything else. It makes the [`Sealer`] of the file, so a
//! wrong key is known before a byte behind the first page is used. The layout stands in `docs/format/root.md`.

use std::sync::Arc;

use super::cipher::{BlockCipher, NAME_BYTES_MAX, Owner, RESERVED_BYTES_MAX, SALT_BYTES, Sealer};
use super::codec::ByteReader;
use super::codec::checksum::checksum;
use super::error::{Error, Result};
use super::ids::PAGE_BYTES;
use super::options::Options;

/// Version of the whole file's format.
pub(crate) const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"ALLUVIUM";
pub(crate) const DESCRIPTOR_BYTES: usize = 160;
/// What the key check proves: everything before it.
const PROVED_BYTES: usize = 88;
/// Owner of the checksum; segments and log extents use small numbers.
pub(crate) const DESCRIPTOR_OWNER: u64 = u64::MAX;

/// What is fixed when a file is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    block_bytes: u32,
    restart_interval: u32,
    segment_bytes_target: u64,
    value_chunk_bytes: u32,
    /// Bytes that the cipher reserves behind each piece; 0 without one.
    reserved_bytes: u32,
    /// The cipher's name; empty without one.
    cipher: String,
    salt: [u8; SALT_BYTES],
}

impl Descriptor {
    /// The descriptor of a new file.
    pub(crate) fn new(options: &Options, sealer: &Sealer) -> Self {
        Descriptor {
            block_bytes: options.block_bytes,
            restart_interval: options.restart_interval,
            segment_bytes_target: options.segment_bytes_target,
            value_chunk_bytes: options.value_chunk_bytes.max(1),
            reserved_bytes: u32::try_from(sealer.reserved_bytes()).unwrap_or(u32::MAX),
            cipher: sealer.name().to_owned(),
            salt: sealer.salt(),
        }
    }

    /// Puts the sizes of the file in the place of those that the program asked for.
    pub(crate) fn fix(&self, options: Options) -> Options {
        Options {
            block_bytes: self.block_bytes,
            restart_interval: self.restart_interval,
            segment_bytes_target: self.segment_bytes_target,
            value_chunk_bytes: self.value_chunk_bytes,
            ..options
        }
    }

    /// The bytes of the descriptor; `sealer` is that of the file.
    pub(crate) fn encode(&self, sealer: &Sealer) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(DESCRIPTOR_BYTES);
        out.extend_from_slice(MAGIC);
        let page_bytes = u32::try_from(PAGE_BYTES).unwrap_or_default();
        for number in [FORMAT_VERSION, page_bytes, self.block_bytes, self.restart_interval] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.segment_bytes_target.to_le_bytes());
        out.extend_from_slice(&self.reserved_bytes.to_le_bytes());
        out.extend_from_slice(&self.value_chunk_bytes.to_le_bytes());
        let mut name = self.cipher.as_bytes().to_vec();
        name.resize(NAME_BYTES_MAX, 0);
        out.extend_from_slice(&name);
        out.extend_from_slice(&self.salt);
        let mut key_check = sealer.stamp(Owner::Descriptor, &out)?;
        key_check.resize(RESERVED_BYTES_MAX, 0);
        out.extend_from_slice(&key_check);
        let sum = checksum(DESCRIPTOR_OWNER, 0, &out);
        out.extend_from_slice(&sum.to_le_bytes());
        Ok(out)
    }

    /// Decodes the first page, and makes the sealer of the file with the program's `cipher`.
    ///
    /// # Errors
    /// [`Error::NotADatabase`], [`Error::NewerFormat`], corruption; [`Error::Encrypted`], [`Error::NotEncrypted`],
    /// [`Error::WrongKey`] when the cipher is not that of the file.
    pub(crate) fn decode(
        page: &[u8],
        cipher: Option<&Arc<dyn BlockCipher>>,
    ) -> Result<(Descriptor, Sealer)> {
        let mut reader = ByteReader::new("descriptor", page);
        if reader.take(MAGIC.len()).ok() != Some(MAGIC) {
            let start = String::from_utf8_lossy(page.get(..16.min(page.len())).unwrap_or_default());
            return Err(Error::NotADatabase { found: format!("it starts with {start:?}") });
        }
        let found = reader.u32()?;
        if found > FORMAT_VERSION {
            return Err(Error::NewerFormat { found, supported: FORMAT_VERSION });
        }
        let page_bytes = reader.u32()?;
        let (block_bytes, restart_interval) = (reader.u32()?, reader.u32()?);
        let segment_bytes_target = reader.u64()?;
        let reserved_bytes = reader.u32()?;
        let value_chunk_bytes = reader.u32()?;
        let name = reader.take(NAME_BYTES_MAX)?;
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(reader.take(SALT_BYTES)?);
        let key_check = reader.take(RESERVED_BYTES_MAX)?;
        let summed = page.get(..reader.offset()).unwrap_or_default();
        if reader.u64()? != checksum(DESCRIPTOR_OWNER, 0, summed) {
            return Err(reader.error("checksum mismatch"));
        }
        if found != FORMAT_VERSION || u64::from(page_bytes) != PAGE_BYTES {
            return Err(reader.error(format_args!(
                "format {found} with pages of {page_bytes} bytes, expected {FORMAT_VERSION} and \
                 {PAGE_BYTES}"
            )));
        }
        let name_len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let name = name.get(..name_len).unwrap_or_default();
        let name = std::str::from_utf8(name)
            .map_err(|_| reader.error("the cipher's name is not UTF-8"))?;
        let descriptor = Descriptor {
            block_bytes,
            restart_interval,
            segment_bytes_target,
            value_chunk_bytes,
            reserved_bytes,
            cipher: name.to_owned(),
            salt,
        };
        let proved = page.get(..PROVED_BYTES).unwrap_or_default();
        let sealer = descriptor.sealer(cipher, proved, key_check)?;
        Ok((descriptor, sealer))
    }

    /// The sealer, if `cipher` is the one with which `key_check` was made of `proved`.
    fn sealer(
        &self,
        cipher: Option<&Arc<dyn BlockCipher>>,
        proved: &[u8],
        key_check: &[u8],
    ) -> Result<Sealer> {
        let Some(cipher) = cipher else {
            return match &self.cipher {
                name if name.is_empty() => Ok(Sealer::NONE),
                name => Err(Error::Encrypted { cipher: name.clone() }),
            };
        };
        if self.cipher.is_empty() {
            return Err(Error::NotEncrypted);
        }
        let sealer = Sealer::new(Arc::clone(cipher), self.salt);
        let reserved_bytes = u32::try_from(sealer.reserved_bytes()).unwrap_or(u32::MAX);
        if sealer.name() != self.cipher || reserved_bytes != self.reserved_bytes {
            return Err(Error::Encrypted { cipher: self.cipher.clone() });
        }
        if !sealer.proves(Owner::Descriptor, proved, key_check) {
            return Err(Error::WrongKey { cipher: self.cipher.clone() });
        }
        Ok(sealer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::cipher::tests::ToyCipher;

    fn cipher(key: u64) -> Arc<dyn BlockCipher> {
        Arc::new(ToyCipher::new(key))
    }

    #[test]
    fn a_descriptor_comes_back_as_it_went_and_no_flipped_bit_passes() {
        let options = Options { block_bytes: 512, restart_interval: 3, ..Options::default() };
        for cipher in [None, Some(cipher(1))] {
            let sealer = Sealer::for_new_file(cipher.clone()).unwrap();
            let descriptor = Descriptor::new(&options, &sealer);
            let bytes = descriptor.encode(&sealer).unwrap();
            assert_eq!(bytes.len(), DESCRIPTOR_BYTES);
            let (found, sealer) = Descriptor::decode(&bytes, cipher.as_ref()).unwrap();
            assert_eq!(found, descriptor);
            assert_eq!(sealer.is_on(), cipher.is_some());
            let fixed = found.fix(Options::default());
            assert_eq!((fixed.block_bytes, fixed.restart_interval), (512, 3));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Descriptor::decode(&damaged, cipher.as_ref()).is_err(), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(Descriptor::decode(&bytes[..len], cipher.as_ref()).is_err());
            }
        }
    }

    #[test]
    fn only_the_cipher_and_the_key_of_the_file_are_accepted() {
        let decode = |created: Option<Arc<dyn BlockCipher>>,
                      opened: Option<Arc<dyn BlockCipher>>| {
            let sealer = Sealer::for_new_file(created).unwrap();
            let descriptor = Descriptor::new(&Options::default(), &sealer);
            Descriptor::decode(&descriptor.encode(&sealer).unwrap(), opened.as_ref()).map(drop)
        };
        assert!(matches!(decode(Some(cipher(1)), Some(cipher(2))), Err(Error::WrongKey { .. })));
        assert!(matches!(decode(None, Some(cipher(1))), Err(Error::NotEncrypted)));
        let refused = decode(Some(cipher(1)), None).unwrap_err();
        assert!(matches!(&refused, Error::Encrypted { cipher } if cipher == "toy"), "{refused}");
    }

    #[test]
    fn a_descriptor_forged_without_the_key_is_refused() {
        let sealer = Sealer::for_new_file(Some(cipher(1))).unwrap();
        let bytes = Descriptor::new(&Options::default(), &sealer).encode(&sealer).unwrap();
        let mut forged = bytes[..DESCRIPTOR_BYTES - 8].to_vec();
        forged[16] ^= 1;
        let sum = checksum(DESCRIPTOR_OWNER, 0, &forged);
        forged.extend_from_slice(&sum.to_le_bytes());
        let refused = Descriptor::decode(&forged, Some(&cipher(1)));
        assert!(matches!(refused, Err(Error::WrongKey { .. })));
    }

    #[test]
    fn the_format_page_states_the_size_of_the_code() {
        let page = include_str!("../../docs/format/root.md");
        assert!(page.contains(&format!("Total: {DESCRIPTOR_BYTES} bytes")));
    }
}
