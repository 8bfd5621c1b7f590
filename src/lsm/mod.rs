//! The storage core: sorted maps of bytes in one file, with transactions, snapshots and compaction. It knows
//! nothing of documents, terms or scores, and is usable alone.
//!
//! **One idea carries the engine: everything is a run.** A commit is a small sorted run in memory, which the log
//! makes durable; runs fold into each other as they grow, are written as segments of level 0, and levels
//! compact downwards. A *version* is the immutable list of runs; a snapshot is an `Arc` of one. There is no
//! sequence number on a key: the order of the runs alone says which value is newest.
//!
//! Life of a write: [`Transaction`] → fresh run → log → version (`store`), later segment (`compaction`), then
//! manifest (`store::checkpoint`). Life of a read: [`Snapshot`] → runs newest first (`manifest::version`) →
//! segment → index block → leaf block → value area.

mod alive;
mod block;
mod cache;
mod check;
mod cipher;
mod clock;
mod codec;
mod compaction;
mod courtesy;
mod cursor;
mod descriptor;
mod disk;
mod error;
mod fresh;
mod group_rewriter;
mod ids;
mod inspect;
mod leased;
mod manifest;
mod merge_operator;
mod name_filter;
mod operands;
mod options;
mod ranges;
mod reader;
mod reading;
mod recovery;
mod relocation;
mod replay;
mod reserve;
mod root;
mod salvage;
mod scan;
mod scheduler;
mod segment;
mod space;
mod stats;
mod storage;
mod store;
mod sync;
mod txn;
mod value;
mod wal;

pub use block::Compression;
pub use check::CheckReport;
pub use cipher::BlockCipher;
#[cfg(feature = "encryption")]
pub use cipher::XChaChaCipher;
pub use clock::{Clock, ManualClock, SystemClock};
pub use codec::{ByteReader, put_signed_varint, put_varint};
pub use compaction::CompactionReport;
pub use cursor::Seek;
pub use error::{Corruption, Error, Result};
pub use group_rewriter::{GroupRewriter, Rewrite, RewritePass};
pub use ids::{
    CommitNo, Extent, KEY_BYTES_MAX, KeyspaceId, PAGE_BYTES, STREAM_BYTES_MAX, SegmentId,
    VALUE_BYTES_MAX,
};
pub use inspect::{
    Annotation, BlockFigures, ContentFigures, EditFigures, FreeSpace, Inspector, KeyspaceFigures,
    LeafFigures, LogFigures, PageFigures, PageView, Pages, PartView, RunFigures, SegmentFigures,
    Structure, ValueFigures,
};
pub use merge_operator::MergeOperator;
pub use name_filter::{Look, NameFilter};
pub use options::{Durability, KeyspaceOptions, Options};
pub use reader::Reader;
pub use reserve::Reserved;
pub use salvage::{Loss, Salvage};
pub use scan::{Cursor, NameCursor};
pub use scheduler::{ManualScheduler, Outcome, Running, Scheduler, Step, ThreadScheduler};
pub use stats::{
    BackupReport, KeyspaceStats, LevelStats, Progress, ShrinkReport, Stalls, Stats, Written,
};
pub use storage::{FileStorage, MemoryStorage, PartialFile, SimulatedStorage, Storage};
pub use store::{BulkLoad, Compaction, Store, StoreReader};
pub use txn::{KeyspaceView, RunView, Savepoint, Snapshot, Transaction};
pub use value::ValueReader;
