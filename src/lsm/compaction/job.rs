//! Flushes and compactions as jobs: started, stepped, and finished with an edit.
//!
//! A job holds what it reads through `Arc`s and what it wrote through leases, so dropping it at any moment
//! gives everything back.

use std::sync::Arc;
use std::time::Duration;

use super::input::Input;
use super::output::SegmentOutput;
use super::picker::Work;
use super::report::CompactionReport;
use super::rewrite::Rewriting;
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::{Edit, Placed, Version};
use crate::lsm::reader::Reader;
use crate::lsm::segment::Segment;

/// What a finished job asks the store to do: append the edit, then publish it with these segments.
pub(crate) struct Finished {
    /// The keyspace that was compacted; when it was dropped meanwhile, nothing is left to do. None for a flush.
    pub(crate) keyspace: Option<KeyspaceId>,
    pub(crate) edit: Edit,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) report: CompactionReport,
    /// Of the bytes that the report says were written, so many were told of before, by `take_written`.
    pub(crate) told_bytes: u64,
}

/// Writes the oldest fresh runs as runs of level 0.
pub(crate) struct FlushJob {
    disk: Arc<Disk>,
    version: Arc<Version>,
    /// Newest first.
    runs: Vec<Arc<FreshRun>>,
    keyspaces: Vec<KeyspaceId>,
    rewriting: Option<Rewriting>,
    finished: Finished,
    /// Entries of all keyspaces.
    entries: u64,
    started: Duration,
}

impl FlushJob {
    /// Flushes every fresh run of `version`, of which there is at least one.
    pub(crate) fn new(disk: Arc<Disk>, version: Arc<Version>) -> Self {
        let runs = version.fresh.clone();
        let keyspaces: Vec<_> = version.keyspaces.keys().rev().copied().collect();
        let entries = keyspaces.iter().flat_map(|&id| runs.iter().map(move |run| run.entries(id)));
        let entries = entries.sum();
        let created = runs.iter().rev().flat_map(|run| run.created.iter().cloned()).collect();
        let values = runs.iter().rev().flat_map(|run| run.values.iter().cloned()).collect();
        let flushed = Some(version.commit);
        let edit = Edit { flushed, created, values, ..Edit::default() };
        let report = CompactionReport { keyspace: "*".to_owned(), ..CompactionReport::default() };
        let finished = Finished::new(None, edit, report);
        let started = disk.options.clock.now();
        FlushJob { disk, version, runs, keyspaces, rewriting: None, finished, entries, started }
    }

    /// Entries that are written, and entries in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let done = self.rewriting.as_ref().map_or(0, |rewriting| rewriting.done);
        (self.finished.report.input + done, self.entries)
    }

    /// Bytes that were written since this was asked for the last time.
    pub(crate) fn take_written(&mut self) -> u64 {
        self.finished.take_written(self.rewriting.as_ref())
    }

    /// The newest commit that the job flushes.
    pub(crate) fn through(&self) -> CommitNo {
        self.version.commit
    }

    /// One step of about `bytes_max` bytes of entries; true when all is written.
    pub(crate) fn step(&mut self, bytes_max: usize) -> Result<bool> {
        if let Some(rewriting) = &mut self.rewriting {
            if rewriting.step(bytes_max, None)? {
                let rewriting = self.rewriting.take().expect("invariant: it was just stepped");
                let run = self.disk.new_run_id();
                self.finished.take(rewriting, 0, run, &self.disk)?;
            }
            return Ok(self.rewriting.is_none() && self.keyspaces.is_empty());
        }
        let Some(id) = self.keyspaces.pop() else { return Ok(true) };
        let keyspace = Arc::clone(self.version.keyspace(id)?);
        let ranges = |run: &FreshRun| run.ranges(id).cloned().unwrap_or_default();
        let inputs = self.runs.iter().filter_map(|run| {
            run.source(id).map(|source| Input::of_memory(source.cursor, ranges(run)))
        });
        let inputs: Vec<Input> = inputs.collect();
        if !inputs.is_empty() {
            let input = self.runs.iter().map(|run| run.entries(id)).sum();
            let ranges_in = self.runs.iter().map(|run| ranges(run).len()).sum();
            let report = CompactionReport { input, ranges_in, ..CompactionReport::default() };
            let oldest = self.runs.last().map_or(CommitNo(0), |run| run.commits.0);
            let older = keyspace.runs().cloned().collect();
            let commits = (oldest, self.through());
            let output = SegmentOutput::new(Arc::clone(&self.disk), Arc::clone(&keyspace), commits);
            self.rewriting = Some(Rewriting::new(keyspace, inputs, older, output, report));
        }
        Ok(false)
    }

    pub(crate) fn finish(self) -> Finished {
        self.finished.at(self.disk.options.clock.now().saturating_sub(self.started))
    }
}

/// Rewrites segments into the level that the picker chose.
pub(crate) struct CompactionJob {
    disk: Arc<Disk>,
    rewriting: Option<Rewriting>,
    level: u8,
    run: u64,
    finished: Finished,
    started: Duration,
}

impl CompactionJob {
    /// Starts `work`, picked from `version`, with its output in `run`.
    pub(crate) fn new(disk: Arc<Disk>, version: &Version, work: Work, run: u64) -> Result<Self> {
        let keyspace = Arc::clone(version.keyspace(work.keyspace)?);
        let name = keyspace.name.clone();
        let mut edit = Edit::default();
        let level = work.level;
        let mut report = CompactionReport { keyspace: name, level, ..CompactionReport::default() };
        for segment in &work.moved {
            edit.moved.push((segment.summary().id, work.level, run));
            report.bytes_moved += segment.summary().bytes;
        }
        report.segments_moved = edit.moved.len() as u64;
        let oldest = work.inputs.last().into_iter().flatten();
        report.input_older = oldest.map(|segment| segment.summary().entries).sum();
        let inputs = work.inputs.iter().flatten();
        let summaries: Vec<_> = inputs.map(|segment| segment.summary().clone()).collect();
        edit.removed = summaries.iter().map(|summary| summary.id).collect();
        report.segments_in = edit.removed.len() as u64;
        let started = disk.options.clock.now();
        let finished = Finished::new(Some(keyspace.id), edit, report);
        let mut job = CompactionJob { disk, rewriting: None, level, run, finished, started };
        let first = summaries.iter().map(|summary| summary.commits.0).min();
        let last = summaries.iter().map(|summary| summary.commits.1).max();
        if let (Some(first), Some(last)) = (first, last) {
            let report = CompactionReport {
                input: summaries.iter().map(|summary| summary.entries).sum(),
                ranges_in: summaries.iter().map(|summary| summary.ranges).sum(),
                bytes_in: summaries.iter().map(|summary| summary.bytes).sum(),
                ..CompactionReport::default()
            };
            let inputs = work.inputs.into_iter().map(Input::of_segments).collect();
            let output =
                SegmentOutput::new(Arc::clone(&job.disk), Arc::clone(&keyspace), (first, last));
            job.rewriting = Some(Rewriting::new(keyspace, inputs, work.older, output, report));
        }
        Ok(job)
    }

    /// Whether the keyspace is gone: what would be written leads nowhere.
    pub(crate) fn is_in_vain(&self, version: &Version) -> bool {
        self.finished.keyspace.is_some_and(|id| version.keyspace(id).is_err())
    }

    /// One step of about `bytes_max` bytes of entries; true when all is written. `reader` shows the newest version to
    /// group rewriters.
    pub(crate) fn step(&mut self, bytes_max: usize, reader: &dyn Reader) -> Result<bool> {
        let Some(rewriting) = &mut self.rewriting else { return Ok(true) };
        if rewriting.step(bytes_max, Some(reader))? {
            let rewriting = self.rewriting.take().expect("invariant: it was just stepped");
            self.finished.take(rewriting, self.level, self.run, &self.disk)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Bytes that were written since this was asked for the last time.
    pub(crate) fn take_written(&mut self) -> u64 {
        self.finished.take_written(self.rewriting.as_ref())
    }

    /// Bytes of segments that are compacted, and bytes in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let Some(rewriting) = &self.rewriting else {
            let bytes = self.finished.report.bytes_in;
            return (bytes, bytes);
        };
        let report = &rewriting.report;
        let bytes = u128::from(report.bytes_in) * u128::from(rewriting.done);
        let done = bytes / u128::from(report.input.max(1));
        (u64::try_from(done).unwrap_or(u64::MAX), report.bytes_in)
    }

    pub(crate) fn finish(self) -> Finished {
        self.finished.at(self.disk.options.clock.now().saturating_sub(self.started))
    }
}

impl Finished {
    /// Nothing is written yet.
    pub(crate) fn new(keyspace: Option<KeyspaceId>, edit: Edit, report: CompactionReport) -> Self {
        Finished { keyspace, edit, segments: Vec::new(), report, told_bytes: 0 }
    }

    /// Bytes that were written since this was asked for the last time; `rewriting` goes on.
    fn take_written(&mut self, rewriting: Option<&Rewriting>) -> u64 {
        let written = self.report.bytes_out + rewriting.map_or(0, Rewriting::written_bytes);
        let new = written.saturating_sub(self.told_bytes);
        self.told_bytes += new;
        new
    }

    /// Notes how long it took.
    fn at(mut self, elapsed: Duration) -> Self {
        self.report.elapsed_micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self
    }

    /// Takes over the segments of a rewriting that came to its end, after balancing its accounts.
    pub(super) fn take(
        &mut self,
        rewriting: Rewriting,
        level: u8,
        run: u64,
        disk: &Disk,
    ) -> Result<()> {
        let (output, mut report) = rewriting.into_parts();
        report.ranges_split = output.ranges_split;
        let (written, leaf_blocks) = output.finish()?;
        report.blocks_out = leaf_blocks;
        for (summary, lease) in written {
            report.output += summary.entries;
            report.ranges_out += summary.ranges;
            report.bytes_out += summary.bytes;
            report.segments_out += 1;
            let extent = lease.extent();
            self.segments.push(disk.segment(summary.clone(), lease));
            self.edit.added.push(Placed { level, run, extent, summary });
        }
        report.balance()?;
        self.report.add(&report);
        Ok(())
    }
}
