//! Marks of imports: how far each import into a collection has come, by its name, in the catalog.
//!
//! The writer of a batch writes its mark in the same transaction; the facade reads it to go on, takes marks over into copies that have
//! the same documents, and forgets those of an import that begins anew. They go with their collection. Cost: one look-up or one small
//! document each.
//!
//! ```text
//! <collection>/import/<name of the import> ─► a document, whose meaning is the import's
//! ```

use super::catalog::CATALOG;
use super::error::{Error, Result};
use crate::bson::{RawDocument, RawDocumentBuf};
use crate::lsm::{self, KeyspaceId, Reader, Seek, Transaction};

/// Longest name of an import in bytes.
const IMPORT_BYTES_MAX: usize = 4096;

/// How far an import has come.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportMark {
    /// The name of the import.
    pub import: String,
    /// What it noted.
    pub mark: RawDocumentBuf,
}

/// How far an import of this name has come; nothing when there was none.
///
/// # Errors
/// [`Error::InvalidName`], and those of the storage core.
pub fn import_mark(
    reader: &dyn Reader,
    name: &str,
    import: &str,
) -> Result<Option<RawDocumentBuf>> {
    let key = import_key(name, import)?;
    let Some(catalog) = reader.keyspace(CATALOG) else { return Ok(None) };
    let Some(value) = reader.get(catalog, &key)? else { return Ok(None) };
    Ok(Some(decode(&value)?))
}

/// How far all imports into a collection have come, by their names.
///
/// # Errors
/// Those of the storage core.
pub fn import_marks(reader: &dyn Reader, name: &str) -> Result<Vec<ImportMark>> {
    let Some(catalog) = reader.keyspace(CATALOG) else { return Ok(Vec::new()) };
    let prefix = prefix(name);
    let mut marks = Vec::new();
    let mut cursor = reader.cursor(catalog)?;
    let mut valid = cursor.seek(prefix.as_bytes(), Seek::Ge)?;
    while valid && let Some(import) = cursor.key().strip_prefix(prefix.as_bytes()) {
        let import = String::from_utf8(import.to_vec());
        let import =
            import.map_err(|_| lsm::Error::corruption("catalog: a name is not UTF-8", 0))?;
        marks.push(ImportMark { import, mark: decode(&cursor.value()?)? });
        valid = cursor.next()?;
    }
    Ok(marks)
}

/// Forgets how far an import of this name has come; whether there was one.
///
/// # Errors
/// Those of [`import_mark`].
pub fn forget_import_mark(transaction: &mut Transaction, name: &str, import: &str) -> Result<bool> {
    let key = import_key(name, import)?;
    let Some(catalog) = transaction.keyspace(CATALOG) else { return Ok(false) };
    let is_there = transaction.get(catalog, &key)?.is_some();
    if is_there {
        transaction.delete(catalog, &key)?;
    }
    Ok(is_there)
}

/// The mark that an entry of the catalog is, if it is one of this collection's and whole.
pub(super) fn mark_of_entry(name: &str, key: &str, value: &[u8]) -> Option<ImportMark> {
    let import = key.strip_prefix(&prefix(name))?.to_owned();
    Some(ImportMark { import, mark: decode(value).ok()? })
}

/// Writes how far an import of this name has come.
pub(super) fn put_import_mark(
    transaction: &mut Transaction,
    catalog: KeyspaceId,
    name: &str,
    import: &str,
    mark: &RawDocument,
) -> Result<()> {
    Ok(transaction.put(catalog, &import_key(name, import)?, mark.as_bytes())?)
}

fn decode(value: &[u8]) -> Result<RawDocumentBuf> {
    let damaged = |error| lsm::Error::corruption(format!("mark of an import: {error}"), 0);
    Ok(RawDocument::from_bytes(value).map_err(damaged)?.to_owned())
}

/// No name has a `/`, so these are no collection's keys.
fn prefix(name: &str) -> String {
    format!("{name}/import/")
}

/// Of an import that may have any name, a path for example.
fn import_key(name: &str, import: &str) -> Result<Vec<u8>> {
    if import.len() > IMPORT_BYTES_MAX {
        let reason = "it is longer than 4096 bytes";
        return Err(Error::InvalidName { name: import.to_owned(), reason });
    }
    Ok((prefix(name) + import).into_bytes())
}
