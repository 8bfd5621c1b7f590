//! [`Snapshot`]: an unchanging view, and how a version is read by name.
//!
//! The store gives it out, and so do background steps to group rewriters. It owns nothing but an `Arc`.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::manifest::{Hold, Version};
use crate::lsm::name_filter::NameFilter;
use crate::lsm::operands::Content;
use crate::lsm::reader::Reader;
use crate::lsm::scan::{Cursor, NameCursor, shadow};
use crate::lsm::value::ValueReader;

/// An unchanging view of the whole store.
///
/// It pins what it sees: pages of segments that were compacted away meanwhile are kept until it is dropped.
#[derive(Debug, Clone)]
pub struct Snapshot {
    version: Arc<Version>,
    _hold: Option<Hold>,
}

impl Snapshot {
    /// One of the store's own, that ends by itself.
    pub(crate) fn new(version: Arc<Version>) -> Self {
        Snapshot { version, _hold: None }
    }

    /// One that a program keeps.
    pub(crate) fn held(version: Arc<Version>) -> Self {
        let hold = Some(version.holders.join());
        Snapshot { version, _hold: hold }
    }

    /// The newest commit that the snapshot shows.
    pub fn commit(&self) -> CommitNo {
        self.version.commit
    }

    /// Something that follows from this state alone, made by the first snapshot of the state that asks for it.
    ///
    /// The store keeps it with the state: until the next commit or rewriting, or as long as some snapshot shows the state. It must
    /// not hold a snapshot itself. There is one for all programs that use the store: where it is of another type, `make` is asked
    /// each time.
    ///
    /// ```
    /// use alluvium::lsm::{Options, SimulatedStorage, Store};
    ///
    /// let store = Store::open(SimulatedStorage::new(1), Options::default())?;
    /// let first = store.snapshot().derived(|| String::from("known"));
    /// assert!(std::sync::Arc::ptr_eq(&first, &store.snapshot().derived(String::new)));
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    pub fn derived<T: Any + Send + Sync>(&self, make: impl Fn() -> T) -> Arc<T> {
        self.version.derived.get(make)
    }

    /// Of which runs the view of a keyspace consists.
    ///
    /// A program that remembers it can tell whether anything was committed since, and what was only rewritten.
    ///
    /// # Errors
    /// `UnknownKeyspace`.
    pub fn view(&self, keyspace: KeyspaceId) -> Result<KeyspaceView> {
        view(&self.version, keyspace)
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
        let keyspace = self.version.keyspace(keyspace)?;
        match self.version.find(keyspace, key)? {
            Some(Content::Value(value)) => Ok(Some(value)),
            found => found.map(|content| keyspace.lookup().load(content)).transpose(),
        }
    }

    fn open_value(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<ValueReader>> {
        let keyspace = self.version.keyspace(keyspace)?;
        let found = self.version.find(keyspace, key)?;
        found.map(|content| keyspace.lookup().open(content)).transpose()
    }

    fn cursor(&self, keyspace: KeyspaceId) -> Result<Cursor<'_>> {
        let keyspace = self.version.keyspace(keyspace)?;
        let sources = shadow(self.version.sources(keyspace));
        Ok(Cursor::new(Arc::clone(&keyspace.combiner), sources, keyspace.lookup()))
    }

    fn names<'a>(
        &'a self,
        keyspace: KeyspaceId,
        from: &[u8],
        filter: &dyn Fn() -> Box<dyn NameFilter + 'a>,
    ) -> Result<Option<NameCursor<'a>>> {
        let sources = self.version.name_sources(self.version.keyspace(keyspace)?)?;
        sources.map(|sources| NameCursor::new(sources, from, filter)).transpose()
    }
}

/// What a view of a keyspace consists of: two equal ones show the same.
///
/// `commit` changes with every commit and with nothing else; `runs` change with compactions, flushes and folds too,
/// which change nothing that is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceView {
    /// The newest commit that is shown.
    pub commit: CommitNo,
    /// Newest first.
    pub runs: Vec<RunView>,
}

/// One run of a [`KeyspaceView`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// First and last commit of which it holds entries.
    pub commits: (CommitNo, CommitNo),
    /// Its segments in key order; none for a run in memory.
    pub segments: Vec<SegmentId>,
}

/// What `version` shows of a keyspace.
pub(super) fn view(version: &Version, id: KeyspaceId) -> Result<KeyspaceView> {
    let keyspace = version.keyspace(id)?;
    let fresh = version.fresh.iter().filter(|run| run.keyspaces().any(|written| written == id));
    let fresh = fresh.map(|run| RunView { commits: run.commits, segments: Vec::new() });
    let on_disk = keyspace.runs().map(|run| RunView {
        commits: run.commits(),
        segments: run.segments.iter().map(|segment| segment.summary().id).collect(),
    });
    Ok(KeyspaceView { commit: version.commit, runs: fresh.chain(on_disk).collect() })
}

/// Names of the keyspaces of a version, in ascending order.
pub(super) fn names(version: &Version) -> Vec<String> {
    let mut names: Vec<String> =
        version.keyspaces.values().map(|keyspace| keyspace.name.clone()).collect();
    names.sort_unstable();
    names
}
