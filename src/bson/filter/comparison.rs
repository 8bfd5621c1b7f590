//! `$eq`, `$gt` and their kin, and `$in`: one value against the operands of a filter.
//!
//! Called by the conditions; calls [`compare`] for the order, and [`sort_key`] for the same order of
//! a long list. On top of that order:
//! * values compare only within their bracket: numbers with numbers, strings with symbols, null
//!   with undefined, everything else within its own type. Only the smallest and the largest key
//!   compare with every type;
//! * a missing value counts as null;
//! * NaN equals NaN and is neither above nor below any number, while [`compare`] puts it below.
//!
//! Source: MongoDB manual, "Comparison query operators" and "Type bracketing".

use super::super::compare::compare;
use super::super::error::Result;
use super::super::sort_key::sort_key;
use super::number::is_nan;
use bson::spec::ElementType;
use bson::{RawBson, RawBsonRef};
use std::cmp::Ordering;

/// How a value must stand to the operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One relation to one operand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub(super) relation: Relation,
    pub(super) operand: RawBson,
}

impl Comparison {
    pub(super) fn holds(&self, found: Option<RawBsonRef<'_>>) -> bool {
        use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let found = found.unwrap_or(RawBsonRef::Null);
        let operand = self.operand.as_raw_bson_ref();
        if bracket(found) != bracket(operand) {
            return match operand {
                RawBsonRef::MaxKey => matches!(self.relation, Less | LessOrEqual),
                RawBsonRef::MinKey => matches!(self.relation, Greater | GreaterOrEqual),
                _ => false,
            };
        }
        match compare(found, operand) {
            Ordering::Equal => matches!(self.relation, Equal | LessOrEqual | GreaterOrEqual),
            _ if is_nan(found) || is_nan(operand) => false,
            Ordering::Less => matches!(self.relation, Less | LessOrEqual),
            Ordering::Greater => matches!(self.relation, Greater | GreaterOrEqual),
        }
    }
}

/// One type to stand for all that compare with each other.
fn bracket(value: RawBsonRef<'_>) -> ElementType {
    match value.element_type() {
        ElementType::Int32 | ElementType::Int64 | ElementType::Decimal128 => ElementType::Double,
        ElementType::Symbol => ElementType::String,
        ElementType::Undefined => ElementType::Null,
        own => own,
    }
}

/// The values of an `$in`, sorted, so that a long list costs a binary search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueSet {
    values: Vec<RawBson>,
}

impl ValueSet {
    /// Sorts by keys, which are bytes: each is made once, where [`compare`] may spell out numbers
    /// each time that two of them meet.
    pub(super) fn new(values: Vec<RawBson>) -> Result<Self> {
        let mut keyed = Vec::with_capacity(values.len());
        for value in values {
            let mut key = Vec::new();
            sort_key(value.as_raw_bson_ref(), &mut key)?;
            keyed.push((key, value));
        }
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self { values: keyed.into_iter().map(|(_, value)| value).collect() })
    }

    /// The values from the smallest up, equal ones side by side.
    pub(super) fn values(&self) -> &[RawBson] {
        &self.values
    }

    pub(super) fn contains(&self, found: Option<RawBsonRef<'_>>) -> bool {
        let found = found.unwrap_or(RawBsonRef::Null);
        self.values.binary_search_by(|value| compare(value.as_raw_bson_ref(), found)).is_ok()
    }
}
