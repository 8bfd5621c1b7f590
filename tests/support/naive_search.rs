//! The oracle of searches: scores every live document from its text, with no index. It is slow and obvious.
//!
//! It shares with the engine what is defined elsewhere: the analyzer, the query tree and the walk over a document's
//! strings. Everything of `docs/scoring.md` it does again in its own way, from the words of that page. What a search
//! returns must equal it bit for bit. The module that includes this file imports the names it takes from `super`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds};

use super::{
    Analyzer, BsonError, Clause, Filter, Occur, Pattern, Query, RawBsonRef, RawDocument,
    RawDocumentBuf, Weight, each_string,
};

/// Terms of a field that a misspelt word stands for.
const EXPANSIONS_LEN_MAX: usize = 64;

/// All live documents, in the order in which they were written.
pub(crate) struct NaiveSearch<'a> {
    documents: Vec<Document<'a>>,
    /// Documents that hold each term, of each field.
    dfs: Vec<BTreeMap<String, f64>>,
    analyzer: &'a Analyzer,
    /// The chosen paths with their weights; `None` for an index over everything.
    chosen: Option<Vec<(String, f32)>>,
}

/// A document with the texts of each field.
struct Document<'a> {
    document: &'a RawDocumentBuf,
    fields: Vec<Vec<Text>>,
}

/// An analyzed string.
struct Text {
    path: String,
    tokens: Vec<(String, u32)>,
    /// Whether it has a word, stop words included.
    has_words: bool,
}

/// What a clause comes to in one field. Sorted, these are in the order in which scores are summed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    field: usize,
    is_phrase: bool,
    /// With distances from the first.
    terms: Vec<(String, u32)>,
    slop: Slop,
    path: Option<String>,
}

/// What a clause comes to in several fields that are taken for one. Sorted, these are in the order in which scores are summed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Across {
    is_phrase: bool,
    terms: Vec<(String, u32)>,
    slop: Slop,
    places: Scope,
}

/// How the terms of a phrase may stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slop {
    Exact,
    Ordered(u32),
    Any(u32),
}

/// What may hold for a document.
enum Part {
    /// A condition, and how much it is boosted.
    Condition(Condition, f64),
    /// Conditions in several fields that score as one, and how much it is boosted.
    Across(Across, f64),
    /// A query in the place of a condition.
    Group(Conditions),
    /// Queries of which the best counts in full, and the others in part.
    Best(Vec<Conditions>, f32),
    /// What scores the same wherever it holds.
    Constant(Test, f64),
}

/// What has no score of its own.
enum Test {
    All,
    Conditions(Conditions),
    /// A term of one of some fields and paths.
    Term(Scope, Box<dyn Fn(&str) -> bool>),
    /// Something that the document says.
    Document(DocumentTest),
}

type DocumentTest = Box<dyn Fn(&RawDocument) -> bool>;

/// Fields, with a path.
type Scope = Vec<(usize, Option<String>)>;

/// What the groups around a clause say.
#[derive(Clone, Default)]
struct Around {
    field: Option<String>,
    across: Option<Scope>,
}

/// How words are compared that need not be the same.
#[derive(Clone, Copy)]
struct Measure {
    most: usize,
    /// Whether the beginning of a word is enough.
    prefix: bool,
    /// Whether another first character is one difference more.
    first_counts_twice: bool,
}

/// What a query comes to. Of each part of `must` some alternatives have to hold.
#[derive(Default)]
struct Conditions {
    should: Vec<Part>,
    must: Vec<Vec<Part>>,
    must_not: Vec<Part>,
}

/// A search that scores documents.
struct NaiveScoring<'s, 'a> {
    search: &'s NaiveSearch<'a>,
    parameters: &'s NaiveParameters,
    averages: Vec<f32>,
    /// Of conditions with their boosts, which many documents have in common.
    weights: BTreeMap<(Condition, u64), f32>,
    across_weights: BTreeMap<(Across, u64), f32>,
}

/// What holds for a document.
#[derive(Default)]
struct Sums<'c> {
    boosts: BTreeMap<Condition, f64>,
    across: BTreeMap<Across, f64>,
    bests: Vec<(&'c [Conditions], f32)>,
    constant: f64,
}

/// The score's parameters.
pub(crate) struct NaiveParameters {
    pub(crate) k1: f32,
    pub(crate) b: f32,
}

impl<'a> NaiveSearch<'a> {
    pub(crate) fn new(
        analyzer: &'a Analyzer,
        chosen: Option<Vec<(String, f32)>>,
        documents: impl IntoIterator<Item = &'a RawDocumentBuf>,
    ) -> Self {
        let paths: Vec<Option<&str>> = match &chosen {
            None => vec![None],
            Some(chosen) => chosen.iter().map(|(path, _)| Some(path.as_str())).collect(),
        };
        let analyzed = |document: &'a RawDocumentBuf| Document {
            document,
            fields: paths.iter().map(|path| texts(analyzer, document, *path)).collect(),
        };
        let documents: Vec<Document<'_>> = documents.into_iter().map(analyzed).collect();
        let mut dfs = vec![BTreeMap::new(); paths.len()];
        for document in &documents {
            for (dfs, texts) in dfs.iter_mut().zip(&document.fields) {
                let tokens = texts.iter().flat_map(|text| &text.tokens);
                let terms: BTreeSet<&String> = tokens.map(|(term, _)| term).collect();
                for term in terms {
                    *dfs.entry(term.clone()).or_default() += 1.0;
                }
            }
        }
        NaiveSearch { documents, dfs, analyzer, chosen }
    }

    /// Every match with its score, in the order of the results.
    pub(crate) fn search(
        &self,
        query: &Query,
        parameters: &NaiveParameters,
    ) -> Vec<(&'a RawDocumentBuf, f32)> {
        let conditions = self.conditions(query, &Around::default(), 1.0);
        let mut scoring = NaiveScoring {
            search: self,
            parameters,
            averages: (0..self.fields_len()).map(|field| self.average_length(field)).collect(),
            weights: BTreeMap::new(),
            across_weights: BTreeMap::new(),
        };
        let mut found = Vec::new();
        for document in self.documents.iter().filter(|document| matches(&conditions, document)) {
            found.push((document.document, scoring.score(&conditions, document)));
        }
        // Stable, so equal scores keep the order of writing.
        found.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        found
    }

    fn weight(&self, condition: &Condition, boost: f64) -> f32 {
        let terms = condition.terms.iter();
        let idf: f64 = terms.map(|(term, _)| self.idf(condition.field, term)).sum();
        rounded(f64::from(self.field_weight(condition.field)) * boost * idf)
    }

    fn field_weight(&self, field: usize) -> f32 {
        self.chosen.as_ref().map_or(1.0, |chosen| chosen[field].1)
    }

    fn idf(&self, field: usize, term: &str) -> f64 {
        self.idf_of(field, self.df(field, term))
    }

    fn idf_of(&self, field: usize, df: f64) -> f64 {
        let documents = self.count(|document| length(document, field) > 0);
        (1.0 + (documents - df + 0.5) / (df + 0.5)).ln()
    }

    /// Of all documents, and those that have a term in any field.
    fn idf_across(&self, across: &Across) -> f64 {
        let documents = self.count(|_| true);
        let idf = |(term, _): &(String, u32)| {
            let df = self.count(|document| {
                let mut texts = across.places.iter().flat_map(|place| &document.fields[place.0]);
                texts.any(|text| text.tokens.iter().any(|(token, _)| token == term))
            });
            (1.0 + (documents - df + 0.5) / (df + 0.5)).ln()
        };
        across.terms.iter().map(idf).sum()
    }

    fn df(&self, field: usize, term: &str) -> f64 {
        self.dfs[field].get(term).copied().unwrap_or_default()
    }

    /// What a word comes to that stands for those near it.
    fn near(&self, scope: &Scope, wanted: &str, measure: Measure, boost: f64) -> Vec<Part> {
        let mut near = Vec::new();
        for place in scope {
            for (term, nearness) in self.nearest(place.0, wanted, measure) {
                near.push(alternative_in(place, &term, boost * nearness));
            }
            let wanted = wanted.to_owned();
            let fits = move |term: &str| measure.distance(&wanted, term) <= measure.most;
            let all = Test::Term(vec![place.clone()], Box::new(fits));
            near.push(Part::Constant(all, 0.0));
        }
        near
    }

    /// The terms nearest to one, which comes first itself, and how much each is boosted.
    /// No other term of such a distance counts, though it matches.
    fn nearest(&self, field: usize, wanted: &str, measure: Measure) -> Vec<(String, f64)> {
        let mut near: Vec<(usize, f64, &str)> = self.dfs[field]
            .iter()
            .map(|(term, df)| (measure.distance(wanted, term), *df, term.as_str()))
            .filter(|&(distance, ..)| distance <= measure.most)
            .collect();
        near.sort_by(|left, right| {
            let others = (left.2 != wanted).cmp(&(right.2 != wanted));
            others
                .then(left.0.cmp(&right.0))
                .then(right.1.total_cmp(&left.1))
                .then(left.2.cmp(right.2))
        });
        near.truncate(EXPANSIONS_LEN_MAX);
        let most_frequent = near.iter().map(|near| near.1).fold(0.0, f64::max);
        let boost = |(distance, df, _): &(usize, f64, &str)| {
            let nearness = f64::from(u32::try_from(*distance).unwrap() + 1);
            self.idf_of(field, most_frequent) / self.idf_of(field, *df) / nearness
        };
        near.iter().map(|near| (near.2.to_owned(), boost(near))).collect()
    }

    fn average_length(&self, field: usize) -> f32 {
        let total: f64 =
            self.documents.iter().map(|document| f64::from(length(document, field))).sum();
        rounded(total / self.count(|document| length(document, field) > 0))
    }

    fn count(&self, holds: impl Fn(&Document<'_>) -> bool) -> f64 {
        self.documents.iter().map(|document| f64::from(u8::from(holds(document)))).sum()
    }

    /// What the clauses come to, those without a field in this one.
    fn conditions(&self, query: &Query, around: &Around, boost: f64) -> Conditions {
        let mut conditions = Conditions::default();
        for clause in &query.clauses {
            let field = clause.field.as_ref().or(around.field.as_ref()).cloned();
            let clause = Clause { field, ..clause.clone() };
            match clause.weight {
                Weight::Constant(score) if clause.occur != Occur::MustNot => {
                    let mut of_clause = Conditions::default();
                    let plain = Clause { weight: Weight::default(), ..clause.clone() };
                    self.clause(&plain, around, 1.0, &mut of_clause);
                    if !of_clause.is_empty() {
                        let score = f64::from(score) * boost;
                        let part = Part::Constant(Test::Conditions(of_clause), score);
                        conditions.add(clause.occur, vec![part]);
                    }
                }
                Weight::Constant(_) => self.clause(&clause, around, boost, &mut conditions),
                Weight::Boost(factor) => {
                    self.clause(&clause, around, boost * f64::from(factor), &mut conditions);
                }
            }
        }
        conditions
    }

    fn fields_len(&self) -> usize {
        self.chosen.as_ref().map_or(1, Vec::len)
    }

    /// Fields, with a path, in which a clause is looked for; `None` when there is no such field.
    fn scope(&self, clause: &Clause, around: &Around) -> Option<Scope> {
        let Some(name) = &clause.field else {
            let all = || (0..self.fields_len()).map(|field| (field, None)).collect();
            return Some(around.across.clone().unwrap_or_else(all));
        };
        self.places_of(name)
    }

    fn places_of(&self, name: &String) -> Option<Scope> {
        let Some(chosen) = &self.chosen else {
            let is_known = |text: &Text| text.has_words && is_under(&text.path, name);
            let known =
                self.documents.iter().any(|document| document.fields[0].iter().any(is_known));
            return known.then(|| vec![(0, Some(name.clone()))]);
        };
        chosen.iter().position(|(path, _)| path == name).map(|field| vec![(field, None)])
    }

    fn clause(&self, clause: &Clause, around: &Around, boost: f64, conditions: &mut Conditions) {
        let inside = Around { field: clause.field.clone(), ..around.clone() };
        match &clause.pattern {
            Pattern::Group(query) => {
                let group = self.conditions(query, &inside, boost);
                if !(group.is_empty() && group.must_not.is_empty()) {
                    conditions.add(clause.occur, vec![Part::Group(group)]);
                }
                return;
            }
            Pattern::Across { fields, query } => {
                let mut places: Scope =
                    fields.iter().filter_map(|name| self.places_of(name)).flatten().collect();
                if fields.is_empty() {
                    places = (0..self.fields_len()).map(|field| (field, None)).collect();
                }
                places.sort();
                places.dedup();
                let group =
                    self.conditions(query, &Around { across: Some(places), ..inside }, boost);
                if !(group.is_empty() && group.must_not.is_empty()) {
                    conditions.add(clause.occur, vec![Part::Group(group)]);
                }
                return;
            }
            Pattern::DisMax { queries, tie_breaker } => {
                let groups = queries.iter();
                let groups = groups.map(|query| self.conditions(query, &inside, boost));
                let groups: Vec<Conditions> = groups
                    .filter(|group| !(group.is_empty() && group.must_not.is_empty()))
                    .collect();
                if !groups.is_empty() {
                    conditions.add(clause.occur, vec![Part::Best(groups, *tie_breaker)]);
                }
                return;
            }
            Pattern::All if clause.field.is_none() => {
                conditions.add(clause.occur, vec![Part::Constant(Test::All, boost)]);
                return;
            }
            Pattern::All | Pattern::Range { .. } | Pattern::Filter(_) => {
                if let Some(test) = document_test(clause) {
                    conditions.add(clause.occur, vec![Part::Constant(Test::Document(test), boost)]);
                }
                return;
            }
            _ => {}
        }
        let is_across = around.across.is_some() && clause.field.is_none();
        match self.scope(clause, around) {
            Some(scope) => self.scoped(clause, (&scope, is_across), boost, conditions),
            None => self.clause(&clause.without_field(), around, boost, conditions),
        }
    }

    fn scoped(
        &self,
        clause: &Clause,
        (scope, is_across): (&Scope, bool),
        boost: f64,
        conditions: &mut Conditions,
    ) {
        let text = clause.pattern.text().unwrap();
        let fold = |text: &str| self.analyzer.fold(text);
        let fits: Box<dyn Fn(&str) -> bool> = match &clause.pattern {
            Pattern::Prefix(_) => {
                let beginning = fold(text);
                Box::new(move |term| term.starts_with(&beginning))
            }
            Pattern::Wildcard(_) => {
                let pattern: Vec<char> = fold(text).chars().collect();
                Box::new(move |term| fits_wildcard(&pattern, &term.chars().collect::<Vec<_>>()))
            }
            Pattern::Regex(_) => {
                let regex = regex::Regex::new(&format!("(?i)^(?:{text})$")).unwrap();
                Box::new(move |term| regex.is_match(term))
            }
            _ => return self.words(clause, text, (scope, is_across), boost, conditions),
        };
        // For each path a set of its own.
        let fits: std::rc::Rc<dyn Fn(&str) -> bool> = fits.into();
        let paths: BTreeSet<&Option<String>> = scope.iter().map(|(_, path)| path).collect();
        let of_path = |of: &Option<String>| {
            let scope = scope.iter().filter(|(_, path)| path == of).cloned().collect();
            let fits = std::rc::Rc::clone(&fits);
            Part::Constant(Test::Term(scope, Box::new(move |term| fits(term))), boost)
        };
        conditions.add(clause.occur, paths.into_iter().map(of_path).collect());
    }

    fn words(
        &self,
        clause: &Clause,
        text: &str,
        (scope, is_across): (&Scope, bool),
        boost: f64,
        conditions: &mut Conditions,
    ) {
        let mut tokens = Vec::new();
        self.analyzer.analyze(text, &mut |token| {
            tokens.push((token.term.to_owned(), token.position));
        });
        let Some(&(_, first)) = tokens.first() else { return };
        let alternatives = |terms: &[(String, u32)], slop: Slop, boost: f64| -> Vec<Part> {
            let (is_phrase, all) = (terms.len() > 1, terms.to_vec());
            let slop = if is_phrase { slop } else { Slop::Exact };
            if is_across && clause.occur != Occur::MustNot {
                let across = Across { is_phrase, terms: all, slop, places: scope.clone() };
                return vec![Part::Across(across, in_parts(boost))];
            }
            let condition = |(field, path): &(usize, Option<String>)| Condition {
                field: *field,
                is_phrase: terms.len() > 1,
                terms: terms.to_vec(),
                slop,
                path: path.clone(),
            };
            scope.iter().map(condition).map(|one| Part::Condition(one, in_parts(boost))).collect()
        };
        let phrase: Vec<_> =
            tokens.iter().map(|(term, position)| (term.clone(), position - first)).collect();
        let parts = match clause.pattern {
            Pattern::Words(_) if clause.occur != Occur::MustNot => {
                for (term, _) in tokens {
                    conditions.add(clause.occur, alternatives(&[(term, 0)], Slop::Exact, boost));
                }
                return;
            }
            Pattern::Fuzzy { distance, prefix, .. } => {
                for (term, _) in tokens {
                    // One character stays at least.
                    let most = usize::from(distance).min(term.chars().count() - 1);
                    let measure = Measure { most, prefix, first_counts_twice: false };
                    conditions.add(clause.occur, self.near(scope, &term, measure, boost));
                }
                return;
            }
            Pattern::Similar { typos, prefix, .. } if clause.occur != Occur::MustNot => {
                let last = tokens.len() - 1;
                for (place, (term, _)) in tokens.into_iter().enumerate() {
                    let most = match term.chars().count() {
                        4..8 if typos && !term.chars().any(char::is_numeric) => 1,
                        8.. if typos && !term.chars().any(char::is_numeric) => 2,
                        _ => 0,
                    };
                    let prefix = prefix && place == last;
                    let measure = Measure { most, prefix, first_counts_twice: true };
                    let parts = if is_across && (most, prefix) == (0, false) {
                        alternatives(&[(term, 0)], Slop::Exact, boost)
                    } else {
                        self.near(scope, &term, measure, boost)
                    };
                    conditions.add(clause.occur, parts);
                }
                return;
            }
            Pattern::Phrase { slop, .. } if slop > 0 => {
                alternatives(&phrase, Slop::Ordered(slop), boost)
            }
            Pattern::Near { distance, .. } => {
                let mut terms: Vec<String> = tokens.into_iter().map(|(term, _)| term).collect();
                terms.sort_unstable();
                let terms: Vec<_> = terms.into_iter().zip(0..).collect();
                alternatives(&terms, Slop::Any(distance), boost)
            }
            _ => alternatives(&phrase, Slop::Exact, boost),
        };
        conditions.add(clause.occur, parts);
    }
}

fn alternative_in((field, path): &(usize, Option<String>), term: &str, boost: f64) -> Part {
    let condition = Condition {
        field: *field,
        is_phrase: false,
        terms: vec![(term.to_owned(), 0)],
        slop: Slop::Exact,
        path: path.clone(),
    };
    Part::Condition(condition, in_parts(boost))
}

impl NaiveScoring<'_, '_> {
    /// The score of a document that matches.
    fn score(&mut self, conditions: &Conditions, document: &Document<'_>) -> f32 {
        // Equal clauses are merged and their boosts add.
        let mut sums = Sums::default();
        add_up(conditions, document, &mut sums);
        let mut score = 0.0_f32;
        for (condition, boost) in sums.boosts {
            let frequency = rounded(f64::from(frequency(document, &condition)));
            let length = stored_length(length(document, condition.field));
            let ratio = rounded(f64::from(length)) / self.averages[condition.field];
            let NaiveParameters { k1, b } = self.parameters;
            let norm = k1 * ((1.0 - b) + b * ratio);
            let weight = *self
                .weights
                .entry((condition, boost.to_bits()))
                .or_insert_with_key(|(condition, _)| self.search.weight(condition, boost));
            score += weight * (frequency / (frequency + norm));
        }
        for (across, boost) in sums.across {
            score += self.across(&across, boost, document);
        }
        let mut bests: Vec<f32> = sums
            .bests
            .into_iter()
            .map(|(alternatives, tie_breaker)| self.best(alternatives, tie_breaker, document))
            .collect();
        bests.sort_by(|left, right| right.total_cmp(left));
        bests.iter().fold(score, |sum, best| sum + best) + rounded(sums.constant)
    }

    /// What a term or a phrase gives in several fields: BM25F.
    fn across(&mut self, across: &Across, boost: f64, document: &Document<'_>) -> f32 {
        let NaiveParameters { k1, b } = self.parameters;
        let mut sum = 0.0_f64;
        for condition in across.conditions() {
            let frequency = f64::from(frequency(document, &condition));
            if frequency > 0.0 {
                let length = stored_length(length(document, condition.field));
                let ratio = rounded(f64::from(length)) / self.averages[condition.field];
                let factor = (1.0 - b) + b * ratio;
                let weight = f64::from(self.search.field_weight(condition.field));
                sum += weight * frequency / f64::from(factor);
            }
        }
        let key = (across.clone(), boost.to_bits());
        let weight = *self
            .across_weights
            .entry(key)
            .or_insert_with_key(|(across, _)| rounded(boost * self.search.idf_across(across)));
        weight * rounded(sum / (f64::from(*k1) + sum))
    }

    /// What queries give of which the best counts.
    fn best(&mut self, queries: &[Conditions], tie_breaker: f32, document: &Document<'_>) -> f32 {
        let matching = queries.iter().filter(|conditions| matches(conditions, document));
        let mut scores: Vec<f32> =
            matching.map(|conditions| self.score(conditions, document)).collect();
        scores.sort_by(|left, right| right.total_cmp(left));
        scores[0] + tie_breaker * scores[1..].iter().fold(0.0_f32, |sum, score| sum + score)
    }
}

impl Across {
    fn conditions(&self) -> impl Iterator<Item = Condition> {
        self.places.iter().map(|(field, path)| Condition {
            field: *field,
            is_phrase: self.is_phrase,
            terms: self.terms.clone(),
            slop: self.slop,
            path: path.clone(),
        })
    }
}

impl Measure {
    fn distance(self, wanted: &str, term: &str) -> usize {
        let differs = wanted.chars().next() != term.chars().next();
        let more = usize::from(self.first_counts_twice && differs);
        edits(wanted, term, self.prefix) + more
    }
}

impl Conditions {
    /// Whether nothing is asked for.
    fn is_empty(&self) -> bool {
        self.should.is_empty() && self.must.is_empty()
    }

    /// Adds alternatives.
    fn add(&mut self, occur: Occur, parts: Vec<Part>) {
        match occur {
            Occur::Should => self.should.extend(parts),
            Occur::Must => self.must.push(parts),
            Occur::MustNot => self.must_not.extend(parts),
        }
    }
}

/// What a clause says about documents rather than words.
fn document_test(clause: &Clause) -> Option<DocumentTest> {
    if let Pattern::Filter(filter) = &clause.pattern {
        let filter = Filter::try_from(filter).unwrap();
        return Some(Box::new(move |document| filter.matches(document).unwrap()));
    }
    let path = clause.field.clone()?;
    let Pattern::Range { lower, upper } = clause.pattern.clone() else {
        return Some(Box::new(move |document| value_at(document, &path).is_some()));
    };
    let number = |bound: Bound<String>| bound.map(|text| text.parse::<i32>().unwrap());
    let range = (number(lower), number(upper));
    Some(Box::new(move |document| {
        value_at(document, &path).and_then(RawBsonRef::as_i32).is_some_and(|at| range.contains(&at))
    }))
}

/// The value at a path, where no array lies on the way.
fn value_at<'d>(document: &'d RawDocument, path: &str) -> Option<RawBsonRef<'d>> {
    let (first, rest) =
        path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = document.get(first).unwrap()?;
    rest.map_or(Some(value), |rest| value_at(value.as_document()?, rest))
}

/// Boosts count in parts of 1.
fn in_parts(boost: f64) -> f64 {
    (boost * 1_048_576.0).round() / 1_048_576.0
}

/// Whether a pattern of `?`, `*` and characters fits the whole term.
fn fits_wildcard(pattern: &[char], term: &[char]) -> bool {
    match (pattern, term) {
        ([], rest) => rest.is_empty(),
        (['*', behind @ ..], rest) => {
            (0..=rest.len()).any(|skipped| fits_wildcard(behind, &rest[skipped..]))
        }
        (['?', behind @ ..], [_, rest @ ..]) => fits_wildcard(behind, rest),
        ([one, behind @ ..], [other, rest @ ..]) => one == other && fits_wildcard(behind, rest),
        (_, []) => false,
    }
}

/// Insertions, deletions, replacements and exchanges of neighbours that make `term`, or its beginning, of `wanted`.
pub(crate) fn edits(wanted: &str, term: &str, prefix: bool) -> usize {
    let [wanted, term] = [wanted, term].map(|text| text.chars().collect::<Vec<char>>());
    let mut table = vec![vec![0; term.len() + 1]; wanted.len() + 1];
    for i in 0..=wanted.len() {
        for j in 0..=term.len() {
            let mut least = if i == 0 {
                j
            } else if j == 0 {
                i
            } else {
                usize::MAX
            };
            if i > 0 && j > 0 {
                let differ = usize::from(wanted[i - 1] != term[j - 1]);
                least = (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(table[i - 1][j - 1] + differ);
            }
            if i > 1 && j > 1 && wanted[i - 1] == term[j - 2] && wanted[i - 2] == term[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    let last = &table[wanted.len()];
    if prefix { *last.iter().min().unwrap() } else { last[term.len()] }
}

fn texts(analyzer: &Analyzer, document: &RawDocument, chosen: Option<&str>) -> Vec<Text> {
    let mut texts = Vec::new();
    let walked = each_string(document, &mut |path, text| {
        if chosen.is_none_or(|chosen| chosen == path) {
            let mut tokens = Vec::new();
            let positions = analyzer.analyze(text, &mut |token| {
                tokens.push((token.term.to_owned(), token.position));
            });
            texts.push(Text { path: path.to_owned(), tokens, has_words: positions > 0 });
        }
        Ok::<(), BsonError>(())
    });
    walked.expect("invariant: documents of tests are valid");
    texts
}

fn matches(conditions: &Conditions, document: &Document<'_>) -> bool {
    let holds = |part: &Part| holds(part, document);
    let asked = if conditions.must.is_empty() {
        conditions.should.iter().any(holds)
    } else {
        conditions.must.iter().all(|alternatives| alternatives.iter().any(holds))
    };
    asked && !conditions.must_not.iter().any(holds)
}

fn holds(part: &Part, document: &Document<'_>) -> bool {
    match part {
        Part::Condition(condition, _) => frequency(document, condition) > 0,
        Part::Across(across, _) => across.conditions().any(|one| frequency(document, &one) > 0),
        Part::Group(group) | Part::Constant(Test::Conditions(group), _) => matches(group, document),
        Part::Best(groups, _) => groups.iter().any(|group| matches(group, document)),
        Part::Constant(Test::All, _) => true,
        Part::Constant(Test::Document(test), _) => test(document.document),
        Part::Constant(Test::Term(scope, fits), _) => scope.iter().any(|(field, path)| {
            let texts = document.fields[*field].iter();
            let below = |text: &&Text| path.as_ref().is_none_or(|path| is_under(&text.path, path));
            texts.filter(below).flat_map(|text| &text.tokens).any(|(term, _)| fits(term))
        }),
    }
}

/// Adds up the boosts of each condition that holds, of a query and of groups that match, and all constant scores; what is scored
/// apart is listed.
fn add_up<'c>(conditions: &'c Conditions, document: &Document<'_>, sums: &mut Sums<'c>) {
    let parts = conditions.must.iter().flatten().chain(&conditions.should);
    for part in parts.filter(|part| holds(part, document)) {
        match part {
            Part::Condition(condition, boost) => {
                *sums.boosts.entry(condition.clone()).or_default() += boost;
            }
            Part::Across(across, boost) => {
                *sums.across.entry(across.clone()).or_default() += boost;
            }
            Part::Group(group) => add_up(group, document, sums),
            // One query alone is a group.
            Part::Best(groups, _) if groups.len() == 1 => add_up(&groups[0], document, sums),
            Part::Best(groups, tie_breaker) => sums.bests.push((groups, *tie_breaker)),
            Part::Constant(_, score) => sums.constant += score,
        }
    }
}

fn frequency(document: &Document<'_>, condition: &Condition) -> u32 {
    let mut frequency = 0;
    for text in &document.fields[condition.field] {
        if condition.path.as_ref().is_some_and(|path| !is_under(&text.path, path)) {
            continue;
        }
        let mut behind = 0;
        for (_, start) in &text.tokens {
            match condition.slop {
                Slop::Exact => {
                    let stands =
                        |(term, distance): &(String, u32)| holds_at(text, term, start + distance);
                    frequency += u32::from(condition.terms.iter().all(stands));
                }
                _ if *start < behind => {}
                Slop::Ordered(slop) => {
                    let last = condition.terms.last().unwrap().1;
                    let end = end_in_order(text, &condition.terms, *start);
                    if let Some(end) = end.filter(|end| end - start <= last + slop) {
                        (frequency, behind) = (frequency + 1, end + 1);
                    }
                }
                Slop::Any(distance) => {
                    let len = u32::try_from(condition.terms.len()).unwrap();
                    let end = (*start..*start + len + distance)
                        .find(|end| stand_between(text, &condition.terms, *start, *end));
                    let begins =
                        condition.terms.iter().any(|(term, _)| holds_at(text, term, *start));
                    if let (Some(end), true) = (end, begins) {
                        (frequency, behind) = (frequency + 1, end + 1);
                    }
                }
            }
        }
    }
    frequency
}

fn holds_at(text: &Text, term: &str, at: u32) -> bool {
    text.tokens.iter().any(|(token, position)| token == term && *position == at)
}

/// Where terms in their order that begin at `start` end the earliest.
fn end_in_order(text: &Text, terms: &[(String, u32)], start: u32) -> Option<u32> {
    let [(first, distance), rest @ ..] = terms else { return None };
    if !holds_at(text, first, start) {
        return None;
    }
    let Some((_, next)) = rest.first() else { return Some(start) };
    let ends = text.tokens.iter().filter(|(_, position)| *position >= start + (next - distance));
    ends.filter_map(|(_, position)| end_in_order(text, rest, *position)).min()
}

/// Whether all terms stand between two positions, each as often as it is asked for.
fn stand_between(text: &Text, terms: &[(String, u32)], first: u32, last: u32) -> bool {
    terms.iter().all(|(term, _)| {
        let wanted = terms.iter().filter(|(other, _)| other == term).count();
        let between = text
            .tokens
            .iter()
            .filter(|(token, position)| token == term && (first..=last).contains(position));
        between.count() >= wanted
    })
}

fn length(document: &Document<'_>, field: usize) -> u32 {
    let tokens: usize = document.fields[field].iter().map(|text| text.tokens.len()).sum();
    u32::try_from(tokens).expect("invariant: documents of tests are short")
}

/// A length as its one byte tells it: what is above 24 keeps its four leading bits.
fn stored_length(length: u32) -> u32 {
    let Some(mut rest) = length.checked_sub(24) else { return length };
    let mut step = 1;
    while rest >= 16 {
        rest /= 2;
        step *= 2;
    }
    24 + rest * step
}

fn is_under(path: &str, above: &str) -> bool {
    path == above || path.starts_with(&format!("{above}."))
}

#[expect(clippy::cast_possible_truncation, reason = "the definition rounds to f32 here")]
fn rounded(value: f64) -> f32 {
    value as f32
}
