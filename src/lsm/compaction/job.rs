//! Flushes and compactions as jobs: started, stepped, and finished with an edit.
//!
//! A job holds what it reads through `Arc`s and what it wrote through leases, so dropping it at any moment
//! gives everything back.

use std::sync::Arc;

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

/// Bytes of entries that one step may take.
const STEP_BYTES_MAX: usize = 2 << 20;

/// What a finished job asks the store to do: append the edit, then publish it with these segments.
pub(crate) struct Finished {
    /// The keyspace that was compacted; when it was dropped meanwhile, nothing is left to do. None for a flush.
    pub(crate) keyspace: Option<KeyspaceId>,
    pub(crate) edit: Edit,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) report: CompactionReport,
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
}

impl FlushJob {
    /// Flushes every fresh run of `version`, of which there is at least one.
    pub(crate) fn new(disk: Arc<Disk>, version: Arc<Version>) -> Self {
        let runs = version.fresh.clone();
        let keyspaces = version.keyspaces.keys().rev().copied().collect();
        let created = runs.iter().rev().flat_map(|run| run.created.iter().cloned()).collect();
        let edit = Edit { flushed: Some(version.commit), created, ..Edit::default() };
        let report = CompactionReport { keyspace: "*".to_owned(), ..CompactionReport::default() };
        let finished = Finished { keyspace: None, edit, segments: Vec::new(), report };
        FlushJob { disk, version, runs, keyspaces, rewriting: None, finished }
    }

    /// The newest commit that the job flushes.
    pub(crate) fn through(&self) -> CommitNo {
        self.version.commit
    }

    /// One bounded step; true when all is written.
    pub(crate) fn step(&mut self) -> Result<bool> {
        if let Some(rewriting) = &mut self.rewriting {
            if rewriting.step(STEP_BYTES_MAX, None)? {
                let rewriting = self.rewriting.take().expect("invariant: it was just stepped");
                let run = self.disk.new_run_id();
                self.finished.take(rewriting, 0, run, &self.disk)?;
            }
            return Ok(false);
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
        self.finished
    }
}

/// Rewrites segments into the level that the picker chose.
pub(crate) struct CompactionJob {
    disk: Arc<Disk>,
    keyspace: KeyspaceId,
    rewriting: Option<Rewriting>,
    level: u8,
    run: u64,
    finished: Finished,
}

impl CompactionJob {
    /// Starts `work`, picked from `version`.
    pub(crate) fn new(disk: Arc<Disk>, version: &Version, work: Work) -> Result<Self> {
        let keyspace = Arc::clone(version.keyspace(work.keyspace)?);
        let run = match keyspace.levels.get(usize::from(work.level)).and_then(|to| to.runs.first())
        {
            Some(run) => run.id,
            None => disk.new_run_id(),
        };
        let name = keyspace.name.clone();
        let mut edit = Edit::default();
        let mut report = CompactionReport { keyspace: name, ..CompactionReport::default() };
        for segment in &work.moved {
            edit.moved.push((segment.summary().id, work.level, run));
        }
        report.segments_moved = edit.moved.len() as u64;
        let inputs = work.inputs.iter().flatten();
        let summaries: Vec<_> = inputs.map(|segment| segment.summary().clone()).collect();
        edit.removed = summaries.iter().map(|summary| summary.id).collect();
        let finished = Finished { keyspace: Some(keyspace.id), edit, segments: Vec::new(), report };
        let (id, level) = (keyspace.id, work.level);
        let mut job = CompactionJob { disk, keyspace: id, rewriting: None, level, run, finished };
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

    /// The keyspace whose segments it rewrites; a job of one that was dropped is to be dropped too.
    pub(crate) fn keyspace(&self) -> KeyspaceId {
        self.keyspace
    }

    /// One bounded step; true when all is written. `reader` shows the newest version to group rewriters.
    pub(crate) fn step(&mut self, reader: &dyn Reader) -> Result<bool> {
        let Some(rewriting) = &mut self.rewriting else { return Ok(true) };
        if rewriting.step(STEP_BYTES_MAX, Some(reader))? {
            let rewriting = self.rewriting.take().expect("invariant: it was just stepped");
            self.finished.take(rewriting, self.level, self.run, &self.disk)?;
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn finish(self) -> Finished {
        self.finished
    }
}

impl Finished {
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
        for (summary, lease) in output.finish()? {
            report.output += summary.entries;
            report.ranges_out += summary.ranges;
            report.bytes_out += summary.bytes;
            let extent = lease.extent();
            self.segments.push(disk.segment(summary.clone(), lease));
            self.edit.added.push(Placed { level, run, extent, summary });
        }
        report.balance()?;
        let total = &mut self.report;
        total.input += report.input;
        total.output += report.output;
        total.shadowed += report.shadowed;
        total.covered += report.covered;
        total.merged += report.merged;
        total.purged += report.purged;
        total.dropped += report.dropped;
        total.ranges_in += report.ranges_in;
        total.ranges_out += report.ranges_out;
        total.ranges_joined += report.ranges_joined;
        total.ranges_split += report.ranges_split;
        total.ranges_dropped += report.ranges_dropped;
        total.segments_hidden += report.segments_hidden;
        total.bytes_in += report.bytes_in;
        total.bytes_out += report.bytes_out;
        Ok(())
    }
}
