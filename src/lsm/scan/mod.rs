//! Combining the cursors of many runs into one ordered view.
//!
//! [`RunCursor`] strings the segments of a run together; [`MergeCursor`] walks several runs at once and stands
//! on one key of all of them; [`Cursor`] shows what readers see: the newest word on each living key.

mod merge;
mod pending;
mod run;
mod visible;

pub(crate) use merge::MergeCursor;
pub(crate) use pending::{PendingCursor, PendingTable};
pub(crate) use run::RunCursor;
pub use visible::Cursor;
