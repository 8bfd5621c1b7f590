//! The heart of a compaction: walk the inputs key by key and write what is left of each.
//!
//! Called by `job` in bounded steps, for flushes too; asks the operator and the rewriter of the keyspace, writes through
//! `output`. Invariant: what readers see below newer runs is the same before and after.

use std::sync::Arc;

use bytes::Bytes;

use super::output::SegmentOutput;
use super::report::CompactionReport;
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::Result;
use crate::lsm::group_rewriter::{Rewrite as Decision, RewritePass};
use crate::lsm::manifest::{Keyspace, Run};
use crate::lsm::reader::Reader;
use crate::lsm::scan::MergeCursor;

/// Merges the runs of one keyspace into new segments.
pub(crate) struct Rewriting {
    keyspace: Arc<Keyspace>,
    inputs: MergeCursor<'static>,
    started: bool,
    /// Runs that are older than every input: while one may hold a key, its tombstone stays.
    older: Vec<Run>,
    /// Nothing is known of what is older: every tombstone and operand stays what it is.
    has_unknown_older: bool,
    output: SegmentOutput,
    pub(crate) report: CompactionReport,
}

impl Rewriting {
    /// `inputs` newest first; `report` with what the inputs are said to hold.
    pub(crate) fn new(
        keyspace: Arc<Keyspace>,
        inputs: Vec<Box<dyn RawCursor>>,
        older: Vec<Run>,
        output: SegmentOutput,
        report: CompactionReport,
    ) -> Self {
        let inputs = MergeCursor::new(inputs);
        let has_unknown_older = false;
        Rewriting { keyspace, inputs, started: false, older, has_unknown_older, output, report }
    }

    /// For inputs that stand above runs that are not known here: tombstones and operands stay what they are.
    pub(crate) fn above_unknown(mut self) -> Self {
        self.has_unknown_older = true;
        self
    }

    /// Goes on for about `bytes_max` bytes of entries; true when the inputs are exhausted.
    ///
    /// `reader` is what the keyspace's rewriter sees; without one, groups pass unchanged.
    pub(crate) fn step(&mut self, bytes_max: usize, reader: Option<&dyn Reader>) -> Result<bool> {
        let keyspace = Arc::clone(&self.keyspace);
        let mut pass = match (&keyspace.rewriter, reader) {
            (Some(rewriter), Some(reader)) => Some(rewriter.begin(&keyspace.name, reader)?),
            _ => None,
        };
        if !self.started {
            self.inputs.first()?;
            self.started = true;
        }
        let mut bytes = 0;
        while self.inputs.valid() {
            bytes += self.rewrite_key(pass.as_deref_mut())?;
            self.inputs.next()?;
            if bytes >= bytes_max {
                return Ok(!self.inputs.valid());
            }
        }
        Ok(true)
    }

    /// Writes what is left of the current key; returns the bytes it took.
    fn rewrite_key(&mut self, pass: Option<&mut (dyn RewritePass + '_)>) -> Result<usize> {
        let key = self.inputs.key();
        let mut values: Vec<Bytes> = Vec::new();
        let mut base = None;
        for entry in self.inputs.entries() {
            if base.is_some() {
                self.report.shadowed += 1;
                continue;
            }
            match entry.kind() {
                EntryKind::Merge => values.push(entry.value()?),
                EntryKind::Put => {
                    values.push(entry.value()?);
                    base = Some(EntryKind::Put);
                }
                EntryKind::Delete => base = Some(EntryKind::Delete),
            }
        }
        let bottom =
            !self.has_unknown_older && !self.older.iter().any(|run| run.segment_for(key).is_some());
        let bytes = key.len() + values.iter().map(Bytes::len).sum::<usize>();
        let Some(newest) = values.first() else {
            // Nothing but a tombstone.
            if bottom {
                self.report.dropped += 1;
            } else {
                self.output.add(key, EntryKind::Delete, &[])?;
            }
            return Ok(bytes);
        };
        // A value over a tombstone hides it; operands count as combined into the newest of them.
        self.report.shadowed += u64::from(base == Some(EntryKind::Delete));
        self.report.merged += values.len() as u64 - 1;
        let kind = if base.is_none() && !bottom { EntryKind::Merge } else { EntryKind::Put };
        let value = if values.len() == 1 {
            newest.clone()
        } else {
            self.keyspace.combiner.merge(key, &values)?
        };
        match pass.map(|pass| pass.entry(key, &value)).transpose()? {
            None | Some(Decision::Keep) => self.output.add(key, kind, &value)?,
            Some(Decision::Replace(value)) => self.output.add(key, kind, &value)?,
            // Without it, what it hid in an older run would come back.
            Some(Decision::Drop) if kind == EntryKind::Put && !bottom => {
                self.output.add(key, EntryKind::Delete, &[])?;
            }
            Some(Decision::Drop) => self.report.purged += 1,
        }
        Ok(bytes)
    }

    /// Closes the output.
    pub(crate) fn into_parts(self) -> (SegmentOutput, CompactionReport) {
        (self.output, self.report)
    }
}
