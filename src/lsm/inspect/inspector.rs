//! [`Inspector`]: a file as recovery understands it, opened without writing a byte, beside a writer if need be.
//!
//! It holds what a store holds when it opens, and nothing moves. Shallow figures read the directory of each segment
//! (footer, index, properties), deep ones every leaf block.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::annotate::{shown, shown_end};
use super::figures::{
    BlockFigures, ContentFigures, EditFigures, FreeSpace, KeyspaceFigures, LeafFigures, LogFigures,
    PageFigures, RunFigures, SegmentFigures, Structure, ratio,
};
use super::understood::Understood;
use super::values;
use crate::lsm::block::{BlockCursor, BlockValue};
use crate::lsm::check::{CheckReport, check};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES, SegmentId};
use crate::lsm::manifest::{Edit, Keyspace};
use crate::lsm::options::Options;
use crate::lsm::reading::Reading;
use crate::lsm::root::RESERVED;
use crate::lsm::segment::{LeafPart, Segment};
use crate::lsm::storage::{FileStorage, Storage};
use crate::lsm::txn::Snapshot;
use crate::lsm::wal::{Log, RecordKind};

/// A file, understood and not written.
///
/// ```
/// use alluvium::lsm::{Durability, Inspector, KeyspaceOptions, Options, Reader, Store};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("fruit.alv");
/// let store = Store::open_file(&path, Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.commit(Durability::Sync)?;
/// store.close()?;
///
/// let inspector = Inspector::open_file(&path, Options::default())?;
/// let structure = inspector.structure(true)?;
/// assert_eq!(structure.keyspaces[0].runs[0].sum().entries, 1);
/// assert_eq!(inspector.snapshot().get(fruit, b"apple")?.unwrap(), "red");
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct Inspector {
    storage: Arc<dyn Storage>,
    understood: Understood,
    snapshot: Snapshot,
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector")
            .field("root", &self.understood.reading.root)
            .finish_non_exhaustive()
    }
}

impl Inspector {
    /// Opens the file at `path` for reading only; a store in another process may go on writing to it.
    ///
    /// # Errors
    /// Those of [`Store::open_file`](crate::lsm::Store::open_file); [`Error::NotADatabase`] for a file that holds
    /// nothing yet.
    pub fn open_file(path: impl AsRef<Path>, options: Options) -> Result<Inspector> {
        Inspector::open(Arc::new(FileStorage::open_reader(path)?), options)
    }

    /// Opens what stands on a storage, in which nothing is written.
    ///
    /// # Errors
    /// Those of [`open_file`](Self::open_file).
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Inspector> {
        let understood = Understood::newest(&storage, options)?;
        let snapshot = Snapshot::new(Arc::clone(&understood.reading.version));
        Ok(Inspector { storage, understood, snapshot })
    }

    /// Everything that is committed.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads and proves everything, as [`Store::check`](crate::lsm::Store::check) does.
    ///
    /// Beside a writer that is everything that the state reaches: no two parts of it share a page. Of all other pages
    /// nothing is known then; they are free in this state, and the writer may have taken them.
    ///
    /// # Errors
    /// The first damage found.
    pub fn check(&self) -> Result<CheckReport> {
        let Reading { disk, version, .. } = &self.understood.reading;
        let mut others: Vec<Extent> = self.understood.others().collect();
        others.extend(RESERVED);
        let has_writer = self.storage.has_writer();
        let report = check(version, &disk.space.check()?, &others)?;
        Ok(CheckReport { has_writer: has_writer || self.storage.has_writer(), ..report })
    }

    /// How the file is built; `deep` also reads every leaf block.
    ///
    /// # Errors
    /// When the file cannot be read, or what was read is damaged.
    pub fn structure(&self, deep: bool) -> Result<Structure> {
        let Understood { reading: Reading { disk, version, root, .. }, manifests, .. } =
            &self.understood;
        let file_bytes = self
            .storage
            .len_bytes()
            .map_err(|source| Error::io("reading the file's length", source))?;
        let mut keyspaces = Vec::new();
        for keyspace in version.keyspaces.values() {
            keyspaces.push(self.keyspace(keyspace, deep)?);
        }
        keyspaces.sort_by(|left, right| left.name.cmp(&right.name));
        let mut sum = ContentFigures::default();
        let segments = keyspaces.iter().flat_map(|k| &k.runs).flat_map(|run| &run.segments);
        let mut segment_pages = 0;
        for segment in segments {
            sum.add(&segment.figures);
            segment_pages += segment.pages;
        }
        let values = || keyspaces.iter().flat_map(|keyspace| &keyspace.values);
        let value_bytes = values().map(|values| values.live_pages * PAGE_BYTES).sum();
        let used = disk.space.check()?;
        let log = self.log()?;
        let total = file_bytes.div_ceil(PAGE_BYTES);
        let pages = PageFigures {
            total,
            reserved: RESERVED.iter().map(|extent| extent.pages).sum(),
            manifests: manifests.iter().map(|manifest| manifest.extent().pages).sum(),
            log: log.extent_bytes / PAGE_BYTES,
            segments: segment_pages,
            values: values().map(|values| values.pages).sum(),
            deferred: used.deferred_pages,
            free: used.free_pages,
        };
        Ok(Structure {
            file_bytes,
            commit: version.commit,
            flushed: version.flushed,
            generation: root.generation,
            clean: root.clean && log.records == 0,
            segment_bytes: sum.bytes,
            raw_bytes: sum.raw_bytes,
            value_bytes,
            space_amplification: ratio(file_bytes, sum.bytes + value_bytes),
            pages,
            free: FreeSpace::of(&gaps(&used.leased, used.pages)),
            log,
            keyspaces,
        })
    }

    fn keyspace(&self, keyspace: &Keyspace, deep: bool) -> Result<KeyspaceFigures> {
        let mut runs = Vec::new();
        for (level, content) in keyspace.levels.iter().enumerate() {
            for run in &content.runs {
                let segments = run.segments.iter().map(|segment| self.segment(segment, deep));
                let segments = segments.collect::<Result<_>>()?;
                let level = u8::try_from(level).unwrap_or(u8::MAX);
                runs.push(RunFigures { level, run: run.id, segments });
            }
        }
        let fresh = self.understood.reading.version.fresh.iter();
        Ok(KeyspaceFigures {
            id: keyspace.id.0,
            name: keyspace.name.clone(),
            merge_operator: keyspace.options.merge_operator.clone(),
            group_rewriter: keyspace.options.group_rewriter.clone(),
            fresh_entries: fresh.map(|run| run.entries(keyspace.id)).sum(),
            runs,
            values: keyspace.values.values().map(values::figures).collect(),
        })
    }

    fn segment(&self, segment: &Segment, deep: bool) -> Result<SegmentFigures> {
        let (summary, extent) = (segment.summary(), segment.extent());
        let parts = segment.anatomy()?;
        let mut leaves = None;
        if deep {
            let mut counted = LeafFigures::default();
            for (index, leaf) in parts.leaves.iter().enumerate() {
                let is_last = index + 1 == parts.leaves.len();
                self.count_leaf(segment, leaf, is_last, &mut counted)?;
            }
            leaves = Some(counted);
        }
        let counts = parts.counts;
        Ok(SegmentFigures {
            id: summary.id.0,
            start_page: extent.start,
            pages: extent.pages,
            smallest: shown(&summary.smallest),
            greatest: shown_end(&summary.end),
            first_commit: summary.commits.0,
            last_commit: summary.commits.1,
            figures: ContentFigures {
                segments: 1,
                extents: 1,
                bytes: summary.bytes,
                raw_bytes: counts.raw_bytes,
                entries: counts.entries,
                tombstones: counts.tombstones,
                merges: counts.merges,
                leaf_blocks: counts.leaf_blocks,
                index_bytes: parts.index_bytes,
                external_values: counts.external_values,
                external_bytes: counts.external_bytes,
                ranges: counts.ranges,
                leaves,
            },
        })
    }

    fn count_leaf(
        &self,
        segment: &Segment,
        leaf: &LeafPart,
        is_last: bool,
        counted: &mut LeafFigures,
    ) -> Result<()> {
        let figures = block_figures(segment, leaf)?;
        let keys_min = if counted.blocks == 0 { figures.keys } else { counted.keys_min };
        counted.blocks += 1;
        counted.keys += figures.keys;
        counted.keys_min = keys_min.min(figures.keys);
        counted.keys_max = counted.keys_max.max(figures.keys);
        counted.stored_bytes += figures.stored_bytes;
        counted.raw_bytes += figures.raw_bytes;
        counted.full_bytes = u64::from(self.understood.reading.disk.options.block_bytes);
        if !is_last && (counted.raw_bytes_min == 0 || figures.raw_bytes < counted.raw_bytes_min) {
            counted.raw_bytes_min = figures.raw_bytes;
        }
        Ok(())
    }

    /// The leaf blocks of a segment; a damaged one says so in its figures.
    ///
    /// # Errors
    /// [`Error::UnknownSegment`]; corruption of what leads to the leaf blocks.
    pub fn blocks(&self, segment: SegmentId) -> Result<Vec<BlockFigures>> {
        let mut segments = self
            .understood
            .reading
            .version
            .keyspaces
            .values()
            .flat_map(|keyspace| keyspace.segments());
        let found = segments.find(|candidate| candidate.summary().id == segment);
        let segment = found.ok_or(Error::UnknownSegment(segment))?;
        let figures = |leaf: &LeafPart| {
            block_figures(segment, leaf).unwrap_or_else(|error| BlockFigures {
                offset: leaf.offset,
                page: segment.extent().start + leaf.offset / PAGE_BYTES,
                stored_bytes: leaf.bytes,
                separator: shown(&leaf.separator),
                damage: Some(error.to_string()),
                ..BlockFigures::default()
            })
        };
        Ok(segment.anatomy()?.leaves.iter().map(figures).collect())
    }

    fn log(&self) -> Result<LogFigures> {
        let mut figures = LogFigures::default();
        let mut log = Log::open(
            &*self.storage,
            &self.understood.reading.disk.sealer,
            self.understood.reading.root.log,
        )?;
        while let Some(record) = log.next()? {
            figures.records += 1;
            if record.kind == RecordKind::Group {
                figures.groups += 1;
                figures.group_bytes += record.payload.len() as u64;
            }
        }
        figures.extents = log.extents().len() as u64;
        figures.extent_bytes = log.extents().iter().map(|(_, extent)| extent.bytes()).sum();
        figures.record_bytes = log.bytes();
        for edit in self.edits()? {
            figures.edits += 1;
            match edit.kind {
                "flush" => figures.flushed_bytes += edit.bytes,
                _ => figures.compacted_bytes += edit.bytes,
            }
        }
        let written = figures.record_bytes + figures.flushed_bytes + figures.compacted_bytes;
        figures.write_amplification = ratio(written, figures.group_bytes);
        Ok(figures)
    }

    /// The flushes, compactions and moves that the log tells of, oldest first: those since the last checkpoint.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn edits(&self) -> Result<Vec<EditFigures>> {
        let mut log = Log::open(
            &*self.storage,
            &self.understood.reading.disk.sealer,
            self.understood.reading.root.log,
        )?;
        let mut homes = BTreeMap::new();
        for keyspace in self.understood.reading.version.keyspaces.values() {
            for segment in keyspace.segments() {
                homes.insert(segment.summary().id, keyspace.name.clone());
            }
        }
        let names = &self.understood.reading.version.keyspaces;
        let mut edits = Vec::new();
        while let Some(record) = log.next()? {
            if record.kind != RecordKind::Edit {
                continue;
            }
            let edit = Edit::decode(&record.payload)?;
            for placed in &edit.added {
                if let Some(keyspace) = names.get(&placed.summary.keyspace) {
                    homes.insert(placed.summary.id, keyspace.name.clone());
                }
            }
            edits.push(edit_figures(record.record, &edit, &homes));
        }
        Ok(edits)
    }
}

fn edit_figures(record: u64, edit: &Edit, homes: &BTreeMap<SegmentId, String>) -> EditFigures {
    let added = edit.added.iter().map(|placed| placed.summary.id);
    let relocated = edit.relocated.iter().map(|&(id, _)| id);
    let moved = edit.moved.iter().map(|&(id, ..)| id).chain(relocated);
    let all = added.clone().chain(moved.clone()).chain(edit.removed.iter().copied());
    let mut keyspaces: Vec<String> = all.filter_map(|id| homes.get(&id).cloned()).collect();
    keyspaces.sort();
    keyspaces.dedup();
    let levels = edit.added.iter().map(|placed| placed.level);
    let kind = match edit {
        Edit { flushed: Some(_), .. } => "flush",
        Edit { added, removed, relocated, .. } if added.is_empty() && removed.is_empty() => {
            if relocated.is_empty() && edit.values.is_empty() {
                "move"
            } else {
                "relocation"
            }
        }
        _ => "compaction",
    };
    EditFigures {
        record,
        kind,
        keyspaces,
        flushed: edit.flushed,
        removed: edit.removed.iter().map(|id| id.0).collect(),
        moved: moved.map(|id| id.0).collect(),
        added: added.map(|id| id.0).collect(),
        values: edit.values.iter().map(|placed| placed.id.0).collect(),
        level: levels.chain(edit.moved.iter().map(|&(_, level, _)| level)).max(),
        entries: edit.added.iter().map(|placed| placed.summary.entries).sum(),
        bytes: edit.added.iter().map(|placed| placed.summary.bytes).sum(),
    }
}

fn block_figures(segment: &Segment, leaf: &LeafPart) -> Result<BlockFigures> {
    let (raw, block) = segment.open_leaf(leaf)?;
    let mut figures = BlockFigures {
        offset: leaf.offset,
        page: segment.extent().start + leaf.offset / PAGE_BYTES,
        stored_bytes: leaf.bytes,
        raw_bytes: raw.len() as u64,
        separator: shown(&leaf.separator),
        ..BlockFigures::default()
    };
    let mut cursor = BlockCursor::new(block);
    cursor.first()?;
    figures.first = shown(cursor.key());
    while cursor.valid() {
        figures.keys += 1;
        figures.tombstones += u64::from(cursor.kind() == EntryKind::Delete);
        let is_external = matches!(cursor.value(), BlockValue::External(_));
        figures.external_values += u64::from(is_external);
        figures.last = shown(cursor.key());
        cursor.next()?;
    }
    Ok(figures)
}

/// The extents between those in use, which are ascending.
fn gaps(used: &[Extent], pages: u64) -> Vec<Extent> {
    let mut gaps = Vec::new();
    let mut end = 0;
    for extent in used {
        if extent.start > end {
            gaps.push(Extent { start: end, pages: extent.start - end });
        }
        end = extent.end();
    }
    if pages > end {
        gaps.push(Extent { start: end, pages: pages - end });
    }
    gaps
}
