//! The oracle of searches: scores every live document from its text, with no index. It is slow and obvious.
//!
//! It shares with the engine what is defined elsewhere: the analyzer, the query tree and the walk over a document's
//! strings. Everything of `docs/scoring.md` it does again in its own way, from the words of that page. What a search
//! returns must equal it bit for bit. The module that includes this file imports the names it takes from `super`.

use std::collections::BTreeMap;

use super::{
    Analyzer, BsonError, Clause, Occur, Pattern, Query, RawDocument, RawDocumentBuf, each_string,
};

/// All live documents, in the order in which they were written.
pub(crate) struct NaiveSearch<'a> {
    documents: Vec<Document<'a>>,
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
    path: Option<String>,
}

/// A condition, or a query in its place.
enum Part {
    Condition(Condition),
    Group(Conditions),
}

/// What a query comes to. Of each part of `must` some alternatives have to hold.
#[derive(Default)]
struct Conditions {
    should: Vec<Part>,
    must: Vec<Vec<Part>>,
    must_not: Vec<Part>,
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
        let documents = documents.into_iter().map(analyzed).collect();
        NaiveSearch { documents, analyzer, chosen }
    }

    /// Every match with its score, in the order of the results.
    pub(crate) fn search(
        &self,
        query: &Query,
        parameters: &NaiveParameters,
    ) -> Vec<(&'a RawDocumentBuf, f32)> {
        let conditions = self.conditions(query, None);
        let averages: Vec<f32> =
            (0..self.fields_len()).map(|field| self.average_length(field)).collect();
        let mut weights: BTreeMap<(Condition, u32), f32> = BTreeMap::new();
        let mut found = Vec::new();
        for document in self.documents.iter().filter(|document| matches(&conditions, document)) {
            // Equal clauses are merged and their weights add.
            let mut clauses: BTreeMap<Condition, u32> = BTreeMap::new();
            count_clauses(&conditions, document, &mut clauses);
            let mut score = 0.0_f32;
            for (condition, clauses) in clauses {
                let frequency = rounded(f64::from(frequency(document, &condition)));
                let length = stored_length(length(document, condition.field));
                let ratio = rounded(f64::from(length)) / averages[condition.field];
                let norm = parameters.k1 * ((1.0 - parameters.b) + parameters.b * ratio);
                let weight = *weights
                    .entry((condition, clauses))
                    .or_insert_with_key(|(condition, clauses)| self.weight(condition, *clauses));
                score += weight * (frequency / (frequency + norm));
            }
            found.push((document.document, score));
        }
        // Stable, so equal scores keep the order of writing.
        found.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        found
    }

    fn weight(&self, condition: &Condition, clauses: u32) -> f32 {
        let documents = self.count(|document| length(document, condition.field) > 0);
        let mut idf = 0.0_f64;
        for (term, _) in &condition.terms {
            let holds = |text: &Text| text.tokens.iter().any(|(token, _)| token == term);
            let df = self.count(|document| document.fields[condition.field].iter().any(holds));
            idf += (1.0 + (documents - df + 0.5) / (df + 0.5)).ln();
        }
        let field_weight = self.chosen.as_ref().map_or(1.0, |chosen| chosen[condition.field].1);
        rounded(f64::from(field_weight) * f64::from(clauses) * idf)
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
    fn conditions(&self, query: &Query, field: Option<&String>) -> Conditions {
        let mut conditions = Conditions::default();
        for clause in &query.clauses {
            let field = clause.field.as_ref().or(field).cloned();
            if let Pattern::Group(query) = &clause.pattern {
                let group = self.conditions(query, field.as_ref());
                if group.should.is_empty() && group.must.is_empty() && group.must_not.is_empty() {
                    continue;
                }
                match clause.occur {
                    Occur::Should => conditions.should.push(Part::Group(group)),
                    Occur::Must => conditions.must.push(vec![Part::Group(group)]),
                    Occur::MustNot => conditions.must_not.push(Part::Group(group)),
                }
                continue;
            }
            let clause = Clause { field, ..clause.clone() };
            if let Some(scope) = self.scope(&clause) {
                self.clause(&clause, &scope, &mut conditions);
            } else {
                let everywhere: Vec<_> =
                    (0..self.fields_len()).map(|field| (field, None)).collect();
                self.clause(&clause.without_field(), &everywhere, &mut conditions);
            }
        }
        conditions
    }

    fn fields_len(&self) -> usize {
        self.chosen.as_ref().map_or(1, Vec::len)
    }

    /// Fields, with a path, in which a clause is looked for; `None` when there is no such field.
    fn scope(&self, clause: &Clause) -> Option<Vec<(usize, Option<String>)>> {
        let Some(name) = &clause.field else {
            return Some((0..self.fields_len()).map(|field| (field, None)).collect());
        };
        let Some(chosen) = &self.chosen else {
            let is_known = |text: &Text| text.has_words && is_under(&text.path, name);
            let known =
                self.documents.iter().any(|document| document.fields[0].iter().any(is_known));
            return known.then(|| vec![(0, Some(name.clone()))]);
        };
        chosen.iter().position(|(path, _)| path == name).map(|field| vec![(field, None)])
    }

    fn clause(
        &self,
        clause: &Clause,
        scope: &[(usize, Option<String>)],
        conditions: &mut Conditions,
    ) {
        let mut tokens = Vec::new();
        self.analyzer.analyze(clause.pattern.text().unwrap(), &mut |token| {
            tokens.push((token.term.to_owned(), token.position));
        });
        let Some(&(_, first)) = tokens.first() else { return };
        let alternatives = |terms: &[(String, u32)]| -> Vec<Part> {
            let condition = |(field, path): &(usize, Option<String>)| Condition {
                field: *field,
                is_phrase: terms.len() > 1,
                terms: terms.to_vec(),
                path: path.clone(),
            };
            scope.iter().map(condition).map(Part::Condition).collect()
        };
        let phrase: Vec<_> =
            tokens.iter().map(|(term, position)| (term.clone(), position - first)).collect();
        let words: Vec<Vec<Part>> = match clause.pattern {
            Pattern::Words(_) => {
                tokens.iter().map(|(term, _)| alternatives(&[(term.clone(), 0)])).collect()
            }
            _ => vec![alternatives(&phrase)],
        };
        match clause.occur {
            Occur::Should => conditions.should.extend(words.into_iter().flatten()),
            Occur::Must => conditions.must.extend(words),
            Occur::MustNot => conditions.must_not.extend(alternatives(&phrase)),
        }
    }
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
    let holds = |part: &Part| match part {
        Part::Condition(condition) => frequency(document, condition) > 0,
        Part::Group(group) => matches(group, document),
    };
    let asked = if conditions.must.is_empty() {
        conditions.should.iter().any(holds)
    } else {
        conditions.must.iter().all(|alternatives| alternatives.iter().any(holds))
    };
    asked && !conditions.must_not.iter().any(holds)
}

/// Counts how many clauses ask for each condition that holds, of a query and of groups that match.
fn count_clauses(
    conditions: &Conditions,
    document: &Document<'_>,
    clauses: &mut BTreeMap<Condition, u32>,
) {
    for part in conditions.must.iter().flatten().chain(&conditions.should) {
        match part {
            Part::Condition(condition) if frequency(document, condition) > 0 => {
                *clauses.entry(condition.clone()).or_default() += 1;
            }
            Part::Group(group) if matches(group, document) => {
                count_clauses(group, document, clauses);
            }
            Part::Condition(_) | Part::Group(_) => {}
        }
    }
}

fn frequency(document: &Document<'_>, condition: &Condition) -> u32 {
    let mut frequency = 0;
    for text in &document.fields[condition.field] {
        if condition.path.as_ref().is_some_and(|path| !is_under(&text.path, path)) {
            continue;
        }
        for (_, start) in &text.tokens {
            let stands = |(term, distance): &(String, u32)| {
                text.tokens
                    .iter()
                    .any(|(token, position)| token == term && *position == start + distance)
            };
            frequency += u32::from(condition.terms.iter().all(stands));
        }
    }
    frequency
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
