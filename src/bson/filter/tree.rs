//! A compiled filter as a tree, and how it is tried on a document.
//!
//! Built by the compiler, evaluated by [`super::Filter::matches`]. Three levels: a [`Node`] is about
//! a whole document, a [`Predicate`] about one path of it, a [`Condition`] about one value.
//!
//! A predicate is tried in two ways. Under a path each of its conditions looks for a value of its
//! own: `{a: {$gt: 1, $lt: 5}}` holds for `a: [0, 9]`. Inside `$elemMatch` all of them are about the
//! same element. A negation is that of the whole positive form in both.
//!
//! Cost: conditions × what their routes walk; a conjunction stops at the first that fails, an
//! alternative at the first that holds. Recursion is as deep as the filter nests, plus one route.

use super::super::error::Result;
use super::super::route::{End, Met, Route, Scope};
use super::comparison::{Comparison, ValueSet};
use super::number::truncated;
use super::pattern::Pattern;
use super::type_set::TypeSet;
use bson::{RawArray, RawBsonRef};

/// Something that a document is or is not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Field(Route, Predicate),
}

/// Something that holds under a path or does not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Predicate {
    All(Vec<Predicate>),
    Not(Box<Predicate>),
    Some(Condition),
}

/// Something that holds for a value, or for a missing one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Compare(Comparison),
    In {
        values: ValueSet,
        patterns: Vec<Pattern>,
    },
    Matches(Box<Pattern>),
    Exists,
    Type(TypeSet),
    Size(usize),
    Remainder {
        divisor: i64,
        remainder: i64,
    },
    /// An array one of whose documents is like this.
    ElementDocument(Box<Node>),
    /// An array for one of whose elements this holds.
    ElementValue(Box<Predicate>),
}

impl Node {
    pub(super) fn holds(&self, scope: Scope<'_>) -> Result<bool> {
        match self {
            Self::All(nodes) => all(nodes, |node| node.holds(scope)),
            Self::Any(nodes) => any(nodes, |node| node.holds(scope)),
            Self::Not(node) => Ok(!node.holds(scope)?),
            Self::Field(route, predicate) => predicate.holds_under(route, scope),
        }
    }
}

impl Predicate {
    fn holds_under(&self, route: &Route, scope: Scope<'_>) -> Result<bool> {
        match self {
            Self::All(predicates) => all(predicates, |each| each.holds_under(route, scope)),
            Self::Not(predicate) => Ok(!predicate.holds_under(route, scope)?),
            Self::Some(condition) => route.any(scope, condition.end(), &mut |met| match met {
                Met::Value(found) => condition.holds(found),
                Met::Array => Ok(false),
            }),
        }
    }

    fn holds_for(&self, value: RawBsonRef<'_>) -> Result<bool> {
        match self {
            Self::All(predicates) => all(predicates, |each| each.holds_for(value)),
            Self::Not(predicate) => Ok(!predicate.holds_for(value)?),
            Self::Some(condition) => condition.holds(Some(value)),
        }
    }
}

impl Condition {
    /// Conditions about arrays meet an array as a whole, the others its elements too.
    fn end(&self) -> End {
        match self {
            Self::Exists | Self::Size(_) | Self::ElementDocument(_) | Self::ElementValue(_) => {
                End::Whole
            }
            Self::Compare(_)
            | Self::In { .. }
            | Self::Matches(_)
            | Self::Type(_)
            | Self::Remainder { .. } => End::Opened,
        }
    }

    pub(super) fn holds(&self, found: Option<RawBsonRef<'_>>) -> Result<bool> {
        Ok(match self {
            Self::Compare(comparison) => comparison.holds(found),
            Self::In { values, patterns } => {
                values.contains(found) || patterns.iter().any(|pattern| pattern.holds(found))
            }
            Self::Matches(pattern) => pattern.holds(found),
            Self::Exists => found.is_some(),
            Self::Type(types) => found.is_some_and(|found| types.contains(found)),
            Self::Size(size) => array_of(found).is_some_and(|array| {
                // One more than wanted tells as much as all of them.
                array.into_iter().take(size.saturating_add(1)).count() == *size
            }),
            Self::Remainder { divisor, remainder } => {
                found.and_then(truncated).is_some_and(|n| n.wrapping_rem(*divisor) == *remainder)
            }
            Self::ElementDocument(node) => any_element(found, |element| match element {
                RawBsonRef::Document(document) => node.holds(Scope::Document(document)),
                RawBsonRef::Array(array) => node.holds(Scope::Array(array)),
                _ => Ok(false),
            })?,
            Self::ElementValue(predicate) => {
                any_element(found, |element| predicate.holds_for(element))?
            }
        })
    }
}

fn all<T>(each: &[T], mut holds: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    Ok(!any(each, |each| Ok(!holds(each)?))?)
}

fn any<T>(each: &[T], mut holds: impl FnMut(&T) -> Result<bool>) -> Result<bool> {
    for each in each {
        if holds(each)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn any_element<'a>(
    found: Option<RawBsonRef<'a>>,
    mut holds: impl FnMut(RawBsonRef<'a>) -> Result<bool>,
) -> Result<bool> {
    for element in array_of(found).into_iter().flatten() {
        if holds(element?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn array_of(found: Option<RawBsonRef<'_>>) -> Option<&RawArray> {
    found.and_then(RawBsonRef::as_array)
}
