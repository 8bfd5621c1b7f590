//! The frame that postings and positions share: documents of one chunk, each followed by a payload.
//!
//! `list` and `positions` say what the payload is; this file knows how frames are built, checked,
//! walked, joined and thinned out. A frame's head gives its first and last document, so parts that do not
//! interleave are joined by copying bodies: only the gap between two parts is written anew.
//!
//! Invariants: offsets strictly ascend, and head and body agree. The head is checked by `parse`, the
//! body as far as it is walked. Nothing here panics on bytes or allocates more than they are long.

use std::marker::PhantomData;

use crate::lsm::{ByteReader, Result, put_varint};

const VERSION: u8 = 1;

/// What follows each document of a frame.
pub(super) trait Payload<'a>: Copy {
    /// Name of the structure, in errors.
    const WHAT: &'static str;
    /// Bytes that the shortest payload takes.
    const BYTES_MIN: u64;

    /// Reads the payload at the reader's place.
    fn read(reader: &mut ByteReader<'a>) -> Result<Self>;

    /// Appends the payload.
    fn put(self, out: &mut Vec<u8>);
}

/// What is left of a value after documents were taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retained {
    /// All of it; the value stays as it is.
    Everything,
    /// Some of it, which has this value.
    Part(Vec<u8>),
    /// No document.
    Nothing,
}

/// A frame whose head was checked.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a, P> {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) count: u32,
    body: ByteReader<'a>,
    payload: PhantomData<P>,
}

/// Walks the documents of a frame and checks its body on the way.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a, P> {
    body: ByteReader<'a>,
    next: Option<u16>,
    last: u16,
    left: u32,
    payload: PhantomData<P>,
}

/// Builds a frame, document by document.
#[derive(Debug, Clone, Default)]
pub(super) struct FrameBuilder {
    first: u16,
    last: u16,
    count: u32,
    body: Vec<u8>,
}

impl<'a, P: Payload<'a>> Frame<'a, P> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut body = ByteReader::new(P::WHAT, bytes);
        let version = body.u8()?;
        if version != VERSION {
            return Err(body.error(format_args!("version {version} is not known")));
        }
        let (first, last) = (body.u16()?, body.u16()?);
        let count = body.varint_u32()?;
        let span = u32::from(last).checked_sub(u32::from(first)).map(|distance| distance + 1);
        let (least, most) = (if first == last { 1 } else { 2 }, span.unwrap_or(0));
        if !(least..=most).contains(&count) {
            return Err(body.error(format_args!("{count} documents from {first} to {last}")));
        }
        // Every document but the first has a gap of at least one byte.
        let bytes_min = u64::from(count) * (P::BYTES_MIN + 1) - 1;
        if (body.remaining() as u64) < bytes_min {
            return Err(body.error(format_args!("{count} documents need {bytes_min} bytes")));
        }
        Ok(Frame { first, last, count, body, payload: PhantomData })
    }

    pub(super) fn entries(&self) -> Entries<'a, P> {
        Entries {
            body: self.body.clone(),
            next: Some(self.first),
            last: self.last,
            left: self.count,
            payload: PhantomData,
        }
    }
}

impl<'a, P: Payload<'a>> Entries<'a, P> {
    fn read(&mut self) -> Result<(u16, P)> {
        let Some(offset) = self.next else {
            return Err(self.body.error("documents do not ascend to the last one"));
        };
        let payload = P::read(&mut self.body)?;
        self.left -= 1;
        if self.left > 0 {
            let gap = self.body.varint()?;
            let next = u64::from(offset).checked_add(gap).and_then(|next| u16::try_from(next).ok());
            self.next = next.filter(|&next| gap > 0 && next <= self.last);
        } else {
            self.body.expect_end()?;
            if offset != self.last {
                return Err(self
                    .body
                    .error(format_args!("ends at {offset}, not at {}", self.last)));
            }
        }
        Ok((offset, payload))
    }
}

impl<'a, P: Payload<'a>> Iterator for Entries<'a, P> {
    type Item = Result<(u16, P)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

impl FrameBuilder {
    /// Begins the document at `offset`; the caller appends its payload to what this gives.
    ///
    /// # Panics
    /// When `offset` is not greater than the one before.
    pub(super) fn document(&mut self, offset: u16) -> &mut Vec<u8> {
        if self.count == 0 {
            self.first = offset;
        } else {
            let gap = offset.checked_sub(self.last).filter(|&gap| gap > 0);
            let gap = gap.expect("invariant: documents of a frame ascend");
            put_varint(&mut self.body, u64::from(gap));
        }
        self.last = offset;
        self.count += 1;
        &mut self.body
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Appends the frame and leaves the builder empty; appends nothing when it was empty.
    pub(super) fn finish_into(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            put_head(self.first, self.last, self.count, out);
            out.extend_from_slice(&self.body);
        }
        self.count = 0;
        self.body.clear();
    }
}

/// Appends the frame of all documents of `parts`, whatever their order; nothing when there is no part.
///
/// Associative and commutative. Fails when a document stands in two parts.
pub(super) fn join<'a, P: Payload<'a>>(parts: &[&'a [u8]], out: &mut Vec<u8>) -> Result<()> {
    let parsed = parts.iter().map(|part| Frame::<P>::parse(part));
    let mut frames = parsed.collect::<Result<Vec<_>>>()?;
    frames.sort_by_key(|frame| frame.first);
    if frames.is_sorted_by(|left, right| left.last < right.first) {
        concatenate(frames, out);
        return Ok(());
    }
    interleave(&frames, out)
}

/// Takes out the documents that `keep` refuses.
pub(super) fn retain<'a, P: Payload<'a>>(
    bytes: &'a [u8],
    keep: &mut dyn FnMut(u16) -> bool,
) -> Result<Retained> {
    let frame = Frame::<P>::parse(bytes)?;
    let mut kept = FrameBuilder::default();
    for entry in frame.entries() {
        let (offset, payload) = entry?;
        if keep(offset) {
            payload.put(kept.document(offset));
        }
    }
    if kept.count() == frame.count {
        return Ok(Retained::Everything);
    }
    if kept.count() == 0 {
        return Ok(Retained::Nothing);
    }
    let mut value = Vec::with_capacity(bytes.len());
    kept.finish_into(&mut value);
    Ok(Retained::Part(value))
}

/// Joins frames that follow each other, in order: bodies are copied, each but the first behind a gap.
fn concatenate<'a, P: Payload<'a>>(frames: Vec<Frame<'a, P>>, out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return;
    };
    let count = frames.iter().map(|frame| frame.count).sum();
    put_head(first.first, last.last, count, out);
    let mut before = None;
    for mut frame in frames {
        if let Some(before) = before.replace(frame.last) {
            put_varint(out, u64::from(frame.first - before));
        }
        out.extend_from_slice(frame.body.rest());
    }
}

/// Joins frames in the general case: decodes all and writes all anew.
fn interleave<'a, P: Payload<'a>>(frames: &[Frame<'a, P>], out: &mut Vec<u8>) -> Result<()> {
    let entries = frames.iter().flat_map(Frame::entries);
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.sort_by_key(|&(offset, _)| offset);
    if !entries.is_sorted_by(|left, right| left.0 < right.0) {
        return Err(ByteReader::new(P::WHAT, &[]).error("a document stands in two parts"));
    }
    let mut joined = FrameBuilder::default();
    for (offset, payload) in entries {
        payload.put(joined.document(offset));
    }
    joined.finish_into(out);
    Ok(())
}

fn put_head(first: u16, last: u16, count: u32, out: &mut Vec<u8>) {
    out.push(VERSION);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    put_varint(out, u64::from(count));
}
