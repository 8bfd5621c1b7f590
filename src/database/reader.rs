//! [`DatabaseReader`]: a database that another process may be writing to, for reading only. Programs that only search hold
//! one, and the verbs of the command that only read do; it gives out snapshots of the storage core's reader.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::handle::{Database, store_options};
use super::options::Options;
use super::snapshot::{Snapshot, SnapshotCollection};
use crate::collection;
use crate::error::Result;
use crate::lsm::{Clock, StoreReader, SystemClock};

/// Time between two looks for a commit.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A database file that others may write to meanwhile. It shows the state of its last [`refresh`](Self::refresh), or of
/// its opening.
///
/// A handle is cheap to clone and can be sent to other threads; all clones refresh together. Nothing is written to the
/// file. A reader that lives long should refresh now and then, and not keep snapshots for ever: the writer cannot use
/// pages again that they may still look at.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("notes.alv");
/// let db = Database::open(&path)?;
/// db.collection("notes")?.insert(doc! { "text": "gold" })?;
/// # if cfg!(not(all(target_os = "linux", target_pointer_width = "64"))) { return Ok(()); }
///
/// // Here or in another process.
/// let reader = Database::open_reader(&path)?;
/// db.collection("notes")?.insert(doc! { "text": "gold and silver" })?;
/// assert_eq!(reader.collection("notes")?.search("gold")?.count()?, 1);
/// assert!(reader.refresh()?);
/// assert_eq!(reader.collection("notes")?.search("gold")?.count()?, 2);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Clone)]
pub struct DatabaseReader {
    store: Arc<StoreReader>,
}

impl fmt::Debug for DatabaseReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseReader").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the file at `path` for reading, beside a process that writes to it if there is one. The file must exist.
    ///
    /// # Errors
    /// Those of [`open`](Self::open). Locked while another process writes means that the system or the file system has
    /// no locks of single bytes.
    pub fn open_reader(path: impl AsRef<Path>) -> Result<DatabaseReader> {
        Database::open_reader_with(path, &Options::default())
    }

    /// Opens the file at `path` for reading with options, of which the memory counts.
    ///
    /// # Errors
    /// Those of [`open_reader`](Self::open_reader).
    pub fn open_reader_with(path: impl AsRef<Path>, options: &Options) -> Result<DatabaseReader> {
        let store = StoreReader::open_file(path, store_options(options, true))?;
        Ok(DatabaseReader { store: Arc::new(store) })
    }
}

impl DatabaseReader {
    /// Moves on to what is committed now; true when something was committed since the last time.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged; the state stays that of the last refresh.
    pub fn refresh(&self) -> Result<bool> {
        Ok(self.store.refresh()?)
    }

    /// Waits until something is committed behind the state of the last refresh and moves on to it, or waits as long as `timeout`; whether something
    /// was.
    ///
    /// No process tells another one of its commits, so this looks for them twenty times a second, each time at the end of the log.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alluvium::{Database, doc};
    ///
    /// # if cfg!(not(all(target_os = "linux", target_pointer_width = "64"))) { return Ok(()); }
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("notes.alv");
    /// let db = Database::open(&path)?;
    /// let reader = Database::open_reader(&path)?;
    /// assert!(!reader.wait_for_commit(Duration::ZERO)?);
    /// db.collection("notes")?.insert(doc! { "text": "gold" })?;
    /// assert!(reader.wait_for_commit(Duration::MAX)?);
    /// assert_eq!(reader.collection("notes")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub fn wait_for_commit(&self, timeout: Duration) -> Result<bool> {
        let clock = SystemClock::default();
        loop {
            if self.refresh()? {
                return Ok(true);
            }
            let left = timeout.saturating_sub(clock.now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::park_timeout(left.min(LOOK_INTERVAL));
        }
    }

    /// A view of the state of the last refresh, which later ones do not change.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.store.snapshot())
    }

    /// A collection as it was at the last refresh; one that does not exist is empty.
    ///
    /// # Errors
    /// When no collection can have this name.
    pub fn collection(&self, name: &str) -> Result<SnapshotCollection> {
        self.snapshot().collection(name)
    }

    /// The names of all collections, in ascending order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn collection_names(&self) -> Result<Vec<String>> {
        Ok(collection::collection_names(&self.store.snapshot())?)
    }
}
