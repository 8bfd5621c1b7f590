//! Joins values of one key, takes documents out of them and weighs them anew.
//!
//! The merge operator of text keyspaces joins what transactions wrote, compactions take out what is dead and refresh impacts
//! that assume an average length of long ago. Windows that only one
//! part has are copied as they stand; everything else is decoded and built anew. Counters are summed, whatever becomes of the
//! documents. Associative and commutative in what values say; where no part knows an average length yet, impacts assume the
//! mean of the documents at hand, so that bytes may differ with the grouping.
//!
//! Cost: copying for long lists, a few nanoseconds a document for short ones and for windows that two parts share.

use std::ops::Range;

use super::block::Block;
use super::build::{Documents, MarkKind, WindowsWriter};
use super::value::{
    Body, CODED_LEN_MAX, Postings, WHAT, WINDOWED_LEN_MIN, WINDOWS_LEN, Windows, window_base,
};
use crate::fts::counters::TermCounters;
use crate::fts::impact::{Averages, ImpactScale};
use crate::fts::norms::LengthCodes;
use crate::lsm::{ByteReader, Result};

/// What became of a value that was to be written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// Nothing was to be changed.
    Same,
    /// It is this one now.
    Changed(Vec<u8>),
    /// It says nothing any more: no document, and counters of zero.
    Nothing,
}

/// What impacts are computed anew from.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'w> {
    /// The lengths of the documents.
    pub lengths: LengthCodes<'w>,
    /// For the average length of now.
    pub scale: &'w ImpactScale,
}

/// A part of a join, as far as it is decoded.
enum Piece<'a> {
    /// All documents.
    Decoded {
        documents: Documents,
        kind: MarkKind,
    },
    Windows(Box<Windows<'a>>),
}

/// Appends the value of all `parts` of one chunk, in whatever order they come.
///
/// # Errors
/// Corruption for bytes that are no postings, and for a document that stands in two parts.
pub fn join(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    let mut parsed = parts.iter().map(|part| Postings::parse(part)).collect::<Result<Vec<_>>>()?;
    let counters = TermCounters::total(parsed.iter().map(Postings::counters))?;
    let total: usize = parsed.iter().map(Postings::count).sum();
    parsed.sort_unstable_by_key(Postings::first);
    if let Some(kind) = kind_of_all(&parsed, total) {
        let mut documents = Documents::default();
        documents.reserve(total);
        parsed.iter().try_for_each(|part| append(part, &mut documents))?;
        documents.put(kind, counters, out);
        return Ok(());
    }
    let mut pieces = parsed.iter().map(|part| piece(part, total)).collect::<Result<Vec<_>>>()?;
    let Some(averages) = unify(&mut pieces, total) else {
        merged(&pieces, |documents| 0..documents.len(), None)?.put(MarkKind::Codes, counters, out);
        return Ok(());
    };
    if total < WINDOWED_LEN_MIN {
        let documents = merged(&pieces, |documents| 0..documents.len(), None)?;
        documents.put(MarkKind::Impacts(averages), counters, out);
        return Ok(());
    }
    let mut writer = WindowsWriter::default();
    for window in 0..WINDOWS_LEN {
        join_window(&pieces, window, &mut writer)?;
    }
    let own = Some(counters).filter(|counters| *counters != writer.counters());
    writer.finish(averages, own, out);
    Ok(())
}

/// Takes out of a value the documents whose offsets `keep` refuses, and computes its impacts anew if there are `weights`;
/// counters stay.
///
/// # Errors
/// Corruption for bytes that are no postings.
pub fn rewrite(
    bytes: &[u8],
    keep: &mut dyn FnMut(u16) -> bool,
    weights: Option<Weights<'_>>,
) -> Result<Rewritten> {
    let postings = Postings::parse(bytes)?;
    let weights = weights.filter(|_| postings.averages().is_some());
    let mut documents = Documents::default();
    postings.walk(&mut |offset, mark, positions| {
        if keep(offset) {
            let mark = weights.map_or(mark, |weights| weights.lengths.length_code(offset));
            documents.push(offset, mark, positions.iter().copied());
        }
        Ok(())
    })?;
    let counters = postings.counters();
    if documents.len() == 0 && counters.is_zero() {
        return Ok(Rewritten::Nothing);
    }
    if documents.len() == postings.count() && weights.is_none() {
        return Ok(Rewritten::Same);
    }
    let mut kind = mark_kind(&postings);
    if let Some(Weights { scale, .. }) = weights {
        documents.weigh(scale);
        kind = MarkKind::Impacts(Averages::of(scale.average()));
    }
    let mut value = Vec::new();
    documents.put(kind, counters, &mut value);
    Ok(Rewritten::Changed(value))
}

/// What all marks are, if parts, ordered by their first documents, need only be put behind each other: as documents are written when
/// they come in the order of their numbers.
fn kind_of_all(parts: &[Postings<'_>], total: usize) -> Option<MarkKind> {
    let mut filled = parts.iter().filter(|part| part.count() > 0);
    let first = filled.next()?;
    let (mut kind, mut last) = (mark_kind(first), first.last());
    for part in filled {
        kind = match (kind, mark_kind(part)) {
            (MarkKind::Codes, MarkKind::Codes) => MarkKind::Codes,
            (MarkKind::Impacts(all), MarkKind::Impacts(these)) => MarkKind::Impacts(all.and(these)),
            _ => return None,
        };
        if part.first() <= last {
            return None;
        }
        last = part.last();
    }
    let len_max = if kind == MarkKind::Codes { CODED_LEN_MAX } else { WINDOWED_LEN_MIN - 1 };
    (total <= len_max).then_some(kind)
}

/// Decodes all documents of a part behind those that are there, and checks what its head says.
fn append(part: &Postings<'_>, documents: &mut Documents) -> Result<()> {
    let (from, ttf) = (documents.len(), documents.ttf());
    match part.body() {
        Body::None => {}
        Body::List { block, .. } => documents.append(0, block)?,
        Body::Windows(windows) => {
            for window in 0..WINDOWS_LEN {
                if let Some(block) = windows.block(window)? {
                    documents.append(window_base(window), &block)?;
                }
            }
        }
    }
    let ends = documents.offsets().get(from..).and_then(|own| own.first().zip(own.last()));
    let (first, last) = ends.map_or((0, 0), |(first, last)| (*first, *last));
    part.check_head(first, last, documents.ttf() - ttf)
}

/// Decodes a part, unless it is windowed and so will be what it becomes a part of.
fn piece<'a>(part: &Postings<'a>, total: usize) -> Result<Piece<'a>> {
    if let Body::Windows(windows) = part.body()
        && total >= WINDOWED_LEN_MIN
    {
        return Ok(Piece::Windows(windows.clone()));
    }
    let mut documents = Documents::default();
    append(part, &mut documents)?;
    Ok(Piece::Decoded { documents, kind: mark_kind(part) })
}

fn mark_kind(part: &Postings<'_>) -> MarkKind {
    part.averages().map_or(MarkKind::Codes, MarkKind::Impacts)
}

/// Makes impacts of all marks, if some are impacts already or there are many; gives the average lengths that they assume.
fn unify(pieces: &mut [Piece<'_>], total: usize) -> Option<Averages> {
    let mut known: Option<Averages> = None;
    let (mut documents_len, mut total_length) = (0, 0);
    for piece in pieces.iter() {
        let averages = match piece {
            Piece::Decoded { kind: MarkKind::Impacts(averages), .. } => *averages,
            Piece::Windows(windows) => windows.averages(),
            Piece::Decoded { documents, kind: MarkKind::Codes } => {
                documents_len += documents.len();
                total_length += documents.total_length();
                continue;
            }
        };
        known = Some(known.map_or(averages, |known| known.and(averages)));
    }
    if known.is_none() && total <= CODED_LEN_MAX {
        return None;
    }
    let scale = match known {
        Some(known) => ImpactScale::new(known.greatest),
        None => ImpactScale::of_documents(documents_len as u64, total_length),
    };
    let averages = known.unwrap_or(Averages::of(scale.average()));
    for piece in pieces {
        if let Piece::Decoded { documents, kind } = piece
            && *kind == MarkKind::Codes
        {
            documents.weigh(&scale);
            *kind = MarkKind::Impacts(averages);
        }
    }
    Some(averages)
}

/// Hands the documents of one window to `writer`.
fn join_window(pieces: &[Piece<'_>], window: usize, writer: &mut WindowsWriter) -> Result<()> {
    let in_window = |documents: &Documents| {
        let of = |offset: &u16| usize::from(*offset) / super::block::WINDOW_LEN;
        let offsets = documents.offsets();
        offsets.partition_point(|offset| of(offset) < window)
            ..offsets.partition_point(|offset| of(offset) <= window)
    };
    let holds = |piece: &&Piece<'_>| match piece {
        Piece::Decoded { documents, .. } => !in_window(documents).is_empty(),
        Piece::Windows(windows) => windows.count(window) > 0,
    };
    let mut holding = pieces.iter().filter(holds);
    match (holding.next(), holding.next()) {
        (None, _) => {}
        (Some(Piece::Decoded { documents, .. }), None) => {
            writer.put(documents, in_window(documents));
        }
        (Some(Piece::Windows(windows)), None) => {
            if let Some(block) = windows.block(window)? {
                let span = span(&block, window_base(window))?;
                writer.copy(windows, window, block.marks().bytes(), span);
            }
        }
        (Some(_), Some(_)) => {
            let documents = merged(pieces, in_window, Some(window))?;
            writer.put(&documents, 0..documents.len());
        }
    }
    Ok(())
}

/// First and last document of a window, and the positions of all.
fn span(block: &Block<'_>, base: u16) -> Result<(u16, u16, u64)> {
    let mut offsets = Vec::new();
    block.read_offsets(&mut offsets)?;
    let (first, last) = (offsets.first().copied(), offsets.last().copied());
    let ttf = block.frequencies_sum()?;
    Ok((base | first.unwrap_or_default(), base | last.unwrap_or_default(), ttf))
}

/// The documents of all pieces, of each those that `part` gives, and of windowed pieces those of `window`.
fn merged<'p>(
    pieces: &'p [Piece<'_>],
    part: impl Fn(&Documents) -> Range<usize>,
    window: Option<usize>,
) -> Result<Documents> {
    let mut decoded = Vec::new();
    for piece in pieces {
        if let (Piece::Windows(windows), Some(window)) = (piece, window)
            && let Some(block) = windows.block(window)?
        {
            let mut documents = Documents::default();
            documents.append(window_base(window), &block)?;
            decoded.push(documents);
        }
    }
    let of_piece = |piece: &'p Piece<'_>| match piece {
        Piece::Decoded { documents, .. } => Some(documents),
        Piece::Windows(_) => None,
    };
    let all: Vec<&Documents> = pieces.iter().filter_map(of_piece).chain(&decoded).collect();
    let mut order = Vec::new();
    for (number, documents) in all.iter().enumerate() {
        order.extend(part(documents).map(|index| (documents.offsets()[index], number, index)));
    }
    order.sort_unstable();
    if !order.is_sorted_by(|left, right| left.0 < right.0) {
        return Err(ByteReader::new(WHAT, &[]).error("a document stands in two parts"));
    }
    let mut merged = Documents::default();
    for (_, number, index) in order {
        merged.push_from(all[number], index);
    }
    Ok(merged)
}
