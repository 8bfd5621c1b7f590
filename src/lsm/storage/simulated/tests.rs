//! The simulated device against its slow twin: a list of everything that it ever showed.
//!
//! The twin keeps one whole copy of the contents per operation since the last sync. What a loss of
//! power leaves must be made of sectors of those copies, under the length of one of them.

use std::collections::BTreeSet;

use super::*;

fn filled(byte: u8, sectors: usize) -> Vec<u8> {
    vec![byte; sectors * SECTOR_BYTES]
}

/// The sector of a copy, zeros behind its end.
fn sector_of(copy: &[u8], number: usize) -> Vec<u8> {
    let mut sector: Vec<u8> =
        copy.iter().copied().skip(number * SECTOR_BYTES).take(SECTOR_BYTES).collect();
    sector.resize(SECTOR_BYTES, 0);
    sector
}

fn assert_made_of(survivor: &[u8], copies: &[Vec<u8>], context: &str) {
    let lengths: BTreeSet<usize> = copies.iter().map(Vec::len).collect();
    assert!(lengths.contains(&survivor.len()), "{context}: length {}", survivor.len());
    for (number, sector) in survivor.chunks(SECTOR_BYTES).enumerate() {
        let known = copies.iter().any(|copy| sector_of(copy, number)[..sector.len()] == *sector);
        assert!(known, "{context}: sector {number} shows what was never there");
    }
}

#[test]
fn a_power_cut_leaves_only_versions_since_the_last_sync() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let storage = SimulatedStorage::new(seed);
        let mut copies = vec![Vec::new()];
        for step in 0..60 {
            match rng.u8(..10) {
                0 => {
                    storage.sync().unwrap();
                    copies = vec![storage.contents()];
                }
                1 => {
                    storage.set_len(rng.u64(..6000)).unwrap();
                    copies.push(storage.contents());
                }
                2 => {
                    storage.punch(rng.u64(..2) * 4096, rng.u64(..2) * 4096).unwrap();
                    copies.push(storage.contents());
                }
                3 => {
                    let (page, fill) = (rng.usize(..2), rng.u8(1..));
                    storage.write_durable(page as u64 * 4096, &[fill; 4096]).unwrap();
                    copies.push(storage.contents());
                    // From now on no copy shows anything else there; what lies behind it may still be cut off.
                    for copy in &mut copies {
                        let end = copy.len().min(page * 4096 + 4096);
                        copy[(page * 4096).min(end)..end].fill(fill);
                    }
                }
                _ => {
                    let bytes = vec![rng.u8(1..); rng.usize(1..2000)];
                    storage.write_at(rng.u64(..5000), &bytes).unwrap();
                    copies.push(storage.contents());
                }
            }
            let survivor = storage.after_power_cut(rng.u64(..));
            assert_made_of(&survivor.contents(), &copies, &format!("seed {seed} step {step}"));
        }
        storage.sync().unwrap();
        assert_eq!(storage.after_power_cut(rng.u64(..)).contents(), storage.contents());
    }
}

#[test]
fn unsynced_sectors_survive_or_are_lost_each_for_itself() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 3));
    storage.write_at(0, &filled(b'b', 3)).unwrap();
    storage.write_at(512, &filled(b'c', 1)).unwrap();
    let mut found = BTreeSet::new();
    for seed in 0..400 {
        let bytes = storage.after_power_cut(seed).contents();
        assert_eq!(bytes.len(), 3 * SECTOR_BYTES);
        found.insert([bytes[0], bytes[512], bytes[1024]]);
    }
    // Sectors 0 and 2 have two versions each, sector 1 has three; every combination occurs.
    assert_eq!(found.len(), 2 * 3 * 2);
}

#[test]
fn an_unsynced_length_may_be_any_since_the_sync() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 2));
    storage.set_len(700).unwrap();
    storage.write_at(2000, b"end").unwrap();
    let lengths: BTreeSet<usize> =
        (0..200).map(|seed| storage.after_power_cut(seed).contents().len()).collect();
    assert_eq!(lengths, BTreeSet::from([700, 1024, 2003]));
    storage.sync().unwrap();
    let lengths: BTreeSet<usize> =
        (0..200).map(|seed| storage.after_power_cut(seed).contents().len()).collect();
    assert_eq!(lengths, BTreeSet::from([2003]));
}

#[test]
fn a_durable_write_is_durable_by_itself() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 16));
    storage.write_at(0, &filled(b'b', 16)).unwrap();
    storage.write_durable(4096, &filled(b'c', 8)).unwrap();
    let found: BTreeSet<u8> = (0..50)
        .map(|seed| storage.after_power_cut(seed).contents())
        .inspect(|bytes| assert_eq!(bytes[4096..], filled(b'c', 8)))
        .map(|bytes| bytes[0])
        .collect();
    assert_eq!(found, BTreeSet::from(*b"ab"));
    storage.fail_at(3, io::ErrorKind::Other);
    assert!(storage.write_durable(4096, &filled(b'd', 8)).is_err());
    storage.sync().unwrap();
    let found: BTreeSet<u8> =
        (0..50).map(|seed| storage.after_power_cut(seed).contents()[4096]).collect();
    assert!(found.contains(&b'c'), "a sync does not repeat what failed");
    assert_eq!((storage.ops(), storage.syncs()), (4, 1));
}

#[test]
fn punched_sectors_are_old_or_zero_until_a_sync() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 24));
    storage.punch(4096, 4096).unwrap();
    assert_eq!(storage.contents()[4095..4098], [b'a', 0, 0]);
    let mut found = BTreeSet::new();
    for seed in 0..200 {
        let bytes = storage.after_power_cut(seed).contents();
        assert_eq!((&bytes[..4096], &bytes[8192..]), (&*filled(b'a', 8), &*filled(b'a', 8)));
        found.insert([bytes[4096], bytes[8191]]);
    }
    assert_eq!(found.len(), 4);
    storage.sync().unwrap();
    assert_eq!(storage.after_power_cut(1).contents(), storage.contents());

    storage.fail_at(3, io::ErrorKind::Other);
    assert!(storage.punch(0, 4096).is_err());
    let left =
        storage.contents()[..4096].chunks(SECTOR_BYTES).filter(|sector| sector[0] != 0).count();
    assert!((1..8).contains(&left), "{left} of 8 sectors");
    assert_eq!(storage.ops(), 3);
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let storage = SimulatedStorage::new(0);
    for number in 0..50 {
        storage.write_at(number * 512, &filled(b'x', 1)).unwrap();
    }
    for seed in 0..20 {
        let survivor = storage.after_power_cut(seed).contents();
        assert_eq!(storage.after_power_cut(seed).contents(), survivor);
    }
}

#[test]
fn everything_fails_from_the_power_cut_on() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 4));
    let handle = storage.clone();
    handle.power_cut_at(3);
    storage.write_at(0, &filled(b'b', 1)).unwrap();
    storage.sync().unwrap();
    assert!(!handle.power_is_off());
    let error = storage.write_at(512, &filled(b'c', 2)).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::Other, "power is off".into()));
    assert!(handle.power_is_off());
    assert!(storage.sync().is_err());
    assert!(storage.set_len(0).is_err());
    assert!(storage.read_at(0, &mut [0]).is_err());
    assert!(storage.len_bytes().is_err());
    assert_eq!((handle.ops(), handle.syncs(), handle.reads()), (5, 2, 1));

    let found: BTreeSet<Vec<u8>> = (0..200)
        .map(|seed| storage.after_power_cut(seed).contents())
        .map(|bytes| bytes.into_iter().step_by(SECTOR_BYTES).collect())
        .collect();
    let expected = [*b"baaa", *b"bcaa", *b"baca", *b"bcca"].map(Vec::from);
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn a_sync_at_which_the_power_goes_may_have_done_all_or_nothing() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 40));
    storage.power_cut_at(2);
    storage.write_at(0, &filled(b'b', 40)).unwrap();
    assert!(storage.sync().is_err());
    let found: BTreeSet<Vec<u8>> =
        (0..60).map(|seed| storage.after_power_cut(seed).contents()).collect();
    assert!(found.contains(&filled(b'a', 40)) && found.contains(&filled(b'b', 40)));
    assert!(found.len() > 10);
}

#[test]
fn a_device_after_a_power_cut_is_healthy_and_its_own() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 1));
    storage.power_cut_at(1);
    assert!(storage.sync().is_err());
    let survivor = storage.after_power_cut(1);
    survivor.write_at(0, b"new").unwrap();
    survivor.sync().unwrap();
    assert_eq!(survivor.ops(), 2);
    assert_eq!(&survivor.after_power_cut(2).contents()[..3], b"new");
    assert_eq!(&storage.contents()[..3], b"aaa");
}

#[test]
fn a_failed_write_is_applied_in_part_and_the_next_one_succeeds() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let storage = SimulatedStorage::new(seed);
        storage.write_at(0, &filled(b'a', 2)).unwrap();
        storage.fail_at(2, io::ErrorKind::PermissionDenied);
        let error = storage.write_at(0, &filled(b'b', 2)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let bytes = storage.contents();
        found.insert((bytes[0], bytes[512]));
        storage.write_at(0, &filled(b'c', 2)).unwrap();
        storage.sync().unwrap();
        assert_eq!(storage.after_power_cut(seed).contents(), filled(b'c', 2));
    }
    assert_eq!(found.len(), 4);
}

#[test]
fn a_failed_change_of_length_happens_or_not() {
    let lengths: BTreeSet<u64> = (0..50)
        .map(|seed| {
            let storage = SimulatedStorage::new(seed);
            storage.fail_at(1, io::ErrorKind::Other);
            assert!(storage.set_len(10).is_err());
            storage.len_bytes().unwrap()
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([0, 10]));
}

#[test]
fn a_sync_after_a_failed_one_does_not_write_the_same_sectors_again() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 2));
    storage.fail_at(2, io::ErrorKind::Other);
    storage.write_at(0, &filled(b'b', 2)).unwrap();
    assert!(storage.sync().is_err());
    assert_eq!(storage.contents(), filled(b'b', 2));
    assert!(storage.sync().is_err(), "whoever asked for it must not believe it");
    let opened_anew = storage.clone();
    opened_anew.sync().unwrap();
    let lost = |offset: usize| {
        (0..50).any(|seed| storage.after_power_cut(seed).contents()[offset] == b'a')
    };
    assert!(lost(0) && lost(512));

    // Writing a sector anew ends the doubt about it at the next sync, and about no other.
    opened_anew.write_at(0, b"b").unwrap();
    opened_anew.sync().unwrap();
    assert!(!lost(0) && lost(512));
}

#[test]
fn a_failed_read_fails_once() {
    let storage = SimulatedStorage::from_bytes(b"gold".to_vec());
    storage.fail_read_at(2, io::ErrorKind::Other);
    let mut bytes = [0; 4];
    storage.read_at(0, &mut bytes).unwrap();
    assert!(storage.read_at(0, &mut bytes).is_err());
    storage.read_at(0, &mut bytes).unwrap();
    assert_eq!((storage.reads(), storage.ops()), (3, 0));
}

#[test]
fn a_full_device_takes_what_fits_and_still_overwrites() {
    let storage = SimulatedStorage::from_bytes(filled(b'a', 1));
    storage.full_at(600);
    let error = storage.write_at(500, &[b'b'; 200]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(storage.contents(), [&[b'a'; 500][..], &[b'b'; 100]].concat());
    assert_eq!(storage.set_len(601).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(storage.write_at(900, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(storage.len_bytes().unwrap(), 600);
    storage.write_at(0, &[b'c'; 600]).unwrap();
    storage.full_at(100);
    storage.write_at(0, &[b'd'; 600]).unwrap();
    storage.set_len(300).unwrap();
    storage.full_at(u64::MAX);
    storage.write_at(300, &[b'e'; 1000]).unwrap();
    storage.sync().unwrap();
}

#[test]
fn a_flipped_bit_stays_whatever_version_survives() {
    let storage = SimulatedStorage::from_bytes(filled(0, 1));
    storage.write_at(0, &[0x10]).unwrap();
    storage.flip_bit(0, 0);
    let found: BTreeSet<u8> =
        (0..50).map(|seed| storage.after_power_cut(seed).contents()[0]).collect();
    assert_eq!(found, BTreeSet::from([0x01, 0x11]));
}

#[test]
fn an_absurd_length_is_an_error() {
    let storage = SimulatedStorage::new(0);
    assert!(storage.set_len(u64::MAX).is_err());
    assert!(storage.write_at(u64::MAX / 2, b"far").is_err());
    assert_eq!(storage.len_bytes().unwrap(), 0);
}
