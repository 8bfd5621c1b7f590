//! Stubs: what stands in the place of documents in a collection that does not store them. A stub has the `_id`, and a checksum of the
//! document, by which that is known again when its text has to be subtracted.
//!
//! The writer makes them. Readers meet them wherever a stored document is read, which is then an error that says so, and take the
//! `_id` from them where that is all they want. Cost: the `_id` and 12 bytes a document.
//!
//! ```text
//! stub := 0: u32le   checksum: u64le (XXH3 of the document)   { _id: … }: BSON
//! ```
//! Invariant: a document begins with its length, which is never 0, so none is taken for a stub.

use xxhash_rust::xxh3::xxh3_64;

use super::error::{Error, Result};
use crate::bson::{RawBsonRef, RawDocument, rawdoc};
use crate::lsm;

/// What a stub begins with.
const MARK: [u8; 4] = [0; 4];

/// A stored stub.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stub<'a> {
    checksum: u64,
    /// A document of the `_id` alone.
    id: &'a RawDocument,
}

/// What is stored in the place of a document with this `_id`.
pub(super) fn encode_stub(document: &RawDocument, id: RawBsonRef<'_>) -> Vec<u8> {
    let id = rawdoc! { "_id": id };
    let mut stub = MARK.to_vec();
    stub.extend_from_slice(&xxh3_64(document.as_bytes()).to_le_bytes());
    stub.extend_from_slice(id.as_bytes());
    stub
}

impl<'a> Stub<'a> {
    /// Reads a stored value; `None` when it is a document.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Option<Self>> {
        let Some(rest) = bytes.strip_prefix(&MARK) else { return Ok(None) };
        let damaged = || lsm::Error::corruption("stub of a document that is not stored", 0);
        let (checksum, id) = rest.split_first_chunk().ok_or_else(damaged)?;
        let id = RawDocument::from_bytes(id).map_err(|_| damaged())?;
        Ok(Some(Stub { checksum: u64::from_le_bytes(*checksum), id }))
    }

    /// A document of the `_id` alone.
    pub(super) fn id(&self) -> &'a RawDocument {
        self.id
    }

    /// Refuses a document that is another one than it stands for.
    pub(super) fn expect_of(&self, document: &RawDocument) -> Result<()> {
        if self.checksum == xxh3_64(document.as_bytes()) {
            return Ok(());
        }
        Err(Error::OtherDocument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_knows_its_document() {
        let document = rawdoc! { "_id": "rhine", "text": "gold" };
        let bytes = encode_stub(&document, RawBsonRef::String("rhine"));
        let stub = Stub::read(&bytes).unwrap().unwrap();
        assert_eq!(stub.id().get_str("_id").unwrap(), "rhine");
        stub.expect_of(&document).unwrap();
        let other = rawdoc! { "_id": "rhine", "text": "Gold" };
        assert!(matches!(stub.expect_of(&other), Err(Error::OtherDocument)));
        assert!(Stub::read(document.as_bytes()).unwrap().is_none());
        for end in 4..17 {
            assert!(Stub::read(&bytes[..end]).is_err_and(|error| error.is_corruption()), "{end}");
        }
    }
}
