//! The filter that a range of values comes to: `year:[1990 TO 2000}`.
//!
//! The planner asks for it. A bound is text and says nothing of types, so that each type of value is compared with it in its own
//! way: numbers with the number that it reads as, dates with the date, strings with the text as it is. A type for which a bound
//! reads as nothing has no values in the range. Cost: none worth a word.

use std::ops::Bound;

use crate::bson::{Bson, DateTime, Document, doc};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The filter for values at `path` between two bounds; without bounds, for all values but null.
pub(super) fn filter(path: &str, lower: &Bound<String>, upper: &Bound<String>) -> Document {
    if matches!((lower, upper), (Bound::Unbounded, Bound::Unbounded)) {
        return has_value(path);
    }
    let types: [Reading; 3] = [number, date, string];
    let of_type = |read: &Reading| {
        let mut range = Document::new();
        put(&mut range, ["$gte", "$gt"], read(lower, End::Lower)?);
        put(&mut range, ["$lte", "$lt"], read(upper, End::Upper)?);
        Some(doc! { path: range })
    };
    let alternatives: Vec<Document> = types.iter().filter_map(of_type).collect();
    doc! { "$or": alternatives }
}

/// The filter for documents with a value at `path` that is not null.
pub(super) fn has_value(path: &str) -> Document {
    doc! { path: { "$ne": Bson::Null } }
}

/// What a bound is for values of one type; `None` when it reads as nothing.
type Reading = fn(&Bound<String>, End) -> Option<Bound<Bson>>;

/// Which end of a range a bound is.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Lower,
    Upper,
}

fn put(range: &mut Document, [including, excluding]: [&str; 2], bound: Bound<Bson>) {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(value) => range.insert(including, value),
        Bound::Excluded(value) => range.insert(excluding, value),
    };
}

fn string(bound: &Bound<String>, _: End) -> Option<Bound<Bson>> {
    transpose(bound, |text| Some(Bson::String(text.to_owned())))
}

fn number(bound: &Bound<String>, _: End) -> Option<Bound<Bson>> {
    let read = |text: &str| {
        let integer = text.parse().map(Bson::Int64).ok();
        let float = || text.parse().ok().filter(|float: &f64| float.is_finite()).map(Bson::Double);
        integer.or_else(float)
    };
    transpose(bound, read)
}

/// A day without a time is all of the day.
fn date(bound: &Bound<String>, end: End) -> Option<Bound<Bson>> {
    let moment = |text: &str| DateTime::parse_rfc3339_str(text).ok();
    let date = |date: DateTime| Bson::DateTime(date);
    let (Bound::Included(text) | Bound::Excluded(text)) = bound else {
        return Some(Bound::Unbounded);
    };
    let Some(begins) = moment(&format!("{text}T00:00:00Z")) else {
        return transpose(bound, |text| moment(text).map(date));
    };
    let ends = DateTime::from_millis(begins.timestamp_millis().saturating_add(DAY_MS));
    Some(match (bound, end) {
        (Bound::Included(_), End::Lower) => Bound::Included(date(begins)),
        (_, End::Lower) => Bound::Included(date(ends)),
        (Bound::Included(_), End::Upper) => Bound::Excluded(date(ends)),
        (_, End::Upper) => Bound::Excluded(date(begins)),
    })
}

/// The bound as `read` takes its text; `None` when it reads as nothing.
fn transpose(bound: &Bound<String>, read: impl Fn(&str) -> Option<Bson>) -> Option<Bound<Bson>> {
    Some(match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(text) => Bound::Included(read(text)?),
        Bound::Excluded(text) => Bound::Excluded(read(text)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::Filter;

    #[test]
    fn a_value_is_compared_as_what_it_is() {
        let at = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
        let included = |text: &str| Bound::Included(text.to_owned());
        let excluded = |text: &str| Bound::Excluded(text.to_owned());
        let day = [included("2024-02-28"), included("2024-02-29")];
        let open = [excluded("2024-02-28"), excluded("2024-02-29T12:00:00Z")];
        let years = [included("1990"), excluded("2000.5")];
        let up = [Bound::Unbounded, excluded("m")];
        let all = [Bound::Unbounded, Bound::Unbounded];
        for (value, expected) in [
            (Bson::Int32(1990), [false, false, true, false, true]),
            (Bson::Double(2000.5), [false, false, false, false, true]),
            (Bson::Int64(2000), [false, false, true, false, true]),
            (Bson::String("1995".into()), [false, false, true, true, true]),
            (Bson::String("2024-02-29".into()), [true, true, false, true, true]),
            (Bson::String("zinc".into()), [false, false, false, false, true]),
            (Bson::DateTime(at("2024-02-28T00:00:00Z")), [true, false, false, false, true]),
            (Bson::DateTime(at("2024-02-29T23:59:59.999Z")), [true, false, false, false, true]),
            (Bson::DateTime(at("2024-02-29T00:00:00Z")), [true, true, false, false, true]),
            (Bson::DateTime(at("2024-03-01T00:00:00Z")), [false, false, false, false, true]),
            (Bson::Null, [false; 5]),
        ] {
            let document = crate::bson::RawDocumentBuf::try_from(&doc! { "at": value }).unwrap();
            let found = [&day, &open, &years, &up, &all].map(|[lower, upper]| {
                let filter = Filter::try_from(&filter("at", lower, upper)).unwrap();
                filter.matches(&document).unwrap()
            });
            assert_eq!(found, expected, "{document:?}");
        }
    }
}
