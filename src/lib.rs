//! Alluvium.
pub mod fts;
