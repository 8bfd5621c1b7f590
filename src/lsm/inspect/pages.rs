//! [`Pages`]: what any page of a file is, and what its bytes mean.
//!
//! Who owns a page is known from the newest state that recovery understands. When it understands none, a page is judged
//! by its own bytes (magics and checksums), so that a ruined file can be looked at too. Nothing is written.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::annotate::{Annotation, shown};
use super::structures::{self, Decoded, pages_of};
use super::understood::Understood;
use super::values;
use crate::lsm::block::{BlockCursor, BlockValue};
use crate::lsm::cipher::Sealer;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES};
use crate::lsm::options::Options;
use crate::lsm::reading::Reading;
use crate::lsm::root::{self, Found, RESERVED, Root};
use crate::lsm::segment::{LeafPart, Segment, SegmentParts};
use crate::lsm::space::{ExtentLease, RootLease};
use crate::lsm::storage::{FileStorage, Storage};
use crate::lsm::value::{Reference, ValueHeader, ValueSegment};
use crate::lsm::wal::{EXTENT_MAGIC, read_extent_header};

/// Bytes of one structure that are read to be shown.
const PART_BYTES_MAX: u64 = 64 << 20;

/// What stands in a page, or in all pages of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageView {
    /// The first page.
    pub page: u64,
    /// How many there are.
    pub pages: u64,
    /// Whose they are, for example `segment 7, pages 16..19`.
    pub owner: String,
    /// What stands in them.
    pub parts: Vec<PartView>,
    /// Why owners are not known, when the file as a whole could not be understood.
    pub trouble: Option<String>,
}

/// A structure in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartView {
    /// What it is, for example `leaf block at 0x1d`.
    pub what: String,
    /// Offset of its first byte in the file; for what was decompressed, of the block that holds it.
    pub offset: u64,
    /// Its fields; together they cover all of its bytes.
    pub annotations: Vec<Annotation>,
    /// What is wrong with it, if anything.
    pub damage: Option<String>,
}

/// The pages of a file.
///
/// ```
/// use alluvium::lsm::{MemoryStorage, Options, Pages, Store};
/// use std::sync::Arc;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("fruit.alv");
/// Store::open_file(&path, Options::default())?.close()?;
/// let pages = Pages::open_file(&path, Options::default())?;
/// assert_eq!(pages.page(0)?.owner, "descriptor");
/// assert_eq!(pages.page(0)?.parts[0].annotations[0].value, "\"ALLUVIUM\"");
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct Pages {
    storage: Arc<dyn Storage>,
    len_bytes: u64,
    sealer: Sealer,
    /// Whether the file is encrypted and its key is not known: what is sealed stays so.
    locked: bool,
    roots: Vec<Root>,
    /// Ascending, without gaps, when `trouble` is none; else empty.
    areas: Vec<(Extent, Owner)>,
    /// Keeps what `areas` tells of as it is.
    _lease: Option<RootLease>,
    trouble: Option<String>,
}

#[derive(Debug, Clone)]
enum Owner {
    Descriptor,
    RootSlot,
    Manifest,
    Log,
    Segment(Arc<Segment>),
    Values(Arc<ValueSegment>),
    Deferred,
    Free,
}

/// A stretch of a segment that is one structure.
struct Stretch<'a> {
    part: Part<'a>,
    /// From the segment's first byte.
    offset: u64,
    len: u64,
    /// Where the one before it ends; between them stand the values of a leaf.
    gap_from: u64,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Leaf(&'a LeafPart),
    Names,
    NameIndex,
    Ranges,
    Index,
    Properties,
    Filter,
    Footer,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

impl Pages {
    /// Opens the file at `path` for reading only; a store in another process may go on writing to it.
    ///
    /// # Errors
    /// When the file cannot be read or is locked; not when it is damaged.
    pub fn open_file(path: impl AsRef<Path>, options: Options) -> Result<Pages> {
        Pages::open(Arc::new(FileStorage::open_reader(path)?), options)
    }

    /// Opens what stands on a storage, in which nothing is written.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Pages> {
        let len_bytes =
            storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
        let (sealer, locked, roots) = match root::read(&*storage, options.cipher.as_ref()) {
            Ok(Found::File(_, sealer, roots)) => (sealer, false, roots),
            Err(Error::Encrypted { .. }) => (Sealer::NONE, true, Vec::new()),
            _ => (Sealer::NONE, options.cipher.is_some(), Vec::new()),
        };
        let understood = Understood::newest(&storage, options)
            .and_then(|understood| Ok((areas(&understood)?, understood.reading.lease)));
        let (areas, lease, trouble) = match understood {
            Ok((areas, lease)) => (areas, lease, None),
            Err(error) => (Vec::new(), None, Some(error.to_string())),
        };
        Ok(Pages { storage, len_bytes, sealer, locked, roots, areas, _lease: lease, trouble })
    }

    /// Pages that the file has.
    pub fn count(&self) -> u64 {
        self.len_bytes.div_ceil(PAGE_BYTES)
    }

    /// The bytes of a page; fewer than a page's at the end of a file that was cut within one.
    ///
    /// # Errors
    /// [`Error::NoSuchPage`], and what reading meets.
    pub fn bytes(&self, page: u64) -> Result<Vec<u8>> {
        if page >= self.count() {
            return Err(Error::NoSuchPage { page, pages: self.count() });
        }
        let start = page * PAGE_BYTES;
        self.read(start, PAGE_BYTES.min(self.len_bytes - start))
    }

    /// What stands in a page: every structure that has a byte there, whole.
    ///
    /// # Errors
    /// Those of [`bytes`](Self::bytes). Damage is no error here: it is told in the view.
    pub fn page(&self, page: u64) -> Result<PageView> {
        let bytes = self.bytes(page)?;
        let (owner, parts) = match self.area(page) {
            Some((extent, owner)) => {
                (self.name(*extent, owner), self.parts(*extent, owner, page..page + 1)?)
            }
            None => self.judge(page, &bytes)?,
        };
        Ok(PageView { page, pages: 1, owner, parts, trouble: self.trouble.clone() })
    }

    /// The whole file, owner by owner in the order of the pages; free pages are only named.
    ///
    /// # Errors
    /// What reading meets.
    pub fn owners(&self) -> impl Iterator<Item = Result<PageView>> + '_ {
        self.areas.iter().map(|(extent, owner)| {
            Ok(PageView {
                page: extent.start,
                pages: extent.pages,
                owner: self.name(*extent, owner),
                parts: self.parts(*extent, owner, extent.start..extent.end())?,
                trouble: None,
            })
        })
    }

    /// What opens the file's pieces, if that is known.
    fn key(&self) -> Option<&Sealer> {
        (!self.locked).then_some(&self.sealer)
    }

    /// Why the file as a whole could not be understood, if it could not.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn area(&self, page: u64) -> Option<&(Extent, Owner)> {
        let behind = self.areas.partition_point(|(extent, _)| extent.start <= page);
        let area = behind.checked_sub(1).and_then(|index| self.areas.get(index));
        area.filter(|(extent, _)| page < extent.end())
    }

    fn name(&self, extent: Extent, owner: &Owner) -> String {
        match owner {
            Owner::Descriptor => "descriptor".to_owned(),
            Owner::RootSlot => "root slot".to_owned(),
            Owner::Manifest => {
                let named = |root: &&Root| root.manifest == extent;
                let generation = self.roots.iter().find(named).map(|root| root.generation);
                format!("manifest of generation {}, {extent}", generation.unwrap_or_default())
            }
            Owner::Log => format!("log, {extent}"),
            Owner::Segment(segment) => segment.to_string(),
            Owner::Values(segment) => segment.to_string(),
            Owner::Deferred => format!("kept back for the older root, {extent}"),
            Owner::Free => format!("free, {extent}"),
        }
    }

    fn parts(&self, extent: Extent, owner: &Owner, wanted: Range<u64>) -> Result<Vec<PartView>> {
        match owner {
            Owner::Descriptor => {
                let bytes = self.read(extent.offset(), extent.bytes())?;
                Ok(vec![part("descriptor", extent.offset(), structures::descriptor(&bytes))])
            }
            Owner::RootSlot => {
                let bytes = self.read(extent.offset(), extent.bytes())?;
                let decoded = structures::root_slot(&bytes, self.key());
                Ok(vec![part("root slot", extent.offset(), decoded)])
            }
            Owner::Manifest => self.manifest(extent),
            Owner::Log => self.log(extent, &wanted),
            Owner::Segment(segment) => self.segment(segment, &wanted),
            Owner::Values(segment) => self.value_segment(segment, &wanted),
            Owner::Deferred | Owner::Free => Ok(Vec::new()),
        }
    }

    fn manifest(&self, extent: Extent) -> Result<Vec<PartView>> {
        let mut bytes = Bytes::from(self.read(extent.offset(), extent.bytes())?);
        let copy = Root::copy_offset(extent);
        let copied = bytes.split_off(usize::try_from(copy).unwrap_or(usize::MAX).min(bytes.len()));
        let root = self.roots.iter().find(|root| root.manifest == extent);
        let decoded = match root {
            Some(root) => structures::manifest(&bytes, root, &self.sealer),
            None => vec![structures::plain(&bytes)],
        };
        let mut views = Vec::new();
        self.push("manifest", extent.offset(), decoded, &mut views);
        let decoded = structures::root_slot(&copied, self.key());
        views.push(part("copy of the root", extent.offset() + copy, decoded));
        Ok(views)
    }

    fn log(&self, extent: Extent, wanted: &Range<u64>) -> Result<Vec<PartView>> {
        let bytes = Bytes::from(self.read(extent.offset(), extent.bytes())?);
        let mut parts = Vec::new();
        let overlaps = |offset: u64, len: u64| {
            let pages = pages_of(extent, offset, len);
            pages.start < wanted.end && wanted.start < pages.end
        };
        if overlaps(0, 1) {
            let page = bytes.get(..usize::try_from(PAGE_BYTES).unwrap_or_default());
            let decoded = structures::log_header(page.unwrap_or(&bytes), extent.start);
            parts.push(part("header of a log extent", extent.offset(), decoded));
        }
        let header = read_extent_header(&*self.storage, extent.start)?;
        let mut offset = PAGE_BYTES;
        while let Some((sequence, _)) = header
            && let Some(record) = structures::log_record(&bytes, self.key(), sequence, offset)
        {
            if overlaps(record.offset, record.end - record.offset) {
                let what = format!("log record at {:#x}", record.offset);
                self.push(&what, extent.offset() + record.offset, record.decoded, &mut parts);
            }
            offset = record.end;
        }
        Ok(parts)
    }

    fn segment(&self, segment: &Segment, wanted: &Range<u64>) -> Result<Vec<PartView>> {
        let extent = segment.extent();
        let parts = match segment.anatomy() {
            Ok(parts) => parts,
            Err(error) => {
                let len = (wanted.end - wanted.start) * PAGE_BYTES;
                let bytes = self.read(wanted.start * PAGE_BYTES, len)?;
                let decoded =
                    Decoded { damage: Some(error.to_string()), ..structures::plain(&bytes) };
                return Ok(vec![part("part of a segment", wanted.start * PAGE_BYTES, decoded)]);
            }
        };
        let overlaps = |offset: u64, len: u64| {
            let pages = pages_of(extent, offset, len);
            pages.start < wanted.end && wanted.start < pages.end
        };
        let mut views = Vec::new();
        for stretch in layout(&parts) {
            let Stretch { part, offset, len, gap_from } = stretch;
            if let Part::Leaf(leaf) = part
                && gap_from < offset
                && overlaps(gap_from, offset - gap_from)
            {
                self.values(segment, leaf, wanted, &mut views)?;
            }
            if overlaps(offset, len) {
                self.stretch(segment, &stretch, &mut views)?;
            }
        }
        Ok(views)
    }

    fn value_segment(&self, segment: &ValueSegment, wanted: &Range<u64>) -> Result<Vec<PartView>> {
        let mut views = Vec::new();
        let read = |offset, len| self.read(offset, len);
        for (what, offset, decoded) in values::parts(segment, &self.sealer, wanted, &read)? {
            self.push(&what, offset, decoded, &mut views);
        }
        Ok(views)
    }

    fn stretch(
        &self,
        segment: &Segment,
        &Stretch { part: kind, offset, len, .. }: &Stretch<'_>,
        views: &mut Vec<PartView>,
    ) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let start = segment.extent().offset() + offset;
        let place = (&self.sealer, segment.summary().id, offset);
        let bytes = Bytes::from(self.read(start, len)?);
        let (name, decoded) = match kind {
            Part::Leaf(_) => ("leaf block", structures::block(&bytes, place, false)),
            Part::Names => ("block of names", structures::block(&bytes, place, false)),
            Part::NameIndex => ("index of names", structures::block(&bytes, place, true)),
            Part::Ranges => ("range tombstones", structures::ranges(&bytes, place)),
            Part::Index => ("index block", structures::block(&bytes, place, true)),
            Part::Properties => ("properties", structures::properties(&bytes, place)),
            Part::Filter => ("filter", structures::filter(&bytes, place)),
            Part::Footer => ("footer", vec![structures::footer(&bytes, place.1, offset)]),
        };
        self.push(&format!("{name} at {offset:#x}, {len} bytes"), start, decoded, views);
        Ok(())
    }

    /// Adds a part as it stands in the file, and behind it its plain form if that is another one.
    fn push(&self, what: &str, offset: u64, decoded: Vec<Decoded>, views: &mut Vec<PartView>) {
        let form = if self.sealer.is_on() { "decrypted" } else { "decompressed" };
        for (index, decoded) in decoded.into_iter().enumerate() {
            let what = if index == 0 { what.to_owned() } else { format!("{what}: {form}") };
            views.push(part(&what, offset, decoded));
        }
    }

    /// The values in wanted pages to which a leaf refers.
    fn values(
        &self,
        segment: &Segment,
        leaf: &LeafPart,
        wanted: &Range<u64>,
        views: &mut Vec<PartView>,
    ) -> Result<()> {
        let extent = segment.extent();
        // A damaged leaf is shown as such, and tells nothing of its values.
        let Ok((_, block)) = segment.open_leaf(leaf) else { return Ok(()) };
        let mut cursor = BlockCursor::new(block);
        let mut moved = cursor.first();
        while moved.is_ok() && cursor.valid() {
            if let BlockValue::External(value) = cursor.value() {
                let stored_bytes = segment.sealed_bytes(value);
                let pages = pages_of(extent, value.offset, stored_bytes);
                if pages.start < wanted.end && wanted.start < pages.end {
                    let place = extent.offset() + value.offset;
                    let bytes = self.read(place, stored_bytes)?;
                    let plain = segment.read_value(value);
                    let decoded = structures::value(&bytes, plain, self.sealer.is_on());
                    let what = format!(
                        "value of \"{}\" at {:#x}, {} bytes",
                        shown(cursor.key()),
                        value.offset,
                        stored_bytes
                    );
                    self.push(&what, place, decoded, views);
                }
            }
            moved = cursor.next();
        }
        Ok(())
    }

    /// What a page is by its own bytes, when nobody can say whose it is.
    fn judge(&self, page: u64, bytes: &[u8]) -> Result<(String, Vec<PartView>)> {
        let offset = page * PAGE_BYTES;
        let single = |what: &str, decoded| (what.to_owned(), vec![part(what, offset, decoded)]);
        if page == 0 {
            return Ok(single("descriptor", structures::descriptor(bytes)));
        }
        if RESERVED.iter().any(|extent| extent.start == page) {
            return Ok(single("root slot", structures::root_slot(bytes, self.key())));
        }
        if bytes.starts_with(EXTENT_MAGIC) && bytes.len() as u64 == PAGE_BYTES {
            let whole = read_extent_header(&*self.storage, page)?;
            if let Some((_, extent)) = whole.filter(|(_, e)| e.end() * PAGE_BYTES <= self.len_bytes)
            {
                return Ok((format!("log, {extent}"), self.log(extent, &(page..page + 1))?));
            }
            return Ok(single("log extent", structures::log_header(bytes, page)));
        }
        if let Ok(ValueHeader(Reference { segment, page: written, .. })) =
            ValueHeader::decode(bytes)
        {
            let what = format!("value at page {written} of value segment {segment}");
            return Ok(single(&what, structures::value_header(bytes)));
        }
        let what = match bytes.iter().all(|&byte| byte == 0) {
            true => "empty page",
            false if self.locked => "sealed or unknown page",
            false => "unknown page",
        };
        Ok(single(what, structures::plain(bytes)))
    }

    /// Bytes of the file; what lies behind its end reads as nothing.
    fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let len = len.min(self.len_bytes.saturating_sub(offset)).min(PART_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.storage
            .read_at(offset, &mut bytes)
            .map_err(|source| Error::io(format!("reading {len} bytes at {offset}"), source))?;
        Ok(bytes)
    }
}

fn part(what: &str, offset: u64, decoded: Decoded) -> PartView {
    let Decoded { annotations, damage } = decoded;
    PartView { what: what.to_owned(), offset, annotations, damage }
}

/// The parts of a segment in the order of their places.
fn layout(parts: &SegmentParts) -> Vec<Stretch<'_>> {
    let leaves = parts.leaves.iter().map(|leaf| (Part::Leaf(leaf), leaf.offset, leaf.bytes));
    let names = parts.names.iter().map(|block| (Part::Names, block.offset, block.bytes));
    let rest = [
        (Part::NameIndex, parts.name_index_offset, parts.counts.names.index_bytes),
        (Part::Ranges, parts.ranges_offset, parts.counts.range_bytes),
        (Part::Index, parts.index_offset, parts.index_bytes),
        (Part::Properties, parts.properties_offset, parts.properties_bytes),
        (Part::Filter, parts.filter_offset, parts.filter_bytes),
        (Part::Footer, parts.footer_offset, parts.footer_bytes),
    ];
    let mut layout = Vec::new();
    let mut gap_from = 0;
    for (part, offset, len) in leaves.chain(names).chain(rest) {
        // A damaged index may name what does not stand before it.
        let Some(end) = offset.checked_add(len).filter(|_| offset >= gap_from) else { continue };
        layout.push(Stretch { part, offset, len, gap_from });
        gap_from = end;
    }
    layout
}

/// Who owns which pages.
fn areas(understood: &Understood) -> Result<Vec<(Extent, Owner)>> {
    let Understood { reading: Reading { disk, version, .. }, manifests, log } = understood;
    let mut areas: Vec<(Extent, Owner)> = RESERVED
        .iter()
        .map(|&extent| {
            (extent, if extent.start == 0 { Owner::Descriptor } else { Owner::RootSlot })
        })
        .collect();
    areas.extend(manifests.iter().map(|lease| (ExtentLease::extent(lease), Owner::Manifest)));
    areas.extend(log.iter().map(|lease| (ExtentLease::extent(lease), Owner::Log)));
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    areas.extend(segments.map(|segment| (segment.extent(), Owner::Segment(Arc::clone(segment)))));
    areas.extend(
        version
            .value_segments()
            .map(|(_, held)| (held.segment.extent(), Owner::Values(Arc::clone(&held.segment)))),
    );
    let used = disk.space.check()?;
    areas.extend(used.deferred.iter().map(|&extent| (extent, Owner::Deferred)));
    areas.sort_by_key(|(extent, _)| *extent);
    let mut free = Vec::new();
    let mut end = 0;
    for (extent, _) in &areas {
        if extent.start > end {
            free.push((Extent { start: end, pages: extent.start - end }, Owner::Free));
        }
        end = extent.end();
    }
    if used.pages > end {
        free.push((Extent { start: end, pages: used.pages - end }, Owner::Free));
    }
    areas.extend(free);
    areas.sort_by_key(|(extent, _)| *extent);
    Ok(areas)
}
