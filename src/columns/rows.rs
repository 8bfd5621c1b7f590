//! Which documents of a chunk have which values: for each document the ordinals of its values, ascending.
//!
//! Builders and the merge operator make rows; `slots` reads them where they stand. They are written in the smaller of two
//! forms, as a slot for each document from the first to the last or as a list. Invariants: documents ascend, each has an
//! ordinal or more, and every ordinal of the dictionary is some document's. Cost: a few nanoseconds a document.

use super::packed::{pack, packed_bytes, width};

/// Documents that have values, and their ordinals.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rows {
    offsets: Vec<u16>,
    /// Where the ordinals of each document end; empty when each has one.
    ends: Vec<u32>,
    ordinals: Vec<u32>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RowsForm {
    /// Some document has several values.
    pub(super) several: bool,
    /// The documents are listed.
    pub(super) listed: bool,
    /// Every document from the first to the last has a value.
    pub(super) full: bool,
}

impl Rows {
    /// Adds a document that comes after those before, and its ordinals, which ascend.
    pub(super) fn push(&mut self, offset: u16, ordinals: &[u32]) {
        if ordinals.len() != 1 && self.ends.is_empty() {
            self.ends.extend((1..).take(self.offsets.len()));
        }
        self.offsets.push(offset);
        self.ordinals.extend_from_slice(ordinals);
        if ordinals.len() != 1 || !self.ends.is_empty() {
            let end = self.ordinals.len();
            self.ends.push(u32::try_from(end).expect("invariant: fewer than 2^32 values"));
        }
    }

    /// The documents and their ordinals.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &[u32])> {
        let mut start = 0;
        self.offsets.iter().enumerate().map(move |(at, &offset)| {
            let end = self.ends.get(at).map_or(at + 1, |&end| end as usize);
            let ordinals = self.ordinals.get(start..end).unwrap_or_default();
            start = end;
            (offset, ordinals)
        })
    }

    /// Whether some document has several values.
    pub(super) fn has_several(&self) -> bool {
        self.ordinals.len() > self.offsets.len()
    }

    /// The first and the last document.
    pub(super) fn range(&self) -> Option<(u16, u16)> {
        Some((*self.offsets.first()?, *self.offsets.last()?))
    }

    /// The form that takes the least space, for a dictionary of `len` values.
    pub(super) fn form(&self, len: u32) -> RowsForm {
        let (first, last) = self.range().unwrap_or_default();
        let (span, count) = (usize::from(last - first) + 1, self.offsets.len());
        let (several, full) = (self.has_several(), span == count);
        let greatest = self.marks().max().unwrap_or_default();
        let greatest = if several { greatest } else { u64::from(len) - 1 };
        let in_slots = packed_bytes(span, width(greatest + 1));
        let in_list =
            packed_bytes(count - 1, self.gaps_width()) + packed_bytes(count, width(greatest));
        let listed = !full && in_list + LIST_HEAD_BYTES < in_slots;
        RowsForm { several, listed, full }
    }

    /// Appends the rows as they are stored, for a dictionary of `len` values.
    pub(super) fn encode(&self, form: RowsForm, len: u32, out: &mut Vec<u8>) {
        let (first, last) = self.range().unwrap_or_default();
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&last.to_le_bytes());
        if form.listed {
            let count = u16::try_from(self.offsets.len() - 1).expect("invariant: documents ascend");
            out.extend_from_slice(&count.to_le_bytes());
            out.push(self.gaps_width());
            pack(self.gaps(), self.gaps_width(), out);
        }
        let absent = u64::from(!form.listed && !form.full);
        let mark_width = if form.several {
            let greatest = self.marks().max().unwrap_or_default();
            out.push(width(greatest + absent));
            width(greatest + absent)
        } else {
            width(u64::from(len) - 1 + absent)
        };
        if absent == 1 {
            let mut slots = vec![0; usize::from(last - first) + 1];
            for (&offset, mark) in self.offsets.iter().zip(self.marks()) {
                slots[usize::from(offset - first)] = mark + 1;
            }
            pack(slots.into_iter(), mark_width, out);
        } else {
            pack(self.marks(), mark_width, out);
        }
        if form.several {
            pack(self.ordinals.iter().map(|&ordinal| ordinal.into()), ordinal_width(len), out);
        }
    }

    /// What stands at a document: its ordinal, or where some have several, the number of its values less 1.
    fn marks(&self) -> impl Iterator<Item = u64> {
        let several = self.has_several();
        self.iter().map(move |(_, ordinals)| match ordinals {
            [ordinal] if !several => u64::from(*ordinal),
            ordinals => ordinals.len() as u64 - 1,
        })
    }

    fn gaps(&self) -> impl Iterator<Item = u64> {
        self.offsets.windows(2).map(|pair| u64::from(pair[1] - pair[0] - 1))
    }

    fn gaps_width(&self) -> u8 {
        width(self.gaps().max().unwrap_or_default())
    }
}

/// Bytes of a list's count and the width of its gaps.
const LIST_HEAD_BYTES: usize = 3;

/// Bits of an ordinal.
pub(super) fn ordinal_width(len: u32) -> u8 {
    width(u64::from(len) - 1)
}
