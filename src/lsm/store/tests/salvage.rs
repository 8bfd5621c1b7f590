//! Tests of salvage on the damage that files meet: roots, manifests, log, indexes and blocks destroyed, bits flipped, files
//! cut. A key outside of what is told as lost has its value, no key ever has a value that was not committed, and nothing is
//! written. Files have several runs and levels, range tombstones, dropped keyspaces, transactions that were spilled, and
//! the half of them a log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::cipher::cipher_of;
use super::files::{FileOf, Made};
use super::{State, keyspaces, open, scale, tidied, tiny_options};
use crate::lsm::{
    CommitNo, Durability, Error, Options, Pages, Reader, Result, Salvage, SimulatedStorage,
    Storage, Store,
};

const PAGE: usize = 4096;

fn options_of(seed: u64) -> Options {
    Options { cipher: cipher_of(seed), ..tiny_options() }
}

fn file(seed: u64, closed: bool) -> Result<Made> {
    let options = options_of(seed);
    let made = FileOf { seed, commits: 60, flush_every: 4, spill_every: 15, closed, options };
    made.make()
}

/// What was salvaged, and the salvage.
struct Salvaged {
    state: State,
    salvage: Salvage,
    /// Whether nothing is known to be lost.
    whole: bool,
}

/// Salvages `bytes`, in which nothing is written.
fn salvage(bytes: &[u8], options: Options) -> Result<Salvaged> {
    let device = SimulatedStorage::from_bytes(bytes.to_vec());
    let storage: Arc<dyn Storage> = Arc::new(device.clone());
    let salvage = Salvage::open_with(&storage, options, |_| ())?;
    let mut state = State::default();
    let mut whole = salvage.losses().is_empty();
    for (index, (name, _)) in keyspaces().into_iter().enumerate() {
        if !salvage.keyspace_names().iter().any(|known| known == name) {
            continue;
        }
        let unresolved = salvage.entries(name, &mut |key, value| {
            let value = if index == 2 { tidied(&value) } else { Some(&value[..]) };
            if let Some(value) = value {
                state[index].insert(key.to_vec(), value.to_vec());
            }
            Ok(())
        })?;
        whole &= unresolved.is_empty();
    }
    assert!(device.contents() == bytes, "the source is only read");
    Ok(Salvaged { state, salvage, whole })
}

/// Proves that what differs from the newest state was told, and that no key has a value that it never had.
fn assert_true(found: &Salvaged, made: &Made, place: &str) {
    assert_true_to(found, made, &[made.state()], place);
}

/// The same where the log may end anywhere: keys are as one of the commits at which it may end left them.
fn assert_true_to(found: &Salvaged, made: &Made, ends: &[State], place: &str) {
    for (index, (name, _)) in keyspaces().into_iter().enumerate() {
        let keys = ends.iter().flat_map(|end| end[index].keys());
        let keys: BTreeSet<_> = keys.chain(found.state[index].keys()).collect();
        for key in keys {
            let value = found.state[index].get(key);
            let is_right = ends.iter().any(|end| end[index].get(key) == value);
            assert!(
                is_right || found.salvage.may_differ(name, key),
                "{place}, {name}: {} has a value: {}\n{:#?}",
                key.escape_ascii(),
                value.is_some(),
                found.salvage.losses()
            );
            // Operands that are lost leave values that never were.
            let is_known = index == 1 || value.is_none_or(|value| made.has_put(index, key, value));
            assert!(is_known, "{place}, {name}: {} was never that", key.escape_ascii());
        }
    }
    assert!(!found.whole || ends.contains(&found.state), "{place}: not told");
}

/// Whether everything that differs from `end` was told.
fn is_told(found: &Salvaged, end: &State) -> bool {
    let is_told = keyspaces().into_iter().enumerate().all(|(index, (name, _))| {
        let mut keys = end[index].keys().chain(found.state[index].keys());
        keys.all(|key| {
            let is_right = found.state[index].get(key) == end[index].get(key);
            is_right || found.salvage.may_differ(name, key)
        })
    });
    is_told && (!found.whole || found.state == *end)
}

#[test]
fn a_sound_file_is_salvaged_whole() -> Result<()> {
    for seed in 0..12 {
        let made = file(seed, seed % 2 == 0)?;
        let found = salvage(&made.bytes, options_of(seed))?;
        assert!(found.whole && found.salvage.trouble().is_none(), "seed {seed}");
        assert!(found.state == made.state(), "seed {seed}");
    }
    Ok(())
}

#[test]
fn a_file_without_its_roots_loses_nothing() -> Result<()> {
    for seed in 0..12 {
        let made = file(seed, seed % 2 == 0)?;
        // Both slots; the newer one; the older one. The copies lead to the same state.
        for pages in [&[1, 8_usize][..], &[1], &[8]] {
            let mut damaged = made.bytes.clone();
            for &page in pages {
                damaged[page * PAGE..][..PAGE].fill(0xA5);
            }
            let found = salvage(&damaged, options_of(seed))?;
            assert!(found.whole, "seed {seed}, slots {pages:?}: {:?}", found.salvage);
            assert!(found.state == made.state(), "seed {seed}, slots {pages:?}");
            damaged[..PAGE].fill(0x5A);
            let headless = salvage(&damaged, options_of(seed));
            match options_of(seed).cipher {
                // The salt stands in the first page, and nowhere else.
                Some(_) => assert!(headless.is_err(), "seed {seed}"),
                None => assert!(headless?.state == made.state(), "seed {seed}"),
            }
        }
    }
    Ok(())
}

/// The pages of everything whose owner begins with `name`.
fn pages_of(made: &Made, seed: u64, name: &str) -> Result<Vec<usize>> {
    let storage = Arc::new(SimulatedStorage::from_bytes(made.bytes.clone()));
    let mut found = Vec::new();
    for view in Pages::open(storage, options_of(seed))?.owners() {
        let view = view?;
        if view.owner.starts_with(name) {
            let first = usize::try_from(view.page).expect("a small file");
            found.extend(first..first + usize::try_from(view.pages).expect("a small file"));
        }
    }
    Ok(found)
}

#[test]
fn a_destroyed_manifest_leaves_the_older_one_and_the_log() -> Result<()> {
    let mut silent = 0;
    for seed in 0..12 {
        let made = file(seed, seed % 2 == 0)?;
        for page in pages_of(&made, seed, "manifest")? {
            let mut damaged = made.bytes.clone();
            damaged[page * PAGE..][..PAGE].fill(0xFF);
            let found = salvage(&damaged, options_of(seed))?;
            assert_true(&found, &made, &format!("seed {seed}, page {page}"));
            assert!(found.state == made.state(), "seed {seed}, page {page}");
            silent += u32::from(found.whole);
        }
    }
    assert!(silent > 12);
    Ok(())
}

#[test]
fn without_any_manifest_what_was_written_is_found_and_doubted() -> Result<()> {
    let mut named = 0;
    for seed in 0..12 {
        let made = file(seed, false)?;
        let mut damaged = made.bytes.clone();
        let manifests = pages_of(&made, seed, "manifest")?;
        // Copies of older ones stand elsewhere: whatever looks like the end of one goes as well.
        let ends = (0..damaged.len() / PAGE)
            .filter(|page| damaged[(page + 1) * PAGE - 232..].starts_with(b"ALVROOT"));
        let doomed: Vec<usize> = ends.chain(manifests).collect();
        for page in doomed {
            damaged[page * PAGE..][..PAGE].fill(0);
        }
        match salvage(&damaged, options_of(seed)) {
            Ok(found) => {
                assert!(!found.whole && found.salvage.trouble().is_some(), "seed {seed}");
                assert_true(&found, &made, &format!("seed {seed}"));
                named += found.state.iter().map(BTreeMap::len).sum::<usize>();
            }
            Err(error) => assert!(error.is_corruption(), "seed {seed}: {error}"),
        }
    }
    assert!(named > 0, "the log names keyspaces");
    Ok(())
}

#[test]
fn a_damaged_record_of_the_log_costs_its_commit() -> Result<()> {
    let (mut groups, mut edits, mut ends, mut exact) = (0, 0, 0, 0);
    let (mut right, mut wrong) = (0, 0);
    for seed in (0..40).filter(|seed| seed % 3 != 2) {
        let made = file(seed, false)?;
        let storage = Arc::new(SimulatedStorage::from_bytes(made.bytes.clone()));
        let mut records = Vec::new();
        for view in Pages::open(storage, options_of(seed))?.owners() {
            for part in view?.parts.into_iter().filter(|part| part.what.starts_with("log record")) {
                let field = |name: &str| {
                    part.annotations
                        .iter()
                        .find(|found| found.field == name)
                        .map(|f| f.value.clone())
                };
                let at = usize::try_from(part.offset).expect("a small file");
                records.push((at, field("kind").unwrap_or_default(), field("commit")));
            }
        }
        for (at, kind, commit) in &records {
            let mut damaged = made.bytes.clone();
            damaged[at + 9] ^= 1;
            let found = salvage(&damaged, options_of(seed))?;
            let place = format!("seed {seed}, {kind} at {at}");
            if found.whole {
                // A record that nothing behind it proves is the end of the log.
                let states = made.states();
                assert!(
                    found.salvage.trouble().is_none() && states.contains(&found.state),
                    "{place}"
                );
                ends += 1;
                continue;
            }
            assert_true(&found, &made, &place);
            let number = commit.as_ref().map(|commit| CommitNo(commit.parse().expect("a number")));
            let lost = number.and_then(|lost| made.numbers.iter().position(|&of| of == lost));
            groups += u32::from(lost.is_some());
            edits += u32::from(kind.ends_with("edit"));
            let lost = lost.map_or(0..made.commits.len(), |lost| lost..lost + 1);
            let without: Vec<State> = lost.map(|lost| made.state_without(lost)).collect();
            // Where the commits around it are there, no edit is lost. Else which piece is newer is guessed by commits, and a
            // part of what a lost edit committed may be there by a later compaction.
            let has = |number: u64| {
                records.iter().any(|(_, _, other)| *other == Some(number.to_string()))
            };
            let is_exact =
                number.is_some_and(|CommitNo(number)| has(number - 1) && has(number + 1));
            for index in [0, 2] {
                let (held, whole) = (&found.state[index], &made.state()[index]);
                for key in held.keys().chain(whole.keys()) {
                    let is = |state: &BTreeMap<_, _>| state.get(key) == held.get(key);
                    let is_right = is(whole) || without.iter().any(|state| is(&state[index]));
                    assert!(
                        is_right || !is_exact,
                        "{place}, keyspace {index}: {}",
                        key.escape_ascii()
                    );
                    *(if is_right { &mut right } else { &mut wrong }) += 1;
                }
            }
            exact += u32::from(is_exact);
        }
    }
    assert!(exact > 20 && edits > 5, "{exact} of {groups} commits, {edits} edits, {ends} ends");
    assert!(wrong < right / 100, "{wrong} guesses were wrong, {right} right");
    Ok(())
}

/// How many commits only the log tells of, those included that stand in segments.
fn commits_in_log(made: &Made, seed: u64) -> Result<usize> {
    let storage = Arc::new(SimulatedStorage::from_bytes(made.bytes.clone()));
    let mut flushed = None;
    for view in Pages::open(storage, options_of(seed))?.owners() {
        let view = view?;
        if view.owner.starts_with("manifest") {
            let mut fields = view.parts.into_iter().flat_map(|part| part.annotations);
            flushed = fields.find(|field| field.field == "flushed").map(|field| field.value);
        }
    }
    let flushed = flushed.and_then(|field| field.strip_prefix("commits up to ")?.parse().ok());
    let flushed = CommitNo(flushed.expect("a file has a manifest that tells"));
    Ok(made.numbers.iter().filter(|&&number| number > flushed).count())
}

#[test]
fn random_damage_costs_what_it_hit_and_is_told() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(10);
    let (mut told, mut silent, mut refused, mut further) = (0, 0, 0, 0);
    let mut values = 0;
    for seed in 0..8 * scale() {
        let made = file(seed, seed % 2 == 0)?;
        let pages = made.bytes.len() / PAGE;
        let (log, in_log) = (pages_of(&made, seed, "log")?, commits_in_log(&made, seed)?);
        let states = made.states();
        for case in 0..40 {
            let mut damaged = made.bytes.clone();
            for _ in 0..rng.usize(1..4) {
                let page = rng.usize(..damaged.len() / PAGE) * PAGE;
                match rng.u32(0..8) {
                    0 | 1 => damaged[page..][..PAGE].fill(0),
                    2 => damaged[page..][..PAGE].fill_with(|| rng.u8(..)),
                    3 => damaged.copy_within(rng.usize(..pages / 2) * PAGE..pages / 2 * PAGE, 0),
                    4 => damaged.truncate(damaged.len() - rng.usize(..damaged.len() / 8)),
                    5 => damaged[page..][..512].fill(0),
                    _ => (0..20).for_each(|_| {
                        let at = rng.usize(..damaged.len());
                        damaged[at] ^= 1 << rng.u32(0..8);
                    }),
                }
            }
            match salvage(&damaged, options_of(seed)) {
                Ok(found) => {
                    let is_whole = |&page: &usize| {
                        let bytes = page * PAGE..(page + 1) * PAGE;
                        damaged.get(bytes.clone()) == made.bytes.get(bytes)
                    };
                    // A log that is hit looks like one that a crash cut there, and of a segment that only what is
                    // behind tells of nothing is known when that is hit as well. Without roots, which is trouble, an
                    // older manifest may be all that is left.
                    let ends = match (log.iter().all(is_whole), found.salvage.trouble()) {
                        (true, _) => 1,
                        (false, None) => 1 + in_log,
                        (false, Some(_)) => states.len(),
                    };
                    let ends = &states[states.len() - ends..];
                    assert_true_to(&found, &made, ends, &format!("seed {seed}, case {case}"));
                    let mut last = ends.iter().rev().take(if seed % 2 == 1 { 3 } else { 1 });
                    further += u32::from(!last.any(|end| is_told(&found, end)));
                    *(if found.whole { &mut silent } else { &mut told }) += 1;
                    let losses = found.salvage.losses().iter();
                    for loss in losses.filter(|loss| loss.place.contains("a value")) {
                        assert!(loss.bytes > 0, "{loss:?}");
                        values += 1;
                    }
                }
                Err(error) => {
                    let is_known =
                        matches!(error, Error::NotADatabase { .. } | Error::Corruption(_));
                    assert!(is_known, "seed {seed}, case {case}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(told > 100 && silent > 5, "{told} told, {silent} harmless, {refused} refused");
    assert!(values > 5, "{values} values beside their blocks were lost");
    // Nearly always one of the last three commits is there, with all that differs from it told.
    assert!(further * 1000 <= told + silent, "{further} times more than that was hidden");
    Ok(())
}

#[test]
fn a_segment_without_footer_properties_or_index_gives_its_blocks() -> Result<()> {
    let made = file(24, true)?;
    let held = made.state()[1].len();
    let marks: Vec<usize> =
        (0..made.bytes.len() - 8).filter(|&at| made.bytes[at..].starts_with(b"ALVSEGMT")).collect();
    let mut best = [0; 3];
    for at in marks {
        // The footer; the properties, or the filter, before it; the index before that.
        for (best, damaged_at) in best.iter_mut().zip([at + 60, at - 4, at - 100]) {
            let mut damaged = made.bytes.clone();
            damaged[damaged_at] ^= 0x55;
            let found = salvage(&damaged, options_of(24))?;
            assert_true(&found, &made, &format!("byte {damaged_at}"));
            *best = (*best).max(found.state[1].len());
        }
    }
    assert!(best.iter().all(|&best| best > held / 2), "{best:?} of {held}");
    Ok(())
}

#[test]
fn what_a_range_tombstone_deleted_stays_deleted() -> Result<()> {
    let device = SimulatedStorage::new(21);
    let store = open(device.clone(), tiny_options())?;
    let mut expected = State::default();
    for step in 0..3 {
        let mut transaction = store.begin()?;
        let id = transaction.keyspace("plain").expect("the keyspace was created");
        match step {
            0 => (0..40)
                .try_for_each(|n| transaction.put(id, format!("{n:03}").as_bytes(), "old"))?,
            1 => {
                transaction.put(id, b"015", "before the range, in its own commit")?;
                let (lower, upper) = (Bound::Included(&b"010"[..]), Bound::Excluded(&b"030"[..]));
                transaction.delete_range(id, lower, upper)?;
            }
            _ => transaction.put(id, b"020", "new")?,
        }
        transaction.commit(Durability::Sync)?;
        // Each commit in a segment of its own, the last one in the log.
        if step < 2 {
            store.flush()?;
        }
    }
    for n in (0..10).chain(30..40) {
        expected[0].insert(format!("{n:03}").into_bytes(), b"old".to_vec());
    }
    expected[0].insert(b"020".to_vec(), b"new".to_vec());
    let bytes = device.contents();
    let reopened = Store::open(SimulatedStorage::from_bytes(bytes.clone()), tiny_options())?;
    assert_eq!(super::read_all(&reopened.snapshot())?, expected, "the test knows the law");
    let found = salvage(&bytes, tiny_options())?;
    assert!(found.whole);
    assert_eq!(found.state, expected);
    Ok(())
}

#[test]
fn a_wrong_key_is_refused_and_a_version_that_rots_is_not_a_newer_one() -> Result<()> {
    let seed = (0..100).find(|&seed| cipher_of(seed).is_some()).expect("a third of them");
    let made = file(seed, true)?;
    let plain = salvage(&made.bytes, tiny_options()).map(|_| ());
    assert!(matches!(plain, Err(Error::Encrypted { .. })));
    let made = file(0, true)?;
    let mut damaged = made.bytes.clone();
    damaged[8] ^= 2;
    assert!(salvage(&damaged, tiny_options())?.state == made.state());
    damaged[20] ^= 1;
    let newer = salvage(&damaged, tiny_options()).map(|_| ());
    assert!(matches!(newer, Err(Error::NewerFormat { .. })));
    Ok(())
}
