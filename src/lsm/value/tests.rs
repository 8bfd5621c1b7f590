//! Tests of value segments: values come back as they went, from anywhere in them, whatever they share a segment with;
//! damage is found; errors leave nothing behind.
//!
//! The twin of a value is a `Vec`. Chunks are small, so that short values have many.

use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::*;
use crate::lsm::block::Compression;
use crate::lsm::cipher::Sealer;
use crate::lsm::cipher::tests::ToyCipher;
use crate::lsm::codec::ByteReader;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, PAGE_BYTES, STREAM_BYTES_MAX, SegmentId};
use crate::lsm::operands::Content;
use crate::lsm::space::Space;
use crate::lsm::storage::{MemoryStorage, SimulatedStorage, Storage};

const PAGE: &str = include_str!("../../../docs/format/value-segment.md");

fn home(storage: impl Storage + 'static, sealer: Sealer, chunk_bytes: u32) -> Arc<ValueHome> {
    let (storage, space) = (Arc::new(storage), Space::new(&[], 0, 1));
    let segment_bytes_target = 64 << 10;
    Arc::new(ValueHome { storage, space, sealer, chunk_bytes, segment_bytes_target })
}

fn sealer(key: u64) -> Sealer {
    Sealer::new(Arc::new(ToyCipher::new(key)), [3; 16])
}

/// Bytes of which some compress.
fn value(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    let letters = if rng.bool() { 1 } else { 200 };
    (0..len).map(|_| rng.u8(..letters)).collect()
}

fn append(home: &Arc<ValueHome>, map: &mut ValueMap, id: u64, value: &[u8]) -> Result<Reference> {
    append_value(home, map, || SegmentId(id), Compression::Lz4, value)
}

#[test]
fn values_come_back_as_they_went_from_anywhere_in_them() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut shared, mut streamed) = (0, 0);
    for case in 0..60_u64 {
        let sealer = if case % 3 == 0 { sealer(case) } else { Sealer::NONE };
        let home = home(MemoryStorage::default(), sealer, 1 << rng.u32(2..11));
        let mut map = ValueMap::new();
        let mut written: Vec<(Reference, Vec<u8>)> = Vec::new();
        for id in 1..12 {
            let len_max = [40, 3000, 60_000][rng.usize(0..3)];
            let len = rng.usize(1..len_max);
            let value = value(&mut rng, len);
            let reference = if rng.bool() {
                append(&home, &mut map, id, &value)?
            } else {
                streamed += 1;
                let (head, mut rest) = value.split_at(rng.usize(1..=value.len()));
                let new_id = || SegmentId(id);
                stream_value(&home, &mut map, new_id, Compression::Lz4, head, &mut rest)?
            };
            shared += u64::from(reference.segment.0 != id);
            assert_eq!(reference.raw_bytes, value.len() as u64);
            written.push((reference, value));
        }
        let lookup = ValueLookup::new([Arc::new(map.clone())]);
        for (reference, value) in &written {
            map[&reference.segment].segment.verify(reference)?;
            let content = Content::Reference(reference.encode().into());
            assert_eq!(lookup.load(content.clone())?, value);
            let mut reader = lookup.open(content)?;
            assert_eq!((reader.len(), reader.is_empty()), (value.len() as u64, false));
            for _ in 0..10 {
                let at = rng.usize(0..value.len() + 3);
                reader.seek(SeekFrom::Start(at as u64)).unwrap();
                let mut found = vec![0; rng.usize(0..5000)];
                let len = reader.read(&mut found).unwrap();
                let rest = value.get(at..).unwrap_or_default();
                assert_eq!(found[..len], rest[..len]);
                assert_eq!(len == 0, rest.is_empty() || found.is_empty());
            }
            assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), value.len() as u64 - 1);
            assert_eq!(reader.stream_position().unwrap(), value.len() as u64 - 1);
            assert!(reader.seek(SeekFrom::Current(-1 << 40)).is_err());
            let mut end = Vec::new();
            reader.read_to_end(&mut end).unwrap();
            assert_eq!(end, value[value.len() - 1..]);
        }
        let pages: u64 = map.values().map(|held| held.segment.extent().pages).sum();
        let needed: u64 = written.iter().map(|(reference, _)| reference.pages()).sum();
        assert_eq!(pages, needed, "no page of a segment is without a value");
        let used = home.space.check()?;
        assert_eq!(used.leased.len(), map.len(), "one extent each");
        drop((lookup, map));
        assert!(home.space.check()?.leased.is_empty());
    }
    assert!(shared > 20 && streamed > 100, "{shared} shared a segment, {streamed} were streams");
    Ok(())
}

#[test]
fn a_segment_that_somebody_reads_is_left_as_it_is() -> Result<()> {
    let home = home(MemoryStorage::default(), Sealer::NONE, 64);
    let mut map = ValueMap::new();
    let first = append(&home, &mut map, 1, &[1; 5000])?;
    let reader = map[&first.segment].segment.clone();
    let second = append(&home, &mut map, 2, &[2; 5000])?;
    assert_eq!((first.segment, second.segment), (SegmentId(1), SegmentId(2)));
    assert_eq!(reader.read(&first)?, vec![1; 5000]);
    drop(reader);
    assert_eq!(append(&home, &mut map, 3, &[3; 5000])?.segment, SegmentId(2));
    Ok(())
}

#[test]
fn a_stream_grows_where_it_stands_or_moves_and_gives_back_what_it_does_not_need() -> Result<()> {
    let long = vec![7; 5 << 20];
    let reference = |home: &Arc<ValueHome>, map: &mut ValueMap, id| {
        let (head, mut rest) = long.split_at(1000);
        stream_value(home, map, || SegmentId(id), Compression::None, head, &mut rest)
    };
    let home = home(MemoryStorage::default(), Sealer::NONE, 64 << 10);
    let mut map = ValueMap::new();
    let first = reference(&home, &mut map, 1)?;
    assert_eq!(map[&first.segment].segment.extent().start, 0, "there was room to grow");
    let below = home.space.allocate(20);
    let hole = home.space.allocate(20);
    let above = home.space.allocate(20);
    let end = above.extent().end();
    drop(hole);
    let second = reference(&home, &mut map, 2)?;
    assert_eq!(map[&second.segment].segment.extent().start, end, "it moved out of the hole");
    assert_eq!(map[&second.segment].segment.read(&second)?, long);
    let used = home.space.check()?;
    assert_eq!(used.leased.len(), 4);
    assert_eq!(map[&second.segment].segment.extent().pages, second.pages());
    drop((below, above));
    Ok(())
}

/// Gives a few bytes, then an error.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = out.len().min(100).min(self.0);
        self.0 -= len;
        if len == 0 { Err(std::io::Error::other("the source broke")) } else { Ok(len) }
    }
}

#[test]
fn an_error_leaves_the_segments_as_they_were() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let home = home(device.clone(), Sealer::NONE, 100);
    let mut map = ValueMap::new();
    let kept = append(&home, &mut map, 1, &[1; 5000])?;
    let before = home.space.check()?.leased;
    let new_id = || SegmentId(9);
    let refused =
        stream_value(&home, &mut map, new_id, Compression::None, b"head", &mut Broken(9000));
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    device.full_at(device.len_bytes().unwrap());
    for id in 2..4 {
        assert!(append(&home, &mut map, id, &vec![2; 30_000]).is_err());
        assert_eq!(home.space.check()?.leased, before);
    }
    device.full_at(u64::MAX);
    assert_eq!(map[&kept.segment].segment.read(&kept)?, vec![1; 5000]);
    let next = append(&home, &mut map, 5, &[3; 5000])?;
    assert_eq!((next.segment, next.page), (SegmentId(1), kept.end()), "nothing is left between");
    assert_eq!(map[&kept.segment].segment.read(&next)?, vec![3; 5000]);
    Ok(())
}

#[test]
fn a_stream_that_is_too_long_is_refused_and_leaves_nothing() -> Result<()> {
    let home = home(MemoryStorage::default(), Sealer::NONE, 1 << 20);
    let mut map = ValueMap::new();
    let mut endless = std::io::repeat(0);
    let new_id = || SegmentId(1);
    let refused = stream_value(&home, &mut map, new_id, Compression::Lz4, b"0", &mut endless);
    let Err(Error::ValueTooLong { bytes_max, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(bytes_max, STREAM_BYTES_MAX);
    assert!(map.is_empty() && home.space.check()?.leased.is_empty());
    Ok(())
}

#[test]
fn every_flipped_bit_of_a_value_is_found() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let home = home(device.clone(), Sealer::NONE, 40);
    let mut map = ValueMap::new();
    append(&home, &mut map, 1, &[1; 500])?;
    let reference = append(&home, &mut map, 1, b"settles where the river slows, and slower")?;
    let segment = &map[&reference.segment].segment;
    let start = segment.extent().offset() + reference.page * PAGE_BYTES;
    let whole = device.contents();
    for bit in 0..usize::try_from(reference.stored_bytes).unwrap() * 8 {
        let mut bytes = whole.clone();
        bytes[usize::try_from(start).unwrap() + bit / 8] ^= 1 << (bit % 8);
        device.write_at(0, &bytes).unwrap();
        assert!(segment.verify(&reference).unwrap_err().is_corruption(), "bit {bit}");
        if bit / 8 >= VALUE_HEADER_BYTES {
            assert!(segment.read(&reference).unwrap_err().is_corruption(), "bit {bit}");
        }
    }
    device.write_at(0, &whole).unwrap();
    assert_eq!(segment.read(&reference)?.len(), 41);
    for wrong in [
        Reference { page: reference.page + 1, ..reference },
        Reference { page: 0, ..reference },
        Reference { raw_bytes: reference.raw_bytes - 2, ..reference },
        Reference { raw_bytes: STREAM_BYTES_MAX, ..reference },
        Reference { stored_bytes: reference.stored_bytes + 1, ..reference },
        Reference { stored_bytes: 1 << 40, ..reference },
        Reference { segment: SegmentId(2), ..reference },
    ] {
        assert!(segment.verify(&wrong).unwrap_err().is_corruption(), "{wrong:?}");
    }
    Ok(())
}

#[test]
fn a_copy_has_what_is_alive_under_the_same_references() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(4);
    for (from, to) in [(Sealer::NONE, Sealer::NONE), (sealer(1), sealer(2))] {
        let source = home(MemoryStorage::default(), from, 128);
        let target = home(MemoryStorage::default(), to, 128);
        let mut map = ValueMap::new();
        let mut written = Vec::new();
        for _ in 0..8 {
            let value = value(&mut rng, 3000);
            written.push((append(&source, &mut map, 1, &value)?, value));
        }
        let mut segment = Arc::clone(&map[&SegmentId(1)].segment);
        for keep in [|index: usize| index != 2 && index != 5, |index| index % 3 == 0] {
            let alive: Vec<_> =
                written.iter().enumerate().filter(|(index, _)| keep(*index)).collect();
            let references: Vec<Reference> =
                alive.iter().map(|(_, (reference, _))| *reference).collect();
            let copy = Arc::new(copy_alive(&segment, &target, &references)?);
            for (_, (reference, value)) in &alive {
                copy.verify(reference)?;
                assert_eq!(copy.read(reference)?, value);
            }
            let gone = written.iter().enumerate().filter(|(index, _)| !keep(*index));
            for (_, (reference, _)) in gone {
                assert!(copy.read(reference).unwrap_err().is_corruption());
            }
            let pages: u64 = references.iter().map(Reference::pages).sum();
            assert_eq!(copy.extent().pages, pages);
            written.retain({
                let mut index = 0;
                move |_| {
                    index += 1;
                    keep(index - 1)
                }
            });
            // A copy of the copy, back to where it came from.
            let rest: Vec<Reference> = written.iter().map(|(reference, _)| *reference).collect();
            segment = Arc::new(copy_alive(&copy, &source, &rest)?);
        }
    }
    Ok(())
}

#[test]
fn the_page_on_value_segments_shows_the_bytes_of_this_value() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let home = home(device.clone(), Sealer::NONE, 16);
    let mut map = ValueMap::new();
    let value = b"settles where the river slows";
    let reference = append_value(&home, &mut map, || SegmentId(9), Compression::None, value)?;
    let bytes = device.contents();
    let mut dump = String::new();
    for (row, bytes) in
        bytes[..usize::try_from(reference.stored_bytes).unwrap()].chunks(16).enumerate()
    {
        write!(dump, "{:04x} ", row * 16).unwrap();
        for byte in bytes {
            write!(dump, " {byte:02x}").unwrap();
        }
        dump.push('\n');
    }
    assert!(PAGE.contains(&dump), "the bytes are now\n{dump}");
    let hex: Vec<String> = reference.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(PAGE.contains(&format!("`{}`", hex.join(" "))), "the reference is now {hex:?}");
    assert!(PAGE.contains(&format!("Total: {VALUE_HEADER_BYTES} bytes")));
    Ok(())
}

#[test]
fn the_pages_on_formats_show_the_header_without_holes_and_how_a_manifest_names_a_segment() {
    let mut end = 0;
    for row in PAGE.lines().filter(|line| line.contains("| bytes |") || line.contains("| u64 |")) {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().parse::<usize>());
        if let (Some(Ok(offset)), Some(Ok(bytes))) = (cells.next(), cells.next()) {
            assert_eq!(offset, end, "{row}");
            end = offset + bytes;
        }
    }
    assert_eq!(end, VALUE_HEADER_BYTES);
    let mut kept = Kept::default();
    kept.push(0, 2);
    kept.push(5, 1);
    let placed = PlacedValues {
        id: SegmentId(9),
        keyspace: KeyspaceId(2),
        commit: CommitNo(3),
        extent: Extent { start: 40, pages: 3 },
        kept,
    };
    let mut bytes = Vec::new();
    placed.encode(&mut bytes);
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let page = include_str!("../../../docs/format/manifest.md");
    assert!(page.contains(&format!("`{}`", hex.join(" "))), "{hex:?}");
    assert_eq!(PlacedValues::decode(&mut ByteReader::new("test", &bytes)).unwrap(), placed);
}
