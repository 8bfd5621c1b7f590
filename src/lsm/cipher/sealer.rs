//! [`Sealer`]: what seals and opens the pieces of one file, with its cipher or without any.
//!
//! Whoever writes users' bytes appends them to a buffer, calls [`Sealer::seal`], and goes on with the checksum; whoever reads them
//! compares the checksum and calls [`Sealer::open`]. Both name the owner of the piece and its offset there.

use std::sync::Arc;

use bytes::Bytes;

use super::{BlockCipher, NAME_BYTES_MAX, RESERVED_BYTES_MAX};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Bytes of the salt by which files of one key differ.
pub(crate) const SALT_BYTES: usize = 16;

/// The structure that a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The first page.
    Descriptor,
    Root,
    /// By the generation of the root that names it.
    Manifest(u64),
    /// By the sequence number of the log's extent.
    Log(u64),
    Segment(SegmentId),
}

/// Seals and opens the pieces of one file.
#[derive(Debug, Clone)]
pub(crate) struct Sealer {
    cipher: Option<Arc<dyn BlockCipher>>,
    salt: [u8; SALT_BYTES],
}

impl Sealer {
    /// The sealer of a file without a cipher: pieces stay as they are.
    pub(crate) const NONE: Sealer = Sealer { cipher: None, salt: [0; SALT_BYTES] };

    /// The sealer of the file with this salt.
    pub(crate) fn new(cipher: Arc<dyn BlockCipher>, salt: [u8; SALT_BYTES]) -> Self {
        Sealer { cipher: Some(cipher), salt }
    }

    /// The sealer of a new file.
    pub(crate) fn for_new_file(cipher: Option<Arc<dyn BlockCipher>>) -> Result<Self> {
        let Some(cipher) = cipher else { return Ok(Sealer::NONE) };
        let (name_len, reserved) = (cipher.name().len(), cipher.reserved_bytes());
        assert!(
            (1..=NAME_BYTES_MAX).contains(&name_len)
                && (1..=RESERVED_BYTES_MAX).contains(&reserved),
            "a cipher has a name of 1 to {NAME_BYTES_MAX} bytes and reserves 1 to {RESERVED_BYTES_MAX}"
        );
        let salt = cipher.new_salt().map_err(|source| Error::io("drawing a salt", source))?;
        Ok(Sealer::new(cipher, salt))
    }

    /// Whether there is a cipher.
    pub(crate) fn is_on(&self) -> bool {
        self.cipher.is_some()
    }

    /// The cipher's name; empty without one.
    pub(crate) fn name(&self) -> &str {
        self.cipher.as_ref().map_or("", |cipher| cipher.name())
    }

    pub(crate) fn salt(&self) -> [u8; SALT_BYTES] {
        self.salt
    }

    /// Bytes by which a sealed piece is longer.
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.cipher.as_ref().map_or(0, |cipher| cipher.reserved_bytes())
    }

    /// Seals `out[start..]`, which is to stand `offset` bytes into `owner`, and appends the reserved bytes. What is `clear` stays
    /// readable elsewhere, and is proved with the piece.
    pub(crate) fn seal(
        &self,
        owner: Owner,
        offset: u64,
        clear: &[u8],
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(cipher) = &self.cipher else { return Ok(()) };
        let plain_bytes = out.len() - start;
        out.resize(out.len() + cipher.reserved_bytes(), 0);
        let (piece, reserved) = out[start..].split_at_mut(plain_bytes);
        cipher
            .seal(&self.context(owner, offset, clear), piece, reserved)
            .map_err(|source| Error::io(format!("encrypting {plain_bytes} bytes"), source))
    }

    /// The plain bytes of a piece that was read `offset` bytes into `owner`.
    ///
    /// # Errors
    /// Corruption when the cipher does not accept the piece in this place.
    pub(crate) fn open(
        &self,
        owner: Owner,
        offset: u64,
        clear: &[u8],
        sealed: Bytes,
    ) -> Result<Bytes> {
        let Some(cipher) = &self.cipher else { return Ok(sealed) };
        let mut bytes = Vec::from(sealed);
        let plain_bytes = bytes.len().checked_sub(cipher.reserved_bytes());
        let context = self.context(owner, offset, clear);
        let accepted = plain_bytes.filter(|&plain_bytes| {
            let (piece, reserved) = bytes.split_at_mut(plain_bytes);
            cipher.open(&context, piece, reserved)
        });
        let Some(plain_bytes) = accepted else {
            let what = format!(
                "the cipher does not accept a piece of {owner:?}: it was changed, or moved"
            );
            return Err(Error::corruption(what, offset));
        };
        bytes.truncate(plain_bytes);
        Ok(Bytes::from(bytes))
    }

    /// Bytes that prove that `clear`, which holds nothing of users, belongs to `owner`; none without a cipher.
    pub(crate) fn stamp(&self, owner: Owner, clear: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.seal(owner, 0, clear, 0, &mut out)?;
        Ok(out)
    }

    /// Whether `stamp`, perhaps followed by more, is that of `clear`.
    pub(crate) fn proves(&self, owner: Owner, clear: &[u8], stamp: &[u8]) -> bool {
        let stamp = stamp.get(..self.reserved_bytes()).unwrap_or_default();
        self.open(owner, 0, clear, Bytes::copy_from_slice(stamp)).is_ok()
    }

    /// What a piece is proved with: its file, its owner, its place, and what is clear.
    fn context(&self, owner: Owner, offset: u64, clear: &[u8]) -> Vec<u8> {
        let (kind, number) = match owner {
            Owner::Descriptor => (0, 0),
            Owner::Root => (1, 0),
            Owner::Manifest(generation) => (2, generation),
            Owner::Log(sequence) => (3, sequence),
            Owner::Segment(id) => (4, id.0),
        };
        let mut context = Vec::with_capacity(SALT_BYTES + 17 + clear.len());
        context.extend_from_slice(&self.salt);
        context.push(kind);
        context.extend_from_slice(&u64::to_le_bytes(number));
        context.extend_from_slice(&offset.to_le_bytes());
        context.extend_from_slice(clear);
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::cipher::tests::ToyCipher;

    fn sealer(key: u64, salt: u8) -> Sealer {
        Sealer::new(Arc::new(ToyCipher::new(key)), [salt; SALT_BYTES])
    }

    #[test]
    fn a_piece_opens_only_with_its_key_in_its_file_and_place() {
        let mut out = b"before".to_vec();
        out.extend_from_slice(b"the piece");
        let (owner, clear) = (Owner::Segment(SegmentId(7)), &b"clear"[..]);
        sealer(1, 2).seal(owner, 64, clear, 6, &mut out).unwrap();
        assert!(out.starts_with(b"before") && !out.windows(5).any(|bytes| bytes == b"piece"));
        let piece = Bytes::from(out).slice(6..);
        let open = |sealer: Sealer, owner, offset, clear: &[u8], piece: &Bytes| {
            sealer.open(owner, offset, clear, piece.clone())
        };
        assert_eq!(open(sealer(1, 2), owner, 64, clear, &piece).unwrap(), &b"the piece"[..]);
        for (sealer, owner, offset, clear) in [
            (sealer(3, 2), owner, 64, clear),
            (sealer(1, 3), owner, 64, clear),
            (sealer(1, 2), Owner::Segment(SegmentId(8)), 64, clear),
            (sealer(1, 2), Owner::Log(7), 64, clear),
            (sealer(1, 2), Owner::Manifest(7), 64, clear),
            (sealer(1, 2), owner, 128, clear),
            (sealer(1, 2), owner, 64, b"clean"),
        ] {
            assert!(open(sealer, owner, offset, clear, &piece).unwrap_err().is_corruption());
        }
        for bit in 0..piece.len() * 8 {
            let mut changed = piece.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(sealer(1, 2), owner, 64, clear, &changed.into()).is_err());
        }
        for len in 0..piece.len() {
            assert!(open(sealer(1, 2), owner, 64, clear, &piece.slice(..len)).is_err());
        }
    }

    #[test]
    fn without_a_cipher_a_piece_stays_as_it_is() {
        let mut out = b"piece".to_vec();
        Sealer::NONE.seal(Owner::Root, 0, b"", 0, &mut out).unwrap();
        assert_eq!(out, b"piece");
        assert_eq!(Sealer::NONE.open(Owner::Root, 0, b"", out.clone().into()).unwrap(), out);
        assert!(Sealer::NONE.stamp(Owner::Root, b"x").unwrap().is_empty());
        assert!(Sealer::NONE.proves(Owner::Root, b"x", b""));
    }
}
