//! The heart of a compaction: walk the inputs key by key and write what is left of each.
//!
//! Called by `job` in bounded steps, for flushes too; asks the operator and the rewriter of the keyspace, writes through
//! `output`. Invariant: what readers see below newer runs is the same before and after.

use std::sync::Arc;

use bytes::Bytes;

use super::input::{Input, Inputs};
use super::output::SegmentOutput;
use super::report::CompactionReport;
use crate::lsm::courtesy::Courtesy;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::group_rewriter::{Rewrite as Decision, RewritePass};
use crate::lsm::manifest::{Keyspace, Run};
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::reader::Reader;
use crate::lsm::scan::MergeCursor;

/// Merges the runs of one keyspace into new segments.
pub(crate) struct Rewriting {
    keyspace: Arc<Keyspace>,
    /// Until their range tombstones are read.
    unopened: Inputs,
    inputs: MergeCursor<'static>,
    started: bool,
    /// The range tombstones of each input that has some, newest first.
    ranges: Vec<(usize, Ranges)>,
    /// Runs that are older than every input: while one may hold a key, its tombstone stays.
    older: Vec<Run>,
    /// Nothing is known of what is older: every tombstone, range tombstone and operand stays what it is.
    has_unknown_older: bool,
    output: SegmentOutput,
    pub(crate) report: CompactionReport,
    /// Entries of the inputs that were read.
    pub(crate) done: u64,
}

impl Rewriting {
    /// `inputs` newest first; `report` with what the inputs are said to hold.
    pub(crate) fn new(
        keyspace: Arc<Keyspace>,
        inputs: Vec<Input>,
        older: Vec<Run>,
        output: SegmentOutput,
        report: CompactionReport,
    ) -> Self {
        Rewriting {
            keyspace,
            unopened: Inputs::new(inputs),
            inputs: MergeCursor::new(Vec::new()),
            started: false,
            ranges: Vec::new(),
            older,
            has_unknown_older: false,
            output,
            report,
            done: 0,
        }
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
        if !self.started {
            if !self.unopened.read_ranges()? {
                return Ok(false);
            }
            self.start()?;
        }
        let mut pass = match (&keyspace.rewriter, reader) {
            (Some(rewriter), Some(reader)) => Some(rewriter.begin(&keyspace.name, reader)?),
            _ => None,
        };
        let disk = Arc::clone(self.output.disk());
        let clock = &*disk.options.clock;
        let mut courtesy = Courtesy::default();
        let mut bytes = 0;
        while self.inputs.valid() {
            let taken = match self.lone_entry(pass.as_deref_mut())? {
                Some(bytes) => bytes,
                None => self.rewrite_key(pass.as_deref_mut())?,
            };
            self.inputs.next()?;
            courtesy.worked(taken, &disk.awaited, clock);
            bytes += taken;
            if bytes >= bytes_max {
                return Ok(!self.inputs.valid());
            }
        }
        Ok(true)
    }

    /// Decides what becomes of the range tombstones, and stands on the first key.
    fn start(&mut self) -> Result<()> {
        let unopened = std::mem::take(&mut self.unopened);
        self.report.ranges_joined = unopened.ranges_read;
        let opened = unopened.open();
        self.report.ranges_joined -= opened.united.len();
        self.report.segments_hidden = opened.segments_hidden;
        self.report.shadowed += opened.entries_hidden;
        self.report.covered += opened.entries_hidden;
        self.done += opened.entries_hidden;
        let mut carried = Ranges::default();
        for range in opened.united.iter() {
            match self.held_by_older(&range) {
                Some(held) => carried.insert(held),
                None => self.report.ranges_dropped += 1,
            }
        }
        self.output.carry(&carried);
        (self.inputs, self.ranges) = (opened.cursor, opened.ranges);
        self.inputs.first()?;
        self.started = true;
        Ok(())
    }

    /// The part of `range` in which older runs may hold keys.
    fn held_by_older(&self, range: &KeyRange) -> Option<KeyRange> {
        if self.has_unknown_older {
            return Some(range.clone());
        }
        let held = self.older.iter().filter_map(|run| run.keys_within(range));
        held.reduce(|left, right| left.hull(&right))
    }

    fn is_held_by_older(&self, key: &[u8]) -> bool {
        self.has_unknown_older || self.older.iter().any(|run| run.segment_for(key).is_some())
    }

    /// Writes what is left of the current key if it has one entry and no tombstone has a say, as of most; returns the bytes it took.
    fn lone_entry(&mut self, pass: Option<&mut (dyn RewritePass + '_)>) -> Result<Option<usize>> {
        let Some(entry) = self.inputs.only().filter(|_| self.ranges.is_empty()) else {
            return Ok(None);
        };
        let (key, value) = (self.inputs.key(), entry.value()?);
        let bottom = || !self.is_held_by_older(key);
        let kind = match entry.kind() {
            EntryKind::Delete => return Ok(None),
            EntryKind::Merge if bottom() => EntryKind::Put,
            kind => kind,
        };
        let decision = decide(&self.keyspace, pass, key, kind, &value)?;
        let entry = (key, kind, &value[..]);
        let bottom = matches!(decision, Decision::Drop) && bottom();
        self.report.purged += write_decided(&mut self.output, entry, decision, bottom)?;
        self.done += 1;
        Ok(Some(key.len() + value.len()))
    }

    /// Writes what is left of the current key; returns the bytes it took.
    fn rewrite_key(&mut self, pass: Option<&mut (dyn RewritePass + '_)>) -> Result<usize> {
        let key = self.inputs.key();
        let mut values: Vec<Bytes> = Vec::new();
        let mut base = None;
        // The newest input with a range that covers the key: it hides what older inputs and older runs say.
        let cover =
            self.ranges.iter().find(|(_, ranges)| ranges.covers(key)).map(|(index, _)| *index);
        for (index, entry) in self.inputs.entries_by_source() {
            self.done += 1;
            let is_covered = cover.is_some_and(|cover| cover < index);
            if base.is_some() || is_covered {
                self.report.shadowed += 1;
                self.report.covered += u64::from(is_covered);
                continue;
            }
            match entry.kind() {
                EntryKind::Merge => values.push(entry.value()?),
                kind @ (EntryKind::Put | EntryKind::Refer) => {
                    values.push(entry.value()?);
                    base = Some(kind);
                }
                EntryKind::Delete => base = Some(EntryKind::Delete),
            }
        }
        let bottom = cover.is_some() || !self.is_held_by_older(key);
        let bytes = key.len() + values.iter().map(Bytes::len).sum::<usize>();
        let Some(newest) = values.first() else {
            match base {
                // A newer range hides all of it.
                None => {}
                Some(_) if bottom => self.report.dropped += 1,
                Some(_) => self.output.add(key, EntryKind::Delete, &[])?,
            }
            return Ok(bytes);
        };
        // A value over a tombstone hides it; operands count as combined into the newest of them.
        self.report.shadowed += u64::from(base == Some(EntryKind::Delete));
        self.report.merged += values.len() as u64 - 1;
        let kind = match base {
            Some(EntryKind::Refer) => EntryKind::Refer,
            None if !bottom => EntryKind::Merge,
            _ => EntryKind::Put,
        };
        let value = if values.len() == 1 {
            newest.clone()
        } else if kind == EntryKind::Refer {
            return Err(Error::corruption("operands stand above a reference to a value", 0));
        } else {
            self.keyspace.combiner.merge(key, &values)?
        };
        let decision = decide(&self.keyspace, pass, key, kind, &value)?;
        let entry = (key, kind, &value[..]);
        self.report.purged += write_decided(&mut self.output, entry, decision, bottom)?;
        Ok(bytes)
    }

    /// Bytes of segments that were written so far.
    pub(super) fn written_bytes(&self) -> u64 {
        self.output.written_bytes()
    }

    /// Closes the output.
    pub(crate) fn into_parts(self) -> (SegmentOutput, CompactionReport) {
        (self.output, self.report)
    }
}

/// What the rewriter of a keyspace says about an entry.
fn decide(
    keyspace: &Keyspace,
    pass: Option<&mut (dyn RewritePass + '_)>,
    key: &[u8],
    kind: EntryKind,
    value: &[u8],
) -> Result<Decision> {
    let ignores_values = || keyspace.rewriter.as_ref().is_some_and(|r| r.ignores_values());
    match (pass, kind) {
        (Some(pass), EntryKind::Refer) if ignores_values() => pass.entry(key, &[]),
        (Some(pass), EntryKind::Put | EntryKind::Merge) => pass.entry(key, value),
        _ => Ok(Decision::Keep),
    }
}

/// Writes what a rewriter leaves of an entry, below which nothing is known to be older if it is at the `bottom`; how many entries are
/// gone.
fn write_decided(
    output: &mut SegmentOutput,
    (key, kind, value): (&[u8], EntryKind, &[u8]),
    decision: Decision,
    bottom: bool,
) -> Result<u64> {
    match decision {
        Decision::Keep => output.add(key, kind, value)?,
        Decision::Replace(value) => {
            let kind = if kind == EntryKind::Refer { EntryKind::Put } else { kind };
            output.add(key, kind, &value)?;
        }
        // Without it, what it hid in an older run would come back.
        Decision::Drop if kind != EntryKind::Merge && !bottom => {
            output.add(key, EntryKind::Delete, &[])?;
        }
        Decision::Drop => return Ok(1),
    }
    Ok(0)
}
