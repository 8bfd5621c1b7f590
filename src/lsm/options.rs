//! How a store and its keyspaces are set up.
//!
//! [`Options`] belong to one opening of the store; three sizes among them are fixed when the file is created, and recorded in it
//! (`descriptor`). [`KeyspaceOptions`] are chosen when a keyspace is created and recorded, too. Each knob says what it means, its default, and what it trades.

use std::sync::Arc;
use std::time::Duration;

use super::block::Compression;
use super::cipher::BlockCipher;
use super::clock::{Clock, SystemClock};
use super::codec::{ByteReader, put_varint};
use super::error::Result;
use super::group_rewriter::GroupRewriter;
use super::merge_operator::MergeOperator;
use super::scheduler::{Scheduler, ThreadScheduler};

/// When a commit counts as done.
///
/// A commit of any strength is atomic across keyspaces, and what a crash leaves is always a prefix of the
/// commits: a stronger commit makes all earlier ones durable too. Readers see prefixes as well, and nothing of a
/// `Sync` commit before it is durable; so a weaker one behind such a commit is done when that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After one durable write to the device: nothing acknowledged is lost in a power cut.
    #[default]
    Sync,
    /// At once; a background step syncs at the latest this long after the oldest commit that waits.
    Interval(Duration),
    /// When the operating system has it: survives the death of the process, not of the machine.
    Buffered,
}

/// What is fixed about a keyspace when it is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceOptions {
    /// How blocks and large values are stored. Default: LZ4.
    pub compression: Compression,
    /// Values longer than this stand in the segment's value area, outside the leaf blocks. Default: 4 KiB.
    pub value_bytes_inline_max: u32,
    /// Bits that the filter of a segment has for each key, at most 32. With 10, one of a hundred segments that do
    /// not hold a key is looked into. A keyspace whose absent keys nobody asks for needs none. Default: 10; 0: none.
    pub filter_bits_per_key: u8,
    /// Name of the operator behind `merge`, if the keyspace has one.
    pub merge_operator: Option<String>,
    /// Name of the rewriter that sees its groups in compactions, if it has one.
    pub group_rewriter: Option<String>,
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        KeyspaceOptions {
            compression: Compression::Lz4,
            value_bytes_inline_max: 4096,
            filter_bits_per_key: 10,
            merge_operator: None,
            group_rewriter: None,
        }
    }
}

impl KeyspaceOptions {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.compression.number());
        put_varint(out, u64::from(self.value_bytes_inline_max));
        out.push(self.filter_bits_per_key);
        for name in [&self.merge_operator, &self.group_rewriter] {
            let name = name.as_deref().unwrap_or_default();
            put_varint(out, name.len() as u64);
            out.extend_from_slice(name.as_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Self> {
        let compression = Compression::decode(reader)?;
        let value_bytes_inline_max = reader.varint_u32()?;
        let filter_bits_per_key = reader.u8()?;
        let mut name = || -> Result<Option<String>> {
            let name = decode_name(reader)?;
            Ok(Some(name).filter(|name| !name.is_empty()))
        };
        let merge_operator = name()?;
        let group_rewriter = name()?;
        Ok(KeyspaceOptions {
            compression,
            value_bytes_inline_max,
            filter_bits_per_key,
            merge_operator,
            group_rewriter,
        })
    }
}

/// Reads a length-prefixed UTF-8 name.
pub(crate) fn decode_name(reader: &mut ByteReader<'_>) -> Result<String> {
    let len = reader.varint_usize()?;
    let bytes = reader.take(len)?;
    let name = std::str::from_utf8(bytes).map_err(|_| reader.error("a name is not UTF-8"))?;
    Ok(name.to_owned())
}

/// How to open a store.
///
/// The fields are public so that a program can print and compare them; start from `Options::default()`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes that the store may hold in memory: a sixteenth for background work, half as much for what readers keep; at most a
    /// quarter for fresh runs, as much for those that only snapshots hold, and as much for one pending transaction (what exceeds it
    /// waits in the file); blocks, indexes and filters have what these leave. Default: 256 MiB.
    pub memory_bytes: usize,
    /// Bytes of a block before compression. Larger blocks compress better and cost more per point read.
    /// Default: 16 KiB. Fixed when the file is created: a file that exists keeps its own.
    pub block_bytes: u32,
    /// Entries between two full keys of a block, 1 to 256: more make the file smaller and point reads slower. Default: 8.
    /// Fixed when the file is created.
    pub restart_interval: u32,
    /// Bytes at which a segment is closed and the next one begun. Default: 8 MiB. Fixed when the file is created.
    pub segment_bytes_target: u64,
    /// Values longer than this stand in value segments, which compactions do not rewrite, in chunks of so many bytes;
    /// where a merge operator or a group rewriter looks at values they stay beside their keys. Default: 64 KiB. Fixed
    /// when the file is created.
    pub value_chunk_bytes: u32,
    /// Runs of level 0 that trigger a compaction: fewer make reads cheaper and writes dearer. Default: 4.
    pub level0_runs_max: usize,
    /// How much larger each level is than the one above it: more makes writes dearer, and obsolete data a smaller
    /// share of the file. Default: 8.
    pub level_ratio: u64,
    /// Runs that a level between level 0 and the last one may hold side by side: with more, data is written less often
    /// on its way down, and reads ask more runs. The last level is always one run. Default: 4.
    pub level_runs_max: usize,
    /// Bytes of level 1 before there is another level: the last level is moved down when it holds more than this, times
    /// the ratio for each level above it. Larger saves small stores a level, smaller makes their compactions smaller. It
    /// counts as at most the ratio times what level 0 holds before it is compacted. Default: 1 GiB.
    pub level1_bytes_max: u64,
    /// Bytes of segments that one compaction reads, unless what overlaps one segment is more. Smaller ones hold less of
    /// the disk and run side by side; larger ones rewrite fewer overlaps. Default: 128 MiB.
    pub compaction_bytes_max: u64,
    /// Time without commits after which what could wait is compacted too, so that the file becomes small: less makes
    /// it small sooner, and costs work that later commits would have saved. Where commits come with pauses between them it is twice
    /// such a pause, if that is more, and ten seconds at most. Default: one second.
    pub settle_after: Duration,
    /// Bytes of log after which a checkpoint is due: bounds the time to open after a crash. Default: 64 MiB.
    pub log_bytes_max: u64,
    /// Whether commits are written to the log. Without it, what was not flushed is lost when the store is
    /// not closed. Default: true.
    pub log: bool,
    /// Whether blocks and values that are not compressed are read in place, from the file's pages in the system's
    /// memory, which then count as the system's and not as the store's. A device that fails under such a page ends the
    /// process (`SIGBUS`); without, it is an error. Default: true.
    pub mmap: bool,
    /// Encrypts everything that users wrote, and proves that nobody else changed it. Fixed when the file is created: it opens
    /// only with the same cipher and key. Nothing is read in place then. Default: none.
    pub cipher: Option<Arc<dyn BlockCipher>>,
    /// What runs the background steps. Default: threads of the store's own, [`ThreadScheduler`].
    pub scheduler: Arc<dyn Scheduler>,
    /// The clock behind `Durability::Interval`. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// Merge operators that keyspaces may name.
    pub merge_operators: Vec<Arc<dyn MergeOperator>>,
    /// Group rewriters that keyspaces may name.
    pub group_rewriters: Vec<Arc<dyn GroupRewriter>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            memory_bytes: 256 << 20,
            block_bytes: 16 << 10,
            restart_interval: 8,
            segment_bytes_target: 8 << 20,
            value_chunk_bytes: 64 << 10,
            level0_runs_max: 4,
            level_ratio: 8,
            level_runs_max: 4,
            level1_bytes_max: 1 << 30,
            compaction_bytes_max: 128 << 20,
            settle_after: Duration::from_secs(1),
            log_bytes_max: 64 << 20,
            log: true,
            mmap: true,
            cipher: None,
            scheduler: Arc::new(ThreadScheduler::default()),
            clock: Arc::new(SystemClock::default()),
            merge_operators: Vec::new(),
            group_rewriters: Vec::new(),
        }
    }
}

impl Options {
    /// Bytes that the block cache divides between itself, fresh runs and transactions.
    pub(crate) fn cache_bytes_max(&self) -> usize {
        self.memory_bytes / 16 * 15
    }

    /// Bytes of level 1 before there is another level.
    pub(crate) fn level1_bytes(&self) -> u64 {
        let level0 = (self.fresh_bytes_flush() as u64).saturating_mul(self.level0_runs_max as u64);
        self.level1_bytes_max.min(level0.saturating_mul(self.level_ratio))
    }

    /// Bytes of fresh runs at which a flush begins.
    pub(crate) fn fresh_bytes_flush(&self) -> usize {
        self.memory_bytes / 8
    }

    /// Bytes of fresh runs above which a commit first helps to flush.
    pub(crate) fn fresh_bytes_max(&self) -> usize {
        self.memory_bytes / 4
    }

    /// Bytes that one of several optimistic transactions may hold in memory, and what it read as many again; also the
    /// window of what was committed meanwhile.
    pub(crate) fn optimistic_bytes_max(&self) -> usize {
        self.transaction_bytes_max() / 8
    }

    /// Bytes that one transaction may hold in memory; offsets inside a fresh run are 32 bits wide.
    pub(crate) fn transaction_bytes_max(&self) -> usize {
        (self.memory_bytes / 4).min(1 << 30)
    }
}
