//! Optimistic transactions: they begin without the gate, and take it only to commit.
//!
//! ```text
//! begin      on the latest version; the window keeps what is committed from here on
//! read       noted as ranges of keys           txn::reads
//! write      pending, spilled when large       txn::pending
//! commit     gate: validate the reads against the window, then as every commit
//! ```
//! Validated under the gate, a transaction commits as if it had done everything at that moment: nothing that it read
//! was written meanwhile, so executions are serialisable in the order of the commits. One that only reads commits
//! where it began. A loser's pending runs go with it.

use std::sync::Arc;

use super::commit::WriteToken;
use super::core::{Core, lock};
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::Registry;
use crate::lsm::options::Durability;
use crate::lsm::txn::{Reads, Snapshot, Transaction, WriteRight, Writes};

/// The right to try; dropped, the window may forget what it kept for it.
#[derive(Debug)]
struct OptimisticToken {
    core: Arc<Core>,
    /// Counts as a snapshot, since what it shows is kept as long.
    base: Snapshot,
}

impl Drop for OptimisticToken {
    fn drop(&mut self) {
        lock(&self.core.window).close(self.base.commit());
    }
}

impl WriteRight for OptimisticToken {
    fn registry(&self) -> &Registry {
        &self.core.registry
    }

    fn disk(&self) -> &Arc<Disk> {
        &self.core.disk
    }

    fn commit(
        self: Box<Self>,
        mut writes: Writes,
        reads: Option<Reads>,
        durability: Durability,
    ) -> Result<CommitNo> {
        let token = WriteToken::take(&self.core)?;
        if let Some(reads) = reads {
            lock(&self.core.window).validate(self.base.commit(), &reads)?;
        }
        writes.rebase(self.core.version.load_full(), &self.core.registry)?;
        // Its own commit concerns only the others.
        drop(self);
        Box::new(token).commit(writes, None, durability)
    }

    fn harden(&self, durability: Durability) -> Result<()> {
        self.core.harden(durability)
    }
}

/// Begins an optimistic transaction.
pub(super) fn begin_optimistic(core: &Arc<Core>) -> Result<Transaction> {
    // Nothing is committed between the version and the window while the writer's lock is held.
    let writer = core.writer()?;
    let base = core.version.load_full();
    lock(&core.window).open(base.commit);
    drop(writer);
    let held = Snapshot::held(Arc::clone(&base));
    let right = OptimisticToken { core: Arc::clone(core), base: held };
    Ok(Transaction::new_optimistic(base, Box::new(right)))
}
