//! [`Snapshot`]: an unchanging view, and how a version is read by name.
//!
//! The store gives it out, and so do background steps to group rewriters. It owns nothing but an `Arc`.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::Version;
use crate::lsm::reader::Reader;
use crate::lsm::scan::{Cursor, shadow};

/// An unchanging view of the whole store.
///
/// It pins what it sees: pages of segments that were compacted away meanwhile are kept until it is dropped.
#[derive(Debug, Clone)]
pub struct Snapshot {
    version: Arc<Version>,
}

impl Snapshot {
    pub(crate) fn new(version: Arc<Version>) -> Self {
        Snapshot { version }
    }

    /// The newest commit that the snapshot shows.
    pub fn commit(&self) -> CommitNo {
        self.version.commit
    }
}

impl Reader for Snapshot {
    fn keyspace(&self, name: &str) -> Option<KeyspaceId> {
        self.version.keyspace_named(name)
    }

    fn keyspace_names(&self) -> Vec<String> {
        names(&self.version)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        self.version.find(self.version.keyspace(keyspace)?, key)
    }

    fn cursor(&self, keyspace: KeyspaceId) -> Result<Cursor<'_>> {
        let keyspace = self.version.keyspace(keyspace)?;
        let sources = shadow(self.version.sources(keyspace));
        Ok(Cursor::new(Arc::clone(&keyspace.combiner), sources))
    }
}

/// Names of the keyspaces of a version, in ascending order.
pub(super) fn names(version: &Version) -> Vec<String> {
    let mut names: Vec<String> =
        version.keyspaces.values().map(|keyspace| keyspace.name.clone()).collect();
    names.sort_unstable();
    names
}
