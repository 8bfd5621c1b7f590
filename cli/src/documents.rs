//! From the records of a source to documents in collections, by the library's imports.
//!
//! `import` feeds it anything that `alluvium-sources` reads, `demo` the bundled corpus. Records that follow each other and go to one
//! collection are one import of the library, which stores them in batches that are transactions, and analyzes them on all
//! processors. Every batch notes how far the source was read, so that an import that was ended can go on.
//!
//! A record that cannot become a document, and a document that cannot be stored (an `_id` that is there already), are named with
//! their place. [`OnError::Stop`] then ends the import, and nothing of the batch of that record is kept; [`OnError::Skip`] leaves out the record, and
//! [`OnError::Rejects`] also writes it to a file. A source that cannot be read on ends the import with an error; where records
//! are left out, what was read before it is kept.
//!
//! Memory: two batches beside the database's own, which gets what they leave of the budget.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alluvium::bson::{RawDocument, RawDocumentBuf};
use alluvium::{Database, ImportGauge, ImportReport};
use alluvium_sources::{Mark, Meter, Place, Record, Refusal, Rejects, Shape, Source};

use crate::args::OnError;
use crate::error::{At, Error, Result};
use crate::output;
use crate::progress::{Done, Progress, Stages};

/// Batches of documents for which the memory budget has room.
const BATCHES_PER_MEMORY: u64 = 16;
/// No batch has to be smaller than this, however small the budget.
const BATCH_BYTES_MIN: u64 = 64 << 10;

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
    pub(crate) batch_documents: usize,
    pub(crate) batch_bytes: usize,
    /// The name by which the import can go on; none when its source cannot.
    pub(crate) resumable: Option<String>,
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
    /// Words that were indexed, repeated ones included.
    pub(crate) tokens: u64,
    /// Times of the stages; analyzing, of all threads together, and writing go on side by side.
    pub(crate) reading: Duration,
    pub(crate) analyzing: Duration,
    pub(crate) writing: Duration,
    /// Time in which compactions were done that were put off.
    pub(crate) compacting: Duration,
    /// Time in which the file was closed and free space taken back, behind all others.
    pub(crate) closing: Duration,
    /// The most memory that the process was seen to have meanwhile, where that is known.
    pub(crate) memory_bytes_max: Option<u64>,
}

impl Tally {
    /// Names and times of the stages.
    pub(crate) fn stages(&self) -> [(&'static str, Duration); 5] {
        [
            ("reading", self.reading),
            ("analyzing", self.analyzing),
            ("writing", self.writing),
            ("compacting", self.compacting),
            ("closing", self.closing),
        ]
    }
}

/// Bytes of documents in a batch under a memory budget.
pub(crate) fn batch_bytes(memory_bytes: u64) -> usize {
    let bytes = (memory_bytes / BATCHES_PER_MEMORY).max(BATCH_BYTES_MIN);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Bytes that two batches and what is analyzed of them leave to the database.
pub(crate) fn database_bytes(memory_bytes: u64) -> u64 {
    memory_bytes / 8 * 5
}

impl Import<'_> {
    /// Imports everything that `source` gives.
    pub(crate) fn fill(&self, source: Source, progress: &Progress) -> Result<Tally> {
        let meter = source.meter();
        let gauge = ImportGauge::default();
        let watch = progress.watch({
            let (db, meter, gauge) = (self.db.clone(), Arc::clone(&meter), gauge.clone());
            move || Stages {
                read: Done {
                    documents: gauge.read(),
                    bytes: meter.bytes_unpacked(),
                    part: meter.bytes_read(),
                },
                analyzed: gauge.analyzed(),
                stored: gauge.stored(),
                bytes_written: db.stats().written.all_bytes(),
            }
        });
        let rejects = match self.on_error {
            OnError::Rejects(path) => Some((path.clone(), Rejects::open(path).at(path)?)),
            OnError::Stop | OnError::Skip => None,
        };
        let pass = RefCell::new(Pass {
            import: self,
            source,
            meter,
            progress,
            rejects,
            tally: Tally::default(),
            read: 0,
            next: None,
            places: VecDeque::new(),
            failed: None,
            lost: None,
        });
        loop {
            let next = pass.borrow_mut().next_collection()?;
            let Some(name) = next else { break };
            self.fill_collection(&name, &gauge, &pass)?;
        }
        let mut pass = pass.into_inner();
        let compacting = Instant::now();
        if let Err(error) = self.db.catch_up() {
            output::warn(format_args!(
                "{}: all documents are stored, but compactions stopped: {error}; `alluvium compact` or the next \
                 import goes on with them",
                self.path.display()
            ));
        }
        pass.tally.compacting = compacting.elapsed();
        pass.tally.memory_bytes_max = watch.end();
        if let Some((path, rejects)) = &mut pass.rejects {
            rejects.flush().at(path)?;
        }
        if let Some(lost) = pass.lost {
            let (path, documents) = (self.path.display(), pass.tally.documents);
            return Err(Error::Other(format!(
                "{lost}; {path} holds the {documents} documents before it"
            )));
        }
        pass.tally.bytes = pass.meter.bytes_unpacked();
        Ok(pass.tally)
    }

    /// Stores the records that follow each other and go to one collection.
    fn fill_collection(
        &self,
        name: &str,
        gauge: &ImportGauge,
        pass: &RefCell<Pass<'_>>,
    ) -> Result<()> {
        let collection = self.db.collection(name).at(self.path)?;
        let before = pass.borrow().tally;
        let first = pass.borrow().read;
        let mut import = collection
            .import()
            .replace(self.replaces)
            .batch_bytes(self.batch_bytes)
            .batch_documents(self.batch_documents)
            .gauge(gauge)
            .on_progress(|report| pass.borrow_mut().stored(&before, first, report))
            .on_refused(|refused| {
                let mut pass = pass.borrow_mut();
                let place = pass.place(first + refused.number);
                let reason = refused.error.to_string();
                let document = refused.document.unwrap_or_default();
                pass.refuse(&place, &Refused::Document(&document, reason)).map_err(|error| {
                    pass.failed = Some(error);
                    refused.error
                })
            });
        if let Some(name) = &self.resumable {
            import = import.resumable(name);
        }
        let records = std::iter::from_fn(|| {
            pass.borrow_mut().next_of(name).map_err(Stopped::Reading).transpose()
        });
        match import.run_marked(records, Mark::to_document) {
            Ok(_) => Ok(()),
            Err(stopped) => {
                let mut pass = pass.borrow_mut();
                let mut error = match stopped {
                    Stopped::Reading(error) => error,
                    Stopped::Writing(error) => match pass.failed.take() {
                        Some(failed) => failed,
                        None => return Err(error).at(self.path),
                    },
                };
                // What was read before is committed by now.
                if let Error::Record { documents_kept, .. } = &mut error {
                    *documents_kept = pass.tally.documents;
                }
                Err(error)
            }
        }
    }
}

/// Why the library's import ended.
enum Stopped {
    Reading(Error),
    Writing(alluvium::Error),
}

impl From<alluvium::Error> for Stopped {
    fn from(error: alluvium::Error) -> Self {
        Stopped::Writing(error)
    }
}

/// A document and where it is from.
struct Found {
    place: Place,
    mark: Mark,
    collection: Option<Arc<str>>,
    document: RawDocumentBuf,
}

/// One walk over a source.
struct Pass<'a> {
    import: &'a Import<'a>,
    source: Source,
    meter: Arc<Meter>,
    progress: &'a Progress,
    rejects: Option<(PathBuf, Rejects)>,
    tally: Tally,
    /// Documents that were handed to the library.
    read: u64,
    /// The document that comes next, once it was looked at.
    next: Option<Found>,
    /// Number and place of documents that may still be refused.
    places: VecDeque<(u64, Place)>,
    /// What ends the import, in place of the library's error.
    failed: Option<Error>,
    /// Why the source cannot be read on, once what was read before is kept.
    lost: Option<alluvium_sources::Error>,
}

impl Pass<'_> {
    fn collection_of(&self, found: &Found) -> String {
        self.import.collection.or(found.collection.as_deref()).unwrap_or_default().to_owned()
    }

    /// The collection of the next document.
    fn next_collection(&mut self) -> Result<Option<String>> {
        if self.next.is_none() {
            self.next = self.next_document()?;
        }
        Ok(self.next.as_ref().map(|found| self.collection_of(found)))
    }

    /// The next document, if it goes to this collection.
    fn next_of(&mut self, name: &str) -> Result<Option<(RawDocumentBuf, Mark)>> {
        let next = self.next_collection()?;
        if next.as_deref() != Some(name) {
            return Ok(None);
        }
        let Some(Found { place, mark, document, .. }) = self.next.take() else { return Ok(None) };
        self.places.push_back((self.read, place));
        self.read += 1;
        Ok(Some((document, mark)))
    }

    /// Takes note of a batch that was committed.
    fn stored(&mut self, before: &Tally, first: u64, report: &ImportReport) {
        self.tally.documents = before.documents + report.documents;
        self.tally.tokens = before.tokens + report.tokens;
        self.tally.reading = before.reading + report.reading;
        self.tally.analyzing = before.analyzing + report.analyzing;
        self.tally.writing = before.writing + report.writing;
        let settled = first + report.documents + report.refused;
        while self.places.front().is_some_and(|&(number, _)| number < settled) {
            self.places.pop_front();
        }
    }

    /// Where the document of this number stood; those before it are settled.
    fn place(&mut self, number: u64) -> Place {
        while let Some((first, place)) = self.places.pop_front() {
            if first == number {
                return place;
            }
        }
        unreachable!("documents are refused in the order in which they were read")
    }

    /// The document of the next record that has one.
    fn next_document(&mut self) -> Result<Option<Found>> {
        loop {
            let Record { place, collection, document, mark, .. } = match self.source.next() {
                None => return Ok(None),
                Some(Ok(record)) => record,
                Some(Err(error)) if *self.import.on_error == OnError::Stop => {
                    return Err(error.into());
                }
                Some(Err(error)) => {
                    self.lost = Some(error);
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
            return Ok(Some(Found { place, mark, collection, document }));
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
        assert_eq!(batch_bytes(0), 64 << 10);
        assert_eq!(batch_bytes(256 << 20), 16 << 20);
    }
}
