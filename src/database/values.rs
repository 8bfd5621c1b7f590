//! Values of Rust as documents, and back, by serde. The only place where the two meet: typed collections and hits call
//! [`encode`] and [`decode`], which name the type, the document and the place when they fail.
//!
//! Cost: one pass over the value or the document. Only after a failure there is a second one, for the path.

use std::any::type_name;
use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_path_to_error::Segment;

use super::document::IntoDocument;
use crate::bson::{
    Bson, RawDocument, RawDocumentBuf, deserialize_from_slice, serialize_to_raw_document_buf,
};
use crate::error::{Error, Result};

/// A value that was serialized, or why it could not be: reported when it is to be written, which then does not happen.
pub(super) struct Encoded(Result<RawDocumentBuf>);

impl IntoDocument<'static> for Encoded {
    fn into_document(self) -> Result<Cow<'static, RawDocument>> {
        self.0.map(Cow::Owned)
    }
}

/// `value` as a document.
pub(super) fn encode<T: Serialize>(value: &T) -> Encoded {
    Encoded(serialize_to_raw_document_buf(value).map_err(|error| Error::Serialize {
        type_name: type_name::<T>(),
        message: reason(error.message, &error.kind),
    }))
}

/// The value that `document` holds.
pub(super) fn decode<T: DeserializeOwned>(document: &RawDocument) -> Result<T> {
    deserialize_from_slice(document.as_bytes()).map_err(|error| Error::Deserialize {
        type_name: type_name::<T>(),
        id: id_text(document),
        path: failing_path::<T>(document),
        message: reason(error.message, &error.kind),
    })
}

/// The dotted path at which `document` stops being a `T`, with indexes of arrays; empty for the whole document. What serde gathers
/// before it looks at it (flattened fields, enums without a tag or with one inside) is told by what holds it.
fn failing_path<T: DeserializeOwned>(document: &RawDocument) -> String {
    let located = deserialize_from_slice::<Located<T>>(document.as_bytes());
    located.map_or_else(|_| String::new(), |located| located.path)
}

/// Where a `T` failed; deserializing this never does.
struct Located<T> {
    path: String,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = serde_path_to_error::deserialize::<_, T>(deserializer);
        let path = located.err().map(|error| {
            let step = |segment: &Segment| match segment {
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Map { key } => Some(key.clone()),
                // The name of a variant is a key of the document that holds it.
                Segment::Enum { variant } => Some(variant.clone()),
                Segment::Unknown => None,
            };
            error.path().iter().filter_map(step).collect::<Vec<_>>().join(".")
        });
        Ok(Located { path: path.unwrap_or_default(), of: PhantomData })
    }
}

/// What an error of the `bson` crate says: in the words of serde where there are any, else as the crate names its kinds.
fn reason(message: Option<String>, kind: &impl ToString) -> String {
    message.unwrap_or_else(|| kind.to_string())
}

/// The `_id` as extended JSON, if it can be read.
fn id_text(document: &RawDocument) -> Option<String> {
    let id = Bson::try_from(document.get("_id").ok()??).ok()?;
    Some(id.into_relaxed_extjson().to_string())
}
