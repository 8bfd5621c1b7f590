//! [`ColumnChunk`]: the values of one path in the documents of one chunk, ready for look-ups.
//!
//! Sorts, aggregations and range filters read it; a `ColumnSource` gives it, decoded from the keyspace or built from documents.
//! It never changes and is shared. Inside a chunk values are compared by their *ordinals*, their places among the distinct values
//! of the chunk. Cost: 2 bytes a document where each has one value; a nanosecond or two to look at one.

use std::ops::{Bound, Range};
use std::sync::Arc;

use super::content::Content;
use super::dictionary::Dictionary;
use super::error::Result;
use super::rows::Rows;
use crate::bson::RawBsonRef;
use crate::fts::WINDOW_LEN;
use crate::kernels::Bitmap;

/// The values that the documents of a chunk have at one path.
///
/// ```
/// use alluvium::bson::{Path, rawdoc};
/// use alluvium::columns::ColumnChunkBuilder;
///
/// let mut builder = ColumnChunkBuilder::default();
/// let year = Path::parse("year")?;
/// builder.add(3, &year, &rawdoc! { "year": 1849 })?;
/// builder.add(7, &year, &rawdoc! { "year": [1851, 1849] })?;
/// builder.add(9, &year, &rawdoc! {})?;
/// let years = builder.finish().expect("some values");
/// assert_eq!(years.cardinality(), 2);
/// assert_eq!((years.value(0).as_i32(), years.max().as_i32()), (Some(1849), Some(1851)));
/// assert_eq!(years.ordinals(7).collect::<Vec<_>>(), [0, 1]);
/// assert_eq!(years.ordinals(9).count(), 0);
/// # Ok::<(), alluvium::columns::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ColumnChunk {
    dictionary: Arc<Dictionary>,
    /// Offset of the first slot, a window's beginning; slots end with a window.
    base: usize,
    slots: Slots,
}

/// A slot for each document: 0 if it has no value, else its ordinal plus 1.
#[derive(Debug, Clone)]
enum Slots {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
    /// Slots of any number a document, ascending, and where those of each document end.
    Several {
        ends: Vec<u32>,
        slots: Vec<u32>,
    },
}

/// The slot of a document without a value.
const ABSENT: u32 = 0;

impl ColumnChunk {
    /// Reads a value of a column's keyspace.
    ///
    /// # Errors
    /// Corruption for bytes that are none. Allocates a small multiple of them, and at most some megabytes more.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Content::decode(bytes)?.into())
    }

    /// Number of distinct values, at least 1; those of removed documents count until they are gone from the keyspace.
    pub fn cardinality(&self) -> u32 {
        self.dictionary.len()
    }

    /// The value of an ordinal; of equal values that of the first document that has one.
    ///
    /// # Panics
    /// When `ordinal` is not below [`cardinality`](Self::cardinality).
    pub fn value(&self, ordinal: u32) -> RawBsonRef<'_> {
        self.dictionary.value(ordinal)
    }

    /// The sort key of an ordinal's value, which is put into `scratch`.
    ///
    /// # Panics
    /// When `ordinal` is not below [`cardinality`](Self::cardinality).
    pub fn key<'a>(&self, ordinal: u32, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        self.dictionary.key(ordinal, scratch)
    }

    /// The least value.
    pub fn min(&self) -> RawBsonRef<'_> {
        self.value(0)
    }

    /// The greatest value.
    pub fn max(&self) -> RawBsonRef<'_> {
        self.value(self.cardinality() - 1)
    }

    /// The first ordinal whose sort key is not below `key`, which may be [`cardinality`](Self::cardinality), and whether it is equal.
    pub fn find(&self, key: &[u8]) -> (u32, bool) {
        self.dictionary.find(key)
    }

    /// The ordinals whose sort keys lie between two bounds.
    pub fn ordinals_between(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Range<u32> {
        let behind = |(ordinal, is_equal): (u32, bool)| ordinal + u32::from(is_equal);
        let start = match lower {
            Bound::Included(key) => self.find(key).0,
            Bound::Excluded(key) => behind(self.find(key)),
            Bound::Unbounded => 0,
        };
        let end = match upper {
            Bound::Included(key) => behind(self.find(key)),
            Bound::Excluded(key) => self.find(key).0,
            Bound::Unbounded => self.cardinality(),
        };
        start..end.max(start)
    }

    /// The ordinals of a document's values, ascending.
    pub fn ordinals(&self, offset: u16) -> impl Iterator<Item = u32> {
        let (one, several) = match &self.slots {
            Slots::Several { .. } => (ABSENT, self.several(offset)),
            Slots::Narrow(_) | Slots::Wide(_) => (self.least_slot(offset), [].as_slice()),
        };
        std::iter::once(one).chain(several.iter().copied()).filter_map(|slot| slot.checked_sub(1))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let slots = match &self.slots {
            Slots::Narrow(slots) => slots.len() * size_of::<u16>(),
            Slots::Wide(slots) => slots.len() * size_of::<u32>(),
            Slots::Several { ends, slots } => (ends.len() + slots.len()) * size_of::<u32>(),
        };
        size_of::<Self>() + slots + self.dictionary.bytes()
    }

    /// Adds to `counts` how many of the documents have each value: place 0 is for those without one, place 1 for ordinal 0.
    ///
    /// Counts beyond the end of `counts` are dropped, which is to have [`cardinality`](Self::cardinality) + 1 places.
    pub fn count(&self, offsets: &[u16], counts: &mut [u32]) {
        let mut add = |slot: usize| {
            if let Some(count) = counts.get_mut(slot) {
                *count += 1;
            }
        };
        let base = self.base;
        match &self.slots {
            Slots::Narrow(slots) => {
                for &offset in offsets {
                    add(slot_at(slots, base, offset).into());
                }
            }
            Slots::Wide(slots) => {
                for &offset in offsets {
                    add(slot_at(slots, base, offset) as usize);
                }
            }
            Slots::Several { .. } => {
                for &offset in offsets {
                    let slots = self.several(offset);
                    if slots.is_empty() {
                        add(0);
                    }
                    for &slot in slots {
                        add(slot as usize);
                    }
                }
            }
        }
    }

    /// Adds to `bitmap` the documents of a window that have a value whose ordinal is in `ordinals`.
    pub fn in_range(&self, window: usize, ordinals: Range<u32>, bitmap: &mut Bitmap) {
        let start = (window * WINDOW_LEN).checked_sub(self.base);
        let Some(start) = start.filter(|_| !ordinals.is_empty()) else { return };
        let (first, span) = (ordinals.start + 1, ordinals.end - ordinals.start);
        let places = start..start + WINDOW_LEN;
        match &self.slots {
            Slots::Narrow(slots) => {
                let first = u16::try_from(first).unwrap_or(u16::MAX);
                let span = u16::try_from(span).unwrap_or(u16::MAX);
                let slots = slots.get(places).unwrap_or_default();
                mark(slots, bitmap, |&slot| slot.wrapping_sub(first) < span);
            }
            Slots::Wide(slots) => {
                let slots = slots.get(places).unwrap_or_default();
                mark(slots, bitmap, |&slot| slot.wrapping_sub(first) < span);
            }
            Slots::Several { ends, .. } => {
                let window: Vec<_> = places.filter(|&place| place < ends.len()).collect();
                mark(&window, bitmap, |&place| {
                    self.several_at(place).iter().any(|slot| slot.wrapping_sub(first) < span)
                });
            }
        }
    }

    /// The values by their order.
    pub(super) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// Whether some document has several values.
    pub(super) fn has_several(&self) -> bool {
        matches!(self.slots, Slots::Several { .. })
    }

    /// Passes each document to `f` with its least ordinal plus 1, or its greatest; 0 if it has no value.
    pub(super) fn each_slot(&self, offsets: &[u16], greatest: bool, mut f: impl FnMut(u16, u32)) {
        let base = self.base;
        match &self.slots {
            Slots::Narrow(slots) => {
                for &offset in offsets {
                    f(offset, slot_at(slots, base, offset).into());
                }
            }
            Slots::Wide(slots) => {
                for &offset in offsets {
                    f(offset, slot_at(slots, base, offset));
                }
            }
            Slots::Several { .. } => {
                for &offset in offsets {
                    f(offset, self.slot(offset, greatest));
                }
            }
        }
    }

    /// A document's least ordinal plus 1, or its greatest; 0 if it has no value.
    pub(super) fn slot(&self, offset: u16, greatest: bool) -> u32 {
        if !greatest {
            return self.least_slot(offset);
        }
        match &self.slots {
            Slots::Several { .. } => self.several(offset).last().copied().unwrap_or(ABSENT),
            Slots::Narrow(_) | Slots::Wide(_) => self.least_slot(offset),
        }
    }

    fn least_slot(&self, offset: u16) -> u32 {
        match &self.slots {
            Slots::Narrow(slots) => slot_at(slots, self.base, offset).into(),
            Slots::Wide(slots) => slot_at(slots, self.base, offset),
            Slots::Several { .. } => self.several(offset).first().copied().unwrap_or(ABSENT),
        }
    }

    /// The slots of a document in a chunk with several.
    fn several(&self, offset: u16) -> &[u32] {
        usize::from(offset).checked_sub(self.base).map_or(&[], |place| self.several_at(place))
    }

    fn several_at(&self, place: usize) -> &[u32] {
        let Slots::Several { ends, slots } = &self.slots else { return &[] };
        let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(place).copied().unwrap_or(start);
        slots.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl From<Content> for ColumnChunk {
    fn from(Content { dictionary, rows }: Content) -> Self {
        let (first, last) = rows.range().unwrap_or_default();
        let base = usize::from(first) / WINDOW_LEN * WINDOW_LEN;
        let places = (usize::from(last) / WINDOW_LEN + 1) * WINDOW_LEN - base;
        let slots = if rows.has_several() {
            several(&rows, base, places)
        } else if dictionary.len() < u32::from(u16::MAX) {
            let narrow = |slot| u16::try_from(slot).expect("invariant: fewer than 65,536 slots");
            Slots::Narrow(spread(&rows, base, places, narrow))
        } else {
            Slots::Wide(spread(&rows, base, places, |slot| slot))
        };
        ColumnChunk { dictionary: Arc::new(dictionary), base, slots }
    }
}

/// A slot for each place, of rows with one value each.
fn spread<T: Copy + Default>(
    rows: &Rows,
    base: usize,
    places: usize,
    slot: impl Fn(u32) -> T,
) -> Vec<T> {
    let mut slots = vec![T::default(); places];
    for (offset, ordinals) in rows.iter() {
        if let &[ordinal] = ordinals {
            slots[usize::from(offset) - base] = slot(ordinal + 1);
        }
    }
    slots
}

fn several(rows: &Rows, base: usize, places: usize) -> Slots {
    let mut ends = Vec::with_capacity(places);
    let mut slots = Vec::with_capacity(rows.ordinals_len());
    for (offset, ordinals) in rows.iter() {
        let end = u32::try_from(slots.len()).expect("invariant: fewer than 2^32 values");
        ends.resize(usize::from(offset) - base, end);
        slots.extend(ordinals.iter().map(|ordinal| ordinal + 1));
        ends.push(u32::try_from(slots.len()).expect("invariant: fewer than 2^32 values"));
    }
    ends.resize(places, ends.last().copied().unwrap_or_default());
    Slots::Several { ends, slots }
}

#[inline]
fn slot_at<T: Copy + Default>(slots: &[T], base: usize, offset: u16) -> T {
    slots.get(usize::from(offset).wrapping_sub(base)).copied().unwrap_or_default()
}

/// Adds a bit for each of the items that pass.
fn mark<T>(items: &[T], bitmap: &mut Bitmap, passes: impl Fn(&T) -> bool) {
    for (byte, items) in bitmap.iter_mut().zip(items.chunks_exact(8)) {
        for (bit, item) in items.iter().enumerate() {
            *byte |= u8::from(passes(item)) << bit;
        }
    }
}
