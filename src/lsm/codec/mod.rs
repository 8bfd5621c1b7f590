//! How numbers and byte strings stand in the file, and the one checked way to read them back.
//!
//! Everything that the storage core or a layer above writes is built with the `put_*` functions and
//! read with [`ByteReader`]. Integers are little endian or LEB128 varints; checksums are XXH3-64.

pub(crate) mod checksum;
mod reader;
mod varint;

pub use reader::ByteReader;
pub use varint::{put_signed_varint, put_varint};
