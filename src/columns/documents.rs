//! The documents of a set, chunk by chunk, in the form that columns count: lists of offsets.
//!
//! Sorts and aggregations walk sets with it. Cost: under a nanosecond a document.

use crate::fts::{WINDOW_LEN, WINDOWS_LEN};
use crate::kernels::{Bitmap, Kernels};

/// The offsets of a chunk's documents, ascending; `offsets` is emptied first.
pub(super) fn read_offsets(windows: &[Bitmap; WINDOWS_LEN], offsets: &mut Vec<u16>) {
    offsets.clear();
    let mut listed = [0; WINDOW_LEN];
    for (window, base) in windows.iter().zip((0_u16..).step_by(WINDOW_LEN)) {
        let count = Kernels::best().bitmap_offsets(window, &mut listed);
        offsets.extend(listed.iter().take(count).map(|offset| base | offset));
    }
}
