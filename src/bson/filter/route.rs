//! Walks a dotted path through a document and tries a test on what lies there, until one holds.
//!
//! Called by the conditions of a filter. It differs from [`super::super::path`] in three ways that
//! filters need: it stops at the first value that passes, it reports a *missing* value, and at its
//! end an array may be met twice, by its elements and as a whole.
//!
//! What is met, as in MongoDB:
//! * a document without the field, or a plain value where a document is needed, gives one missing
//!   value;
//! * an array on the way is crossed: every document in it is walked for itself, and so may give a
//!   missing value of its own; its other elements give nothing, so an empty array gives nothing;
//! * a segment that is a number also picks the element with that index, document or not; an array
//!   directly in an array is entered in no other way;
//! * an array at the end gives its elements, then itself, where the test asks for it; an array that
//!   an index picked at the end is met only as a whole.
//!
//! Cost: O(bytes before the value) for each document on the way, without allocation. A numeric
//! segment may be taken as a name or as an index, so a document can be walked 2^n times for n such
//! segments; the compiler keeps n below [`INDEXES_MAX`](super::super::path::INDEXES_MAX) for this reason.

use super::super::error::Result;
use super::super::path::Path;
use bson::{RawArray, RawBsonRef, RawDocument};

/// A path, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Route {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    name: Box<str>,
    /// The index that the name spells, if it is written as an index is.
    index: Option<usize>,
}

/// What a route starts from: a document, or an array that `$elemMatch` reads as one, whose names
/// are the indexes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    Document(&'a RawDocument),
    Array(&'a RawArray),
}

/// How an array at the end of a route is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As one value.
    Whole,
    /// As each of its elements, and then as one value.
    Opened,
}

/// A test of one value; `None` is a missing one.
pub(super) type Test<'t> = dyn Fn(Option<RawBsonRef<'_>>) -> Result<bool> + 't;

impl Route {
    pub(super) fn new(path: &Path) -> Self {
        let segment = |name: &str| {
            let index = name.parse().ok().filter(|index: &usize| index.to_string() == name);
            Segment { name: name.into(), index }
        };
        Self { segments: path.segments().map(segment).collect() }
    }

    /// How many segments can be an index.
    pub(super) fn indexes(&self) -> usize {
        self.segments.iter().filter(|segment| segment.index.is_some()).count()
    }

    /// Whether any value at the end of the route, or a missing one, passes the test.
    pub(super) fn any(&self, scope: Scope<'_>, end: End, test: &Test<'_>) -> Result<bool> {
        match scope {
            Scope::Document(document) => in_document(document, &self.segments, end, test),
            Scope::Array(array) => {
                let Some((first, rest)) = self.segments.split_first() else {
                    return Ok(false);
                };
                match first.index.map(|index| array.get(index)).transpose()?.flatten() {
                    Some(element) => in_field(element, rest, end, test),
                    None => test(None),
                }
            }
        }
    }
}

/// The recursion below is as deep as the route has segments, at most as deep as a document.
fn in_document(
    document: &RawDocument,
    segments: &[Segment],
    end: End,
    test: &Test<'_>,
) -> Result<bool> {
    let Some((first, rest)) = segments.split_first() else {
        return test(Some(RawBsonRef::Document(document)));
    };
    for element in document.iter_elements() {
        let element = element?;
        if *element.key().as_str() == *first.name {
            return in_field(element.value()?, rest, end, test);
        }
    }
    test(None)
}

fn in_field(value: RawBsonRef<'_>, rest: &[Segment], end: End, test: &Test<'_>) -> Result<bool> {
    match value {
        RawBsonRef::Document(document) => in_document(document, rest, end, test),
        RawBsonRef::Array(array) if !rest.is_empty() => in_array(array, rest, end, test),
        RawBsonRef::Array(array) if end == End::Opened => {
            for element in array {
                if test(Some(element?))? {
                    return Ok(true);
                }
            }
            test(Some(value))
        }
        value => test(rest.is_empty().then_some(value)),
    }
}

/// `segments` are not empty.
fn in_array(array: &RawArray, segments: &[Segment], end: End, test: &Test<'_>) -> Result<bool> {
    let picked = segments.first().and_then(|segment| segment.index);
    for (at, element) in array.into_iter().enumerate() {
        let element = element?;
        if let RawBsonRef::Document(document) = element
            && in_document(document, segments, end, test)?
        {
            return Ok(true);
        }
        if picked == Some(at) && in_picked(element, &segments[1..], end, test)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn in_picked(element: RawBsonRef<'_>, rest: &[Segment], end: End, test: &Test<'_>) -> Result<bool> {
    match element {
        element if rest.is_empty() => test(Some(element)),
        RawBsonRef::Document(document) => in_document(document, rest, end, test),
        RawBsonRef::Array(array) => in_array(array, rest, end, test),
        _ => Ok(false),
    }
}
