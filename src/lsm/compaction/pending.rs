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

/// Writes range tombstones and ascending entries, something at least, as a run that takes the numbers `commits`.
pub(crate) fn write_pending<'e>(
    disk: &Arc<Disk>,
    keyspace: &Arc<Keyspace>,
    commits: (CommitNo, CommitNo),
    ranges: &Ranges,
    entries: impl Iterator<Item = (&'e [u8], EntryKind, &'e [u8])>,
) -> Result<Run> {
    let mut output = SegmentOutput::new(Arc::clone(disk), Arc::clone(keyspace), commits);
    output.carry(ranges);
    for (key, kind, value) in entries {
        output.add(key, kind, value)?;
    }
    into_run(disk, output, &mut CompactionReport::default())
}

/// Makes one run of several, given newest first.
pub(crate) fn merge_pending<'r>(
    disk: &Arc<Disk>,
    keyspace: &Arc<Keyspace>,
    commits: (CommitNo, CommitNo),
    runs: impl Iterator<Item = &'r Run>,
) -> Result<Run> {
    let output = SegmentOutput::new(Arc::clone(disk), Arc::clone(keyspace), commits);
    let mut report =
        CompactionReport { keyspace: keyspace.name.clone(), ..CompactionReport::default() };
    let mut inputs = Vec::new();
    for run in runs {
        for segment in run.segments.iter() {
            report.input += segment.summary().entries;
            report.ranges_in += segment.summary().ranges;
        }
        inputs.push(Input::of_segments(run.segments.to_vec()));
    }
    let mut rewriting =
        Rewriting::new(Arc::clone(keyspace), inputs, Vec::new(), output, report).above_unknown();
    while !rewriting.step(usize::MAX, None)? {}
    let (output, mut report) = rewriting.into_parts();
    let run = into_run(disk, output, &mut report)?;
    report.balance()?;
    Ok(run)
}

/// Closes the output; notes in `report` what was written.
fn into_run(disk: &Disk, output: SegmentOutput, report: &mut CompactionReport) -> Result<Run> {
    let mut segments = Vec::new();
    report.ranges_split = output.ranges_split;
    for (summary, lease) in output.finish()?.0 {
        report.output += summary.entries;
        report.ranges_out += summary.ranges;
        segments.push(disk.segment(summary, lease));
    }
    Ok(Run { id: disk.new_run_id(), segments: Arc::new(segments) })
}
