//! The operands of single operators: flags, sizes, types, divisors.
//!
//! Called by the compiler, which knows the position; functions that look inside an array move it,
//! so that their errors name the element.

use super::super::error::Result;
use super::number::{truncated, whole};
use super::operators::remedy;
use super::position::Position;
use super::type_set::{TypeSet, shown, type_names};
use bson::RawBsonRef;

/// `true` or `false`, or a number that stands for them.
pub(super) fn flag(value: RawBsonRef<'_>) -> Option<bool> {
    match value {
        RawBsonRef::Boolean(value) => Some(value),
        value => whole(value).map(|value| value != 0),
    }
}

/// A length of an array.
pub(super) fn size(value: RawBsonRef<'_>) -> Option<usize> {
    whole(value).and_then(|value| usize::try_from(value).ok())
}

/// One type, or an array of at least one.
pub(super) fn types(value: RawBsonRef<'_>, position: &mut Position) -> Result<TypeSet> {
    let RawBsonRef::Array(array) = value else {
        return one_type(value, position);
    };
    if array.is_empty() {
        return Err(position.refuse("expected at least one type, found an empty array"));
    }
    let mut types = TypeSet::default();
    for (index, element) in array.into_iter().enumerate() {
        let outer = position.enter(&index.to_string());
        types = types.with(one_type(element?, position)?);
        position.leave(outer);
    }
    Ok(types)
}

fn one_type(value: RawBsonRef<'_>, position: &Position) -> Result<TypeSet> {
    TypeSet::named(value).ok_or_else(|| {
        let names: Vec<&str> = type_names().collect();
        let remedy = match value {
            RawBsonRef::String(name) => remedy(name, &names),
            _ => remedy("", &names),
        };
        position.refuse(format!("expected a type, found {}; {remedy}", shown(value)))
    })
}

/// `[divisor, remainder]`, both without their fractions.
pub(super) fn divisor(value: RawBsonRef<'_>, position: &mut Position) -> Result<(i64, i64)> {
    const EXPECTED: &str = "expected an array of a divisor and a remainder, found";
    let RawBsonRef::Array(array) = value else {
        return Err(position.refuse(format!("{EXPECTED} {}", shown(value))));
    };
    let mut numbers = Vec::new();
    for (index, element) in array.into_iter().enumerate().take(3) {
        let element = element?;
        let outer = position.enter(&index.to_string());
        numbers.push(truncated(element).ok_or_else(|| {
            position.refuse(format!("expected a number of 64 bits, found {}", shown(element)))
        })?);
        position.leave(outer);
    }
    match numbers[..] {
        [0, _] => Err(position.refuse("expected a divisor other than 0, found 0")),
        [divisor, remainder] => Ok((divisor, remainder)),
        [] | [_] => Err(position.refuse(format!("{EXPECTED} an array of {}", numbers.len()))),
        _ => Err(position.refuse(format!("{EXPECTED} an array of 3 or more"))),
    }
}
