//! Sets of documents that leaves stand for: those with a word that fits a pattern.
//!
//! The searcher asks for a set when it opens the leaf, and searches it like the list of a word. Where only the words decide, their
//! lists are laid over each other; where it matters under which path they stand, each is a leaf of its own, and whoever evaluates
//! leaves says in which documents some of them occur. Cost: a walk through the terms, and a step for each of their documents.

use super::error::Result;
use super::plan::{Leaf, LeafKey, Plan, Slop};
use crate::fts::{DocumentSet, FieldId, TermPattern, TextReader};

/// Leaves that are evaluated together: more of them take more memory.
const LEAVES_LEN_MAX: usize = 128;

/// Adds the documents that hold a term that fits, in one of these fields.
pub(super) fn add_terms(
    reader: &TextReader<'_>,
    fields: &[FieldId],
    pattern: &TermPattern,
    to: &mut DocumentSet,
) -> Result<()> {
    for &field in fields {
        reader.each_term(field, pattern, &mut |_, _, postings| to.add(&postings))?;
    }
    Ok(())
}

/// Passes plans to `visit` that together match the documents that hold a term that fits at or below `path`, as `plan` knows it.
pub(super) fn each_plan_below(
    reader: &TextReader<'_>,
    plan: &Plan,
    fields: &[FieldId],
    path: &str,
    pattern: &TermPattern,
    visit: &mut dyn FnMut(&Plan) -> Result<()>,
) -> Result<()> {
    let mut leaves = Vec::new();
    for &field in fields {
        reader.each_term(field, pattern, &mut |term, _, postings| {
            let (df, term) = (postings.statistics.df, String::from_utf8_lossy(term).into_owned());
            let key = LeafKey {
                across: None,
                field,
                is_phrase: false,
                terms: vec![(term, 0)],
                slop: Slop::Exact,
                path: Some(path.to_owned()),
                character: None,
                set: None,
                group: 0,
            };
            leaves.push(Leaf { key, dfs: vec![df], scores: true, boost: 1.0 });
            Ok(())
        })?;
    }
    for leaves in leaves.chunks(LEAVES_LEN_MAX) {
        let (paths, leaves) = (plan.paths.clone(), leaves.to_vec());
        visit(&Plan { paths, leaves, ..Plan::default() })?;
    }
    Ok(())
}
