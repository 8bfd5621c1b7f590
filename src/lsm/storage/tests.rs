//! All three storages behave as one vector of bytes does, whatever is asked of them.
//!
//! Random reads, writes and changes of length, failing ones among them, run against each storage and
//! against a plain `Vec<u8>`; results, errors and contents must agree after every step.

use std::io;

use super::*;

/// Offsets stay below this; it is larger than one slab of the memory storage.
const REACH_BYTES: u64 = (1 << 20) + 3000;

fn model_read(model: &[u8], offset: u64, len: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    model.get(start..start.checked_add(len)?)
}

fn model_write(model: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = usize::try_from(offset).unwrap();
    if model.len() < start + bytes.len() {
        model.resize(start + bytes.len(), 0);
    }
    model[start..start + bytes.len()].copy_from_slice(bytes);
}

fn model_punch(model: &mut [u8], first: u64, pages: u64) {
    let place = |page: u64| usize::try_from(page * PAGE_BYTES).unwrap().min(model.len());
    let (start, end) = (place(first), place(first + pages));
    model[start..end].fill(0);
}

/// Offsets near the ends of sectors, slabs and the storage are where mistakes live.
fn random_offset(rng: &mut fastrand::Rng, len: u64) -> u64 {
    let near = [0, 512, 4096, 1 << 20, len][rng.usize(..5)];
    match rng.u8(..3) {
        0 => rng.u64(..REACH_BYTES),
        1 => near + rng.u64(..40),
        _ => near.saturating_sub(rng.u64(..40)),
    }
}

fn agrees_with_a_vector(storage: &dyn Storage, seed: u64, steps: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut model = Vec::new();
    for step in 0..steps {
        let offset = random_offset(&mut rng, model.len() as u64);
        let bytes_max = if rng.u8(..8) == 0 { 5000 } else { 600 };
        let mut bytes = vec![0; rng.usize(1..bytes_max)];
        rng.fill(&mut bytes);
        match rng.u8(..16) {
            0 => {
                let offset = offset.min(REACH_BYTES);
                storage.set_len(offset).unwrap();
                model.resize(usize::try_from(offset).unwrap(), 0);
            }
            1 if rng.bool() => storage.sync().unwrap(),
            1 => {
                let (first, pages) = (offset / PAGE_BYTES, rng.u64(..4));
                if storage.punch(first * PAGE_BYTES, pages * PAGE_BYTES).unwrap() {
                    model_punch(&mut model, first, pages);
                }
                let uneven = storage.punch(offset | 1, PAGE_BYTES).unwrap_err();
                assert_eq!(uneven.kind(), io::ErrorKind::InvalidInput);
            }
            2 if rng.bool() => {
                let (first, pages) = (offset / PAGE_BYTES, rng.u64(1..4));
                let mapped = storage.map(first * PAGE_BYTES, pages * PAGE_BYTES, Arc::new(()));
                if let Some(mapped) = mapped {
                    let expected = model_read(&model, first * PAGE_BYTES, mapped.len());
                    assert!(expected.is_some_and(|expected| mapped == expected));
                    assert_eq!(mapped.len() as u64, pages * PAGE_BYTES);
                }
            }
            2 => {
                storage.write_at(offset, &[]).unwrap();
                storage.read_at(offset, &mut []).unwrap();
            }
            3 | 4 => {
                let page = offset / PAGE_BYTES;
                bytes.resize(bytes.len().next_multiple_of(4096), rng.u8(..));
                if rng.bool() {
                    storage.write_bulk(page * PAGE_BYTES, &bytes).unwrap();
                } else {
                    storage.write_durable(page * PAGE_BYTES, &bytes).unwrap();
                }
                model_write(&mut model, page * PAGE_BYTES, &bytes);
                let uneven = storage.write_bulk(page * PAGE_BYTES, &bytes[1..]).unwrap_err();
                assert_eq!(uneven.kind(), io::ErrorKind::InvalidInput);
            }
            5..9 => {
                storage.write_at(offset, &bytes).unwrap();
                model_write(&mut model, offset, &bytes);
            }
            _ => {
                let mut found = vec![0; bytes.len()];
                let result = storage.read_at(offset, &mut found);
                if let Some(expected) = model_read(&model, offset, bytes.len()) {
                    result.unwrap();
                    assert!(found == expected, "seed {seed} step {step}");
                } else {
                    let kind = result.unwrap_err().kind();
                    assert_eq!(kind, io::ErrorKind::UnexpectedEof, "seed {seed} step {step}");
                }
            }
        }
        assert_eq!(storage.len_bytes().unwrap(), model.len() as u64, "seed {seed} step {step}");
    }
    let mut found = vec![0; model.len()];
    storage.read_at(0, &mut found).unwrap();
    assert!(found == model, "seed {seed}");
}

#[test]
fn a_file_behaves_as_a_vector() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..4 {
        let storage = FileStorage::open(folder.path().join(format!("{seed}.alv"))).unwrap();
        agrees_with_a_vector(&storage, seed, 300);
    }
}

/// Bytes of every page, written by one thread each past the cache or through it, while others read their neighbours.
#[test]
fn direct_and_buffered_writes_to_neighbouring_pages_do_not_disturb_each_other() {
    const PAGES: u64 = 24;
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(folder.path().join("shared.alv")).unwrap();
    storage.write_at(0, &vec![0; usize::try_from(PAGES * PAGE_BYTES).unwrap()]).unwrap();
    std::thread::scope(|scope| {
        for part in 0..3 {
            let storage = &storage;
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(part);
                // Every third page is this thread's: its neighbours belong to the others.
                for round in 1..=200_u8 {
                    let page = rng.u64(..PAGES / 3) * 3 + part;
                    let (offset, bytes) = (page * PAGE_BYTES, [round; 4096]);
                    match rng.u8(..4) {
                        0 => storage.write_bulk(offset, &bytes).unwrap(),
                        1 => storage.write_durable(offset, &bytes).unwrap(),
                        2 => storage.write_at(offset, &bytes).unwrap(),
                        _ => {
                            storage.write_at(offset, &bytes[..100]).unwrap();
                            storage.write_at(offset + 100, &bytes[100..]).unwrap();
                        }
                    }
                    let mut found = [0; 4096];
                    storage.read_at(offset, &mut found).unwrap();
                    assert!(found == bytes, "page {page}, round {round}");
                    // A larger read takes the neighbours along; only they may be old or new.
                    let start = page.saturating_sub(1).min(PAGES - 3);
                    let mut around = vec![0; 3 * 4096];
                    storage.read_at(start * PAGE_BYTES, &mut around).unwrap();
                    let own = usize::try_from(page - start).unwrap() * 4096;
                    assert!(around[own..own + 4096] == bytes, "page {page}, round {round}");
                }
            });
        }
    });
}

#[test]
fn memory_behaves_as_a_vector() {
    for seed in 0..20 {
        agrees_with_a_vector(&MemoryStorage::default(), seed, 300);
    }
}

#[test]
fn a_simulated_device_behaves_as_a_vector_while_nothing_fails() {
    for seed in 0..20 {
        agrees_with_a_vector(&SimulatedStorage::new(seed), seed, 300);
    }
}

#[test]
fn readers_see_whole_writes_while_a_writer_runs() {
    let storage = MemoryStorage::default();
    storage.write_at(0, &[0; 4096]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..200_u8 {
                storage.write_at(0, &[round; 4096]).unwrap();
            }
        });
        for _ in 0..200 {
            let mut found = [0; 4096];
            storage.read_at(0, &mut found).unwrap();
            assert!(found.iter().all(|&byte| byte == found[0]));
        }
    });
}
