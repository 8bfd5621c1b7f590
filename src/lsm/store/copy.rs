//! `compact_into`: a minimal copy of one version in a new file, which is also the online backup.
//!
//! The copy is filled keyspace by keyspace, in key order, from the first free page on: a keyspace that is one run without
//! anything dead, and not encrypted, is copied byte for byte and proved, any other is merged into one run. Of value segments only what is alive is copied. Nothing of the source is locked or
//! written; commits and compactions go on, the version pins what it holds. The target becomes visible under its
//! name when it is whole and durable (`storage::partial`), so that a crash leaves nothing half done.

use std::sync::Arc;

use super::checkpoint::publish;
use super::core::Core;
use crate::lsm::alive::AliveScan;
use crate::lsm::compaction::KeyspaceCopy;
use crate::lsm::error::{Error, Result};
use crate::lsm::manifest::{Edit, Keyspace, Made, Placed, Run, Version, described};
use crate::lsm::segment::Segment;
use crate::lsm::stats::{BackupReport, Progress};
use crate::lsm::txn::Snapshot;
use crate::lsm::value::{HeldValues, ValueSegment, copy_alive};

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
    let segment_bytes: u64 = segments.map(|segment| segment.summary().bytes).sum();
    let values = version.value_segments().map(|(_, held)| held.segment.extent().bytes());
    let told = Progress { done_bytes: 0, total_bytes: segment_bytes + values.sum::<u64>() };
    // What is copied keeps its numbers; what is merged must not get the same.
    let (next_segment, next_run) = source.disk.next_ids();
    target.disk.reserve_ids(next_segment, next_run);
    let mut filling = Filling {
        target,
        source,
        told,
        progress,
        report: BackupReport { commit: version.commit, ..BackupReport::default() },
        edit: Edit { flushed: Some(version.commit), ..Edit::default() },
        made: Vec::new(),
        values: Vec::new(),
    };
    for keyspace in version.keyspaces.values() {
        filling.edit.created.push(keyspace.descriptor());
        let first = filling.made.len();
        match copied_verbatim(source, version, keyspace) {
            Some((level, run)) => filling.copy(level, run)?,
            None => filling.merge(version, keyspace)?,
        }
        filling.copy_values(keyspace, first)?;
    }
    let Filling { mut report, edit, made, values, .. } = filling;
    report.entries = edit.added.iter().map(|placed| placed.summary.entries).sum();
    let mut next = Version::clone(&target.version.load());
    next.apply(&edit, &target.registry, &Made::new(&made, &values))?;
    // No log record names them: the checkpoint of the close does.
    publish(&made, &values);
    target.advance(&mut *target.writer()?, next);
    Ok(report)
}

/// A copy that is being made.
struct Filling<'a> {
    target: &'a Core,
    source: &'a Core,
    told: Progress,
    progress: &'a mut dyn FnMut(Progress),
    report: BackupReport,
    edit: Edit,
    made: Vec<Arc<Segment>>,
    values: Vec<Arc<ValueSegment>>,
}

impl Filling<'_> {
    fn tell(&mut self, done_bytes: u64) {
        self.told.done_bytes = done_bytes;
        (self.progress)(self.told);
    }

    fn copy(&mut self, level: u8, run: &Run) -> Result<()> {
        for segment in run.segments.iter() {
            let copy = copy(self.target, self.source, segment)?;
            let summary = segment.summary().clone();
            self.tell(self.told.done_bytes + summary.bytes);
            self.report.segments_copied += 1;
            let extent = copy.extent();
            self.edit.added.push(Placed { level, run: run.id, extent, summary });
            self.made.push(copy);
        }
        Ok(())
    }

    fn merge(&mut self, version: &Arc<Version>, keyspace: &Arc<Keyspace>) -> Result<()> {
        let reader = Snapshot::new(Arc::clone(version));
        let before = self.told.done_bytes;
        let bytes: u64 = keyspace.segments().map(|segment| segment.summary().bytes).sum();
        let mut copy = KeyspaceCopy::new(Arc::clone(&self.target.disk), version, keyspace);
        let mut steps = 0;
        while !copy.step(&reader)? {
            // How much of the input a step took is not known exactly: it ends after about so much of its entries.
            steps += 1;
            self.tell(before + bytes.min(steps * u64::from(KeyspaceCopy::STEP_BYTES)));
        }
        self.tell(before + bytes);
        let finished = copy.finish();
        self.report.segments_merged += finished.segments.len() as u64;
        self.edit.added.extend(finished.edit.added);
        self.made.extend(finished.segments);
        Ok(())
    }

    /// Copies the values to which the segments from `first` on refer.
    fn copy_values(&mut self, keyspace: &Keyspace, first: usize) -> Result<()> {
        let wanted = keyspace.values.keys().copied().collect();
        let mut scan = AliveScan::new(self.made[first..].iter(), &wanted);
        while !scan.step()? {}
        for (id, references) in scan.finish()? {
            let Some(held) = keyspace.values.get(&id) else { continue };
            if !references.is_empty() {
                let copy = copy_alive(&held.segment, &self.target.disk.values, &references)?;
                let segment = Arc::new(copy);
                self.report.values_copied += references.len() as u64;
                self.values.push(Arc::clone(&segment));
                let copied = HeldValues { segment, ..held.clone() };
                self.edit.values.push(described(keyspace.id, &copied));
            }
            self.tell(self.told.done_bytes + held.segment.extent().bytes());
        }
        Ok(())
    }
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
