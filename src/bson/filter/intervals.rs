//! Which sort keys the values have for which a condition holds, as intervals of bytes.
//!
//! Called by [`super::ranges`] for the ranges of an index, and by [`super::implication`] to see
//! whether one condition holds wherever another does; calls [`sort_key`] for the bytes. Keys here
//! are ascending ones of single values.
//!
//! An interval is the keys from `lower` up to `upper`, which is not in it. Both are a key, the start
//! of some keys, or the successor of one of these. As no key is a prefix of another, the same bounds
//! hold when something follows the keys.
//!
//! Source of the bounds: [`Comparison`], and the tags of `docs/format/sort_key.md`.

use super::super::sort_key::{first_bytes, sort_key, string_prefix};
use super::comparison::{Comparison, Relation};
use super::number::is_nan;
use super::pattern::Pattern;
use super::tree::{Condition, Predicate};
use bson::RawBsonRef;

/// Keys between two bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) lower: Vec<u8>,
    /// Exclusive.
    pub(super) upper: Vec<u8>,
}

impl Interval {
    /// The keys that start with these bytes; one key, if they are a whole one.
    pub(super) fn starting_with(prefix: Vec<u8>) -> Self {
        Self { upper: successor(prefix.clone()), lower: prefix }
    }
}

/// A set of keys.
#[derive(Debug, Clone)]
pub(super) struct Intervals {
    /// Ascending and disjoint, none empty.
    pub(super) sorted: Vec<Interval>,
    /// Whether each interval holds a single key, which is then its lower bound.
    pub(super) are_points: bool,
    /// Whether the condition holds for every value with a key in the set; it never holds for others.
    pub(super) is_exact: bool,
}

impl Intervals {
    /// The keys of the values for which the condition holds, null's standing for a missing one;
    /// `None` for a condition that is not about keys, or that may hold for an array as a whole.
    pub(super) fn of(condition: &Condition) -> Option<Self> {
        match condition {
            Condition::Compare(comparison) => Self::of_comparison(comparison),
            Condition::In { values, patterns } => {
                let mut found =
                    Self::of_values(values.values().iter().map(|v| v.as_raw_bson_ref()))?;
                for pattern in patterns {
                    found = found.or(Self::of_pattern(pattern)?);
                }
                Some(found)
            }
            Condition::Matches(pattern) => Self::of_pattern(pattern),
            Condition::Exists
            | Condition::Type(_)
            | Condition::Size(_)
            | Condition::Remainder { .. }
            | Condition::ElementDocument(_)
            | Condition::ElementValue(_) => None,
        }
    }

    /// A set that holds the keys of all elements for which the predicate of an `$elemMatch` holds.
    pub(super) fn of_element(predicate: &Predicate) -> Option<Self> {
        let found = match predicate {
            Predicate::All(predicates) => {
                predicates.iter().filter_map(Self::of_element).reduce(|a, b| a.and(&b))
            }
            Predicate::Not(_) => None,
            Predicate::Some(condition) => Self::of(condition),
        };
        // A value that is no element of an array may have such a key, too.
        found.map(|found| Self { is_exact: false, ..found })
    }

    fn of_comparison(comparison: &Comparison) -> Option<Self> {
        use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let operand = comparison.operand.as_raw_bson_ref();
        let key = match (comparison.relation, operand) {
            (Equal, operand) => return Self::of_values([operand].into_iter()),
            (_, RawBsonRef::Array(_) | RawBsonRef::MinKey | RawBsonRef::MaxKey) => return None,
            (_, operand) => key_of(operand)?,
        };
        let kin = first_bytes(operand);
        let above = successor(vec![*kin.end()]);
        let point = Interval::starting_with(key.clone());
        let interval = match comparison.relation {
            Less | Greater if is_nan(operand) => None,
            LessOrEqual | GreaterOrEqual if is_nan(operand) => Some(point.clone()),
            Less => Some(Interval { lower: vec![*kin.start()], upper: key }),
            LessOrEqual => Some(Interval { lower: vec![*kin.start()], upper: point.upper.clone() }),
            Greater => Some(Interval { lower: point.upper.clone(), upper: above }),
            Equal | GreaterOrEqual => Some(Interval { lower: key, upper: above }),
        };
        let are_points = interval.as_ref().is_none_or(|interval| *interval == point);
        let mut intervals: Vec<Interval> = interval.into_iter().collect();
        intervals.retain(|interval| interval.lower < interval.upper);
        Some(Self { sorted: intervals, are_points, is_exact: true })
    }

    /// `values` are sorted.
    fn of_values<'a>(values: impl Iterator<Item = RawBsonRef<'a>>) -> Option<Self> {
        let mut intervals = Vec::new();
        for value in values {
            // Is found as an array as well as by its elements, of which only these have keys.
            if matches!(value, RawBsonRef::Array(_)) {
                return None;
            }
            intervals.push(Interval::starting_with(key_of(value)?));
        }
        intervals.dedup();
        Some(Self { sorted: intervals, are_points: true, is_exact: true })
    }

    fn of_pattern(pattern: &Pattern) -> Option<Self> {
        let (prefix, is_exact) = pattern.prefix()?;
        let texts = Interval::starting_with(string_prefix(&prefix));
        let written = Self::of_values([pattern.written().as_raw_bson_ref()].into_iter())?;
        Some(written.or(Self { sorted: vec![texts], are_points: false, is_exact }))
    }

    /// The keys in either set, both of which are made of what starts with certain bytes: where two
    /// such intervals overlap, one lies in the other.
    fn or(mut self, other: Self) -> Self {
        self.sorted.extend(other.sorted);
        self.sorted.sort_unstable_by(|a, b| a.lower.cmp(&b.lower));
        self.sorted.dedup_by(|next, last| next.lower < last.upper);
        Self {
            sorted: self.sorted,
            are_points: self.are_points && other.are_points,
            is_exact: self.is_exact && other.is_exact,
        }
    }

    /// The keys in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut intervals = Vec::new();
        let (mut ours, mut theirs) = (self.sorted.iter(), other.sorted.iter());
        let (mut our, mut their) = (ours.next(), theirs.next());
        while let (Some(a), Some(b)) = (our, their) {
            let lower = a.lower.as_slice().max(&b.lower);
            let upper = a.upper.as_slice().min(&b.upper);
            if lower < upper {
                intervals.push(Interval { lower: lower.to_vec(), upper: upper.to_vec() });
            }
            if a.upper <= b.upper {
                our = ours.next();
            } else {
                their = theirs.next();
            }
        }
        Self {
            sorted: intervals,
            are_points: self.are_points || other.are_points,
            is_exact: self.is_exact && other.is_exact,
        }
    }

    /// Whether all keys of the set surely lie in the other.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let mut theirs = other.sorted.iter().peekable();
        self.sorted.iter().all(|our| {
            while theirs.next_if(|their| their.upper <= our.lower).is_some() {}
            theirs.peek().is_some_and(|their| their.lower <= our.lower && our.upper <= their.upper)
        })
    }
}

fn key_of(value: RawBsonRef<'_>) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    sort_key(value, &mut key).ok().map(|()| key)
}

/// The first bytes above everything that starts with `prefix`.
pub(super) fn successor(mut prefix: Vec<u8>) -> Vec<u8> {
    let kept = prefix.iter().rposition(|&byte| byte != 0xFF).map_or(0, |at| at + 1);
    prefix.truncate(kept);
    let last = prefix.last_mut().expect("invariant: the first byte of a key is never FF");
    *last += 1;
    prefix
}
