//! Walks a dotted path through a document and tells a visitor what lies there, until it has seen
//! enough.
//!
//! Called by the conditions of a filter, which stop at the first value that passes, and by the keys
//! of a value index, which take all values; so both mean the same by a path. It differs from
//! [`super::path`] in three ways that both need: it can stop, it reports a *missing* value, and at
//! its end an array may be met by its elements and as a whole.
//!
//! What is met, as in MongoDB:
//! * a document without the field, or a plain value where a document is needed, gives one missing
//!   value;
//! * an array on the way is crossed: every document in it is walked for itself, and so may give a
//!   missing value of its own; its other elements give nothing, so an empty array gives nothing;
//! * a segment that is a number also picks the element with that index, document or not; an array
//!   directly in an array is entered in no other way;
//! * an array at the end gives its elements and itself, as [`End`] says; an array that an index
//!   picked at the end is met only as a whole.
//!
//! Cost: O(bytes before the value) for each document on the way, without allocation. A numeric
//! segment may be taken as a name or as an index, so a document can be walked 2^n times for n such
//! segments; paths keep n below [`INDEXES_MAX`](super::path::INDEXES_MAX) for this reason.

use super::error::Result;
use super::path::Path;
use bson::{RawArray, RawBsonRef, RawDocument};

/// A path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    segments: Vec<Segment>,
}

/// A part of a path between two dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    name: Box<str>,
    /// The index that the name spells, if it is written as an index is.
    index: Option<usize>,
}

impl Segment {
    /// Whether it can be an index of an array as well as a name.
    pub(super) fn is_index(&self) -> bool {
        self.index.is_some()
    }
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
    /// As each of its elements, and as one value only if it has none.
    Elements,
}

/// What a walk meets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Met<'a> {
    /// A value at the end of the route, or `None` for a missing one.
    Value(Option<RawBsonRef<'a>>),
    /// An array that is about to be crossed or opened.
    Array,
}

/// Sees what a walk meets; true ends the walk.
pub(super) type Visitor<'v> = dyn FnMut(Met<'_>) -> Result<bool> + 'v;

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
        self.segments.iter().filter(|segment| segment.is_index()).count()
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Walks until the visitor says true, and then says so too.
    pub(super) fn any(&self, scope: Scope<'_>, end: End, visit: &mut Visitor<'_>) -> Result<bool> {
        match scope {
            Scope::Document(document) => in_document(document, &self.segments, end, visit),
            Scope::Array(array) => {
                let Some((first, rest)) = self.segments.split_first() else {
                    return Ok(false);
                };
                match first.index.map(|index| array.get(index)).transpose()?.flatten() {
                    Some(element) => in_field(element, rest, end, visit),
                    None => visit(Met::Value(None)),
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
    visit: &mut Visitor<'_>,
) -> Result<bool> {
    let Some((first, rest)) = segments.split_first() else {
        return visit(Met::Value(Some(RawBsonRef::Document(document))));
    };
    for element in document.iter_elements() {
        let element = element?;
        if *element.key().as_str() == *first.name {
            return in_field(element.value()?, rest, end, visit);
        }
    }
    visit(Met::Value(None))
}

fn in_field(
    value: RawBsonRef<'_>,
    rest: &[Segment],
    end: End,
    visit: &mut Visitor<'_>,
) -> Result<bool> {
    match value {
        RawBsonRef::Document(document) => in_document(document, rest, end, visit),
        RawBsonRef::Array(array) if !rest.is_empty() => in_array(array, rest, end, visit),
        RawBsonRef::Array(array) if end != End::Whole => {
            let mut is_done = visit(Met::Array)?;
            for element in array {
                if is_done {
                    break;
                }
                is_done = visit(Met::Value(Some(element?)))?;
            }
            if is_done || end == End::Elements && !array.is_empty() {
                return Ok(is_done);
            }
            visit(Met::Value(Some(value)))
        }
        value => visit(Met::Value(rest.is_empty().then_some(value))),
    }
}

/// `segments` are not empty.
fn in_array(
    array: &RawArray,
    segments: &[Segment],
    end: End,
    visit: &mut Visitor<'_>,
) -> Result<bool> {
    if visit(Met::Array)? {
        return Ok(true);
    }
    let picked = segments.first().and_then(|segment| segment.index);
    for (at, element) in array.into_iter().enumerate() {
        let element = element?;
        if let RawBsonRef::Document(document) = element
            && in_document(document, segments, end, visit)?
        {
            return Ok(true);
        }
        if picked == Some(at) && in_picked(element, &segments[1..], end, visit)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn in_picked(
    element: RawBsonRef<'_>,
    rest: &[Segment],
    end: End,
    visit: &mut Visitor<'_>,
) -> Result<bool> {
    match element {
        element if rest.is_empty() => visit(Met::Value(Some(element))),
        RawBsonRef::Document(document) => in_document(document, rest, end, visit),
        RawBsonRef::Array(array) => in_array(array, rest, end, visit),
        _ => Ok(false),
    }
}
