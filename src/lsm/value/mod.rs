//! Value segments: where values stand that are too large to be rewritten with their keys.
//!
//! A transaction writes such a value to the file at once ([`ValueWriter`]); its entry holds a [`Reference`], which moves
//! through logs, fresh runs and segments like any small value. Whoever wants the value finds the segment by its number
//! ([`ValueLookup`]) and reads it whole or as a stream ([`ValueReader`]).
//!
//! **How much of a value segment is alive is derived, never stored**: every segment of keys says in its summary how many
//! pages of which value segments it refers to, and `manifest` adds that up. What nothing refers to any more leaves the
//! version with the edit that took the last reference away; what is mostly dead is *cleaned*: copied without its dead
//! values (`relocation`), and since references name pages as they were written ([`Kept`]) none of them changes.
//!
//! Invariants: a value segment belongs to one keyspace; references to it are made by one commit and never copied into a
//! second entry; its bytes are durable before a log record names it.
#![doc = ""]
#![doc = include_str!("../../../docs/format/value-segment.md")]

mod copy;
mod kept;
mod lookup;
mod reader;
mod reference;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use copy::copy_alive;
pub(crate) use kept::Kept;
pub(crate) use lookup::{HeldValues, ValueLookup, ValueMap};
pub use reader::ValueReader;
pub(crate) use reference::Reference;
pub(crate) use segment::{PlacedValues, VALUE_MAGIC, ValueHeader, ValueHome, ValueSegment};
pub(crate) use writer::{append_value, stream_value};

/// What stands in front of each value, so that one can be found without anything that refers to it.
pub(crate) const VALUE_HEADER_BYTES: usize = 48;
