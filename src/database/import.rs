//! [`Import`]: many documents into a collection, in batches that are transactions, read, analyzed and written side by side.
//!
//! ```text
//! calling thread   commits batch 1, reads batch 3, helps │ commits batch 2, reads batch 4, helps │ …
//! its own pool     analyzes batch 2                      │ analyzes batch 3                      │
//! ```
//! Analyzing needs no transaction: documents are counted from the beginning of their batch, and the numbers that they get are added when
//! they are written. Compactions put off meanwhile what is due when the import has ended. A batch of which a document is refused, or for which the indexes have changed, is analyzed once more.
//!
//! Invariants: what is stored does not depend on the number of threads; a batch is visible with the mark that says so, or not at all; at
//! most two batches are in memory beside the one that is pending. Cost: that of the analyzer, divided among the threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rayon::ThreadPool;

use super::collection::Collection;
use super::document::IntoDocument;
use super::handle::Database;
use crate::bson::{self, Document, RawDocumentBuf, doc};
use crate::collection::{self, BulkIndexer, BulkText, Upserted};
use crate::error::{Error, Result};
use crate::fts::TextIndexOptions;
use crate::lsm::{Clock, SystemClock};

/// Batches for which the memory budget has room.
const BATCHES_PER_MEMORY: usize = 8;
/// The largest batch in bytes, whatever the memory: larger ones gain nothing, and what is analyzed of one has to fit into an inverter.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// Bytes that a document of a batch takes beside its own.
const DOCUMENT_BYTES: usize = 64;
/// Pending bytes from which on a batch is written to the file by itself and not through the log.
const SPILL_BYTES_MIN: usize = 4 << 20;
/// Where a mark has the number of documents.
const MARK: &str = "documents";
/// Documents that a thread takes at once.
const SLICE_LEN: usize = 16;

/// An import that is set up and then [`run`](Self::run); made by [`Collection::import`].
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let rivers = db.collection("rivers")?;
/// let documents = (0..1000).map(|number| doc! { "_id": number, "text": "a river" });
/// let report = rivers.import().run(documents)?;
/// assert_eq!((report.documents, report.tokens), (1000, 2000));
/// assert_eq!(rivers.search("river")?.count()?, 1000);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[must_use = "an import does nothing until it is run"]
pub struct Import<'c> {
    collection: &'c Collection,
    replaces: bool,
    threads: usize,
    batch_bytes: usize,
    batch_documents: usize,
    resumable: Option<String>,
    gauge: ImportGauge,
    clock: SystemClock,
    on_progress: Box<dyn FnMut(&ImportReport) + 'c>,
    on_refused: Box<dyn FnMut(RefusedDocument) -> Result<()> + 'c>,
}

/// What an import has done so far; all of it is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Documents that were stored.
    pub documents: u64,
    /// Those of them that took the place of another one.
    pub replaced: u64,
    /// Documents that were refused.
    pub refused: u64,
    /// Bytes of the documents that were stored, as BSON.
    pub bytes: u64,
    /// Words that were indexed of them, repeated ones included, in all text indexes together.
    pub tokens: u64,
    /// Batches.
    pub batches: u64,
    /// Time in which documents were taken from the iterator.
    pub reading: Duration,
    /// Time in which text was analyzed, of all threads together.
    pub analyzing: Duration,
    /// Time in which batches were written and committed.
    pub writing: Duration,
}

/// How far the stages of an import are, for other threads to look at while it runs; see [`Import::gauge`]. What several imports do is
/// added up.
#[derive(Debug, Clone, Default)]
pub struct ImportGauge(Arc<Stages>);

/// Documents that came so far.
#[derive(Debug, Default)]
struct Stages {
    read: AtomicU64,
    analyzed: AtomicU64,
    stored: AtomicU64,
}

impl ImportGauge {
    /// Documents that were taken from the iterator.
    pub fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Documents that were analyzed.
    pub fn analyzed(&self) -> u64 {
        self.0.analyzed.load(Ordering::Relaxed)
    }

    /// Documents that were committed.
    pub fn stored(&self) -> u64 {
        self.0.stored.load(Ordering::Relaxed)
    }
}

/// A document that cannot be stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct RefusedDocument {
    /// Its place among those that the iterator gave, from 0.
    pub number: u64,
    /// The document; nothing when the value is no document.
    pub document: Option<RawDocumentBuf>,
    /// Why.
    pub error: Error,
}

/// Documents that are stored together.
struct Batch<M> {
    documents: Vec<RawDocumentBuf>,
    /// Place of each document among all that the iterator gave.
    numbers: Vec<u64>,
    bytes: usize,
    /// Where an import goes on behind the batch; there is one when the batch is whole.
    mark: Option<M>,
}

/// The threads, and what each of them analyzes with.
struct Analysts {
    pool: Option<ThreadPool>,
    options: Vec<TextIndexOptions>,
    indexers: Vec<BulkIndexer>,
}

/// Where documents come from.
struct Source<I, E> {
    documents: I,
    /// Documents that it gave.
    len: u64,
    has_ended: bool,
    /// Why it ended, if it was before its time.
    failed: Option<E>,
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("collection", &self.collection.name())
            .field("replaces", &self.replaces)
            .field("threads", &self.threads)
            .field("batch_bytes", &self.batch_bytes)
            .field("resumable", &self.resumable)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Forgets how far the import of this name came, in all collections, so that it begins anew. Nothing happens to what it stored.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// rivers.import().resumable("list").run([doc! { "_id": 1 }])?;
    /// db.forget_import("list")?;
    /// assert!(rivers.import_mark("list")?.is_none());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written, or no import can have this name.
    pub fn forget_import(&self, import: &str) -> Result<()> {
        let mut transaction = self.begin()?;
        let mut is_any = false;
        for name in self.collection_names()? {
            is_any |= collection::forget_import_mark(transaction.inner(), &name, import)?;
        }
        if is_any {
            transaction.commit()?;
        }
        Ok(())
    }
}

impl<'c> Import<'c> {
    pub(super) fn new(collection: &'c Collection, memory_bytes: usize) -> Self {
        Import {
            collection,
            replaces: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            batch_bytes: (memory_bytes / BATCHES_PER_MEMORY).clamp(1, BATCH_BYTES_MAX),
            batch_documents: usize::MAX,
            resumable: None,
            gauge: ImportGauge::default(),
            clock: SystemClock::default(),
            on_progress: Box::new(|_| ()),
            on_refused: Box::new(|refused| Err(refused.error)),
        }
    }

    /// Whether a document takes the place of one with its `_id`. Default: no, it is refused then.
    pub fn replace(mut self, replaces: bool) -> Self {
        self.replaces = replaces;
        self
    }

    /// Threads that analyze text, the calling one among them; at least 1. Default: as many as the machine runs at once.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Bytes of documents in a batch, at most 256 MiB. Default: an eighth of the database's memory. Two batches are held in memory beside what the
    /// database holds.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes.clamp(1, BATCH_BYTES_MAX);
        self
    }

    /// Documents in a batch at most, at least 1. Default: as many as its bytes have room for.
    pub fn batch_documents(mut self, documents: usize) -> Self {
        self.batch_documents = documents.max(1);
        self
    }

    /// Has every batch note how far this import, known by `name`, has come. An import of the same name leaves out the documents that were
    /// committed before, whatever ended it: the iterator has to give the same ones again, in the same order.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// let documents = || (0..10).map(|number| doc! { "_id": number });
    /// rivers.import().resumable("list").run(documents().take(6))?;
    /// let rest = rivers.import().resumable("list").run(documents())?;
    /// assert_eq!((rest.documents, rivers.count()?), (4, 10));
    /// assert_eq!(rivers.import_mark("list")?.unwrap().get_i64("documents").unwrap(), 10);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn resumable(mut self, name: impl Into<String>) -> Self {
        self.resumable = Some(name.into());
        self
    }

    /// Counts in `gauge` what the stages of this import have done, so that another thread can show it: batches take a while.
    ///
    /// ```
    /// use alluvium::{Database, ImportGauge, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let gauge = ImportGauge::default();
    /// // A thread that shows how far it is gets a clone.
    /// db.collection("rivers")?.import().gauge(&gauge).run((0..10).map(|number| doc! { "_id": number }))?;
    /// assert_eq!((gauge.read(), gauge.analyzed(), gauge.stored()), (10, 10, 10));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn gauge(mut self, gauge: &ImportGauge) -> Self {
        self.gauge = gauge.clone();
        self
    }

    /// Calls `f` behind every batch.
    pub fn on_progress(mut self, f: impl FnMut(&ImportReport) + 'c) -> Self {
        self.on_progress = Box::new(f);
        self
    }

    /// Calls `f` with documents that cannot be stored; what it gives ends the import, or lets it go on without the document. Default: the
    /// first one ends it.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let rivers = db.collection("rivers")?;
    /// let documents = [doc! { "_id": 1 }, doc! { "_id": 1 }, doc! { "_id": 2 }];
    /// let mut refused = Vec::new();
    /// let import = rivers.import().on_refused(|document| {
    ///     refused.push(document.number);
    ///     Ok(())
    /// });
    /// assert_eq!(import.run(documents)?.documents, 2);
    /// assert_eq!(refused, [1]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn on_refused(mut self, f: impl FnMut(RefusedDocument) -> Result<()> + 'c) -> Self {
        self.on_refused = Box::new(f);
        self
    }

    /// Stores all documents that the iterator gives, a batch at a time, each as durable as the database's options say.
    ///
    /// # Errors
    /// Those of the file, and those that [`on_refused`](Self::on_refused) gives; the batches before are stored, nothing of the
    /// one that failed.
    pub fn run<'d>(
        self,
        documents: impl IntoIterator<Item = impl IntoDocument<'d>>,
    ) -> Result<ImportReport> {
        let mut skipped = 0;
        if let Some(name) = &self.resumable
            && let Some(mark) = self.collection.import_mark(name)?
        {
            // Another kind of import may have had the name.
            skipped = mark.get_i64(MARK).unwrap_or_default();
        }
        let mut documents = documents.into_iter();
        for _ in 0..skipped {
            if documents.next().is_none() {
                break;
            }
        }
        let marked = documents.zip(skipped.saturating_add(1)..).map(Ok::<_, Error>);
        self.run_marked(marked, |&documents| doc! { MARK: documents })
    }

    /// Like [`run`](Self::run) for a source that may fail and knows how to go on: nothing is left out, and `mark` makes a document of
    /// what stands beside the last one of a batch. [`Collection::import_mark`] has it when the import was ended.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and what the iterator gives: the documents that were read since the last full batch are not
    /// stored then.
    pub fn run_marked<'d, D: IntoDocument<'d>, M, E: From<Error>>(
        mut self,
        documents: impl IntoIterator<Item = Result<(D, M), E>>,
        mark: impl Fn(&M) -> Document,
    ) -> Result<ImportReport, E> {
        let _load = self.collection.database().begin_load();
        let documents = documents.into_iter();
        let mut source = Source { documents, len: 0, has_ended: false, failed: None };
        let mut analysts = Analysts::new(self.threads, self.text_options()?)?;
        let mut report = ImportReport::default();
        let mut collected: Option<Batch<M>> = None;
        let mut analyzed: Option<(Batch<M>, Option<BulkText>)> = None;
        while collected.is_some() || analyzed.is_some() || !source.has_ended {
            let documents =
                collected.as_ref().map(|batch| &batch.documents[..]).unwrap_or_default();
            let Analysts { pool, options, indexers } = &mut analysts;
            let mut changed = None;
            let stages = Arc::clone(&self.gauge.0);
            let bulk = Bulk { documents, analyzed_len: &stages.analyzed };
            let (text, next) =
                analyze_beside(pool.as_ref(), indexers, bulk, &mut report, |report| {
                    if let Some((batch, text)) = analyzed.take() {
                        changed = self.write(batch, &mark, text, options, report)?;
                    }
                    Ok(self.collect(&mut source, report))
                })?;
            analyzed = collected.take().map(|batch| (batch, text));
            collected = next;
            if let Some(options) = changed {
                analysts.analyze_for(options, self.threads)?;
                // What was analyzed meanwhile is of no use.
                analyzed = analyzed.map(|(batch, _)| (batch, None));
            }
        }
        source.failed.map_or(Ok(report), Err)
    }

    /// The options of the text indexes that the collection has, or will be created with.
    fn text_options(&self) -> Result<Vec<TextIndexOptions>> {
        let mut transaction = self.collection.database().begin()?;
        let (_, writer) = transaction.writer(self.collection.name())?;
        Ok(writer.text_options())
    }

    /// The next batch.
    fn collect<'d, D: IntoDocument<'d>, M, E: From<Error>>(
        &mut self,
        source: &mut Source<impl Iterator<Item = Result<(D, M), E>>, E>,
        report: &mut ImportReport,
    ) -> Option<Batch<M>> {
        let start = self.clock.now();
        let mut batch = Batch { documents: Vec::new(), numbers: Vec::new(), bytes: 0, mark: None };
        while batch.bytes < self.batch_bytes
            && batch.documents.len() < self.batch_documents
            && !source.has_ended
        {
            let (document, mark) = match source.documents.next() {
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    (source.has_ended, source.failed) = (true, Some(error));
                    return None;
                }
                None => {
                    source.has_ended = true;
                    break;
                }
            };
            let number = source.len;
            source.len += 1;
            self.gauge.0.read.fetch_add(1, Ordering::Relaxed);
            batch.mark = Some(mark);
            match document.into_document() {
                Ok(document) => {
                    batch.bytes += document.as_bytes().len() + DOCUMENT_BYTES;
                    batch.documents.push(document.into_owned());
                    batch.numbers.push(number);
                }
                Err(error) => {
                    report.refused += 1;
                    let refused = RefusedDocument { number, document: None, error };
                    if let Err(error) = (self.on_refused)(refused) {
                        (source.has_ended, source.failed) = (true, Some(error.into()));
                        return None;
                    }
                }
            }
        }
        report.reading += self.clock.now().saturating_sub(start);
        Some(batch).filter(|batch| batch.mark.is_some())
    }

    /// Stores a batch; gives the options of the text indexes when they are others than `options`.
    fn write<M>(
        &mut self,
        batch: Batch<M>,
        mark: &impl Fn(&M) -> Document,
        text: Option<BulkText>,
        options: &[TextIndexOptions],
        report: &mut ImportReport,
    ) -> Result<Option<Vec<TextIndexOptions>>> {
        let start = self.clock.now();
        let mut after = *report;
        let mut transaction = self.collection.database().begin()?;
        let (pending, writer) = transaction.writer(self.collection.name())?;
        let first = writer.next();
        let len = batch.documents.len();
        let mut stored = Vec::with_capacity(len);
        for (document, number) in batch.documents.into_iter().zip(batch.numbers) {
            let written = writer.store_without_text(pending, &document, self.replaces);
            match written.map_err(Error::from) {
                Ok(written) => {
                    after.documents += 1;
                    after.replaced += u64::from(written == Upserted::Replaced);
                    after.bytes += document.as_bytes().len() as u64;
                    stored.push(document);
                }
                Err(error) if error.is_document_refused() => {
                    after.refused += 1;
                    (self.on_refused)(RefusedDocument { number, document: Some(document), error })?;
                }
                Err(error) => return Err(error),
            }
        }
        let current = writer.text_options();
        let is_changed = current != options;
        let text = match text {
            Some(text) if stored.len() == len && !is_changed => text,
            _ => analyze(&stored, &current)?,
        };
        after.tokens += text.tokens();
        writer.add_text(first, text);
        if let Some((name, last)) = self.resumable.as_ref().zip(batch.mark.as_ref()) {
            let mark = RawDocumentBuf::try_from(&mark(last)).map_err(bson::Error::from)?;
            writer.mark_import(pending, name, &mark)?;
        }
        transaction.commit_bulk(SPILL_BYTES_MIN)?;
        self.gauge.0.stored.fetch_add(after.documents - report.documents, Ordering::Relaxed);
        after.batches += 1;
        after.writing += self.clock.now().saturating_sub(start);
        *report = after;
        (self.on_progress)(report);
        Ok(Some(current).filter(|_| is_changed))
    }
}

impl Analysts {
    fn new(threads: usize, options: Vec<TextIndexOptions>) -> Result<Self> {
        let mut pool = None;
        if threads > 1 {
            let built = rayon::ThreadPoolBuilder::new()
                .num_threads(threads - 1)
                .thread_name(|number| format!("alluvium-import-{number}"))
                .build();
            // Without threads the calling one does everything.
            pool = built.ok();
        }
        let mut analysts = Analysts { pool, options: Vec::new(), indexers: Vec::new() };
        analysts.analyze_for(options, threads)?;
        Ok(analysts)
    }

    fn analyze_for(&mut self, options: Vec<TextIndexOptions>, threads: usize) -> Result<()> {
        let indexers = (0..threads).map(|_| BulkIndexer::new(&options));
        self.indexers = indexers.collect::<Result<_, _>>()?;
        self.options = options;
        Ok(())
    }
}

/// Documents to analyze.
#[derive(Debug, Clone, Copy)]
struct Bulk<'b> {
    documents: &'b [RawDocumentBuf],
    /// Where those are counted that were.
    analyzed_len: &'b AtomicU64,
}

/// Has `indexers` analyze documents, all but the first of them in `pool`, while the calling thread does `other` and then takes part.
/// The text is missing when a document is at fault, as the writer will find out.
fn analyze_beside<T>(
    pool: Option<&ThreadPool>,
    indexers: &mut [BulkIndexer],
    Bulk { documents, analyzed_len }: Bulk<'_>,
    report: &mut ImportReport,
    other: impl FnOnce(&mut ImportReport) -> Result<T>,
) -> Result<(Option<BulkText>, T)> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let nanos = AtomicUsize::new(0);
    let work = |indexer: &mut BulkIndexer| {
        let clock = SystemClock::default();
        while !failed.load(Ordering::Relaxed) {
            let first = next.fetch_add(SLICE_LEN, Ordering::Relaxed);
            let Some(slice) = documents.get(first..) else { break };
            if slice.is_empty() {
                break;
            }
            let mut numbered = (first as u64..).zip(slice.iter().take(SLICE_LEN));
            if numbered.any(|(number, document)| indexer.add(number, document).is_err()) {
                failed.store(true, Ordering::Relaxed);
            }
            analyzed_len.fetch_add(slice.len().min(SLICE_LEN) as u64, Ordering::Relaxed);
        }
        nanos.fetch_add(usize::try_from(clock.now().as_nanos()).unwrap_or(0), Ordering::Relaxed);
    };
    let Some((own, others)) = indexers.split_first_mut() else {
        return Ok((None, other(report)?));
    };
    let calling = || {
        let done = other(report);
        // Nobody needs the text of what will not be stored.
        failed.fetch_or(done.is_err(), Ordering::Relaxed);
        work(own);
        done
    };
    let done = match pool {
        Some(pool) => pool.in_place_scope(|scope| {
            for indexer in others {
                scope.spawn(|_| work(indexer));
            }
            calling()
        }),
        None => calling(),
    };
    let mut text = BulkText::default();
    for indexer in indexers {
        indexer.take_into(&mut text);
    }
    report.analyzing += Duration::from_nanos(nanos.into_inner() as u64);
    Ok((Some(text).filter(|_| !failed.into_inner()), done?))
}

/// The text of documents that are stored.
fn analyze(documents: &[RawDocumentBuf], options: &[TextIndexOptions]) -> Result<BulkText> {
    let mut indexer = BulkIndexer::new(options)?;
    for (number, document) in (0..).zip(documents) {
        indexer.add(number, document)?;
    }
    let mut text = BulkText::default();
    indexer.take_into(&mut text);
    Ok(text)
}
