//! `compact_into`: a minimal copy of one version in a new file, which is also the online backup.
//!
//! The copy is filled keyspace by keyspace, in key order, from the first free page on: a keyspace that is one run without
//! anything dead, and not encrypted, is copied byte for byte and proved, any other is merged into one run. Nothing of the source is locked or
//! written; commits and compactions go on, the version pins what it holds. The target becomes visible under its
//! name when it is whole and durable (`storage::partial`), so that a crash leaves nothing half done.

use std::sync::Arc;

use super::checkpoint::publish;
use super::core::Core;
use crate::lsm::compaction::KeyspaceCopy;
use crate::lsm::error::{Error, Result};
use crate::lsm::manifest::{Edit, Keyspace, Placed, Run, Version};
use crate::lsm::segment::Segment;
use crate::lsm::stats::{BackupReport, Progress};
use crate::lsm::txn::Snapshot;

/// Bytes that are copied at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Fills `target`, a new store, with what `version` of `source` shows.
pub(super) fn fill(
    target: &Core,
    source: &Core,
    version: &Arc<Version>,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupReport> {
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let total_bytes = segments.map(|segment| segment.summary().bytes).sum();
    let mut told = Progress { done_bytes: 0, total_bytes };
    let mut edit = Edit { flushed: Some(version.commit), ..Edit::default() };
    let mut made = Vec::new();
    // What is copied keeps its numbers; what is merged must not get the same.
    let (next_segment, next_run) = source.disk.next_ids();
    target.disk.reserve_ids(next_segment, next_run);
    let mut report = BackupReport { commit: version.commit, ..BackupReport::default() };
    let reader = Snapshot::new(Arc::clone(version));
    for keyspace in version.keyspaces.values() {
        edit.created.push(keyspace.descriptor());
        if let Some((level, run)) = copied_verbatim(source, version, keyspace) {
            for segment in run.segments.iter() {
                let copy = copy(target, source, segment)?;
                let summary = segment.summary().clone();
                told.done_bytes += summary.bytes;
                progress(told);
                report.segments_copied += 1;
                let extent = copy.extent();
                edit.added.push(Placed { level, run: run.id, extent, summary });
                made.push(copy);
            }
        } else {
            let before = told.done_bytes;
            let bytes: u64 = keyspace.segments().map(|segment| segment.summary().bytes).sum();
            let mut copy = KeyspaceCopy::new(Arc::clone(&target.disk), version, keyspace);
            let mut steps = 0;
            while !copy.step(&reader)? {
                // How much of the input a step took is not known exactly: it ends after about so much of its entries.
                steps += 1;
                told.done_bytes = before + bytes.min(steps * u64::from(KeyspaceCopy::STEP_BYTES));
                progress(told);
            }
            told.done_bytes = before + bytes;
            progress(told);
            let finished = copy.finish();
            report.segments_merged += finished.segments.len() as u64;
            edit.added.extend(finished.edit.added);
            made.extend(finished.segments);
        }
    }
    report.entries = edit.added.iter().map(|placed| placed.summary.entries).sum();
    let mut next = Version::clone(&target.version.load());
    next.apply_own(&edit, &target.registry, &made)?;
    // No log record names them: the checkpoint of the close does.
    publish(&made);
    target.advance(&mut *target.writer()?, next);
    Ok(report)
}

/// The only run of a keyspace and its level, if nothing in it is dead or waits for other entries. What is encrypted is
/// bound to its file.
fn copied_verbatim<'a>(
    source: &Core,
    version: &Version,
    keyspace: &'a Keyspace,
) -> Option<(u8, &'a Run)> {
    if source.disk.sealer.is_on() {
        return None;
    }
    let runs = || {
        keyspace
            .levels
            .iter()
            .zip(0_u8..)
            .flat_map(|(content, level)| content.runs.iter().map(move |run| (level, run)))
    };
    let (level, run) = runs().next()?;
    let fresh = version.fresh.iter().any(|run| run.source(keyspace.id).is_some());
    let summaries = run.segments.iter().map(|segment| segment.summary());
    let dead: u64 = summaries.map(|summary| summary.tombstones + summary.ranges).sum();
    let one = runs().count() == 1 && !fresh && dead == 0 && keyspace.rewriter.is_none();
    one.then_some((level.max(1), run))
}

/// Copies the bytes of a segment and proves them.
fn copy(target: &Core, source: &Core, segment: &Arc<Segment>) -> Result<Arc<Segment>> {
    let from = segment.extent();
    let lease = target.disk.space.allocate(from.pages);
    let to = lease.extent();
    let mut done = 0;
    while done < from.bytes() {
        let piece = (from.bytes() - done).min(PIECE_BYTES);
        let mut buffer = vec![0; usize::try_from(piece).unwrap_or_default()];
        let read = source.disk.storage.read_at(from.offset() + done, &mut buffer);
        read.map_err(|error| Error::io(format!("reading {segment}"), error))?;
        let written = target.disk.storage.write_bulk(to.offset() + done, &buffer);
        written.map_err(|error| Error::io(format!("writing a copy of {segment}"), error))?;
        done += piece;
    }
    let copy = target.disk.segment(segment.summary().clone(), lease);
    // Nothing was decoded on the way: a copy of damage is no copy.
    copy.verify()?;
    Ok(copy)
}
