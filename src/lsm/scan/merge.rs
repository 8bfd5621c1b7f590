//! [`MergeCursor`]: several runs walked as one.
//!
//! It stands on a key, and knows which runs hold an entry of that key; the caller asks them newest first. With
//! r runs a step costs r comparisons at most: runs are few (compaction sees to it), and a plain scan over
//! them beats a heap there. Turning round re-seeks every run once.

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
    /// Index of the newest source that stands on the current key.
    leader: Option<usize>,
    direction: Direction,
    key: Vec<u8>,
}

impl<'a> MergeCursor<'a> {
    /// `sources` are the runs' cursors, newest first.
    pub(crate) fn new(sources: Vec<Box<dyn RawCursor + 'a>>) -> Self {
        MergeCursor { sources, leader: None, direction: Direction::Forward, key: Vec::new() }
    }

    pub(crate) fn valid(&self) -> bool {
        self.leader.is_some()
    }

    /// The current key; empty when the cursor stands nowhere.
    pub(crate) fn key(&self) -> &[u8] {
        if self.leader.is_some() { &self.key } else { &[] }
    }

    /// The entries of the current key, newest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(dyn RawCursor + 'a)> + '_ {
        let from = self.leader.unwrap_or(self.sources.len());
        self.sources[from..]
            .iter()
            .filter(|source| source.valid() && source.key() == self.key)
            .map(|source| &**source)
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
        self.step(Direction::Forward)
    }

    pub(crate) fn prev(&mut self) -> Result<()> {
        self.step(Direction::Backward)
    }

    fn step(&mut self, direction: Direction) -> Result<()> {
        if self.leader.is_none() {
            return Ok(());
        }
        let key = std::mem::take(&mut self.key);
        let turned = self.direction != direction;
        let result = self.go(direction, |source| {
            // After a turn the other runs stand on the far side of the key.
            if turned {
                match direction {
                    Direction::Forward => source.seek_ge(&key)?,
                    Direction::Backward => source.seek_le(&key)?,
                }
            }
            if source.valid() && source.key() == key {
                match direction {
                    Direction::Forward => source.next()?,
                    Direction::Backward => source.prev()?,
                }
            }
            Ok(())
        });
        if self.key.capacity() == 0 {
            self.key = key;
            self.key.clear();
        }
        result
    }

    /// Moves every source, then stands on the nearest key in `direction`.
    fn go(
        &mut self,
        direction: Direction,
        mut movement: impl FnMut(&mut Box<dyn RawCursor + 'a>) -> Result<()>,
    ) -> Result<()> {
        self.leader = None;
        self.direction = direction;
        self.sources.iter_mut().try_for_each(&mut movement)?;
        let mut leader: Option<usize> = None;
        for (index, source) in self.sources.iter().enumerate() {
            let nearer = |best: usize| match direction {
                Direction::Forward => source.key() < self.sources[best].key(),
                Direction::Backward => source.key() > self.sources[best].key(),
            };
            if source.valid() && leader.is_none_or(nearer) {
                leader = Some(index);
            }
        }
        if let Some(index) = leader {
            self.key.clear();
            self.key.extend_from_slice(self.sources[index].key());
        }
        self.leader = leader;
        Ok(())
    }

    /// Stands nowhere.
    pub(crate) fn leave(&mut self) {
        self.leader = None;
    }
}
