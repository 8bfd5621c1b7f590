//! The operand of `$type`: types by number or by name, and the names that errors use.
//!
//! The table is MongoDB's and that of the BSON specification. A set is one bit for each row.

use super::number::whole;
use super::position::cut;
use bson::RawBsonRef;
use bson::spec::ElementType;

/// Type, number, name; a set has one bit per row.
const TYPES: [(ElementType, i64, &str); 21] = [
    (ElementType::Double, 1, "double"),
    (ElementType::String, 2, "string"),
    (ElementType::EmbeddedDocument, 3, "object"),
    (ElementType::Array, 4, "array"),
    (ElementType::Binary, 5, "binData"),
    (ElementType::Undefined, 6, "undefined"),
    (ElementType::ObjectId, 7, "objectId"),
    (ElementType::Boolean, 8, "bool"),
    (ElementType::DateTime, 9, "date"),
    (ElementType::Null, 10, "null"),
    (ElementType::RegularExpression, 11, "regex"),
    (ElementType::DbPointer, 12, "dbPointer"),
    (ElementType::JavaScriptCode, 13, "javascript"),
    (ElementType::Symbol, 14, "symbol"),
    (ElementType::JavaScriptCodeWithScope, 15, "javascriptWithScope"),
    (ElementType::Int32, 16, "int"),
    (ElementType::Timestamp, 17, "timestamp"),
    (ElementType::Int64, 18, "long"),
    (ElementType::Decimal128, 19, "decimal"),
    (ElementType::MinKey, -1, "minKey"),
    (ElementType::MaxKey, 127, "maxKey"),
];

/// The name that stands for all four types of numbers.
const NUMBER: &str = "number";

/// A set of BSON types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TypeSet {
    bits: u32,
}

impl TypeSet {
    /// The types that `wanted` names, or `None` when it is neither the number nor the name of any.
    pub(super) fn named(wanted: RawBsonRef<'_>) -> Option<Self> {
        let numbers = ["double", "int", "long", "decimal"];
        let code = whole(wanted);
        let is_wanted = |(_, row_code, row_name): &(ElementType, i64, &str)| match wanted {
            RawBsonRef::String(NUMBER) => numbers.contains(row_name),
            RawBsonRef::String(name) => name == *row_name,
            _ => code == Some(*row_code),
        };
        let rows = TYPES.iter().enumerate().filter(|(_, row)| is_wanted(row));
        let bits = rows.fold(0, |bits, (row, _)| bits | 1 << row);
        (bits != 0).then_some(Self { bits })
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    pub(super) fn contains(self, value: RawBsonRef<'_>) -> bool {
        let row = TYPES.iter().position(|(element_type, ..)| *element_type == value.element_type());
        row.is_some_and(|row| self.bits & 1 << row != 0)
    }
}

/// Every name that `$type` knows.
pub(super) fn type_names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(_, _, name)| *name).chain([NUMBER])
}

/// What a value is, for errors: its type, and the value itself where that is short.
pub(super) fn shown(value: RawBsonRef<'_>) -> String {
    let row = TYPES.iter().find(|(element_type, ..)| *element_type == value.element_type());
    let name = row.map_or("a value", |(_, _, name)| name);
    match value {
        RawBsonRef::String(text) => format!("{name} {:?}", cut(text)),
        RawBsonRef::Int32(value) => format!("{name} {value}"),
        RawBsonRef::Int64(value) => format!("{name} {value}"),
        RawBsonRef::Double(value) => format!("{name} {value:?}"),
        RawBsonRef::Decimal128(value) => format!("{name} {value}"),
        RawBsonRef::Boolean(value) => format!("{name} {value}"),
        _ => name.to_owned(),
    }
}
