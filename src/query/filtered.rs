//! Plans with filters, taken apart: what has to match beside the filters, and how often that does at most.
//!
//! The searcher asks before it finds the documents that a filter lets through: where few match the rest, only those are looked at, and
//! where the best are wanted, the best of the rest come first. Invariant: what is left of a plan matches whatever the plan matches, and
//! scores it the same where the filters score nothing. Cost: a copy of the plan.

use super::nesting::Node;
use super::plan::{Leaf, Plan, PlannedSet};
use crate::bson::Filter;

/// A plan whose filters are tried on the documents that the rest finds.
#[derive(Debug)]
pub(super) struct Postponed<'p> {
    /// The plan without its filters.
    pub(super) rest: Plan,
    pub(super) filters: Vec<&'p Filter>,
}

impl<'p> Postponed<'p> {
    /// Takes a plan apart; `None` when it has no filters that only decide, or nothing else.
    pub(super) fn new(plan: &'p Plan) -> Option<Self> {
        let mut rest = without_filters(plan)?;
        let mut filters = Vec::new();
        for (place, leaf) in plan.leaves.iter().enumerate() {
            let Some(filter) = filter_of(plan, place) else { continue };
            let is_excluded = plan.excluded.contains(&place);
            if leaf.boost != 0.0 || is_excluded || !is_required(plan, place) {
                return None;
            }
            // Nothing has to be found for a leaf of which there is none.
            rest.leaves[place].dfs = vec![0];
            filters.push(filter);
        }
        Some(Postponed { rest, filters })
    }
}

/// Documents that are asked one by one whether they pass, before all are found out about at once.
const ASKED_LEN_MAX: u32 = 2_048;

/// How many of some documents pass all filters of a plan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passing {
    pub(super) passing: u32,
    pub(super) of: u32,
}

impl Passing {
    /// Whether so many were asked one by one that to find out about all at once costs less.
    pub(super) fn has_asked_many(self) -> bool {
        self.of > ASKED_LEN_MAX
    }

    /// Counts a document that passes or does not.
    pub(super) fn count(&mut self, passes: bool) -> bool {
        self.passing += u32::from(passes);
        self.of += 1;
        passes
    }

    /// So many documents, of which most likely `k` and some more pass.
    pub(super) fn wanted(self, k: usize) -> usize {
        let (k, passing) = (u32::try_from(k).unwrap_or(u32::MAX), self.passing);
        // Three standard deviations of what is wanted, two of what was seen.
        let many = u64::from(k) + 3 * u64::from(k.isqrt() + 1);
        let few = u64::from(passing.saturating_sub(2 * passing.isqrt()));
        usize::try_from(many * u64::from(self.of) / few.max(1)).unwrap_or(usize::MAX)
    }
}

/// The conditions of a plan that have to hold beside its filters; `None` when there are none, or no filter has to hold.
pub(super) fn without_filters(plan: &Plan) -> Option<Plan> {
    // Most plans have none, and need no copy.
    if !plan.sets.iter().any(|set| matches!(set, PlannedSet::Filter(_))) {
        return None;
    }
    let mut rest = plan.clone();
    let is_filter = |place| filter_of(plan, place).is_some() && is_required(plan, place);
    rest.required.retain(|set| !matches!(set.as_slice(), &[place] if is_filter(place)));
    if let Some(tree) = &mut rest.tree {
        tree.required
            .retain(|set| !matches!(set.as_slice(), &[Node::Leaf(place)] if is_filter(place)));
    }
    let is_bound = !rest.required.is_empty() && rest.required.len() < plan.required.len();
    is_bound.then_some(rest)
}

/// The filters of a plan, as places of leaves, where beside them documents have to match any leaf of one set, to which all belongs that
/// adds to scores: the best by that set may then be asked whether they pass. None elsewhere.
pub(super) fn filters_of_best(plan: &Plan) -> Vec<usize> {
    let is_filter = |place: usize| {
        let leaf = &plan.leaves[place];
        leaf.key.set.is_some() && leaf.boost == 0.0 && is_required(plan, place)
    };
    let filters: Vec<usize> = (0..plan.leaves.len()).filter(|&place| is_filter(place)).collect();
    let asks = |set: &&Vec<usize>| !matches!(set.as_slice(), [place] if filters.contains(place));
    let mut others = plan.required.iter().filter(asks);
    let (Some(set), None, None) = (others.next(), others.next(), &plan.tree) else {
        return Vec::new();
    };
    let is_known = |(place, leaf): (usize, &Leaf)| {
        let is_brought = set.contains(&place);
        !(is_brought && filters.contains(&place))
            && if leaf.scores { is_brought || filters.contains(&place) } else { !is_brought }
    };
    if plan.leaves.iter().enumerate().all(is_known) { filters } else { Vec::new() }
}

/// Whether a leaf has to occur, whatever else does.
fn is_required(plan: &Plan, place: usize) -> bool {
    match &plan.tree {
        None => plan.required.iter().any(|set| set.as_slice() == [place]),
        Some(tree) => tree.required.iter().any(|set| set.as_slice() == [Node::Leaf(place)]),
    }
}

/// How many documents match at most, as far as the words that have to occur tell.
pub(super) fn matching_at_most(plan: &Plan) -> Option<u64> {
    let of_set = |set: &Vec<usize>| {
        let leaves = || set.iter().map(|&place| &plan.leaves[place]);
        let is_known = leaves().all(|leaf| leaf.key.set.is_none());
        let of_leaf = |leaf: &Leaf| leaf.dfs.iter().copied().min().unwrap_or_default();
        is_known.then(|| leaves().map(of_leaf).sum())
    };
    plan.required.iter().filter_map(of_set).min()
}

/// The filter that a leaf stands for.
fn filter_of(plan: &Plan, place: usize) -> Option<&Filter> {
    match plan.leaves[place].key.set.and_then(|set| plan.sets.get(set)) {
        Some(PlannedSet::Filter(planned)) => Some(&planned.filter),
        _ => None,
    }
}
