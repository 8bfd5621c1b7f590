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
    pub(super) fn add_leaves(&mut self, occur: Occur, leaves: impl Iterator<Item = L>) {
        let leaves = leaves.map(Node::Leaf);
        match occur {
            Occur::Should => self.optional.extend(leaves),
            Occur::Must => self.required.push(leaves.collect()),
            Occur::MustNot => self.excluded.extend(leaves),
        }
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

    /// Passes the leaves that score in a document that matches: those that occur, in groups that match.
    pub(super) fn each_scoring(&self, holds: &impl Fn(&L) -> bool, visit: &mut impl FnMut(&L)) {
        for node in self.required.iter().flatten().chain(&self.optional) {
            match node {
                Node::Leaf(leaf) if holds(leaf) => visit(leaf),
                Node::Group(group) if group.matches(holds) => group.each_scoring(holds, visit),
                Node::Leaf(_) | Node::Group(_) => {}
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

impl<L> Node<L> {
    /// Whether it holds where the leaves occur that `holds` says.
    fn matches(&self, holds: &impl Fn(&L) -> bool) -> bool {
        match self {
            Node::Leaf(leaf) => holds(leaf),
            Node::Group(group) => group.matches(holds),
        }
    }

    /// Passes leaves one of which occurs in every document for which it holds.
    pub(super) fn each_witness(&self, visit: &mut impl FnMut(&L)) {
        match self {
            Node::Leaf(leaf) => visit(leaf),
            Node::Group(group) => group.each_witness(visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group as it was asked for, and what it says, by the definition of `ast` alone.
    enum Asked {
        Leaf(u32),
        Group(Vec<(Occur, Asked)>),
    }

    fn random(rng: &mut fastrand::Rng, depth: u32) -> Asked {
        if depth == 4 || rng.u8(..3) == 0 && depth > 0 {
            return Asked::Leaf(rng.u32(..8));
        }
        let clause = |rng: &mut fastrand::Rng| {
            let occur = *rng.choice(&[Occur::Should, Occur::Must, Occur::MustNot]).unwrap();
            (occur, random(rng, depth + 1))
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
                }
            }
            group
        }

        /// Whether there is a leaf: other groups are ignored.
        fn says_something(&self) -> bool {
            match self {
                Asked::Leaf(_) => true,
                Asked::Group(clauses) => clauses.iter().any(|(_, asked)| asked.says_something()),
            }
        }

        fn matches(&self, documents: u32) -> bool {
            let clauses = match self {
                Asked::Leaf(leaf) => return documents >> leaf & 1 == 1,
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

        /// How often each leaf scores.
        fn score(&self, documents: u32, scores: &mut [u32; 8]) {
            match self {
                Asked::Leaf(leaf) => scores[*leaf as usize] += documents >> leaf & 1,
                Asked::Group(clauses) if self.matches(documents) => {
                    for (_, asked) in clauses.iter().filter(|(occur, _)| *occur != Occur::MustNot) {
                        asked.score(documents, scores);
                    }
                }
                Asked::Group(_) => {}
            }
        }
    }

    #[test]
    fn groups_that_are_taken_apart_say_the_same() {
        let mut rng = fastrand::Rng::with_seed(4);
        let (mut flat, mut nested) = (0, 0);
        for _ in 0..3000 {
            let asked = random(&mut rng, 0);
            let group = asked.group();
            *(if group.is_flat() { &mut flat } else { &mut nested }) += 1;
            for document in 0..256 {
                let holds = |leaf: &u32| document >> leaf & 1 == 1;
                assert_eq!(group.matches(&holds), asked.matches(document));
                let (mut scores, mut expected) = ([0; 8], [0; 8]);
                asked.score(document, &mut expected);
                if group.matches(&holds) {
                    group.each_scoring(&holds, &mut |&leaf| scores[leaf as usize] += 1);
                    for set in &group.required {
                        let mut has_witness = false;
                        for node in set {
                            node.each_witness(&mut |leaf| has_witness |= holds(leaf));
                        }
                        assert!(has_witness);
                    }
                }
                assert_eq!(scores, expected);
            }
        }
        assert!(flat > 500 && nested > 500, "{flat} {nested}");
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
