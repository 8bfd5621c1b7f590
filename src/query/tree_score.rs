//! The score of one document where a tree says which leaves count, and how what they give is put together.
//!
//! `window` asks for the documents that bounds let through; `explain` asks for the same step by step and notes the numbers. What
//! stands in the tree itself or in groups of it is one sum; each alternative of which the best counts is a sum of its own, put together in
//! the same way. Invariants: clauses of several groups that ask for the same are one in a sum; a sum is added in canonical order, then
//! the best of alternatives, the highest first, then constant scores. Cost: a few steps a leaf.

use super::bm25::{best_of, clause_weight, score_across};
use super::error::Result;
use super::leaf::{LeafWindow, Scale, Scratch, weight_of};
use super::nesting::{Best, Group, Scoring};
use super::plan::Plan;

/// A document of a window, and which leaves occur in it.
pub(super) struct TreeScore<'s, 'c> {
    pub(super) plan: &'s Plan,
    pub(super) leaves: &'s [LeafWindow<'c>],
    /// For each leaf of the chunk, what scoring needs.
    pub(super) scales: &'s [Option<Scale<'s>>],
    pub(super) offset: u16,
    /// For each leaf of the plan.
    pub(super) occurrences: &'s [Option<Occurrence>],
}

/// What leaves give at most, and what their tree makes of it.
#[derive(Debug)]
pub(super) struct TreeBounds {
    /// For each leaf of the plan: a bound where it occurs, else 0, and what it could ever give.
    leaves: Vec<(f64, f64)>,
}

impl TreeBounds {
    /// Of a plan, of whose leaves none occurs so far.
    pub(super) fn new(plan: &Plan) -> Self {
        TreeBounds { leaves: vec![(0.0, 0.0); plan.leaves.len()] }
    }

    /// Sets the bound of a leaf, and what it could ever give.
    pub(super) fn set(&mut self, place: usize, bound: f64, full: f64) {
        self.leaves[place] = (bound, full);
    }

    /// What no document gets more than from a group.
    pub(super) fn most(&self, group: &Group<usize>) -> f64 {
        group.most(&|&place| self.leaves[place].0, &|places| self.most_across(places))
    }

    /// The same from leaves that score as one. What each gives alone tells its frequency, of which the sum is scored: so they give
    /// less together than if each were scored by itself.
    fn most_across(&self, places: &[usize]) -> f64 {
        let (mut sum, mut full) = (0.0, 0.0_f64);
        for (bound, of_leaf) in places.iter().map(|&place| self.leaves[place]) {
            full = full.max(of_leaf);
            if bound > 0.0 && bound >= of_leaf {
                return of_leaf;
            }
            sum += if bound > 0.0 { bound / (of_leaf - bound) } else { 0.0 };
        }
        full * (sum / (1.0 + sum))
    }
}

/// That a leaf occurs in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurrence {
    /// How often.
    pub(super) frequency: u32,
    /// The leaf's place among those of the window.
    leaf: usize,
}

/// What is added up for a document that matches.
pub(super) struct Counted<'t> {
    /// Places of leaves, ascending.
    leaves: Vec<usize>,
    /// Alternatives of which the best counts.
    pub(super) bests: Vec<&'t Best<usize>>,
}

impl<'t> Counted<'t> {
    /// What counts in a document in which the leaves occur that `holds` says.
    pub(super) fn of(group: &'t Group<usize>, holds: &impl Fn(&usize) -> bool) -> Self {
        let (mut leaves, mut bests) = (Vec::new(), Vec::new());
        group.each_scoring(holds, &mut |scoring| match scoring {
            Scoring::Leaf(&place) => leaves.push(place),
            Scoring::Best(best) => bests.push(best),
        });
        leaves.sort_unstable();
        // A clause that is required and asked for besides.
        leaves.dedup();
        Counted { leaves, bests }
    }

    /// The same of a plan, which may have no tree.
    pub(super) fn of_plan(plan: &'t Plan, holds: &impl Fn(&usize) -> bool) -> Self {
        if let Some(tree) = &plan.tree {
            return Self::of(tree, holds);
        }
        let counts = |place: &usize| holds(place) && plan.leaves[*place].scores;
        Counted { leaves: (0..plan.leaves.len()).filter(counts).collect(), bests: Vec::new() }
    }

    /// The leaves, those that ask for the same together.
    pub(super) fn clauses(&self, plan: &Plan) -> impl Iterator<Item = &[usize]> {
        let key = |place: usize| &plan.leaves[place].key;
        self.leaves.chunk_by(move |&left, &right| key(left).is_same(key(right)))
    }
}

/// Finds out which leaves of a plan occur in a document, and how often.
pub(super) fn find_occurrences(
    leaves: &[LeafWindow<'_>],
    offset: u16,
    scratch: &mut Scratch,
    occurrences: &mut [Option<Occurrence>],
) -> Result<()> {
    occurrences.fill(None);
    for (index, leaf) in leaves.iter().enumerate() {
        let frequency = leaf.frequency(offset, scratch)?;
        let occurrence = Occurrence { frequency, leaf: index };
        occurrences[leaf.chunk.open.place] = (frequency > 0).then_some(occurrence);
    }
    Ok(())
}

impl<'s> TreeScore<'s, '_> {
    /// Whether the leaf at this place of the plan occurs.
    pub(super) fn holds(&self, place: usize) -> bool {
        self.occurrences[place].is_some()
    }

    /// The score of the document, if the group is the tree; `None` when it does not match.
    pub(super) fn score(&self, group: &Group<usize>) -> Result<Option<f32>> {
        let holds = |&place: &usize| self.holds(place);
        if !group.matches(&holds) {
            return Ok(None);
        }
        let counted = Counted::of(group, &holds);
        let (mut score, mut constant) = (0.0, 0.0);
        for same in counted.clauses(self.plan) {
            let boost = boosts(self.plan, same).map(|(_, boost)| boost).sum();
            if self.is_set(same) {
                constant += boost;
                continue;
            }
            score += self.share(same, boost)?;
        }
        let mut bests = Vec::with_capacity(counted.bests.len());
        for best in counted.bests {
            bests.push(self.best(best)?);
        }
        bests.sort_unstable_by(|left, right| right.total_cmp(left));
        score = bests.into_iter().fold(score, |sum, best| sum + best);
        Ok(Some(with_constant(score, constant)))
    }

    /// What alternatives give of which the best counts.
    fn best(&self, best: &Best<usize>) -> Result<f32> {
        let mut scores = Vec::with_capacity(best.alternatives.len());
        for group in &best.alternatives {
            scores.extend(self.score(group)?);
        }
        Ok(best_of(&mut scores, best.tie_breaker))
    }

    /// Whether leaves that ask for the same stand for a set.
    pub(super) fn is_set(&self, same: &[usize]) -> bool {
        same.iter().any(|&place| self.plan.leaves[place].key.set.is_some())
    }

    /// What leaves that ask for the same give with such a boost.
    fn share(&self, same: &[usize], boost: f64) -> Result<f32> {
        let [place, ..] = *same else { return Ok(0.0) };
        let Some((scale, frequency, code)) = self.found(place)? else { return Ok(0.0) };
        let leaf = &self.plan.leaves[place];
        let weight = weight_of(self.plan, leaf, boost);
        if leaf.key.across.is_none() {
            return Ok(scale.norms.score(weight, frequency, code));
        }
        let mut sum = 0.0;
        for place in fields(self.plan, same) {
            let found = self.found(place)?;
            sum +=
                found.map_or(0.0, |(scale, frequency, code)| scale.norms.weighted(frequency, code));
        }
        Ok(score_across(weight, sum, scale.norms.parameters()))
    }

    /// What a leaf that occurs is scored by, how often it does, and the length code of its field.
    pub(super) fn found(&self, place: usize) -> Result<Option<(Scale<'s>, u32, u8)>> {
        let Some(Occurrence { frequency, leaf }) = self.occurrences[place] else { return Ok(None) };
        let leaf = &self.leaves[leaf];
        let Some(&Some(scale)) = self.scales.get(leaf.index) else { return Ok(None) };
        Ok(leaf.length_code(self.offset, scale)?.map(|code| (scale, frequency, code)))
    }
}

/// The groups in which leaves ask for the same, and their boosts there.
pub(super) fn boosts(plan: &Plan, same: &[usize]) -> impl Iterator<Item = (u32, f64)> {
    let group = |place: usize| plan.leaves[place].key.group;
    // Leaves that score as one have the same boost in a group.
    let is_first = move |index: usize| {
        let before = same.get(..index).unwrap_or_default();
        !before.iter().any(|&place| group(place) == group(same[index]))
    };
    (0..same.len()).filter(move |&index| is_first(index)).map(move |index| {
        let leaf = &plan.leaves[same[index]];
        (leaf.key.group, leaf.boost)
    })
}

/// Of leaves that ask for the same, be it in several groups, one in each field.
pub(super) fn fields(plan: &Plan, same: &[usize]) -> impl Iterator<Item = usize> {
    let of_field =
        same.chunk_by(|&left, &right| plan.leaves[left].key.is_twin(&plan.leaves[right].key));
    of_field.filter_map(|twins| twins.first().copied())
}

/// A score of words with the constant scores of sets, which were added exactly.
pub(super) fn with_constant(score: f32, constant: f64) -> f32 {
    if constant > 0.0 { score + clause_weight(1.0, constant) } else { score }
}
