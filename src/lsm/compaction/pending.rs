//! Pending runs: what large transactions write before they commit, and how it is merged.
//!
//! Called by `txn` in the thread that writes. The segments belong to nobody but the transaction: dropping a run gives
//! its pages back at once. Tombstones stay, since what is below a pending run is not asked.

use std::sync::Arc;

use super::output::SegmentOutput;
use super::report::CompactionReport;
use super::rewrite::Rewriting;
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::{Keyspace, Run};
use crate::lsm::scan::RunCursor;

/// Writes ascending entries, of which there is at least one, as a run that takes the number `commit`.
pub(crate) fn write_pending<'e>(
    disk: &Arc<Disk>,
    keyspace: &Arc<Keyspace>,
    commit: CommitNo,
    entries: impl Iterator<Item = (&'e [u8], EntryKind, &'e [u8])>,
) -> Result<Run> {
    let mut output = SegmentOutput::new(Arc::clone(disk), Arc::clone(keyspace), (commit, commit));
    for (key, kind, value) in entries {
        output.add(key, kind, value)?;
    }
    into_run(disk, output).map(|(run, _)| run)
}

/// Makes one run of several, given newest first.
pub(crate) fn merge_pending(
    disk: &Arc<Disk>,
    keyspace: &Arc<Keyspace>,
    runs: &[Run],
) -> Result<Run> {
    let commits = runs.iter().map(Run::commits);
    let commits = commits.reduce(|hull, next| (hull.0.min(next.0), hull.1.max(next.1)));
    let output =
        SegmentOutput::new(Arc::clone(disk), Arc::clone(keyspace), commits.unwrap_or_default());
    let inputs = runs
        .iter()
        .map(|run| Box::new(RunCursor::new(Arc::clone(&run.segments))) as Box<dyn RawCursor>)
        .collect();
    let segments = runs.iter().flat_map(|run| run.segments.iter());
    let input = segments.map(|segment| segment.summary().entries).sum();
    let report =
        CompactionReport { keyspace: keyspace.name.clone(), input, ..CompactionReport::default() };
    let mut rewriting =
        Rewriting::new(Arc::clone(keyspace), inputs, Vec::new(), output, report).above_unknown();
    while !rewriting.step(usize::MAX, None)? {}
    let (output, mut report) = rewriting.into_parts();
    let (run, entries) = into_run(disk, output)?;
    report.output = entries;
    report.balance()?;
    Ok(run)
}

/// The run that was written, and its entries.
fn into_run(disk: &Disk, output: SegmentOutput) -> Result<(Run, u64)> {
    let mut entries = 0;
    let mut segments = Vec::new();
    for (summary, lease) in output.finish()? {
        entries += summary.entries;
        segments.push(disk.segment(summary, lease));
    }
    Ok((Run { id: disk.new_run_id(), segments: Arc::new(segments) }, entries))
}
