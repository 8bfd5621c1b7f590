//! [`TextOperator`]: how the parts of a text keyspace's value become one.
//!
//! Transactions and compactions hand it operands of one key; the key's kind says whether they are postings or
//! positions, which are joined, or counters, which are summed. Stateless; cost as of what it calls.

use super::list::join_postings;
use super::positions::join_positions;
use crate::fts::counters::TermCounters;
use crate::fts::keyspace::{self, TextKind};
use crate::lsm::{MergeOperator, Result};

/// Merge operator of a text keyspace.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextOperator;

impl MergeOperator for TextOperator {
    fn name(&self) -> &'static str {
        "text"
    }

    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        match keyspace::decode(key)?.kind {
            TextKind::Postings(_) => join_postings(operands, out),
            TextKind::Positions(_) => join_positions(operands, out),
            TextKind::Header => TermCounters::sum(operands, out),
        }
    }
}
