//! A file as its newest root and the log behind it show it, for whoever does not write to it: readers and tools.
//!
//! It is what recovery would make of the file, in memory only. A writer in another process may go on meanwhile: the lease
//! of the root keeps what is read as it is, and every segment keeps that lease, so that a snapshot may outlive whoever
//! made it. The end of the log is wherever the last whole record ends; what is being appended is seen the next time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::cache::Loan;
use super::disk::Disk;
use super::error::Result;
use super::ids::{Extent, SegmentId};
use super::leased::{LeasedRoot, newest_generation};
use super::manifest::{Manifest, Opener, Placed, Registry, Version};
use super::options::Options;
use super::recovery::{Replayed, disk_for_reading, is_free, read_manifest, replay};
use super::replay::Groups;
use super::root::{RESERVED, Root};
use super::segment::Segment;
use super::space::RootLease;
use super::storage::Storage;
use super::value::{PlacedValues, ValueSegment};
use super::wal::{Log, LogPosition};

/// Roots that are tried when reading fails while newer ones come.
const ATTEMPTS_MAX: usize = 4;

/// A version and where it came from.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) disk: Arc<Disk>,
    pub(crate) root: Root,
    /// The root before it, while its slot is whole.
    pub(crate) older: Option<Root>,
    pub(crate) lease: Option<RootLease>,
    pub(crate) version: Arc<Version>,
    /// For the commits that the version has in memory.
    pub(crate) loan: Loan,
    /// Where the log holds the commits that the version has in memory.
    pub(crate) groups: Groups,
    /// The log up to `end`.
    pub(crate) log_extents: Vec<Extent>,
    pub(crate) end: LogPosition,
    pub(crate) known: Known,
    /// Why it was begun anew.
    #[cfg(test)]
    pub(crate) failures: Vec<String>,
}

impl Reading {
    /// Reads the newest state of the file behind `storage`. What `before` has of it in memory is used again.
    pub(crate) fn newest(
        storage: &Arc<dyn Storage>,
        options: &Options,
        registry: &Registry,
        before: Option<&Reading>,
    ) -> Result<Reading> {
        let cipher = options.cipher.as_ref();
        let mut attempt = 1;
        #[cfg(test)]
        let mut failures = Vec::new();
        loop {
            let leased = LeasedRoot::take(&**storage, cipher)?;
            let generation = leased.root.generation;
            // Something that does not fit what was there before may well fit together by itself.
            let before = before.filter(|_| attempt == 1);
            match understand(storage, leased, options, registry, before) {
                #[cfg(test)]
                Ok(reading) => return Ok(Reading { failures, ..reading }),
                #[cfg(not(test))]
                Ok(reading) => return Ok(reading),
                // Under its lease a root's state does not change, so it is damaged; a newer one need not be.
                Err(error) => {
                    let is_newest = newest_generation(&**storage, cipher)? == generation;
                    if attempt == ATTEMPTS_MAX || (is_newest && before.is_none()) {
                        return Err(error);
                    }
                    #[cfg(test)]
                    failures.push(error.to_string());
                }
            }
            attempt += 1;
        }
    }

    /// Whether what this has of a segment, by its number, is also that of a version of `root`.
    fn is_continued_by(&self, root: &Root) -> bool {
        // In one chain of log records no number is given twice, whoever dies.
        self.root.chain == root.chain && self.root.generation < root.generation
    }
}

/// Segments that versions or snapshots have, by number and place: a root may reach some that newer versions did not.
#[derive(Debug, Default, Clone)]
pub(crate) struct Known {
    segments: HashMap<(SegmentId, Extent), Weak<Segment>>,
    values: HashMap<(SegmentId, Extent), Weak<ValueSegment>>,
}

impl Known {
    /// Forgets those that nobody has any more.
    fn tidy(&mut self) {
        self.segments.retain(|_, segment| segment.strong_count() > 0);
        self.values.retain(|_, segment| segment.strong_count() > 0);
    }
}

/// Makes segments, unless they are there.
pub(crate) struct Opening<'a> {
    disk: &'a Disk,
    known: RefCell<&'a mut Known>,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(disk: &'a Disk, known: &'a mut Known) -> Self {
        Opening { disk, known: RefCell::new(known) }
    }
}

impl Opener for Opening<'_> {
    fn segment(&self, placed: &Placed) -> Result<Arc<Segment>> {
        let place = (placed.summary.id, placed.extent);
        let segments = &mut self.known.borrow_mut().segments;
        let have = segments.get(&place).and_then(Weak::upgrade);
        if let Some(have) = have.filter(|have| *have.summary() == placed.summary) {
            have.renew();
            return Ok(have);
        }
        let segment = Opener::segment(self.disk, placed)?;
        segments.insert(place, Arc::downgrade(&segment));
        Ok(segment)
    }

    fn values(&self, placed: &PlacedValues) -> Result<Arc<ValueSegment>> {
        let place = (placed.id, placed.extent);
        let values = &mut self.known.borrow_mut().values;
        let have = values.get(&place).and_then(Weak::upgrade);
        if let Some(have) = have.filter(|have| *have.kept() == placed.kept) {
            have.renew();
            return Ok(have);
        }
        let segment = self.disk.values(placed)?;
        values.insert(place, Arc::downgrade(&segment));
        Ok(segment)
    }
}

fn understand(
    storage: &Arc<dyn Storage>,
    leased: LeasedRoot,
    options: &Options,
    registry: &Registry,
    before: Option<&Reading>,
) -> Result<Reading> {
    let (leased, manifest) = choose(&**storage, leased, options)?;
    let root = &leased.root;
    let before = before.filter(|before| before.is_continued_by(root));
    let disk = match before {
        Some(before) => {
            before.disk.space.read_under(leased.lease.clone());
            Arc::clone(&before.disk)
        }
        None => disk_for_reading(storage, &leased, options.clone()),
    };
    let mut known = before.map(|before| before.known.clone()).unwrap_or_default();
    let opening = Opening::new(&disk, &mut known);
    let replayed = replay(&disk, registry, root, &manifest, &opening).and_then(|replayed| {
        prove_end(&replayed.log, root, &replayed.version, storage)?;
        Ok(replayed)
    });
    let Replayed { version, groups, log } = match replayed {
        Ok(replayed) => replayed,
        Err(error) => {
            if let Some(before) = before {
                disk.space.read_under(before.lease.clone());
            }
            return Err(error);
        }
    };
    known.tidy();
    let log_extents = log.extents().iter().map(|&(_, extent)| extent).collect();
    let mut loan = disk.cache.lend();
    loan.set(version.fresh_bytes());
    let (version, end) = (Arc::new(version), log.end());
    let LeasedRoot { root, older, lease, .. } = leased;
    Ok(Reading {
        disk,
        root,
        older,
        lease,
        version,
        loan,
        groups,
        log_extents,
        end,
        known,
        #[cfg(test)]
        failures: Vec::new(),
    })
}

/// The newest root whose manifest is whole.
fn choose(
    storage: &dyn Storage,
    leased: LeasedRoot,
    options: &Options,
) -> Result<(LeasedRoot, Manifest)> {
    let error = match read_manifest(storage, &leased.sealer, &leased.root) {
        Ok(manifest) => return Ok((leased, manifest)),
        Err(error) => error,
    };
    // The older root reaches everything that the newer one does.
    let Some(older) = leased.fall_back(storage, options.cipher.as_ref())? else {
        return Err(error);
    };
    match read_manifest(storage, &older.sealer, &older.root) {
        Ok(manifest) => Ok((older, manifest)),
        Err(_) => Err(error),
    }
}

/// Fails when the log goes on behind its end, as recovery would; a writer that is there has proved it before it began.
fn prove_end(
    log: &Log<'_>,
    root: &Root,
    version: &Version,
    storage: &Arc<dyn Storage>,
) -> Result<()> {
    if storage.has_writer() || (root.clean && log.is_untouched()?) {
        return Ok(());
    }
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let mut used: Vec<Extent> = segments.map(|segment| segment.extent()).collect();
    used.extend(version.value_segments().map(|(_, held)| held.segment.extent()));
    used.extend(log.extents().iter().map(|&(_, extent)| extent));
    used.extend(RESERVED);
    used.push(root.manifest);
    used.sort_unstable();
    match log.prove_end(&|page| is_free(&used, page)) {
        // It came meanwhile, and what was found is what it appended.
        Err(_) if storage.has_writer() => Ok(()),
        proved => proved,
    }
}
