//! Range tombstones: the stretches of keys that a run deletes from all older runs.
//!
//! A run of any kind (pending, fresh, on disk) has [`Ranges`] beside its entries. They hide entries of older runs
//! only: an entry of the run itself is newer than its ranges. So two runs become one by dropping what the newer
//! ranges hide and uniting the ranges; which of two ranges came first is never asked again.
//!
//! Invariants of [`Ranges`]: each has at least one key, they are disjoint and do not touch, and no bound is longer
//! than a key may be. Cost: O(log n) to find and to add.
//!
//! [`KeyEnd`] says where a segment's keys end: at its last key, or where a range tombstone was cut.
//!
//! The bytes stand in `docs/format/wal.md`.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::codec::{ByteReader, put_varint};
use super::error::Result;
use super::ids::KEY_BYTES_MAX;

/// Bytes of memory that a range takes besides its bounds.
const RANGE_OVERHEAD_BYTES: usize = 96;

/// The keys from `lower` up to, but not including, `upper`; to the end without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyRange {
    pub(crate) lower: Bytes,
    pub(crate) upper: Option<Bytes>,
}

impl KeyRange {
    /// The keys between two bounds; `None` when there is no such key.
    pub(crate) fn between(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Option<KeyRange> {
        let lower = match lower {
            Bound::Unbounded => Bytes::new(),
            Bound::Included(key) => first_key_from(key.to_vec())?,
            Bound::Excluded(key) => first_key_from([key, &[0]].concat())?,
        };
        let upper = match upper {
            Bound::Unbounded => None,
            Bound::Included(key) => first_key_from([key, &[0]].concat()),
            Bound::Excluded(key) => first_key_from(key.to_vec()),
        };
        KeyRange { lower, upper }.non_empty()
    }

    /// The keys that begin with `prefix`.
    pub(crate) fn of_prefix(prefix: &[u8]) -> KeyRange {
        let mut successor = prefix.to_vec();
        while successor.pop_if(|byte| *byte == u8::MAX).is_some() {}
        let upper = successor.last_mut().map(|byte| *byte += 1).map(|()| Bytes::from(successor));
        KeyRange { lower: Bytes::copy_from_slice(prefix), upper }
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let upper =
            self.upper.as_ref().map_or(Bound::Unbounded, |upper| Bound::Excluded(&upper[..]));
        (Bound::Included(&self.lower), upper)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        &self.lower[..] <= key && self.ends_behind(key)
    }

    /// What both have in common.
    pub(crate) fn intersection(&self, other: &KeyRange) -> Option<KeyRange> {
        let upper = match (&self.upper, &other.upper) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.as_ref().or(right.as_ref()),
        };
        let lower = self.lower.clone().max(other.lower.clone());
        KeyRange { lower, upper: upper.cloned() }.non_empty()
    }

    /// The smallest range that contains both.
    pub(crate) fn hull(&self, other: &KeyRange) -> KeyRange {
        let upper =
            self.upper.as_ref().zip(other.upper.as_ref()).map(|(left, right)| left.max(right));
        KeyRange { lower: self.lower.clone().min(other.lower.clone()), upper: upper.cloned() }
    }

    /// Whether the end stands behind `key`, or there is none.
    pub(crate) fn ends_behind(&self, key: &[u8]) -> bool {
        self.upper.as_ref().is_none_or(|upper| key < &upper[..])
    }

    fn non_empty(self) -> Option<KeyRange> {
        let has_keys = self.ends_behind(&self.lower);
        has_keys.then_some(self)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.lower.len() + self.upper.as_ref().map_or(0, Bytes::len) + RANGE_OVERHEAD_BYTES
    }
}

/// The smallest key that is `bound` or greater; `None` when every key is smaller.
///
/// They differ when the bound is longer than a key may be.
fn first_key_from(mut bound: Vec<u8>) -> Option<Bytes> {
    if bound.len() > KEY_BYTES_MAX {
        bound.truncate(KEY_BYTES_MAX);
        while bound.pop_if(|byte| *byte == u8::MAX).is_some() {}
        *bound.last_mut()? += 1;
    }
    Some(Bytes::from(bound))
}

/// Keys that are next to each other and all covered by one range, or all by none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) keys: KeyRange,
    pub(crate) is_covered: bool,
}

/// The range tombstones of a run: sorted, disjoint, joined where they touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// Lower bound to upper bound.
    ends: BTreeMap<Bytes, Option<Bytes>>,
    memory_bytes: usize,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// In key order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = KeyRange> + '_ {
        self.ends
            .iter()
            .map(|(lower, upper)| KeyRange { lower: lower.clone(), upper: upper.clone() })
    }

    /// Adds a range, joined with those that it touches.
    pub(crate) fn insert(&mut self, range: KeyRange) {
        let KeyRange { mut lower, mut upper } = range;
        let before = self.ends.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(&lower[..])));
        if let Some((from, end)) = before.into_iter().next_back()
            && end.as_ref().is_none_or(|end| *end >= lower)
        {
            lower = from.clone();
        }
        while let Some(touched) = self.first_between(&lower, upper.as_ref()) {
            self.memory_bytes -= touched.memory_bytes();
            self.ends.remove(&touched.lower);
            upper = upper.zip(touched.upper).map(|(left, right)| left.max(right));
        }
        let range = KeyRange { lower, upper };
        self.memory_bytes += range.memory_bytes();
        self.ends.insert(range.lower, range.upper);
    }

    /// The first range that begins within these bounds, both included.
    fn first_between(&self, lower: &[u8], upper: Option<&Bytes>) -> Option<KeyRange> {
        let upper = upper.map_or(Bound::Unbounded, |upper| Bound::Included(&upper[..]));
        let (lower, upper) = self.ends.range::<[u8], _>((Bound::Included(lower), upper)).next()?;
        Some(KeyRange { lower: lower.clone(), upper: upper.clone() })
    }

    /// Adds all ranges of `others`.
    pub(crate) fn unite(&mut self, others: &Ranges) {
        self.extend(others.iter());
    }

    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        let at_or_before = (Bound::Unbounded, Bound::Included(key));
        let before = self.ends.range::<[u8], _>(at_or_before).next_back();
        before.is_some_and(|(_, upper)| upper.as_ref().is_none_or(|upper| key < &upper[..]))
    }

    /// Whether a range has a key in common with `keys`.
    pub(crate) fn touches(&self, keys: &KeyRange) -> bool {
        let stretch = self.stretch(&keys.lower);
        stretch.is_covered || stretch.keys.upper.is_some_and(|next| keys.ends_behind(&next))
    }

    /// Whether one range covers all of `keys`.
    pub(crate) fn cover_all(&self, keys: &KeyRange) -> bool {
        let stretch = self.stretch(&keys.lower);
        stretch.is_covered && stretch.keys.intersection(keys).as_ref() == Some(keys)
    }

    /// The stretch around `key`.
    pub(crate) fn stretch(&self, key: &[u8]) -> Stretch {
        let at_or_before = (Bound::Unbounded, Bound::Included(key));
        let before = self.ends.range::<[u8], _>(at_or_before).next_back();
        let before =
            before.map(|(lower, upper)| KeyRange { lower: lower.clone(), upper: upper.clone() });
        match before {
            Some(keys) if keys.contains(key) => Stretch { keys, is_covered: true },
            before => {
                let behind = (Bound::Excluded(key), Bound::Unbounded);
                let upper =
                    self.ends.range::<[u8], _>(behind).next().map(|(lower, _)| lower.clone());
                let lower = before.and_then(|range| range.upper).unwrap_or_default();
                Stretch { keys: KeyRange { lower, upper }, is_covered: false }
            }
        }
    }

    /// Appends the ranges; [`decode`](Self::decode) knows where they end.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.len());
        for (lower, upper) in &self.ends {
            put_varint(out, lower.len() as u64);
            out.extend_from_slice(lower);
            put_varint(out, upper.as_ref().map_or(0, |upper| upper.len() as u64 + 1));
            out.extend_from_slice(upper.as_deref().unwrap_or_default());
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Corruption when ranges are empty, out of order or touch.
    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Ranges> {
        let mut ranges = Ranges::default();
        for _ in 0..reader.varint()? {
            let lower_len = reader.varint_usize()?;
            let lower = Bytes::copy_from_slice(reader.take(lower_len)?);
            let upper = match reader.varint_usize()?.checked_sub(1) {
                Some(len) => Some(Bytes::copy_from_slice(reader.take(len)?)),
                None => None,
            };
            let longest = lower.len().max(upper.as_ref().map_or(0, Bytes::len));
            let last = ranges.ends.last_key_value();
            let is_apart = last.is_none_or(|(_, end)| end.as_ref().is_some_and(|end| *end < lower));
            let range = KeyRange { lower, upper }.non_empty();
            let Some(range) = range.filter(|_| is_apart && longest <= KEY_BYTES_MAX) else {
                return Err(reader.error("a range of keys is empty, too long or out of order"));
            };
            ranges.insert(range);
        }
        Ok(ranges)
    }
}

impl Extend<KeyRange> for Ranges {
    fn extend<I: IntoIterator<Item = KeyRange>>(&mut self, ranges: I) {
        for range in ranges {
            self.insert(range);
        }
    }
}

/// Where the keys of a segment end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyEnd {
    /// At this key, which belongs to it.
    Included(Bytes),
    /// Before this key.
    Excluded(Bytes),
    Unbounded,
}

impl KeyEnd {
    /// Whether every key up to here is smaller than `key`.
    pub(crate) fn is_before(&self, key: &[u8]) -> bool {
        match self {
            KeyEnd::Included(last) => &last[..] < key,
            KeyEnd::Excluded(end) => &end[..] <= key,
            KeyEnd::Unbounded => false,
        }
    }

    /// The end as that of a range.
    pub(crate) fn upper(&self) -> Option<Bytes> {
        match self {
            KeyEnd::Included(last) => first_key_from([&last[..], &[0]].concat()),
            KeyEnd::Excluded(end) => Some(end.clone()),
            KeyEnd::Unbounded => None,
        }
    }

    /// The end of a range.
    pub(crate) fn of(range: &KeyRange) -> KeyEnd {
        range.upper.clone().map_or(KeyEnd::Unbounded, KeyEnd::Excluded)
    }

    /// What is compared, and how much of it belongs to it.
    fn place(&self) -> (bool, &[u8], bool) {
        match self {
            KeyEnd::Included(last) => (false, last, true),
            KeyEnd::Excluded(end) => (false, end, false),
            KeyEnd::Unbounded => (true, &[], false),
        }
    }
}

impl PartialOrd for KeyEnd {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyEnd {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

#[cfg(test)]
pub(crate) mod tests;
