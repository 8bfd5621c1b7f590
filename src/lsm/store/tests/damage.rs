//! Damage tests: any bit of a small file flips; the store answers with an error or with the right data.
//!
//! Files that were closed and files as a dying process leaves them; whole pages that are overwritten or swapped, too.
//! `ALLUVIUM_TEST_SCALE=10` flips ten times as many bits.

use super::files::FileOf;
use super::{State, read_all, scale, tiny_options};
use crate::lsm::{Options, Result, SimulatedStorage, Store, StoreReader};

fn file(seed: u64, closed: bool) -> Result<(Vec<u8>, Vec<State>)> {
    let made = FileOf::a_few_commits(seed, closed, tiny_options()).make()?;
    let states = made.states();
    Ok((made.bytes, states))
}

/// Flipped bits of each of the two kinds of files at least; together a tenth of the full number.
const BITS_MIN: u64 = 1_000;

/// A bit of every byte of what is written, of one of each 64 of what is not; more than one when there are too few of them.
fn bits(bytes: &[u8], rng: &mut fastrand::Rng) -> Vec<(usize, u8)> {
    let wanted = usize::try_from(BITS_MIN * scale()).expect("a few thousand");
    let places = places(bytes);
    let rounds = wanted.div_ceil(places.len()).max(1);
    let bits = (0..rounds).flat_map(|_| &places).map(|&offset| (offset, 1 << rng.u32(0..8)));
    let bits: Vec<_> = bits.collect();
    assert!(bits.len() >= wanted);
    bits
}

/// Every byte of what is written, and one of each 64 of what is not.
pub(super) fn places(bytes: &[u8]) -> Vec<usize> {
    let is_empty = |offset: usize| bytes[offset / 64 * 64..][..64].iter().all(|&byte| byte == 0);
    (0..bytes.len()).filter(|&offset| offset % 64 == 0 || !is_empty(offset)).collect()
}

/// Opens, reads and checks; what it holds, or the first error.
fn examine(bytes: Vec<u8>) -> Result<State> {
    let from_cache = examine_with(bytes.clone(), Options { mmap: false, ..tiny_options() });
    let in_place = examine_with(bytes, tiny_options());
    assert_eq!(
        from_cache.as_ref().ok(),
        in_place.as_ref().ok(),
        "one way to read finds what the other does not"
    );
    in_place
}

fn examine_with(bytes: Vec<u8>, options: Options) -> Result<State> {
    let read = StoreReader::open(SimulatedStorage::from_bytes(bytes.clone()), options.clone())
        .and_then(|reader| read_all(&reader.snapshot()));
    let written = Store::open(SimulatedStorage::from_bytes(bytes), options)
        .and_then(|store| Ok((read_all(&store.snapshot())?, store)));
    let found = written.as_ref().ok().map(|(state, _)| state);
    assert_eq!(read.as_ref().ok(), found, "a reader finds what the store does not");
    let (state, store) = written?;
    // `check` may find what reading did not touch.
    let _ = store.check();
    Ok(state)
}

#[test]
fn a_flipped_bit_in_a_closed_file_is_an_error_or_harmless() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(9);
    let (bytes, states) = file(3, true)?;
    assert!(bytes.windows(8).any(|bytes| bytes == b"ALVVALUE"), "the file has value segments");
    let expected = &states[states.len() - 1];
    assert_eq!(&examine(bytes.clone())?, expected);
    let mut refused = 0;
    for (offset, bit) in bits(&bytes, &mut rng) {
        let mut damaged = bytes.clone();
        damaged[offset] ^= bit;
        match examine(damaged) {
            Ok(found) => assert_eq!(&found, expected, "byte {offset}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1000, "most of the file is data: {refused} of {}", bytes.len());
    Ok(())
}

#[test]
fn a_flipped_bit_in_a_file_with_a_log_never_shows_what_was_not_committed() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(10);
    let (bytes, states) = file(4, false)?;
    let last = states.len() - 1;
    for (offset, bit) in bits(&bytes, &mut rng) {
        let mut damaged = bytes.clone();
        damaged[offset] ^= bit;
        if let Ok(found) = examine(damaged) {
            // Nothing can prove that the very last record of a log was ever whole.
            let known = found == states[last] || found == states[last - 1];
            assert!(known, "byte {offset}");
        }
    }
    Ok(())
}

#[test]
fn overwritten_and_swapped_pages_never_panic() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(11);
    let (bytes, states) = file(5, true)?;
    let pages = bytes.len() / 4096;
    for _ in 0..400 {
        let mut damaged = bytes.clone();
        let (from, to) = (rng.usize(..pages) * 4096, rng.usize(..pages) * 4096);
        match rng.u32(0..3) {
            0 => damaged.copy_within(from..from + 4096, to),
            1 => damaged[to..to + 4096].fill_with(|| rng.u8(..)),
            _ => damaged[to..to + 4096].fill(0),
        }
        if let Ok(found) = examine(damaged) {
            assert_eq!(found, states[states.len() - 1], "page {to} from {from}");
        }
    }
    Ok(())
}
