//! Encryption at rest: the trait that a cipher implements, and the one pair of functions through which every piece of
//! the file that holds users' bytes goes.
//!
//! A program passes a [`BlockCipher`] in [`Options`](super::Options); descriptor and recovery make a [`Sealer`] of it, which
//! segment writer and reader, log and checkpoints share. Without a cipher the sealer does nothing.
//!
//! Invariants: no byte of a key or a value reaches the device outside of a sealed piece; no byte of a sealed piece is used
//! before its cipher has accepted it; a piece is accepted only in the file, the structure and the place that it was sealed for.
//! The checksums stay beside the cipher: they tell damage from forgery, and a torn end of the log from a lie, without the key.
//!
//! Cost: the cipher's own, once when a piece is written and once when it is read from the device; what is in the block
//! cache is plain. Nothing is read in place.
#![doc = ""]
#![doc = include_str!("../../../docs/format/cipher.md")]

#[cfg(feature = "encryption")]
mod chacha;
mod sealer;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::io;

#[cfg(feature = "encryption")]
pub use chacha::XChaChaCipher;
pub(crate) use sealer::{Owner, SALT_BYTES, Sealer};

/// The most bytes that a cipher may ask for behind each piece.
pub(crate) const RESERVED_BYTES_MAX: usize = 64;
/// The longest name of a cipher, in bytes of UTF-8.
pub(crate) const NAME_BYTES_MAX: usize = 32;

/// Encrypts and authenticates what a store writes, piece by piece: a block, a value, a log record.
///
/// A piece is encrypted in place, so it keeps its length; nonce and tag go into bytes that are reserved behind it. The
/// `context` says which file, structure and place the piece belongs to: it must be authenticated with the piece (as *associated
/// data*), so that no piece can stand in for another. Places are written more than once, so a nonce must never be
/// made of the context alone.
///
/// ```
/// use alluvium::lsm::BlockCipher;
///
/// /// Shows the calls and protects nothing.
/// #[derive(Debug)]
/// struct Plain;
///
/// impl BlockCipher for Plain {
///     fn name(&self) -> &str {
///         "plain"
///     }
///     fn reserved_bytes(&self) -> usize {
///         8
///     }
///     fn new_salt(&self) -> std::io::Result<[u8; 16]> {
///         Ok([7; 16])
///     }
///     fn seal(&self, context: &[u8], piece: &mut [u8], reserved: &mut [u8]) -> std::io::Result<()> {
///         let sum: u64 = context.iter().chain(&*piece).map(|&byte| u64::from(byte)).sum();
///         reserved.copy_from_slice(&sum.to_le_bytes());
///         Ok(())
///     }
///     fn open(&self, context: &[u8], piece: &mut [u8], reserved: &[u8]) -> bool {
///         let sum: u64 = context.iter().chain(&*piece).map(|&byte| u64::from(byte)).sum();
///         reserved == sum.to_le_bytes()
///     }
/// }
/// ```
pub trait BlockCipher: fmt::Debug + Send + Sync {
    /// Names algorithm and layout, in at most 32 bytes; recorded in the file, and compared when it is opened.
    fn name(&self) -> &str;

    /// Bytes that are reserved behind each piece, 1 to 64.
    fn reserved_bytes(&self) -> usize;

    /// Random bytes by which a new file differs from every other one of the same key.
    ///
    /// # Errors
    /// When there is no randomness; the file is not created.
    fn new_salt(&self) -> io::Result<[u8; 16]>;

    /// Encrypts `piece` in place and fills `reserved`. A piece may be empty: then there is only `context` to prove.
    ///
    /// # Errors
    /// When there is no randomness for a nonce; the write that asked fails.
    fn seal(&self, context: &[u8], piece: &mut [u8], reserved: &mut [u8]) -> io::Result<()>;

    /// Decrypts `piece` in place, and tells whether it is what was sealed with this key and this context. The bytes of a
    /// piece that is refused are not used.
    #[must_use]
    fn open(&self, context: &[u8], piece: &mut [u8], reserved: &[u8]) -> bool;
}
