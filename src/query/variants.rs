//! The phrases that the words of a query stand for, where words have alternatives.
//!
//! The planner asks with what the analyzer made of a text. A phrase of words that may each be replaced comes to one phrase for each
//! choice; what stands behind a longer or a shorter choice moves along.
//!
//! ```text
//! "the usa today"    usa ≡ united states        →  usa(1) today(2)   united(1) states(2) today(3)
//! ```
//! Invariants: at most [`VARIANTS_LEN_MAX`] phrases, the one that was typed first; positions ascend as the text's do. Cost: a
//! phrase a choice.

use crate::fts::QueryWord;

/// The most phrases that one of a query stands for.
const VARIANTS_LEN_MAX: usize = 32;

/// Terms with their positions.
type Terms = Vec<(String, u32)>;

/// The phrases that words come to, one choice each.
pub(super) fn phrases(words: &[QueryWord]) -> Vec<Terms> {
    // Each with how far what follows has moved.
    let mut variants: Vec<(Terms, i64)> = vec![(Terms::new(), 0)];
    for word in words {
        let first = word.terms.first().map_or(0, |(_, position)| *position);
        let width = |terms: &[(String, u32)], from: u32| {
            terms.last().map_or(0, |(_, position)| i64::from(*position) - i64::from(from))
        };
        let own = width(&word.terms, first);
        let typed: Terms = word.terms.iter().map(|(term, at)| (term.clone(), at - first)).collect();
        let choices = std::iter::once((&typed, 0));
        let others = word.alternatives.iter().map(|terms| (terms, width(terms, 0) - own));
        let mut longer = Vec::new();
        for (terms, moves) in choices.chain(others) {
            for (variant, moved) in &variants {
                if longer.len() == VARIANTS_LEN_MAX {
                    break;
                }
                let at = |distance: u32| {
                    let position = i64::from(first) + moved + i64::from(distance);
                    u32::try_from(position.max(0)).unwrap_or(u32::MAX)
                };
                let mut variant = variant.clone();
                variant.extend(terms.iter().map(|(term, distance)| (term.clone(), at(*distance))));
                longer.push((variant, moved + moves));
            }
        }
        variants = longer;
    }
    variants.into_iter().map(|(terms, _)| terms).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fts::{Analyzer, AnalyzerOptions, Compounds};

    fn shown(options: &AnalyzerOptions, text: &str) -> Vec<String> {
        let words = Analyzer::new(options).unwrap().query(text);
        let phrase = |terms: Terms| {
            let terms = terms.into_iter().map(|(term, position)| format!("{term}{position}"));
            terms.collect::<Vec<_>>().join(" ")
        };
        phrases(&words).into_iter().map(phrase).collect()
    }

    #[test]
    fn what_follows_a_choice_moves_along() {
        let options = AnalyzerOptions::default()
            .synonyms(["usa, united states, us of america", "old => ancient"])
            .compounds(Compounds::Joined);
        assert_eq!(shown(&options, "old gold"), ["old0 gold1", "ancient0 gold1"]);
        let expected =
            ["the0 usa1 today2", "the0 united1 states2 today3", "the0 us1 of2 america3 today4"];
        assert_eq!(shown(&options, "the usa today"), expected);
        assert_eq!(shown(&options, "united states now")[1], "usa0 now1");
        assert_eq!(shown(&options, "a wi-fi net"), ["a0 wi1 fi2 net3", "a0 wifi1 net2"]);
        assert_eq!(shown(&options, &"old ".repeat(9)).len(), VARIANTS_LEN_MAX);
        assert_eq!(shown(&options, ""), [""]);
    }
}
