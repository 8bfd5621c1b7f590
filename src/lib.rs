//! Alluvium.

pub mod eval;
