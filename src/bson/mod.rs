//! Documents: the raw BSON types of the `bson` crate, and the few things a search engine needs on
//! top of them.
//!
//! Everything above this layer imports BSON through this face, so that one version of the `bson`
//! crate is in play; everything here works on raw documents ([`RawDocument`]) without building
//! owned trees. The layer imports nothing else of this crate.
//!
//! | part | answers |
//! |---|---|
//! | [`validate`] | are these bytes a whole document, and no deeper than allowed? |
//! | [`Path`] | which values lie under `author.name`? |
//! | [`compare`] | which of two values comes first, whatever their types? |
//! | [`sort_key`] | the same order as bytes, for keys of a keyspace |
//! | [`each_string`] | which strings does this document hold, and where? |
//! | [`Projection`] | which fields of this document are wanted? |
//! | [`json`] | extended JSON in and out |
//! | [`KeyShape`] | under which keys does a value index hold this document? |
//! | [`Filter`] | is this document one of those wanted, and in which ranges of keys do those lie? |
//!
//! Invariants
//! * Bytes that [`validate`] accepted never make a later walk fail, whatever the part.
//! * Bytes that it has not seen give an error or end the walk early; nothing panics, and no
//!   recursion goes deeper than [`NESTING_MAX`].
//! * `sort_key(a) < sort_key(b)` exactly when `compare(a, b)` is `Less`, and the same for equal.
//!
//! Order of the files (each imports only what stands before it): `error validate path projection compare
//! sort_key text json route index_key filter`; `samples` makes random values for the tests of all of them.

mod compare;
mod error;
pub mod filter;
mod index_key;
pub mod json;
mod path;
mod projection;
mod route;
#[cfg(test)]
mod samples;
mod sort_key;
mod text;
mod validate;

pub use bson::oid::ObjectId;
pub use bson::raw::{CStr, CString};
pub use bson::spec::{BinarySubtype, ElementType};
pub use bson::{
    Binary, Bson, DateTime, Decimal128, Document, RawArray, RawArrayBuf, RawBson, RawBsonRef,
    RawDocument, RawDocumentBuf, Regex, Timestamp, bson, deserialize_from_slice, doc, rawbson,
    rawdoc, serialize_to_raw_document_buf,
};

pub use compare::compare;
pub use error::{Error, Result};
pub use filter::{Filter, KeyRange, KeyRanges};
pub use index_key::{Direction, IndexKeys, KeyField, KeyShape};
pub use json::{parse_json, to_json};
pub use path::Path;
pub use projection::Projection;
pub use sort_key::sort_key;
pub use text::each_string;
pub use validate::{DOCUMENT_BYTES_MAX, NESTING_MAX, validate};
