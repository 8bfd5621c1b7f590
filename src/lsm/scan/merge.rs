//! [`MergeCursor`]: several runs walked as one.
//!
//! It stands on a key, and knows which runs hold an entry of that key; the caller asks them newest first. With
//! r runs a step costs r - 1 comparisons: runs are few (compaction sees to it), and a plain scan over
//! them beats a heap there; one run alone costs none. No key is copied but on a turn, which re-seeks the other runs once.

use std::cmp::Ordering;

use crate::lsm::cursor::RawCursor;
use crate::lsm::error::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Walks several cursors in key order, both ways.
pub(crate) struct MergeCursor<'a> {
    /// Newest run first.
    sources: Vec<Box<dyn RawCursor + 'a>>,
    /// Indexes of the sources that stand on the current key, newest first; none when the cursor stands nowhere.
    on_key: Vec<usize>,
    direction: Direction,
}

impl<'a> MergeCursor<'a> {
    /// `sources` are the runs' cursors, newest first.
    pub(crate) fn new(sources: Vec<Box<dyn RawCursor + 'a>>) -> Self {
        let on_key = Vec::with_capacity(sources.len());
        MergeCursor { sources, on_key, direction: Direction::Forward }
    }

    pub(crate) fn valid(&self) -> bool {
        !self.on_key.is_empty()
    }

    /// The current key; empty when the cursor stands nowhere.
    pub(crate) fn key(&self) -> &[u8] {
        self.on_key.first().map_or(&[], |&newest| self.sources[newest].key())
    }

    /// The newest entry of the current key.
    pub(crate) fn newest(&self) -> Option<&(dyn RawCursor + 'a)> {
        self.on_key.first().map(|&newest| &*self.sources[newest])
    }

    /// The entries of the current key, newest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(dyn RawCursor + 'a)> + '_ {
        self.entries_by_source().map(|(_, entry)| entry)
    }

    /// The entries of the current key, newest first, each with the index of its source.
    pub(crate) fn entries_by_source(
        &self,
    ) -> impl Iterator<Item = (usize, &(dyn RawCursor + 'a))> + '_ {
        self.on_key.iter().map(|&index| (index, &*self.sources[index]))
    }

    pub(crate) fn first(&mut self) -> Result<()> {
        self.go(Direction::Forward, |source| source.first())
    }

    pub(crate) fn last(&mut self) -> Result<()> {
        self.go(Direction::Backward, |source| source.last())
    }

    pub(crate) fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.go(Direction::Forward, |source| source.seek_ge(key))
    }

    pub(crate) fn seek_le(&mut self, key: &[u8]) -> Result<()> {
        self.go(Direction::Backward, |source| source.seek_le(key))
    }

    pub(crate) fn next(&mut self) -> Result<()> {
        self.step(Direction::Forward, |source| source.next())
    }

    pub(crate) fn prev(&mut self) -> Result<()> {
        self.step(Direction::Backward, |source| source.prev())
    }

    fn step(
        &mut self,
        direction: Direction,
        mut movement: impl FnMut(&mut Box<dyn RawCursor + 'a>) -> Result<()>,
    ) -> Result<()> {
        if self.on_key.is_empty() {
            return Ok(());
        }
        if self.direction != direction {
            return self.turn(direction, movement);
        }
        let sources = &mut self.sources;
        let moved = self.on_key.iter().try_for_each(|&index| movement(&mut sources[index]));
        self.settle(moved)
    }

    /// A step against the direction of the one before: the runs that hold no entry of the key stand on its far side.
    fn turn(
        &mut self,
        direction: Direction,
        mut movement: impl FnMut(&mut Box<dyn RawCursor + 'a>) -> Result<()>,
    ) -> Result<()> {
        self.direction = direction;
        let key = self.key().to_vec();
        let mut on_key = self.on_key.iter().peekable();
        let mut sources = self.sources.iter_mut().enumerate();
        let moved =
            sources.try_for_each(|(index, source)| match (on_key.next_if_eq(&&index), direction) {
                (Some(_), _) => movement(source),
                (None, Direction::Forward) => source.seek_ge(&key),
                (None, Direction::Backward) => source.seek_le(&key),
            });
        self.settle(moved)
    }

    /// Moves every source, then stands on the nearest key in `direction`.
    fn go(
        &mut self,
        direction: Direction,
        movement: impl FnMut(&mut Box<dyn RawCursor + 'a>) -> Result<()>,
    ) -> Result<()> {
        self.direction = direction;
        let moved = self.sources.iter_mut().try_for_each(movement);
        self.settle(moved)
    }

    /// Stands on the nearest key of all sources, after they `moved`; nowhere if one of them failed.
    fn settle(&mut self, moved: Result<()>) -> Result<()> {
        self.on_key.clear();
        moved?;
        if let [only] = &self.sources[..] {
            self.on_key.extend(only.valid().then_some(0));
            return Ok(());
        }
        let mut nearest: &[u8] = &[];
        for (index, source) in self.sources.iter().enumerate().filter(|(_, source)| source.valid())
        {
            let key = source.key();
            let order = match self.direction {
                _ if self.on_key.is_empty() => Ordering::Less,
                Direction::Forward => key.cmp(nearest),
                Direction::Backward => nearest.cmp(key),
            };
            if order == Ordering::Less {
                self.on_key.clear();
                nearest = key;
            }
            if order != Ordering::Greater {
                self.on_key.push(index);
            }
        }
        Ok(())
    }

    /// Stands nowhere.
    pub(crate) fn leave(&mut self) {
        self.on_key.clear();
    }
}
