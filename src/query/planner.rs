//! The planner: makes the plan of a query for one text index.
//!
//! [`Plan::new`] analyzes the query's clauses with the index's analyzer, finds their fields and paths, merges what is
//! equal, and looks the statistics up.
//!
//! * A clause without a field is a leaf in every field.
//! * Words of several terms: each by itself under `Should`; each required, in whichever field, under `Must`; side by side
//!   under `MustNot`.
//! * A field that the index does not have is read as a word. In an index over everything, fields are paths.
//! * A character of a script that is indexed by pairs, alone, is a leaf for each of the most frequent pairs that it is in.
//! * A word with a distance is a leaf for each of the nearest terms ([`EXPANSIONS_LEN_MAX`] a field). They are as rare as the most
//!   frequent of them, and count the less the further they are. If there are more of them, all together are a set that scores nothing.
//!
//! Invariant: at most [`TERMS_LEN_MAX`] terms come from a query's words. Cost: one look-up for each term and field; for a word with a
//! distance a walk through the terms.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ast::{Clause, Occur, Pattern, Query, Weight};
use super::bm25::{boost_of, idf};
use super::error::{Error, Result};
use super::nesting::{Group, Node};
use super::parser::{Warning, WarningKind};
use super::plan::{
    AcrossKey, Leaf, LeafKey, Place, Plan, PlannedAcross, PlannedField, PlannedFilter, PlannedSet,
    Slop, Terms,
};
use super::value_range;
use crate::fts::{
    self, Analyzer, DocumentSet, Field, FieldId, POSITION_GAP, TermPattern, TextReader, path_term,
};
use crate::lsm;

/// The most terms that a query has after analysis; the rest is dropped with a warning.
pub(crate) const TERMS_LEN_MAX: usize = 1024;

/// The most paths at and below the one of a clause; the rest is not searched, with a warning.
pub(crate) const PATHS_LEN_MAX: usize = 1024;

/// The most clauses of a query for each of which terms or documents are walked (patterns, ranges, constant scores); the rest is
/// dropped with a warning.
pub(crate) const PATTERNS_LEN_MAX: usize = 64;

/// The most terms of a field that score for a word with a distance: the nearest, and of these the most frequent.
pub(crate) const EXPANSIONS_LEN_MAX: usize = 64;

/// The most words of a query that stand for similar ones; the others are looked for as typed.
pub(crate) const SIMILAR_LEN_MAX: usize = 64;

/// The most groups that stand in each other; what is deeper is dropped with a warning.
pub(super) const DEPTH_MAX: usize = 32;

impl Plan {
    /// Plans a query in a collection of so many live documents; the warnings tell what was not taken as written.
    ///
    /// # Errors
    /// [`Error::Filter`] for a filter that is none; no other query is refused. Those of the text index.
    pub fn new(
        reader: &TextReader<'_>,
        documents: u64,
        query: &Query,
    ) -> Result<(Plan, Vec<Warning>)> {
        let mut planner = Planner::new(reader, documents);
        let all = planner.group(query, &Context::default())?;
        let Planned { plan, mut warnings, stop_words } = planner.finish(all)?;
        if plan.leaves.is_empty() {
            warnings.extend(stop_words);
        }
        Ok((plan, warnings))
    }
}

/// What the groups around a clause say about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    pub(super) field: Option<String>,
    /// Fields that words are looked for in as in one, where clauses have none of their own.
    across: Option<Arc<[Place]>>,
    /// What its boost is multiplied by, if not by 1.
    pub(super) boost: Option<f64>,
    /// How many groups there are.
    depth: usize,
}

/// A leaf as a clause asks for it, and its boost, as [`boost_of`] has it.
pub(super) type Asked = (LeafKey, f64);

/// What became of all clauses.
struct Planned {
    plan: Plan,
    warnings: Vec<Warning>,
    /// Warnings that only matter when nothing else is left of the query.
    stop_words: Vec<Warning>,
}

/// Where a clause is looked for.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) places: Vec<Place>,
    /// Whether what stands there scores as in one.
    pub(super) is_across: bool,
}

/// Turns a query into a plan.
pub(super) struct Planner<'p, 'r> {
    pub(super) reader: &'p TextReader<'r>,
    /// Live ones of the collection.
    documents: u64,
    /// What scores across fields, in the order in which it was found.
    across: Vec<AcrossKey>,
    paths: BTreeMap<String, Vec<String>>,
    sets: Vec<PlannedSet>,
    pub(super) terms_left: usize,
    patterns_left: usize,
    similar_left: usize,
    pub(super) warnings: Vec<Warning>,
    /// Warnings that only matter when nothing else is left of the query.
    pub(super) stop_words: Vec<Warning>,
}

impl<'p, 'r> Planner<'p, 'r> {
    fn new(reader: &'p TextReader<'r>, documents: u64) -> Self {
        Planner {
            reader,
            documents,
            across: Vec::new(),
            paths: BTreeMap::new(),
            sets: Vec::new(),
            terms_left: TERMS_LEN_MAX,
            patterns_left: PATTERNS_LEN_MAX,
            similar_left: SIMILAR_LEN_MAX,
            warnings: Vec::new(),
            stop_words: Vec::new(),
        }
    }

    /// What the clauses of a query come to in the groups around it.
    fn group(&mut self, query: &Query, context: &Context) -> Result<Group<Asked>> {
        let mut group = Group::default();
        for clause in &query.clauses {
            let inherited = context
                .field
                .as_ref()
                .filter(|_| clause.field.is_none())
                .map(|field| Clause { field: Some(field.clone()), ..clause.clone() });
            let clause = inherited.as_ref().unwrap_or(clause);
            let around = context.boost.unwrap_or(1.0);
            match self.weight(clause) {
                Weight::Constant(score) => {
                    self.constant(
                        clause,
                        boost_of(f64::from(score) * around),
                        context,
                        &mut group,
                    )?;
                }
                Weight::Boost(boost) => {
                    let boost = f64::from(boost) * around;
                    self.clause(
                        clause,
                        &Context { boost: Some(boost), ..context.clone() },
                        &mut group,
                    )?;
                }
            }
        }
        if self.reader.analyzers().span_words() {
            self.spanning(query, context, &mut group)?;
        }
        Ok(group)
    }

    /// The weight of a clause, within its bounds.
    fn weight(&mut self, clause: &Clause) -> Weight {
        let (Weight::Boost(factor) | Weight::Constant(factor)) = clause.weight;
        if (0.0..=Weight::MAX).contains(&factor) {
            return clause.weight;
        }
        self.warn(WarningKind::WeightOutOfRange, clause);
        // What is no number becomes 0 too.
        let within = if factor > 0.0 { Weight::MAX } else { 0.0 };
        match clause.weight {
            Weight::Boost(_) => Weight::Boost(within),
            Weight::Constant(_) => Weight::Constant(within),
        }
    }

    /// A tie breaker, within its bounds; what is no number is 0.
    fn tie_breaker(&mut self, tie_breaker: f32, clause: &Clause) -> f32 {
        if (0.0..=1.0).contains(&tie_breaker) {
            return tie_breaker;
        }
        self.warn(WarningKind::TieBreakerOutOfRange, clause);
        if tie_breaker > 0.0 { 1.0 } else { 0.0 }
    }

    /// Adds a clause as a set of documents that all score the same.
    fn constant(
        &mut self,
        clause: &Clause,
        boost: f64,
        context: &Context,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        let plain = Clause { weight: Weight::default(), ..clause.clone() };
        if clause.occur == Occur::MustNot {
            // What is excluded has no score.
            return self.clause(&plain, context, into);
        }
        if !self.may_walk(clause) {
            return Ok(());
        }
        let &mut Planner { reader, documents, terms_left, patterns_left, similar_left, .. } = self;
        let mut planner =
            Planner { terms_left, patterns_left, similar_left, ..Planner::new(reader, documents) };
        // Those of fields that the groups around name.
        planner.paths.clone_from(&self.paths);
        let mut asked = Group::default();
        planner.clause(&plain, context, &mut asked)?;
        (self.terms_left, self.patterns_left) = (planner.terms_left, planner.patterns_left);
        self.similar_left = planner.similar_left;
        let Planned { plan, warnings, stop_words } = planner.finish(asked)?;
        self.warnings.extend(warnings);
        self.stop_words.extend(stop_words);
        if !plan.leaves.is_empty() {
            self.add_set(PlannedSet::Query(Box::new(plan)), clause.occur, boost, into);
        }
        Ok(())
    }

    /// Adds a clause whose boost is that of the context.
    fn clause(
        &mut self,
        clause: &Clause,
        context: &Context,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        let boost = boost_of(context.boost.unwrap_or(1.0));
        let text = match &clause.pattern {
            Pattern::Group(_) | Pattern::Across { .. } | Pattern::DisMax { .. } => {
                return self.nested(clause, context, into);
            }
            Pattern::All if clause.field.is_none() => {
                self.add_set(PlannedSet::All, clause.occur, boost, into);
                return Ok(());
            }
            Pattern::All | Pattern::Range { .. } => {
                self.values(clause, boost, into);
                return Ok(());
            }
            Pattern::Filter(source) => {
                let filter = PlannedFilter::new(source.clone()).map_err(Error::Filter)?;
                self.add_set(PlannedSet::Filter(filter), clause.occur, boost, into);
                return Ok(());
            }
            pattern => pattern.text().unwrap_or_default(),
        };
        let Some(scope) = self.scope(clause, context)? else {
            let field = clause.field.clone().unwrap_or_default();
            self.warn(WarningKind::UnknownField { field }, clause);
            return self.clause(&clause.without_field(), context, into);
        };
        match &clause.pattern {
            Pattern::Prefix(_) | Pattern::Wildcard(_) | Pattern::Regex(_) => {
                self.fitting(clause, &scope, boost, into);
            }
            _ => self.words(clause, text, &scope, boost, into)?,
        }
        Ok(())
    }

    /// Adds a clause that has clauses of its own.
    fn nested(
        &mut self,
        clause: &Clause,
        context: &Context,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        if context.depth == DEPTH_MAX {
            self.warn(WarningKind::TooDeep { depth_max: DEPTH_MAX }, clause);
            return Ok(());
        }
        let (field, depth) = (clause.field.clone(), context.depth + 1);
        let context = Context { field, depth, ..context.clone() };
        match &clause.pattern {
            Pattern::Group(query) => {
                let inner = self.group(query, &context)?;
                into.add(clause.occur, inner);
            }
            Pattern::Across { fields, query } => {
                let across = Some(self.places(fields, clause)?);
                let inner = self.group(query, &Context { across, ..context })?;
                into.add(clause.occur, inner);
            }
            Pattern::DisMax { queries, tie_breaker } => {
                let groups = queries.iter().map(|query| self.group(query, &context));
                let groups = groups.collect::<Result<Vec<_>>>()?;
                let tie_breaker = self.tie_breaker(*tie_breaker, clause);
                into.add_best(clause.occur, groups, tie_breaker);
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a clause about the values of a field.
    fn values(&mut self, clause: &Clause, boost: f64, into: &mut Group<Asked>) {
        let Some(field) = &clause.field else {
            let message = "a range of values needs a field".to_owned();
            self.warn(WarningKind::InvalidPattern { message }, clause);
            return;
        };
        let source = match &clause.pattern {
            Pattern::Range { lower, upper } => value_range::filter(field, lower, upper),
            _ => value_range::has_value(field),
        };
        if !self.may_walk(clause) {
            return;
        }
        match PlannedFilter::new(source) {
            Ok(filter) => self.add_set(PlannedSet::Filter(filter), clause.occur, boost, into),
            Err(error) => {
                let message = error.to_string();
                self.warn(WarningKind::InvalidPattern { message }, clause);
            }
        }
    }

    /// A term or a phrase in all of its places.
    pub(super) fn nodes(
        &mut self,
        scope: &Scope,
        terms: &[(String, u32)],
        slop: Slop,
        boost: f64,
    ) -> Vec<Node<Asked>> {
        let keys = scope.keys(terms, slop, boost);
        if !scope.is_across {
            return keys.map(Node::Leaf).collect();
        }
        let (is_phrase, terms) = (terms.len() > 1, terms.to_vec());
        let key = AcrossKey { is_phrase, terms, slop, places: scope.places.clone() };
        let known = self.across.iter().position(|known| *known == key);
        let across = Some(known.unwrap_or(self.across.len()));
        if known.is_none() {
            self.across.push(key);
        }
        let keys = keys.map(|(key, boost)| (LeafKey { across, ..key }, boost));
        vec![Node::Across(keys.collect())]
    }

    /// Adds the documents with a term that fits a clause's pattern: a set for each analyzer and path.
    fn fitting(&mut self, clause: &Clause, scope: &Scope, boost: f64, into: &mut Group<Asked>) {
        if !self.may_walk(clause) {
            return;
        }
        let mut keys = Vec::new();
        for scope in self.by_analyzer(scope) {
            let Some(pattern) = self.pattern(clause, &scope) else { return };
            let mut by_path: BTreeMap<Option<String>, Vec<FieldId>> = BTreeMap::new();
            for (field, path) in &scope.places {
                by_path.entry(path.clone()).or_default().push(*field);
            }
            for (path, fields) in by_path {
                let set = PlannedSet::Terms { fields, path, pattern: pattern.clone() };
                keys.push((self.set_key(set), boost));
            }
        }
        into.add_leaves(clause.occur, keys);
    }

    /// For each term those that are near it.
    pub(super) fn fuzzy(
        &mut self,
        clause: &Clause,
        scope: &Scope,
        terms: Terms,
        (distance, prefix): (u8, bool),
        boost: f64,
    ) -> Result<Vec<Vec<Node<Asked>>>> {
        let mut all = Vec::new();
        for (term, _) in terms {
            if !self.may_walk(clause) {
                break;
            }
            // With all of its characters replaced a word is any word.
            let most = u8::try_from(term.chars().count().saturating_sub(1)).unwrap_or(u8::MAX);
            let pattern = TermPattern::fuzzy(&term, distance.min(most), prefix);
            let keys = self.nearest(scope, &term, &pattern, boost)?;
            all.push(keys.into_iter().map(Node::Leaf).collect());
        }
        Ok(all)
    }

    /// Each term and those that may have been meant by it: with typos, and of the last one with a prefix.
    pub(super) fn similar(
        &mut self,
        scope: &Scope,
        terms: Terms,
        (typos, prefix): (bool, bool),
        boost: f64,
    ) -> Result<Vec<Vec<Node<Asked>>>> {
        let (len, mut all) = (terms.len(), Vec::new());
        for ((term, _), place) in terms.into_iter().zip(1..) {
            let distance = if typos { typos_of(&term) } else { 0 };
            let prefix = prefix && place == len;
            if let Some(nodes) = self.character(scope, &term, boost)? {
                all.push(nodes);
                continue;
            }
            if (distance, prefix) == (0, false) || self.similar_left == 0 {
                all.push(self.nodes(scope, &[(term, 0)], Slop::Exact, boost));
                continue;
            }
            self.similar_left -= 1;
            let pattern = TermPattern::typo(&term, distance, prefix);
            let keys = self.nearest(scope, &term, &pattern, boost)?;
            all.push(keys.into_iter().map(Node::Leaf).collect());
        }
        Ok(all)
    }

    /// Leaves for the terms that fit a pattern, the nearest of which score: `wanted` itself, then the others.
    fn nearest(
        &mut self,
        scope: &Scope,
        wanted: &str,
        pattern: &TermPattern,
        boost: f64,
    ) -> Result<Vec<Asked>> {
        let mut keys = Vec::new();
        for (field, path) in &scope.places {
            let field = *field;
            let (mut found, mut all) = (Vec::new(), DocumentSet::default());
            self.reader.each_term(field, pattern, &mut |term, distance, postings| {
                let df = postings.statistics.df;
                if let (true, Ok(term)) = (df > 0, std::str::from_utf8(term)) {
                    found.push((term != wanted, distance, Reverse(df), term.to_owned()));
                }
                if path.is_none() { all.add(&postings) } else { Ok(()) }
            })?;
            found.sort_unstable();
            if found.len() > EXPANSIONS_LEN_MAX {
                found.truncate(EXPANSIONS_LEN_MAX);
                let all = if let Some(path) = path.clone() {
                    let (path, pattern) = (Some(path), pattern.clone());
                    PlannedSet::Terms { fields: vec![field], path, pattern }
                } else {
                    let (pattern, documents) = (pattern.clone(), Arc::new(all));
                    PlannedSet::Fitting { field, pattern, documents }
                };
                keys.push((self.set_key(all), 0.0));
            }
            let documents = self.reader.statistics(field)?.documents;
            let most = found.iter().map(|(_, _, df, _)| df.0).max().unwrap_or_default();
            for (_, distance, df, term) in found {
                // As rare as the most frequent of them: else typing errors, which are rare, would come first.
                let rarity =
                    idf(documents, most.min(documents)) / idf(documents, df.0.min(documents));
                let nearness = rarity / f64::from(distance + 1);
                let boost = boost_of(boost * nearness);
                let here = Scope { places: vec![(field, path.clone())], is_across: false };
                keys.extend(here.keys(&[(term, 0)], Slop::Exact, boost));
            }
        }
        // A word that nothing comes near is still asked for.
        for key in scope.keys(&[(wanted.to_owned(), 0)], Slop::Exact, boost) {
            if !keys.iter().any(|(known, _)| *known == key.0) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Leaves for the pairs that a character is in, where a field has its script by pairs; `None` for any other word.
    pub(super) fn character(
        &mut self,
        scope: &Scope,
        term: &str,
        boost: f64,
    ) -> Result<Option<Vec<Node<Asked>>>> {
        let analyzers = self.reader.analyzers();
        if !scope.places.iter().any(|&(field, _)| analyzers.is_character(field, term)) {
            return Ok(None);
        }
        let (paired, others): (Vec<Place>, Vec<Place>) = scope
            .places
            .iter()
            .cloned()
            .partition(|&(field, _)| analyzers.is_character(field, term));
        if self.similar_left == 0 {
            return Ok(None);
        }
        self.similar_left -= 1;
        let paired = Scope { places: paired, ..*scope };
        let keys = self.nearest(&paired, term, &TermPattern::character(term), boost)?;
        let others = Scope { places: others, ..*scope };
        let mut nodes = self.nodes(&others, &[(term.to_owned(), 0)], Slop::Exact, boost);
        nodes.extend(keys.into_iter().map(|(key, boost)| {
            let character = key.set.is_none().then(|| term.to_owned());
            Node::Leaf((LeafKey { character, ..key }, boost))
        }));
        Ok(Some(nodes))
    }

    /// Whether terms or documents may be walked for one clause more.
    fn may_walk(&mut self, clause: &Clause) -> bool {
        let may = self.patterns_left > 0;
        self.patterns_left = self.patterns_left.saturating_sub(1);
        let kind = WarningKind::TooManyPatterns { patterns_max: PATTERNS_LEN_MAX };
        if !may && !self.warnings.iter().any(|warning| warning.kind == kind) {
            self.warn(kind, clause);
        }
        may
    }

    /// The pattern of a clause, in terms of the analyzer; `None` when there is none.
    fn pattern(&mut self, clause: &Clause, scope: &Scope) -> Option<TermPattern> {
        let field = scope.places.first().map(|&(field, _)| field);
        let analyzers = self.reader.analyzers();
        let analyzer = field.map_or(analyzers.default(), |field| analyzers.of(field, None));
        let pattern = match &clause.pattern {
            Pattern::Prefix(text) => Ok(TermPattern::prefix(&analyzer.fold(text))),
            Pattern::Wildcard(text) => TermPattern::wildcard(&fold_wildcard(analyzer, text)),
            Pattern::Regex(text) => TermPattern::regex(text),
            _ => return None,
        };
        match pattern {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let message = match error {
                    fts::Error::TermPattern { reason, .. } => reason,
                    other => other.to_string(),
                };
                self.warn(WarningKind::InvalidPattern { message }, clause);
                None
            }
        }
    }

    /// Adds a leaf that stands for a set.
    fn add_set(&mut self, set: PlannedSet, occur: Occur, boost: f64, into: &mut Group<Asked>) {
        into.add_leaves(occur, std::iter::once((self.set_key(set), boost)));
    }

    /// The leaf that stands for a set.
    fn set_key(&mut self, set: PlannedSet) -> LeafKey {
        let known = self.sets.iter().position(|known| *known == set);
        let place = known.unwrap_or(self.sets.len());
        if known.is_none() {
            self.sets.push(set);
        }
        LeafKey::of_set(place)
    }

    /// The fields and the path that a clause names; `None` when the index does not have them.
    pub(super) fn scope(&mut self, clause: &Clause, context: &Context) -> Result<Option<Scope>> {
        let Some(name) = &clause.field else {
            let places = match &context.across {
                Some(places) => places.to_vec(),
                None => self.reader.fields().iter().map(|field| (field.id, None)).collect(),
            };
            // What is excluded has no score.
            let is_across = context.across.is_some() && clause.occur != Occur::MustNot;
            return Ok(Some(Scope { places, is_across }));
        };
        let places = self.places_of(name, clause)?;
        Ok(places.map(|places| Scope { places, is_across: false }))
    }

    /// The fields, or paths, of these names; of none all.
    fn places(&mut self, names: &[String], clause: &Clause) -> Result<Arc<[Place]>> {
        let mut places = BTreeSet::new();
        for name in names {
            match self.places_of(name, clause)? {
                Some(found) => places.extend(found),
                None => self.warn(WarningKind::MissingField { field: name.clone() }, clause),
            }
        }
        if names.is_empty() {
            places.extend(self.reader.fields().iter().map(|field| (field.id, None)));
        }
        Ok(places.into_iter().collect())
    }

    /// The field, or the path in all fields, of this name; `None` when the index does not have it.
    fn places_of(&mut self, name: &str, clause: &Clause) -> Result<Option<Vec<Place>>> {
        let fields = self.reader.fields();
        if fields.iter().any(|field| field.path.is_some()) {
            return Ok(self.reader.field(name).map(|field| vec![(field, None)]));
        }
        let path = path_term(name).to_owned();
        if !self.paths.contains_key(&path) {
            let mut found = self.reader.paths_under(&path, PATHS_LEN_MAX + 1)?;
            if found.is_empty() {
                return Ok(None);
            }
            if found.len() > PATHS_LEN_MAX {
                found.truncate(PATHS_LEN_MAX);
                let field = name.to_owned();
                let kind = WarningKind::TooManyPaths { field, paths_max: PATHS_LEN_MAX };
                self.warn(kind, clause);
            }
            self.paths.insert(path.clone(), found);
        }
        Ok(Some(fields.iter().map(|field| (field.id, Some(path.clone()))).collect()))
    }

    pub(super) fn warn(&mut self, kind: WarningKind, clause: &Clause) {
        self.warnings.push(Warning::new(kind, clause.span.clone()));
    }

    fn finish(self, all: Group<Asked>) -> Result<Planned> {
        let Planner { reader, documents, paths, sets, warnings, stop_words, .. } = self;
        let is_flat = all.is_flat();
        let keys: BTreeSet<&AcrossKey> = self.across.iter().collect();
        let rank = |key: &AcrossKey| keys.iter().take_while(|known| **known < key).count();
        let ranks: Vec<usize> = self.across.iter().map(rank).collect();
        let across = keys.into_iter().map(|key| planned_across(reader, key));
        let across = across.collect::<Result<Vec<_>>>()?;
        let mut asked = Vec::new();
        let all = all.map(&mut |(key, boost), group, scores| {
            let across = key.across.map(|found| ranks[found]);
            let number = asked.len();
            asked.push((LeafKey { across, group, ..key }, number, scores, boost));
            number
        });
        let mut fields = BTreeMap::new();
        for Field { id, path, weight } in reader.fields() {
            let statistics = reader.statistics(*id)?;
            fields.insert(*id, PlannedField { path: path.clone(), weight: *weight, statistics });
        }
        // Each key once, in their order; what asks for it adds up in the order of the query.
        asked.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let mut leaves: Vec<Leaf> = Vec::with_capacity(asked.len());
        let mut places = vec![0; asked.len()];
        for (key, number, scores, boost) in asked {
            if leaves.last().is_none_or(|last| last.key != key) {
                let documents =
                    fields.get(&key.field).map_or(0, |field| field.statistics.documents);
                let dfs = key.terms.iter().map(|(term, _)| df(reader, key.field, term, documents));
                let dfs = dfs.collect::<Result<_>>()?;
                leaves.push(Leaf { key, dfs, scores: false, boost: 0.0 });
            }
            places[number] = leaves.len() - 1;
            if let Some(leaf) = leaves.last_mut().filter(|_| scores) {
                leaf.scores = true;
                leaf.boost += boost;
            }
        }
        let mut all = all.map(&mut |number, _, _| places[number]);
        all.remove_repeated();
        let (required, excluded) = (witnesses(&all), excluded(&all));
        let tree = (!is_flat).then_some(all);
        let plan =
            Plan { fields, paths, leaves, across, documents, sets, required, excluded, tree };
        Ok(Planned { plan, warnings, stop_words })
    }
}

/// In how many characters a word may differ from this one that was typed.
pub(super) fn typos_of(term: &str) -> u8 {
    match term.chars().count() {
        // Another number is another thing.
        _ if term.contains(char::is_numeric) => 0,
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
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
        Node::Group(_) | Node::Best(_) | Node::Across(_) => None,
    });
    let leaves: BTreeSet<usize> = leaves.collect();
    leaves.into_iter().collect()
}

impl Scope {
    /// Its places, of those whose shares are one together.
    pub(super) fn scored_together(&self) -> Vec<Scope> {
        if self.is_across {
            return vec![self.clone()];
        }
        let alone = |place: &Place| Scope { places: vec![place.clone()], is_across: false };
        self.places.iter().map(alone).collect()
    }

    /// A term or phrase in all of its fields.
    fn keys(&self, terms: &[(String, u32)], slop: Slop, boost: f64) -> impl Iterator<Item = Asked> {
        self.places.iter().map(move |(field, path)| {
            let key = LeafKey {
                across: None,
                field: *field,
                is_phrase: terms.len() > 1,
                terms: terms.to_vec(),
                slop,
                path: path.clone(),
                character: None,
                set: None,
                group: 0,
            };
            (key, boost)
        })
    }
}

/// A wildcard pattern whose characters are folded as those of terms are.
fn fold_wildcard(analyzer: &Analyzer, pattern: &str) -> String {
    let (mut folded, mut literal) = (String::new(), String::new());
    let mut chars = pattern.chars();
    let flush = |literal: &mut String, folded: &mut String| {
        for c in analyzer.fold(literal).chars() {
            if matches!(c, '?' | '*' | '\\') {
                folded.push('\\');
            }
            folded.push(c);
        }
        literal.clear();
    };
    while let Some(c) = chars.next() {
        match c {
            '?' | '*' => {
                flush(&mut literal, &mut folded);
                folded.push(c);
            }
            '\\' => literal.push(chars.next().unwrap_or(c)),
            c => literal.push(c),
        }
    }
    flush(&mut literal, &mut folded);
    folded
}

/// Terms at their places, which count from the first; of words in any order the terms, sorted. Neither slop nor terms reach over
/// the gap between two texts.
pub(super) fn placed(terms: Terms, slop: Slop) -> (Terms, Slop) {
    let (terms, slop) = match slop {
        Slop::Exact => (phrase(terms), slop),
        Slop::Ordered(slop) => {
            let terms = phrase(terms);
            let distances = terms.windows(2).map(|pair| pair[1].1 - pair[0].1);
            let widest = distances.max().unwrap_or_default();
            (terms, Slop::Ordered(slop.min(POSITION_GAP - widest)))
        }
        Slop::Any(distance) => {
            let mut terms: Vec<String> = terms.into_iter().map(|(term, _)| term).collect();
            terms.truncate(POSITION_GAP as usize);
            terms.sort_unstable();
            let terms: Terms = terms.into_iter().zip(0..).collect();
            let others = POSITION_GAP + 1 - terms.last().map_or(0, |&(_, place)| place + 1);
            (terms, Slop::Any(distance.min(others)))
        }
    };
    if let [_] = terms.as_slice() { (terms, Slop::Exact) } else { (terms, slop) }
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

/// Finds in how many live documents the terms stand, in whichever of their fields.
fn planned_across(reader: &TextReader<'_>, key: &AcrossKey) -> Result<PlannedAcross> {
    let mut fields: Vec<FieldId> = key.places.iter().map(|&(field, _)| field).collect();
    fields.dedup();
    let mut dfs = Vec::with_capacity(key.terms.len());
    for (term, _) in &key.terms {
        let mut holding = Vec::with_capacity(fields.len());
        for &field in &fields {
            let postings = reader.postings(field, term)?;
            if postings.statistics.df > 0 {
                holding.push(postings);
            }
        }
        if let [] | [_] = holding.as_slice() {
            // Of one field the counter tells.
            dfs.push(holding.first().map_or(0, |postings| postings.statistics.df));
            continue;
        }
        let mut documents = DocumentSet::default();
        for postings in &holding {
            documents.add(postings)?;
        }
        let chunks: Vec<u32> = documents.chunks().map(|(chunk, _)| chunk).collect();
        for chunk in chunks {
            documents.remove_dead(chunk, &*reader.dead(chunk)?);
        }
        dfs.push(documents.len());
    }
    Ok(PlannedAcross { key: key.clone(), dfs })
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
