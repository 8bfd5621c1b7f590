//! What may be handed over as a document. Every write of the facade takes an [`IntoDocument`], so that parsed and raw
//! documents, owned and borrowed ones, need no conversion by the caller.

use std::borrow::Cow;

use crate::bson::{self, Document, RawDocument, RawDocumentBuf};
use crate::error::Result;

/// A value that is a BSON document, owned or borrowed, parsed or raw.
///
/// Implemented for [`Document`] (what `doc!` makes), [`RawDocumentBuf`] and references to both.
pub trait IntoDocument<'a> {
    /// The document's bytes.
    ///
    /// # Errors
    /// When a parsed document cannot be written as BSON, for example because a key holds a NUL.
    fn into_document(self) -> Result<Cow<'a, RawDocument>>;
}

fn encode(document: &Document) -> Result<Cow<'static, RawDocument>> {
    let raw = RawDocumentBuf::try_from(document).map_err(bson::Error::from)?;
    Ok(Cow::Owned(raw))
}

impl IntoDocument<'static> for Document {
    fn into_document(self) -> Result<Cow<'static, RawDocument>> {
        encode(&self)
    }
}

impl IntoDocument<'static> for &Document {
    fn into_document(self) -> Result<Cow<'static, RawDocument>> {
        encode(self)
    }
}

impl IntoDocument<'static> for RawDocumentBuf {
    fn into_document(self) -> Result<Cow<'static, RawDocument>> {
        Ok(Cow::Owned(self))
    }
}

impl<'a> IntoDocument<'a> for &'a RawDocumentBuf {
    fn into_document(self) -> Result<Cow<'a, RawDocument>> {
        Ok(Cow::Borrowed(self))
    }
}

impl<'a> IntoDocument<'a> for &'a RawDocument {
    fn into_document(self) -> Result<Cow<'a, RawDocument>> {
        Ok(Cow::Borrowed(self))
    }
}
