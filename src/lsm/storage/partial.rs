//! A new file that has its name only when it is whole.
//!
//! `Store::compact_into` writes into a file beside the target and publishes it at the end. What is dropped before is
//! removed; what a crash leaves bears a name that says what it is, and may be deleted.

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
#[derive(Debug)]
pub(crate) struct PartialFile {
    path: PathBuf,
    target: PathBuf,
}

impl PartialFile {
    /// Makes an empty file beside `target`, which must not exist.
    pub(crate) fn create(target: &Path) -> Result<(PartialFile, FileStorage)> {
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

    /// Gives the file its name, durably, unless another has it by now. Its storage is closed and synced.
    pub(crate) fn publish(self) -> Result<()> {
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
