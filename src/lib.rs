//! Alluvium, an embedded full-text search engine: one file, one commit, one crate.

pub mod lsm;
