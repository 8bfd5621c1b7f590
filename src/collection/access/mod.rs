//! [`Access`]: how the documents that a filter wants are found, over indexes or by looking at documents.
//!
//! Searches and finds open one for a filter, let it [`run`](Access::run) as far as it pays, and take the
//! [`documents`](Access::documents). Steps: 1. every index that narrows the filter down is a way, an `$or` whose branches all have ways
//! is one too; 2. a race finds the way with the fewest entries; 3. further ways are walked and intersected while that costs less than
//! looking at the documents that are left; 4. columns answer conditions where they have the path; 5. documents are looked at for
//! the conditions that nothing covers. What is found never
//! depends on the way. Cost: as the constants below weigh it, at most twice that of the best way, for each index.

mod by_column;
mod cost;
mod hint;
mod ordered;
mod race;
mod report;

use std::sync::Arc;

pub use by_column::{ColumnDocuments, ColumnDocumentsChunk};
use by_column::{ColumnWay, answering_all, sampled};
use cost::{CHECKED_COST, LOOKED_UP_COST, READ_COST, UNASKED_COST, first_cost};
pub use hint::Hint;
pub use ordered::{OrderedDocuments, first_in_order};
use race::{Race, Runner};
pub use report::{AccessReport, WayReport};

use super::documents::documents_where;
use super::error::{Error, Result};
use super::read::CollectionReader;
use super::value_index::ValueIndex;
use crate::bson::Filter;
use crate::fts::DocumentSet;

/// A way to the documents of a filter, being found.
#[derive(Debug)]
pub struct Access<'c, 'r> {
    collection: &'c CollectionReader<'r>,
    hint: Hint,
    race: Race<'r>,
    columns: Vec<ColumnWay>,
    /// How many documents are enough, the first by their numbers.
    enough: u64,
    /// The ways that were taken, as places among the runners.
    chosen: Vec<usize>,
    report: AccessReport,
}

impl<'c, 'r> Access<'c, 'r> {
    /// Finds out which ways there are.
    ///
    /// # Errors
    /// [`Error::UnknownIndex`] and [`Error::IndexNotUsable`] for a hint that cannot be followed; those of the storage core.
    pub fn open(collection: &'c CollectionReader<'r>, filter: &Filter, hint: Hint) -> Result<Self> {
        let mut indexes = collection.value_indexes()?;
        match &hint {
            Hint::None => {}
            Hint::Scan => indexes.clear(),
            Hint::Index(name) => {
                let definition = collection.definition();
                let place = definition.find_value_index(collection.name(), name)?;
                indexes = vec![Arc::clone(&indexes[place])];
            }
        }
        let race = Race::open(collection, &indexes, filter, 0)?;
        if let Hint::Index(index) = &hint
            && race.runners.is_empty()
        {
            return Err(not_usable(&indexes, filter, index));
        }
        let columns = match &hint {
            Hint::Scan => Vec::new(),
            Hint::None | Hint::Index(_) => ColumnWay::find(collection, &race.conjuncts)?,
        };
        let (chosen, report) = (Vec::new(), AccessReport::default());
        Ok(Access { collection, hint, race, columns, enough: u64::MAX, chosen, report })
    }

    /// Says that whoever asks takes no more than the first `enough` documents.
    pub fn enough(mut self, enough: u64) -> Self {
        self.enough = enough;
        self
    }

    /// Finds the cheapest way over indexes; whether there is one that costs less than to look at `within` documents or, when that is not
    /// known, at all of them. With more documents it may be asked again, and goes on where it stopped.
    ///
    /// # Errors
    /// Those of the storage core.
    pub fn run(&mut self, within: Option<u64>) -> Result<bool> {
        if !self.chosen.is_empty() {
            return Ok(true);
        }
        let is_told = matches!(self.hint, Hint::Index(_));
        let has_columns = self.has_columns();
        let looked_up = if has_columns { CHECKED_COST } else { LOOKED_UP_COST };
        let some = within.map_or(u64::MAX, |within| within.saturating_mul(looked_up));
        let some = some.min(self.first_cost());
        let mut winner = None;
        let mut all = self.collection.count().saturating_mul(READ_COST);
        if has_columns && some > UNASKED_COST {
            winner = self.race_to(UNASKED_COST)?;
            if winner.is_none() {
                all = self.columns_cost()?;
                if sampled(self.collection, &self.ways())?.is_some_and(|count| count > all) {
                    return Ok(false);
                }
            }
        }
        if winner.is_none() {
            winner = self.race_to(if is_told { u64::MAX } else { all.min(some) })?;
        }
        let Some(winner) = winner else { return Ok(false) };
        self.chosen.push(winner);
        self.narrow(winner)?;
        Ok(true)
    }

    /// The first way to its end that costs no more than this, if there is one.
    fn race_to(&mut self, cost: u64) -> Result<Option<usize>> {
        let (is_told, conditions) =
            (matches!(self.hint, Hint::Index(_)), self.race.conjuncts.len());
        self.race.run(&|runner: &Runner<'_>| {
            if is_told || runner.covered.len() == conditions {
                cost
            } else {
                cost / (LOOKED_UP_COST + 1)
            }
        })
    }

    /// Whether columns tell all that a filter says.
    ///
    /// # Errors
    /// Those of the storage core.
    pub fn is_in_columns(collection: &CollectionReader<'_>, filter: &Filter) -> Result<bool> {
        let conjuncts = filter.conjuncts();
        let columns = ColumnWay::find(collection, &conjuncts)?;
        Ok(answering_all(&columns, conjuncts.len()).is_some())
    }

    /// Whether columns tell all that the filter says, and may be asked.
    fn has_columns(&self) -> bool {
        self.hint == Hint::None && answering_all(&self.columns, self.race.conjuncts.len()).is_some()
    }

    /// The documents that columns say, where these tell all that the filter says; dead ones may be among them.
    ///
    /// # Errors
    /// Those of the storage core, and corruption.
    pub fn in_columns(&self) -> Result<Option<ColumnDocuments>> {
        if !self.has_columns() {
            return Ok(None);
        }
        ColumnDocuments::find(self.collection, &self.ways()).map(Some)
    }

    /// Whether all documents that the filter wants are better gathered than the first of them looked for. Finds the cheapest way.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn gathers(&mut self) -> Result<bool> {
        Ok(self.run(None)? || self.has_columns() && self.columns_cost()? <= self.first_cost())
    }

    /// A column for each condition.
    fn ways(&self) -> Vec<&ColumnWay> {
        answering_all(&self.columns, self.race.conjuncts.len()).unwrap_or_default()
    }

    /// What it costs to find out by columns what passes.
    fn columns_cost(&self) -> Result<u64> {
        self.ways().iter().map(|way| way.cost(self.collection)).sum()
    }

    /// Whether the ways that were taken, and columns for what these leave open, tell which documents the filter wants, so that none has
    /// to be looked at.
    pub fn is_exact(&self) -> bool {
        let is_answered = |&place: &usize| self.columns.iter().any(|way| way.conjunct == place);
        !self.chosen.is_empty() && self.left_places().iter().all(is_answered)
    }

    /// The documents that the filter wants, of all or of those `within` a set.
    ///
    /// # Errors
    /// Those of the storage core; a document that cannot be read is corruption.
    pub fn documents(&mut self, within: Option<&DocumentSet>) -> Result<DocumentSet> {
        let mut found = self.gathered();
        if let Some(within) = within {
            match &mut found {
                Some(found) => found.intersect(within),
                // To read one after the other costs less than to look each up.
                None if within.len() < self.collection.count() / (LOOKED_UP_COST / READ_COST) => {
                    found = Some(within.clone());
                }
                None => {}
            }
        }
        let mut left = self.left_places();
        let mut columns = Vec::new();
        for way in &self.columns {
            if !left.contains(&way.conjunct) {
                continue;
            }
            match &mut found {
                Some(found) => way.keep(self.collection, found)?,
                None => found = Some(way.documents(self.collection)?),
            }
            left.retain(|place| *place != way.conjunct);
            columns.push(way.path.clone());
        }
        let left: Vec<Filter> =
            left.into_iter().map(|place| self.race.conjuncts[place].clone()).collect();
        let candidates = match &mut found {
            Some(found) => {
                self.take_out_dead(found)?;
                found.len()
            }
            None => self.collection.count(),
        };
        let (found, looked_at) = match found {
            Some(found) if left.is_empty() => (found, 0),
            None if left.is_empty() => (self.collection.live_documents()?.as_ref().clone(), 0),
            found => (self.look_at(&left, found.as_ref())?, candidates),
        };
        self.tell(columns, candidates, looked_at, &found);
        Ok(found)
    }

    /// What was done so far, for people.
    pub fn report(&self) -> &AccessReport {
        &self.report
    }

    /// Step 3.
    fn narrow(&mut self, winner: usize) -> Result<()> {
        if matches!(self.hint, Hint::Index(_)) {
            return Ok(());
        }
        let mut candidates = self.race.runners[winner].documents.len();
        for place in (0..self.race.runners.len()).filter(|&place| place != winner) {
            let left = self.left_places();
            let is_answered = |&place: &usize| self.columns.iter().any(|way| way.conjunct == place);
            let cost = if left.iter().all(is_answered) { CHECKED_COST } else { LOOKED_UP_COST / 2 };
            let Race { conjuncts, runners } = &mut self.race;
            let runner = &mut runners[place];
            if left.iter().any(|&place| runner.narrows(&conjuncts[place], place))
                && runner.advance(candidates.saturating_mul(cost))?
            {
                candidates = candidates.min(runner.documents.len());
                self.chosen.push(place);
            }
        }
        Ok(())
    }

    /// The conditions that no way that was taken covers.
    fn left_places(&self) -> Vec<usize> {
        let is_covered = |place: &usize| {
            self.chosen.iter().any(|&way| self.race.runners[way].covered.contains(place))
        };
        (0..self.race.conjuncts.len()).filter(|place| !is_covered(place)).collect()
    }

    /// The documents that all ways lead to; `None` when none was taken.
    fn gathered(&mut self) -> Option<DocumentSet> {
        let (&first, others) = self.chosen.split_first()?;
        let mut found = std::mem::take(&mut self.race.runners[first].documents);
        for &other in others {
            found.intersect(&self.race.runners[other].documents);
        }
        Some(found)
    }

    fn take_out_dead(&self, documents: &mut DocumentSet) -> Result<()> {
        let dead = self.collection.dead();
        let chunks: Vec<u32> = documents.chunks().map(|(chunk, _)| chunk).collect();
        for chunk in chunks {
            documents.remove_dead(chunk, &dead.load(chunk)?);
        }
        Ok(())
    }

    fn look_at(&self, filters: &[Filter], within: Option<&DocumentSet>) -> Result<DocumentSet> {
        let (reader, keyspaces) = (self.collection.reader(), self.collection.keyspaces());
        documents_where(reader, keyspaces, filters, within)
    }

    /// What it may cost to find the first documents over an index.
    fn first_cost(&self) -> u64 {
        first_cost(self.enough, self.collection.count())
    }

    fn tell(&mut self, columns: Vec<String>, candidates: u64, looked_at: u64, found: &DocumentSet) {
        let ways = (0..self.race.runners.len())
            .map(|place| (self.chosen.contains(&place), WayReport::of(&self.race.runners[place])));
        let (chosen, rejected): (Vec<_>, Vec<_>) = ways.partition(|(is_chosen, _)| *is_chosen);
        let reports = |ways: Vec<(bool, WayReport)>| ways.into_iter().map(|way| way.1).collect();
        let (chosen, rejected) = (reports(chosen), reports(rejected));
        self.report = AccessReport {
            candidates,
            looked_at,
            found: found.len(),
            chosen,
            columns,
            rejected,
            ..AccessReport::default()
        };
    }
}

/// Why an index that was asked for by name is no way to the documents of a filter.
fn not_usable(indexes: &[Arc<ValueIndex>], filter: &Filter, index: &str) -> Error {
    let has_all = indexes.iter().all(|index| index.has_all(filter));
    let reason = if has_all {
        "the filter says nothing about its first field that keys tell"
    } else {
        "it leaves out documents that the filter may want"
    };
    Error::IndexNotUsable { index: index.to_owned(), reason }
}
