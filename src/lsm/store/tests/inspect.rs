//! Tests of the structural view on files with everything in them: deep figures against a walk of their own, every byte
//! of every page explained, damage told and never a panic, and nothing written. The files come from random commits under
//! tiny options; some are closed in order, others left as a dying process leaves them.

use std::sync::Arc;

use super::{State, Write, open, read_all, tiny_options};
use crate::lsm::cipher::tests::ToyCipher;
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::ids::{PAGE_BYTES, SegmentId};
use crate::lsm::{
    ContentFigures, Durability, Error, Inspector, Options, Pages, Result, SimulatedStorage, Store,
    Structure,
};

/// A file with several levels, external values and a log, closed in order or left as a dying process leaves it.
fn file(seed: u64, closed: bool) -> Result<(Vec<u8>, State)> {
    file_with(seed, closed, tiny_options())
}

fn file_with(seed: u64, closed: bool, options: Options) -> Result<(Vec<u8>, State)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let device = SimulatedStorage::new(seed);
    let store = open(device.clone(), options)?;
    let mut state = State::default();
    for round in 0..80 {
        let mut transaction = store.begin()?;
        for _ in 0..8 {
            let write = Write::random(&mut rng);
            write.write_to(&mut transaction)?;
            write.apply_to(&mut state);
        }
        transaction.commit(Durability::Sync)?;
        if round % 4 == 0 {
            store.flush()?;
        }
        store.step()?;
    }
    if closed {
        store.close()?;
    } else {
        // An edit and a commit behind the last checkpoint.
        store.flush()?;
        let mut transaction = store.begin()?;
        let write = Write::Put(0, b"last".to_vec(), b"commit".to_vec());
        write.write_to(&mut transaction)?;
        write.apply_to(&mut state);
        transaction.commit(Durability::Sync)?;
    }
    Ok((device.contents(), state))
}

fn inspect(bytes: &[u8]) -> Result<Inspector> {
    let device = SimulatedStorage::from_bytes(bytes.to_vec());
    Inspector::open(Arc::new(device), tiny_options())
}

fn pages(bytes: &[u8]) -> Result<Pages> {
    pages_with(bytes, tiny_options())
}

fn pages_with(bytes: &[u8], options: Options) -> Result<Pages> {
    let device = SimulatedStorage::from_bytes(bytes.to_vec());
    Pages::open(Arc::new(device), options)
}

fn encrypted(key: u64) -> Options {
    Options { cipher: Some(Arc::new(ToyCipher::new(key))), ..tiny_options() }
}

fn sum(structure: &Structure) -> ContentFigures {
    let mut sum = ContentFigures::default();
    for run in structure.keyspaces.iter().flat_map(|keyspace| &keyspace.runs) {
        sum.add(&run.sum());
    }
    sum
}

#[test]
fn deep_figures_equal_an_independent_walk() -> Result<()> {
    let mut live_pages = 0;
    for seed in 0..4 {
        let (bytes, state) = file(seed, true)?;
        let structure = inspect(&bytes)?.structure(true)?;
        let shallow = inspect(&bytes)?.structure(false)?;
        let store = Store::open(SimulatedStorage::from_bytes(bytes.clone()), tiny_options())?;
        let version = store.core.version.load_full();
        let mut walked = ContentFigures::default();
        for segment in version.keyspaces.values().flat_map(|keyspace| keyspace.segments()) {
            walked.segments += 1;
            let mut cursor = segment.cursor();
            cursor.first()?;
            while cursor.valid() {
                walked.entries += 1;
                walked.tombstones += u64::from(cursor.kind() == EntryKind::Delete);
                walked.merges += u64::from(cursor.kind() == EntryKind::Merge);
                walked.raw_bytes += (cursor.key().len() + cursor.value()?.len()) as u64;
                cursor.next()?;
            }
        }
        let deep = sum(&structure);
        let leaves = deep.leaves.clone().expect("deep figures were asked for");
        assert_eq!(leaves.keys, walked.entries);
        assert_eq!(leaves.blocks, deep.leaf_blocks);
        assert!(leaves.keys_min >= 1 && leaves.keys_max >= leaves.keys_min);
        assert!(leaves.keys_mean() >= Some(1.0) && leaves.fill() > Some(0.3), "{leaves:?}");
        assert_eq!(
            (deep.segments, deep.entries, deep.tombstones, deep.merges, deep.raw_bytes),
            (walked.segments, walked.entries, walked.tombstones, walked.merges, walked.raw_bytes)
        );
        assert!(deep.tombstones > 0 && deep.external_values > 0, "{deep:?}");
        let without_leaves = ContentFigures { leaves: None, ..deep };
        assert_eq!(sum(&shallow), without_leaves);
        let own = structure.pages;
        let owned = own.reserved + own.manifests + own.log + own.segments + own.values;
        let owned = owned + own.deferred + own.free;
        let values = structure.keyspaces.iter().flat_map(|keyspace| &keyspace.values);
        let live: u64 = values.map(|values| values.live_pages).sum();
        assert!(live <= own.values && structure.value_bytes == live * PAGE_BYTES);
        live_pages += live;
        assert_eq!((owned, own.total * PAGE_BYTES), (own.total, structure.file_bytes));
        assert_eq!(read_all(inspect(&bytes)?.snapshot())?, state);
        assert!(structure.clean);
    }
    assert!(live_pages > 0, "no file has value segments");
    Ok(())
}

#[test]
fn blocks_of_a_segment_add_up_to_it() -> Result<()> {
    let (bytes, _) = file(5, true)?;
    let inspector = inspect(&bytes)?;
    let structure = inspector.structure(true)?;
    let runs = structure.keyspaces.iter().flat_map(|keyspace| &keyspace.runs);
    let mut plain = 0;
    for segment in runs.flat_map(|run| &run.segments) {
        let blocks = inspector.blocks(SegmentId(segment.id))?;
        assert_eq!(blocks.len() as u64, segment.figures.leaf_blocks);
        assert_eq!(blocks.iter().map(|block| block.keys).sum::<u64>(), segment.figures.entries);
        // A range tombstone may begin before the first entry and end behind the last one.
        if segment.figures.ranges == 0 {
            assert_eq!(blocks.first().map(|block| &block.first), Some(&segment.smallest));
            assert_eq!(blocks.last().map(|block| &block.last), Some(&segment.greatest));
            plain += 1;
        }
    }
    assert!(plain > 0, "segments without range tombstones");
    assert!(matches!(inspector.blocks(SegmentId(1 << 40)), Err(Error::UnknownSegment(_))));
    Ok(())
}

#[test]
fn every_byte_of_every_page_of_a_sound_file_is_explained() -> Result<()> {
    for (seed, closed, options) in [
        (6, true, tiny_options()),
        (7, false, tiny_options()),
        (6, true, encrypted(1)),
        (7, false, encrypted(1)),
    ] {
        let (bytes, _) = file_with(seed, closed, options.clone())?;
        let is_encrypted = options.cipher.is_some();
        let pages = pages_with(&bytes, options)?;
        assert_eq!(pages.trouble(), None);
        let mut decrypted = 0;
        let mut owners = std::collections::BTreeSet::new();
        for page in 0..pages.count() {
            let view = pages.page(page)?;
            owners.insert(view.owner.split([' ', ',']).next().unwrap_or_default().to_owned());
            for part in &view.parts {
                assert_eq!(part.damage, None, "page {page}, {}", part.what);
                decrypted += u64::from(part.what.ends_with(": decrypted"));
                let mut end = 0;
                for note in &part.annotations {
                    assert_ne!(note.field, "unexplained", "page {page}, {}: {note:?}", part.what);
                    assert_eq!(note.offset, end, "page {page}, {}", part.what);
                    end += note.len;
                }
            }
        }
        for owner in ["descriptor", "root", "manifest", "log", "segment"] {
            assert!(owners.contains(owner), "{owners:?}");
        }
        assert_eq!(decrypted > 0, is_encrypted);
        assert!(matches!(pages.page(pages.count()), Err(Error::NoSuchPage { .. })));
    }
    Ok(())
}

#[test]
fn an_encrypted_file_is_shown_without_its_key_as_far_as_it_is_clear() -> Result<()> {
    let (bytes, _) = file_with(7, false, encrypted(1))?;
    for options in [tiny_options(), encrypted(2)] {
        let pages = pages_with(&bytes, options)?;
        assert!(
            pages
                .trouble()
                .is_some_and(|trouble| trouble.contains("cipher") || trouble.contains("key"))
        );
        let mut owners = std::collections::BTreeSet::new();
        for page in 0..pages.count() {
            let view = pages.page(page)?;
            for part in &view.parts {
                assert_eq!(part.damage, None, "page {page}, {}", part.what);
                assert!(!part.what.ends_with(": decrypted"));
                assert!(part.annotations.iter().all(|note| note.field != "entry"));
            }
            owners.insert(view.owner.split(',').next().unwrap_or_default().to_owned());
        }
        for owner in ["descriptor", "root slot", "log", "sealed or unknown page"] {
            assert!(owners.contains(owner), "{owners:?}");
        }
    }
    Ok(())
}

#[test]
fn a_damaged_file_is_shown_with_its_damage_and_never_panics() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(8);
    let (bytes, _) = file(8, false)?;
    let mut owned = Vec::new();
    for view in pages(&bytes)?.owners() {
        let view = view?;
        let filled = (view.page..view.page + view.pages).filter(|&page| {
            let start = usize::try_from(page * PAGE_BYTES).unwrap_or_default();
            bytes[start..][..4096].iter().any(|&byte| byte != 0)
        });
        owned.extend(filled.filter(|_| !view.parts.is_empty()));
    }
    let (mut told, mut untold) = (0, 0);
    for _ in 0..60 {
        let mut damaged = bytes.clone();
        let page = usize::try_from(owned[rng.usize(..owned.len())]).unwrap_or_default();
        match rng.u32(0..3) {
            0 => damaged[page * 4096..][..4096].fill_with(|| rng.u8(..)),
            1 => damaged[page * 4096..][..4096].fill(0),
            _ => damaged[page * 4096 + rng.usize(..64)] ^= 1 << rng.u32(0..8),
        }
        if rng.u32(0..8) == 0 {
            damaged.truncate(rng.usize(..damaged.len()));
        }
        let pages = pages(&damaged)?;
        let mut found = pages.trouble().is_some();
        // Without an owner each page is cheap to judge; else the damaged one is where to look.
        let shown = if found { 0..pages.count() } else { page as u64..page as u64 + 1 };
        for page in shown.start..shown.end.min(pages.count()) {
            let view = pages.page(page)?;
            found |= view.parts.iter().any(|part| part.damage.is_some());
        }
        if let Ok(inspector) = inspect(&damaged) {
            let _ = inspector.structure(true);
            let _ = inspector.edits();
        }
        *(if found { &mut told } else { &mut untold }) += 1;
    }
    // A log whose end is damaged may as well have been cut there, and old parts of it are not read.
    assert!(told > 20, "{told} told, {untold} untold");
    Ok(())
}

#[test]
fn inspection_writes_nothing_and_sees_what_opening_sees() -> Result<()> {
    for (seed, closed) in [(9, true), (10, false)] {
        let (bytes, state) = file(seed, closed)?;
        let device = SimulatedStorage::from_bytes(bytes.clone());
        let inspector = Inspector::open(Arc::new(device.clone()), tiny_options())?;
        assert_eq!(read_all(inspector.snapshot())?, state);
        inspector.check()?;
        let structure = inspector.structure(true)?;
        assert_eq!(structure.clean, closed);
        if !closed {
            assert!(structure.log.groups > 0 && structure.log.edits > 0, "{structure:?}");
            assert_eq!(inspector.edits()?.len() as u64, structure.log.edits);
        }
        drop(inspector);
        assert!(device.contents() == bytes);
    }
    Ok(())
}
