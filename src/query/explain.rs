//! How the score of one document comes about: what the searcher computes for it, once more and with all its numbers.
//!
//! The facade asks for a hit, or for a document that is none. The leaves of the plan are opened as for a search, in the chunk of the
//! document alone, and looked at in canonical order, so that the same numbers are added in the same order; which leaves count is decided
//! as in `window`. Cost: that of opening the plan, where sets of documents are gathered as in a search, and a few steps a leaf.

use super::bm25::{Norms, Parameters, best_of, clause_weight, idf, rounded, score_across};
use super::error::Result;
use super::explanation::Explanation;
use super::leaf::{FieldNorms, LeafWindow, Scratch, weight_of};
use super::nesting::Best;
use super::plan::{Leaf, LeafKey, Plan, PlannedSet, Slop};
use super::searcher::Searcher;
use super::tree_score::{Counted, TreeScore, boosts, fields, find_occurrences};
use crate::fts::{DocId, FieldId, WINDOW_LEN, length_code};

/// Names of alternatives that are listed at most.
const NAMES_LEN_MAX: usize = 8;

/// A document, as an explanation looks at it.
struct Explained<'e, 'c> {
    parameters: Parameters,
    norms: &'e FieldNorms,
    document: TreeScore<'e, 'c>,
}

impl Searcher<'_, '_> {
    /// How the score of a live document comes about; of one that does not match, why not.
    ///
    /// # Errors
    /// Those of the text index.
    pub fn explain(self, plan: &Plan, parameters: Parameters, doc: DocId) -> Result<Explanation> {
        let leaves = self.open(plan, true)?;
        let norms = FieldNorms::new(plan, parameters);
        let chunk = [self.chunk(&leaves, doc.chunk(), Some(&norms))?];
        let lengths = self.lengths(&chunk)?;
        let [chunk] = &chunk;
        let scales = chunk.scales(&norms, &lengths)?;
        let number = usize::from(doc.offset()) / WINDOW_LEN;
        let opened = chunk.leaves.iter().enumerate();
        let leaves: Vec<LeafWindow<'_>> =
            opened.filter_map(|(index, leaf)| leaf.window(number, index)).collect();
        let mut occurrences = vec![None; plan.leaves.len()];
        let offset = doc.offset();
        find_occurrences(&leaves, offset, &mut Scratch::default(), &mut occurrences)?;
        let occurring: Vec<bool> = occurrences.iter().map(Option::is_some).collect();
        if !matches(plan, &occurring) {
            return Ok(Explanation::new(
                0.0,
                "the document does not match",
                reasons(plan, &occurring),
            ));
        }
        let (leaves, scales, occurrences) = (&leaves, &scales, &occurrences);
        let document = TreeScore { plan, leaves, scales, offset, occurrences };
        let explained = Explained { parameters, norms: &norms, document };
        let counted = Counted::of_plan(plan, &|&place| occurring[place]);
        explained.sum(&counted, "score: the sum of these, in this order")
    }
}

impl Explained<'_, '_> {
    /// What counts in a document, as a sum.
    fn sum(&self, counted: &Counted<'_>, what: &str) -> Result<Explanation> {
        let plan = self.document.plan;
        let (mut parts, mut sets, mut constant) = (Vec::new(), Vec::new(), 0.0);
        for same in counted.clauses(plan) {
            let boosts: Vec<(u32, f64)> = boosts(plan, same).collect();
            let [place, ..] = *same else { continue };
            let leaf = &plan.leaves[place];
            if self.document.is_set(same) {
                let boost: f64 = boosts.iter().map(|&(_, boost)| boost).sum();
                constant += boost;
                sets.push(Explanation::leaf(rounded(boost), plan.name(leaf)));
            } else if leaf.key.across.is_some() {
                parts.push(self.share_across(leaf, same, &boosts)?);
            } else if let Some((_, frequency, code)) = self.document.found(place)? {
                parts.push(self.share(leaf, &boosts, frequency, code));
            }
        }
        let mut bests = Vec::with_capacity(counted.bests.len());
        for best in &counted.bests {
            bests.push(self.best(best)?);
        }
        bests.sort_by(highest_first);
        parts.append(&mut bests);
        if !sets.is_empty() {
            let what = "constant scores, added exactly and rounded once";
            parts.push(Explanation::new(clause_weight(1.0, constant), what, sets));
        }
        let score = parts.iter().fold(0.0, |sum, part| sum + part.value);
        Ok(Explanation::new(score, what, parts))
    }

    /// What alternatives give of which the best counts.
    fn best(&self, best: &Best<usize>) -> Result<Explanation> {
        let holds = |&place: &usize| self.document.holds(place);
        let mut parts = Vec::with_capacity(best.alternatives.len());
        for group in best.alternatives.iter().filter(|group| group.matches(&holds)) {
            let what = "an alternative: the sum of these, in this order";
            parts.push(self.sum(&Counted::of(group, &holds), what)?);
        }
        parts.sort_by(highest_first);
        let mut scores: Vec<f32> = parts.iter().map(|part| part.value).collect();
        let score = best_of(&mut scores, best.tie_breaker);
        let what = match best.tie_breaker {
            0.0 => "the best of these".to_owned(),
            tie_breaker => {
                format!("the best of these, and {tie_breaker} times the sum of the others")
            }
        };
        Ok(Explanation::new(score, what, parts))
    }

    /// What a term or a phrase gives.
    fn share(&self, leaf: &Leaf, boosts: &[(u32, f64)], frequency: u32, code: u8) -> Explanation {
        let boost = boosts.iter().map(|&(_, boost)| boost).sum();
        let weight = weight_of(self.document.plan, leaf, boost);
        let norms = self.norms.of(&leaf.key);
        let value = norms.map_or(0.0, |norms| norms.score(weight, frequency, code));
        let times = if leaf.key.is_phrase {
            "tf: places in the document where it stands so"
        } else {
            "tf: how often it occurs in the document"
        };
        let single = rounded(f64::from(frequency));
        let mut parts = vec![self.weight(leaf, boosts, weight), Explanation::leaf(single, times)];
        parts.extend(norms.map(|norms| self.norm(norms, code)));
        let what = format!("{}: weight · tf / (tf + norm)", self.document.plan.name(leaf));
        Explanation::new(value, what, parts)
    }

    /// What a term or a phrase gives in several fields.
    fn share_across(
        &self,
        leaf: &Leaf,
        same: &[usize],
        boosts: &[(u32, f64)],
    ) -> Result<Explanation> {
        let plan = self.document.plan;
        let boost = boosts.iter().map(|&(_, boost)| boost).sum();
        let weight = weight_of(plan, leaf, boost);
        let (mut sum, mut of_fields) = (0.0, Vec::new());
        for place in fields(plan, same) {
            let Some((scale, frequency, code)) = self.document.found(place)? else { continue };
            let weighted = scale.norms.weighted(frequency, code);
            sum += weighted;
            let leaf = &plan.leaves[place];
            let field = plan.fields.get(&leaf.key.field);
            let length = rounded(f64::from(length_code::decode(code)));
            let factor = Explanation::new(
                scale.norms.length_factor(code),
                "length: (1 − b) + b · length / average",
                vec![
                    Explanation::leaf(self.parameters.b(), "b"),
                    Explanation::leaf(
                        length,
                        "length of the field in the document, as it is stored",
                    ),
                    Explanation::leaf(scale.norms.average(), "average length of the field"),
                ],
            );
            let parts = vec![
                Explanation::leaf(field.map_or(0.0, |field| field.weight), "weight of the field"),
                Explanation::leaf(rounded(f64::from(frequency)), "how often it occurs there"),
                factor,
            ];
            let what = format!("{}: weight of the field · occurrences / length", plan.name(leaf));
            of_fields.push(Explanation::new(rounded(weighted), what, parts));
        }
        let parts = vec![
            self.weight(leaf, boosts, weight),
            Explanation::new(rounded(sum), "tf: the sum of those of the fields", of_fields),
            Explanation::leaf(self.parameters.k1(), "k1"),
        ];
        let value = score_across(weight, sum, self.parameters);
        let what = format!("{} as in one field: weight · tf / (tf + k1)", Plan::words(leaf));
        Ok(Explanation::new(value, what, parts))
    }

    fn weight(&self, leaf: &Leaf, boosts: &[(u32, f64)], weight: f32) -> Explanation {
        let plan = self.document.plan;
        let across = leaf.key.across.and_then(|across| plan.across.get(across));
        let field = plan.fields.get(&leaf.key.field).filter(|_| across.is_none());
        let documents = field.map_or(plan.documents, |field| field.statistics.documents);
        let of_terms = leaf.key.terms.iter().zip(across.map_or(&leaf.dfs, |across| &across.dfs));
        let of_terms = of_terms.map(|((term, _), &df)| {
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
        let Some(field) = field else {
            return Explanation::new(weight, "weight: boost · idf", vec![boost, rarity]);
        };
        let parts = vec![Explanation::leaf(field.weight, "weight of the field"), boost, rarity];
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

/// Orders numbers from the highest to the lowest.
fn highest_first(left: &Explanation, right: &Explanation) -> std::cmp::Ordering {
    right.value.total_cmp(&left.value)
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
        let LeafKey { field, path, set, .. } = &leaf.key;
        if let Some(set) = set.and_then(|set| self.sets.get(set)) {
            return self.name_of_set(set);
        }
        Self::words(leaf) + &self.name_of_place(*field, path.as_deref())
    }

    /// What a leaf looks for.
    fn words(leaf: &Leaf) -> String {
        let LeafKey { terms, slop, .. } = &leaf.key;
        let words: Vec<&str> = terms.iter().map(|(term, _)| term.as_str()).collect();
        let words = words.join(" ");
        match slop {
            _ if !leaf.key.is_phrase => words,
            Slop::Exact => format!("\"{words}\""),
            Slop::Ordered(slop) => format!("\"{words}\"~{slop}"),
            Slop::Any(distance) => format!("NEAR({words}, {distance})"),
        }
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
