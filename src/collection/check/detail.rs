//! What exactly is wrong with a window of documents in a text index.
//!
//! Called by `postings` for a window whose sums differ. The window's documents are taken in batches small enough for
//! memory; for each batch what its text says is gathered by term, and compared with the index, which is walked whole.
//! Cost: a walk over the index for each batch; only damaged databases pay it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::postings::WINDOW_BITS;
use super::{Dead, DeepReport, Life};
use crate::collection::error::Result;
use crate::collection::read::CollectionReader;
use crate::fts::{DocId, FieldId, Postings, TextEvent, TextReader, TextWalker};

/// Bytes of documents that are compared at a time.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// A field and a term.
type Term = (FieldId, Vec<u8>);

/// Positions by term and document.
type Expected = BTreeMap<Term, BTreeMap<u64, Vec<u32>>>;

/// A window of documents, and what is known of them.
pub(super) struct Window<'a> {
    pub(super) number: u64,
    pub(super) dead: &'a Dead,
    /// Documents that must not be in the index.
    pub(super) missing: &'a Range<DocId>,
}

/// Reports what differs between the documents of a window and the index.
pub(super) fn explain(
    name: &str,
    text: &TextReader<'_>,
    walker: &mut TextWalker,
    collection: &CollectionReader<'_>,
    window: &Window<'_>,
    report: &mut DeepReport,
) -> Result<()> {
    let Window { number, dead, missing } = window;
    let end = ((number + 1) << WINDOW_BITS).min(dead.next.number());
    let mut start = number << WINDOW_BITS;
    while start < end && !report.is_full() {
        let mut expected = Expected::new();
        let mut bytes = 0;
        let mut next = start;
        while next < end && bytes < BATCH_BYTES_MAX {
            let doc = DocId::new(next).ok_or(crate::fts::Error::DocIdsExhausted)?;
            if let Some(document) = collection.document(doc)?.filter(|_| !missing.contains(&doc)) {
                bytes += document.as_bytes().len();
                walker.walk(&document, &mut |event| {
                    let mut expect = |field, term: &str, positions: &[u32]| {
                        let key = (field, term.as_bytes().to_vec());
                        let places = expected.entry(key).or_default().entry(next).or_default();
                        places.extend_from_slice(positions);
                    };
                    match event {
                        TextEvent::Token { field, token, position } => {
                            expect(field, token.term, &[position]);
                        }
                        TextEvent::Pair { field, term, position } => {
                            expect(field, term, &[position]);
                        }
                        TextEvent::Path { term, start, end } => {
                            expect(FieldId::PATHS, term, &[start, end]);
                        }
                        TextEvent::Text { .. } | TextEvent::Length { .. } => {}
                    }
                    Ok(())
                })?;
            }
            next += 1;
        }
        compare(name, text, dead, start..next, expected, report)?;
        start = next;
    }
    Ok(())
}

/// What is still to be seen of a batch of documents while the index is walked.
struct Batch<'a> {
    name: &'a str,
    dead: &'a Dead,
    documents: Range<u64>,
    /// Postings that were not met yet.
    missing: Expected,
}

/// Reports what differs between `expected`, which the documents' text says, and the index.
fn compare(
    name: &str,
    text: &TextReader<'_>,
    dead: &Dead,
    documents: Range<u64>,
    expected: Expected,
    report: &mut DeepReport,
) -> Result<()> {
    let mut batch = Batch { name, dead, documents, missing: expected };
    text.each_entry(&mut |key, value| {
        let term = (key.field, key.term.to_vec());
        batch.check_postings(&term, key.chunk, value, report)
    })?;
    for ((field, term), docs) in batch.missing {
        let term = String::from_utf8_lossy(&term);
        for doc in docs.keys() {
            report.found(format_args!(
                "{name}: the term {term:?} of field {field} has no posting for document {doc}"
            ));
        }
    }
    Ok(())
}

impl Batch<'_> {
    /// The document's number when it is of this batch and alive.
    fn document(&self, chunk: u32, offset: u16) -> Option<u64> {
        let doc = DocId::from_parts(chunk, offset);
        let ours = self.documents.contains(&doc.number()) && self.dead.life(doc) == Life::Live;
        ours.then_some(doc.number())
    }

    fn check_postings(
        &mut self,
        term: &Term,
        chunk: u32,
        value: &[u8],
        report: &mut DeepReport,
    ) -> Result<()> {
        let (name, field, shown) = (self.name, term.0, String::from_utf8_lossy(&term.1));
        Postings::parse(value)?.each(&mut |offset, places| {
            let Some(doc) = self.document(chunk, offset) else { return Ok(()) };
            let right = self.missing.get_mut(term).and_then(|docs| docs.remove(&doc));
            let wrong = match right {
                None => format!("a posting for document {doc}, whose text does not hold it"),
                Some(right) if right != places => {
                    format!("other positions in document {doc} than its text")
                }
                Some(_) => return Ok(()),
            };
            report.found(format_args!("{name}: the term {shown:?} of field {field} has {wrong}"));
            Ok(())
        })?;
        Ok(())
    }
}
