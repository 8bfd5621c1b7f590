//! [`Group`]: which documents a query matches, as a tree of conditions, and the least nesting that says so.
//!
//! The planner adds clause by clause; [`Group::add`] takes a group apart wherever its parts mean the same without it, so that a
//! query without groups, and most with some, come to one level. What is left nested decides at the end about each document that
//! bounds let through. Invariants: a group that asks for nothing matches nothing; so does an empty set of alternatives. Cost: a
//! few steps a node.
//!
//! ```text
//! a (b c)      a b c                +(a b) c     any of {a, b} required, c optional
//! +(+a b -c)   +a b -c              -(a b)       -a -b
//! a (+b -c)    stays: `b` is not excluded by `c` where `a` is
//! ```
//! [`Best`] is a group of another kind, of whose alternatives the best counts. It stays, unless it is excluded or has one alternative.
//! So do leaves that score as one, such as a word in several fields.

use std::collections::BTreeSet;

use super::ast::Occur;

/// Conditions, each a leaf of some kind or a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<L> {
    /// Of each set one condition has to hold.
    pub required: Vec<Vec<Node<L>>>,
    /// One has to hold where nothing is required; they score.
    pub optional: Vec<Node<L>>,
    /// None may hold.
    pub excluded: Vec<Node<L>>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<L> {
    /// A leaf holds where it occurs.
    Leaf(L),
    /// A group holds where its conditions say.
    Group(Group<L>),
    /// Alternatives hold where one of them does.
    Best(Best<L>),
    /// Leaves that score as one hold where one of them occurs.
    Across(Vec<L>),
}

/// Groups of which the one with the highest score counts in full, and the others as a part of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Best<L> {
    /// Two at least; each scores by itself, and is merged with nothing outside of it.
    pub alternatives: Vec<Group<L>>,
    /// What part of their scores those that are not the best add, from 0 to 1.
    pub tie_breaker: f32,
}

/// What scores in a document.
pub(super) enum Scoring<'g, L> {
    Leaf(&'g L),
    Best(&'g Best<L>),
}

impl<L> Default for Group<L> {
    fn default() -> Self {
        Group { required: Vec::new(), optional: Vec::new(), excluded: Vec::new() }
    }
}

impl<L> Group<L> {
    /// Whether there is no condition.
    fn is_empty(&self) -> bool {
        self.required.is_empty() && self.optional.is_empty() && self.excluded.is_empty()
    }

    /// Adds alternatives that count as `occur` says.
    pub(super) fn add_nodes(&mut self, occur: Occur, nodes: impl IntoIterator<Item = Node<L>>) {
        match occur {
            Occur::Should => self.optional.extend(nodes),
            Occur::Must => self.required.push(nodes.into_iter().collect()),
            Occur::MustNot => self.excluded.extend(nodes),
        }
    }

    /// Adds leaves as alternatives.
    pub(super) fn add_leaves(&mut self, occur: Occur, leaves: impl IntoIterator<Item = L>) {
        self.add_nodes(occur, leaves.into_iter().map(Node::Leaf));
    }

    /// Adds a group that counts as `occur` says; one without conditions says nothing.
    pub(super) fn add(&mut self, occur: Occur, mut group: Group<L>) {
        if group.is_empty() {
            return;
        }
        match occur {
            Occur::Must => {
                self.excluded.append(&mut group.excluded);
                if group.required.is_empty() {
                    // Nothing at all where the group only excludes.
                    self.required.push(group.optional);
                } else {
                    self.required.append(&mut group.required);
                    self.optional.append(&mut group.optional);
                }
            }
            Occur::Should => match group.into_alternatives(true) {
                Ok(alternatives) => self.optional.extend(alternatives),
                Err(group) => self.optional.push(Node::Group(group)),
            },
            Occur::MustNot => match group.into_alternatives(false) {
                Ok(alternatives) => self.excluded.extend(alternatives),
                Err(group) => self.excluded.push(Node::Group(group)),
            },
        }
    }

    /// Adds groups of which the best counts; those without conditions say nothing.
    pub(super) fn add_best(&mut self, occur: Occur, mut groups: Vec<Group<L>>, tie_breaker: f32) {
        groups.retain(|group| !group.is_empty());
        if occur == Occur::MustNot || groups.len() < 2 {
            for group in groups {
                self.add(occur, group);
            }
            return;
        }
        let best = Node::Best(Best { alternatives: groups, tie_breaker });
        match occur {
            Occur::Must => self.required.push(vec![best]),
            Occur::Should | Occur::MustNot => self.optional.push(best),
        }
    }

    /// The conditions of which one has to hold, if that is all that the group says; what is optional matters if it `scores`.
    fn into_alternatives(mut self, scores: bool) -> Result<Vec<Node<L>>, Self> {
        match self.required.len() {
            _ if !self.excluded.is_empty() => Err(self),
            0 => Ok(self.optional),
            1 if !scores || self.optional.is_empty() => Ok(self.required.pop().unwrap_or_default()),
            _ => Err(self),
        }
    }

    /// Whether all conditions are leaves.
    pub(super) fn is_flat(&self) -> bool {
        let sets = self.required.iter().flatten();
        let mut all = sets.chain(&self.optional).chain(&self.excluded);
        all.all(|node| matches!(node, Node::Leaf(_)))
    }

    /// Whether a document matches wherever any leaf occurs, and gets at least what one of them gives.
    pub(super) fn is_union(&self) -> bool {
        let is_union = |node: &Node<L>| match node {
            Node::Leaf(_) | Node::Across(_) => true,
            Node::Group(group) => group.is_union(),
            Node::Best(best) => best.alternatives.iter().all(Group::is_union),
        };
        let asks_for_any = self.required.is_empty() && self.excluded.is_empty();
        asks_for_any && self.optional.iter().all(is_union)
    }

    /// Whether the score of a document may be less than the sum of what leaves give.
    pub(super) fn combines(&self) -> bool {
        self.scoring_nodes().any(|node| match node {
            Node::Leaf(_) => false,
            Node::Group(group) => group.combines(),
            Node::Best(_) | Node::Across(_) => true,
        })
    }

    /// What no document gets more than, where `of` says so of each leaf, and `across` of leaves that score as one.
    pub(super) fn most(&self, of: &impl Fn(&L) -> f64, across: &impl Fn(&[L]) -> f64) -> f64 {
        let most = |node: &Node<L>| match node {
            Node::Leaf(leaf) => of(leaf),
            Node::Group(group) => group.most(of, across),
            Node::Best(best) => best.most(of, across),
            Node::Across(leaves) => across(leaves),
        };
        self.scoring_nodes().map(most).sum()
    }

    /// Passes all leaves that may score.
    pub(super) fn each_leaf(&self, visit: &mut impl FnMut(&L)) {
        for node in self.scoring_nodes() {
            match node {
                Node::Leaf(leaf) => visit(leaf),
                Node::Group(group) => group.each_leaf(visit),
                Node::Best(best) => {
                    best.alternatives.iter().for_each(|group| group.each_leaf(visit));
                }
                Node::Across(leaves) => leaves.iter().for_each(&mut *visit),
            }
        }
    }

    /// The conditions that may score.
    fn scoring_nodes(&self) -> impl Iterator<Item = &Node<L>> {
        self.required.iter().flatten().chain(&self.optional)
    }

    /// The same of other leaves: `of` is told a leaf, in which group it stands, counted from the outermost, which is 0, and whether
    /// it scores.
    pub(super) fn map<M>(self, of: &mut impl FnMut(L, u32, bool) -> M) -> Group<M> {
        self.map_from(&mut 0, true, of)
    }

    fn map_from<M>(
        self,
        last: &mut u32,
        scores: bool,
        of: &mut impl FnMut(L, u32, bool) -> M,
    ) -> Group<M> {
        let number = *last;
        let mut list = |nodes: Vec<Node<L>>, scores: bool| -> Vec<Node<M>> {
            let node = |node| match node {
                Node::Leaf(leaf) => Node::Leaf(of(leaf, number, scores)),
                Node::Group(group) => {
                    *last += 1;
                    Node::Group(group.map_from(last, scores, of))
                }
                Node::Best(Best { alternatives, tie_breaker }) => {
                    let mut alternative = |group: Group<L>| {
                        *last += 1;
                        group.map_from(last, scores, of)
                    };
                    let alternatives = alternatives.into_iter().map(&mut alternative).collect();
                    Node::Best(Best { alternatives, tie_breaker })
                }
                Node::Across(leaves) => {
                    Node::Across(leaves.into_iter().map(|leaf| of(leaf, number, scores)).collect())
                }
            };
            nodes.into_iter().map(node).collect()
        };
        Group {
            required: self.required.into_iter().map(|set| list(set, scores)).collect(),
            optional: list(self.optional, scores),
            excluded: list(self.excluded, false),
        }
    }

    /// Whether a document matches in which the leaves occur that `holds` says.
    pub(super) fn matches(&self, holds: &impl Fn(&L) -> bool) -> bool {
        let matches = |node: &Node<L>| node.matches(holds);
        let asked = if self.required.is_empty() {
            self.optional.iter().any(matches)
        } else {
            self.required.iter().all(|set| set.iter().any(matches))
        };
        asked && !self.excluded.iter().any(matches)
    }

    /// Passes what scores in a document that matches: leaves that occur, in groups that match, and alternatives that hold, from which
    /// it takes nothing out.
    pub(super) fn each_scoring<'g>(
        &'g self,
        holds: &impl Fn(&L) -> bool,
        visit: &mut impl FnMut(Scoring<'g, L>),
    ) {
        for node in self.scoring_nodes().filter(|node| node.matches(holds)) {
            match node {
                Node::Leaf(leaf) => visit(Scoring::Leaf(leaf)),
                Node::Group(group) => group.each_scoring(holds, visit),
                Node::Best(best) => visit(Scoring::Best(best)),
                Node::Across(leaves) => {
                    leaves
                        .iter()
                        .filter(|leaf| holds(leaf))
                        .map(Scoring::Leaf)
                        .for_each(&mut *visit);
                }
            }
        }
    }

    /// Passes leaves one of which occurs in every document that matches.
    fn each_witness(&self, visit: &mut impl FnMut(&L)) {
        let alternatives = self.required.first().unwrap_or(&self.optional);
        for node in alternatives {
            node.each_witness(visit);
        }
    }
}

impl<L: Ord + Clone> Group<L> {
    /// Takes out optional leaves that stand there twice, or are required besides: they say and score the same once.
    pub(super) fn remove_repeated(&mut self) {
        let mut known = BTreeSet::new();
        let mut is_new = |node: &Node<L>| match node {
            Node::Leaf(leaf) => known.insert(vec![leaf.clone()]),
            // Those of one are in no other.
            Node::Across(leaves) => known.insert(leaves.clone()),
            Node::Group(_) | Node::Best(_) => true,
        };
        for node in self.required.iter().flatten() {
            is_new(node);
        }
        self.optional.retain(is_new);
        for node in self.required.iter_mut().flatten().chain(&mut self.optional) {
            match node {
                Node::Leaf(_) | Node::Across(_) => {}
                Node::Group(group) => group.remove_repeated(),
                Node::Best(best) => best.alternatives.iter_mut().for_each(Group::remove_repeated),
            }
        }
    }
}

impl<L> Node<L> {
    /// Whether it holds where the leaves occur that `holds` says.
    fn matches(&self, holds: &impl Fn(&L) -> bool) -> bool {
        match self {
            Node::Leaf(leaf) => holds(leaf),
            Node::Group(group) => group.matches(holds),
            Node::Best(best) => best.alternatives.iter().any(|group| group.matches(holds)),
            Node::Across(leaves) => leaves.iter().any(holds),
        }
    }

    /// Passes leaves one of which occurs in every document for which it holds.
    pub(super) fn each_witness(&self, visit: &mut impl FnMut(&L)) {
        match self {
            Node::Leaf(leaf) => visit(leaf),
            Node::Group(group) => group.each_witness(visit),
            Node::Best(best) => {
                best.alternatives.iter().for_each(|group| group.each_witness(visit));
            }
            Node::Across(leaves) => leaves.iter().for_each(visit),
        }
    }
}

impl<L> Best<L> {
    /// As of a [group](Group::most).
    fn most(&self, of: &impl Fn(&L) -> f64, across: &impl Fn(&[L]) -> f64) -> f64 {
        let (mut best, mut rest) = (0.0_f64, 0.0);
        for group in &self.alternatives {
            let most = group.most(of, across);
            rest += best.min(most);
            best = best.max(most);
        }
        // A product of tiny numbers may be rounded up to the least of all.
        best + f64::from(self.tie_breaker) * rest + f64::from(f32::from_bits(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group as it was asked for, and what it says, by the definition of `ast` alone.
    enum Asked {
        Leaf(u32),
        Group(Vec<(Occur, Asked)>),
        /// Of groups.
        Best(Vec<Asked>, f32),
    }

    fn random(rng: &mut fastrand::Rng, depth: u32, occurs: &[Occur]) -> Asked {
        if depth == 4 || rng.u8(..3) == 0 && depth > 0 {
            return Asked::Leaf(rng.u32(..8));
        }
        if depth > 0 && rng.u8(..4) == 0 {
            let groups = (0..rng.usize(..4)).map(|_| random_group(rng, depth, occurs)).collect();
            return Asked::Best(groups, *rng.choice(&[0.0, 0.25, 1.0]).unwrap());
        }
        random_group(rng, depth, occurs)
    }

    fn random_group(rng: &mut fastrand::Rng, depth: u32, occurs: &[Occur]) -> Asked {
        let clause = |rng: &mut fastrand::Rng| {
            let occur = *rng.choice(occurs).unwrap();
            (occur, random(rng, depth + 1, occurs))
        };
        Asked::Group((0..rng.usize(..4)).map(|_| clause(rng)).collect())
    }

    impl Asked {
        fn group(&self) -> Group<u32> {
            let Asked::Group(clauses) = self else { unreachable!() };
            let mut group = Group::default();
            for (occur, asked) in clauses {
                match asked {
                    Asked::Leaf(leaf) => group.add_leaves(*occur, std::iter::once(*leaf)),
                    Asked::Group(_) => group.add(*occur, asked.group()),
                    Asked::Best(groups, tie_breaker) => {
                        let groups = groups.iter().map(Asked::group).collect();
                        group.add_best(*occur, groups, *tie_breaker);
                    }
                }
            }
            group
        }

        /// Whether there is a leaf: other groups are ignored.
        fn says_something(&self) -> bool {
            match self {
                Asked::Leaf(_) => true,
                Asked::Group(clauses) => clauses.iter().any(|(_, asked)| asked.says_something()),
                Asked::Best(groups, _) => groups.iter().any(Asked::says_something),
            }
        }

        fn matches(&self, documents: u32) -> bool {
            let clauses = match self {
                Asked::Leaf(leaf) => return documents >> leaf & 1 == 1,
                Asked::Best(groups, _) => {
                    return groups.iter().any(|asked| asked.matches(documents));
                }
                Asked::Group(clauses) => clauses,
            };
            let of = |occur: Occur| {
                let said = clauses.iter().filter(|(_, asked)| asked.says_something());
                said.filter(move |clause| clause.0 == occur).map(|(_, asked)| asked)
            };
            let asked = match of(Occur::Must).next() {
                Some(_) => of(Occur::Must).all(|asked| asked.matches(documents)),
                None => of(Occur::Should).any(|asked| asked.matches(documents)),
            };
            asked && !of(Occur::MustNot).any(|asked| asked.matches(documents))
        }

        /// How often each leaf scores, times what it gives.
        fn score(&self, documents: u32) -> f64 {
            match self {
                _ if !self.matches(documents) => 0.0,
                Asked::Leaf(leaf) => of_leaf(*leaf),
                Asked::Group(clauses) => {
                    let scoring = clauses.iter().filter(|(occur, _)| *occur != Occur::MustNot);
                    scoring.map(|(_, asked)| asked.score(documents)).sum()
                }
                Asked::Best(groups, tie_breaker) => {
                    let scores = groups.iter().map(|asked| asked.score(documents));
                    let (sum, best) = (scores.clone().sum::<f64>(), scores.fold(0.0, f64::max));
                    best + f64::from(*tie_breaker) * (sum - best)
                }
            }
        }
    }

    /// Sums and quarters of these are exact.
    fn of_leaf(leaf: u32) -> f64 {
        f64::from(1 + leaf % 5)
    }

    /// As [`Asked::score`] of a document that matches.
    fn score(group: &Group<u32>, holds: &impl Fn(&u32) -> bool) -> f64 {
        let mut score = 0.0;
        group.each_scoring(holds, &mut |scoring| match scoring {
            Scoring::Leaf(leaf) => score += of_leaf(*leaf),
            Scoring::Best(Best { alternatives, tie_breaker }) => {
                let matching = alternatives.iter().filter(|group| group.matches(holds));
                let mut scores: Vec<f64> =
                    matching.map(|group| self::score(group, holds)).collect();
                scores.sort_by(f64::total_cmp);
                let best = scores.pop().unwrap();
                score += best + f64::from(*tie_breaker) * scores.iter().sum::<f64>();
            }
        });
        score
    }

    #[test]
    fn groups_that_are_taken_apart_say_the_same() {
        let mut rng = fastrand::Rng::with_seed(4);
        let (mut flat, mut nested, mut bests, mut unions) = (0, 0, 0, 0);
        for _ in 0..3000 {
            let occurs: &[Occur] = match rng.u8(..8) {
                0 => &[Occur::Should],
                _ => &[Occur::Should, Occur::Must, Occur::MustNot],
            };
            let asked = random_group(&mut rng, 0, occurs);
            let group = asked.group();
            let mut once = group.clone();
            once.remove_repeated();
            *(if group.is_flat() { &mut flat } else { &mut nested }) += 1;
            bests += u32::from(group.combines());
            unions += u32::from(group.combines() && group.is_union());
            for document in 0..256 {
                let holds = |leaf: &u32| document >> leaf & 1 == 1;
                assert_eq!(group.matches(&holds), asked.matches(document));
                assert_eq!(once.matches(&holds), asked.matches(document));
                let gives = |leaf: &u32| if holds(leaf) { of_leaf(*leaf) } else { 0.0 };
                if group.is_union() {
                    let mut most = 0.0;
                    group.each_leaf(&mut |leaf| most = f64::max(most, gives(leaf)));
                    assert_eq!(group.matches(&holds), most > 0.0);
                    assert!(asked.score(document) >= most);
                }
                let is_match = group.matches(&holds);
                let found = if is_match { score(&group, &holds) } else { 0.0 };
                assert_eq!(found.to_bits(), asked.score(document).to_bits());
                assert!(group.most(&gives, &|_| 0.0) >= found);
                if is_match {
                    for set in &group.required {
                        let mut has_witness = false;
                        for node in set {
                            node.each_witness(&mut |leaf| has_witness |= holds(leaf));
                        }
                        assert!(has_witness);
                    }
                }
            }
        }
        assert!(
            flat > 500 && nested > 500 && bests > 200 && unions > 50,
            "{flat} {nested} {bests} {unions}"
        );
    }

    #[test]
    fn the_page_says_what_is_taken_apart() {
        let group = |clauses: &[(Occur, char)]| {
            let mut group = Group::default();
            for &(occur, leaf) in clauses {
                group.add_leaves(occur, std::iter::once(leaf));
            }
            group
        };
        let (should, must, not) = (Occur::Should, Occur::Must, Occur::MustNot);
        let cases = [
            (should, vec![(should, 'b'), (should, 'c')], true),
            (must, vec![(should, 'b'), (should, 'c')], true),
            (must, vec![(must, 'b'), (should, 'c'), (not, 'd')], true),
            (not, vec![(should, 'b'), (should, 'c')], true),
            (not, vec![(must, 'b'), (should, 'c')], true),
            (should, vec![(must, 'b'), (not, 'c')], false),
            (should, vec![(must, 'b'), (should, 'c')], false),
            (not, vec![(must, 'b'), (must, 'c')], false),
        ];
        for (occur, inner, is_flat) in cases {
            let mut all = group(&[(should, 'a')]);
            all.add(occur, group(&inner));
            assert_eq!(all.is_flat(), is_flat, "{occur:?} {inner:?}");
        }
    }
}
