//! `check`: proves a store from the outside.
//!
//! Reads every block and value of every segment, proves their order, counts and checksums, that runs do not
//! overlap, that value segments hold what entries refer to and know how much that is, and that every page of the file belongs to exactly one owner.

use std::collections::BTreeSet;

use serde::Serialize;

use super::alive::{AliveScan, alive};
use super::cursor::EntryKind;
use super::error::{Error, Result};
use super::ids::Extent;
use super::manifest::{Keyspace, Version};
use super::operands::Content;
use super::space::SpaceUse;
use super::value::Reference;

/// What a check read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Keyspaces.
    pub keyspaces: u64,
    /// Segments, each read whole.
    pub segments: u64,
    /// Entries in them.
    pub entries: u64,
    /// Range tombstones in them.
    pub ranges: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Value segments.
    pub value_segments: u64,
    /// Values in them that are alive, each read whole.
    pub values: u64,
    /// Bytes of these values.
    pub value_bytes: u64,
    /// Pages of the file.
    pub pages: u64,
    /// Pages that nothing uses.
    pub free_pages: u64,
    /// Pages that wait for a checkpoint before they are free.
    pub deferred_pages: u64,
    /// Pages that only snapshots or running jobs use.
    pub pinned_pages: u64,
    /// Pages that would be free but for readers in other processes.
    pub held_pages: u64,
    /// Whether another process was writing to the file: then nothing is known of pages that the state does not use.
    pub has_writer: bool,
}

/// Checks `version` and the page map `used` at the same moment. `others` are the extents of manifests and log.
pub(crate) fn check(version: &Version, used: &SpaceUse, others: &[Extent]) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    version.check_order()?;
    let mut reachable: BTreeSet<Extent> = others.iter().copied().collect();
    for keyspace in version.keyspaces.values() {
        report.keyspaces += 1;
        for segment in keyspace.segments() {
            segment.verify()?;
            report.segments += 1;
            report.entries += segment.summary().entries;
            report.ranges += segment.summary().ranges;
            report.bytes += segment.summary().bytes;
            reachable.insert(segment.extent());
        }
        check_values(version, keyspace, &mut report)?;
        reachable.extend(keyspace.values.values().map(|held| held.segment.extent()));
    }
    let leased: BTreeSet<Extent> = used.leased.iter().copied().collect();
    if let Some(lost) = reachable.difference(&leased).next() {
        let what = format!("page map: {lost} is in use but not marked so");
        return Err(Error::corruption(what, lost.offset()));
    }
    report.pinned_pages = leased.difference(&reachable).map(|extent| extent.pages).sum();
    report.pages = used.pages;
    report.free_pages = used.free_pages;
    report.deferred_pages = used.deferred_pages;
    report.held_pages = used.held_pages;
    Ok(report)
}

/// Proves that what is said to be alive of each value segment is what entries refer to, and reads it.
fn check_values(version: &Version, keyspace: &Keyspace, report: &mut CheckReport) -> Result<()> {
    let mut scan = AliveScan::new(keyspace.segments(), &keyspace.values.keys().copied().collect());
    while !scan.step()? {}
    for (id, references) in scan.finish()? {
        let Some(held) = keyspace.values.get(&id) else { continue };
        alive(held, &references)?;
        report.value_segments += 1;
        for reference in &references {
            held.segment.verify(reference)?;
            report.values += 1;
            report.value_bytes += reference.raw_bytes;
        }
    }
    let lookup = keyspace.lookup();
    for source in version.fresh.iter().filter_map(|run| run.source(keyspace.id)) {
        let mut cursor = source.cursor;
        cursor.first()?;
        while cursor.valid() {
            if cursor.kind() == EntryKind::Refer {
                let bytes = cursor.value()?;
                let mut value = lookup.open(Content::Reference(bytes.clone()))?;
                while value.next_chunk()?.is_some() {}
                report.values += 1;
                report.value_bytes += Reference::decode(&bytes)?.raw_bytes;
            }
            cursor.next()?;
        }
    }
    Ok(())
}
