//! The value of a column's keyspace: what the documents of one chunk have at one path.
//!
//! Indexers and the merge operator write it; a `ColumnChunk` reads it where it stands. Equal contents have equal bytes,
//! whatever was joined when.
#![doc = include_str!("../../docs/format/columns.md")]

use bytes::Bytes;

use super::dictionary::Dictionary;
use super::rows::{Rows, RowsForm};
use super::slots::Slots;
use crate::lsm::{ByteReader, Result};

/// The values of a chunk, and which document has which.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) dictionary: Dictionary,
    pub(super) rows: Rows,
}

const WHAT: &str = "column";
const VERSION: u8 = 1;
const NUMBERS: u8 = 1;
const SEVERAL: u8 = 2;
const LISTED: u8 = 4;
const FULL: u8 = 8;

impl Content {
    /// The first document that has each value.
    pub(super) fn first_documents(&self) -> Vec<u16> {
        let mut firsts = vec![u16::MAX; self.dictionary.len() as usize];
        for (offset, ordinals) in self.rows.iter() {
            for &ordinal in ordinals {
                let first = &mut firsts[ordinal as usize];
                *first = offset.min(*first);
            }
        }
        firsts
    }

    /// Appends the value of the keyspace.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Content { dictionary, rows } = self;
        let form = rows.form(dictionary.len());
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        out.push(VERSION);
        out.push(
            flag(NUMBERS, dictionary.has_numbers())
                | flag(SEVERAL, form.several)
                | flag(LISTED, form.listed)
                | flag(FULL, form.full),
        );
        dictionary.encode(out);
        rows.encode(form, dictionary.len(), out);
    }

    /// Reads a value of the keyspace, to join it with others.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (dictionary, slots) = Self::open(&Bytes::copy_from_slice(bytes))?;
        Ok(Content { dictionary, rows: slots.to_rows() })
    }

    /// Opens a value of the keyspace, which is checked and stays where it is.
    ///
    /// # Errors
    /// Corruption for bytes that [`encode`](Self::encode) does not write. Allocates a small multiple of them, and at most some
    /// hundred KiB more.
    pub(super) fn open(bytes: &Bytes) -> Result<(Dictionary, Slots)> {
        let mut reader = ByteReader::new(WHAT, bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.error(format_args!("version {version} is not known")));
        }
        let flags = reader.u8()?;
        if flags > NUMBERS | SEVERAL | LISTED | FULL || flags & LISTED != 0 && flags & FULL != 0 {
            return Err(reader.error(format_args!("form {flags} is not known")));
        }
        let dictionary = Dictionary::decode(&mut reader, bytes, flags & NUMBERS != 0)?;
        let form = RowsForm {
            several: flags & SEVERAL != 0,
            listed: flags & LISTED != 0,
            full: flags & FULL != 0,
        };
        let slots = Slots::read(&mut reader, bytes, form, dictionary.len())?;
        reader.expect_end()?;
        Ok((dictionary, slots))
    }
}
