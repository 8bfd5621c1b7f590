//! The plan of a search: what a query comes to in one text index, as data.
//!
//! `planner` makes plans; the searcher evaluates one, the highlighter shows what it looks for.
//!
//! ```text
//! gold +title:"river bed" -fool       index with the fields title (0) and body (1)
//!
//! leaves    0  title gold  ×1    1  title "river bed"  ×1    2  title fool  –    3  body gold  ×1    4  body fool  –
//! required  any of {1}           excluded  2, 4
//! ```
//! A leaf is a term or a phrase in one field, maybe under one path: what has postings. Leaves stand in canonical order,
//! which is the order in which scores are summed (`docs/scoring.md`).
//!
//! * Groups that cannot be taken apart, and what is scored otherwise than by a sum, stay in [`Plan::tree`], and their leaves apart from
//!   those of others; required sets and excluded leaves then hold of every document that matches, but are not all that has to hold.
//! * What has a score of its own, however well a document matches, is a leaf that stands for a set of documents
//!   ([`Plan::sets`]): prefixes, wildcards, regular expressions, filters, ranges, everything, and clauses of a constant score.
//!
//! Invariant: leaves are distinct and ascend. Cost: memory for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::nesting::{Best, Group, Node};
use crate::bson::{self, Document, Filter};
use crate::fts::{DocumentSet, FieldId, FieldStatistics, Pairs, PhraseTerm, TermPattern};

/// The field of leaves that stand for sets.
pub(super) const SETS: FieldId = FieldId(0xFFFE);

/// What a query comes to in one text index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The fields of the index that leaves name, with what scoring has to know about them.
    pub fields: BTreeMap<FieldId, PlannedField>,
    /// The paths that leaves are bound to, each with those that the index has at and below it.
    pub paths: BTreeMap<String, Vec<String>>,
    /// All terms and phrases, in canonical order.
    pub leaves: Vec<Leaf>,
    /// What leaves score as one, in the order in which these scores are summed.
    pub across: Vec<PlannedAcross>,
    /// Number of live documents of the collection.
    pub documents: u64,
    /// What the leaves that are no terms stand for.
    pub sets: Vec<PlannedSet>,
    /// Sets of leaves, by their places: a document has to match a leaf of each set.
    pub required: Vec<Vec<usize>>,
    /// Leaves, by their places, that a document must not match.
    pub excluded: Vec<usize>,
    /// All that has to hold, where required sets and excluded leaves do not say it, over places of leaves.
    pub tree: Option<Group<usize>>,
}

/// A field as a plan knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedField {
    /// The path that it covers; `None` in an index over everything.
    pub path: Option<String>,
    /// What its scores are multiplied by.
    pub weight: f32,
    /// Its documents and tokens.
    pub statistics: FieldStatistics,
}

/// A term or a phrase in one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// What it is.
    pub key: LeafKey,
    /// Number of documents that hold each of the terms, in the order of the terms.
    pub dfs: Vec<u64>,
    /// Whether it adds to scores; it does not when it is only excluded.
    pub scores: bool,
    /// The boosts of all clauses of the query, or of its group, that ask for it.
    pub boost: f64,
}

/// A term or a phrase in several fields, which scores as in one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedAcross {
    /// What it is.
    pub key: AcrossKey,
    /// Number of documents that hold each of the terms in any of the fields, in the order of the terms.
    pub dfs: Vec<u64>,
}

/// What tells a term or a phrase in several fields from others. The derived order is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AcrossKey {
    /// Whether it has several terms.
    pub is_phrase: bool,
    /// The terms, each with its distance in positions from the first.
    pub terms: Vec<(String, u32)>,
    /// How else than at these distances the terms may stand.
    pub slop: Slop,
    /// The fields, ascending, each with a path in an index over everything.
    pub places: Vec<Place>,
}

/// Where a term is looked for: a field, and in an index over everything a path.
pub(super) type Place = (FieldId, Option<String>);

/// Documents that a leaf stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedSet {
    /// All of the collection.
    All,
    /// Those with a term that fits, in one of some fields, maybe under one path.
    Terms {
        /// The fields.
        fields: Vec<FieldId>,
        /// The path.
        path: Option<String>,
        /// Which terms fit.
        pattern: TermPattern,
    },
    /// These.
    Documents(Arc<DocumentSet>),
    /// Those with a term in a field that fits, which were found when the pattern was planned.
    Fitting {
        /// The field.
        field: FieldId,
        /// Which terms fit.
        pattern: TermPattern,
        /// The documents.
        documents: Arc<DocumentSet>,
    },
    /// Those that match a query.
    Query(Box<Plan>),
    /// Those that a filter lets through.
    Filter(PlannedFilter),
}

/// A filter, and what it was compiled from.
#[derive(Debug, Clone)]
pub struct PlannedFilter {
    source: Document,
    /// The filter.
    pub filter: Filter,
}

impl PlannedFilter {
    /// Compiles a filter.
    pub(super) fn new(source: Document) -> bson::Result<Self> {
        let filter = Filter::try_from(&source)?;
        Ok(PlannedFilter { source, filter })
    }
}

impl PartialEq for PlannedFilter {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Display for PlannedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// What tells a leaf from others. The order of the fields makes the derived order the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafKey {
    /// The place in [`Plan::across`] of what it scores as one with, if it does not score by itself.
    pub across: Option<usize>,
    /// The field.
    pub field: FieldId,
    /// Whether it has several terms.
    pub is_phrase: bool,
    /// The terms, each with its distance in positions from the first.
    pub terms: Vec<(String, u32)>,
    /// How else than at these distances the terms may stand.
    pub slop: Slop,
    /// The path under which it has to stand, in an index over everything.
    pub path: Option<String>,
    /// The character that is meant where the term is a pair of characters.
    pub character: Option<String>,
    /// The place of the set that it stands for, in the field [`SETS`].
    pub set: Option<usize>,
    /// In which group of the tree it stands; 0 outside of all.
    pub group: u32,
}

/// How far the terms of a phrase may stand from where they belong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slop {
    /// Not at all.
    #[default]
    Exact,
    /// In their order, with so many more positions between them, all together.
    Ordered(u32),
    /// In any order, with so many other positions between the first and the last.
    Any(u32),
}

impl Plan {
    /// The same, but of these documents only, each of which matches.
    pub(super) fn within(&self, documents: Arc<DocumentSet>) -> Plan {
        let mut plan = self.clone();
        let leaf = plan.add_documents(documents);
        plan.required.push(vec![leaf]);
        if let Some(tree) = &mut plan.tree {
            tree.required.push(vec![Node::Leaf(leaf)]);
        }
        plan
    }

    /// The same, but without these documents.
    pub fn without(&self, documents: Arc<DocumentSet>) -> Plan {
        let mut plan = self.clone();
        let leaf = plan.add_documents(documents);
        plan.leaves[leaf].scores = false;
        plan.excluded.push(leaf);
        if let Some(tree) = &mut plan.tree {
            tree.excluded.push(Node::Leaf(leaf));
        }
        plan
    }

    /// How often at most something is added up or multiplied in a score.
    pub(super) fn roundings(&self) -> usize {
        // Of alternatives there are no more than leaves, and each is a sum that is multiplied and added.
        self.leaves.len() * if self.tree.is_some() { 4 } else { 1 }
    }

    /// The tree, where a score may be less than the sum of what leaves give.
    pub(super) fn combining(&self) -> Option<&Group<usize>> {
        self.tree.as_ref().filter(|tree| tree.combines())
    }

    /// The alternatives of which the best counts, where nothing else is asked for.
    pub(super) fn lone_best(&self) -> Option<&Best<usize>> {
        let tree = self.tree.as_ref().filter(|tree| tree.required.is_empty())?;
        match tree.optional.as_slice() {
            [Node::Best(best)] => Some(best),
            _ => None,
        }
    }

    /// Adds a leaf that stands for some documents and scores nothing; its place is the last.
    fn add_documents(&mut self, documents: Arc<DocumentSet>) -> usize {
        let key = LeafKey::of_set(self.sets.len());
        self.sets.push(PlannedSet::Documents(documents));
        self.leaves.push(Leaf { key, dfs: Vec::new(), scores: true, boost: 0.0 });
        self.leaves.len() - 1
    }
}

impl LeafKey {
    /// That of the leaf for a set, outside of all groups.
    pub(super) fn of_set(place: usize) -> Self {
        LeafKey {
            across: None,
            field: SETS,
            is_phrase: false,
            terms: Terms::new(),
            slop: Slop::Exact,
            path: None,
            character: None,
            set: Some(place),
            group: 0,
        }
    }

    /// Whether positions decide which documents match.
    pub fn is_placed(&self) -> bool {
        self.is_phrase || self.path.is_some()
    }

    /// The terms by which it is found in an index with these pairs.
    pub(super) fn found_by(&self, pairs: &Pairs) -> Vec<PhraseTerm<'_>> {
        if self.is_phrase && self.slop == Slop::Exact {
            return pairs.of_phrase(self.field, &self.terms);
        }
        let field = self.field;
        let terms = self.terms.iter();
        let terms = terms.map(|(term, distance)| (Cow::Borrowed(term.as_str()), *distance));
        terms.map(|(term, distance)| PhraseTerm { field, term, distance }).collect()
    }

    /// Whether both are one clause in a score, be it in several groups.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.across.is_some() { self.across == other.across } else { self.is_twin(other) }
    }

    /// Whether it looks for the same, be it in another group.
    pub(super) fn is_twin(&self, other: &Self) -> bool {
        let parts = |key: &Self| (key.across, key.field, key.is_phrase, key.slop, key.set);
        parts(self) == parts(other)
            && self.terms == other.terms
            && self.path == other.path
            && self.character == other.character
    }
}

impl Leaf {
    /// Whether no live document can match: a term does not occur.
    pub fn is_empty(&self) -> bool {
        self.dfs.contains(&0)
    }
}

/// Terms of a clause with their positions.
pub(super) type Terms = Vec<(String, u32)>;
