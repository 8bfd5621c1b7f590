//! Alluvium.

pub mod bson;
