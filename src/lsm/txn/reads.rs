//! [`Reads`]: what an optimistic transaction has read, as ranges of keys.
//!
//! Every read of the version behind the pending writes is noted: a key that was asked for, there or not, and the
//! stretch of keys over which a cursor moved, gaps included. So whatever a later commit writes there would have been
//! read otherwise, and nothing else would. Neighbouring ranges are joined, so a scan costs one range; when the
//! ranges take too much memory those of the largest keyspace become the whole keyspace, which can only make more
//! conflicts.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::PoisonError;

use crate::lsm::cache::Loan;
use crate::lsm::ids::KeyspaceId;
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::scan::Observer;
use crate::lsm::sync::Mutex;

/// What was read of each keyspace.
#[derive(Debug)]
pub(crate) struct Reads {
    keyspaces: BTreeMap<KeyspaceId, Ranges>,
    /// Whether an answer depended on a keyspace not being there.
    names: bool,
    bytes: usize,
    bytes_max: usize,
    /// For these bytes.
    loan: Loan,
}

impl Reads {
    pub(super) fn new(bytes_max: usize, loan: Loan) -> Self {
        Reads { keyspaces: BTreeMap::new(), names: false, bytes: 0, bytes_max, loan }
    }

    pub(super) fn note_names(&mut self) {
        self.names = true;
    }

    /// Whether an answer depended on which keyspaces there are.
    pub(crate) fn has_names(&self) -> bool {
        self.names
    }

    /// What was read of a keyspace, if anything was.
    pub(crate) fn of(&self, id: KeyspaceId) -> Option<&Ranges> {
        self.keyspaces.get(&id)
    }

    /// Notes that the keys between two bounds were read.
    pub(super) fn note(&mut self, id: KeyspaceId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) {
        let Some(range) = KeyRange::between(lower, upper) else { return };
        let ranges = self.keyspaces.entry(id).or_default();
        self.bytes -= ranges.memory_bytes();
        ranges.insert(range);
        self.bytes += ranges.memory_bytes();
        while self.bytes > self.bytes_max {
            let largest = self.keyspaces.values_mut().max_by_key(|ranges| ranges.memory_bytes());
            let Some(largest) = largest.filter(|ranges| ranges.len() > 1) else { break };
            self.bytes -= largest.memory_bytes();
            largest.insert(KeyRange::default());
            self.bytes += largest.memory_bytes();
        }
        self.loan.set(self.bytes);
    }
}

/// Notes what a cursor over one keyspace reads.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    pub(super) reads: &'a Mutex<Reads>,
    pub(super) keyspace: KeyspaceId,
}

impl Observer for Watch<'_> {
    fn observe(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.note(self.keyspace, lower, upper);
    }
}
