//! [`StoreReader`]: a store that another process may be writing to, for reading only.
//!
//! It shows what is committed, refreshes when it is told to, and writes nothing: no thread runs, nothing is locked that a
//! writer needs, and what a process that died has left is understood in memory.
//!
//! ```text
//! refresh ──► the root is the same? ── yes ──► the log from where it ended last time
//!                                   └─ no ───► the newest root, its manifest and its log, see `reading`
//! ```
//! Segments that both states have are carried over, with what is cached of them. Cost: without news three reads of a page
//! and one of the log's end; the log of what was committed since; and once for each checkpoint a manifest. Memory: what
//! the writer has not flushed is in memory here too.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::core::lock;
use crate::lsm::error::Result;
use crate::lsm::leased::{newest_generation, read};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::options::Options;
use crate::lsm::reading::{Opening, Reading};
use crate::lsm::replay::Replay;
use crate::lsm::storage::{FileStorage, Storage};
use crate::lsm::sync::{Mutex, Swap};
use crate::lsm::txn::Snapshot;

/// Sorted maps of bytes in one file that others may write to.
///
/// Any number of readers, in any process, and one [`Store`](super::Store) have a file open at a time. A reader sees the
/// state of its last [`refresh`](Self::refresh), or of its opening; snapshots stay what they are, and keep what they see
/// in the file. A commit is seen when it is in the log, even before its sync has ended.
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, Options, Reader, Store, StoreReader};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("fruit.alv");
/// let store = Store::open_file(&path, Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.commit(Durability::Sync)?;
/// # if cfg!(not(all(target_os = "linux", target_pointer_width = "64"))) { return Ok(()); }
///
/// // Here or in another process.
/// let reader = StoreReader::open_file(&path, Options::default())?;
/// let mut transaction = store.begin()?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.commit(Durability::Sync)?;
/// assert!(reader.snapshot().get(fruit, b"apple")?.is_none());
/// assert!(reader.refresh()?);
/// assert_eq!(reader.snapshot().get(fruit, b"apple")?.unwrap(), "red");
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct StoreReader {
    storage: Arc<dyn Storage>,
    options: Options,
    registry: Registry,
    /// What snapshots show.
    version: Swap<Version>,
    pub(super) reading: Mutex<Reading>,
}

impl fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.version.load().commit;
        f.debug_struct("StoreReader").field("commit", &commit).finish_non_exhaustive()
    }
}

impl StoreReader {
    /// Opens the file at `path`, which must exist.
    ///
    /// # Errors
    /// Those of [`Store::open_file`](super::Store::open_file); [`Error::NotADatabase`](super::Error::NotADatabase) also
    /// for a file that holds nothing yet. [`Error::Locked`](super::Error::Locked) while a store has the file open, on
    /// systems and file systems that have no locks of single bytes.
    pub fn open_file(path: impl AsRef<Path>, options: Options) -> Result<StoreReader> {
        StoreReader::open(FileStorage::open_reader(path)?, options)
    }

    /// Opens what stands on a storage, in which nothing is written.
    ///
    /// # Errors
    /// Those of [`open_file`](Self::open_file).
    pub fn open(storage: impl Storage + 'static, options: Options) -> Result<StoreReader> {
        let registry = Registry {
            operators: options.merge_operators.clone(),
            rewriters: options.group_rewriters.clone(),
        };
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let reading = Reading::newest(&storage, &options, &registry, None)?;
        let version = Swap::new(Arc::clone(&reading.version));
        Ok(StoreReader { storage, options, registry, version, reading: Mutex::new(reading) })
    }

    /// A view of everything that was committed at the last refresh.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.version.load_full())
    }

    /// Moves on to what is committed now; true when something was committed since the last time.
    ///
    /// Also without news it lets go of pages that the writer wants to use again: a reader that lives long should refresh
    /// now and then, and drop old snapshots.
    ///
    /// # Errors
    /// What reading met; the state stays that of the last refresh.
    pub fn refresh(&self) -> Result<bool> {
        let mut reading = lock(&self.reading);
        let before = reading.version.commit;
        let cipher = self.options.cipher.as_ref();
        let (_, _, newest, _) = read(&*self.storage, cipher)?;
        let is_same = newest == reading.root;
        let followed = if is_same { self.follow(&mut reading).map(|()| true) } else { Ok(false) };
        match followed {
            Ok(true) => {}
            Err(error) if newest_generation(&*self.storage, cipher)? == reading.root.generation => {
                return Err(error);
            }
            Ok(false) | Err(_) => {
                let newest =
                    Reading::newest(&self.storage, &self.options, &self.registry, Some(&reading));
                *reading = newest?;
            }
        }
        self.version.swap(Arc::clone(&reading.version));
        Ok(reading.version.commit != before)
    }

    /// Applies what the log has behind its end of the last time.
    fn follow(&self, reading: &mut Reading) -> Result<()> {
        let Reading { disk, root, groups, known, version: before, end: start, .. } = &mut *reading;
        let replay = Replay { disk, registry: &self.registry, edits_before: root.edits_before };
        let ahead = replay.look_ahead(*start)?;
        if ahead.end == start.record {
            return Ok(());
        }
        let mut version = Version::clone(before);
        replay.drop_flushed(&mut version, groups, ahead.flushed)?;
        let mut log = replay.log(*start)?;
        let new = replay.run(&mut log, &mut version, ahead, &Opening::new(disk, known))?;
        let end = log.end();
        reading.groups.extend(new);
        while reading.groups.front().is_some_and(|&(commit, _)| commit <= version.flushed) {
            reading.groups.pop_front();
        }
        reading.loan.set(version.fresh_bytes());
        (reading.version, reading.end) = (Arc::new(version), end);
        Ok(())
    }
}
