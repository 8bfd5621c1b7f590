//! What words come to in a plan: as they are or nearly, in phrases, and near each other.
//!
//! The planner calls this for each clause of text. The analyzers of the index say which words a text has and what may stand for
//! them: synonyms, compounds written otherwise, forms in other languages (`fts::QueryWord`). A word and its alternatives are one set,
//! of which under `Must` one has to hold; where several words have an alternative together, it is for all of them. Fields that score
//! as one do so for each analyzer, since a term means the same in all of them only there. Where a language writes words as syllables, two
//! neighbours are looked for together, too.
//!
//! ```text
//! usa ≡ united states       usa            usa, "united states"
//!                           +usa           one of usa, "united states"
//!                           "the usa"      "the usa", "the united states"
//!                           united states  united, states, usa
//! ```
//! Invariants: terms and alternatives together are no more than a query may have; what is typed is counted before what may stand for
//! it. Cost: the analysis of the text and a look-up for each alternative.

use std::borrow::Cow;

use super::ast::{Clause, Occur, Pattern, Query, Weight};
use super::bm25::{boost_of, idf};
use super::error::Result;
use super::nesting::{Group, Node};
use super::parser::{Warning, WarningKind};
use super::plan::Slop;
use super::planner::{Asked, Context, Planner, Scope, TERMS_LEN_MAX, placed};
use super::variants::phrases;
use crate::fts::{FieldId, QueryWord};

/// What two syllables side by side count, beside each of them.
const SYLLABLES_WEIGHT: f64 = 0.5;

impl Planner<'_, '_> {
    /// Adds a clause of words, as they are or nearly, a phrase, or words near each other.
    pub(super) fn words(
        &mut self,
        clause: &Clause,
        text: &str,
        scope: &Scope,
        boost: f64,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        let mut sets: Vec<Vec<Node<Asked>>> = Vec::new();
        for scope in self.by_analyzer(scope) {
            let words = self.query_words(clause, &scope, text);
            let found = match clause.pattern {
                Pattern::Fuzzy { distance, prefix, .. } => {
                    let terms = words.into_iter().flat_map(|word| word.terms).collect();
                    self.fuzzy(clause, &scope, terms, (distance, prefix), boost)?
                }
                Pattern::Similar { typos, prefix, .. } if clause.occur != Occur::MustNot => {
                    self.similar_words(words, &scope, (typos, prefix), boost, into)?
                }
                _ => self.sets_of_words(clause, words, &scope, boost)?,
            };
            if sets.is_empty() || clause.occur != Occur::Must {
                sets.extend(found);
            } else if sets.len() == found.len() {
                // Each word in whichever field.
                sets.iter_mut().zip(found).for_each(|(set, found)| set.extend(found));
            } else if !found.is_empty() {
                // Words that are cut otherwise cannot be told which is which.
                sets = vec![sets.into_iter().chain(found).flatten().collect()];
            }
        }
        for set in sets {
            into.add_nodes(clause.occur, set);
        }
        Ok(())
    }

    /// What words come to in fields of one analyzer: sets of which each has to hold under `Must`, by one of its leaves.
    fn sets_of_words(
        &mut self,
        clause: &Clause,
        words: Vec<QueryWord>,
        scope: &Scope,
        boost: f64,
    ) -> Result<Vec<Vec<Node<Asked>>>> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        if let [QueryWord { terms, .. }] = words.as_slice()
            && let [(term, _)] = terms.as_slice()
            && let Some(mut set) = self.character(scope, term, boost)?
        {
            for word in &words {
                set.extend(self.alternatives(scope, word, boost)?);
            }
            return Ok(vec![set]);
        }
        let slop = match clause.pattern {
            Pattern::Phrase { slop: 0, .. } => Slop::Exact,
            Pattern::Phrase { slop, .. } => Slop::Ordered(slop),
            Pattern::Near { distance, .. } => {
                let terms = words.into_iter().flat_map(|word| word.terms).collect();
                let (terms, slop) = placed(terms, Slop::Any(distance));
                return Ok(vec![self.nodes(scope, &terms, slop, boost)]);
            }
            _ if clause.occur == Occur::MustNot => Slop::Exact,
            _ => {
                let mut sets = Vec::new();
                for word in words {
                    let others = self.alternatives(scope, &word, boost)?;
                    if clause.occur == Occur::Must && !others.is_empty() {
                        let (terms, _) = placed(word.terms, Slop::Exact);
                        let mut set = match terms.as_slice() {
                            [(term, _)] => self.word(scope, term, boost)?,
                            terms => self.nodes(scope, terms, Slop::Exact, boost),
                        };
                        set.extend(others);
                        sets.push(set);
                        continue;
                    }
                    for (term, _) in word.terms {
                        sets.push(self.word(scope, &term, boost)?);
                    }
                    sets.extend(Some(others).filter(|others| !others.is_empty()));
                }
                return Ok(sets);
            }
        };
        let mut set = Vec::new();
        for terms in phrases(&words) {
            let (terms, slop) = placed(terms, slop);
            set.extend(self.nodes(scope, &terms, slop, boost));
        }
        Ok(vec![set])
    }

    /// Leaves for one word: itself, or the pairs that a character is in.
    fn word(&mut self, scope: &Scope, term: &str, boost: f64) -> Result<Vec<Node<Asked>>> {
        Ok(match self.character(scope, term, boost)? {
            Some(nodes) => nodes,
            None => self.nodes(scope, &[(term.to_owned(), 0)], Slop::Exact, boost),
        })
    }

    /// Leaves for what may stand for a word.
    ///
    /// A term counts as rare as the most frequent of the word and its alternatives, so that the rarest name of a thing does not
    /// come first.
    fn alternatives(
        &mut self,
        scope: &Scope,
        word: &QueryWord,
        boost: f64,
    ) -> Result<Vec<Node<Asked>>> {
        let mut nodes = Vec::new();
        if word.alternatives.is_empty() {
            return Ok(nodes);
        }
        for scope in scope.scored_together() {
            let all = word.alternatives.iter().chain([&word.terms]);
            let mut least = f64::INFINITY;
            for (term, _) in all.filter(|terms| terms.len() == 1).flatten() {
                least = least.min(self.rarity(&scope, term)?);
            }
            for terms in &word.alternatives {
                let mut boost = boost;
                if let [(term, _)] = terms.as_slice() {
                    boost = boost_of(boost * (least / self.rarity(&scope, term)?));
                }
                let (terms, slop) = placed(terms.clone(), Slop::Exact);
                nodes.extend(self.nodes(&scope, &terms, slop, boost));
            }
        }
        Ok(nodes)
    }

    /// How much a term tells where it is most frequent.
    fn rarity(&self, scope: &Scope, term: &str) -> Result<f64> {
        let (mut documents, mut df) = (0, 0);
        for &(field, _) in &scope.places {
            documents = self.reader.statistics(field)?.documents.max(documents);
            df = self.reader.term(field, term)?.df.max(df);
        }
        Ok(idf(documents, df.min(documents)))
    }

    /// Adds what clauses side by side stand for together: synonyms of several words that are typed without quotes, and words of
    /// two syllables.
    pub(super) fn spanning(
        &mut self,
        query: &Query,
        context: &Context,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        let boost = boost_of(context.boost.unwrap_or(1.0));
        for run in runs(query) {
            let [first, ..] = run else { continue };
            let mut clause = first.clone();
            clause.field = clause.field.or_else(|| context.field.clone());
            let Some(scope) = self.scope(&clause, context)? else { continue };
            let texts = run.iter().map(|clause| clause.pattern.text().unwrap_or_default());
            let text = texts.collect::<Vec<_>>().join(" ");
            for scope in self.by_analyzer(&scope) {
                if run.len() > 1 && clause.occur == Occur::Should {
                    self.spanning_synonyms(&scope, &text, boost, into)?;
                }
                self.syllables(&scope, &text, boost, into);
            }
        }
        Ok(())
    }

    /// Adds synonyms of several words of a text.
    fn spanning_synonyms(
        &mut self,
        scope: &Scope,
        text: &str,
        boost: f64,
        into: &mut Group<Asked>,
    ) -> Result<()> {
        for word in self.analyzed(scope, text) {
            let is_spanning = text.get(word.bytes.clone()).is_some_and(|text| text.contains(' '));
            if is_spanning && self.terms_left >= word.alternatives.len() {
                self.terms_left -= word.alternatives.len();
                let nodes = self.alternatives(scope, &word, boost)?;
                into.add_nodes(Occur::Should, nodes);
            }
        }
        Ok(())
    }

    /// Adds each two neighbours of a text as optional, in languages whose words have two syllables with a space between.
    fn syllables(&mut self, scope: &Scope, text: &str, boost: f64, into: &mut Group<Asked>) {
        let analyzers = self.reader.analyzers();
        let fields: Vec<FieldId> = scope.places.iter().map(|&(field, _)| field).collect();
        let boost = boost_of(boost * SYLLABLES_WEIGHT);
        for analyzer in analyzers.all_of(&fields) {
            if !analyzer.writes_syllables() {
                continue;
            }
            let words = analyzer.query(text);
            let terms: Vec<_> = words.into_iter().flat_map(|word| word.terms).collect();
            for pair in terms.windows(2) {
                let [(_, first), (_, second)] = pair else { continue };
                if first + 1 == *second && self.terms_left >= pair.len() {
                    self.terms_left -= pair.len();
                    let (terms, slop) = placed(pair.to_vec(), Slop::Exact);
                    let nodes = self.nodes(scope, &terms, slop, boost);
                    into.add_nodes(Occur::Should, nodes);
                }
            }
        }
    }

    /// Sets of words that stand for similar ones too; what stands for several words together is added as optional.
    fn similar_words(
        &mut self,
        words: Vec<QueryWord>,
        scope: &Scope,
        how: (bool, bool),
        boost: f64,
        into: &mut Group<Asked>,
    ) -> Result<Vec<Vec<Node<Asked>>>> {
        let terms = words.iter().flat_map(|word| word.terms.iter().cloned()).collect();
        let mut sets = self.similar(scope, terms, how, boost)?;
        let mut first = 0;
        for word in words {
            let others = self.alternatives(scope, &word, boost)?;
            match sets.get_mut(first).filter(|_| word.terms.len() == 1) {
                Some(set) => set.extend(others),
                None => into.add_nodes(Occur::Should, others),
            }
            first += word.terms.len();
        }
        Ok(sets)
    }

    /// The places of a scope, of those whose fields share an analyzer together.
    pub(super) fn by_analyzer<'s>(&self, scope: &'s Scope) -> Vec<Cow<'s, Scope>> {
        let analyzers = self.reader.analyzers();
        if scope.places.len() < 2 || analyzers.are_of_all_fields() {
            return vec![Cow::Borrowed(scope)];
        }
        let mut fields: Vec<FieldId> = scope.places.iter().map(|&(field, _)| field).collect();
        fields.dedup();
        let of_group = |fields: Vec<FieldId>| {
            let places = scope.places.iter().filter(|(field, _)| fields.contains(field));
            Cow::Owned(Scope { places: places.cloned().collect(), is_across: scope.is_across })
        };
        analyzers.groups(&fields).into_iter().map(of_group).collect()
    }

    /// What the analyzer of the fields makes of a query's text.
    fn analyzed(&self, scope: &Scope, text: &str) -> Vec<QueryWord> {
        let analyzers = self.reader.analyzers();
        match scope.places.first() {
            Some(&(field, _)) => analyzers.query(field, text),
            None => analyzers.default().query(text),
        }
    }

    /// Analyzes a clause, as far as the limit allows.
    fn query_words(&mut self, clause: &Clause, scope: &Scope, text: &str) -> Vec<QueryWord> {
        let mut words = self.analyzed(scope, text);
        if words.is_empty() {
            let is_word = text.chars().any(char::is_alphanumeric);
            if clause.occur == Occur::Should && is_word {
                // A stop word of a question: nobody misses it while other words are left.
                self.stop_words.push(Warning::new(WarningKind::NoTerms, clause.span.clone()));
            } else {
                self.warn(WarningKind::NoTerms, clause);
            }
        }
        let mut is_over = false;
        for word in &mut words {
            is_over |= word.terms.len() > self.terms_left;
            word.terms.truncate(self.terms_left);
            self.terms_left -= word.terms.len();
            word.alternatives.retain(|terms| {
                let fits = terms.len() <= self.terms_left;
                self.terms_left -= if fits { terms.len() } else { 0 };
                is_over |= !fits;
                fits
            });
        }
        words.retain(|word| !word.terms.is_empty());
        let too_many =
            |warning: &Warning| matches!(warning.kind, WarningKind::TooManyClauses { .. });
        if is_over && !self.warnings.iter().any(too_many) {
            self.warn(WarningKind::TooManyClauses { clauses_max: TERMS_LEN_MAX }, clause);
        }
        words
    }
}

/// The clauses of plain words that stand side by side and are looked for in the same way.
fn runs(query: &Query) -> impl Iterator<Item = &[Clause]> {
    let is_plain = |clause: &Clause| {
        matches!(clause.pattern, Pattern::Words(_) | Pattern::Similar { .. })
            && clause.occur != Occur::MustNot
            && clause.weight == Weight::default()
    };
    let are_alike = move |one: &Clause, other: &Clause| {
        let alike = one.occur == other.occur && one.field == other.field;
        alike && is_plain(one) && is_plain(other)
    };
    query.clauses.chunk_by(are_alike).filter(move |run| run.iter().all(is_plain))
}
