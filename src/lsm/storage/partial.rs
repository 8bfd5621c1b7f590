//! A new file that has its name only when it is whole.
//!
//! Copies and repairs are written into a file beside the target, and it is published at the end. What is dropped before
//! is removed; what a crash leaves bears a name that says what it is, and may be deleted.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Storage;
use super::file::{FileStorage, sync_folder_of};
use crate::lsm::error::{Error, Result};

/// Tells apart the files that one process makes.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file beside the one that it is to become.
///
/// ```
/// use alluvium::lsm::{Options, PartialFile, Store};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("new.alv");
/// let (partial, storage) = PartialFile::create(&path)?;
/// let store = Store::open(storage, Options::default())?;
/// // What takes long, and may be cut short, goes here.
/// store.close()?;
/// assert!(!path.exists());
/// partial.publish()?;
/// Store::open_file(&path, Options::default())?.check()?;
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a file that is not published is removed"]
pub struct PartialFile {
    path: PathBuf,
    target: PathBuf,
}

impl PartialFile {
    /// Makes an empty file beside `target`, which must not exist.
    ///
    /// # Errors
    /// [`Error::TargetExists`]; what the system says when the file cannot be made.
    pub fn create(target: &Path) -> Result<(PartialFile, FileStorage)> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::TargetExists { path: target.to_owned() });
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = target.file_name().map(OsString::from).unwrap_or_default();
        name.push(format!(".{}-{number}.alluvium-partial", std::process::id()));
        let path = target.with_file_name(name);
        let storage = FileStorage::open(&path)?;
        let partial = PartialFile { path, target: target.to_owned() };
        // A process of the same number may have died here.
        storage.set_len(0).map_err(|source| partial.failed("emptying", source))?;
        Ok((partial, storage))
    }

    /// Gives the file its name, durably, unless another has it by now. Whoever wrote to its storage has synced it.
    ///
    /// # Errors
    /// [`Error::TargetExists`]; what the system says when the file cannot be renamed. The file is removed then.
    pub fn publish(self) -> Result<()> {
        let exists = || Error::TargetExists { path: self.target.clone() };
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
            // Some file systems know no second name of a file.
            Err(_) if self.target.symlink_metadata().is_ok() => return Err(exists()),
            Err(_) => {
                let renamed = fs::rename(&self.path, &self.target);
                renamed.map_err(|source| self.failed("renaming", source))?;
            }
        }
        // Removing the second name here makes its end durable with the first one.
        let _ = fs::remove_file(&self.path);
        let synced = sync_folder_of(&self.target);
        synced.map_err(|source| self.failed("syncing the folder of", source))
    }

    fn failed(&self, what: &str, source: io::Error) -> Error {
        Error::io(format!("{what} {}", self.path.display()), source)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After `publish` there is nothing of this name any more.
        let _ = fs::remove_file(&self.path);
    }
}
