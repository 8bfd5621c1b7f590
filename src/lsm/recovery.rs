//! Opening a file: choose a root, read its manifest, replay the log.
//!
//! Nothing is written before everything was understood, so a file that is refused is left as it was. The result
//! is the version after the last whole commit; a log that proves its own damage is refused.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::cipher::{Owner, Sealer};
use super::codec::checksum::checksum;
use super::descriptor::Descriptor;
use super::disk::Disk;
use super::error::{Error, Result};
use super::ids::{CommitNo, Extent, PAGE_BYTES};
use super::leased::LeasedRoot;
use super::manifest::{Manifest, Opener, Registry, Version};
use super::options::Options;
use super::replay::{Groups, Replay};
use super::root::{self, Found, NEW_FILE_PAGES, RESERVED, Root};
use super::space::{ExtentLease, Space};
use super::storage::Storage;
use super::wal::{Log, LogWriter};

/// Owner in the checksums of manifests.
pub(crate) const MANIFEST_OWNER: u64 = u64::MAX - 2;

/// A store's state as the file gave it.
pub(crate) struct Recovered {
    pub(crate) disk: Arc<Disk>,
    pub(crate) version: Version,
    pub(crate) log: LogWriter,
    pub(crate) root: Root,
    /// The manifest of `root`, and that of the root before it while it is known to be needed.
    pub(crate) manifests: VecDeque<ExtentLease>,
    /// Where the log holds each commit that is not flushed, oldest first.
    pub(crate) groups: Groups,
    /// Whether the log ends where a process died, rather than where one closed the file.
    pub(crate) inherited: bool,
}

/// Opens the file behind `storage`, or creates it when nothing is there.
pub(crate) fn recover(
    storage: Arc<dyn Storage>,
    options: Options,
    registry: &Registry,
) -> Result<Recovered> {
    match root::read(&*storage, options.cipher.as_ref())? {
        Found::Nothing => create(&storage, options),
        Found::File(descriptor, sealer, roots) => {
            roots.first().map_or(Ok(()), |newest| root::check_len(&*storage, newest))?;
            recover_from((descriptor, sealer, &roots), storage, options, registry)
        }
    }
}

/// Disk of a file that others may write to: what is adopted there is kept as it is by the lease of its root.
pub(crate) fn disk_for_reading(
    storage: &Arc<dyn Storage>,
    leased: &LeasedRoot,
    options: Options,
) -> Arc<Disk> {
    let end = RESERVED.iter().map(|extent| extent.end()).max().unwrap_or_default();
    let space = Space::new(&RESERVED, end, leased.root.generation);
    space.read_under(leased.lease.clone());
    let options = leased.descriptor.fix(options);
    Arc::new(Disk::new(Arc::clone(storage), space, leased.sealer.clone(), options))
}

/// What a root and the log behind it describe, and how far the log went.
#[derive(Debug)]
pub(crate) struct Replayed<'a> {
    pub(crate) version: Version,
    pub(crate) groups: Groups,
    pub(crate) log: Log<'a>,
}

/// The version of `root`, whose manifest is known, and of the log behind it. `opener` makes what they name.
pub(crate) fn replay<'a>(
    disk: &'a Disk,
    registry: &'a Registry,
    root: &Root,
    manifest: &Manifest,
    opener: &dyn Opener,
) -> Result<Replayed<'a>> {
    disk.reserve_ids(manifest.next_segment, manifest.next_run);
    let replay = Replay { disk, registry, edits_before: root.edits_before };
    let ahead = replay.look_ahead(root.log)?;
    let mut version = manifest.restore(registry, manifest.flushed, opener)?;
    let mut log = replay.log(root.log)?;
    let groups = replay.run(&mut log, &mut version, ahead, opener)?;
    Ok(Replayed { version, groups, log })
}

/// Whether a page belongs to none of `used`, which ascend and are disjoint.
pub(crate) fn is_free(used: &[Extent], page: u64) -> bool {
    let behind = used.partition_point(|extent| extent.start <= page);
    let before = behind.checked_sub(1).and_then(|index| used.get(index));
    before.is_none_or(|extent| extent.end() <= page)
}

/// The state of the file behind `storage`, to which nobody writes and in which nothing is written: for salvage.
pub(crate) fn recover_read_only(
    storage: Arc<dyn Storage>,
    options: Options,
    registry: &Registry,
) -> Result<Recovered> {
    match root::read(&*storage, options.cipher.as_ref())? {
        Found::Nothing => {
            Err(Error::NotADatabase { found: "nothing was ever stored in it".to_owned() })
        }
        Found::File(descriptor, sealer, roots) => {
            roots.first().map_or(Ok(()), |newest| root::check_len(&*storage, newest))?;
            recover_from((descriptor, sealer, &roots), storage, options, registry)
        }
    }
}

/// The state that `root` leads to, wherever it was found. Writes nothing.
pub(crate) fn recover_at(
    (storage, sealer, options): (Arc<dyn Storage>, Sealer, Options),
    registry: &Registry,
    root: &Root,
) -> Result<Recovered> {
    let manifest = read_manifest(&*storage, &sealer, root)?;
    take_over((storage, sealer, options), registry, root, None, &manifest)
}

/// The state that the newest root with a whole manifest leads to. Writes nothing.
fn recover_from(
    (descriptor, sealer, roots): (Descriptor, Sealer, &[Root]),
    storage: Arc<dyn Storage>,
    options: Options,
    registry: &Registry,
) -> Result<Recovered> {
    let options = descriptor.fix(options);
    let mut first_error = None;
    for (index, root) in roots.iter().enumerate() {
        match read_manifest(&*storage, &sealer, root) {
            Ok(manifest) => {
                let older = roots.get(index + 1);
                let file = (storage, sealer, options);
                return take_over(file, registry, root, older, &manifest);
            }
            // The older root reaches everything that the newer one does.
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| Error::corruption("root slots: neither is whole", 0)))
}

fn create(storage: &Arc<dyn Storage>, options: Options) -> Result<Recovered> {
    let io = |source| Error::io("creating the file", source);
    storage.set_len(0).map_err(io)?;
    let reserved_pages = RESERVED.iter().map(|extent| extent.end()).max().unwrap_or_default();
    let space = Space::new(&RESERVED, reserved_pages, 1);
    let sealer = Sealer::for_new_file(options.cipher.clone())?;
    let descriptor = Descriptor::new(&options, &sealer);
    let log = LogWriter::create(
        Arc::clone(storage),
        Arc::clone(&space),
        sealer.clone(),
        options.log_bytes_max,
    )?;
    let disk = Arc::new(Disk::new(Arc::clone(storage), space, sealer, options));
    let manifest = Manifest::capture(&Version::default(), 1, 1);
    let (root, lease) = write_manifest(&disk, &manifest, 1, |manifest, bytes, sum| Root {
        generation: 1,
        clean: false,
        manifest,
        manifest_bytes: bytes,
        manifest_checksum: sum,
        commit: CommitNo(0),
        file_pages: NEW_FILE_PAGES,
        log: log.position(),
        edits_before: 0,
        chain: 0,
    })?;
    root.write(&**storage, &disk.sealer)?;
    storage.sync().map_err(io)?;
    root::write_descriptor(&**storage, &descriptor, &disk.sealer)?;
    storage.sync().map_err(io)?;
    let version = Version::default();
    let (manifests, groups) = (VecDeque::from([lease]), VecDeque::new());
    Ok(Recovered { disk, version, log, root, manifests, groups, inherited: false })
}

/// Writes a manifest into an extent of its own, and a copy of its root to the end of it; `root` makes the root of this
/// `generation` that names it.
pub(crate) fn write_manifest(
    disk: &Disk,
    manifest: &Manifest,
    generation: u64,
    root: impl FnOnce(Extent, u64, u64) -> Root,
) -> Result<(Root, ExtentLease)> {
    let mut bytes = manifest.encode();
    disk.sealer.seal(Owner::Manifest(generation), 0, &[], 0, &mut bytes)?;
    let len = bytes.len() as u64;
    let sum = checksum(MANIFEST_OWNER, 0, &bytes);
    let lease = disk.space.allocate(Root::manifest_pages(len));
    let root = root(lease.extent(), len, sum);
    let copy = usize::try_from(Root::copy_offset(lease.extent()));
    bytes.resize(copy.map_err(|_| Error::corruption("manifest: does not fit in memory", 0))?, 0);
    bytes.extend_from_slice(&root.encode(&disk.sealer)?);
    disk.storage
        .write_bulk(lease.extent().offset(), &bytes)
        .map_err(|source| Error::io(format!("writing the manifest, {}", lease.extent()), source))?;
    lease.publish();
    Ok((root, lease))
}

/// The manifest that `root` names.
pub(crate) fn read_manifest(
    storage: &dyn Storage,
    sealer: &Sealer,
    root: &Root,
) -> Result<Manifest> {
    let place = || format!("{}, generation {}", root.manifest, root.generation);
    let len_bytes =
        storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
    let end = root.manifest.start.checked_add(root.manifest.pages);
    let within = end.is_some_and(|end| end <= root.file_pages.min(len_bytes / PAGE_BYTES));
    if !within || Root::manifest_pages(root.manifest_bytes) != root.manifest.pages {
        return Err(Error::corruption("manifest: lies outside its place", 0).at(place));
    }
    let len = usize::try_from(root.manifest_bytes)
        .map_err(|_| Error::corruption("manifest: does not fit in memory", 0))?;
    let mut bytes = vec![0; len];
    storage
        .read_at(root.manifest.offset(), &mut bytes)
        .map_err(|source| Error::io(format!("reading the manifest, {}", root.manifest), source))?;
    if checksum(MANIFEST_OWNER, 0, &bytes) != root.manifest_checksum {
        return Err(Error::corruption("manifest: checksum mismatch", 0).at(place));
    }
    let owner = Owner::Manifest(root.generation);
    let opened = sealer.open(owner, 0, &[], Bytes::from(bytes));
    opened.and_then(|bytes| Manifest::decode(&bytes)).map_err(|error| error.at(place))
}

/// The state of a file that is to be written.
fn take_over(
    (storage, sealer, options): (Arc<dyn Storage>, Sealer, Options),
    registry: &Registry,
    root: &Root,
    older: Option<&Root>,
    manifest: &Manifest,
) -> Result<Recovered> {
    let len_bytes =
        storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
    let space = Space::new(&RESERVED, len_bytes.div_ceil(PAGE_BYTES), root.generation);
    let disk = Arc::new(Disk::new(Arc::clone(&storage), Arc::clone(&space), sealer, options));
    let mut manifests = VecDeque::from([space.adopt(root.manifest)?]);
    let replayed = replay(&disk, registry, root, manifest, &*disk)?;
    let Replayed { version, groups, log } = replayed;
    let mut extents = VecDeque::new();
    for &(sequence, extent) in log.extents() {
        extents.push_back((sequence, space.adopt(extent)?));
    }
    let inherited = !(root.clean && log.is_untouched()?);
    if inherited {
        let used = space.check()?.leased;
        log.prove_end(&|page| is_free(&used, page))?;
    }
    let (end, bytes) = (log.end(), log.bytes());
    let older = older.filter(|older| older.generation + 1 == root.generation && root.clean);
    if let Some(older) = older {
        // Both roots describe the same state; only the older one's manifest is a place of its own.
        if let Ok(lease) = space.adopt(older.manifest) {
            manifests.push_front(lease);
        }
    }
    let oldest_lease = storage.oldest_lease().unwrap_or(Some(0));
    space.readers_at(oldest_lease);
    if oldest_lease.is_some() {
        // What they look at was seen from this root or an older one, or in the log on the way to its end.
        space.defer_free_until(root.generation + 2);
    } else if older.is_none() {
        space.defer_free_until(root.generation + 1);
    }
    let known = (root.log.record, bytes);
    let (sealer, log_bytes_max) = (disk.sealer.clone(), disk.options.log_bytes_max);
    let log = LogWriter::resume(storage, space, sealer, extents, end, known, log_bytes_max)?;
    Ok(Recovered { disk, version, log, root: root.clone(), manifests, groups, inherited })
}
