//! [`Cursor`]: what a reader sees of a keyspace, in key order.
//!
//! Stands only on living keys: tombstones and what they shadow are passed over, operands are combined when the
//! value is asked for. Obeys the cursor law of `lsm::cursor`; seeks report whether they found an entry.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::merge::MergeCursor;
use crate::lsm::cursor::{EntryKind, RawCursor, Seek};
use crate::lsm::error::Result;
use crate::lsm::operands::{Combiner, Content, Operands};
use crate::lsm::ranges::KeyRange;
use crate::lsm::reserve::Reserved;
use crate::lsm::value::{ValueLookup, ValueReader};

/// A position among the living entries of a keyspace.
///
/// A new cursor stands nowhere. `first`, `last` and `seek` work from anywhere; `next` behind the last entry and
/// `prev` before the first leave it nowhere. Each movement says whether the cursor stands on an entry.
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Reader, Seek, Store};
///
/// let store = Store::open(MemoryStorage::default(), Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.put(fruit, b"pear", "green")?;
/// let mut cursor = transaction.cursor(fruit)?;
/// assert!(cursor.seek(b"banana", Seek::Ge)?);
/// assert_eq!(cursor.key(), b"pear");
/// assert!(cursor.prev()? && cursor.value()? == "red");
/// assert!(!cursor.prev()?);
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct Cursor<'a> {
    /// Between movements they stand on a living key within the bounds, or nowhere.
    sources: MergeCursor<'a>,
    combiner: Arc<Combiner>,
    lookup: ValueLookup,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    observer: Option<Box<dyn Observer + 'a>>,
}

/// Is told which keys a cursor has looked for, whether they are there or not.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>);
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("keyspace", &self.combiner.keyspace)
            .field("key", &self.key())
            .finish_non_exhaustive()
    }
}

impl<'a> Cursor<'a> {
    /// A cursor over `sources`, the runs of a keyspace, newest first; `lookup` finds what they refer to.
    pub(crate) fn new(
        combiner: Arc<Combiner>,
        sources: Vec<Box<dyn RawCursor + 'a>>,
        lookup: ValueLookup,
    ) -> Self {
        Cursor {
            sources: MergeCursor::new(sources),
            combiner,
            lookup,
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
            observer: None,
        }
    }

    /// Tells `observer` about every movement.
    pub(crate) fn observed_by(mut self, observer: Box<dyn Observer + 'a>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Keeps the cursor within bounds: entries outside are as if they were not there.
    #[must_use]
    pub fn bounded(mut self, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> Self {
        self.lower = lower;
        self.upper = upper;
        self
    }

    /// Keeps the cursor among the keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: &[u8]) -> Self {
        self.enter_prefix(prefix);
        self
    }

    /// Keeps the cursor among the keys that begin with `prefix` from now on, and goes to the first of them.
    ///
    /// A cursor that looks many prefixes up one after the other is cheaper than as many cursors.
    ///
    /// ```
    /// use alluvium::lsm::{KeyspaceOptions, MemoryStorage, Options, Reader, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// for key in ["apple green", "apple red", "pear green"] {
    ///     transaction.put(fruit, key.as_bytes(), "")?;
    /// }
    /// let mut cursor = transaction.cursor(fruit)?;
    /// assert!(cursor.first_of_prefix(b"pear")? && !cursor.next()?);
    /// assert!(cursor.first_of_prefix(b"apple")? && cursor.next()?);
    /// assert!(!cursor.first_of_prefix(b"banana")?);
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    pub fn first_of_prefix(&mut self, prefix: &[u8]) -> Result<bool> {
        self.leave();
        self.enter_prefix(prefix);
        self.first()
    }

    fn enter_prefix(&mut self, prefix: &[u8]) {
        let range = KeyRange::of_prefix(prefix);
        let (lower, upper) = range.bounds();
        self.lower = lower.map(<[u8]>::to_vec);
        self.upper = upper.map(<[u8]>::to_vec);
    }

    /// To the first entry.
    pub fn first(&mut self) -> Result<bool> {
        self.forward(
            |cursor| cursor.lower.clone(),
            |cursor| match &cursor.lower {
                Bound::Unbounded => cursor.sources.first(),
                Bound::Included(key) | Bound::Excluded(key) => cursor.sources.seek_ge(key),
            },
        )
    }

    /// To the last entry.
    pub fn last(&mut self) -> Result<bool> {
        self.backward(
            |cursor| cursor.upper.clone(),
            |cursor| match &cursor.upper {
                Bound::Unbounded => cursor.sources.last(),
                Bound::Included(key) | Bound::Excluded(key) => cursor.sources.seek_le(key),
            },
        )
    }

    /// To `key` or the entry beside it, as `how` says.
    pub fn seek(&mut self, key: &[u8], how: Seek) -> Result<bool> {
        let here = |_: &Self| Bound::Included(key.to_vec());
        match how {
            Seek::Ge if self.is_before(key) => self.first(),
            Seek::Le if self.is_behind(key) => self.last(),
            Seek::Ge => self.forward(here, |cursor| cursor.sources.seek_ge(key)),
            Seek::Le => self.backward(here, |cursor| cursor.sources.seek_le(key)),
            Seek::Eq if self.is_before(key) || self.is_behind(key) => {
                self.leave();
                Ok(false)
            }
            Seek::Eq => {
                self.sources.seek_ge(key)?;
                if let Some(observer) = &self.observer {
                    observer.observe(Bound::Included(key), Bound::Included(key));
                }
                if self.key() != key || !self.is_alive() {
                    // Keys equal to `key` only: a neighbour is not what was asked for.
                    self.leave();
                }
                Ok(self.valid())
            }
        }
    }

    /// To the entry behind.
    #[expect(clippy::should_implement_trait, reason = "a cursor's `next` is not an iterator's")]
    pub fn next(&mut self) -> Result<bool> {
        if !self.valid() {
            return Ok(false);
        }
        self.forward(Self::here, |cursor| cursor.sources.next())
    }

    /// Passes the keys of the entries from here on to `visit`, and stands on the first that was not looked at: one whose key is not
    /// below `upper`, or the one behind so many as `most` says. Gives how many were looked at, deleted ones perhaps included. It does
    /// what [`next`](Self::next) does, and costs less.
    ///
    /// ```
    /// use alluvium::lsm::{KeyspaceOptions, MemoryStorage, Options, Reader, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// for key in ["apple", "cherry", "pear"] {
    ///     transaction.put(fruit, key.as_bytes(), "")?;
    /// }
    /// let mut cursor = transaction.cursor(fruit)?;
    /// cursor.first()?;
    /// let mut keys = Vec::new();
    /// let walked = cursor.walk(Some(b"orange"), 10, &mut |key| {
    ///     keys.push(key.to_vec());
    ///     Ok(())
    /// })?;
    /// assert_eq!((walked, keys.last().unwrap().as_slice()), (2, b"cherry".as_slice()));
    /// assert_eq!(cursor.key(), b"pear");
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of moving, and those of `visit`; the cursor then stands nowhere.
    pub fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let is_bounded = self.lower != Bound::Unbounded || self.upper != Bound::Unbounded;
        if !is_bounded && self.observer.is_none() {
            let walked = self.sources.walk(upper, most, visit)?;
            if let Some(walked) = walked {
                self.settle_forward()?;
                return Ok(walked);
            }
        }
        let mut walked = 0;
        while walked < most && self.valid() && upper.is_none_or(|upper| self.key() < upper) {
            if let Err(error) = visit(self.key()) {
                self.leave();
                return Err(error);
            }
            walked += 1;
            self.next()?;
        }
        Ok(walked)
    }

    /// To the entry before.
    pub fn prev(&mut self) -> Result<bool> {
        if !self.valid() {
            return Ok(false);
        }
        self.backward(Self::here, |cursor| cursor.sources.prev())
    }

    fn here(&self) -> Bound<Vec<u8>> {
        Bound::Included(self.sources.key().to_vec())
    }

    /// Moves, then on to the nearest living entry at or behind; the observer hears of all from `from` to there.
    fn forward(
        &mut self,
        from: impl FnOnce(&Self) -> Bound<Vec<u8>>,
        movement: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<bool> {
        let from = self.observer.is_some().then(|| from(self));
        movement(self)?;
        let found = self.settle_forward()?;
        if let (Some(observer), Some(from)) = (&self.observer, from) {
            let to = if found { Bound::Included(self.sources.key()) } else { slice(&self.upper) };
            observer.observe(slice(&from), to);
        }
        Ok(found)
    }

    /// Moves, then on to the nearest living entry at or before; the observer hears of all from there to `from`.
    fn backward(
        &mut self,
        from: impl FnOnce(&Self) -> Bound<Vec<u8>>,
        movement: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<bool> {
        let from = self.observer.is_some().then(|| from(self));
        movement(self)?;
        let found = self.settle_backward()?;
        if let (Some(observer), Some(from)) = (&self.observer, from) {
            let to = if found { Bound::Included(self.sources.key()) } else { slice(&self.lower) };
            observer.observe(to, slice(&from));
        }
        Ok(found)
    }

    /// Whether the cursor stands on an entry.
    pub fn valid(&self) -> bool {
        self.sources.valid()
    }

    /// The entry's key; empty when the cursor stands nowhere.
    pub fn key(&self) -> &[u8] {
        self.sources.key()
    }

    /// The entry's value; empty when the cursor stands nowhere.
    ///
    /// Reads it now: moving over entries does not. A value that stands in a block is a share of it, not a copy.
    ///
    /// # Errors
    /// [`Error::LargeValue`](crate::lsm::Error::LargeValue) for a value that is too long to be read whole.
    pub fn value(&self) -> Result<Bytes> {
        self.content().and_then(|content| self.lookup.load(content))
    }

    /// A reader of the entry's value, however long that is; of nothing when the cursor stands nowhere.
    pub fn open_value(&self) -> Result<ValueReader> {
        self.content().and_then(|content| self.lookup.open(content))
    }

    /// Passes the operands that make the entry's value to `visit`, newest first and not combined, for who can do with parts:
    /// each is a value of its own. A value that was put stands last; nothing when the cursor stands nowhere.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use alluvium::lsm::{
    ///     Durability, KeyspaceOptions, MemoryStorage, MergeOperator, Options, Reader, Result, Store,
    /// };
    ///
    /// #[derive(Debug)]
    /// struct Append;
    ///
    /// impl MergeOperator for Append {
    ///     fn name(&self) -> &'static str {
    ///         "append"
    ///     }
    ///
    ///     fn merge(&self, _: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    ///         operands.iter().for_each(|operand| out.extend_from_slice(operand));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let options = Options { merge_operators: vec![Arc::new(Append)], ..Options::default() };
    /// let store = Store::open(MemoryStorage::default(), options)?;
    /// let mut transaction = store.begin()?;
    /// let appending = KeyspaceOptions { merge_operator: Some("append".into()), ..Default::default() };
    /// let log = transaction.create_keyspace("log", appending)?;
    /// transaction.put(log, b"today", "one")?;
    /// transaction.commit(Durability::Buffered)?;
    /// let mut transaction = store.begin()?;
    /// transaction.merge(log, b"today", ", two")?;
    /// let mut cursor = transaction.cursor(log)?;
    /// assert!(cursor.first()? && cursor.value()? == "one, two");
    /// let mut operands = Vec::new();
    /// cursor.each_operand(|operand| operands.push(operand))?;
    /// assert_eq!(operands, [", two", "one"]);
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`value`](Self::value).
    pub fn each_operand(&self, visit: impl FnMut(Bytes)) -> Result<()> {
        match self.sources.newest() {
            Some(newest) if newest.kind() == EntryKind::Merge => {
                self.operands()?.into_parts()?.for_each(visit);
            }
            Some(_) => [self.value()?].into_iter().for_each(visit),
            None => {}
        }
        Ok(())
    }

    /// Takes memory of the store's budget for keeping the operands of this entry, and `bytes` beside them, longer than the cursor.
    /// `None` when readers have all that there is for them, or when the entry stands nowhere but in memory, where looking again
    /// is cheap.
    pub fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let held = || self.sources.entries().filter_map(RawCursor::held);
        let all = held().map(|(_, held)| held).fold(bytes, usize::saturating_add);
        held().next()?.0.take(all)
    }

    fn content(&self) -> Result<Content> {
        match self.sources.newest() {
            None => return Ok(Content::Value(Bytes::new())),
            Some(newest) if newest.kind() == EntryKind::Put => {
                return newest.value().map(Content::Value);
            }
            Some(newest) if newest.kind() == EntryKind::Refer => {
                return newest.value().map(Content::Reference);
            }
            Some(_) => {}
        }
        let content = self.operands()?.resolve(&self.combiner, self.sources.key())?;
        Ok(content.unwrap_or(Content::Value(Bytes::new())))
    }

    fn operands(&self) -> Result<Operands> {
        let mut operands = Operands::default();
        for entry in self.sources.entries() {
            if operands.push(entry.kind(), entry.value()?) {
                break;
            }
        }
        Ok(operands)
    }

    /// Whether the current key has a value.
    fn is_alive(&self) -> bool {
        self.sources.newest().is_some_and(|newest| newest.kind() != EntryKind::Delete)
    }

    fn settle_forward(&mut self) -> Result<bool> {
        while self.sources.valid() {
            let key = self.sources.key();
            if self.is_behind(key) {
                self.leave();
            } else if self.is_before(key) || !self.is_alive() {
                self.sources.next()?;
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn settle_backward(&mut self) -> Result<bool> {
        while self.sources.valid() {
            let key = self.sources.key();
            if self.is_before(key) {
                self.leave();
            } else if self.is_behind(key) || !self.is_alive() {
                self.sources.prev()?;
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn leave(&mut self) {
        self.sources.leave();
    }

    fn is_before(&self, key: &[u8]) -> bool {
        match &self.lower {
            Bound::Unbounded => false,
            Bound::Included(bound) => key < &bound[..],
            Bound::Excluded(bound) => key <= &bound[..],
        }
    }

    fn is_behind(&self, key: &[u8]) -> bool {
        match &self.upper {
            Bound::Unbounded => false,
            Bound::Included(bound) => key > &bound[..],
            Bound::Excluded(bound) => key >= &bound[..],
        }
    }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &key[..])
}
