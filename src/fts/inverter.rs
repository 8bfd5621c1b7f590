//! The inverter: turns the tokens of a pending transaction into merge operands of the text index.
//!
//! The indexer adds and subtracts tokens and lengths, document by document; before a search inside the
//! transaction, when memory runs short, and at commit it drains what has gathered into the transaction. Several
//! inverters that were filled side by side are drained as one.
//!
//! ```text
//! table    (field, term) ─► last document and position, list of tokens      term_table.rs
//! tokens   := { document { token } }                                         token_lists.rs
//! document := varint(gap to the document before << 1 | 1)  varint(first position)
//! token    := varint(gap to the position before << 1)
//! removed  number of a term ─► counters
//! ```
//!
//! Invariants: documents of a term ascend, positions of a document do not descend. A removed document
//! leaves negative counters only: its postings, its length codes and it itself stay until a compaction. What is drained depends on
//! what was added alone, not on how many inverters it was divided among.
//! Cost: adding a token is one hash and one look-up, and allocates only when something grows; terms are
//! sorted once, when they are drained. Follows the term tables of Lucene and tantivy; we differ in
//! gathering counters of removed documents too.

mod drain;
mod gather;
mod queue;
mod term_table;
#[cfg(test)]
mod tests;
mod token_lists;

pub(super) use drain::drain;
pub use gather::{INVERTER_BYTES_MAX, Inverter, Part};
