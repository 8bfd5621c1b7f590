//! The names of operators, and which of them somebody meant who wrote another.
//!
//! Used by the compiler for unknown operators and unknown type names. The lists are what
//! [`super::compile`] dispatches on; a test holds the two together.

/// Operators that stand beside field names and join whole filters.
pub(super) const OF_DOCUMENTS: [&str; 4] = ["$and", "$or", "$nor", "$comment"];

/// Operators that stand under a field name.
pub(super) const OF_FIELDS: [&str; 17] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$not",
    "$exists",
    "$type",
    "$size",
    "$all",
    "$elemMatch",
    "$regex",
    "$options",
    "$mod",
];

/// The remedy for a name that is not known: the nearest known one, or all of them when none is
/// near.
pub(super) fn remedy(unknown: &str, known: &[&str]) -> String {
    let longest = known.iter().map(|name| name.len()).max().unwrap_or_default();
    // A name so long is near to none, and comparing it would take its time.
    let comparable = unknown.len() <= 2 * longest;
    let nearest = known.iter().map(|name| (distance(unknown, name), *name)).filter(|_| comparable);
    match nearest.min_by_key(|(distance, _)| *distance) {
        Some((distance, name)) if 2 * distance < name.len() => format!("did you mean {name}?"),
        _ => format!("known are {}", known.join(", ")),
    }
}

/// How many bytes to insert, delete or replace, upper and lower case being the same
/// (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, a_byte) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b_byte) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(!a_byte.eq_ignore_ascii_case(&b_byte));
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}
