//! Syncs of one handle of a device: one at a time, and none after one that failed.
//!
//! A system reports each failure to write its cache back to one sync only, and drops the pages concerned. Of two syncs that
//! overlap, either may be told, whosever pages they were; and the one after a failed one succeeds without the pages. So a sync that
//! returns well proves something only when no other was told anything before it returned:
//! * they do not overlap, hence who is told is told before the next one begins;
//! * after a failure every later one fails, too, until the device is opened anew.
//!
//! Storages whose `sync` may fail do it inside of [`Syncs::run`]. A write that is durable by itself need not: its own
//! result is about its own bytes.

use std::io;
use std::sync::PoisonError;

use crate::lsm::sync::Mutex;

/// Lets one sync run at a time, and remembers the first failure.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    failed: Mutex<Option<io::ErrorKind>>,
}

impl Syncs {
    /// Runs `sync` when no other runs, unless one has failed.
    pub(super) fn run(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = *failed {
            let what = "an earlier sync failed, and what it concerned is unknown until the file is opened anew";
            return Err(io::Error::new(kind, what));
        }
        let synced = sync();
        *failed = synced.as_ref().err().map(io::Error::kind);
        synced
    }
}
