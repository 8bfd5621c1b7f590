//! Words that mean the same, and how a query stands for all of them.
//!
//! Built by [`Analyzer`](super::Analyzer) from the rules of its options, asked by it for each query. Rules are
//!
//! ```text
//! usa, united states, america      each of them also stands for the others
//! poodle, dachshund => dog         the left ones also stand for the right one, and not the other way
//! ```
//! They work in queries and leave the index alone. That is the kind way: rules change without a rebuild; a phrase of several words
//! is looked for as a phrase, where an index would have to squeeze it into the positions of another; nothing that was not written
//! is counted as a word of a document, so lengths and statistics are those of the text; and what is marked in a snippet is what
//! stands there.
//!
//! Words of rules are analyzed as queries are, so that rules meet whatever form of a word is typed. Where several rules fit, the one
//! with the most words does. Invariants: alternatives are distinct and none is the words themselves. Cost: a look-up a word.

use std::collections::HashMap;

use super::error::AnalyzerError;

/// The most rules of an analyzer.
pub(super) const RULES_LEN_MAX: usize = 10_000;
/// The most entries of a rule, and the most words of an entry.
const ENTRIES_LEN_MAX: usize = 64;
const WORDS_LEN_MAX: usize = 16;
/// Characters of a rule that an error shows.
const QUOTED_CHARS_MAX: usize = 60;
/// The most alternatives of some words, of all rules together.
const ALTERNATIVES_LEN_MAX: usize = 64;

/// Terms, each with its distance in positions from the first.
pub(super) type Terms = Vec<(String, u32)>;

/// Rules, by the first term of what they begin with.
#[derive(Debug, Default)]
pub(super) struct Synonyms {
    by_first: HashMap<String, Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    terms: Terms,
    alternatives: Vec<Terms>,
}

impl Synonyms {
    /// Reads rules; `analyze` makes terms of an entry as of a query.
    pub(super) fn new(
        rules: &[String],
        analyze: &dyn Fn(&str) -> Terms,
    ) -> Result<Synonyms, AnalyzerError> {
        let mut synonyms = Synonyms::default();
        if rules.len() > RULES_LEN_MAX {
            return Err(invalid(format!("{} rules, at most {RULES_LEN_MAX} are", rules.len())));
        }
        for rule in rules {
            let entries = |side: &str| entries(rule, side, analyze);
            if let Some((left, right)) = rule.split_once("=>") {
                let right = entries(right)?;
                for terms in entries(left)? {
                    synonyms.add(&terms, &right);
                }
                continue;
            }
            let all = entries(rule)?;
            if all.len() < 2 {
                return Err(invalid(format!("{} has one entry, at least two are", quoted(rule))));
            }
            for terms in &all {
                synonyms.add(terms, &all);
            }
        }
        for rules in synonyms.by_first.values_mut() {
            rules.sort_by_key(|rule| usize::MAX - rule.terms.len());
        }
        Ok(synonyms)
    }

    fn add(&mut self, terms: &Terms, alternatives: &[Terms]) {
        let Some((first, _)) = terms.first() else { return };
        let rules = self.by_first.entry(first.clone()).or_default();
        let known = rules.iter().position(|rule| rule.terms == *terms);
        let place = known.unwrap_or_else(|| {
            rules.push(Rule { terms: terms.clone(), alternatives: Vec::new() });
            rules.len() - 1
        });
        let known = &mut rules[place].alternatives;
        for alternative in alternatives {
            let is_new = alternative != terms && !known.contains(alternative);
            if is_new && known.len() < ALTERNATIVES_LEN_MAX {
                known.push(alternative.clone());
            }
        }
    }

    /// How many of the first terms have alternatives, the most that do, and which.
    pub(super) fn find<'t>(
        &self,
        mut terms: impl Iterator<Item = (&'t String, u32)> + Clone,
    ) -> Option<(usize, &[Terms])> {
        if self.by_first.is_empty() {
            return None;
        }
        let all = terms.clone();
        let (first, origin) = terms.next()?;
        let fits = |rule: &&Rule| {
            let stand = all.clone().map(|(term, position)| (term, position.wrapping_sub(origin)));
            let ruled = rule.terms.iter().map(|(term, distance)| (term, *distance));
            stand.take(rule.terms.len()).eq(ruled)
        };
        let rule = self.by_first.get(first)?.iter().find(fits)?;
        Some((rule.terms.len(), &rule.alternatives))
    }
}

/// The entries of one side of a rule.
fn entries(
    rule: &str,
    side: &str,
    analyze: &dyn Fn(&str) -> Terms,
) -> Result<Vec<Terms>, AnalyzerError> {
    let entries: Vec<&str> = side.split(',').map(str::trim).collect();
    if entries.len() > ENTRIES_LEN_MAX {
        let reason = format!(
            "{} has {} entries, at most {ENTRIES_LEN_MAX} are",
            quoted(rule),
            entries.len()
        );
        return Err(invalid(reason));
    }
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut terms = analyze(entry);
        if terms.is_empty() || terms.len() > WORDS_LEN_MAX {
            let reason = format!(
                "{} of {} has {} words that are looked for, 1 to {WORDS_LEN_MAX} are",
                quoted(entry),
                quoted(rule),
                terms.len()
            );
            return Err(invalid(reason));
        }
        let first = terms.first().map_or(0, |(_, position)| *position);
        for (_, position) in &mut terms {
            *position -= first;
        }
        if !all.contains(&terms) {
            all.push(terms);
        }
    }
    Ok(all)
}

/// A text as an error shows it: its beginning, if it is long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn invalid(reason: String) -> AnalyzerError {
    AnalyzerError::Option { option: "synonyms", reason: reason + " allowed" }
}
