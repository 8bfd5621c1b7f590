//! [`Race`]: which index leads to the documents of a filter over the fewest entries.
//!
//! All indexes that narrow the filter down are walked side by side, in rounds that double; the first that comes to its end has
//! the fewest entries, and its documents are gathered already. So nothing is estimated, no statistics are kept, and a wrong guess costs at
//! most as much again for each index as the best of them. An `$or` takes part as one: each of its branches is a race of its own.
//!
//! Invariant: every document that the filter wants, and that is alive, is among those of every runner that came to its end. Cost:
//! a step an entry; 8 KiB for each chunk that documents were met in, and runner.

use std::sync::Arc;

use super::super::error::Result;
use super::super::read::CollectionReader;
use super::super::value_index::{ValueIndex, ValueWalk};
use crate::bson::{Filter, KeyRange, KeyRanges};
use crate::fts::DocumentSet;

/// Branches of one `$or` that indexes are asked for; of more, documents are looked at.
const BRANCHES_LEN_MAX: usize = 64;
/// Levels of `$or` in `$or` that indexes are asked for.
const LEVELS_MAX: usize = 4;
/// Entries that are walked at a time.
const WALKED_LEN: usize = 1024;
/// Entries of the first round.
const FIRST_ROUND_LEN: u64 = 64;

/// Ways to the documents of one filter.
#[derive(Debug)]
pub(super) struct Race<'r> {
    /// The conditions that all have to hold.
    pub(super) conjuncts: Vec<Filter>,
    pub(super) runners: Vec<Runner<'r>>,
}

/// One way, as far as it was gone.
#[derive(Debug)]
pub(super) struct Runner<'r> {
    way: Way<'r>,
    /// Entries that were walked.
    pub(super) entries: u64,
    /// What their documents are; dead ones may be among them.
    pub(super) documents: DocumentSet,
    pub(super) is_done: bool,
    /// The conditions that hold for these documents, as places among the race's: nothing has to be looked at for them.
    pub(super) covered: Vec<usize>,
}

#[derive(Debug)]
enum Way<'r> {
    Index { index: Arc<ValueIndex>, ranges_len: usize, walk: Box<ValueWalk<'r>> },
    Union { branches: Vec<Branch<'r>>, at: usize },
}

#[derive(Debug)]
struct Branch<'r> {
    race: Race<'r>,
    winner: Option<usize>,
}

/// What is told of a way.
pub(super) struct Told {
    pub(super) index: Option<String>,
    pub(super) ranges: usize,
}

impl<'r> Race<'r> {
    /// All ways to the documents of `filter`; with a name, only the index of this name.
    pub(super) fn open(
        collection: &CollectionReader<'r>,
        indexes: &[Arc<ValueIndex>],
        filter: &Filter,
        levels: usize,
    ) -> Result<Self> {
        let conjuncts = filter.conjuncts();
        let mut runners = Vec::new();
        for index in indexes {
            if let Some(ranges) = index.ranges(filter) {
                runners.push(Runner::index(collection, index, ranges, &conjuncts)?);
            }
        }
        for (place, conjunct) in conjuncts.iter().enumerate().filter(|_| levels < LEVELS_MAX) {
            for branches in conjunct.alternatives() {
                runners.extend(Runner::union(collection, indexes, &branches, place, levels)?);
            }
        }
        Ok(Race { conjuncts, runners })
    }

    /// Goes on until a runner is at its end, and gives it; `None` when all reached what `limit` allows them.
    pub(super) fn run(&mut self, limit: &dyn Fn(&Runner<'_>) -> u64) -> Result<Option<usize>> {
        let mut round = FIRST_ROUND_LEN;
        loop {
            let mut goes_on = false;
            for (place, runner) in self.runners.iter_mut().enumerate() {
                let end = limit(runner);
                if runner.advance(round.min(end))? {
                    return Ok(Some(place));
                }
                goes_on |= round < end;
            }
            if !goes_on {
                return Ok(None);
            }
            round = round.saturating_mul(2);
        }
    }

    /// Lets each runner walk so many entries in all, until one is at its end.
    fn advance(&mut self, entries: u64) -> Result<Option<usize>> {
        for (place, runner) in self.runners.iter_mut().enumerate() {
            if runner.advance(entries)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

impl<'r> Runner<'r> {
    fn new(way: Way<'r>, covered: Vec<usize>) -> Self {
        let (entries, documents, is_done) = (0, DocumentSet::default(), false);
        Runner { way, entries, documents, is_done, covered }
    }

    fn index(
        collection: &CollectionReader<'r>,
        index: &Arc<ValueIndex>,
        ranges: KeyRanges,
        conjuncts: &[Filter],
    ) -> Result<Self> {
        let covers = |conjunct: &Filter| {
            let alone = conjunct.key_ranges(index.shape(), index.arrays());
            alone.is_some_and(|alone| alone.is_exact && contain(&alone.ranges, &ranges.ranges))
        };
        let covered = (0..conjuncts.len())
            .filter(|&place| ranges.is_exact || covers(&conjuncts[place]))
            .collect();
        let ranges_len = ranges.ranges.len();
        let walk = Box::new(index.walk(collection.reader(), ranges.ranges)?);
        Ok(Self::new(Way::Index { index: Arc::clone(index), ranges_len, walk }, covered))
    }

    /// A runner for the alternatives that stand at a place among the conditions; `None` when one of them has no way.
    fn union(
        collection: &CollectionReader<'r>,
        indexes: &[Arc<ValueIndex>],
        filters: &[Filter],
        place: usize,
        levels: usize,
    ) -> Result<Option<Self>> {
        if filters.len() > BRANCHES_LEN_MAX {
            return Ok(None);
        }
        let mut branches = Vec::with_capacity(filters.len());
        for filter in filters {
            let race = Race::open(collection, indexes, filter, levels + 1)?;
            if race.runners.is_empty() {
                return Ok(None);
            }
            branches.push(Branch { race, winner: None });
        }
        // Whether they cover the condition is known when each branch has a winner.
        Ok(Some(Self::new(Way::Union { branches, at: 0 }, vec![place])))
    }

    /// Walks on until `entries` were walked in all; whether the runner is at its end.
    pub(super) fn advance(&mut self, entries: u64) -> Result<bool> {
        match &mut self.way {
            Way::Index { walk, .. } => {
                let mut documents = Vec::new();
                while !self.is_done && self.entries < entries {
                    documents.clear();
                    let most = usize::try_from(entries - self.entries).unwrap_or(usize::MAX);
                    let (walked, is_done) = walk.walk(most.min(WALKED_LEN), &mut documents)?;
                    self.documents.insert_all(&documents);
                    self.entries += walked as u64;
                    self.is_done = is_done;
                }
            }
            Way::Union { branches, at } => {
                while let Some(branch) = branches.get_mut(*at) {
                    let left = entries.saturating_sub(self.entries);
                    let Some(winner) = branch.race.advance(left)? else { return Ok(false) };
                    branch.winner = Some(winner);
                    let runner = &branch.race.runners[winner];
                    self.entries += runner.entries;
                    self.documents.unite(&runner.documents);
                    if runner.covered.len() < branch.race.conjuncts.len() {
                        self.covered.clear();
                    }
                    // They are in the union now; what else was gathered will not be asked for.
                    for runner in &mut branch.race.runners {
                        runner.documents = DocumentSet::default();
                    }
                    *at += 1;
                }
                self.is_done = true;
            }
        }
        Ok(self.is_done)
    }

    /// Whether the way can keep documents away for which this condition does not hold.
    pub(super) fn narrows(&self, conjunct: &Filter, place: usize) -> bool {
        match &self.way {
            Way::Index { index, .. } => {
                conjunct.key_ranges(index.shape(), index.arrays()).is_some()
            }
            Way::Union { .. } => self.covered.contains(&place),
        }
    }

    /// The indexes that the way leads over.
    pub(super) fn told(&self) -> Vec<Told> {
        match &self.way {
            Way::Index { index, ranges_len, .. } => {
                vec![Told { index: Some(index.name().to_owned()), ranges: *ranges_len }]
            }
            Way::Union { branches, .. } => {
                let winners = branches.iter().flat_map(|branch| {
                    let runner = branch.winner.and_then(|winner| branch.race.runners.get(winner));
                    runner.map_or_else(|| vec![Told { index: None, ranges: 0 }], Runner::told)
                });
                winners.collect()
            }
        }
    }
}

/// Whether ranges hold all keys that others do; both ascend.
fn contain(ranges: &[KeyRange], others: &[KeyRange]) -> bool {
    others.iter().all(|other| {
        ranges.iter().any(|range| {
            let ends_later = match (&range.upper, &other.upper) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(upper), Some(other)) => other <= upper,
            };
            range.lower <= other.lower && ends_later
        })
    })
}
