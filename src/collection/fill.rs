//! Filling what is created on a collection that has documents: its text indexes, value indexes and columns.
//!
//! Those who create one bring what gathers its entries; here the living documents go through it. A cursor borrows the transaction, so
//! it is opened anew after each time that what has gathered is written. Cost: a pass over the documents, and memory for what gathers.

use super::catalog::Keyspaces;
use super::documents::Documents;
use super::error::Result;
use crate::bson::RawDocument;
use crate::columns::ColumnIndexer;
use crate::fts::{DocId, INVERTER_BYTES_MAX, TextIndexer};
use crate::lsm::Transaction;

/// What gathers entries of documents and writes them together.
pub(super) trait Gathers {
    fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()>;

    /// Bytes of memory that wait to be written.
    fn bytes(&self) -> usize;

    fn drain(&mut self, transaction: &mut Transaction) -> Result<()>;
}

/// Lets all living documents go through; no more than about `bytes_max` gather, and no more than an inverter may hold.
pub(super) fn fill(
    transaction: &mut Transaction,
    collection: &str,
    gathers: &mut dyn Gathers,
    bytes_max: usize,
) -> Result<()> {
    let keyspaces = Keyspaces::find(transaction, collection)?;
    let mut start = Some(DocId::MIN);
    while let Some(from) = start.take() {
        for document in Documents::from(transaction, &keyspaces, from)? {
            let (doc, document) = document?;
            gathers.add(doc, &document)?;
            if gathers.bytes() >= bytes_max.min(INVERTER_BYTES_MAX) {
                start = Some(doc.plus(1)?);
                break;
            }
        }
        gathers.drain(transaction)?;
    }
    Ok(())
}

impl Gathers for TextIndexer {
    fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        Ok(TextIndexer::add(self, doc, document)?)
    }

    fn bytes(&self) -> usize {
        TextIndexer::bytes(self)
    }

    fn drain(&mut self, transaction: &mut Transaction) -> Result<()> {
        Ok(TextIndexer::drain(self, transaction)?)
    }
}

impl Gathers for ColumnIndexer {
    fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        Ok(ColumnIndexer::add(self, doc, document)?)
    }

    fn bytes(&self) -> usize {
        ColumnIndexer::bytes(self)
    }

    fn drain(&mut self, transaction: &mut Transaction) -> Result<()> {
        Ok(ColumnIndexer::drain(self, transaction)?)
    }
}
