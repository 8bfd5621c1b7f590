//! [`Piece`]: a segment or a commit of the log that stands in the file, and which of its keys cannot be read.
//!
//! Found by `find`, verified once, walked by `merge`. A damaged leaf block or value costs its own keys only: the index
//! says between which separators they lie. Without its index a segment is walked from its first byte, block by block, as
//! long as each block ends where the next one begins. Only what is being walked has blocks and places of blocks in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::lsm::block::{Block, BlockCursor, BlockValue};
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::operands::Content;
use crate::lsm::ranges::KeyEnd;
use crate::lsm::segment::{LeafPart, Segment};
use crate::lsm::value::{Reference, ValueLookup};

/// Something of the newest state that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// Name of the keyspace, or its number when the name is not known; `*` when it may be any.
    pub keyspace: String,
    /// Where it stands in the file.
    pub place: String,
    /// Which keys it held, as far as that is known.
    pub keys: String,
    /// Bytes that are lost.
    pub bytes: u64,
    /// What is wrong with them.
    pub what: String,
}

/// Keys that cannot be read.
#[derive(Debug, Clone)]
enum Damaged {
    One(Bytes),
    /// Keys behind `after` (all from the first on, if none) up to and with `through`.
    Range {
        after: Option<Bytes>,
        through: KeyEnd,
    },
}

/// Whether a piece is part of the newest state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Current,
    /// It was once; it counts only around damage.
    Stale,
}

/// A sorted piece of one keyspace.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) keyspace: KeyspaceId,
    pub(super) commits: (CommitNo, CommitNo),
    /// Number of the segment; 0 for a commit of the log.
    pub(super) number: u64,
    standing: Standing,
    source: Source,
    damaged: Vec<Damaged>,
}

#[derive(Debug)]
enum Source {
    Segment(Arc<Segment>),
    Commits(Arc<FreshRun>),
}

/// An entry of a piece; its value may have to be read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) kind: EntryKind,
    value: BlockValue,
}

/// Walks over the entries of a piece that can be read, in key order.
pub(super) enum Walk<'a> {
    Segment { segment: &'a Segment, leaves: std::vec::IntoIter<LeafPart>, queue: VecDeque<Entry> },
    Commits(Option<Box<dyn RawCursor>>),
}

impl Loss {
    /// A loss in a keyspace.
    pub(crate) fn new(keyspace: &str, place: String, keys: String, what: String) -> Self {
        Loss { keyspace: keyspace.to_owned(), place, keys, bytes: 0, what }
    }

    /// Nobody knows whose keys are lost, or which.
    pub(super) fn of_unknown(place: String, what: String) -> Self {
        Loss::new("*", place, "that nothing else names".to_owned(), what)
    }
}

impl Piece {
    pub(super) fn segment(segment: Arc<Segment>, standing: Standing) -> Self {
        let summary = segment.summary();
        Piece {
            keyspace: summary.keyspace,
            commits: summary.commits,
            number: summary.id.0,
            standing,
            source: Source::Segment(segment),
            damaged: Vec::new(),
        }
    }

    pub(super) fn commits(run: &Arc<FreshRun>, keyspace: KeyspaceId, standing: Standing) -> Self {
        Piece {
            keyspace,
            commits: run.commits,
            number: 0,
            standing,
            source: Source::Commits(Arc::clone(run)),
            damaged: Vec::new(),
        }
    }

    /// Notes that something else has taken the place of the piece.
    pub(super) fn outlive(&mut self) {
        self.standing = Standing::Stale;
    }

    pub(super) fn is_current(&self) -> bool {
        self.standing == Standing::Current
    }

    /// Bytes that it takes in the file; 0 for a commit of the log.
    pub(super) fn bytes(&self) -> u64 {
        match &self.source {
            Source::Segment(segment) => segment.summary().bytes,
            Source::Commits(_) => 0,
        }
    }

    /// Whether some of its keys cannot be read.
    pub(super) fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Whether what the piece holds of `key` may be lost, a range tombstone included.
    #[cfg(test)]
    pub(super) fn may_differ_at(&self, key: &[u8]) -> bool {
        let hides = match &self.source {
            Source::Segment(segment) => segment.ranges().is_err() && segment.summary().spans(key),
            Source::Commits(_) => false,
        };
        self.is_current() && (hides || self.is_damaged_at(key))
    }

    /// Whether what the piece holds of `key` may be lost.
    pub(super) fn is_damaged_at(&self, key: &[u8]) -> bool {
        self.damaged.iter().any(|damaged| damaged.covers(key))
    }

    /// The first key that the piece can hold.
    pub(super) fn smallest(&self) -> Bytes {
        match &self.source {
            Source::Segment(segment) => segment.summary().smallest.clone(),
            Source::Commits(run) => {
                run.keys(self.keyspace).next().map(Bytes::copy_from_slice).unwrap_or_default()
            }
        }
    }

    /// Whether it has range tombstones that can be read.
    pub(super) fn has_ranges(&self) -> bool {
        match &self.source {
            Source::Segment(segment) => segment.ranges().is_ok_and(|ranges| ranges.is_some()),
            Source::Commits(run) => run.ranges(self.keyspace).is_some(),
        }
    }

    /// Whether a range tombstone deletes `key` from all older pieces.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        match &self.source {
            // What cannot be read was noted when the piece was verified.
            Source::Segment(segment) => segment.hides(key).unwrap_or(false),
            Source::Commits(run) => {
                run.ranges(self.keyspace).is_some_and(|ranges| ranges.covers(key))
            }
        }
    }

    /// Reads every leaf block and every value, those in value segments too; what cannot be read is noted, and told under
    /// the name of the keyspace.
    pub(super) fn verify(&mut self, keyspace: &str, values: &ValueLookup) -> Vec<Loss> {
        let mut lost = Lost { keyspace, losses: Vec::new(), damaged: Vec::new() };
        match &self.source {
            Source::Segment(segment) => lost.verify_segment(segment, values),
            Source::Commits(_) => {
                for entry in self.walk() {
                    if let Err(error) = self.value(&entry, values) {
                        let place = format!("commit {} in the log, a value", self.commits.0);
                        let bytes = entry.stored_bytes();
                        lost.note(Damaged::One(entry.key), place, bytes, &error);
                    }
                }
            }
        }
        self.damaged = lost.damaged;
        lost.losses
    }

    /// A walk that stands before the first entry.
    pub(super) fn walk(&self) -> Walk<'_> {
        match &self.source {
            Source::Segment(segment) => {
                let leaves = segment.findable_leaves().0.into_iter();
                Walk::Segment { segment, leaves, queue: VecDeque::new() }
            }
            Source::Commits(run) => Walk::Commits(run.source(self.keyspace).and_then(|source| {
                let mut cursor = source.cursor;
                cursor.first().ok().map(|()| cursor)
            })),
        }
    }

    /// The value of one of its entries, wherever it stands.
    pub(super) fn value(&self, entry: &Entry, values: &ValueLookup) -> Result<Bytes> {
        match &self.source {
            Source::Segment(segment) => read_value(Some(segment), entry, values),
            Source::Commits(_) => read_value(None, entry, values),
        }
    }
}

/// The value of an entry of a segment, or of a commit of the log.
fn read_value(segment: Option<&Segment>, entry: &Entry, values: &ValueLookup) -> Result<Bytes> {
    let bytes = match (&entry.value, segment) {
        (BlockValue::Inline(value), _) => value.clone(),
        (BlockValue::External(value), Some(segment)) => segment.loose_value(*value)?,
        (BlockValue::External(_), None) => {
            return Err(Error::corruption("log: a commit refers to a value elsewhere", 0));
        }
    };
    if entry.kind == EntryKind::Refer { values.load(Content::Reference(bytes)) } else { Ok(bytes) }
}

/// What is lost of one piece.
struct Lost<'a> {
    keyspace: &'a str,
    losses: Vec<Loss>,
    damaged: Vec<Damaged>,
}

impl Lost<'_> {
    fn note(&mut self, keys: Damaged, place: String, bytes: u64, what: &Error) {
        let (shown, what) = (keys.to_string(), what.to_string());
        self.losses.push(Loss { bytes, ..Loss::new(self.keyspace, place, shown, what) });
        self.damaged.push(keys);
    }

    fn verify_segment(&mut self, segment: &Segment, values: &ValueLookup) {
        let summary = segment.summary();
        let (leaves, rest) = segment.findable_leaves();
        let mut after: Option<Bytes> = None;
        for leaf in leaves {
            let before = after.replace(leaf.separator.clone());
            let place = |what: &str| format!("{segment}, {what} of the leaf at {}", leaf.offset);
            match segment.open_leaf(&leaf).and_then(|(_, block)| entries(block)) {
                Err(error) => {
                    let through = KeyEnd::Included(leaf.separator.clone());
                    let keys = Damaged::Range { after: before, through };
                    self.note(keys, place("all"), leaf.bytes, &error);
                }
                Ok(read) => {
                    let is_elsewhere = |entry: &Entry| {
                        entry.kind == EntryKind::Refer
                            || matches!(entry.value, BlockValue::External(_))
                    };
                    for entry in read.into_iter().filter(is_elsewhere) {
                        if let Err(error) = read_value(Some(segment), &entry, values) {
                            let bytes = entry.stored_bytes();
                            self.note(Damaged::One(entry.key), place("a value"), bytes, &error);
                        }
                    }
                }
            }
        }
        if let Some((end, error)) = rest {
            // What ends with the segment's last key has them all.
            let last = after.clone().map(KeyEnd::Included);
            if last.as_ref() != Some(&summary.end) {
                let keys = Damaged::Range { after, through: summary.end.clone() };
                let place = format!("{segment}, from byte {end} on");
                self.note(keys, place, summary.bytes.saturating_sub(end), &error);
            }
        }
        if let Err(error) = segment.ranges() {
            let place = format!("{segment}, range tombstones");
            let keys = "that were deleted, and may come back".to_owned();
            self.losses.push(Loss::new(self.keyspace, place, keys, error.to_string()));
        }
    }
}

impl Entry {
    /// Bytes that a value takes which stands elsewhere, as far as that is known.
    fn stored_bytes(&self) -> u64 {
        match &self.value {
            BlockValue::External(value) => value.stored_bytes,
            BlockValue::Inline(reference) => {
                Reference::decode(reference).map_or(0, |reference| reference.stored_bytes)
            }
        }
    }
}

impl Damaged {
    fn covers(&self, key: &[u8]) -> bool {
        match self {
            Damaged::One(one) => key == &one[..],
            Damaged::Range { after, through } => {
                after.as_ref().is_none_or(|after| key > &after[..]) && !through.is_before(key)
            }
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damaged::One(key) => write!(f, "\"{}\"", key.escape_ascii()),
            Damaged::Range { after, through } => {
                match after {
                    None => write!(f, "from the first to ")?,
                    Some(after) => write!(f, "behind \"{}\" to ", after.escape_ascii())?,
                }
                match through {
                    KeyEnd::Included(key) => write!(f, "\"{}\"", key.escape_ascii()),
                    KeyEnd::Excluded(key) => write!(f, "before \"{}\"", key.escape_ascii()),
                    KeyEnd::Unbounded => write!(f, "the last"),
                }
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Walk::Commits(cursor) => {
                let cursor = cursor.as_mut().filter(|cursor| cursor.valid())?;
                let key = Bytes::copy_from_slice(cursor.key());
                let value = BlockValue::Inline(cursor.value().ok()?);
                let entry = Entry { key, kind: cursor.kind(), value };
                cursor.next().ok()?;
                Some(entry)
            }
            Walk::Segment { segment, leaves, queue } => loop {
                if let Some(entry) = queue.pop_front() {
                    return Some(entry);
                }
                let leaf = leaves.next()?;
                // What cannot be read was noted when the piece was verified.
                let read = segment.open_leaf(&leaf).and_then(|(_, block)| entries(block));
                queue.extend(read.unwrap_or_default());
            },
        }
    }
}

/// All entries of a block.
fn entries(block: Block) -> Result<Vec<Entry>> {
    let mut cursor = BlockCursor::new(block);
    let mut entries = Vec::new();
    cursor.first()?;
    while cursor.valid() {
        let key = Bytes::copy_from_slice(cursor.key());
        entries.push(Entry { key, kind: cursor.kind(), value: cursor.value() });
        cursor.next()?;
    }
    Ok(entries)
}
