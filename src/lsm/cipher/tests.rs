//! A cipher for tests: it hides and proves as a real one does, deterministically, and protects nothing.
//!
//! With it the tests of the default build go through every path of encryption.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::BlockCipher;

/// Xors with a stream that key and nonce seed, and reserves 8 bytes for the nonce and 8 for a checksum.
#[derive(Debug)]
pub(crate) struct ToyCipher {
    key: u64,
    next_nonce: AtomicU64,
    /// Pieces opened so far, refused ones included.
    pub(crate) opened: AtomicU64,
}

impl ToyCipher {
    pub(crate) fn new(key: u64) -> Self {
        ToyCipher { key, next_nonce: AtomicU64::new(key ^ 0x5EED), opened: AtomicU64::new(0) }
    }

    fn apply(&self, nonce: u64, piece: &mut [u8]) {
        let mut stream = fastrand::Rng::with_seed(self.key ^ nonce.rotate_left(32));
        for byte in piece {
            *byte ^= stream.u8(..);
        }
    }

    fn tag(&self, nonce: u64, context: &[u8], piece: &[u8]) -> u64 {
        let seed = self.key.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ nonce;
        xxh3_64_with_seed(piece, xxh3_64_with_seed(context, seed))
    }
}

impl BlockCipher for ToyCipher {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn reserved_bytes(&self) -> usize {
        16
    }

    fn new_salt(&self) -> io::Result<[u8; 16]> {
        Ok([self.next_nonce.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0]; 16])
    }

    fn seal(&self, context: &[u8], piece: &mut [u8], reserved: &mut [u8]) -> io::Result<()> {
        let nonce = self.next_nonce.fetch_add(1, Ordering::Relaxed);
        self.apply(nonce, piece);
        reserved[..8].copy_from_slice(&nonce.to_le_bytes());
        reserved[8..].copy_from_slice(&self.tag(nonce, context, piece).to_le_bytes());
        Ok(())
    }

    fn open(&self, context: &[u8], piece: &mut [u8], reserved: &[u8]) -> bool {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (nonce, tag) = reserved.split_at(8);
        let nonce = u64::from_le_bytes(nonce.try_into().unwrap());
        let accepted = tag == self.tag(nonce, context, piece).to_le_bytes();
        self.apply(nonce, piece);
        accepted
    }
}
