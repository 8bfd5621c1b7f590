//! The plan of a search: what a query comes to in one text index, as data.
//!
//! [`Plan::new`] analyzes the query's clauses with the index's analyzer, finds their fields and paths, merges what is
//! equal, and looks the statistics up. The searcher evaluates a plan, the highlighter shows what it looks for.
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
//! * A clause without a field is a leaf in every field.
//! * Words of several terms: each by itself under `Should`; each required, in whichever field, under `Must`; side by side
//!   under `MustNot`.
//! * A field that the index does not have is read as a word. In an index over everything, fields are paths.
//! * Groups that cannot be taken apart stay in [`Plan::tree`], and their leaves apart from those of others; required sets and
//!   excluded leaves then hold of every document that matches, but are not all that has to hold.
//!
//! Invariants: leaves are distinct and ascend; at most [`TERMS_LEN_MAX`] terms come from a query. Cost: one look-up for each term
//! and field.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ast::{Clause, Occur, Pattern, Query};
use super::error::Result;
use super::nesting::{Group, Node};
use super::parser::{Warning, WarningKind};
use crate::fts::{self, Field, FieldId, FieldStatistics, POSITION_GAP, TextReader, path_term};
use crate::lsm;

/// The most terms that a query has after analysis; the rest is dropped with a warning.
pub(crate) const TERMS_LEN_MAX: usize = 1024;

/// The most paths at and below the one of a clause; the rest is not searched, with a warning.
pub(crate) const PATHS_LEN_MAX: usize = 1024;

/// The most groups that stand in each other; what is deeper is dropped with a warning.
const DEPTH_MAX: usize = 32;

/// What a query comes to in one text index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The fields of the index that leaves name, with what scoring has to know about them.
    pub fields: BTreeMap<FieldId, PlannedField>,
    /// The paths that leaves are bound to, each with those that the index has at and below it.
    pub paths: BTreeMap<String, Vec<String>>,
    /// All terms and phrases, in canonical order.
    pub leaves: Vec<Leaf>,
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
    /// How many of the query's clauses, or of its group's, ask for it; 0 when it is only excluded.
    pub clauses: u32,
}

/// What tells a leaf from others. The order of the fields makes the derived order the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafKey {
    /// The field.
    pub field: FieldId,
    /// Whether it has several terms.
    pub is_phrase: bool,
    /// The terms, each with its distance in positions from the first.
    pub terms: Vec<(String, u32)>,
    /// The path under which it has to stand, in an index over everything.
    pub path: Option<String>,
    /// In which group of the tree it stands; 0 outside of all.
    pub group: u32,
}

impl Plan {
    /// Plans a query; the warnings tell what was not taken as written.
    ///
    /// # Errors
    /// Those of the text index. No query is refused.
    pub fn new(reader: &TextReader<'_>, query: &Query) -> Result<(Plan, Vec<Warning>)> {
        let mut planner = Planner::new(reader);
        let all = planner.group(query, None, 0)?;
        planner.finish(all)
    }
}

impl LeafKey {
    /// Whether positions decide which documents match.
    pub fn is_placed(&self) -> bool {
        self.is_phrase || self.path.is_some()
    }

    /// Whether it looks for the same, be it in another group.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let parts = |key: &Self| (key.field, key.is_phrase);
        parts(self) == parts(other) && self.terms == other.terms && self.path == other.path
    }
}

impl Leaf {
    /// Whether no live document can match: a term does not occur.
    pub fn is_empty(&self) -> bool {
        self.dfs.contains(&0)
    }
}

/// Where a clause is looked for.
struct Scope {
    fields: Vec<FieldId>,
    path: Option<String>,
}

/// Terms of a clause with their positions.
type Terms = Vec<(String, u32)>;

struct Planner<'p, 'r> {
    reader: &'p TextReader<'r>,
    paths: BTreeMap<String, Vec<String>>,
    terms_left: usize,
    warnings: Vec<Warning>,
    /// Warnings that only matter when nothing else is left of the query.
    stop_words: Vec<Warning>,
}

impl<'p, 'r> Planner<'p, 'r> {
    fn new(reader: &'p TextReader<'r>) -> Self {
        Planner {
            reader,
            paths: BTreeMap::new(),
            terms_left: TERMS_LEN_MAX,
            warnings: Vec::new(),
            stop_words: Vec::new(),
        }
    }

    /// What the clauses of a query come to, those without a field in this one.
    fn group(
        &mut self,
        query: &Query,
        field: Option<&str>,
        depth: usize,
    ) -> Result<Group<LeafKey>> {
        let mut group = Group::default();
        for clause in &query.clauses {
            let inherited = field
                .filter(|_| clause.field.is_none())
                .map(|field| Clause { field: Some(field.to_owned()), ..clause.clone() });
            let clause = inherited.as_ref().unwrap_or(clause);
            match &clause.pattern {
                Pattern::Group(_) if depth == DEPTH_MAX => {
                    self.warn(WarningKind::TooDeep { depth_max: DEPTH_MAX }, clause);
                }
                Pattern::Group(query) => {
                    let inner = self.group(query, clause.field.as_deref(), depth + 1)?;
                    group.add(clause.occur, inner);
                }
                Pattern::Words(text) | Pattern::Phrase(text) => {
                    self.clause(clause, text, &mut group)?;
                }
            }
        }
        Ok(group)
    }

    fn clause(&mut self, clause: &Clause, text: &str, into: &mut Group<LeafKey>) -> Result<()> {
        let Some(scope) = self.scope(clause)? else {
            let field = clause.field.clone().unwrap_or_default();
            self.warn(WarningKind::UnknownField { field }, clause);
            let everywhere = clause.without_field();
            let text = everywhere.pattern.text().unwrap_or_default();
            return self.clause(&everywhere, text, into);
        };
        let terms = self.terms(clause, text);
        if terms.is_empty() {
            return Ok(());
        }
        let side_by_side =
            clause.occur == Occur::MustNot || matches!(clause.pattern, Pattern::Phrase(_));
        if side_by_side {
            into.add_leaves(clause.occur, scope.keys(&phrase(terms)));
        } else {
            for term in terms {
                into.add_leaves(clause.occur, scope.keys(&[(term.0, 0)]));
            }
        }
        Ok(())
    }

    /// The fields and the path that a clause names; `None` when the index does not have them.
    fn scope(&mut self, clause: &Clause) -> Result<Option<Scope>> {
        let fields = self.reader.fields();
        let all = || fields.iter().map(|field| field.id).collect();
        let Some(name) = &clause.field else {
            return Ok(Some(Scope { fields: all(), path: None }));
        };
        if fields.iter().any(|field| field.path.is_some()) {
            let field = self.reader.field(name);
            return Ok(field.map(|field| Scope { fields: vec![field], path: None }));
        }
        let path = path_term(name).to_owned();
        if !self.paths.contains_key(&path) {
            let mut found = self.reader.paths_under(&path, PATHS_LEN_MAX + 1)?;
            if found.is_empty() {
                return Ok(None);
            }
            if found.len() > PATHS_LEN_MAX {
                found.truncate(PATHS_LEN_MAX);
                let kind =
                    WarningKind::TooManyPaths { field: name.clone(), paths_max: PATHS_LEN_MAX };
                self.warn(kind, clause);
            }
            self.paths.insert(path.clone(), found);
        }
        Ok(Some(Scope { fields: all(), path: Some(path) }))
    }

    /// Analyzes a clause, as far as the limit allows.
    fn terms(&mut self, clause: &Clause, text: &str) -> Terms {
        let mut terms = Terms::new();
        let mut found = 0;
        self.reader.analyzer().analyze(text, &mut |token| {
            found += 1;
            if terms.len() < self.terms_left {
                terms.push((token.term.to_owned(), token.position));
            }
        });
        if found == 0 {
            let is_word = text.chars().any(char::is_alphanumeric);
            if clause.occur == Occur::Should && is_word {
                // A stop word of a question: nobody misses it while other words are left.
                self.stop_words.push(Warning::new(WarningKind::NoTerms, clause.span.clone()));
            } else {
                self.warn(WarningKind::NoTerms, clause);
            }
        }
        let too_many =
            |warning: &Warning| matches!(warning.kind, WarningKind::TooManyClauses { .. });
        if found > terms.len() && !self.warnings.iter().any(too_many) {
            self.warn(WarningKind::TooManyClauses { clauses_max: TERMS_LEN_MAX }, clause);
        }
        self.terms_left -= terms.len();
        terms
    }

    fn warn(&mut self, kind: WarningKind, clause: &Clause) {
        self.warnings.push(Warning::new(kind, clause.span.clone()));
    }

    fn finish(self, all: Group<LeafKey>) -> Result<(Plan, Vec<Warning>)> {
        let Planner { reader, paths, mut warnings, stop_words, .. } = self;
        let is_flat = all.is_flat();
        let mut leaves: BTreeMap<LeafKey, u32> = BTreeMap::new();
        let all = all.map(&mut |key, group, scores| {
            let key = LeafKey { group, ..key };
            *leaves.entry(key.clone()).or_default() += u32::from(scores);
            key
        });
        if leaves.is_empty() {
            warnings.extend(stop_words);
        }
        let mut fields = BTreeMap::new();
        for Field { id, path, weight } in reader.fields() {
            let statistics = reader.statistics(*id)?;
            fields.insert(*id, PlannedField { path: path.clone(), weight: *weight, statistics });
        }
        let keys: Vec<&LeafKey> = leaves.keys().collect();
        let place = |key: &LeafKey| {
            keys.binary_search(&key).expect("invariant: every key of a plan is a leaf")
        };
        let all = all.map(&mut |key, _, _| place(&key));
        let mut dfs = HashMap::new();
        let mut planned = Vec::with_capacity(leaves.len());
        for (key, &clauses) in &leaves {
            let documents = fields.get(&key.field).map_or(0, |field| field.statistics.documents);
            let mut of_terms = Vec::with_capacity(key.terms.len());
            for (term, _) in &key.terms {
                let known = dfs.get(&(key.field, term)).copied();
                let df = known.map_or_else(|| df(reader, key.field, term, documents), Ok)?;
                dfs.insert((key.field, term), df);
                of_terms.push(df);
            }
            planned.push(Leaf { key: key.clone(), dfs: of_terms, clauses });
        }
        let (required, excluded) = (witnesses(&all), excluded(&all));
        let tree = (!is_flat).then_some(all);
        Ok((Plan { fields, paths, leaves: planned, required, excluded, tree }, warnings))
    }
}

/// Sets of leaves of which one occurs in every document that matches.
fn witnesses(all: &Group<usize>) -> Vec<Vec<usize>> {
    let witnesses = |set: &Vec<Node<usize>>| {
        let mut witnesses = BTreeSet::new();
        for node in set {
            node.each_witness(&mut |&leaf| {
                witnesses.insert(leaf);
            });
        }
        witnesses.into_iter().collect()
    };
    let sets: BTreeSet<Vec<usize>> = all.required.iter().map(witnesses).collect();
    sets.into_iter().collect()
}

/// Leaves none of which occurs in a document that matches.
fn excluded(all: &Group<usize>) -> Vec<usize> {
    let leaves = all.excluded.iter().filter_map(|node| match node {
        Node::Leaf(leaf) => Some(*leaf),
        Node::Group(_) => None,
    });
    let leaves: BTreeSet<usize> = leaves.collect();
    leaves.into_iter().collect()
}

impl Scope {
    /// A term or phrase in all of its fields.
    fn keys(&self, terms: &[(String, u32)]) -> impl Iterator<Item = LeafKey> {
        self.fields.iter().map(|&field| LeafKey {
            field,
            is_phrase: terms.len() > 1,
            terms: terms.to_vec(),
            path: self.path.clone(),
            group: 0,
        })
    }
}

/// Terms side by side: positions count from the first. Ends where it could reach over the gap between two texts, which
/// takes that many stop words in a row.
fn phrase(terms: Terms) -> Terms {
    let mut pattern = Terms::new();
    let mut before = terms.first().map_or(0, |&(_, position)| position);
    let first = before;
    for (term, position) in terms {
        if position - before > POSITION_GAP {
            break;
        }
        before = position;
        pattern.push((term, position - first));
    }
    pattern
}

/// Number of documents that hold a term in a field of `documents` documents.
fn df(reader: &TextReader<'_>, field: FieldId, term: &str, documents: u64) -> Result<u64> {
    let df = reader.term(field, term)?.df;
    if df > documents {
        let what = format!("counters: {df} documents hold {term:?} in a field of {documents}");
        return Err(fts::Error::Lsm(lsm::Error::corruption(what, 0)).into());
    }
    Ok(df)
}
