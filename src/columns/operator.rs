//! [`ColumnOperator`]: joins parts of a column's chunk, and the key under which it stands.
//!
//! Readers and compactions of the storage core call it for the keyspaces of columns. Each transaction writes a part, with its
//! own documents; parts arrive in any order and the join is the same. Cost: that of reading the parts, joining
//! them and writing the chunk anew.

use super::content::Content;
use super::join::join;
use crate::lsm::{ByteReader, MergeOperator, Result};

/// Merge operator of columns: joins parts that have no document in common.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColumnOperator;

const KEY: &str = "column key";

/// Key of a column's values in the chunk numbered `chunk`.
pub fn column_key(chunk: u32) -> [u8; 4] {
    chunk.to_be_bytes()
}

/// The chunk that a key of a column names.
///
/// # Errors
/// Corruption when the key is not four bytes long.
pub fn decode_column_key(key: &[u8]) -> Result<u32> {
    let mut reader = ByteReader::new(KEY, key);
    let chunk = reader.u32()?.swap_bytes();
    reader.expect_end()?;
    Ok(chunk)
}

impl MergeOperator for ColumnOperator {
    fn name(&self) -> &'static str {
        "column"
    }

    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        decode_column_key(key)?;
        let parts = operands.iter().map(|operand| Content::decode(operand));
        let joined = join(&parts.collect::<Result<Vec<_>>>()?).map_err(|offset| {
            ByteReader::new("column", &[]).error(format_args!("two parts hold document {offset}"))
        })?;
        joined.encode(out);
        Ok(())
    }
}
