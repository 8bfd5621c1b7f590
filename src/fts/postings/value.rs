//! [`Postings`]: a value of the text keyspace, for reading.
//!
//! A value holds what one chunk of 65,536 documents has to do with one term: its counters, and its postings in one of three
//! shapes, by their number. One document stands inline; a list is one [`Block`]; from [`WINDOWED_LEN_MIN`] on each window of
//! 4,096 documents has a block of its own, bounds of the impacts in each are gathered in front, and so are the impacts of the
//! best documents at some ranks, from which a search takes a first threshold.
//!
//! Invariants: parsing reads heads and directories, and checks that all parts lie within the bytes; nothing here panics on
//! bytes or allocates more than they are long. Cost: a few steps, and one for each window.
//!
#![doc = include_str!("../../../docs/format/postings.md")]

use super::block::{BITMAP_BYTES, Block, Marks, Offsets, Visit, WINDOW_LEN, packed_bytes};
use super::frequencies::Frequencies;
use super::positions::Positions;
use crate::fts::counters::TermCounters;
use crate::fts::impact::{Averages, ImpactScale};
use crate::fts::norms::LengthCodes;
use crate::lsm::{ByteReader, Error, Result};

/// Postings from which on a chunk has windows.
pub(super) const WINDOWED_LEN_MIN: usize = 1024;
/// Postings up to which a list has length codes instead of impacts.
pub(in crate::fts) const CODED_LEN_MAX: usize = 127;
/// Postings that a list has at most.
pub const LISTED_LEN_MAX: usize = WINDOWED_LEN_MIN - 1;
/// Windows of a chunk.
pub const WINDOWS_LEN: usize = 16;

pub(super) const WHAT: &str = "postings";
pub(super) const VERSION: u8 = 2;
pub(super) const FORM_NONE: u8 = 0;
pub(super) const FORM_ONE: u8 = 1;
pub(super) const FORM_CODES: u8 = 2;
pub(super) const FORM_IMPACTS: u8 = 3;
pub(super) const FORM_WINDOWS: u8 = 4;
pub(super) const HAS_COUNTERS: u8 = 8;
/// The width that stands for a bitmap.
pub(super) const WIDTH_BITMAP: u8 = 0xFF;
const WIDTH_MAX: u8 = 16;
const WINDOW_WIDTH_MAX: u8 = 12;

/// The postings of one term in one chunk; parsing reads the directory only.
#[derive(Debug, Clone)]
pub struct Postings<'a> {
    /// Given in the value, because they differ from what the postings say.
    own_counters: Option<TermCounters>,
    count: usize,
    ttf: u64,
    first: u16,
    last: u16,
    body: Body<'a>,
}

/// The shapes that postings have.
#[derive(Debug, Clone)]
pub enum Body<'a> {
    /// There is no document.
    None,
    /// All documents are in one block, whose offsets count from the chunk's beginning.
    List {
        /// The documents.
        block: Block<'a>,
        /// The average lengths that impacts assume; of no meaning for length codes.
        averages: Averages,
    },
    /// Each window has a block of its own.
    Windows(Box<Windows<'a>>),
}

/// Postings that are divided into windows.
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    averages: Averages,
    ranked: &'a [u8],
    /// The blocks of all windows, then the positions of all.
    bytes: &'a [u8],
    entries: [WindowEntry; WINDOWS_LEN],
}

/// What the directory says of a window; all zeros without a document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WindowEntry {
    count: u16,
    bound: u8,
    pub(super) width: u8,
    body_bytes: u16,
    body_start: u32,
    positions_start: u32,
    positions_bytes: u32,
}

impl<'a> Postings<'a> {
    /// Reads the directory of a value.
    ///
    /// # Errors
    /// Corruption when it is none, or when its parts do not lie within the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (mut reader, own_counters, form) = begin(bytes)?;
        let mut postings = match form {
            FORM_NONE => {
                reader.expect_end()?;
                Postings { own_counters, count: 0, ttf: 0, first: 0, last: 0, body: Body::None }
            }
            FORM_ONE => one(&mut reader)?,
            FORM_CODES | FORM_IMPACTS => list(&mut reader, form == FORM_IMPACTS)?,
            FORM_WINDOWS => windows(&mut reader)?,
            other => return Err(unknown(&reader, other)),
        };
        postings.own_counters = own_counters;
        Ok(postings)
    }

    /// The [`counters`](Self::counters) of a value, of which no more is read than its beginning.
    ///
    /// # Errors
    /// Corruption when it does not begin like one.
    pub fn counters_of(bytes: &[u8]) -> Result<TermCounters> {
        let (mut reader, own_counters, form) = begin(bytes)?;
        if let Some(own) = own_counters {
            return Ok(own);
        }
        let (count, ttf) = match form {
            FORM_NONE => (0, 0),
            FORM_ONE => {
                // Behind an offset and a length code.
                reader.take(size_of::<u16>() + 1)?;
                (1, u64::from(reader.varint_u32()?))
            }
            FORM_CODES | FORM_IMPACTS | FORM_WINDOWS => {
                let Head { count, ttf, .. } = head(&mut reader)?;
                (count, ttf)
            }
            other => return Err(unknown(&reader, other)),
        };
        Ok(TermCounters::of_documents(count, ttf))
    }

    /// What the value adds to the counters of its term: documents that are not dead, and their occurrences.
    pub fn counters(&self) -> TermCounters {
        self.own_counters.unwrap_or_else(|| TermCounters::of_documents(self.count, self.ttf))
    }

    /// Number of documents, dead ones included; 0 to 65,536.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Offset of the first document; 0 when there is none.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// Offset of the last document; 0 when there is none.
    pub fn last(&self) -> u16 {
        self.last
    }

    /// The documents.
    pub fn body(&self) -> &Body<'a> {
        &self.body
    }

    /// The average lengths that impacts assume; `None` when there are no impacts.
    pub fn averages(&self) -> Option<Averages> {
        match &self.body {
            Body::List { block, averages } if matches!(block.marks(), Marks::Impacts(_)) => {
                Some(*averages)
            }
            Body::Windows(windows) => Some(windows.averages()),
            Body::None | Body::List { .. } => None,
        }
    }

    /// Passes every document to `visit`, ascending: its offset and its positions, as many as the term's frequency.
    ///
    /// # Errors
    /// Those of `visit`, and corruption.
    pub fn each(&self, visit: &mut dyn FnMut(u16, &[u32]) -> Result<()>) -> Result<()> {
        self.walk(&mut |offset, _, positions| visit(offset, positions))
    }

    /// The first document whose mark, or the bound of whose window, does not agree with its frequency and its length; for
    /// checks. Documents without a length have none.
    ///
    /// # Errors
    /// Corruption.
    pub fn wrong_mark(&self, lengths: Option<&LengthCodes<'_>>) -> Result<Option<u16>> {
        let scales = self.averages().map(|averages| {
            (ImpactScale::new(averages.least), ImpactScale::new(averages.greatest))
        });
        let (mut wrong, mut ranked) = (None, [0; RANKS.len()]);
        self.walk(&mut |offset, mark, positions| {
            let code = lengths.map_or(0, |lengths| lengths.length_code(offset));
            let frequency = u32::try_from(positions.len()).unwrap_or(u32::MAX);
            let mut right = match &scales {
                None => mark == code,
                Some((least, greatest)) => (least.impact(frequency, code)
                    ..=greatest.impact(frequency, code))
                    .contains(&mark),
            };
            if let Body::Windows(windows) = &self.body {
                right &= mark <= windows.bound(usize::from(offset) / WINDOW_LEN);
                let reached = ranked.iter_mut().zip(windows.ranked());
                reached.for_each(|(reached, (_, impact))| *reached += usize::from(mark >= impact));
            }
            if !right {
                wrong.get_or_insert(offset);
            }
            Ok(())
        })?;
        if let Body::Windows(windows) = &self.body
            && windows.ranked().zip(ranked).any(|((rank, _), reached)| reached < rank)
        {
            wrong.get_or_insert(self.first);
        }
        Ok(wrong)
    }

    /// [`each`](Self::each) with the marks, whichever they are; checks what the head says.
    pub(super) fn walk(&self, visit: &mut Visit<'_>) -> Result<()> {
        let (mut first, mut last, mut ttf) = (None, 0, 0);
        let mut checked = |offset: u16, mark: u8, positions: &[u32]| {
            first.get_or_insert(offset);
            (last, ttf) = (offset, ttf + positions.len() as u64);
            visit(offset, mark, positions)
        };
        match &self.body {
            Body::None => {}
            Body::List { block, .. } => block.walk(0, &mut checked)?,
            Body::Windows(windows) => {
                for number in 0..WINDOWS_LEN {
                    if let Some(block) = windows.block(number)? {
                        block.walk(window_base(number), &mut checked)?;
                    }
                }
            }
        }
        self.check_head(first.unwrap_or(0), last, ttf)
    }

    /// Checks what the head says against what there is.
    pub(super) fn check_head(&self, first: u16, last: u16, ttf: u64) -> Result<()> {
        if (first, last, ttf) != (self.first, self.last, self.ttf) {
            return Err(ByteReader::new(WHAT, &[]).error(format_args!(
                "from {first} to {last} with {ttf} positions, {} to {} with {} expected",
                self.first, self.last, self.ttf
            )));
        }
        Ok(())
    }
}

impl<'a> Windows<'a> {
    /// The average lengths that impacts assume.
    pub fn averages(&self) -> Averages {
        self.averages
    }

    /// Number of documents in a window.
    pub fn count(&self, window: usize) -> usize {
        self.entries.get(window).map_or(0, |entry| usize::from(entry.count))
    }

    /// The greatest impact in a window; 0 without a document.
    pub fn bound(&self, window: usize) -> u8 {
        self.entries.get(window).map_or(0, |entry| entry.bound)
    }

    /// Ranks, and for each an impact that as many documents have or exceed.
    pub fn ranked(&self) -> impl Iterator<Item = (usize, u8)> + 'a {
        RANKS.iter().copied().zip(self.ranked.iter().copied())
    }

    /// The documents of a window, with offsets from its beginning.
    ///
    /// # Errors
    /// Corruption when its parts do not fit its bytes.
    pub fn block(&self, window: usize) -> Result<Option<Block<'a>>> {
        let entry = self.entry(window);
        let count = usize::from(entry.count);
        if count == 0 {
            return Ok(None);
        }
        let mut body = ByteReader::new(WHAT, self.body(window));
        let offsets = body.take(entry.offsets_bytes())?;
        let offsets = if entry.width == WIDTH_BITMAP {
            Offsets::Bitmap(offsets.first_chunk().ok_or_else(|| body.error("a bitmap is cut"))?)
        } else {
            Offsets::List { first: None, width: entry.width, packed: offsets }
        };
        let marks = Marks::Impacts(body.take(count)?);
        let frequencies = Frequencies::new(count, body.rest());
        let positions = Positions::parse(count, self.positions(window))?;
        Ok(Some(Block { count, offsets, marks, frequencies, positions }))
    }

    /// The impacts in a window, without a look at the rest.
    ///
    /// # Errors
    /// Corruption when they do not fit its bytes.
    pub fn impacts(&self, window: usize) -> Result<&'a [u8]> {
        let entry = self.entry(window);
        let mut body = ByteReader::new(WHAT, self.body(window));
        body.take(entry.offsets_bytes())?;
        body.take(entry.count.into())
    }

    /// The bytes of a window's offsets, impacts and frequencies.
    pub(super) fn body(&self, window: usize) -> &'a [u8] {
        let WindowEntry { body_start, body_bytes, .. } = self.entry(window);
        self.part(body_start, u32::from(body_bytes))
    }

    /// The bytes of a window's positions.
    pub(super) fn positions(&self, window: usize) -> &'a [u8] {
        let WindowEntry { positions_start, positions_bytes, .. } = self.entry(window);
        self.part(positions_start, positions_bytes)
    }

    /// A part of the bytes; that it lies within them was checked.
    fn part(&self, start: u32, len: u32) -> &'a [u8] {
        let (start, len) = (start as usize, len as usize);
        self.bytes.get(start..start + len).unwrap_or_default()
    }

    pub(super) fn entry(&self, window: usize) -> WindowEntry {
        self.entries.get(window).copied().unwrap_or_default()
    }
}

impl WindowEntry {
    /// What the window's offsets take; nothing without a document.
    fn offsets_bytes(&self) -> usize {
        if self.width == WIDTH_BITMAP {
            BITMAP_BYTES
        } else {
            packed_bytes(self.count.into(), self.width)
        }
    }
}

/// Ranks whose impacts are noted: powers of two, and those in the middle between two.
pub(super) const RANKS: [usize; 33] = ranks();

const fn ranks() -> [usize; 33] {
    let mut ranks = [1; 33];
    let mut index = 1;
    while index < ranks.len() {
        let power = 1 << index.div_ceil(2);
        ranks[index] = if index % 2 == 1 { power } else { power / 2 * 3 };
        index += 1;
    }
    ranks
}

/// How many ranks `count` documents have.
pub(super) fn ranks_len(count: usize) -> usize {
    RANKS.partition_point(|&rank| rank <= count)
}

/// The offset at which a window begins.
pub(super) fn window_base(window: usize) -> u16 {
    u16::try_from(window * WINDOW_LEN).unwrap_or_default()
}

/// What every value begins with: its own counters, if it has some, and the form of what follows.
fn begin(bytes: &[u8]) -> Result<(ByteReader<'_>, Option<TermCounters>, u8)> {
    let mut reader = ByteReader::new(WHAT, bytes);
    let tag = reader.u8()?;
    if tag >> 4 != VERSION {
        return Err(reader.error(format_args!("version {} is not known", tag >> 4)));
    }
    let own_counters = if tag & HAS_COUNTERS == 0 {
        None
    } else {
        let (df, ttf) = (reader.signed_varint()?, reader.signed_varint()?);
        Some(TermCounters { df, ttf })
    };
    Ok((reader, own_counters, tag & !(HAS_COUNTERS | 0xF0)))
}

#[cold]
fn unknown(reader: &ByteReader<'_>, form: u8) -> Error {
    reader.error(format_args!("form {form} is not known"))
}

fn one<'a>(reader: &mut ByteReader<'a>) -> Result<Postings<'a>> {
    let offset = reader.u16()?;
    let marks = Marks::Codes(reader.take(1)?);
    let frequency = reader.varint_u32()?;
    if frequency == 0 {
        return Err(reader.error("a document without a position"));
    }
    let block = Block {
        count: 1,
        offsets: Offsets::List { first: Some(offset), width: 0, packed: &[] },
        marks,
        frequencies: Frequencies::of_one(frequency),
        positions: Positions::parse(1, reader.rest())?,
    };
    Ok(Postings {
        own_counters: None,
        count: 1,
        ttf: u64::from(frequency),
        first: offset,
        last: offset,
        body: Body::List { block, averages: Averages::of(0.0) },
    })
}

/// What lists and windows begin with.
struct Head {
    count: usize,
    ttf: u64,
    first: u16,
    last: u16,
}

fn head(reader: &mut ByteReader<'_>) -> Result<Head> {
    let count = reader.varint_usize()?;
    let ttf = reader.varint()?;
    let (first, last) = (reader.u16()?, reader.u16()?);
    let most = usize::from(last).checked_sub(usize::from(first)).map_or(0, |span| span + 1);
    let least = if first == last { 1 } else { 2 };
    if count < least || count > most || ttf < count as u64 {
        let what = format_args!("{count} documents from {first} to {last}, {ttf} positions");
        return Err(reader.error(what));
    }
    Ok(Head { count, ttf, first, last })
}

fn list<'a>(reader: &mut ByteReader<'a>, impacts: bool) -> Result<Postings<'a>> {
    let Head { count, ttf, first, last } = head(reader)?;
    if count >= WINDOWED_LEN_MIN {
        return Err(reader.error(format_args!("{count} documents without windows")));
    }
    let averages = if impacts { averages(reader)? } else { Averages::of(0.0) };
    let width = reader.u8()?;
    if width > WIDTH_MAX {
        return Err(reader.error(format_args!("gaps of {width} bits")));
    }
    let frequencies_bytes = reader.varint_usize()?;
    let packed = reader.take(packed_bytes(count - 1, width))?;
    let bytes = reader.take(count)?;
    let frequencies = Frequencies::new(count, reader.take(frequencies_bytes)?);
    let block = Block {
        count,
        offsets: Offsets::List { first: Some(first), width, packed },
        marks: if impacts { Marks::Impacts(bytes) } else { Marks::Codes(bytes) },
        frequencies,
        positions: Positions::parse(count, reader.rest())?,
    };
    Ok(Postings {
        own_counters: None,
        count,
        ttf,
        first,
        last,
        body: Body::List { block, averages },
    })
}

fn windows<'a>(reader: &mut ByteReader<'a>) -> Result<Postings<'a>> {
    let Head { count, ttf, first, last } = head(reader)?;
    let averages = averages(reader)?;
    let ranked = reader.take(ranks_len(count))?;
    let mask = reader.u16()?;
    let mut entries = [WindowEntry::default(); WINDOWS_LEN];
    let (mut documents, mut bytes_len) = (0, 0_u64);
    for (window, entry) in entries.iter_mut().enumerate() {
        if mask >> window & 1 == 0 {
            continue;
        }
        let (least, bound, width) = (reader.u16()?, reader.u8()?, reader.u8()?);
        if usize::from(least) >= WINDOW_LEN || width > WINDOW_WIDTH_MAX && width != WIDTH_BITMAP {
            let what = format_args!("{least} documents and one, {width} bits each, in a window");
            return Err(reader.error(what));
        }
        let (body_bytes, positions_bytes) = (reader.u16()?, reader.u32()?);
        documents += usize::from(least) + 1;
        bytes_len += u64::from(body_bytes) + u64::from(positions_bytes);
        let (body_start, positions_start) = (0, 0);
        let count = least + 1;
        *entry = WindowEntry {
            count,
            bound,
            width,
            body_bytes,
            body_start,
            positions_start,
            positions_bytes,
        };
    }
    let bytes = reader.rest();
    if documents != count || bytes_len != bytes.len() as u64 || u32::try_from(bytes_len).is_err() {
        return Err(reader.error(format_args!(
            "windows of {documents} documents and {bytes_len} bytes, {count} and {} expected",
            bytes.len()
        )));
    }
    let mut start = 0;
    for entry in &mut entries {
        entry.body_start = start;
        start += u32::from(entry.body_bytes);
    }
    for entry in &mut entries {
        entry.positions_start = start;
        start += entry.positions_bytes;
    }
    let windows = Box::new(Windows { averages, ranked, bytes, entries });
    Ok(Postings { own_counters: None, count, ttf, first, last, body: Body::Windows(windows) })
}

fn averages(reader: &mut ByteReader<'_>) -> Result<Averages> {
    let (least, greatest) = (f32::from_bits(reader.u32()?), f32::from_bits(reader.u32()?));
    if least >= 1.0 && greatest >= least && greatest.is_finite() {
        return Ok(Averages { least, greatest });
    }
    Err(reader.error(format_args!("average lengths from {least} to {greatest}")))
}
