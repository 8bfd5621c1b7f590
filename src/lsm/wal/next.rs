//! An extent that is made ready for the log before the log needs it, in bounded pieces and without a lock.
//!
//! A background step asks [`LogWriter::next_extent`](super::LogWriter::next_extent) for one when more than half of the extent
//! that is being written is used, fills it with zeros, syncs, begins it, and hands it back. So the commit that
//! moves on finds it there, and only writes a link. One that is not handed back is given back to the file when it is dropped.

use std::sync::Arc;

use super::encode_extent_header;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{Extent, PAGE_BYTES};
use crate::lsm::space::ExtentLease;
use crate::lsm::storage::Storage;

/// Bytes of zeros that are written at a time.
const ZEROS_BYTES: u64 = 1 << 20;

/// An extent in which the log may go on.
#[derive(Debug)]
pub(crate) struct NextExtent {
    lease: ExtentLease,
    /// The sequence number for which it is meant.
    sequence: u64,
    /// Bytes of zeros that are written.
    zeros: u64,
    /// What an earlier use left there has another sequence number, and does instead of zeros.
    is_recycled: bool,
    /// The header of `sequence` is durable.
    is_begun: bool,
}

impl NextExtent {
    /// One of which nothing was written yet.
    pub(super) fn new(lease: ExtentLease, sequence: u64) -> Self {
        NextExtent { lease, sequence, zeros: 0, is_recycled: false, is_begun: false }
    }

    /// One that the log used before.
    pub(super) fn recycled(lease: ExtentLease, sequence: u64) -> Self {
        NextExtent { is_recycled: true, ..NextExtent::new(lease, sequence) }
    }

    pub(super) fn extent(&self) -> Extent {
        self.lease.extent()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the log used it before, so that its pages are there already.
    pub(crate) fn is_recycled(&self) -> bool {
        self.is_recycled
    }

    /// Writes the next zeros; true when all are written, and a sync is what is missing.
    pub(crate) fn write_piece(&mut self, storage: &dyn Storage) -> Result<bool> {
        let extent = self.extent();
        let left = if self.is_recycled { 0 } else { extent.bytes() - self.zeros };
        let bytes = left.min(ZEROS_BYTES);
        if bytes > 0 {
            let zeros = vec![0; usize::try_from(bytes).unwrap_or_default()];
            storage.write_bulk(extent.offset() + self.zeros, &zeros).map_err(|source| {
                Error::io(format!("making {extent} ready for the log"), source)
            })?;
            self.zeros += bytes;
        }
        Ok(bytes == left)
    }

    /// Makes the header durable; the zeros and the length of the file are.
    pub(crate) fn begin(&mut self, storage: &dyn Storage) -> Result<()> {
        let (extent, sequence) = (self.extent(), self.sequence);
        let mut header = encode_extent_header(sequence, extent);
        header.resize(usize::try_from(PAGE_BYTES).unwrap_or(header.len()), 0);
        storage.write_durable(extent.offset(), &header).map_err(|source| {
            Error::io(format!("beginning log extent {sequence}, {extent}"), source)
        })?;
        self.is_begun = true;
        Ok(())
    }

    /// The extent, begun with `sequence`, whatever it was meant for.
    pub(super) fn into_lease(
        mut self,
        storage: &Arc<dyn Storage>,
        sequence: u64,
    ) -> Result<ExtentLease> {
        if !self.is_begun || self.sequence != sequence {
            self.sequence = sequence;
            self.begin(&**storage)?;
        }
        Ok(self.lease)
    }
}
