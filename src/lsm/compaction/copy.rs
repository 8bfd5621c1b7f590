//! Writing what a version shows of one keyspace as one run in another file.
//!
//! The merge of a compaction, with fresh runs among the inputs and nothing older than them; `store::copy` drives it.

use std::sync::Arc;

use super::input::Input;
use super::job::Finished;
use super::output::SegmentOutput;
use super::report::CompactionReport;
use super::rewrite::Rewriting;
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::{Edit, Keyspace, Version};
use crate::lsm::reader::Reader;

/// Merges a keyspace into one run on `disk`, which need not be the one that it is on.
pub(crate) struct KeyspaceCopy {
    disk: Arc<Disk>,
    rewriting: Option<Rewriting>,
    level: u8,
    finished: Finished,
}

impl KeyspaceCopy {
    /// Bytes of entries that one step takes, about.
    pub(crate) const STEP_BYTES: u32 = 2 << 20;

    pub(crate) fn new(disk: Arc<Disk>, version: &Version, keyspace: &Arc<Keyspace>) -> Self {
        let id = keyspace.id;
        let ranges = |run: &FreshRun| run.ranges(id).cloned().unwrap_or_default();
        let fresh = version.fresh.iter().filter_map(|run| {
            run.source(id).map(|source| Input::of_memory(source.cursor, ranges(run)))
        });
        let flushed = keyspace.runs().map(|run| Input::of_segments(run.segments.to_vec()));
        let inputs = fresh.chain(flushed).collect();
        let summaries = || keyspace.segments().map(|segment| segment.summary());
        let report = CompactionReport {
            input: version.fresh.iter().map(|run| run.entries(id)).sum::<u64>()
                + summaries().map(|summary| summary.entries).sum::<u64>(),
            ranges_in: version.fresh.iter().map(|run| ranges(run).len()).sum::<u64>()
                + summaries().map(|summary| summary.ranges).sum::<u64>(),
            ..CompactionReport::default()
        };
        let oldest = summaries().map(|summary| summary.commits.0).min();
        let commits = (oldest.unwrap_or(CommitNo(version.flushed.0 + 1)), version.commit);
        let commits = (commits.0.min(commits.1), commits.1);
        let output = SegmentOutput::new(Arc::clone(&disk), Arc::clone(keyspace), commits);
        let rewriting = Rewriting::new(Arc::clone(keyspace), inputs, Vec::new(), output, report);
        let last = keyspace.levels.iter().rposition(|level| !level.runs.is_empty());
        let level = u8::try_from(last.unwrap_or_default().max(1)).unwrap_or(1);
        let report =
            CompactionReport { keyspace: keyspace.name.clone(), ..CompactionReport::default() };
        let edit = Edit::default();
        let finished = Finished::new(None, edit, report);
        KeyspaceCopy { disk, rewriting: Some(rewriting), level, finished }
    }

    /// One bounded step; true when all is written. `reader` shows the version to group rewriters.
    pub(crate) fn step(&mut self, reader: &dyn Reader) -> Result<bool> {
        let Some(rewriting) = &mut self.rewriting else { return Ok(true) };
        if rewriting.step(Self::STEP_BYTES as usize, Some(reader))? {
            let rewriting = self.rewriting.take().expect("invariant: it was just stepped");
            let run = self.disk.new_run_id();
            self.finished.take(rewriting, self.level, run, &self.disk)?;
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn finish(self) -> Finished {
        self.finished
    }
}
