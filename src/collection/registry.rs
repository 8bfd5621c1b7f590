//! What the storage core has to know of collections: the merge operators and group rewriters that their keyspaces name.
//!
//! The facade puts them into the options of every store that it opens, `lsm` calls them while it reads and compacts. Invariant: a name
//! never changes its meaning, since files record it. Cost: none to speak of.

use std::sync::Arc;

use super::documents::DocsRewriter;
use super::value_index::ValueRewriter;
use crate::columns::ColumnOperator;
use crate::fts::{DeadOperator, NormsOperator, TextOperator, TextRewriter};
use crate::lsm::{GroupRewriter, MergeOperator};

/// The merge operators that collections use, for the store's options.
pub fn operators() -> Vec<Arc<dyn MergeOperator>> {
    vec![
        Arc::new(DeadOperator),
        Arc::new(TextOperator),
        Arc::new(NormsOperator),
        Arc::new(ColumnOperator),
    ]
}

/// The group rewriters that collections use, for the store's options.
pub fn rewriters() -> Vec<Arc<dyn GroupRewriter>> {
    vec![Arc::new(DocsRewriter), Arc::new(TextRewriter), Arc::new(ValueRewriter)]
}
