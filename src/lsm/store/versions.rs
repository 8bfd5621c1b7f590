//! The two versions of a store: the latest one, and the one that readers see.
//!
//! A `Sync` commit is appended and becomes part of the *latest* version at once, so that the next transaction can
//! begin on it while it waits for the device. Readers see it when it is durable: the *visible* version is the latest
//! one before the first `Sync` commit that is not durable yet, or simply the latest when there is none.
//!
//! ```text
//! commits        1        2 Sync      3 Buffered   4 Sync
//! latest                                           ●
//! visible        ●─── sync of 2 ends ─▶●─── sync of 4 ends ─▶●
//! ```
//! So a weaker commit behind a `Sync` commit becomes visible with it, and is acknowledged then: what readers see is
//! always a prefix of the commits, and whatever a reader saw of `Sync` commits survives. If the sync fails the
//! visible version stays as it is for ever: nothing behind it was acknowledged.
//!
//! Background steps change the latest version; readers see their work with the next sync when one is awaited.
//! Both are read with one atomic load. Changes are made with the writer's lock held, which also guards [`Held`].

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::Guard;

use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::Version;
use crate::lsm::sync::Swap;

/// The latest version and the visible one.
pub(super) struct Versions {
    latest: Swap<Version>,
    visible: Swap<Version>,
}

/// `Sync` commits that are not durable yet, oldest first.
#[derive(Default)]
pub(super) struct Held {
    commits: VecDeque<HeldCommit>,
}

struct HeldCommit {
    /// Number of its record in the log.
    record: u64,
    /// The latest version before it.
    before: Arc<Version>,
}

impl Versions {
    pub(super) fn new(version: Version) -> Self {
        let version = Arc::new(version);
        let latest = Swap::new(Arc::clone(&version));
        Versions { latest, visible: Swap::new(version) }
    }

    /// The latest version: what the next transaction begins on and background steps change.
    pub(super) fn load(&self) -> Guard<Arc<Version>> {
        self.latest.load()
    }

    /// The latest version, to be kept.
    pub(super) fn load_full(&self) -> Arc<Version> {
        self.latest.load_full()
    }

    /// What readers see.
    pub(super) fn visible(&self) -> Arc<Version> {
        self.visible.load_full()
    }

    /// The newest commit that readers see.
    pub(super) fn visible_commit(&self) -> CommitNo {
        self.visible.load().commit
    }

    /// Holds back what is advanced to from now on until log record `record` is durable.
    pub(super) fn hold(&self, held: &mut Held, record: u64) {
        held.commits.push_back(HeldCommit { record, before: self.load_full() });
    }

    /// Makes `next` the latest version.
    pub(super) fn advance(&self, next: Version) {
        drop(self.latest.swap(Arc::new(next)));
    }

    /// Shows what may be seen when log records below `durable` are durable; gives what was shown before, if that is another.
    pub(super) fn show(&self, held: &mut Held, durable: u64) -> Option<Arc<Version>> {
        while held.commits.front().is_some_and(|first| first.record < durable) {
            held.commits.pop_front();
        }
        let shown = held.commits.front().map(|first| Arc::clone(&first.before));
        let shown = shown.unwrap_or_else(|| self.load_full());
        // Usual while a commit waits for the device, and a load costs less than a swap.
        let is_same = Arc::ptr_eq(&self.visible.load(), &shown);
        (!is_same).then(|| self.visible.swap(shown))
    }
}
