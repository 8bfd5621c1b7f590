//! A read-only view of a file's structure, for tools and golden tests.
//!
//! [`Inspector`] understands a sound file, as opening it does, but writes nothing: runs, segments, blocks, free space,
//! the log, a check, and the data itself as a snapshot. [`Pages`] shows any page of any file, sound or not, as
//! annotated bytes; what is damaged becomes text that says so. Neither panics on bytes of the file.
//!
//! Something new in the file gets a function in `structures` that names its fields, and an arm in `pages` that finds it.

mod annotate;
mod figures;
mod inspector;
mod pages;
mod structures;
mod understood;
mod values;

pub use annotate::Annotation;
pub use figures::{
    BlockFigures, ContentFigures, EditFigures, FreeSpace, KeyspaceFigures, LeafFigures, LogFigures,
    PageFigures, RunFigures, SegmentFigures, Structure, ValueFigures,
};
pub use inspector::Inspector;
pub use pages::{PageView, Pages, PartView};
