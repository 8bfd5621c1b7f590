//! Pending runs: what large transactions write before they commit, and how it is merged.
//!
//! Called by `txn` in the thread that writes. The segments belong to nobody but the transaction: dropping a run gives
//! its pages back at once. Tombstones stay, since what is below a pending run is not asked.

use std::sync::Arc;

use super::input::Input;
use super::output::SegmentOutput;
use super::report::CompactionReport;
use super::rewrite::Rewriting;
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::{Keyspace, Run};
use crate::lsm::ranges::Ranges;

/// Writes range tombstones and ascending entries, not nothing of both, as a run that takes the number `commit`.
pub(crate) fn write_pending<'e>(
    disk: &Arc<Disk>,
    keyspace: &Arc<Keyspace>,
    commit: CommitNo,
    ranges: &Ranges,
    entries: impl Iterator<Item = (&'e [u8], EntryKind, &'e [u8])>,
) -> Result<Run> {
    let mut output = SegmentOutput::new(Arc::clone(disk), Arc::clone(keyspace), (commit, commit));
    output.carry(ranges);
    for (key, kind, value) in entries {
        output.add(key, kind, value)?;
    }
    into_run(disk, output)
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
    let inputs = runs.iter().map(|run| Input::of_segments(run.segments.to_vec())).collect();
    let (input, ranges_in) = held(runs.iter());
    let report = CompactionReport {
        keyspace: keyspace.name.clone(),
        input,
        ranges_in,
        ..CompactionReport::default()
    };
    let mut rewriting =
        Rewriting::new(Arc::clone(keyspace), inputs, Vec::new(), output, report).above_unknown();
    while !rewriting.step(usize::MAX, None)? {}
    let (output, mut report) = rewriting.into_parts();
    report.ranges_split = output.ranges_split;
    let run = into_run(disk, output)?;
    (report.output, report.ranges_out) = held([&run].into_iter());
    report.balance()?;
    Ok(run)
}

/// The run that was written.
fn into_run(disk: &Disk, output: SegmentOutput) -> Result<Run> {
    let mut segments = Vec::new();
    for (summary, lease) in output.finish()? {
        segments.push(disk.segment(summary, lease));
    }
    Ok(Run { id: disk.new_run_id(), segments: Arc::new(segments) })
}

/// Entries and range tombstones of runs.
fn held<'r>(runs: impl Iterator<Item = &'r Run>) -> (u64, u64) {
    let summaries = runs.flat_map(|run| run.segments.iter()).map(|segment| segment.summary());
    summaries.fold((0, 0), |(entries, ranges), summary| {
        (entries + summary.entries, ranges + summary.ranges)
    })
}
