//! [`Database`]: one file, opened. It owns the store, gives out collections, transactions and snapshots, and runs what
//! concerns the file as a whole: checks, compaction, closing.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::collection::Collection;
use super::options::{CollectionOptions, Options};
use super::snapshot::Snapshot;
use super::transaction::Transaction;
use crate::collection::{self, DeepReport, check_name};
use crate::error::{Error, Result};
use crate::lsm::{self, MemoryStorage, Stats, Store};

/// A database file: collections of documents, each with its text index.
///
/// A handle is cheap to clone and can be sent to other threads; all clones share the file, which other processes
/// can only read meanwhile ([`open_reader`](Self::open_reader)). One transaction writes at a time, any number of
/// snapshots read.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let folder = tempfile::tempdir().unwrap();
/// let db = Database::open(folder.path().join("notes.alv"))?;
/// let notes = db.collection("notes")?;
/// notes.insert(doc! { "title": "Panning", "body": "Gold settles where the river slows." })?;
/// for hit in notes.search("rivr gold")?.limit(10) {
///     let hit = hit?;
///     println!("{:.2}  {}", hit.score, hit.snippet("body")?);
/// }
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) options: Options,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("store", &self.shared.store).finish_non_exhaustive()
    }
}

/// What a check read, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The file: its segments, its pages.
    pub store: lsm::CheckReport,
    /// Documents against their indexes, when that was asked for.
    pub deep: Option<DeepReport>,
}

impl CheckReport {
    /// Whether everything is as it should be.
    pub fn is_ok(&self) -> bool {
        self.deep.as_ref().is_none_or(DeepReport::is_ok)
    }
}

impl fmt::Display for CheckReport {
    /// `ok` and what was read, or a line for each finding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(deep) = self.deep.as_ref().filter(|deep| deep.findings_count > 0) {
            for finding in &deep.findings {
                writeln!(f, "{finding}")?;
            }
            return write!(
                f,
                "{} findings; restore from a copy, reindex, or `repair`",
                deep.findings_count
            );
        }
        let store = &self.store;
        write!(
            f,
            "ok: {} segments, {} entries, {} pages",
            store.segments, store.entries, store.pages
        )?;
        if let Some(deep) = &self.deep {
            write!(
                f,
                "; {} documents, {} terms, {} postings agree",
                deep.documents, deep.terms, deep.postings
            )?;
        }
        if store.has_writer {
            write!(
                f,
                "; another process writes to the file, and nothing is known of {} pages that this state does not use",
                store.free_pages + store.deferred_pages
            )?;
        }
        Ok(())
    }
}

impl Database {
    /// Opens the file at `path`, creating it when it does not exist.
    ///
    /// # Errors
    /// When the file is locked, is not ours, is of a newer format, is truncated or damaged; it is then left as it
    /// was.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Database::open_with(path, Options::default())
    }

    /// Opens the file at `path` with options.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`Error::FileExists`] when a new file was asked for.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Database> {
        let path = path.as_ref();
        if options.create_new && path.exists() {
            return Err(Error::FileExists { path: path.to_owned() });
        }
        if options.must_exist {
            std::fs::metadata(path)
                .map_err(|source| lsm::Error::io(format!("opening {}", path.display()), source))?;
        }
        let store = Store::open_file(path, store_options(&options, true))?;
        Ok(Database { shared: Arc::new(Shared { store, options }) })
    }

    /// A database on a storage; both options say the same.
    pub(super) fn on_storage(
        storage: impl lsm::Storage + 'static,
        store_options: lsm::Options,
        options: Options,
    ) -> Result<Database> {
        let store = Store::open(storage, store_options)?;
        Ok(Database { shared: Arc::new(Shared { store, options }) })
    }

    /// A database that lives in memory and is gone when the last handle is dropped.
    ///
    /// # Errors
    /// When there is not enough memory to begin.
    pub fn in_memory() -> Result<Database> {
        let options = Options::default();
        Database::on_storage(MemoryStorage::default(), store_options(&options, false), options)
    }

    /// A database on a storage of the caller's, for example a simulated one.
    ///
    /// # Errors
    /// Those of [`open`](Self::open). Operators and rewriters of `store_options` are replaced by our own.
    pub fn open_storage(
        storage: impl lsm::Storage + 'static,
        mut store_options: lsm::Options,
    ) -> Result<Database> {
        store_options.merge_operators = collection::operators();
        store_options.group_rewriters = collection::rewriters();
        let options = Options::new().memory_bytes(store_options.memory_bytes);
        Database::on_storage(storage, store_options, options)
    }

    /// The collection of this name, which the first write creates.
    ///
    /// # Errors
    /// When no collection can have this name.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        check_name(name)?;
        Ok(Collection::new(self.clone(), name.to_owned()))
    }

    /// Creates a collection with options of its own, or finds one that has the same.
    ///
    /// # Errors
    /// [`Error::CollectionExists`] when it has other options.
    pub fn create_collection(&self, name: &str, options: &CollectionOptions) -> Result<Collection> {
        let collection = self.collection(name)?;
        if let Some(have) = collection.options()? {
            if have == *options {
                return Ok(collection);
            }
            return Err(Error::CollectionExists { name: name.to_owned() });
        }
        let mut transaction = self.begin()?;
        transaction.create_collection(name, options)?;
        transaction.commit()?;
        Ok(collection)
    }

    /// Drops a collection with its documents and indexes, at a cost that does not depend on how many there are.
    ///
    /// Snapshots that see it go on seeing it; its space is free when the last of them goes.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// db.collection("notes")?.insert(doc! { "text": "gold" })?;
    /// db.drop_collection("notes")?;
    /// assert!(db.collection_names()?.is_empty());
    /// assert!(db.drop_collection("notes").is_err_and(|error| error.is_unknown_collection()));
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is none of this name, or the file cannot be written.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let mut transaction = self.begin()?;
        transaction.drop_collection(name)?;
        transaction.commit()?;
        Ok(())
    }

    /// The names of all collections, in ascending order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn collection_names(&self) -> Result<Vec<String>> {
        Ok(collection::collection_names(&self.shared.store.snapshot())?)
    }

    /// Begins a transaction, waiting for the one before to end.
    ///
    /// # Errors
    /// When an earlier write failed, so that the file has to be opened anew.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::new(self.clone())
    }

    /// A view of everything that is committed now, which later writes do not change.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.store.snapshot())
    }

    /// Proves the file: every block, every page, and, with `deep`, every document against its indexes.
    ///
    /// # Errors
    /// The first damage that keeps the check from going on.
    pub fn check(&self, deep: bool) -> Result<CheckReport> {
        let store = self.shared.store.check()?;
        let deep =
            if deep { Some(collection::check(&self.shared.store.snapshot())?) } else { None };
        Ok(CheckReport { store, deep })
    }

    /// Numbers about the file.
    pub fn stats(&self) -> Stats {
        self.shared.store.stats()
    }

    /// What is wrong with the background work, if anything.
    pub fn health(&self) -> Option<String> {
        self.shared.store.health()
    }

    /// Makes every commit so far durable.
    ///
    /// # Errors
    /// When the device fails.
    pub fn sync(&self) -> Result<()> {
        Ok(self.shared.store.sync()?)
    }

    /// Compacts everything into one run, drops what is dead, and cuts the file.
    ///
    /// # Errors
    /// When the device fails; the data is unchanged.
    pub fn compact(&self) -> Result<()> {
        Ok(self.shared.store.compact()?)
    }

    /// Like [`compact`](Self::compact), telling how far it is.
    ///
    /// # Errors
    /// Those of [`compact`](Self::compact).
    pub fn compact_with(&self, progress: impl FnMut(lsm::Progress)) -> Result<()> {
        Ok(self.shared.store.compact_with(progress)?)
    }

    pub(super) fn begin_load(&self) -> lsm::BulkLoad {
        self.shared.store.begin_load()
    }

    /// Does the compactions that are due, so that searches ask few runs: what a long import has put off. Background threads do the same by
    /// and by.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// db.collection("rivers")?.import().run((0..1000).map(|number| doc! { "_id": number }))?;
    /// db.catch_up()?;
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the device fails; the data is unchanged.
    pub fn catch_up(&self) -> Result<()> {
        Ok(self.shared.store.catch_up()?)
    }

    /// Makes the file as small as what is in it, by moving what stands at its end into holes.
    ///
    /// Reads and commits go on meanwhile. Background work does the same by and by, less thoroughly.
    ///
    /// # Errors
    /// When the device fails; the data is unchanged.
    pub fn shrink(&self) -> Result<lsm::ShrinkReport> {
        Ok(self.shared.store.shrink()?)
    }

    /// Writes a minimal copy of everything that is committed now into a new file: a backup, ready to be opened.
    ///
    /// Reads and commits go on meanwhile and do not show in the copy. Until it is whole and durable no file of that
    /// name is there; a file that is there is never overwritten.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let db = Database::open(folder.path().join("notes.alv"))?;
    /// db.collection("notes")?.insert(doc! { "_id": 1, "text": "gold" })?;
    /// let copy = folder.path().join("copy.alv");
    /// db.compact_into(&copy)?;
    /// assert_eq!(Database::open(&copy)?.collection_names()?, ["notes"]);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a file of that name exists, when damage was met on the way, when the device fails. No file is left behind.
    pub fn compact_into(&self, path: impl AsRef<Path>) -> Result<lsm::BackupReport> {
        Ok(self.shared.store.compact_into(path)?)
    }

    /// Like [`compact_into`](Self::compact_into), telling how far it is.
    ///
    /// # Errors
    /// Those of [`compact_into`](Self::compact_into).
    pub fn compact_into_with(
        &self,
        path: impl AsRef<Path>,
        progress: impl FnMut(lsm::Progress),
    ) -> Result<lsm::BackupReport> {
        Ok(self.shared.store.compact_into_with(path, progress)?)
    }

    /// Does one bounded piece of background work, if there is any.
    ///
    /// For databases on a storage of one's own, opened with [`lsm::ManualScheduler`]; others have a thread for it.
    ///
    /// # Errors
    /// What the work met; it is tried again with the next call.
    pub fn step(&self) -> Result<bool> {
        Ok(self.shared.store.step()?)
    }

    /// Writes out what is in memory, cuts the file and stops every thread.
    ///
    /// When more than an eighth of the file is free, as after an import, what stands at its end moves into holes before it is cut, 128 MiB at
    /// most; [`close_with`](Self::close_with) moves all that pays.
    ///
    /// The last handle that is dropped does the same, but cannot report an error.
    ///
    /// # Errors
    /// [`Error::HandlesOpen`] while other handles are alive; what the work met.
    pub fn close(self) -> Result<()> {
        let shared = Arc::try_unwrap(self.shared).map_err(|_| Error::HandlesOpen)?;
        Ok(shared.store.close()?)
    }

    /// Like [`close`](Self::close), however much there is to move, telling how far that is: for the end of an import, or of other work that
    /// leaves much free behind. It copies about as much as the file gets shorter, and compacts nothing.
    ///
    /// ```
    /// use alluvium::{Database, doc};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("rivers.alv");
    /// let db = Database::open(&path)?;
    /// db.collection("rivers")?.import().run((0..1000).map(|number| doc! { "_id": number }))?;
    /// let report = db.close_with(|progress| println!("{progress:?}"))?;
    /// assert_eq!(report.file_bytes, path.metadata().unwrap().len());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`close`](Self::close).
    pub fn close_with(self, progress: impl FnMut(lsm::Progress)) -> Result<lsm::ShrinkReport> {
        let shared = Arc::try_unwrap(self.shared).map_err(|_| Error::HandlesOpen)?;
        Ok(shared.store.close_with(progress)?)
    }
}

pub(super) fn store_options(options: &Options, log: bool) -> lsm::Options {
    lsm::Options {
        memory_bytes: options.memory_bytes,
        log,
        merge_operators: collection::operators(),
        group_rewriters: collection::rewriters(),
        ..lsm::Options::default()
    }
}
