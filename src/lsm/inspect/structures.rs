//! Every structure of the file, field by field: what stands at which byte, in the words of `docs/format`.
//!
//! `pages` finds the structures and calls these. They follow the format pages and share no code with the decoders that
//! the store uses, except for the parts that several structures contain; so a dump is a second opinion. Bytes that are
//! not what they should be end a structure early, with a text that says why; what was read before is kept.

use bytes::Bytes;

use super::annotate::{Annotation, Annotator, shown_end, text};
use crate::lsm::block::{ENTRY_KINDS, TRAILER_BYTES, open};
use crate::lsm::cipher::{NAME_BYTES_MAX, Owner, RESERVED_BYTES_MAX, SALT_BYTES, Sealer};
use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::descriptor::{DESCRIPTOR_BYTES, DESCRIPTOR_OWNER};
use crate::lsm::error::Result;
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{Extent, PAGE_BYTES, SegmentId};
use crate::lsm::manifest::Placed;
use crate::lsm::recovery::MANIFEST_OWNER;
use crate::lsm::root::{ROOT_BYTES, ROOT_OWNER, Root};
use crate::lsm::value::{PlacedValues, Reference, VALUE_HEADER_BYTES};
use crate::lsm::wal::{
    EXTENT_HEADER_BYTES, RECORD_HEADER_BYTES, RecordKind, SEALED_FROM, next_offset,
};

/// Entries of one structure that are listed; a dump of more is of no use to a reader.
const ENTRIES_SHOWN: u64 = 4096;
/// Bytes of a block of a filter.
const FILTER_BLOCK_BYTES: usize = 64;
/// Bytes of the checksum behind most structures.
const CHECKSUM_BYTES: usize = 8;

/// What opens a part of a segment, the segment, and how many bytes into it the part stands.
pub(super) type Place<'a> = (&'a Sealer, SegmentId, u64);

/// A structure's fields, and why there are no more, if it is damaged.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) annotations: Vec<Annotation>,
    pub(super) damage: Option<String>,
}

fn decode<'a>(
    what: &'static str,
    bytes: &'a [u8],
    walk: impl FnOnce(&mut Annotator<'a>) -> Result<Option<String>>,
) -> Decoded {
    let mut annotator = Annotator::new(what, bytes);
    let damage = walk(&mut annotator).unwrap_or_else(|error| Some(error.to_string()));
    Decoded { annotations: annotator.finish(), damage }
}

/// A sealed piece: as it stands in the file, and decrypted.
fn opened(
    what: &'static str,
    outer: Decoded,
    plain: Result<Bytes>,
    walk: impl FnOnce(&mut Annotator<'_>) -> Result<()>,
) -> Vec<Decoded> {
    match plain {
        Ok(plain) => vec![outer, decode(what, &plain, |a| walk(a).map(|()| None))],
        Err(error) => {
            vec![Decoded { damage: outer.damage.or(Some(error.to_string())), ..outer }]
        }
    }
}

/// A part of a segment with its checksum, of which `walk` explains the plain bytes up to the offset that it gets.
fn framed(
    what: &'static str,
    bytes: &Bytes,
    (sealer, segment, offset): Place<'_>,
    walk: impl FnOnce(&mut Annotator<'_>, usize) -> Result<()>,
) -> Vec<Decoded> {
    let len = bytes.len().saturating_sub(CHECKSUM_BYTES);
    let sum = checksum(segment.0, offset, start_of(bytes, len));
    if !sealer.is_on() {
        return vec![decode(what, bytes, |a| {
            walk(a, len)?;
            Ok(verdict(what, a.checksum(sum)?))
        })];
    }
    let outer = decode(what, bytes, |a| {
        a.opaque("sealed", len)?;
        Ok(verdict(what, a.checksum(sum)?))
    });
    let plain = sealer.open(Owner::Segment(segment), offset, &[], bytes.slice(..len));
    opened(what, outer, plain, |a| {
        let end = a.remaining();
        walk(a, end)
    })
}

/// What to say of a checksum.
fn verdict(what: &str, whole: bool) -> Option<String> {
    (!whole).then(|| format!("{what}: the checksum does not match"))
}

pub(super) fn descriptor(page: &[u8]) -> Decoded {
    let sum = checksum(DESCRIPTOR_OWNER, 0, start_of(page, DESCRIPTOR_BYTES - 8));
    decode("descriptor", page, |a| {
        a.text("magic", 8)?;
        for name in ["format version", "page bytes", "block bytes", "restart interval"] {
            a.u32(name)?;
        }
        a.u64("segment bytes target")?;
        a.u32("reserved bytes")?;
        a.u32("value chunk bytes")?;
        let name = |name: &&[u8]| text(name.split(|&byte| byte == 0).next().unwrap_or_default());
        a.field("cipher", |reader| reader.take(NAME_BYTES_MAX), name)?;
        a.opaque("salt", SALT_BYTES)?;
        a.opaque("key check", RESERVED_BYTES_MAX)?;
        Ok(verdict("descriptor", a.checksum(sum)?))
    })
}

/// A root slot; without a sealer the stamp is only named.
pub(super) fn root_slot(page: &[u8], sealer: Option<&Sealer>) -> Decoded {
    if page.iter().all(|&byte| byte == 0) {
        return decode("root slot", page, |_| Ok(Some("the slot was never written".to_owned())));
    }
    let sum = checksum(ROOT_OWNER, 0, start_of(page, ROOT_BYTES - 8));
    let refused = sealer.is_some_and(|sealer| Root::open(page, sealer).is_none());
    let error = match Root::decode(page) {
        Ok(_) => refused.then(|| "root slot: the cipher does not accept its stamp".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    decode("root slot", page, |a| {
        a.text("magic", 8)?;
        for name in [
            "generation",
            "clean",
            "manifest start",
            "manifest pages",
            "manifest bytes",
            "manifest checksum",
            "commit",
            "file pages",
            "log extent start",
            "log extent pages",
            "log extent sequence",
            "log offset",
            "log record",
            "log previous",
            "edits before",
            "chain",
        ] {
            if ["manifest checksum", "log previous", "chain"].contains(&name) {
                a.field(name, ByteReader::u64, |sum| format!("{sum:016x}"))?;
            } else {
                a.u64(name)?;
            }
        }
        let stamp_at = ROOT_BYTES - CHECKSUM_BYTES - RESERVED_BYTES_MAX;
        a.opaque("reserved", stamp_at.saturating_sub(a.offset()))?;
        a.opaque("stamp", RESERVED_BYTES_MAX)?;
        let whole = a.checksum(sum)?;
        Ok(verdict("root slot", whole).or(error))
    })
}

/// The manifest that `root` names.
pub(super) fn manifest(bytes: &Bytes, root: &Root, sealer: &Sealer) -> Vec<Decoded> {
    let len = usize::try_from(root.manifest_bytes).unwrap_or(usize::MAX).min(bytes.len());
    let (found, expected) =
        (checksum(MANIFEST_OWNER, 0, start_of(bytes, len)), root.manifest_checksum);
    if found != expected {
        let damage = format!("manifest: checksum {found:016x}, {expected:016x} expected");
        return vec![decode("manifest", bytes, |_| Ok(Some(damage)))];
    }
    if !sealer.is_on() {
        return vec![decode("manifest", bytes, |a| manifest_fields(a).map(|()| None))];
    }
    let outer = decode("manifest", bytes, |a| a.opaque("sealed", len).map(|_| None));
    let plain = sealer.open(Owner::Manifest(root.generation), 0, &[], bytes.slice(..len));
    opened("manifest", outer, plain, manifest_fields)
}

fn manifest_fields(a: &mut Annotator<'_>) -> Result<()> {
    a.u8("version")?;
    a.field("flushed", ByteReader::varint, |commit| format!("commits up to {commit}"))?;
    a.varint("next segment")?;
    a.varint("next run")?;
    a.varint("last keyspace")?;
    for _ in 0..a.varint("keyspaces")? {
        keyspace(a)?;
    }
    for _ in 0..a.varint("segments")? {
        placed(a)?;
    }
    value_segments(a)
}

fn value_segments(a: &mut Annotator<'_>) -> Result<()> {
    let show = |placed: &PlacedValues| {
        let PlacedValues { id, keyspace, commit, extent, kept } = placed;
        let kept = match kept.stretches().len() {
            0 => String::new(),
            stretches => format!(", cleaned, {stretches} stretches"),
        };
        format!("{id} of {keyspace}, commit {commit}, {extent}{kept}")
    };
    for _ in 0..a.varint("value segments")? {
        a.field("value segment", PlacedValues::decode, show)?;
    }
    Ok(())
}

fn keyspace(a: &mut Annotator<'_>) -> Result<()> {
    let show = |found: &KeyspaceDescriptor| {
        let options = &found.options;
        let mut shown = format!(
            "{} {:?}, {:?}, values in blocks up to {} bytes, {} filter bits a key",
            found.id,
            found.name,
            options.compression,
            options.value_bytes_inline_max,
            options.filter_bits_per_key
        );
        let operator = options.merge_operator.iter().map(|name| format!(", operator {name}"));
        let rewriter = options.group_rewriter.iter().map(|name| format!(", rewriter {name}"));
        shown.extend(operator.chain(rewriter));
        shown
    };
    a.field("keyspace", KeyspaceDescriptor::decode, show).map(|_| ())
}

fn placed(a: &mut Annotator<'_>) -> Result<()> {
    let show = |placed: &Placed| {
        let summary = &placed.summary;
        format!(
            "{} of {}, level {} run {}, {}: {} to {}, commits {} to {}, {} entries, {} of them \
             tombstones, {} ranges, {} bytes",
            summary.id,
            summary.keyspace,
            placed.level,
            placed.run,
            placed.extent,
            text(&summary.smallest),
            shown_end(&summary.end),
            summary.commits.0,
            summary.commits.1,
            summary.entries,
            summary.tombstones,
            summary.ranges,
            summary.bytes,
        )
    };
    a.field("segment", Placed::decode, show).map(|_| ())
}

/// The header of a log extent, for its first page.
pub(super) fn log_header(page: &[u8], extent_start: u64) -> Decoded {
    decode("log extent", page, |a| {
        a.text("magic", 8)?;
        let sequence = a.u64("sequence")?;
        a.u64("pages")?;
        let sum = checksum(extent_start, sequence, start_of(page, EXTENT_HEADER_BYTES - 8));
        Ok(verdict("log extent", a.checksum(sum)?))
    })
}

/// A record of the log: where it stands in its extent, where the next one may stand, and its fields.
pub(super) struct LogRecordView {
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) decoded: Vec<Decoded>,
}

/// The record at `offset` of the extent with this sequence number; `None` when no whole one stands there. Without a
/// sealer the payload is not opened.
pub(super) fn log_record(
    extent: &Bytes,
    sealer: Option<&Sealer>,
    sequence: u64,
    offset: u64,
) -> Option<LogRecordView> {
    let start = usize::try_from(offset).ok()?;
    let mut header = ByteReader::new("log record", extent.get(start..)?);
    let sum = header.u64().ok()?;
    let payload_bytes = header.u32().ok()?;
    let kind = RecordKind::decode(header.u8().ok()?)?;
    let sealed = header.u8().ok()? == 1;
    let len = RECORD_HEADER_BYTES.checked_add(usize::try_from(payload_bytes).ok()?)?;
    let end = start.checked_add(len).filter(|&end| end <= extent.len())?;
    let record = extent.slice(start..end);
    if checksum(sequence, offset, record.get(8..)?) != sum {
        return None;
    }
    let decoded = record_fields(&record, kind, sum, (sealer, sequence, offset));
    let end = next_offset(offset, u64::from(payload_bytes), sealed);
    Some(LogRecordView { offset, end, decoded })
}

fn record_fields(
    record: &Bytes,
    kind: RecordKind,
    sum: u64,
    (sealer, sequence, offset): (Option<&Sealer>, u64, u64),
) -> Vec<Decoded> {
    if sealer.is_some_and(|sealer| !sealer.is_on()) {
        return vec![decode("log record", record, |a| {
            record_header(a, kind, sum)?;
            payload(a, kind)?;
            Ok(None)
        })];
    }
    let outer = decode("log record", record, |a| {
        record_header(a, kind, sum)?;
        a.opaque("sealed", a.remaining())?;
        Ok(None)
    });
    let Some(sealer) = sealer else { return vec![outer] };
    let clear = record.get(SEALED_FROM..RECORD_HEADER_BYTES).unwrap_or_default();
    let piece = record.slice(RECORD_HEADER_BYTES.min(record.len())..);
    let plain = sealer.open(Owner::Log(sequence), offset, clear, piece);
    opened("log record", outer, plain, |a| payload(a, kind))
}

fn record_header(a: &mut Annotator<'_>, kind: RecordKind, sum: u64) -> Result<()> {
    a.checksum(sum)?;
    a.u32("payload bytes")?;
    a.field("kind", ByteReader::u8, |byte| format!("{byte}: {kind:?}").to_lowercase())?;
    let sealed = |byte: &u8| if *byte == 1 { "1: to the page's end" } else { "0" }.to_owned();
    a.field("sealed", ByteReader::u8, sealed)?;
    a.opaque("reserved", 2)?;
    a.u64("record")?;
    a.field("previous", ByteReader::u64, |sum| format!("{sum:016x}"))?;
    a.field("durable", ByteReader::u64, |record| format!("records before {record}"))?;
    Ok(())
}

fn payload(a: &mut Annotator<'_>, kind: RecordKind) -> Result<()> {
    match kind {
        RecordKind::Group => group(a),
        RecordKind::Edit => edit(a),
        RecordKind::Link => {
            a.u64("next extent start")?;
            a.u64("next extent pages")?;
            Ok(())
        }
        RecordKind::Mark => Ok(()),
    }
}

fn group(a: &mut Annotator<'_>) -> Result<()> {
    a.varint("commit")?;
    for _ in 0..a.varint("created")? {
        keyspace(a)?;
    }
    value_segments(a)?;
    let mut tables = Vec::new();
    for _ in 0..a.varint("tables")? {
        let keyspace = a.varint("keyspace")?;
        let entries = a.varint("entries")?;
        a.varint("bytes")?;
        tables.push((keyspace, entries));
    }
    for (keyspace, entries) in tables {
        a.remark("table", format!("entries of keyspace #{keyspace}"));
        range_list(a)?;
        for _ in 0..entries.min(ENTRIES_SHOWN) {
            a.field("entry", logged_entry, Clone::clone)?;
        }
    }
    Ok(())
}

fn logged_entry(reader: &mut ByteReader<'_>) -> Result<String> {
    let len = reader.varint_usize()?;
    let key = reader.take(len)?;
    let kind = match reader.u8()? {
        0 => "put",
        1 => "delete",
        2 => "merge",
        3 => "refer",
        other => return Err(reader.error(format_args!("{other} is no kind of entry"))),
    };
    let len = reader.varint_usize()?;
    let value = shown_value(kind, reader.take(len)?)?;
    Ok(format!("{kind} {}{value}", text(key)))
}

/// What an entry says of its key, in words.
fn shown_value(kind: &str, value: &[u8]) -> Result<String> {
    Ok(match kind {
        "delete" => String::new(),
        "refer" => {
            let Reference { segment, page, raw_bytes, stored_bytes } = Reference::decode(value)?;
            let place = format!("value segment {segment} from page {page} on");
            format!(" to {raw_bytes} bytes in {place}, {stored_bytes} stored")
        }
        _ => format!(" = {}", text(value)),
    })
}

fn edit(a: &mut Annotator<'_>) -> Result<()> {
    let flushed = |flushed: &u64| match flushed.checked_sub(1) {
        None => "no flush".to_owned(),
        Some(commit) => format!("commits up to {commit}"),
    };
    a.field("flushed", ByteReader::varint, flushed)?;
    for _ in 0..a.varint("created")? {
        keyspace(a)?;
    }
    for _ in 0..a.varint("removed")? {
        a.varint("segment")?;
    }
    for _ in 0..a.varint("moved")? {
        a.varint("segment")?;
        a.u8("level")?;
        a.varint("run")?;
    }
    for _ in 0..a.varint("relocated")? {
        a.varint("segment")?;
        a.varint("extent start")?;
        a.varint("extent pages")?;
    }
    for _ in 0..a.varint("added")? {
        placed(a)?;
    }
    for _ in 0..a.varint("dropped")? {
        a.varint("keyspace")?;
    }
    value_segments(a)
}

/// A leaf block or an index block with its frame, and the raw block in it when it is compressed or encrypted.
pub(super) fn block(sealed: &Bytes, place: Place<'_>, is_index: bool) -> Vec<Decoded> {
    framed_block("block", sealed, place, |a, raw| raw_block(a, raw, is_index))
}

/// The range tombstones of a segment, in the frame of a block.
pub(super) fn ranges(sealed: &Bytes, place: Place<'_>) -> Vec<Decoded> {
    framed_block("range tombstones", sealed, place, |a, _| range_list(a))
}

fn framed_block(
    what: &'static str,
    sealed: &Bytes,
    (sealer, segment, offset): Place<'_>,
    walk: impl Fn(&mut Annotator<'_>, &[u8]) -> Result<()>,
) -> Vec<Decoded> {
    let raw = match open(sealer, sealed, segment, offset) {
        Ok(raw) => raw,
        Err(error) => {
            let whole = decode(what, sealed, |a| a.opaque(what, sealed.len()).map(|_| None));
            return vec![Decoded { damage: Some(error.to_string()), ..whole }];
        }
    };
    let stored = sealed.len().saturating_sub(TRAILER_BYTES);
    let is_raw = !sealer.is_on() && sealed.get(..stored) == Some(&raw[..]);
    let summed = sealed.len().saturating_sub(CHECKSUM_BYTES);
    let sum = checksum(segment.0, offset, start_of(sealed, summed));
    let outer = decode(what, sealed, |a| {
        if is_raw {
            walk(a, &raw)?;
        } else {
            a.opaque(if sealer.is_on() { "sealed" } else { "compressed" }, stored)?;
        }
        let codec = |codec: &u8| match codec {
            0 => "0: as it is".to_owned(),
            1 => "1: LZ4".to_owned(),
            2 => "2: zstd".to_owned(),
            other => other.to_string(),
        };
        a.field("codec", ByteReader::u8, codec)?;
        a.u32("raw length")?;
        Ok(verdict(what, a.checksum(sum)?))
    });
    let inner = (!is_raw).then(|| decode(what, &raw, |a| walk(a, &raw).map(|()| None)));
    [outer].into_iter().chain(inner).collect()
}

/// The entries and the tail of a raw block that stands where the reader stands.
fn raw_block(a: &mut Annotator<'_>, raw: &[u8], is_index: bool) -> Result<()> {
    let mut tail = ByteReader::new("block tail", raw);
    tail.take(raw.len().saturating_sub(4))?;
    let restarts = tail.u32()? as usize;
    let tail_bytes = restarts.saturating_mul(12).saturating_add(8);
    let entries_end = a.offset() + raw.len().saturating_sub(tail_bytes);
    let mut key = Vec::new();
    while a.offset() < entries_end {
        let (mut read_key, start) = (std::mem::take(&mut key), a.offset());
        a.field("entry", |reader| block_entry(reader, &mut read_key, is_index), Clone::clone)?;
        key = read_key;
        if a.offset() == start {
            break;
        }
    }
    for _ in 0..restarts {
        a.field("head", |reader| reader.take(8), |bytes| text(bytes))?;
    }
    for _ in 0..restarts {
        a.u32("restart at")?;
    }
    a.u32("prefix length")?;
    a.u32("restarts")?;
    Ok(())
}

fn block_entry(reader: &mut ByteReader<'_>, key: &mut Vec<u8>, is_index: bool) -> Result<String> {
    let shared = reader.varint_usize()?;
    let unshared = reader.varint_usize()?;
    let tag = reader.varint()?;
    if shared > key.len() {
        return Err(reader.error("a key shares more than the key before it has"));
    }
    key.truncate(shared);
    key.extend_from_slice(reader.take(unshared)?);
    let len = tag >> 3;
    let kind = usize::try_from(tag & 7).ok().and_then(|kind| ENTRY_KINDS.get(kind));
    let Some(&(kind, is_external)) = kind else {
        return Err(reader.error(format_args!("unknown tag {tag:#x}")));
    };
    if is_external {
        let codec = reader.u8()?;
        let place = reader.varint()?;
        let stored = reader.varint()?;
        reader.u64()?;
        let at = place.saturating_mul(64);
        return Ok(format!(
            "{kind} {}, value of {len} bytes at {at:#x}: codec {codec}, {stored} bytes",
            text(key)
        ));
    }
    let value = reader.take(usize::try_from(len).unwrap_or(usize::MAX))?;
    if is_index {
        let mut handle = ByteReader::new("index entry", value);
        let (offset, bytes) = (handle.varint()?, handle.varint()?);
        return Ok(format!("up to {}: leaf at {offset:#x}, {bytes} bytes", text(key)));
    }
    Ok(format!("{kind} {}{}", text(key), shown_value(kind, value)?))
}

fn key(a: &mut Annotator<'_>, name: &str) -> Result<()> {
    let len = a.varint("key length")?;
    a.text(name, usize::try_from(len).unwrap_or(usize::MAX)).map(|_| ())
}

fn range_list(a: &mut Annotator<'_>) -> Result<()> {
    for _ in 0..a.varint("ranges")? {
        a.field("range", range, Clone::clone)?;
    }
    Ok(())
}

fn range(reader: &mut ByteReader<'_>) -> Result<String> {
    let len = reader.varint_usize()?;
    let lower = text(reader.take(len)?);
    Ok(match reader.varint_usize()?.checked_sub(1) {
        None => format!("deletes from {lower} on"),
        Some(len) => format!("deletes from {lower} to before {}", text(reader.take(len)?)),
    })
}

/// The properties of a segment.
pub(super) fn properties(bytes: &Bytes, place: Place<'_>) -> Vec<Decoded> {
    framed("segment properties", bytes, place, |a, bytes_end| {
        a.varint("segment")?;
        a.varint("keyspace")?;
        key(a, "smallest")?;
        let end = |kind: &u8| match kind {
            0 => "0: included".to_owned(),
            1 => "1: excluded".to_owned(),
            2 => "2: none".to_owned(),
            other => other.to_string(),
        };
        a.field("kind of end", ByteReader::u8, end)?;
        key(a, "end")?;
        for name in [
            "first commit",
            "commits after it",
            "entries",
            "tombstones",
            "merges",
            "leaf blocks",
            "compressed leaf blocks",
            "raw bytes",
            "external values",
            "external bytes",
            "ranges",
            "range bytes",
        ] {
            a.varint(name)?;
        }
        for _ in 0..a.varint("value segments")? {
            a.varint("value segment, from the one before")?;
            a.varint("pages of it")?;
        }
        a.varint("bytes about the keyspace")?;
        keyspace(a)?;
        // In version 2; the footer says which it is.
        if bytes_end > a.offset() {
            for name in ["names", "blocks of names", "bytes of names", "bytes of their index"] {
                a.varint(name)?;
            }
        }
        let more = bytes_end.saturating_sub(a.offset());
        if more > 0 {
            a.opaque("unexplained", more)?;
        }
        Ok(())
    })
}

/// The filter of a segment.
pub(super) fn filter(bytes: &Bytes, place: Place<'_>) -> Vec<Decoded> {
    framed("segment filter", bytes, place, |a, _| {
        let set = |bits: &[u8]| bits.iter().map(|byte| byte.count_ones()).sum::<u32>();
        while a.remaining() > FILTER_BLOCK_BYTES {
            let show = |bits: &&[u8]| format!("{} of {} bits set", set(bits), bits.len() * 8);
            a.field("block", |reader| reader.take(FILTER_BLOCK_BYTES), show)?;
        }
        a.u8("probes").map(|_| ())
    })
}

/// The footer of a segment, which stands `offset` bytes into it.
pub(super) fn footer(bytes: &[u8], segment: SegmentId, offset: u64) -> Decoded {
    let sum = checksum(segment.0, offset, start_of(bytes, bytes.len().saturating_sub(8)));
    decode("segment footer", bytes, |a| {
        a.text("magic", 8)?;
        a.u32("version")?;
        a.u32("filter bytes")?;
        for name in
            ["index offset", "index bytes", "properties offset", "properties bytes", "segment"]
        {
            a.u64(name)?;
        }
        Ok(verdict("segment footer", a.checksum(sum)?))
    })
}

/// The header of a value in a value segment; what follows it in `bytes` is not explained here.
pub(super) fn value_header(bytes: &[u8]) -> Decoded {
    let header = start_of(bytes, VALUE_HEADER_BYTES);
    let segment = header.get(8..16).and_then(|id| id.try_into().ok()).map(u64::from_le_bytes);
    let page = header.get(16..24).and_then(|page| page.try_into().ok()).map(u64::from_le_bytes);
    let (segment, page) = (segment.unwrap_or_default(), page.unwrap_or_default());
    let sum = checksum(segment, page, start_of(header, VALUE_HEADER_BYTES - CHECKSUM_BYTES));
    decode("header of a value", header, |a| {
        a.text("magic", 8)?;
        for name in ["value segment", "page", "raw bytes", "stored bytes"] {
            a.u64(name)?;
        }
        Ok(verdict("header of a value", a.checksum(sum)?))
    })
}

/// A chunk of a value, or the directory behind the chunks, in the frame of a block.
pub(super) fn value_frame(sealed: &Bytes, place: Place<'_>, is_directory: bool) -> Vec<Decoded> {
    framed_block("chunk of a value", sealed, place, |a, raw| {
        if is_directory {
            return (0..raw.len() / 4).try_for_each(|_| a.u32("frame bytes").map(|_| ()));
        }
        a.text("value", raw.len()).map(|_| ())
    })
}

/// Bytes of no known structure.
pub(super) fn plain(bytes: &[u8]) -> Decoded {
    let zeros = bytes.iter().all(|&byte| byte == 0);
    let len = if zeros { 0 } else { bytes.len() };
    decode("bytes", bytes, |a| a.opaque("bytes", len).map(|_| None))
}

/// A value of the value area, of which `read` is the plain form.
pub(super) fn value(bytes: &[u8], read: Result<Bytes>, is_sealed: bool) -> Vec<Decoded> {
    if is_sealed {
        let outer = decode("value", bytes, |a| a.opaque("sealed", bytes.len()).map(|_| None));
        return opened("value", outer, read, |a| a.text("value", a.remaining()).map(|_| ()));
    }
    let damage = read.err().map(|error| error.to_string());
    vec![decode("value", bytes, |a| a.text("value", bytes.len()).map(|_| damage))]
}

/// The pages that hold `[offset, offset + len)` of an extent.
pub(super) fn pages_of(extent: Extent, offset: u64, len: u64) -> std::ops::Range<u64> {
    let start = extent.start + offset / PAGE_BYTES;
    let last = offset.saturating_add(len.max(1)).div_ceil(PAGE_BYTES);
    start..extent.start.saturating_add(last).max(start + 1)
}

fn start_of(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}
