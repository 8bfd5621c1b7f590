//! How the score of one document comes about: what the searcher computes for it, once more and with all its numbers.
//!
//! The facade asks for a hit, or for a document that is none. The leaves of the plan are opened as for a search, in the chunk of the
//! document alone, and looked at in canonical order, so that the same numbers are added in the same order; which leaves count is decided
//! as in `window`. Cost: that of opening the plan, where sets of documents are gathered as in a search, and a few steps a leaf.

use std::collections::BTreeMap;

use super::bm25::{Norms, Parameters, clause_weight, idf, rounded};
use super::error::Result;
use super::explanation::Explanation;
use super::leaf::{LeafWindow, Scratch, weight_of};
use super::plan::{Leaf, LeafKey, Plan, PlannedSet, Slop};
use super::searcher::{Searcher, norms};
use crate::fts::{DocId, FieldId, WINDOW_LEN, length_code};

/// Names of alternatives that are listed at most.
const NAMES_LEN_MAX: usize = 8;

/// A document, as an explanation looks at it.
struct Explained<'e> {
    plan: &'e Plan,
    parameters: Parameters,
    norms: &'e BTreeMap<FieldId, Norms>,
    /// The boosts of those leaves that score in it.
    scoring: Vec<Option<f64>>,
}

impl Searcher<'_, '_> {
    /// How the score of a live document comes about; of one that does not match, why not.
    ///
    /// # Errors
    /// Those of the text index.
    pub fn explain(self, plan: &Plan, parameters: Parameters, doc: DocId) -> Result<Explanation> {
        let leaves = self.open(plan, true)?;
        let norms = norms(plan, parameters);
        let chunk = [self.chunk(&leaves, doc.chunk(), Some(&norms))?];
        let lengths = self.lengths(&chunk)?;
        let [chunk] = &chunk;
        let scales = chunk.scales(&norms, &lengths)?;
        let number = usize::from(doc.offset()) / WINDOW_LEN;
        let opened = chunk.leaves.iter().enumerate();
        let windows: Vec<LeafWindow<'_>> =
            opened.filter_map(|(index, leaf)| leaf.window(number, index)).collect();
        let mut scratch = Scratch::default();
        let mut occurring = vec![false; plan.leaves.len()];
        for leaf in &windows {
            let frequency = leaf.frequency(doc.offset(), &mut scratch)?;
            occurring[leaf.chunk.open.place] = frequency > 0;
        }
        if !matches(plan, &occurring) {
            return Ok(Explanation::new(
                0.0,
                "the document does not match",
                reasons(plan, &occurring),
            ));
        }
        let scoring = scoring(plan, &occurring);
        let explained = Explained { plan, parameters, norms: &norms, scoring };
        let (mut parts, mut sets, mut constant) = (Vec::new(), Vec::new(), 0.0);
        let is_same = |left: &LeafWindow<'_>, right: &LeafWindow<'_>| {
            left.chunk.open.leaf.key.is_same(&right.chunk.open.leaf.key)
        };
        for same in windows.chunk_by(is_same) {
            let Some((leaf, boosts)) = explained.boosts(same) else { continue };
            let boost: f64 = boosts.iter().map(|&(_, boost)| boost).sum();
            if leaf.chunk.open.leaf.key.set.is_some() {
                constant += boost;
                sets.push(Explanation::leaf(rounded(boost), plan.name(leaf.chunk.open.leaf)));
                continue;
            }
            let Some(Some(scale)) = scales.get(leaf.index) else { continue };
            let found = leaf.frequency_and_code(doc.offset(), *scale, &mut scratch)?;
            if let Some((frequency, code)) = found {
                parts.push(explained.share(leaf.chunk.open.leaf, &boosts, frequency, code));
            }
        }
        if !sets.is_empty() {
            let what = "constant scores, added exactly and rounded once";
            parts.push(Explanation::new(clause_weight(1.0, constant), what, sets));
        }
        let score = parts.iter().fold(0.0, |sum, part| sum + part.value);
        Ok(Explanation::new(score, "score: the sum of these, in this order", parts))
    }
}

impl Explained<'_> {
    /// Of leaves that ask for the same in several groups one that counts, and the boosts of all that do, each with its group.
    fn boosts<'l, 'c>(
        &self,
        same: &'l [LeafWindow<'c>],
    ) -> Option<(&'l LeafWindow<'c>, Vec<(u32, f64)>)> {
        let counting = |leaf: &&LeafWindow<'_>| self.scoring[leaf.chunk.open.place].is_some();
        let leaf = same.iter().find(counting)?;
        let boosts = same.iter().filter_map(|leaf| {
            let open = leaf.chunk.open;
            Some((open.leaf.key.group, self.scoring[open.place]?))
        });
        Some((leaf, boosts.collect()))
    }

    /// What a term or a phrase gives.
    fn share(&self, leaf: &Leaf, boosts: &[(u32, f64)], frequency: u32, code: u8) -> Explanation {
        let boost = boosts.iter().map(|&(_, boost)| boost).sum();
        let weight = weight_of(self.plan, leaf, boost);
        let norms = self.norms.get(&leaf.key.field);
        let value = norms.map_or(0.0, |norms| norms.score(weight, frequency, code));
        let times = if leaf.key.is_phrase {
            "tf: places in the document where it stands so"
        } else {
            "tf: how often it occurs in the document"
        };
        let single = rounded(f64::from(frequency));
        let mut parts = vec![self.weight(leaf, boosts, weight), Explanation::leaf(single, times)];
        parts.extend(norms.map(|norms| self.norm(norms, code)));
        let what = format!("{}: weight · tf / (tf + norm)", self.plan.name(leaf));
        Explanation::new(value, what, parts)
    }

    fn weight(&self, leaf: &Leaf, boosts: &[(u32, f64)], weight: f32) -> Explanation {
        let field = self.plan.fields.get(&leaf.key.field);
        let documents = field.map_or(0, |field| field.statistics.documents);
        let of_terms = leaf.key.terms.iter().zip(&leaf.dfs).map(|((term, _), &df)| {
            let what = format!("idf: {df} of {documents} documents hold {term:?}");
            (idf(documents, df), what)
        });
        let of_terms: Vec<(f64, String)> = of_terms.collect();
        let sum: f64 = of_terms.iter().map(|(idf, _)| idf).sum();
        let leaf_of = |(idf, what): (f64, String)| Explanation::leaf(rounded(idf), what);
        let mut of_terms: Vec<Explanation> = of_terms.into_iter().map(leaf_of).collect();
        let rarity = match of_terms.pop() {
            Some(only) if of_terms.is_empty() => only,
            last => {
                of_terms.extend(last);
                Explanation::new(rounded(sum), "idf: the sum of those of the terms", of_terms)
            }
        };
        let boost = |&(group, boost): &(u32, f64)| {
            let place = match group {
                0 => "boost".to_owned(),
                group => format!("boost in group {group} of the query"),
            };
            Explanation::leaf(rounded(boost), place)
        };
        let boost = match boosts {
            [only] => boost(only),
            several => {
                let sum = several.iter().map(|&(_, boost)| boost).sum();
                let parts = several.iter().map(boost).collect();
                Explanation::new(rounded(sum), "boost: the sum of those of the groups", parts)
            }
        };
        let of_field = field.map_or(0.0, |field| field.weight);
        let parts = vec![Explanation::leaf(of_field, "weight of the field"), boost, rarity];
        Explanation::new(weight, "weight: that of the field · boost · idf", parts)
    }

    fn norm(&self, norms: &Norms, code: u8) -> Explanation {
        let length = rounded(f64::from(length_code::decode(code)));
        let parts = vec![
            Explanation::leaf(self.parameters.k1(), "k1"),
            Explanation::leaf(self.parameters.b(), "b"),
            Explanation::leaf(length, "length of the field in the document, as it is stored"),
            Explanation::leaf(norms.average(), "average length of the field"),
        ];
        let what = "norm: k1 · ((1 − b) + b · length / average)";
        Explanation::new(norms.norm(code), what, parts)
    }
}

/// Whether a document matches in which these leaves occur.
fn matches(plan: &Plan, occurring: &[bool]) -> bool {
    if let Some(tree) = &plan.tree {
        return tree.matches(&|&place: &usize| occurring[place]);
    }
    let has_any = |set: &Vec<usize>| set.iter().any(|&place| occurring[place]);
    occurring.contains(&true)
        && plan.required.iter().all(has_any)
        && !plan.excluded.iter().any(|&place| occurring[place])
}

/// The boosts of the leaves that score in a document that matches.
fn scoring(plan: &Plan, occurring: &[bool]) -> Vec<Option<f64>> {
    let mut scoring = vec![None; plan.leaves.len()];
    let mut count = |place: usize| scoring[place] = Some(plan.leaves[place].boost);
    if let Some(tree) = &plan.tree {
        tree.each_scoring(&|&place| occurring[place], &mut |&place| count(place));
    } else {
        let places = 0..plan.leaves.len();
        places.filter(|&place| occurring[place] && plan.leaves[place].scores).for_each(count);
    }
    scoring
}

/// Why a document does not match.
fn reasons(plan: &Plan, occurring: &[bool]) -> Vec<Explanation> {
    let name = |&place: &usize| plan.name(&plan.leaves[place]);
    let missing = plan.required.iter().filter(|set| !set.iter().any(|&place| occurring[place]));
    let missing =
        missing.map(|set| format!("required, and missing: {}", listed(set.iter().map(name))));
    let excluded = plan.excluded.iter().filter(|&&place| occurring[place]);
    let excluded = excluded.map(|place| format!("excluded, and there: {}", name(place)));
    let mut reasons: Vec<String> = missing.chain(excluded).collect();
    if reasons.is_empty() {
        let reason = if occurring.contains(&true) {
            "no group of the query holds in which something occurs"
        } else {
            "nothing that the query asks for occurs"
        };
        reasons.push(reason.to_owned());
    }
    reasons.into_iter().map(|what| Explanation::leaf(0.0, what)).collect()
}

/// Some names, and that there are more.
fn listed(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.take(NAMES_LEN_MAX + 1).collect();
    if let Some(last) = names.get_mut(NAMES_LEN_MAX) {
        "…".clone_into(last);
    }
    names.join(" or ")
}

impl Plan {
    /// What a leaf looks for, and where, as people write it.
    fn name(&self, leaf: &Leaf) -> String {
        let LeafKey { field, terms, slop, path, set, .. } = &leaf.key;
        if let Some(set) = set.and_then(|set| self.sets.get(set)) {
            return self.name_of_set(set);
        }
        let words: Vec<&str> = terms.iter().map(|(term, _)| term.as_str()).collect();
        let words = words.join(" ");
        let what = match slop {
            _ if !leaf.key.is_phrase => words,
            Slop::Exact => format!("\"{words}\""),
            Slop::Ordered(slop) => format!("\"{words}\"~{slop}"),
            Slop::Any(distance) => format!("NEAR({words}, {distance})"),
        };
        what + &self.name_of_place(*field, path.as_deref())
    }

    /// ` in title`, where only this field is meant.
    fn name_of_place(&self, field: FieldId, path: Option<&str>) -> String {
        let of_field = self.fields.get(&field).and_then(|field| field.path.as_deref());
        path.or(of_field).map_or_else(String::new, |path| format!(" in {path}"))
    }

    fn name_of_set(&self, set: &PlannedSet) -> String {
        match set {
            PlannedSet::All => "every document".to_owned(),
            PlannedSet::Documents(_) => "what matches as typed".to_owned(),
            PlannedSet::Fitting { field, pattern, .. } => {
                format!("{pattern}{}", self.name_of_place(*field, None))
            }
            PlannedSet::Terms { fields, path, pattern } => {
                let places = fields.iter().map(|&field| {
                    format!("{pattern}{}", self.name_of_place(field, path.as_deref()))
                });
                listed(places)
            }
            PlannedSet::Query(plan) => listed(plan.leaves.iter().map(|leaf| plan.name(leaf))),
            PlannedSet::Filter(filter) => filter.to_string(),
        }
    }
}
