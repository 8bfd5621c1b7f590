//! Restart-point blocks: a sorted stretch of entries that is read, checked and cached as a whole.
//!
//! Segments write them with [`BlockBuilder`] and [`seal`], and read them with [`open`], [`Block`] and
//! [`BlockCursor`]; leaf blocks and index blocks are the same code. A block does not know where it is kept,
//! and of values that stand outside of it (in the segment's value area) it knows only the reference.
//!
//! Cost of a seek: one binary search over 8-byte key heads, then at most one restart interval of entries
//! forward. The idea of restart points follows leveldb's table format; the key heads, the split of sealing
//! from building, and values by reference differ.
//!
//! Bytes that are not a block give [`Corruption`](crate::lsm::Corruption): nothing here panics on them, and
//! nothing allocates more than they hold or can decompress to.
#![doc = ""]
#![doc = include_str!("../../../docs/format/block.md")]

mod builder;
mod compression;
mod cursor;
mod entry;
mod frame;
mod parsed;
mod search;

#[cfg(test)]
mod tests;

pub(crate) use builder::BlockBuilder;
pub use compression::Compression;
pub(crate) use compression::{Codec, compress, decompress};
pub(crate) use cursor::{BlockCursor, BlockValue};
pub(crate) use entry::{ENTRY_KINDS, EXTERNAL_BYTES_MAX, EntryValue, VALUE_ALIGN_BYTES, ValueRef};
pub(crate) use frame::{TRAILER_BYTES, open, open_verified, reseal, seal};
pub(crate) use parsed::Block;
