//! The numbers by which the storage core names things, and the sizes that everything agrees on.
//!
//! Each is a newtype, so that a page number never meets a segment's id or a byte offset by accident.
//! All are small `Copy` values; nothing here touches bytes of the file.

use std::fmt;

use serde::Serialize;

/// Bytes of a page, the unit of the file: 4 KiB.
pub const PAGE_BYTES: u64 = 4096;
/// Pages that a file may have: 4 EiB, so that no byte offset overflows.
const PAGES_MAX: u64 = 1 << 50;
/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 64 * 1024;
/// The longest value that is read as a whole, in bytes; longer ones are streamed.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest value that may be streamed, in bytes.
pub const STREAM_BYTES_MAX: u64 = 1 << 30;

/// Number of a keyspace, an independent sorted map inside the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub(crate) u32);

/// Number of a commit: 1 for the first, ascending without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct CommitNo(pub u64);

/// Number of a segment, never reused in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// A contiguous run of pages of the file: `[start, start + pages)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// Number of the first page.
    pub start: u64,
    /// Number of pages, at least 1.
    pub pages: u64,
}

impl Extent {
    /// The page after the last one.
    pub fn end(self) -> u64 {
        self.start + self.pages
    }

    /// Offset of the first byte, from the start of the file.
    pub fn offset(self) -> u64 {
        self.start * PAGE_BYTES
    }

    /// Length in bytes.
    pub fn bytes(self) -> u64 {
        self.pages * PAGE_BYTES
    }

    /// The extent that a file names, if it is one: at least a page, and its end within [`PAGES_MAX`].
    pub(crate) fn checked(start: u64, pages: u64) -> Option<Self> {
        let end = start.checked_add(pages)?;
        (pages > 0 && end <= PAGES_MAX).then_some(Extent { start, pages })
    }
}

/// Pages that hold `bytes` bytes.
pub(crate) fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_BYTES)
}

impl fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Also for an extent that a damaged file named.
        write!(f, "pages {}..{}", self.start, self.start.saturating_add(self.pages))
    }
}

impl fmt::Display for CommitNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
