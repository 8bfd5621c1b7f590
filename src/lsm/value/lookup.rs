//! [`ValueLookup`]: finds what a reference names, among the value segments that a view has.
//!
//! Snapshots have those of their version, transactions their pending ones too. Numbers are never given twice, so the
//! order in which they are asked does not matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::reader::ValueReader;
use super::reference::Reference;
use super::segment::ValueSegment;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, SegmentId};
use crate::lsm::operands::Content;

/// A value segment, and how much of it is alive.
#[derive(Debug, Clone)]
pub(crate) struct HeldValues {
    pub segment: Arc<ValueSegment>,
    /// The commit that wrote it; 0 as long as none did.
    pub commit: CommitNo,
    /// Pages to which segments of keys refer.
    pub live_pages: u64,
}

/// The value segments of a keyspace.
pub(crate) type ValueMap = BTreeMap<SegmentId, HeldValues>;

/// The value segments that a reader of one keyspace can see.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueLookup(Vec<Arc<ValueMap>>);

impl ValueLookup {
    pub(crate) fn new(maps: impl IntoIterator<Item = Arc<ValueMap>>) -> Self {
        ValueLookup(maps.into_iter().filter(|map| !map.is_empty()).collect())
    }

    fn find(&self, reference: &Reference) -> Result<&Arc<ValueSegment>> {
        let found = self.0.iter().find_map(|map| map.get(&reference.segment));
        let missing = || {
            let what = format!("a reference names value segment {}", reference.segment);
            Error::corruption(format!("{what}, which the keyspace does not have"), 0)
        };
        found.map(|held| &held.segment).ok_or_else(missing)
    }

    /// The value that `content` is, or refers to.
    pub(crate) fn load(&self, content: Content) -> Result<Bytes> {
        match content {
            Content::Value(value) => Ok(value),
            Content::Reference(bytes) => {
                let reference = Reference::decode(&bytes)?;
                self.find(&reference)?.read(&reference)
            }
        }
    }

    /// A reader of the value that `content` is, or refers to.
    pub(crate) fn open(&self, content: Content) -> Result<ValueReader> {
        match content {
            Content::Value(value) => Ok(ValueReader::from(value)),
            Content::Reference(bytes) => {
                let reference = Reference::decode(&bytes)?;
                let segment = Arc::clone(self.find(&reference)?);
                Ok(ValueReader::of_segment(segment, reference))
            }
        }
    }
}
