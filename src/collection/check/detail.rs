//! What exactly is wrong with a window of documents in a text index.
//!
//! Called by `postings` for a window whose sums differ. The window's documents are taken in batches small enough for
//! memory; for each batch what its text says is gathered by term, and compared with the index, which is walked whole.
//! Cost: a walk over the index for each batch; only damaged databases pay it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::postings::WINDOW_BITS;
use super::{Dead, DeepReport, Life};
use crate::collection::error::{Error, Result};
use crate::collection::read::CollectionReader;
use crate::fts::{
    DocId, FieldId, Positions, Postings, TextEvent, TextKind, TextReader, TextWalker,
};

/// Bytes of documents that are compared at a time.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Positions by field, term and document.
type Expected = BTreeMap<(FieldId, Vec<u8>), BTreeMap<u64, Vec<u32>>>;

/// Reports what differs between the documents of a window and the index.
pub(super) fn explain(
    name: &str,
    text: &TextReader<'_>,
    walker: &mut TextWalker,
    collection: &CollectionReader<'_>,
    dead: &Dead,
    window: u64,
    report: &mut DeepReport,
) -> Result<()> {
    let end = ((window + 1) << WINDOW_BITS).min(dead.next.number());
    let mut start = window << WINDOW_BITS;
    while start < end && !report.is_full() {
        let mut expected = Expected::new();
        let mut bytes = 0;
        let mut next = start;
        while next < end && bytes < BATCH_BYTES_MAX {
            let doc = DocId::new(next).ok_or(crate::fts::Error::DocIdsExhausted)?;
            if let Some(document) = collection.document(doc)? {
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

/// Takes out of `expected` what the index has; what is left, or was not there, is reported.
fn compare(
    name: &str,
    text: &TextReader<'_>,
    dead: &Dead,
    documents: Range<u64>,
    mut expected: Expected,
    report: &mut DeepReport,
) -> Result<()> {
    // Terms and documents whose postings were right, with the positions that are still to be seen.
    let mut places: Expected = Expected::new();
    let mut buffer = Vec::new();
    let checked = |chunk, offset| {
        let doc = DocId::from_parts(chunk, offset);
        let ours = documents.contains(&doc.number()) && dead.life(doc) == Life::Live;
        ours.then_some(doc.number())
    };
    text.each_entry(&mut |key, value| {
        let term = (key.field, key.term.to_vec());
        let shown = String::from_utf8_lossy(&key.term);
        let field = key.field;
        match key.kind {
            TextKind::Postings(chunk) => {
                for posting in &Postings::parse(value)? {
                    let (offset, frequency) = posting?;
                    let Some(doc) = checked(chunk, offset) else { continue };
                    let found = expected.get_mut(&term).and_then(|docs| docs.remove(&doc));
                    match found {
                        None => report.found(format_args!(
                            "{name}: the term {shown:?} of field {field} has a posting for \
                             document {doc}, whose text does not hold it"
                        )),
                        Some(right) => {
                            if right.len() as u64 != u64::from(frequency) {
                                report.found(format_args!(
                                    "{name}: the term {shown:?} of field {field} has the frequency \
                                     {frequency} in document {doc}, it is {}",
                                    right.len()
                                ));
                            }
                            places.entry(term.clone()).or_default().insert(doc, right);
                        }
                    }
                }
            }
            TextKind::Positions(chunk) => {
                let mut cursor = Positions::parse(value)?.cursor();
                while let Some(offset) = cursor.advance()? {
                    let Some(doc) = checked(chunk, offset) else { continue };
                    cursor.positions(&mut buffer)?;
                    let right = places.get_mut(&term).and_then(|docs| docs.remove(&doc));
                    if right.as_ref() != Some(&buffer) {
                        report.found(format_args!(
                            "{name}: the term {shown:?} of field {field} has other positions in \
                             document {doc} than its text"
                        ));
                    }
                }
            }
            TextKind::Header => {}
        }
        Ok::<(), Error>(())
    })?;
    for (what, missing) in [("posting", expected), ("positions", places)] {
        for ((field, term), docs) in missing {
            let term = String::from_utf8_lossy(&term);
            for doc in docs.keys() {
                report.found(format_args!(
                    "{name}: the term {term:?} of field {field} has no {what} for document {doc}"
                ));
            }
        }
    }
    Ok(())
}
