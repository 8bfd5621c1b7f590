//! [`Record`]: what a source gives, one after the other. It owns all that it has, so that it can go to another thread.
//!
//! Every kind of source makes records through [`Record::new`]; whoever reads them decides what a [`Refusal`] means.

use std::fmt;
use std::sync::Arc;

use alluvium::bson::RawDocumentBuf;

use crate::place::{Mark, Place};

/// Most bytes of a record that a refusal keeps.
pub(crate) const ORIGINAL_BYTES_MAX: usize = 16 << 10;

/// One record of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stood.
    pub place: Place,
    /// The collection that a dump has it from.
    pub collection: Option<Arc<str>>,
    /// The document, or why there is none.
    pub document: Result<RawDocumentBuf, Refusal>,
    /// How far the source is read with it.
    pub mark: Mark,
}

impl Record {
    pub(crate) fn new(place: Place, mark: Mark, document: Result<RawDocumentBuf, Refusal>) -> Self {
        Record { place, collection: None, document, mark }
    }
}

/// Why a record is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with it.
    pub reason: String,
    /// The record as it stands in the source, if it is no larger than 16 KiB.
    pub original: Option<Vec<u8>>,
}

impl Refusal {
    /// A refusal of these bytes, which are kept if they are few.
    pub fn new(reason: impl fmt::Display, original: &[u8]) -> Self {
        let small = original.len() <= ORIGINAL_BYTES_MAX;
        Refusal { reason: reason.to_string(), original: small.then(|| original.to_vec()) }
    }

    /// A refusal of something that cannot be shown.
    pub fn without_original(reason: impl fmt::Display) -> Self {
        Refusal { reason: reason.to_string(), original: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
