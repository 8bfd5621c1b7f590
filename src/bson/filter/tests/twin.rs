//! The meaning of filters by definition: slow, over owned values, and without the code under test.
//!
//! [`matches`] reads the filter anew for each document. Under a path it collects everything that is
//! found, missing values included, and then asks the textbook question of each operator. It knows
//! well-formed filters only, and regular expressions only from [`PATTERNS`].

use super::super::super::compare::compare;
use bson::{Bson, Document, RawBson};
use std::cmp::Ordering;

/// Pattern, options, and what they mean.
pub(super) type KnownPattern = (&'static str, &'static str, fn(&str) -> bool);

pub(super) const PATTERNS: [KnownPattern; 6] = [
    ("^a", "", |text| text.starts_with('a')),
    ("^ab?$", "", |text| text == "a" || text == "ab"),
    ("B$", "i", |text| text.ends_with('b') || text.ends_with('B')),
    ("a.b", "s", |text| text.char_indices().any(|(at, _)| dotted(&text[at..]))),
    ("^b", "m", |text| text.split('\n').any(|line| line.starts_with('b'))),
    ("", "", |_| true),
];

fn dotted(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('a') && chars.next().is_some() && chars.next() == Some('b')
}

/// Something found under a path; no value is a missing one.
struct Found {
    value: Option<Bson>,
    /// Whether the elements of an array count as found, too.
    opened: bool,
}

impl Found {
    fn new(value: &Bson, opened: bool) -> Self {
        Self { value: Some(value.clone()), opened }
    }
}

pub(super) fn matches(filter: &Document, document: &Document) -> bool {
    let filters = |value: &Bson| -> Vec<bool> {
        let filters = value.as_array().expect("an array").iter();
        filters.map(|filter| matches(filter.as_document().expect("a filter"), document)).collect()
    };
    filter.iter().all(|(name, value)| match name.as_str() {
        "$and" => filters(value).iter().all(|&holds| holds),
        "$or" => filters(value).iter().any(|&holds| holds),
        "$nor" => !filters(value).iter().any(|&holds| holds),
        "$comment" => true,
        path => {
            let path: Vec<&str> = path.split('.').collect();
            values(&in_document(document, &path), value)
        }
    })
}

fn in_document(document: &Document, path: &[&str]) -> Vec<Found> {
    match (document.get(path[0]), &path[1..]) {
        (Some(value), []) => vec![Found::new(value, true)],
        (Some(Bson::Document(inside)), rest) => in_document(inside, rest),
        (Some(Bson::Array(array)), rest) => in_array(array, rest),
        _ => vec![Found { value: None, opened: true }],
    }
}

fn in_array(array: &[Bson], path: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, element) in array.iter().enumerate() {
        if let Bson::Document(document) = element {
            found.extend(in_document(document, path));
        }
        if index.to_string() == path[0] {
            match (element, &path[1..]) {
                (element, []) => found.push(Found::new(element, false)),
                (Bson::Document(document), rest) => found.extend(in_document(document, rest)),
                (Bson::Array(inside), rest) => found.extend(in_array(inside, rest)),
                _ => {}
            }
        }
    }
    found
}

fn operators(value: &Bson) -> Option<&Document> {
    value.as_document().filter(|document| document.keys().any(|name| name.starts_with('$')))
}

/// What stands beside a path: operators, a regex, or a value to be equal to.
fn values(found: &[Found], wanted: &Bson) -> bool {
    match (operators(wanted), wanted) {
        (Some(operators), _) => {
            operators.iter().all(|(name, operand)| holds(found, name, operand, operators))
        }
        (None, Bson::RegularExpression(regex)) => {
            like(found, regex.pattern.as_str(), regex.options.as_str())
        }
        (None, wanted) => holds(found, "$eq", wanted, &Document::new()),
    }
}

fn holds(found: &[Found], name: &str, operand: &Bson, siblings: &Document) -> bool {
    let null_if_missing = |value: &Option<Bson>| value.clone().unwrap_or(Bson::Null);
    let each: Vec<Option<Bson>> = found.iter().flat_map(opened).collect();
    let ordered = |wanted: &[Ordering]| {
        each.iter().any(|value| order(&null_if_missing(value), operand, wanted))
    };
    let list = || operand.as_array().expect("an array");
    let arrays = || found.iter().filter_map(|found| found.value.as_ref()?.as_array());
    match name {
        "$eq" => each.iter().any(|value| equal(&null_if_missing(value), operand)),
        "$ne" => !holds(found, "$eq", operand, siblings),
        "$gt" => ordered(&[Ordering::Greater]),
        "$gte" => ordered(&[Ordering::Greater, Ordering::Equal]),
        "$lt" => ordered(&[Ordering::Less]),
        "$lte" => ordered(&[Ordering::Less, Ordering::Equal]),
        "$in" => list().iter().any(|wanted| values(found, wanted)),
        "$nin" => !holds(found, "$in", operand, siblings),
        "$not" => !values(found, operand),
        "$exists" => {
            let exists = found.iter().any(|found| found.value.is_some());
            exists == operand.as_bool().expect("a bool")
        }
        "$type" => {
            let types = operand.as_array().cloned().unwrap_or_else(|| vec![operand.clone()]);
            each.iter().flatten().any(|value| types.iter().any(|wanted| has_type(value, wanted)))
        }
        "$size" => {
            let size = operand.as_i32().expect("an int");
            arrays().any(|array| i32::try_from(array.len()) == Ok(size))
        }
        "$all" => !list().is_empty() && list().iter().all(|wanted| values(found, wanted)),
        "$elemMatch" => arrays().any(|array| array.iter().any(|e| element(e, operand))),
        "$regex" => {
            let options = siblings.get("$options").map_or("", |o| o.as_str().expect("a string"));
            like(found, operand.as_str().expect("a string"), options)
        }
        "$options" => true,
        "$mod" => {
            let number = |at: usize| number(&list()[at]).expect("a number");
            let (divisor, remainder) = (number(0).trunc(), number(1).trunc());
            let numbers = each.iter().flatten().filter_map(self::number);
            numbers
                .filter(|n| n.is_finite())
                .any(|n| (n.trunc() % divisor).partial_cmp(&remainder) == Some(Ordering::Equal))
        }
        name => panic!("{name} is not an operator"),
    }
}

/// What one finding counts as: itself, and before it the elements of an array.
fn opened(found: &Found) -> Vec<Option<Bson>> {
    let mut each = Vec::new();
    if let (Some(Bson::Array(array)), true) = (&found.value, found.opened) {
        each.extend(array.iter().cloned().map(Some));
    }
    each.push(found.value.clone());
    each
}

fn element(element: &Bson, operand: &Bson) -> bool {
    let joins = ["$and", "$or", "$nor", "$comment"];
    let filter = operand.as_document().expect("a document");
    match (operators(operand), element) {
        (Some(operators), element) if !operators.keys().any(|name| joins.contains(&&**name)) => {
            values(&[Found::new(element, false)], operand)
        }
        (_, Bson::Document(document)) => matches(filter, document),
        (_, Bson::Array(array)) => {
            let indexed = array.iter().enumerate().map(|(at, e)| (at.to_string(), e.clone()));
            matches(filter, &indexed.collect())
        }
        _ => false,
    }
}

fn like(found: &[Found], pattern: &str, options: &str) -> bool {
    let known = PATTERNS.iter().find(|known| (known.0, known.1) == (pattern, options));
    let means = known.expect("a known pattern").2;
    found.iter().flat_map(opened).any(|value| match value {
        Some(Bson::String(text) | Bson::Symbol(text)) => means(&text),
        Some(Bson::RegularExpression(regex)) => {
            (regex.pattern.as_str(), regex.options.as_str()) == (pattern, options)
        }
        _ => false,
    })
}

/// Random numbers are few and small, so that a double holds each of them exactly.
fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(value) => Some((*value).into()),
        Bson::Int64(value) => i32::try_from(*value).ok().map(f64::from),
        Bson::Double(value) => Some(*value),
        Bson::Decimal128(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

fn text(value: &Bson) -> Option<&str> {
    match value {
        Bson::String(text) | Bson::Symbol(text) => Some(text),
        _ => None,
    }
}

fn nullish(value: &Bson) -> bool {
    matches!(value, Bson::Null | Bson::Undefined)
}

fn equal(a: &Bson, b: &Bson) -> bool {
    match (a, b) {
        (Bson::Document(a), Bson::Document(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && equal(a.1, b.1))
        }
        (Bson::Array(a), Bson::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (a, b) if number(a).is_some() || number(b).is_some() => match (number(a), number(b)) {
            (Some(a), Some(b)) => {
                a.partial_cmp(&b) == Some(Ordering::Equal) || a.is_nan() && b.is_nan()
            }
            _ => false,
        },
        (a, b) if text(a).is_some() => text(a) == text(b),
        (a, b) => nullish(a) && nullish(b) || a == b,
    }
}

/// Whether two values of one type stand so to each other, or one of any type to an outermost key.
fn order(a: &Bson, b: &Bson, wanted: &[Ordering]) -> bool {
    let found = match (a, b) {
        (a, b) if equal(a, b) => Some(Ordering::Equal),
        (_, Bson::MaxKey) => Some(Ordering::Less),
        (_, Bson::MinKey) => Some(Ordering::Greater),
        (a, b) if text(a).is_some() && text(b).is_some() => text(a).partial_cmp(&text(b)),
        (a, b) if number(a).is_some() && number(b).is_some() => number(a).partial_cmp(&number(b)),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.partial_cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.partial_cmp(b),
        (Bson::Document(_), Bson::Document(_)) | (Bson::Array(_), Bson::Array(_)) => {
            let raw = |value: &Bson| RawBson::try_from(value.clone()).expect("keys without NUL");
            Some(compare(raw(a).as_raw_bson_ref(), raw(b).as_raw_bson_ref()))
        }
        _ => None,
    };
    found.is_some_and(|found| wanted.contains(&found))
}

fn has_type(value: &Bson, wanted: &Bson) -> bool {
    let (number, name) = match value {
        Bson::Double(_) => (1, "double"),
        Bson::String(_) => (2, "string"),
        Bson::Document(_) => (3, "object"),
        Bson::Array(_) => (4, "array"),
        Bson::Undefined => (6, "undefined"),
        Bson::Boolean(_) => (8, "bool"),
        Bson::DateTime(_) => (9, "date"),
        Bson::Null => (10, "null"),
        Bson::RegularExpression(_) => (11, "regex"),
        Bson::Symbol(_) => (14, "symbol"),
        Bson::Int32(_) => (16, "int"),
        Bson::Int64(_) => (18, "long"),
        Bson::Decimal128(_) => (19, "decimal"),
        Bson::MinKey => (-1, "minKey"),
        Bson::MaxKey => (127, "maxKey"),
        other => panic!("{other} is no random value"),
    };
    match wanted {
        Bson::String(wanted) if wanted == "number" => [1, 16, 18, 19].contains(&number),
        Bson::String(wanted) => wanted == name,
        wanted => wanted.as_i32() == Some(number),
    }
}
