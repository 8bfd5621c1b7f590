//! Value segments, page by page: what `pages` shows of them, and what figures tell.
//!
//! A value segment has no directory of its own: each value begins with a header on a page of its own, so a walk hops from
//! header to header. `structures` knows the frames of chunks.

use std::ops::Range;

use bytes::Bytes;

use super::figures::ValueFigures;
use super::structures::{self, Decoded, Place, pages_of};
use crate::lsm::cipher::Sealer;
use crate::lsm::error::Result;
use crate::lsm::ids::PAGE_BYTES;
use crate::lsm::value::{HeldValues, VALUE_HEADER_BYTES, ValueHeader, ValueSegment};

/// A part of a value segment that has a byte in wanted pages: its name, its offset in the file, and what it means.
pub(super) type ValuePart = (String, u64, Vec<Decoded>);

/// The figures of a value segment.
pub(super) fn figures(held: &HeldValues) -> ValueFigures {
    let extent = held.segment.extent();
    ValueFigures {
        id: held.segment.id().0,
        start_page: extent.start,
        pages: extent.pages,
        live_pages: held.live_pages,
        commit: held.commit,
        stretches: held.segment.kept().stretches().len() as u64,
    }
}

/// The parts of the values that have a byte in the `wanted` pages of the file, which `read` reads.
pub(super) fn parts(
    segment: &ValueSegment,
    sealer: &Sealer,
    wanted: &Range<u64>,
    read: &dyn Fn(u64, u64) -> Result<Vec<u8>>,
) -> Result<Vec<ValuePart>> {
    let extent = segment.extent();
    let mut parts = Vec::new();
    let mut page = 0;
    while page < extent.pages {
        let start = extent.offset() + page * PAGE_BYTES;
        let header_bytes = read(start, VALUE_HEADER_BYTES as u64)?;
        let Ok(ValueHeader(reference)) = ValueHeader::decode(&header_bytes) else {
            // Where a value should begin none does: from here on nothing can be told.
            let rest = read(start, wanted.end.saturating_mul(PAGE_BYTES).saturating_sub(start))?;
            let damage = Some("no value begins here".to_owned());
            let decoded = Decoded { damage, ..structures::plain(&rest) };
            parts.push(("part of a value segment".to_owned(), start, vec![decoded]));
            break;
        };
        let overlaps = |from: u64, len: u64| {
            let pages = pages_of(extent, page * PAGE_BYTES + from, len);
            pages.start < wanted.end && wanted.start < pages.end
        };
        if overlaps(0, reference.stored_bytes) {
            let name = format!("value of {} bytes at {:#x}", reference.raw_bytes, reference.page);
            if overlaps(0, VALUE_HEADER_BYTES as u64) {
                let decoded = vec![structures::value_header(&header_bytes)];
                parts.push((format!("{name}: header"), start, decoded));
            }
            let ends = segment.frames(&reference).unwrap_or_default();
            let mut from = VALUE_HEADER_BYTES as u64;
            let directory = ends.last().map(|_| reference.stored_bytes);
            for (number, end) in ends.iter().copied().chain(directory).enumerate() {
                let len = end.saturating_sub(from);
                if overlaps(from, len) {
                    let sealed = Bytes::from(read(start + from, len)?);
                    let offset = reference.page * PAGE_BYTES + from;
                    let place: Place<'_> = (sealer, segment.id(), offset);
                    let is_directory = number == ends.len();
                    let decoded = structures::value_frame(&sealed, place, is_directory);
                    let part = if is_directory {
                        format!("{name}: directory")
                    } else {
                        format!("{name}: chunk {number}")
                    };
                    parts.push((part, start + from, decoded));
                }
                from = end;
            }
        }
        page += reference.pages();
    }
    Ok(parts)
}
