//! [`XChaChaCipher`]: XChaCha20-Poly1305, from the RustCrypto project. Behind the feature `encryption`.
//!
//! Each piece gets a nonce of 24 random bytes, stored behind it with the tag of 16: places of the file are written more than once
//! (the torn end of a log, a root's slot, a page that was freed), so nothing that can be computed would be unique. With
//! 192 random bits no one ever draws a pair.

use std::fmt;
use std::io;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::BlockCipher;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Encrypts with XChaCha20-Poly1305. The key is wiped from memory when the cipher is dropped, and never printed.
///
/// ```
/// use std::sync::Arc;
///
/// use alluvium::lsm::{Error, Options, Store, XChaChaCipher};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("secret.alv");
/// let with_key = |key| Options {
///     cipher: Some(Arc::new(XChaChaCipher::from_key([key; 32]))),
///     ..Options::default()
/// };
/// Store::open_file(&path, with_key(1))?.close()?;
/// assert!(matches!(Store::open_file(&path, with_key(2)), Err(Error::WrongKey { .. })));
/// Store::open_file(&path, with_key(1))?.close()?;
/// # Ok::<(), Error>(())
/// ```
pub struct XChaChaCipher {
    aead: XChaCha20Poly1305,
}

impl XChaChaCipher {
    /// The cipher with this key: 32 bytes that nobody can guess, not a password.
    pub fn from_key(key: [u8; 32]) -> Self {
        let key = Zeroizing::new(key);
        XChaChaCipher { aead: XChaCha20Poly1305::new((&*key).into()) }
    }
}

impl fmt::Debug for XChaChaCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XChaChaCipher").finish_non_exhaustive()
    }
}

impl BlockCipher for XChaChaCipher {
    fn name(&self) -> &'static str {
        "XChaCha20-Poly1305"
    }

    fn reserved_bytes(&self) -> usize {
        NONCE_BYTES + TAG_BYTES
    }

    fn new_salt(&self) -> io::Result<[u8; 16]> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(salt)
    }

    fn seal(&self, context: &[u8], piece: &mut [u8], reserved: &mut [u8]) -> io::Result<()> {
        let mut nonce = XNonce::default();
        getrandom::fill(&mut nonce)?;
        let tag = self
            .aead
            .encrypt_inout_detached(&nonce, context, piece.into())
            .map_err(|_| io::Error::other("a piece is too long for the cipher"))?;
        let (nonce_place, tag_place) = reserved.split_at_mut(NONCE_BYTES);
        nonce_place.copy_from_slice(&nonce);
        tag_place.copy_from_slice(&tag);
        Ok(())
    }

    fn open(&self, context: &[u8], piece: &mut [u8], reserved: &[u8]) -> bool {
        let Some((nonce, tag)) = reserved.split_at_checked(NONCE_BYTES) else { return false };
        let (Ok(nonce), Ok(tag)) = (XNonce::try_from(nonce), Tag::try_from(tag)) else {
            return false;
        };
        self.aead.decrypt_inout_detached(&nonce, context, piece.into(), &tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of draft-irtf-cfrg-xchacha-03, section A.3.1, with its nonce, associated data, text and tag.
    #[test]
    fn a_published_vector_opens() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
                .collect()
        };
        let key = bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let context = bytes("50515253c0c1c2c3c4c5c6c7");
        let mut piece = bytes(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52e"
        ));
        let reserved = bytes(concat!(
            "404142434445464748494a4b4c4d4e4f5051525354555657",
            "c0875924c1c7987947deafd8780acf49"
        ));
        let cipher = XChaChaCipher::from_key(key.try_into().unwrap());
        assert!(cipher.open(&context, &mut piece, &reserved));
        assert!(piece.starts_with(b"Ladies and Gentlemen of the class of '99"));
    }

    #[test]
    fn every_seal_has_a_nonce_of_its_own_and_every_flipped_bit_is_refused() {
        let cipher = XChaChaCipher::from_key([9; 32]);
        let seal = || {
            let (mut piece, mut reserved) = (b"gold".to_vec(), [0; 40]);
            cipher.seal(b"context", &mut piece, &mut reserved).unwrap();
            (piece, reserved)
        };
        let (piece, reserved) = seal();
        assert_ne!(seal().1, reserved);
        let open = |context: &[u8], piece: &[u8], reserved: &[u8]| {
            let mut piece = piece.to_vec();
            cipher.open(context, &mut piece, reserved).then_some(piece)
        };
        assert_eq!(open(b"context", &piece, &reserved).unwrap(), b"gold");
        assert!(open(b"contexT", &piece, &reserved).is_none());
        assert!(open(b"context", &piece, &reserved[1..]).is_none());
        for bit in 0..piece.len() * 8 {
            let mut changed = piece.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"context", &changed, &reserved).is_none());
        }
        for bit in 0..reserved.len() * 8 {
            let mut changed = reserved;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"context", &piece, &changed).is_none());
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", XChaChaCipher::from_key([7; 32])), "XChaChaCipher { .. }");
    }
}
