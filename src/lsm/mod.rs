//! The storage core: sorted maps of bytes in one file, with transactions, snapshots and compaction.

mod clock;
mod codec;
mod cursor;
mod error;
mod group_rewriter;
mod ids;
mod merge_operator;
mod storage;

pub use clock::{Clock, ManualClock, SystemClock};
pub use codec::{ByteReader, put_signed_varint, put_varint};
pub use cursor::{Reader, Seek};
pub use error::{Corruption, Error, Result};
pub use group_rewriter::{GroupRewriter, RewritePass, Rewrite};
pub use ids::{CommitNo, Extent, KEY_BYTES_MAX, KeyspaceId, PAGE_BYTES, SegmentId, VALUE_BYTES_MAX};
pub use merge_operator::MergeOperator;
pub use storage::{FileStorage, MemoryStorage, SimulatedStorage, Storage};
