//! [`TextOperator`]: how the parts of a text keyspace's value become one.
//!
//! Transactions and compactions hand it operands of one key, which are values themselves. Stateless; cost as of joining.

use super::join::join;
use crate::fts::keyspace;
use crate::lsm::{MergeOperator, Result};

/// Merge operator of a text keyspace.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextOperator;

impl MergeOperator for TextOperator {
    fn name(&self) -> &'static str {
        "text"
    }

    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        keyspace::decode(key)?;
        join(operands, out)
    }
}
