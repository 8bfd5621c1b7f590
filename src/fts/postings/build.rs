//! Builds values of the text keyspace: document by document, or from decoded parts of other values.
//!
//! The inverter pushes what a transaction adds to a chunk; joining and thinning out gather documents of values in
//! [`Documents`] and write them anew here. The shape follows from the number of documents alone. Cost: each document is
//! looked at once for its block, and once more for the order of impacts.

use super::block::{BITMAP_BYTES, Block, WINDOW_LEN, corrupt};
use super::value::{
    CODED_LEN_MAX, FORM_CODES, FORM_IMPACTS, FORM_NONE, FORM_ONE, FORM_WINDOWS, HAS_COUNTERS,
    RANKS, VERSION, WIDTH_BITMAP, WINDOWED_LEN_MIN, Windows, ranks_len, window_base,
};
use super::{frequencies, positions};
use crate::fts::counters::TermCounters;
use crate::fts::impact::{Averages, ImpactScale};
use crate::fts::length_code;
use crate::kernels::{Kernels, pack};
use crate::lsm::{Result, put_signed_varint, put_varint};

/// Documents of a window from which on it has a bitmap: one in sixteen.
const BITMAP_LEN_MIN: usize = 256;

/// Builds the value that [`Postings`](super::Postings) reads.
#[derive(Debug, Clone, Default)]
pub struct PostingsBuilder {
    documents: Documents,
}

/// Decoded documents of one chunk, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Documents {
    offsets: Vec<u16>,
    marks: Vec<u8>,
    frequencies: Vec<u32>,
    /// The positions of all as varints, and where those of each end.
    stream: Vec<u8>,
    ends: Vec<usize>,
}

/// What the marks of decoded documents are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MarkKind {
    Codes,
    /// With the average lengths that they assume.
    Impacts(Averages),
}

impl PostingsBuilder {
    /// Adds the document at `offset`, whose field has this length code and which holds the term at `positions`; offsets
    /// ascend, and so do positions, which may be equal.
    ///
    /// # Panics
    /// When offsets or positions do not ascend, or there is no position.
    pub fn push(&mut self, offset: u16, length_code: u8, positions: impl IntoIterator<Item = u32>) {
        self.documents.push(offset, length_code, positions);
    }

    /// Number of documents added.
    pub fn count(&self) -> usize {
        self.documents.len()
    }

    /// Appends the value and leaves the builder empty, for the next chunk; appends nothing when there is nothing to say.
    ///
    /// `removed` is what the transaction takes from the term's counters because of dead documents of the chunk, in
    /// numbers not above 0; `scale` serves long lists, whose documents have impacts.
    pub fn finish_into(&mut self, removed: TermCounters, scale: &ImpactScale, out: &mut Vec<u8>) {
        let documents = &mut self.documents;
        let mut kind = MarkKind::Codes;
        if documents.len() > CODED_LEN_MAX {
            documents.weigh(scale);
            kind = MarkKind::Impacts(Averages::of(scale.average()));
        }
        let own = documents.counters();
        let counters = TermCounters { df: own.df + removed.df, ttf: own.ttf + removed.ttf };
        if documents.len() > 0 || !counters.is_zero() {
            documents.put(kind, counters, out);
        }
        documents.clear();
    }
}

impl Documents {
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn push(&mut self, offset: u16, mark: u8, positions: impl IntoIterator<Item = u32>) {
        let ascends = self.offsets.last().is_none_or(|&last| last < offset);
        assert!(ascends, "invariant: documents of a value ascend");
        let (mut frequency, mut before) = (0, 0);
        for position in positions {
            let gap = u32::checked_sub(position, before);
            let gap = gap.expect("invariant: positions of a document ascend");
            put_varint(&mut self.stream, u64::from(gap));
            (frequency, before) = (frequency + 1, position);
        }
        assert!(frequency > 0, "invariant: a document of a posting list holds the term");
        self.offsets.push(offset);
        self.marks.push(mark);
        self.frequencies.push(frequency);
        self.ends.push(self.stream.len());
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, len: usize) {
        self.offsets.reserve(len);
        self.marks.reserve(len);
        self.frequencies.reserve(len);
        self.ends.reserve(len);
    }

    /// Adds all documents of a block, whose offsets count from `base` and are behind those that are there; their positions are copied
    /// as they stand.
    ///
    /// # Errors
    /// Corruption; what was added is of no use then.
    pub(super) fn append(&mut self, base: u16, block: &Block<'_>) -> Result<()> {
        let from = self.frequencies.len();
        block.append_offsets(base, &mut self.offsets)?;
        self.marks.extend_from_slice(block.marks.bytes());
        block.frequencies.decode(&mut self.frequencies)?;
        let (stream, start) = (block.positions.stream(), self.stream.len());
        let mut end = 0;
        for &frequency in self.frequencies.iter().skip(from) {
            let rest = stream.get(end..).unwrap_or_default();
            let bytes = match (frequency, rest) {
                (1, [..0x80, ..]) => Some(1),
                (frequency, rest) => Kernels::best().skip_varints(rest, frequency as usize),
            };
            end += bytes.ok_or_else(|| corrupt(stream, "positions end before their documents"))?;
            self.ends.push(start + end);
        }
        if end != stream.len() {
            return Err(corrupt(stream, "positions behind those of the last document"));
        }
        self.stream.extend_from_slice(stream);
        Ok(())
    }

    /// Adds a document of others, whose marks mean the same.
    pub(super) fn push_from(&mut self, others: &Documents, index: usize) {
        let start = index.checked_sub(1).map_or(0, |before| others.ends[before]);
        self.stream.extend_from_slice(&others.stream[start..others.ends[index]]);
        self.offsets.push(others.offsets[index]);
        self.marks.push(others.marks[index]);
        self.frequencies.push(others.frequencies[index]);
        self.ends.push(self.stream.len());
    }

    pub(super) fn offsets(&self) -> &[u16] {
        &self.offsets
    }

    pub(super) fn clear(&mut self) {
        self.offsets.clear();
        self.marks.clear();
        self.frequencies.clear();
        self.stream.clear();
        self.ends.clear();
    }

    /// Makes impacts of the marks, which are length codes.
    pub(super) fn weigh(&mut self, scale: &ImpactScale) {
        let marks = self.marks.iter_mut().zip(&self.frequencies);
        marks.for_each(|(mark, &frequency)| *mark = scale.impact(frequency, *mark));
    }

    /// The lengths of all documents, whose marks are length codes.
    pub(super) fn total_length(&self) -> u64 {
        self.marks.iter().map(|&code| u64::from(length_code::decode(code))).sum()
    }

    fn counters(&self) -> TermCounters {
        TermCounters::of_documents(self.len(), self.ttf())
    }

    /// Appends the value.
    pub(super) fn put(&self, kind: MarkKind, counters: TermCounters, out: &mut Vec<u8>) {
        let own = Some(counters).filter(|counters| *counters != self.counters());
        match (self.len(), kind) {
            (0, _) => put_tag(FORM_NONE, own, out),
            (1, MarkKind::Codes) => {
                put_tag(FORM_ONE, own, out);
                out.extend_from_slice(&self.offsets[0].to_le_bytes());
                out.push(self.marks[0]);
                put_varint(out, u64::from(self.frequencies[0]));
                out.extend_from_slice(&self.stream);
            }
            (len, MarkKind::Impacts(averages)) if len >= WINDOWED_LEN_MIN => {
                let mut writer = WindowsWriter::default();
                for documents in self.windows() {
                    writer.put(self, documents);
                }
                writer.finish(averages, own, out);
            }
            _ => self.put_list(kind, own, out),
        }
    }

    fn put_list(&self, kind: MarkKind, own: Option<TermCounters>, out: &mut Vec<u8>) {
        let form = if kind == MarkKind::Codes { FORM_CODES } else { FORM_IMPACTS };
        put_tag(form, own, out);
        let (first, last) = (self.offsets[0], self.offsets[self.len() - 1]);
        put_head(self.len(), self.ttf(), first, last, out);
        if let MarkKind::Impacts(averages) = kind {
            put_averages(averages, out);
        }
        let gaps: Vec<u16> = self.offsets.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
        let width = width_of(&gaps);
        let mut frequencies = Vec::new();
        frequencies::put(&self.frequencies, &mut frequencies);
        out.push(width);
        put_varint(out, frequencies.len() as u64);
        pack(&gaps, width, out);
        out.extend_from_slice(&self.marks);
        out.extend_from_slice(&frequencies);
        positions::put(&self.stream, 0, &self.ends, out);
    }

    pub(super) fn ttf(&self) -> u64 {
        self.frequencies.iter().map(|&frequency| u64::from(frequency)).sum()
    }

    /// The documents of each window that has some, as ranges of their places.
    fn windows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let of = |offset: &u16| usize::from(*offset) / WINDOW_LEN;
        let mut start = 0;
        self.offsets.chunk_by(move |left, right| of(left) == of(right)).map(move |part| {
            let range = start..start + part.len();
            start = range.end;
            range
        })
    }
}

/// Writes windowed postings, window by window.
#[derive(Debug)]
pub(super) struct WindowsWriter {
    directory: Vec<u8>,
    mask: u16,
    bodies: Vec<u8>,
    positions: Vec<u8>,
    count: usize,
    ttf: u64,
    first: Option<u16>,
    last: u16,
    /// How many documents have each impact.
    histogram: [u32; 256],
}

impl Default for WindowsWriter {
    fn default() -> Self {
        WindowsWriter {
            directory: Vec::new(),
            mask: 0,
            bodies: Vec::new(),
            positions: Vec::new(),
            count: 0,
            ttf: 0,
            first: None,
            last: 0,
            histogram: [0; 256],
        }
    }
}

impl WindowsWriter {
    /// Adds a window whose documents are these.
    pub(super) fn put(&mut self, documents: &Documents, range: std::ops::Range<usize>) {
        let offsets = &documents.offsets[range.clone()];
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else { return };
        let window = usize::from(first) / WINDOW_LEN;
        let frequencies = &documents.frequencies[range.clone()];
        let mut body = Vec::new();
        let width = put_offsets(offsets, window_base(window), &mut body);
        body.extend_from_slice(&documents.marks[range.clone()]);
        frequencies::put(frequencies, &mut body);
        let mut positions = Vec::new();
        let start = range.start.checked_sub(1).map_or(0, |before| documents.ends[before]);
        positions::put(&documents.stream, start, &documents.ends[range.clone()], &mut positions);
        self.ttf += frequencies.iter().map(|&frequency| u64::from(frequency)).sum::<u64>();
        self.first.get_or_insert(first);
        self.last = last;
        self.add(window, &documents.marks[range], width, &body, &positions);
    }

    /// Adds a window as it stands in another value; `first` and `last` are its documents, `ttf` their positions.
    pub(super) fn copy(
        &mut self,
        windows: &Windows<'_>,
        window: usize,
        impacts: &[u8],
        (first, last, ttf): (u16, u16, u64),
    ) {
        self.ttf += ttf;
        self.first.get_or_insert(first);
        self.last = last;
        let width = windows.entry(window).width;
        self.add(window, impacts, width, windows.body(window), windows.positions(window));
    }

    fn add(&mut self, window: usize, impacts: &[u8], width: u8, body: &[u8], positions: &[u8]) {
        let least =
            u16::try_from(impacts.len() - 1).expect("invariant: a window has 4,096 documents");
        let bound = impacts.iter().copied().max().unwrap_or_default();
        let body_bytes = u16::try_from(body.len());
        let body_bytes =
            body_bytes.expect("invariant: bitmap, impacts and frequencies of a window");
        let positions_bytes = u32::try_from(positions.len());
        let positions_bytes = positions_bytes.expect("invariant: a value is shorter than 4 GiB");
        self.directory.extend_from_slice(&least.to_le_bytes());
        self.directory.extend_from_slice(&[bound, width]);
        self.directory.extend_from_slice(&body_bytes.to_le_bytes());
        self.directory.extend_from_slice(&positions_bytes.to_le_bytes());
        self.mask |= 1 << window;
        self.bodies.extend_from_slice(body);
        self.positions.extend_from_slice(positions);
        self.count += impacts.len();
        for &impact in impacts {
            self.histogram[usize::from(impact)] += 1;
        }
    }

    /// Appends the value; `own` are its counters where they differ from what its documents say.
    pub(super) fn finish(self, averages: Averages, own: Option<TermCounters>, out: &mut Vec<u8>) {
        put_tag(FORM_WINDOWS, own, out);
        put_head(self.count, self.ttf, self.first.unwrap_or_default(), self.last, out);
        put_averages(averages, out);
        let mut impact = u8::MAX;
        let mut reached = self.histogram[usize::from(impact)] as usize;
        for &rank in &RANKS[..ranks_len(self.count)] {
            while reached < rank && impact > 0 {
                impact -= 1;
                reached += self.histogram[usize::from(impact)] as usize;
            }
            out.push(impact);
        }
        out.extend_from_slice(&self.mask.to_le_bytes());
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&self.bodies);
        out.extend_from_slice(&self.positions);
    }

    /// What the counters are while no document is dead.
    pub(super) fn counters(&self) -> TermCounters {
        TermCounters::of_documents(self.count, self.ttf)
    }
}

/// Appends the offsets of a window, which begins at `base`, and gives the bits of a gap.
fn put_offsets(offsets: &[u16], base: u16, out: &mut Vec<u8>) -> u8 {
    if offsets.len() >= BITMAP_LEN_MIN {
        let start = out.len();
        out.resize(start + BITMAP_BYTES, 0);
        for &offset in offsets {
            let place = usize::from(offset - base);
            out[start + place / 8] |= 1 << (place % 8);
        }
        return WIDTH_BITMAP;
    }
    let mut next = base;
    let mut gap = |&offset: &u16| {
        let gap = offset - next;
        // Behind the last offset of all there is none that asks.
        next = offset.wrapping_add(1);
        gap
    };
    let gaps: Vec<u16> = offsets.iter().map(&mut gap).collect();
    let width = width_of(&gaps);
    pack(&gaps, width, out);
    width
}

/// Bits of the greatest number.
fn width_of(numbers: &[u16]) -> u8 {
    let greatest = numbers.iter().copied().max().unwrap_or_default();
    u8::try_from(u16::BITS - greatest.leading_zeros()).unwrap_or(16)
}

fn put_tag(form: u8, own: Option<TermCounters>, out: &mut Vec<u8>) {
    let flag = if own.is_some() { HAS_COUNTERS } else { 0 };
    out.push(VERSION << 4 | flag | form);
    if let Some(TermCounters { df, ttf }) = own {
        put_signed_varint(out, df);
        put_signed_varint(out, ttf);
    }
}

fn put_head(count: usize, ttf: u64, first: u16, last: u16, out: &mut Vec<u8>) {
    put_varint(out, count as u64);
    put_varint(out, ttf);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
}

fn put_averages(Averages { least, greatest }: Averages, out: &mut Vec<u8>) {
    for average in [least, greatest] {
        out.extend_from_slice(&average.to_bits().to_le_bytes());
    }
}
