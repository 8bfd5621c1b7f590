//! The storage core, built so that a scheduler decides at every lock, condition and swap which thread runs next.
//!
//! The sources are those of the library; only what `lsm/sync.rs` names is another one. The tests of this package use it as
//! any program does; the tests inside of the core have threads of their own, and are not built here.

#![cfg(not(test))]

#[path = "../../../src/lsm/mod.rs"]
pub mod lsm;
