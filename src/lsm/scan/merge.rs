//! [`MergeCursor`]: several runs walked as one.
//!
//! It stands on a key, and knows which runs hold an entry of that key; the caller asks them newest first. With
//! r runs a step costs r - 1 comparisons: runs are few (compaction sees to it), and a plain scan over
//! them beats a heap there; one run alone costs none. A run that comes twice in a row is compared with the nearest key of
//! the others alone from then on, until that comes first: runs that lie apart cost one comparison a step. No key is
//! copied but on a turn, which re-seeks the other runs once.

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
    rival: Rival,
}

/// Which of the other sources comes first behind the one that stands alone on the current key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    Unknown,
    Source(usize),
    /// All of them have come to their end.
    Nobody,
}

impl<'a> MergeCursor<'a> {
    /// `sources` are the runs' cursors, newest first.
    pub(crate) fn new(sources: Vec<Box<dyn RawCursor + 'a>>) -> Self {
        let on_key = Vec::with_capacity(sources.len());
        let (direction, rival) = (Direction::Forward, Rival::Unknown);
        MergeCursor { sources, on_key, direction, rival }
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

    /// The entry of the current key, if there is only one.
    pub(crate) fn only(&self) -> Option<&(dyn RawCursor + 'a)> {
        if let &[only] = &self.on_key[..] { Some(&*self.sources[only]) } else { None }
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

    /// As [`RawCursor::walk`]; `None` where several runs have to be looked at.
    pub(crate) fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Option<usize>> {
        let [only] = &mut self.sources[..] else { return Ok(None) };
        if self.on_key.is_empty() || self.direction != Direction::Forward {
            return Ok(None);
        }
        let mut walked = 0;
        let moved = only.walk(upper, most, visit).map(|count| walked = count);
        self.settle(moved)?;
        Ok(Some(walked))
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
        let alone = if let &[only] = &self.on_key[..] { Some(only) } else { None };
        let Some(only) = alone.filter(|_| moved.is_ok()) else { return self.settle(moved) };
        if self.is_before_rival(only) {
            return Ok(());
        }
        self.settle(Ok(()))?;
        if self.on_key == [only] {
            self.find_rival(only);
        }
        Ok(())
    }

    /// Whether a source that moved still comes before all others, as far as that is known.
    fn is_before_rival(&self, source: usize) -> bool {
        let source = &self.sources[source];
        source.valid()
            && match self.rival {
                Rival::Unknown => false,
                Rival::Nobody => true,
                Rival::Source(rival) => {
                    self.order(source.key(), self.sources[rival].key()) == Ordering::Less
                }
            }
    }

    fn find_rival(&mut self, than: usize) {
        let others = self.sources.iter().enumerate();
        let others = others.filter(|(index, source)| *index != than && source.valid());
        let nearest = others.min_by(|(_, left), (_, right)| self.order(left.key(), right.key()));
        self.rival = nearest.map_or(Rival::Nobody, |(index, _)| Rival::Source(index));
    }

    /// How two keys follow each other in the direction of the walk.
    fn order(&self, left: &[u8], right: &[u8]) -> Ordering {
        match self.direction {
            Direction::Forward => left.cmp(right),
            Direction::Backward => right.cmp(left),
        }
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
        self.rival = Rival::Unknown;
        moved?;
        if let [only] = &self.sources[..] {
            self.on_key.extend(only.valid().then_some(0));
            return Ok(());
        }
        let mut nearest: &[u8] = &[];
        for (index, source) in self.sources.iter().enumerate().filter(|(_, source)| source.valid())
        {
            let key = source.key();
            let order =
                if self.on_key.is_empty() { Ordering::Less } else { self.order(key, nearest) };
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
        self.rival = Rival::Unknown;
        self.on_key.clear();
    }
}

#[cfg(test)]
mod tests;
