//! The figures of a file: plain data that `inspect` fills and tools print or serialize.
//!
//! Shallow figures come from the manifest and the segments' own properties; deep ones ([`LeafFigures`]) are counted
//! while every leaf block is read, and a test proves that both agree with a walk of their own.

use serde::Serialize;

use crate::lsm::ids::{CommitNo, Extent};

/// How a file is built, as far as it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Structure {
    /// Length of the file.
    pub file_bytes: u64,
    /// The newest commit.
    pub commit: CommitNo,
    /// Commits up to this one are in segments; later ones are in the log only.
    pub flushed: CommitNo,
    /// Checkpoints since the file was made.
    pub generation: u64,
    /// Whether the last process closed the file in order.
    pub clean: bool,
    /// Bytes of all segments.
    pub segment_bytes: u64,
    /// Bytes of the keys and values in segments, before prefixes are shared and blocks compressed.
    pub raw_bytes: u64,
    /// Bytes of values in value segments that are alive, in whole pages.
    pub value_bytes: u64,
    /// Bytes of the file for each byte of its segments and of values that are alive; absent when there are none.
    pub space_amplification: Option<f64>,
    /// Who has the pages.
    pub pages: PageFigures,
    /// Pages that nothing uses.
    pub free: FreeSpace,
    /// The write-ahead log.
    pub log: LogFigures,
    /// One for each keyspace, by name.
    pub keyspaces: Vec<KeyspaceFigures>,
}

/// Pages by owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PageFigures {
    /// All pages of the file.
    pub total: u64,
    /// Descriptor and root slots.
    pub reserved: u64,
    /// Manifests that a root names.
    pub manifests: u64,
    /// Extents of the log.
    pub log: u64,
    /// Extents of segments.
    pub segments: u64,
    /// Extents of value segments.
    pub values: u64,
    /// Kept back because the older root may reach them.
    pub deferred: u64,
    /// Free.
    pub free: u64,
}

/// How the free pages lie.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FreeSpace {
    /// Free and deferred extents, as the next checkpoints leave them.
    pub extents: u64,
    /// Their pages.
    pub pages: u64,
    /// Pages of the largest one.
    pub largest_pages: u64,
    /// 0 when they are one extent, near 1 when they are many small ones: 1 - largest / all.
    pub fragmentation: f64,
}

/// What the log holds from the newest root's place on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LogFigures {
    /// Its extents.
    pub extents: u64,
    /// Bytes of its extents.
    pub extent_bytes: u64,
    /// Records: commits, edits, marks; links are not counted.
    pub records: u64,
    /// Bytes of the records.
    pub record_bytes: u64,
    /// Commits.
    pub groups: u64,
    /// Bytes that the commits brought.
    pub group_bytes: u64,
    /// Edits: flushes, compactions, moves.
    pub edits: u64,
    /// Bytes of segments that flushes wrote.
    pub flushed_bytes: u64,
    /// Bytes of segments that compactions wrote.
    pub compacted_bytes: u64,
    /// Bytes written for each byte committed, as far as this log tells; absent without commits.
    pub write_amplification: Option<f64>,
}

/// A keyspace and its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyspaceFigures {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its merge operator, if it has one.
    pub merge_operator: Option<String>,
    /// Its group rewriter, if it has one.
    pub group_rewriter: Option<String>,
    /// Entries that are in the log only.
    pub fresh_entries: u64,
    /// Runs in segments, newest first.
    pub runs: Vec<RunFigures>,
    /// Its value segments, by number.
    pub values: Vec<ValueFigures>,
}

/// A value segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ValueFigures {
    /// Its number.
    pub id: u64,
    /// Its first page.
    pub start_page: u64,
    /// Its pages.
    pub pages: u64,
    /// Pages of values to which segments refer; while its commit is in the log only, none.
    pub live_pages: u64,
    /// The commit that wrote it.
    pub commit: CommitNo,
    /// Stretches of pages that were left when it was cleaned; 0 when it never was.
    pub stretches: u64,
}

/// A run on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunFigures {
    /// The level that it belongs to.
    pub level: u8,
    /// Its number.
    pub run: u64,
    /// Its segments, by key.
    pub segments: Vec<SegmentFigures>,
}

/// A segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SegmentFigures {
    /// Its number.
    pub id: u64,
    /// Its first page.
    pub start_page: u64,
    /// Its pages.
    pub pages: u64,
    /// Its first key, escaped.
    pub smallest: String,
    /// Where its keys end, escaped.
    pub greatest: String,
    /// The first commit whose entries it may hold.
    pub first_commit: CommitNo,
    /// The last one.
    pub last_commit: CommitNo,
    /// What it holds.
    pub figures: ContentFigures,
}

/// What segments hold: one of them, or a sum over many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContentFigures {
    /// Segments.
    pub segments: u64,
    /// Their extents: one each.
    pub extents: u64,
    /// Bytes, without the padding to whole pages.
    pub bytes: u64,
    /// Bytes of keys and values, before prefixes are shared and blocks compressed.
    pub raw_bytes: u64,
    /// Entries of all kinds.
    pub entries: u64,
    /// Entries that delete their key.
    pub tombstones: u64,
    /// Entries that hold an operand.
    pub merges: u64,
    /// Leaf blocks: the sum of the fan-outs of the index blocks.
    pub leaf_blocks: u64,
    /// Bytes of index blocks.
    pub index_bytes: u64,
    /// Values that stand outside of leaf blocks.
    pub external_values: u64,
    /// Bytes that they take there.
    pub external_bytes: u64,
    /// Range tombstones.
    pub ranges: u64,
    /// Counted while reading every leaf block, when that was asked for.
    pub leaves: Option<LeafFigures>,
}

/// What was counted in leaf blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LeafFigures {
    /// Leaf blocks that were read.
    pub blocks: u64,
    /// Keys in them.
    pub keys: u64,
    /// Fewest keys of a leaf.
    pub keys_min: u64,
    /// Most keys of a leaf.
    pub keys_max: u64,
    /// Bytes as they stand in the file.
    pub stored_bytes: u64,
    /// Bytes after decompression.
    pub raw_bytes: u64,
    /// Fewest bytes of a leaf after decompression, the last leaf of each segment left out; 0 when there is no other.
    pub raw_bytes_min: u64,
    /// Bytes at which a leaf counts as full.
    pub full_bytes: u64,
}

/// A leaf block of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlockFigures {
    /// Its place, from the segment's first byte.
    pub offset: u64,
    /// The page of the file in which it begins.
    pub page: u64,
    /// Bytes as it stands in the file.
    pub stored_bytes: u64,
    /// Bytes after decompression.
    pub raw_bytes: u64,
    /// Keys.
    pub keys: u64,
    /// Those of them that are deleted.
    pub tombstones: u64,
    /// Values that stand outside of it.
    pub external_values: u64,
    /// Its first key, escaped.
    pub first: String,
    /// Its last key, escaped.
    pub last: String,
    /// The separator behind it, escaped.
    pub separator: String,
    /// What is wrong with it, if anything.
    pub damage: Option<String>,
}

/// A flush, a compaction or a move that the log tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EditFigures {
    /// Number of the log record.
    pub record: u64,
    /// `flush`, `compaction` or `move`.
    pub kind: &'static str,
    /// Names of the keyspaces that it concerns, as far as they are known.
    pub keyspaces: Vec<String>,
    /// The last commit that a flush wrote.
    pub flushed: Option<CommitNo>,
    /// Segments that are gone since.
    pub removed: Vec<u64>,
    /// Segments that changed level, or place in a relocation, without being rewritten.
    pub moved: Vec<u64>,
    /// Segments that it made.
    pub added: Vec<u64>,
    /// Value segments that it names: new ones, or such as have another place since.
    pub values: Vec<u64>,
    /// The level of what it made or moved.
    pub level: Option<u8>,
    /// Entries that it wrote.
    pub entries: u64,
    /// Bytes that it wrote.
    pub bytes: u64,
}

impl FreeSpace {
    pub(super) fn of(extents: &[Extent]) -> Self {
        let pages: u64 = extents.iter().map(|extent| extent.pages).sum();
        let largest_pages = extents.iter().map(|extent| extent.pages).max().unwrap_or_default();
        let share = ratio(largest_pages, pages).unwrap_or(1.0);
        FreeSpace {
            extents: extents.len() as u64,
            pages,
            largest_pages,
            fragmentation: 1.0 - share,
        }
    }
}

impl ContentFigures {
    /// Adds what other segments hold.
    pub fn add(&mut self, other: &ContentFigures) {
        self.segments += other.segments;
        self.extents += other.extents;
        self.bytes += other.bytes;
        self.raw_bytes += other.raw_bytes;
        self.entries += other.entries;
        self.tombstones += other.tombstones;
        self.merges += other.merges;
        self.leaf_blocks += other.leaf_blocks;
        self.index_bytes += other.index_bytes;
        self.external_values += other.external_values;
        self.external_bytes += other.external_bytes;
        self.ranges += other.ranges;
        if let Some(leaves) = &other.leaves {
            self.leaves.get_or_insert_default().add(leaves);
        }
    }
}

impl LeafFigures {
    fn add(&mut self, other: &LeafFigures) {
        let least = |left: u64, right: u64| match (left, right) {
            (0, other) | (other, 0) => other,
            (left, right) => left.min(right),
        };
        self.blocks += other.blocks;
        self.keys += other.keys;
        self.keys_min = least(self.keys_min, other.keys_min);
        self.keys_max = self.keys_max.max(other.keys_max);
        self.stored_bytes += other.stored_bytes;
        self.raw_bytes += other.raw_bytes;
        self.raw_bytes_min = least(self.raw_bytes_min, other.raw_bytes_min);
        self.full_bytes = self.full_bytes.max(other.full_bytes);
    }

    /// Mean number of keys of a leaf.
    pub fn keys_mean(&self) -> Option<f64> {
        ratio(self.keys, self.blocks)
    }

    /// How full the leaves are on average: 1 is full, and a leaf may be a little fuller than that.
    pub fn fill(&self) -> Option<f64> {
        ratio(self.raw_bytes, self.blocks * self.full_bytes)
    }
}

impl RunFigures {
    /// What its segments hold together.
    pub fn sum(&self) -> ContentFigures {
        let mut sum = ContentFigures::default();
        self.segments.iter().for_each(|segment| sum.add(&segment.figures));
        sum
    }
}

/// `part / whole`, unless there is no whole.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

/// The nearest `f64`.
fn float(number: u64) -> f64 {
    let half = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    half(number >> 32) * 4_294_967_296.0 + half(number & u64::from(u32::MAX))
}
