//! `check`: proves a store from the outside.
//!
//! Reads every block and value of every segment, proves their order, counts and checksums, that runs do not
//! overlap, and that every page of the file belongs to exactly one owner.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::{Error, Result};
use super::ids::Extent;
use super::manifest::Version;
use super::space::SpaceUse;

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
    /// Pages of the file.
    pub pages: u64,
    /// Pages that nothing uses.
    pub free_pages: u64,
    /// Pages that wait for a checkpoint before they are free.
    pub deferred_pages: u64,
    /// Pages that only snapshots or running jobs use.
    pub pinned_pages: u64,
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
    Ok(report)
}
