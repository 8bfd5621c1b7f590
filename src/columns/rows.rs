//! Which documents of a chunk have which values: for each document the ordinals of its values, ascending.
//!
//! Builders and the merge operator make rows, chunks spread them out for fast look-ups. They are written in the smaller of two
//! forms, as a slot for each document from the first to the last or as a list. Invariants: documents ascend, each has an
//! ordinal or more, and every ordinal of the dictionary is some document's. Cost: a few nanoseconds a document.

use super::packed::{pack, packed_bytes, unpack, width};
use crate::lsm::{ByteReader, Result};

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

    /// Number of ordinals of all documents.
    pub(super) fn ordinals_len(&self) -> usize {
        self.ordinals.len()
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

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Corruption. Allocates at most 1 MiB more than a small multiple of the bytes.
    pub(super) fn decode(reader: &mut ByteReader<'_>, form: RowsForm, len: u32) -> Result<Self> {
        let (first, last) = (reader.u16()?, reader.u16()?);
        let Some(span) = last.checked_sub(first).map(|distance| usize::from(distance) + 1) else {
            return Err(reader.error(format_args!("documents from {first} to {last}")));
        };
        let mut offsets: Vec<u16> =
            if form.listed { take_list(reader, first, last)? } else { (first..=last).collect() };
        let absent = u64::from(!form.listed && !form.full);
        let mark_width =
            if form.several { reader.u8()? } else { width(u64::from(len) - 1 + absent) };
        let count = if form.listed { offsets.len() } else { span };
        let mut marks: Vec<u64> = unpack(reader, count, mark_width)?.collect();
        if absent == 1 {
            let mut at = marks.iter();
            offsets.retain(|_| at.next().is_some_and(|&mark| mark > 0));
            marks.retain(|&mark| mark > 0);
            for mark in &mut marks {
                *mark -= 1;
            }
            if (offsets.first(), offsets.last()) != (Some(&first), Some(&last)) {
                return Err(reader.error("the first or the last document has no value"));
            }
        }
        if marks.iter().any(|&mark| mark >= u64::from(len)) {
            return Err(reader.error("a document has a value that is not there"));
        }
        let narrow = |mark: u64| u32::try_from(mark).unwrap_or_default();
        let mut rows = Rows { offsets, ends: Vec::new(), ordinals: Vec::new() };
        if form.several {
            rows.take_ordinals(reader, &marks, len)?;
        } else {
            rows.ordinals = marks.into_iter().map(narrow).collect();
        }
        rows.check_ordinals(reader, len)?;
        Ok(rows)
    }

    /// Reads the ordinals of documents that have one more than their mark.
    fn take_ordinals(
        &mut self,
        reader: &mut ByteReader<'_>,
        marks: &[u64],
        len: u32,
    ) -> Result<()> {
        let mut end = 0_u64;
        for mark in marks {
            end += mark + 1;
            let end = u32::try_from(end).map_err(|_| reader.error("2^32 values"))?;
            self.ends.push(end);
        }
        let count = usize::try_from(end).map_err(|_| reader.error("too many values"))?;
        let ordinals = unpack(reader, count, ordinal_width(len))?;
        self.ordinals = ordinals.map(|ordinal| u32::try_from(ordinal).unwrap_or(len)).collect();
        let ascend = |ordinals: &[u32]| ordinals.is_sorted_by(|a, b| a < b);
        if !self.iter().all(|(_, ordinals)| ascend(ordinals)) {
            return Err(reader.error("the values of a document do not ascend"));
        }
        Ok(())
    }

    fn check_ordinals(&self, reader: &ByteReader<'_>, len: u32) -> Result<()> {
        let mut used = vec![false; len as usize];
        for &ordinal in &self.ordinals {
            match used.get_mut(ordinal as usize) {
                Some(used) => *used = true,
                None => return Err(reader.error("a document has a value that is not there")),
            }
        }
        if used.contains(&false) {
            return Err(reader.error("a value is no document's"));
        }
        Ok(())
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

fn ordinal_width(len: u32) -> u8 {
    width(u64::from(len) - 1)
}

fn take_list(reader: &mut ByteReader<'_>, first: u16, last: u16) -> Result<Vec<u16>> {
    let (gaps, width) = (usize::from(reader.u16()?), reader.u8()?);
    let mut offsets = vec![first];
    let mut at = u64::from(first);
    for gap in unpack(reader, gaps, width)? {
        at = at.saturating_add(gap).saturating_add(1);
        let offset = u16::try_from(at).map_err(|_| reader.error("a document beyond the chunk"))?;
        offsets.push(offset);
    }
    if offsets.last() != Some(&last) {
        return Err(reader.error(format_args!("the documents do not end with {last}")));
    }
    Ok(offsets)
}
