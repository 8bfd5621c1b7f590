//! [`Slots`]: which documents of a chunk have which values, read where that stands among the bytes of a file.
//!
//! Chunks look documents up in it, one by one or a window at a time. What is stored is checked as a whole when it is opened, and
//! never spread out: in memory are the documents of a list, and of several values each where those of every 32nd document begin.
//! Cost: a nanosecond or two to open it, for each document; some to look one up, 30 more where documents have several values; a
//! fraction of one where many of a window are looked at together.

use std::ops::Range;

use bytes::Bytes;

use super::packed::{ALIGNED, Packed, unpack, width};
use super::rows::{Rows, RowsForm, ordinal_width};
use crate::fts::WINDOW_LEN;
use crate::kernels::{Bitmap, Kernels};
use crate::lsm::{ByteReader, Result};

/// The documents of a chunk and the ordinals of their values.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    first: u16,
    last: u16,
    form: RowsForm,
    /// The documents, when they are listed.
    listed: Vec<u16>,
    /// One for each document from the first to the last, or for each that is listed.
    marks: Packed,
    /// When marks are numbers of values.
    several: Option<Several>,
}

/// The values of documents that have several.
#[derive(Debug, Clone)]
struct Several {
    ordinals: Packed,
    /// How many ordinals stand before those of every [`STEP`]th mark.
    starts: Vec<u32>,
}

const STEP: usize = 32;
/// Of so many documents of a window one has to be asked for, that all are read.
const READ_SHARE: usize = 16;

/// The marks of a window, at the places of their documents.
struct WindowMarks {
    /// A little longer, that marks may begin with a byte.
    read: [u16; WINDOW_LEN + ALIGNED],
    skipped: usize,
    /// Places that have a mark.
    places: Range<usize>,
}

impl WindowMarks {
    fn all(&self) -> &[u16; WINDOW_LEN] {
        let all = self.read.get(self.skipped..).and_then(<[u16]>::first_chunk);
        all.expect("invariant: less is skipped than there is beside a window")
    }
}

impl Slots {
    /// Reads what [`Rows::encode`] wrote, for a dictionary of `len` values, from a reader of `whole`.
    ///
    /// # Errors
    /// Corruption. Allocates a small multiple of the bytes, and at most some hundred KiB more.
    pub(super) fn read(
        reader: &mut ByteReader<'_>,
        whole: &Bytes,
        form: RowsForm,
        len: u32,
    ) -> Result<Self> {
        let (first, last) = (reader.u16()?, reader.u16()?);
        let Some(span) = last.checked_sub(first).map(|distance| usize::from(distance) + 1) else {
            return Err(reader.error(format_args!("documents from {first} to {last}")));
        };
        let listed = if form.listed { take_list(reader, first, last)? } else { Vec::new() };
        let absent = u64::from(!form.listed && !form.full);
        let mark_width =
            if form.several { reader.u8()? } else { width(u64::from(len) - 1 + absent) };
        let count = if form.listed { listed.len() } else { span };
        let marks = Packed::take(reader, whole, count, mark_width)?;
        let mut slots = Slots { first, last, form, listed, marks, several: None };
        if absent == 1 && [0, count - 1].iter().any(|&at| slots.marks.get(at) == 0) {
            return Err(reader.error("the first or the last document has no value"));
        }
        if form.several {
            slots.several = Some(slots.take_several(reader, whole, len)?);
        }
        slots.check(reader, len)?;
        Ok(slots)
    }

    /// Takes the ordinals of documents with several values.
    fn take_several(
        &self,
        reader: &mut ByteReader<'_>,
        whole: &Bytes,
        len: u32,
    ) -> Result<Several> {
        let (mut starts, mut end, mut marks) = (Vec::new(), 0_u64, Vec::new());
        for start in (0..self.marks.len()).step_by(STEP) {
            let many = |_| reader.error("2^32 values");
            starts.push(u32::try_from(end).map_err(many)?);
            marks.clear();
            self.marks.read(start..start + STEP, &mut marks);
            for &mark in &marks {
                let count = u64::from(mark) + 1 - u64::from(self.absent());
                if count > u64::from(len) {
                    return Err(reader.error("a document has a value that is not there"));
                }
                end += count;
            }
        }
        let count = u32::try_from(end).map_err(|_| reader.error("2^32 values"))? as usize;
        let ordinals = Packed::take(reader, whole, count, ordinal_width(len))?;
        Ok(Several { ordinals, starts })
    }

    /// Refuses ordinals that do not ascend or are not there, and values that no document has.
    fn check(&self, reader: &ByteReader<'_>, len: u32) -> Result<()> {
        let mut used = vec![false; len as usize];
        let (mut do_ascend, mut are_there) = (true, true);
        self.each_row(0..self.marks.len(), |_, ordinals| {
            do_ascend &= ordinals.len() < 2 || ordinals.is_sorted_by(|a, b| a < b);
            for &ordinal in ordinals {
                match used.get_mut(ordinal as usize) {
                    Some(used) => *used = true,
                    None => are_there = false,
                }
            }
        });
        if !are_there {
            return Err(reader.error("a document has a value that is not there"));
        }
        if !do_ascend {
            return Err(reader.error("the values of a document do not ascend"));
        }
        if used.contains(&false) {
            return Err(reader.error("a value is no document's"));
        }
        Ok(())
    }

    /// The same as rows, to be joined with others.
    pub(super) fn to_rows(&self) -> Rows {
        let mut rows = Rows::default();
        self.each_row(0..self.marks.len(), |offset, ordinals| {
            if !ordinals.is_empty() {
                rows.push(offset, ordinals);
            }
        });
        rows
    }

    /// Bytes of memory, beside those of the file.
    pub(super) fn bytes(&self) -> usize {
        let starts = self.several.as_ref().map_or(0, |several| size_of_val(&*several.starts));
        size_of::<Self>() + size_of_val(&*self.listed) + starts
    }

    /// Whether some document has several values.
    pub(super) fn has_several(&self) -> bool {
        self.several.is_some()
    }

    /// The ordinals of a document's values, ascending.
    pub(super) fn ordinals(&self, offset: u16) -> impl Iterator<Item = u32> {
        let index = self.index(offset);
        let (one, several) = match (&self.several, index) {
            (_, None) => (None, 0..0),
            (None, Some(index)) => (self.marks.get(index).checked_sub(self.absent()), 0..0),
            (Some(several), Some(index)) => (None, self.places(several, index)),
        };
        let several = several.map(|at| {
            self.several.as_ref().map(|several| several.ordinals.get(at)).unwrap_or_default()
        });
        one.into_iter().chain(several)
    }

    /// A document's least ordinal plus 1, or its greatest; 0 if it has no value.
    pub(super) fn slot(&self, offset: u16, greatest: bool) -> u32 {
        let Some(index) = self.index(offset) else { return 0 };
        let Some(several) = &self.several else {
            return self.marks.get(index) + 1 - self.absent();
        };
        let places = self.places(several, index);
        let place = if greatest { places.clone().next_back() } else { places.clone().next() };
        place.map_or(0, |place| several.ordinals.get(place) + 1)
    }

    /// Passes some documents, which ascend, to `visit`, each with the ordinals of its values.
    pub(super) fn each_of(&self, offsets: &[u16], mut visit: impl FnMut(u16, &[u32])) {
        for (window, offsets) in by_window(offsets) {
            if offsets.len() < WINDOW_LEN / READ_SHARE {
                let mut found = Vec::new();
                for &offset in offsets {
                    found.clear();
                    found.extend(self.ordinals(offset));
                    visit(offset, &found);
                }
                continue;
            }
            if let Some(marks) = self.window_marks(window) {
                let (all, absent) = (marks.all(), self.absent());
                for &offset in offsets {
                    let place = usize::from(offset) % WINDOW_LEN;
                    let mark = u32::from(all[place]).checked_sub(absent);
                    let mark = mark.filter(|_| marks.places.contains(&place));
                    visit(offset, mark.as_slice());
                }
                continue;
            }
            if let Some(several) = self.several.as_ref().filter(|_| !self.form.listed) {
                self.each_of_several(several, (window, offsets), &mut visit);
                continue;
            }
            let mut asked = offsets.iter().copied().peekable();
            self.each_row(self.indexes(window), |offset, ordinals| {
                while let Some(before) = asked.next_if(|&asked| asked < offset) {
                    visit(before, &[]);
                }
                if asked.next_if_eq(&offset).is_some() {
                    visit(offset, ordinals);
                }
            });
            asked.for_each(|offset| visit(offset, &[]));
        }
    }

    /// Passes documents of a window to `visit`, where documents have several values and are not listed.
    fn each_of_several(
        &self,
        several: &Several,
        (window, offsets): (usize, &[u16]),
        visit: &mut impl FnMut(u16, &[u32]),
    ) {
        let indexes = self.indexes(window);
        let (mut marks, mut ordinals) = (Vec::new(), Vec::new());
        self.marks.read(indexes.clone(), &mut marks);
        let mut end = 0;
        let mut ends = Vec::with_capacity(marks.len() + 1);
        ends.push(0);
        for mark in marks {
            end += (mark + 1 - self.absent()) as usize;
            ends.push(end);
        }
        let first = self.places(several, indexes.start).start;
        several.ordinals.read(first..first + end, &mut ordinals);
        let before = usize::from(self.first) + indexes.start;
        for &offset in offsets {
            let place = usize::from(offset).checked_sub(before);
            let range = place.and_then(|place| Some(*ends.get(place)?..*ends.get(place + 1)?));
            visit(offset, range.and_then(|range| ordinals.get(range)).unwrap_or_default());
        }
    }

    /// Adds to `counts` how many of some documents, which ascend, have each value: place 0 is for those without one.
    pub(super) fn count(&self, offsets: &[u16], counts: &mut [u32]) {
        let mut add = |slot: usize| {
            if let Some(count) = counts.get_mut(slot) {
                *count += 1;
            }
        };
        for (window, offsets) in by_window(offsets) {
            let marks = if offsets.len() == WINDOW_LEN { self.window_marks(window) } else { None };
            let is_full = |marks: &WindowMarks| marks.places.len() == WINDOW_LEN;
            if let Some(marks) = marks.filter(is_full) {
                let more = 1 - self.absent() as usize;
                marks.all().iter().for_each(|&mark| add(usize::from(mark) + more));
                continue;
            }
            if let Some(several) = self.several.as_ref().filter(|_| offsets.len() == WINDOW_LEN) {
                self.count_several(several, window, &mut add);
                continue;
            }
            self.each_of(offsets, |_, ordinals| {
                if ordinals.is_empty() {
                    add(0);
                }
                for &ordinal in ordinals {
                    add(ordinal as usize + 1);
                }
            });
        }
    }

    /// Passes the values of all documents of a window to `add`, 0 for those that have none.
    fn count_several(&self, several: &Several, window: usize, add: &mut impl FnMut(usize)) {
        let indexes = self.indexes(window);
        let (mut marks, mut ordinals, mut len) = (Vec::new(), Vec::new(), 0);
        self.marks.read(indexes.clone(), &mut marks);
        for mark in marks {
            let count = (mark + 1 - self.absent()) as usize;
            len += count;
            if count == 0 {
                add(0);
            }
        }
        for _ in indexes.len()..WINDOW_LEN {
            add(0);
        }
        let first = self.places(several, indexes.start).start;
        several.ordinals.read(first..first + len, &mut ordinals);
        for ordinal in ordinals {
            add(ordinal as usize + 1);
        }
    }

    /// Adds to `bitmap` the documents of a window that have a value whose ordinal is in `ordinals`.
    pub(super) fn in_range(&self, window: usize, ordinals: &Range<u32>, bitmap: &mut Bitmap) {
        if ordinals.is_empty() {
            return;
        }
        let span = ordinals.end - ordinals.start;
        let first = u16::try_from(ordinals.start + self.absent());
        let narrow = first.ok().zip(u16::try_from(span).ok());
        if let (Some((first, span)), Some(marks)) = (narrow, self.window_marks(window)) {
            let mut found = [0; WINDOW_LEN / 8];
            Kernels::best().within(marks.all(), first, span, &mut found);
            keep(&mut found, &marks.places);
            Kernels::best().or(bitmap, &found);
            return;
        }
        self.each_row(self.indexes(window), |offset, found| {
            let place = usize::from(offset) % WINDOW_LEN;
            let is_within = found.iter().any(|ordinal| ordinal.wrapping_sub(ordinals.start) < span);
            bitmap[place / 8] |= u8::from(is_within) << (place % 8);
        });
    }

    /// The marks of a window, if these are ordinals of at most 16 bits that are not listed.
    fn window_marks(&self, window: usize) -> Option<WindowMarks> {
        if self.form.listed || self.several.is_some() {
            return None;
        }
        let indexes = self.indexes(window);
        let base = window * WINDOW_LEN;
        let start = (usize::from(self.first) + indexes.start).checked_sub(base)?;
        // Only the first window has documents before its first one, and there nothing is skipped.
        let skipped = indexes.start % ALIGNED;
        let len = indexes.len();
        let mut marks =
            WindowMarks { read: [0; WINDOW_LEN + ALIGNED], skipped, places: start..start + len };
        let read = marks.read.get_mut(start..start + skipped + len)?;
        self.marks.read_narrow(indexes.start - skipped, read).then_some(marks)
    }

    /// Indexes of the marks of a window's documents.
    fn indexes(&self, window: usize) -> Range<usize> {
        let (start, end) = (window * WINDOW_LEN, (window + 1) * WINDOW_LEN);
        if self.form.listed {
            let before = |bound| self.listed.partition_point(|&offset| usize::from(offset) < bound);
            return before(start)..before(end);
        }
        let index = |bound: usize| bound.saturating_sub(self.first.into()).min(self.marks.len());
        index(start)..index(end)
    }

    /// Passes the documents of a range of marks to `visit`, with the ordinals of their values; those of slots that have none too.
    fn each_row(&self, indexes: Range<usize>, mut visit: impl FnMut(u16, &[u32])) {
        let (mut marks, mut ordinals) = (Vec::new(), Vec::new());
        let absent = self.absent();
        for start in indexes.clone().step_by(WINDOW_LEN) {
            let end = indexes.end.min(start + WINDOW_LEN);
            marks.clear();
            self.marks.read(start..end, &mut marks);
            let Some(several) = &self.several else {
                for (at, &mark) in (start..).zip(&marks) {
                    visit(self.offset(at), mark.checked_sub(absent).as_slice());
                }
                continue;
            };
            let counts = || marks.iter().map(|&mark| (mark + 1 - absent) as usize);
            let first = self.places(several, start).start;
            ordinals.clear();
            several.ordinals.read(first..first + counts().sum::<usize>(), &mut ordinals);
            let mut rest = ordinals.as_slice();
            for (at, count) in (start..).zip(counts()) {
                let (row, behind) = rest.split_at_checked(count).unwrap_or_default();
                visit(self.offset(at), row);
                rest = behind;
            }
        }
    }

    /// The document of a mark.
    fn offset(&self, index: usize) -> u16 {
        let slot = || self.first.wrapping_add(u16::try_from(index).unwrap_or_default());
        if self.form.listed { self.listed.get(index).copied().unwrap_or_default() } else { slot() }
    }

    /// The mark of a document.
    fn index(&self, offset: u16) -> Option<usize> {
        if self.form.listed {
            return self.listed.binary_search(&offset).ok();
        }
        (offset <= self.last).then(|| offset.checked_sub(self.first).map(usize::from)).flatten()
    }

    /// Where the ordinals of a mark stand.
    fn places(&self, several: &Several, index: usize) -> Range<usize> {
        let count = |index| (self.marks.get(index) + 1 - self.absent()) as usize;
        let known = several.starts.get(index / STEP).copied().unwrap_or_default() as usize;
        let start = known + (index / STEP * STEP..index).map(count).sum::<usize>();
        start..start + count(index)
    }

    /// What a mark is more than it says: 1 where 0 says that a document has no value.
    fn absent(&self) -> u32 {
        u32::from(!self.form.listed && !self.form.full)
    }
}

/// Keeps the bits of some places.
fn keep(bitmap: &mut Bitmap, places: &Range<usize>) {
    if places.len() == WINDOW_LEN {
        return;
    }
    for (byte, base) in bitmap.iter_mut().zip((0..).step_by(8)) {
        for bit in 0..8 {
            if !places.contains(&(base + bit)) {
                *byte &= !(1 << bit);
            }
        }
    }
}

/// Offsets, which ascend, by window.
fn by_window(offsets: &[u16]) -> impl Iterator<Item = (usize, &[u16])> {
    let mut rest = offsets;
    std::iter::from_fn(move || {
        let window = usize::from(*rest.first()?) / WINDOW_LEN;
        let behind = rest.partition_point(|&offset| usize::from(offset) / WINDOW_LEN <= window);
        let (of_window, others) = rest.split_at(behind);
        rest = others;
        Some((window, of_window))
    })
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
