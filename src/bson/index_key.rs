//! The keys of a document in a value index: which values of it are indexed, and as which bytes.
//!
//! Called by whatever keeps value indexes, for each document written, and by the filters that look
//! for ranges of such keys; calls [`sort_key`] for the bytes and [`Route`] for the values, so that an
//! index finds what a filter would.
#![doc = include_str!("../../docs/format/index_key.md")]
//!
//! Invariants
//! * every document has at least one key, and all its keys are distinct;
//! * no key is a prefix of another one of the same shape, so anything may follow a key;
//! * the values of a field are those that a filter meets under its path, except that an array at the
//!   end is met only by its elements, unless it has none. So a condition whose operand is neither an
//!   array nor the smallest or largest key holds for a document exactly when it holds for one of the
//!   values of the field, a missing one being null.
//!
//! Cost: a walk for each field, and an allocation for each key and each value. At most [`KEYS_MAX`]
//! keys of [`KEYS_BYTES_MAX`] bytes together are ever held.

use super::error::{Error, Result};
use super::path::Path;
use super::route::{End, Met, Route, Scope};
use super::sort_key::sort_key;
use super::validate::DOCUMENT_BYTES_MAX;
use bson::{RawBsonRef, RawDocument};
use std::collections::BTreeSet;

/// Most fields of one index.
const FIELDS_MAX: usize = 16;

/// Most keys of one document.
const KEYS_MAX: usize = 10_000;

/// Most bytes of all keys of one document.
const KEYS_BYTES_MAX: usize = DOCUMENT_BYTES_MAX;

/// Stands for a field under which nothing at all is found, not even a missing value: below every
/// tag of a sort key, and in no range that a filter asks for.
const NOTHING: u8 = 0x01;

/// Which end of a field's values comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// One field of a value index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyField {
    /// Dotted path of the values, as in `author.name`.
    pub path: String,
    /// How they are sorted.
    pub direction: Direction,
}

/// What the keys of a value index consist of: 1 to 16 fields, the most significant first.
///
/// ```
/// use alluvium::bson::{Direction, KeyField, KeyShape, rawdoc};
///
/// let field = |path: &str, direction| KeyField { path: path.to_owned(), direction };
/// let shape = KeyShape::new([
///     field("tags", Direction::Ascending),
///     field("year", Direction::Descending),
/// ])?;
/// let found = shape.keys(&rawdoc! { "tags": ["a", "b", "a"], "year": 1 })?;
/// // "a" and "b" as they are, and 1 with every bit flipped.
/// assert_eq!(
///     found.keys,
///     [vec![0x30, b'a', 0, 1, 0xE0, 0xFD], vec![0x30, b'b', 0, 1, 0xE0, 0xFD]]
/// );
/// assert_eq!((found.arrays, found.present), (0b01, 0b11));
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShape {
    fields: Vec<KeyField>,
    /// One for each field.
    routes: Vec<Route>,
}

/// The keys of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeys {
    /// At least one key, ascending, each once.
    pub keys: Vec<Vec<u8>>,
    /// Bit i is set when an array was met under field i, on the way or at its end.
    pub arrays: u32,
    /// Bit i is set when a value was found under field i, null included.
    pub present: u32,
}

impl KeyShape {
    /// Takes the fields of an index, the most significant first.
    ///
    /// # Errors
    /// [`Error::KeyFields`] for none, for more than 16, and for a path that occurs twice;
    /// [`Error::Path`] for what is no path.
    pub fn new(fields: impl IntoIterator<Item = KeyField>) -> Result<Self> {
        let mut shape = Self { fields: Vec::new(), routes: Vec::new() };
        for field in fields {
            if shape.fields.len() == FIELDS_MAX {
                return Err(Error::KeyFields {
                    message: format!("expected at most {FIELDS_MAX} fields, found another"),
                });
            }
            if shape.fields.iter().any(|other| other.path == field.path) {
                return Err(Error::KeyFields {
                    message: format!("expected each path once, found {:?} twice", field.path),
                });
            }
            shape.routes.push(Route::new(&Path::parse(&field.path)?));
            shape.fields.push(field);
        }
        if shape.fields.is_empty() {
            return Err(Error::KeyFields {
                message: "expected at least one field, found none".to_owned(),
            });
        }
        Ok(shape)
    }

    /// The fields, the most significant first.
    pub fn fields(&self) -> &[KeyField] {
        &self.fields
    }

    /// The fields with their paths taken apart.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&Route, Direction)> {
        self.routes.iter().zip(self.fields.iter().map(|field| field.direction))
    }

    /// The keys under which a document is found: one for each combination of the values of all
    /// fields.
    ///
    /// # Errors
    /// [`Error::IndexKeys`] when these are more than 10,000 or take more than 64 MiB;
    /// [`Error::Unreadable`] and [`Error::TooDeep`], and never for a validated document.
    pub fn keys(&self, document: &RawDocument) -> Result<IndexKeys> {
        let mut found = IndexKeys { keys: Vec::new(), arrays: 0, present: 0 };
        let mut fields = Vec::with_capacity(self.fields.len());
        for (at, (route, direction)) in self.routes().enumerate() {
            let values = FieldValues::of(document, route, direction)?;
            found.arrays |= u32::from(values.has_array) << at;
            found.present |= u32::from(values.is_present) << at;
            fields.push(values.keys);
        }
        check_size(&fields)?;
        let mut fields = fields.into_iter();
        // Values of a field are sorted and none is a prefix of another, so their combinations are too.
        let first = fields.next().into_iter().flatten().collect();
        found.keys = fields.fold(first, |keys: Vec<Vec<u8>>, values| {
            let joined = |key: &Vec<u8>| {
                let key = key.clone();
                values.iter().map(move |value| [key.as_slice(), value].concat()).collect::<Vec<_>>()
            };
            keys.iter().flat_map(joined).collect()
        });
        Ok(found)
    }
}

/// What one field of a document adds to its keys.
struct FieldValues {
    keys: BTreeSet<Vec<u8>>,
    has_array: bool,
    is_present: bool,
}

impl FieldValues {
    fn of(document: &RawDocument, route: &Route, direction: Direction) -> Result<Self> {
        let mut values = Self { keys: BTreeSet::new(), has_array: false, is_present: false };
        route.any(Scope::Document(document), End::Elements, &mut |met| {
            match met {
                Met::Array => values.has_array = true,
                Met::Value(found) => {
                    values.is_present |= found.is_some();
                    let mut key = Vec::new();
                    sort_key(found.unwrap_or(RawBsonRef::Null), &mut key)?;
                    values.keys.insert(directed(key, direction));
                }
            }
            // One more than allowed tells as much as all of them.
            Ok(values.keys.len() > KEYS_MAX)
        })?;
        if values.keys.is_empty() {
            values.keys.insert(directed(vec![NOTHING], direction));
        }
        Ok(values)
    }
}

/// Refuses what would take too much once it is combined.
fn check_size(fields: &[BTreeSet<Vec<u8>>]) -> Result<()> {
    let keys = fields.iter().fold(1, |keys: usize, values| keys.saturating_mul(values.len()));
    let of_field = |values: &BTreeSet<Vec<u8>>| {
        let bytes: usize = values.iter().map(Vec::len).sum();
        bytes.saturating_mul(keys / values.len().max(1))
    };
    let bytes = fields.iter().map(of_field).fold(0, usize::saturating_add);
    if keys > KEYS_MAX || bytes > KEYS_BYTES_MAX {
        return Err(Error::IndexKeys {
            keys,
            bytes,
            keys_max: KEYS_MAX,
            bytes_max: KEYS_BYTES_MAX,
        });
    }
    Ok(())
}

/// The bytes of an ascending key in the direction of its field.
pub(super) fn directed(mut key: Vec<u8>, direction: Direction) -> Vec<u8> {
    if direction == Direction::Descending {
        key.iter_mut().for_each(|byte| *byte = !*byte);
    }
    key
}
