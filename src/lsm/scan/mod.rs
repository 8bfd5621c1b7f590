//! Combining the cursors of many runs into one ordered view.
//!
//! [`RunCursor`] strings the segments of a run together; [`MergeCursor`] walks several runs at once and stands
//! on one key of all of them; [`shadow`] takes out of each what newer range tombstones hide; [`Cursor`] shows what readers see: the newest word on each living key.
//! [`NameCursor`] walks names of groups in its own way.

mod merge;
mod names;
mod pending;
mod run;
mod shadow;
mod visible;

pub(crate) use merge::MergeCursor;
pub use names::NameCursor;
pub(crate) use pending::{PendingCursor, PendingTable};
pub(crate) use run::RunCursor;
pub(crate) use shadow::{RunRanges, Source, shadow};
pub use visible::Cursor;
pub(crate) use visible::Observer;
