//! From the records of a source to documents in collections, in batches that are transactions.
//!
//! `import` feeds it anything that `alluvium-sources` reads, `demo` the bundled corpus. A batch ends at a number of documents
//! or of bytes, whichever comes first, and is committed with `Durability::Sync` before the next one starts: one device sync for
//! thousands of documents costs nothing that can be measured, and whatever ends the process, the file holds whole batches from
//! the start of the source.
//!
//! A record that cannot become a document, and a document that cannot be stored (an `_id` that is there already), are named with
//! their place. [`OnError::Stop`] then rolls its batch back and ends; [`OnError::Skip`] leaves out the record, and
//! [`OnError::Rejects`] also writes it to a file. A source that cannot be read on ends the import with an error; where records
//! are left out, what was read before it is kept.
//!
//! Memory: one record and one batch; the budget of the database bounds the rest.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alluvium::bson::{RawDocument, RawDocumentBuf};
use alluvium::{Database, Transaction};
use alluvium_sources::{Meter, Place, Record, Refusal, Rejects, Shape, Source};

use crate::args::OnError;
use crate::database::blames_document;
use crate::error::{At, Error, Result};
use crate::progress::{Done, Progress};

/// Bytes in one batch, as a part of the memory budget: the transaction holds documents and postings,
/// while the store still folds what earlier batches left.
const BATCHES_PER_MEMORY: u64 = 16;
/// No batch has to be smaller than this, however small the budget.
const BATCH_BYTES_MIN: u64 = 64 << 10;
/// Larger batches gain nothing.
const BATCH_BYTES_MAX: u64 = 32 << 20;

/// Where documents go and how.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    pub(crate) db: &'a Database,
    /// What errors call the database.
    pub(crate) path: &'a Path,
    /// The collection of all records; without it, those of a dump go to the ones that they are from.
    pub(crate) collection: Option<&'a str>,
    /// What becomes of documents before they are stored.
    pub(crate) shape: Shape,
    /// Whether documents replace those of the same `_id`.
    pub(crate) replaces: bool,
    pub(crate) on_error: &'a OnError,
    pub(crate) batch_documents: u64,
    pub(crate) batch_bytes: u64,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Documents committed.
    pub(crate) documents: u64,
    /// Records left out.
    pub(crate) skipped: u64,
    /// Bytes of the source that were read, after unpacking.
    pub(crate) bytes: u64,
}

/// Bytes of documents in a batch under a memory budget.
pub(crate) fn batch_bytes(memory_bytes: u64) -> u64 {
    (memory_bytes / BATCHES_PER_MEMORY).clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX)
}

impl Import<'_> {
    /// Imports everything that `source` gives.
    pub(crate) fn fill(&self, source: Source, progress: &mut Progress) -> Result<Tally> {
        let meter = source.meter();
        let rejects = match self.on_error {
            OnError::Rejects(path) => Some((path.clone(), Rejects::open(path).at(path)?)),
            OnError::Stop | OnError::Skip => None,
        };
        let tally = Tally::default();
        let lost = None;
        let mut pass = Pass { import: self, source, meter, progress, rejects, tally, lost };
        while let Some(first) = pass.next_document()? {
            pass.batch(first)?;
        }
        if let Some((path, rejects)) = &mut pass.rejects {
            rejects.flush().at(path)?;
        }
        if let Some(lost) = pass.lost {
            return Err(lost);
        }
        pass.tally.bytes = pass.meter.bytes_unpacked();
        Ok(pass.tally)
    }
}

/// A document and where it is from.
struct Found {
    place: Place,
    collection: Option<Arc<str>>,
    document: RawDocumentBuf,
}

/// One walk over a source.
struct Pass<'a> {
    import: &'a Import<'a>,
    source: Source,
    meter: Arc<Meter>,
    progress: &'a mut Progress,
    rejects: Option<(PathBuf, Rejects)>,
    tally: Tally,
    /// Why the source cannot be read on, once what was read before is kept.
    lost: Option<Error>,
}

impl Pass<'_> {
    /// One transaction: `first`, and what follows until the batch is full.
    fn batch(&mut self, first: Found) -> Result<()> {
        let Import { db, path, .. } = *self.import;
        let (mut documents, mut bytes) = (0, 0);
        let mut transaction = db.begin().at(path)?;
        let mut next = Some(first);
        while let Some(found) = next {
            bytes += found.document.as_bytes().len() as u64;
            documents += u64::from(self.put(&mut transaction, &found)?);
            self.progress.tell(Done {
                documents: self.tally.documents + documents,
                bytes: self.meter.bytes_unpacked(),
                part: self.meter.bytes_read(),
            });
            let full = documents >= self.import.batch_documents || bytes >= self.import.batch_bytes;
            next = if full { None } else { self.next_document()? };
        }
        transaction.commit().at(path)?;
        self.tally.documents += documents;
        Ok(())
    }

    /// Whether the document went in; if not, its record was left out.
    fn put(&mut self, transaction: &mut Transaction, found: &Found) -> Result<bool> {
        let name = self.import.collection.or(found.collection.as_deref()).unwrap_or_default();
        let mut target = transaction.collection(name).at(self.import.path)?;
        let document = &found.document;
        let done = if self.import.replaces {
            target.upsert(document).map(drop)
        } else {
            target.insert(document).map(drop)
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) if blames_document(&error) => {
                self.refuse(&found.place, &Refused::Document(document, error.to_string()))?;
                Ok(false)
            }
            Err(error) => Err(error).at(self.import.path),
        }
    }

    /// The document of the next record that has one.
    fn next_document(&mut self) -> Result<Option<Found>> {
        loop {
            let Record { place, collection, document, .. } = match self.source.next() {
                None => return Ok(None),
                Some(Ok(record)) => record,
                Some(Err(error)) if *self.import.on_error == OnError::Stop => {
                    return Err(error.into());
                }
                Some(Err(error)) => {
                    self.lost = Some(error.into());
                    return Ok(None);
                }
            };
            let document = match document {
                Ok(document) => document,
                Err(refusal) => {
                    self.refuse(&place, &Refused::Record(&refusal))?;
                    continue;
                }
            };
            let shaped = match self.import.shape.apply(&document) {
                Ok(Cow::Borrowed(_)) => None,
                Ok(Cow::Owned(shaped)) => Some(shaped),
                Err(reason) => {
                    self.refuse(&place, &Refused::Document(&document, reason))?;
                    continue;
                }
            };
            let document = shaped.unwrap_or(document);
            return Ok(Some(Found { place, collection, document }));
        }
    }

    /// Reports a record, and ends the import if that is what was asked for.
    fn refuse(&mut self, place: &Place, refused: &Refused<'_>) -> Result<()> {
        let reason = match refused {
            Refused::Record(refusal) => &refusal.reason,
            Refused::Document(_, reason) => reason,
        };
        if let Some((path, rejects)) = &mut self.rejects {
            let written = match refused {
                Refused::Record(refusal) => rejects.refusal(place, refusal),
                Refused::Document(document, reason) => rejects.document(place, reason, document),
            };
            written.at(path)?;
        } else if *self.import.on_error == OnError::Stop {
            return Err(Error::Record {
                place: place.clone(),
                reason: reason.clone(),
                database: PathBuf::from(self.import.path),
                documents_kept: self.tally.documents,
            });
        } else {
            self.progress.say(format_args!("{place}: {reason}; skipped"));
        }
        self.tally.skipped += 1;
        Ok(())
    }
}

/// What did not become a document in a collection.
enum Refused<'a> {
    Record(&'a Refusal),
    Document(&'a RawDocument, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_the_budget_within_bounds() {
        assert_eq!(batch_bytes(0), BATCH_BYTES_MIN);
        assert_eq!(batch_bytes(256 << 20), 16 << 20);
        assert_eq!(batch_bytes(u64::MAX), BATCH_BYTES_MAX);
    }
}
