//! The value segments of a version: which there are, and how much of each is alive.
//!
//! `version` calls this whenever segments of keys come or go. What is alive is the sum of what those say in their
//! summaries, so nothing about it is stored and nothing can drift: a flush, a compaction, a range that hides whole
//! segments unread, they all only add and take away segments.
//!
//! Invariants
//! * every segment of keys refers to value segments of its own keyspace, and to no more of their pages than there are;
//! * a value segment whose commit is in memory stays: the references to it are there too, uncounted;
//! * one whose commit is flushed has live pages; the edit that takes the last of them away drops it.
//!
//! Cost of an edit: for each segment that comes or goes, as many steps as it refers to value segments.

use std::sync::Arc;

use super::version::{Keyspace, Opener, Version};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::KeyspaceId;
use crate::lsm::segment::Segment;
use crate::lsm::value::{HeldValues, PlacedValues, ValueLookup};

impl Keyspace {
    /// Finds the values that entries on disk and in fresh runs refer to.
    pub(crate) fn lookup(&self) -> ValueLookup {
        ValueLookup::new([Arc::clone(&self.values)])
    }

    /// Whether long values stand in value segments: those that operators or rewriters look at stand beside their keys.
    pub(crate) fn can_refer(&self) -> bool {
        let is_seen = self.rewriter.as_ref().is_some_and(|rewriter| !rewriter.ignores_values());
        self.combiner.operator.is_none() && !is_seen
    }

    /// Counts what a segment that has come refers to.
    pub(super) fn refer(&mut self, segment: &Segment) -> Result<()> {
        let summary = segment.summary();
        if summary.referred.is_empty() {
            return Ok(());
        }
        let values = Arc::make_mut(&mut self.values);
        for (id, pages) in summary.referred.iter() {
            let wrong = |what: &str| {
                let what = format!("segment {} refers to value segment {id}, {what}", summary.id);
                Error::corruption(what, 0)
            };
            let held = values.get_mut(id).ok_or_else(|| wrong("which is not there"))?;
            held.live_pages = held.live_pages.saturating_add(*pages);
            if held.live_pages > held.segment.extent().pages {
                return Err(wrong("to more pages than it has"));
            }
        }
        Ok(())
    }

    /// Counts out what a segment that goes referred to.
    pub(super) fn release(&mut self, segment: &Segment) {
        if segment.summary().referred.is_empty() {
            return;
        }
        let values = Arc::make_mut(&mut self.values);
        for (id, pages) in segment.summary().referred.iter() {
            if let Some(held) = values.get_mut(id) {
                held.live_pages = held.live_pages.saturating_sub(*pages);
            }
        }
    }
}

impl Version {
    /// Adds a value segment, or gives one that is there the place that `placed` names. `opener` makes one.
    pub(super) fn put_values(&mut self, placed: &PlacedValues, opener: &dyn Opener) -> Result<()> {
        let keyspace = self.keyspace_mut(placed.keyspace)?;
        let Some(held) = keyspace.values.get(&placed.id) else {
            let held = HeldValues {
                segment: opener.values(placed)?,
                commit: placed.commit,
                live_pages: 0,
            };
            Arc::make_mut(&mut keyspace.values).insert(placed.id, held);
            return Ok(());
        };
        if described(keyspace.id, held) == *placed {
            return Ok(());
        }
        let (commit, live_pages) = (held.commit, held.live_pages);
        if commit != placed.commit || live_pages > placed.extent.pages {
            let what = format!("value segment {} becomes another one: {placed:?}", placed.id);
            return Err(Error::corruption(what, 0));
        }
        let held = HeldValues { segment: opener.values(placed)?, commit, live_pages };
        Arc::make_mut(&mut keyspace.values).insert(placed.id, held);
        Ok(())
    }

    /// Drops the value segments to which nothing refers any more.
    pub(super) fn drop_dead_values(&mut self) {
        let flushed = self.flushed;
        let is_dead = |held: &HeldValues| held.live_pages == 0 && held.commit <= flushed;
        for keyspace in self.keyspaces.values_mut() {
            if keyspace.values.values().any(is_dead) {
                let values = &mut Arc::make_mut(keyspace).values;
                Arc::make_mut(values).retain(|_, held| !is_dead(held));
            }
        }
    }

    /// Every value segment.
    pub(crate) fn value_segments(&self) -> impl Iterator<Item = (&Arc<Keyspace>, &HeldValues)> {
        let keyspaces = self.keyspaces.values();
        keyspaces.flat_map(|keyspace| keyspace.values.values().map(move |held| (keyspace, held)))
    }

    /// Pages of the value segments that fresh runs keep.
    pub(crate) fn fresh_value_pages(&self) -> u64 {
        let fresh = self.fresh.iter().flat_map(|run| &run.values);
        fresh.map(|placed| placed.extent.pages).sum()
    }
}

/// What the manifest says of a value segment.
pub(crate) fn described(keyspace: KeyspaceId, held: &HeldValues) -> PlacedValues {
    let HeldValues { segment, commit, .. } = held;
    let (id, extent, kept) = (segment.id(), segment.extent(), segment.kept().clone());
    PlacedValues { id, keyspace, commit: *commit, extent, kept }
}
