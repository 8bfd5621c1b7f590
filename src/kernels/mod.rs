//! The inner loops of search: decoding posting lists, and evaluating them a window at a time.
//!
//! A *window* is 4,096 consecutive documents; *offsets* count from its start, or from the start of a chunk of 65,536; an
//! *impact* is an upper bound, 1..=255, of what a posting adds to a score. The layer knows arrays of these and nothing
//! else: `fts` decodes with it, `query` evaluates with it, and it imports no other layer.
//!
//! ```text
//! Kernels::best() ─► x86/avx512.rs │ x86/avx2.rs │ portable.rs      chosen by what the processor says
//! ```
//!
//! Each function exists as plain Rust, which says what it means, and in forms for wide registers that must equal it on
//! every input. [`Kernels`] is a table of pointers: a call works on a list or on a whole window, so that a pointer costs
//! nothing, and one program runs everywhere.
//!
//! Invariants
//! * inputs may be bytes of a file: no content makes a function panic, read outside its slices or write outside its arrays;
//! * functions have no state and allocate nothing;
//! * `unsafe` is in `x86` alone.

mod portable;
mod table;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

pub(crate) use portable::pack;
pub(crate) use table::{Aligned, Bitmap, Kernels, Line, Lists, Sums, WINDOW};

impl Kernels {
    /// The fastest table for this processor.
    pub(crate) fn best() -> &'static Kernels {
        static BEST: LazyLock<&Kernels> =
            LazyLock::new(|| Kernels::available().next().unwrap_or(&portable::TABLE));
        *BEST
    }

    /// All tables that this processor can run, the fastest first; the last one is the portable one.
    pub(crate) fn available() -> impl Iterator<Item = &'static Kernels> {
        #[cfg(target_arch = "x86_64")]
        let wide = x86::tables();
        #[cfg(not(target_arch = "x86_64"))]
        let wide = std::iter::empty();
        wide.chain([&portable::TABLE])
    }
}
