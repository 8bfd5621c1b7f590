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
use serde::{Deserialize, Serialize};
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

/// Which end of a path's values comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smallest first.
    #[default]
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
        for byte in &mut key {
            *byte = !*byte;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::json::parse_json;
    use super::super::samples::Samples;
    use super::*;
    use Direction::{Ascending, Descending};
    use bson::{Bson, RawArrayBuf, RawDocumentBuf, rawdoc};

    fn shape(fields: &[(&str, Direction)]) -> Result<KeyShape> {
        let field =
            |&(path, direction): &(&str, Direction)| KeyField { path: path.to_owned(), direction };
        KeyShape::new(fields.iter().map(field))
    }

    fn hex(keys: &[Vec<u8>]) -> Vec<String> {
        let key = |key: &Vec<u8>| format!("{key:02x?}").replace(['[', ']', ',', ' '], "");
        keys.iter().map(key).collect()
    }

    #[test]
    fn keys_are_those_of_the_format_page() {
        let page = include_str!("../../docs/format/index_key.md");
        let (_, examples) = page.split_once("## Worked examples").expect("has the section");
        let rows = examples.lines().filter(|line| line.starts_with("| `"));
        let mut tried = 0;
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [fields, document, keys] = cells[..] else { panic!("{row}") };
            let fields: Vec<_> = fields
                .split(", ")
                .map(|field| match field.strip_suffix(" descending") {
                    Some(path) => (path.trim_matches('`'), Descending),
                    None => (field.trim_matches('`'), Ascending),
                })
                .collect();
            // The page leaves the quotes of names out.
            let mut json = document.trim_matches('`').to_owned();
            for name in ["a", "b"] {
                json = json.replace(&format!("{name}:"), &format!("\"{name}\":"));
            }
            let document = parse_json(&json).expect("JSON");
            let found = shape(&fields).and_then(|shape| shape.keys(&document)).expect("keys");
            let keys: Vec<_> =
                keys.split(", ").map(|key| key.trim_matches('`').replace(' ', "")).collect();
            assert_eq!(hex(&found.keys), keys, "{row}");
            tried += 1;
        }
        assert_eq!(tried, 7);
    }

    #[test]
    fn keys_tell_where_arrays_were_met_and_what_was_found() {
        let shape = shape(&[("a", Ascending), ("b.c", Ascending)]).expect("fields");
        let tell = |json: &str| {
            let found = shape.keys(&parse_json(json).expect("JSON")).expect("keys");
            (found.keys.len(), found.arrays, found.present)
        };
        assert_eq!(tell("{}"), (1, 0b00, 0b00));
        assert_eq!(tell(r#"{"a": null, "b": 1}"#), (1, 0b00, 0b01));
        assert_eq!(tell(r#"{"a": [], "b": []}"#), (1, 0b11, 0b01));
        assert_eq!(tell(r#"{"a": [1, [2], 1], "b": {"c": 1}}"#), (2, 0b01, 0b11));
        assert_eq!(tell(r#"{"b": [{"c": 1}, {"c": [2, 3]}, {}, 5]}"#), (4, 0b10, 0b10));
        assert_eq!(tell(r#"{"a": [1, 2, 3], "b": [{"c": [1, 2]}]}"#), (6, 0b11, 0b11));
    }

    #[test]
    fn keys_sort_as_the_values_compare_and_backwards_when_descending() {
        let mut samples = Samples::new(51);
        let (up, down) = (shape(&[("v", Ascending)]), shape(&[("v", Descending)]));
        let (up, down) = (up.expect("a field"), down.expect("a field"));
        let documents: Vec<_> = std::iter::repeat_with(|| samples.value(2))
            .filter(|value| !matches!(value, Bson::Array(_)))
            .take(300)
            .map(Samples::wrapped)
            .collect();
        let keyed = documents.iter().map(|document| {
            let key = |shape: &KeyShape| shape.keys(document).expect("valid").keys.remove(0);
            (document.get("v").expect("valid").expect("has v"), key(&up), key(&down))
        });
        let keyed: Vec<_> = keyed.collect();
        for (a, a_up, a_down) in &keyed {
            for (b, b_up, b_down) in &keyed {
                assert_eq!(a_up.cmp(b_up), compare(*a, *b), "{a:?} {b:?}");
                assert_eq!(a_down.cmp(b_down), compare(*b, *a), "{a:?} {b:?}");
                assert!(a_down == b_down || !a_down.starts_with(b_down), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn every_combination_of_values_is_a_key_once_and_in_order() {
        let mut samples = Samples::new(52);
        let names = ["a", "b", "ab"];
        for _ in 0..300 {
            let direction = |samples: &mut Samples| {
                if samples.rng.bool() { Ascending } else { Descending }
            };
            let fields = names.map(|name| (name, direction(&mut samples)));
            let document = samples.document(3);
            let found = shape(&fields).and_then(|shape| shape.keys(&document)).expect("keys");
            let mut wanted = vec![Vec::new()];
            for field in fields {
                let values = shape(&[field]).and_then(|shape| shape.keys(&document)).expect("keys");
                let behind = |key: &Vec<u8>| {
                    let joined = values.keys.iter().map(|value| [key.as_slice(), value].concat());
                    joined.collect::<Vec<_>>()
                };
                wanted = wanted.iter().flat_map(behind).collect();
            }
            wanted.sort();
            wanted.dedup();
            assert_eq!(found.keys, wanted, "{document:?}");
        }
    }

    #[test]
    fn shapes_that_are_none_are_refused() {
        let error = |fields: &[(&str, Direction)]| shape(fields).expect_err("refused").to_string();
        assert_eq!(error(&[]), "invalid index fields: expected at least one field, found none");
        assert_eq!(
            error(&[("a", Ascending), ("a", Descending)]),
            "invalid index fields: expected each path once, found \"a\" twice"
        );
        let names: Vec<String> = (0..17).map(|at| format!("f{at}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), Ascending)).collect();
        assert!(shape(&fields[..16]).is_ok());
        assert_eq!(
            error(&fields),
            "invalid index fields: expected at most 16 fields, found another"
        );
        assert!(matches!(shape(&[("a..b", Ascending)]), Err(Error::Path { .. })));
    }

    #[test]
    fn a_document_has_at_most_10000_keys_of_64_mib() {
        let shape = shape(&[("a", Ascending), ("b", Ascending)]).expect("fields");
        let list = |len: i32| (0..len).collect::<RawArrayBuf>();
        let found = shape.keys(&rawdoc! { "a": list(100), "b": list(100) }).expect("few enough");
        assert_eq!(found.keys.len(), 10_000);
        let shown =
            |document: RawDocumentBuf| shape.keys(&document).expect_err("too many").to_string();
        assert_eq!(
            shown(rawdoc! { "a": list(100), "b": list(101) }),
            "index keys of a document: 10100 of 40199 bytes in all exceed 10000 keys or 67108864 \
             bytes; index fewer array fields together"
        );
        let found = shape.keys(&rawdoc! { "a": list(20_000) });
        assert!(matches!(found, Err(Error::IndexKeys { keys: 10_001, .. })), "{found:?}");
        let long = rawdoc! { "a": "x".repeat(1 << 20), "b": list(70) };
        assert!(matches!(shape.keys(&long), Err(Error::IndexKeys { keys: 70, .. })));
    }
}
