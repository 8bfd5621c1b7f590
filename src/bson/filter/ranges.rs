//! The ranges of a value index in which the documents lie that a filter wants.
//!
//! Called by [`super::Filter::key_ranges`]; calls [`super::intervals`] for what single conditions
//! ask of a value. The filter is read as a conjunction; of it those conditions count that are about
//! a field of the index. From the most significant field on, each must have one of finitely many
//! values, and these are combined; the first field that has a range instead ends it.
//!
//! Why the result is right:
//! * [`KeyShape::keys`] has a key for each combination of values of its fields, so a document for
//!   which a condition holds on each of several fields has a key for which all hold at once;
//! * under a field without arrays there is one value, so what several conditions ask of it is the
//!   intersection; under one with arrays each may hold for another value, so one of them is taken;
//! * in an `$elemMatch` of values all conditions are about the same element;
//! * the documents in an array `a` that `{a: {$elemMatch: {b: …}}}` looks into are those that the
//!   path `a.b` crosses, so conditions on `b` are ones on `a.b`. It also takes an array in `a` for a
//!   document, in which `b` is missing unless it is a number; so neither numbers nor conditions
//!   that hold for a missing value count.
//!
//! Cost: the size of the filter for each field of the index, and the ranges, at most
//! [`RANGES_MAX`].

use super::super::index_key::{Direction, KeyShape, directed};
use super::super::route::Segment;
use super::intervals::{Interval, Intervals, successor};
use super::tree::{Condition, Node, Predicate};

/// Most ranges of one filter; more cost a search each and narrow little down.
const RANGES_MAX: usize = 1_000;

/// Ranges of a value index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRanges {
    /// Ascending and disjoint; none when the filter wants no document at all.
    pub ranges: Vec<KeyRange>,
    /// Whether the documents with a key in the ranges are exactly those that the filter wants.
    pub is_exact: bool,
}

/// Keys between two bounds, of which both may be no keys themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The lowest key that may be in it.
    pub lower: Vec<u8>,
    /// Above all keys in it, and not in it itself; `None` when there is no end.
    pub upper: Option<Vec<u8>>,
}

pub(super) fn key_ranges(root: &Node, shape: &KeyShape, arrays: u32) -> Option<KeyRanges> {
    let mut ranges = None;
    let mut prefixes = vec![Vec::new()];
    let mut covered = 0;
    for (at, (route, direction)) in shape.routes().enumerate() {
        let mut found = Vec::new();
        under(root, &Field { path: route.segments(), rest: route.segments() }, &mut found);
        let has_arrays = arrays >> at & 1 == 1;
        let Some((field, exact)) = joined(found, has_arrays, RANGES_MAX / prefixes.len()) else {
            break;
        };
        covered += exact;
        let are_points = field.are_points;
        let field = turned(field, direction);
        if field.is_empty() {
            return Some(KeyRanges { ranges: Vec::new(), is_exact: true });
        }
        let behind = |prefix: &[u8], bound: &[u8]| [prefix, bound].concat();
        let of_prefix = |prefix: &Vec<u8>| {
            let range = |interval: &Interval| KeyRange {
                lower: behind(prefix, &interval.lower),
                upper: Some(behind(prefix, &interval.upper)),
            };
            field.iter().map(range).collect::<Vec<_>>()
        };
        let found: Vec<KeyRange> = prefixes.iter().flat_map(of_prefix).collect();
        prefixes = found.iter().map(|range| range.lower.clone()).collect();
        ranges = Some(found);
        if !are_points {
            break;
        }
    }
    ranges.map(|ranges| KeyRanges { ranges, is_exact: covered == parts(root) })
}

/// The bytes with which all keys begin of documents that the filter wants, in an index that met no arrays: one value for each of the first
/// `fields` fields. `None` when it may be another one in one of them.
pub(super) fn key_prefix(root: &Node, shape: &KeyShape, fields: usize) -> Option<Vec<u8>> {
    let mut prefix = Vec::new();
    for (route, direction) in shape.routes().take(fields) {
        let mut found = Vec::new();
        under(root, &Field { path: route.segments(), rest: route.segments() }, &mut found);
        let (field, _) = joined(found, false, RANGES_MAX)?;
        let are_points = field.are_points;
        let [point] = turned(field, direction).try_into().ok().filter(|_| are_points)?;
        let Interval { lower, .. } = point;
        prefix.extend(lower);
    }
    Some(prefix)
}

/// How many parts of a conjunction must hold, each of which an index may cover.
fn parts(node: &Node) -> usize {
    fn of_predicate(predicate: &Predicate) -> usize {
        match predicate {
            Predicate::All(predicates) => predicates.iter().map(of_predicate).sum(),
            Predicate::Not(_) | Predicate::Some(_) => 1,
        }
    }
    match node {
        Node::All(nodes) => nodes.iter().map(parts).sum(),
        Node::Any(nodes) if nodes.len() == 1 => nodes.iter().map(parts).sum(),
        Node::Any(_) | Node::Not(_) => 1,
        Node::Field(_, predicate) => of_predicate(predicate),
    }
}

/// A field of the index, seen from where we are in the filter.
struct Field<'f> {
    path: &'f [Segment],
    /// Without the paths of each `$elemMatch` around us.
    rest: &'f [Segment],
}

impl Field<'_> {
    fn is_inside(&self) -> bool {
        self.rest.len() < self.path.len()
    }
}

/// Collects what the conjunction asks of the field.
fn under(node: &Node, field: &Field<'_>, found: &mut Vec<Intervals>) {
    match node {
        Node::All(nodes) => {
            for node in nodes {
                under(node, field, found);
            }
        }
        Node::Any(nodes) => {
            if let [only] = nodes.as_slice() {
                under(only, field, found);
            }
        }
        Node::Not(_) => {}
        Node::Field(route, predicate) => {
            if let Some(rest) = field.rest.strip_prefix(route.segments()) {
                asked(predicate, field, rest, found);
            }
        }
    }
}

/// `rest` is what the path of the field has beyond that of the predicate.
fn asked(predicate: &Predicate, field: &Field<'_>, rest: &[Segment], found: &mut Vec<Intervals>) {
    match (predicate, rest) {
        (Predicate::All(predicates), rest) => {
            for predicate in predicates {
                asked(predicate, field, rest, found);
            }
        }
        (Predicate::Some(Condition::ElementDocument(node)), [next, ..]) if !next.is_index() => {
            under(node, &Field { path: field.path, rest }, found);
        }
        (Predicate::Some(condition), []) => found.extend(asked_of_value(condition, field)),
        (Predicate::Not(_) | Predicate::Some(_), _) => {}
    }
}

fn asked_of_value(condition: &Condition, field: &Field<'_>) -> Option<Intervals> {
    if let Condition::ElementValue(predicate) = condition {
        // An array that an index picked has one key for itself and none for its elements.
        let is_opened = field.path.last().is_some_and(|segment| !segment.is_index());
        return is_opened.then(|| Intervals::of_element(predicate)).flatten();
    }
    let holds_for_missing = || condition.holds(None).unwrap_or(true);
    if field.is_inside() && holds_for_missing() {
        return None;
    }
    let found = Intervals::of(condition)?;
    Some(Intervals { is_exact: found.is_exact && !field.is_inside(), ..found })
}

/// What is asked of a field by all together, and how many of them that covers exactly; `None` when
/// nothing is asked, or there would be too many ranges.
fn joined(
    mut found: Vec<Intervals>,
    has_arrays: bool,
    ranges_max: usize,
) -> Option<(Intervals, usize)> {
    if !has_arrays {
        let exact = found.iter().filter(|asked| asked.is_exact).count();
        let all = found.iter().skip(1).fold(found.first()?.clone(), |all, asked| all.and(asked));
        if all.sorted.len() <= ranges_max {
            return Some((all, exact));
        }
    }
    found.retain(|asked| asked.sorted.len() <= ranges_max);
    let narrowest = found.into_iter().min_by_key(breadth)?;
    let exact = usize::from(narrowest.is_exact);
    Some((narrowest, exact))
}

/// Sorts nothing before points, points before ranges, and those before ranges that begin or end
/// where the type does, which a bound of a single byte tells.
fn breadth(asked: &Intervals) -> (bool, bool, bool, usize) {
    let is_open = |interval: &Interval| interval.lower.len() == 1 || interval.upper.len() == 1;
    (
        !asked.sorted.is_empty(),
        !asked.are_points,
        asked.sorted.iter().any(is_open),
        asked.sorted.len(),
    )
}

/// The intervals in the order of the field's direction.
fn turned(asked: Intervals, direction: Direction) -> Vec<Interval> {
    if direction == Direction::Ascending {
        return asked.sorted;
    }
    let turn = |interval: Interval| {
        let lower = directed(interval.lower, direction);
        if asked.are_points {
            Interval::starting_with(lower)
        } else {
            // What was above all that starts so is now below it, and the other way round.
            let upper = directed(interval.upper, direction);
            Interval { lower: successor(upper), upper: successor(lower) }
        }
    };
    let turned = asked.sorted.into_iter().rev().map(turn);
    // Between the start of all documents and the key of the first of them no bytes are left.
    turned.filter(|interval| interval.lower < interval.upper).collect()
}
