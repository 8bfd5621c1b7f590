//! [`MergeOperator`]: how several values of one key become one.
//!
//! A transaction may write an *operand* instead of a value. Readers and compactions combine the operands
//! of a key, oldest first, with the value below them if there is one. The storage core never looks inside.

use std::fmt;

use super::error::Result;

/// Combines values of one key.
///
/// Laws, on which readers and compactions rely: combining is associative, `merge([a, b, c])` equals
/// `merge([merge([a, b]), c])` and `merge([a, merge([b, c])])`; and a single operand is its own value.
/// Operands come from the file, so the implementation must return an error for bytes that it did not write.
pub trait MergeOperator: Send + Sync + fmt::Debug {
    /// The name under which keyspaces record it in the file; never changes its meaning.
    fn name(&self) -> &'static str;

    /// Appends to `out` the combination of `operands`, which are ordered oldest first and are at least two.
    ///
    /// # Errors
    /// [`Error::Corruption`](super::Error::Corruption) for operands that cannot be decoded.
    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()>;
}
