//! Encrypted files: nothing that users wrote is on the device, only the key opens them, nothing can be changed or put elsewhere, and
//! what was decrypted once is read from memory.
//!
//! With a cipher that only looks like one, and with the feature `encryption` the real one. The model, crash and damage
//! tests run with them too ([`cipher_of`]).

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::files::FileOf;
use super::{State, Write, keyspaces, open, read_all, tiny_options};
use crate::lsm::cipher::tests::ToyCipher;
use crate::lsm::{
    BlockCipher, Durability, Error, KeyspaceOptions, Options, Reader, Result, SimulatedStorage,
    Storage, Store,
};

/// A cipher for a third of the seeds.
pub(super) fn cipher_of(seed: u64) -> Option<Arc<dyn BlockCipher>> {
    let ciphers = ciphers(1);
    let count = u64::try_from(ciphers.len()).expect("ciphers are few");
    let cipher = ciphers.into_iter().nth(usize::try_from(seed / 3 % count).unwrap_or_default());
    cipher.filter(|_| seed % 3 == 2)
}

/// Every cipher there is, with a key made of `key`.
fn ciphers(key: u8) -> Vec<Arc<dyn BlockCipher>> {
    vec![
        Arc::new(ToyCipher::new(key.into())),
        #[cfg(feature = "encryption")]
        Arc::new(crate::lsm::XChaChaCipher::from_key([key; 32])),
    ]
}

fn with(cipher: &Arc<dyn BlockCipher>) -> Options {
    Options { cipher: Some(Arc::clone(cipher)), ..tiny_options() }
}

fn file(seed: u64, closed: bool, options: Options) -> Result<(Vec<u8>, Vec<State>)> {
    let made = FileOf::a_few_commits(seed, closed, options).make()?;
    let states = made.states();
    Ok((made.bytes, states))
}

fn examine(bytes: &[u8], options: Options) -> Result<State> {
    let store = Store::open(SimulatedStorage::from_bytes(bytes.to_vec()), options)?;
    let state = read_all(&store.snapshot())?;
    // `check` may find what reading did not touch.
    let _ = store.check();
    Ok(state)
}

/// Keys, values and names, none of which occurs by chance.
struct Secrets {
    rng: fastrand::Rng,
    windows: HashSet<[u8; 8]>,
}

impl Secrets {
    fn word(&mut self, len: usize) -> Vec<u8> {
        let word: Vec<u8> = (0..len).map(|_| self.rng.u8(b'a'..=b'z')).collect();
        self.windows.extend(word.windows(8).map(|window| <[u8; 8]>::try_from(window).unwrap()));
        word
    }

    /// How many places of the device show eight bytes of a secret.
    fn shown_by(&self, device: &SimulatedStorage) -> usize {
        let bytes = device.contents();
        bytes.windows(8).filter(|window| self.windows.contains(*window)).count()
    }
}

/// Writes secrets in every way there is; how many places showed them at each look at the device.
fn places_that_show(options: Options) -> Result<Vec<usize>> {
    let mut secrets = Secrets { rng: fastrand::Rng::with_seed(12), windows: HashSet::new() };
    let device = SimulatedStorage::new(12);
    let store = open(device.clone(), options.clone())?;
    let mut shown = Vec::new();
    for round in 0..6 {
        let mut transaction = store.begin()?;
        let name = String::from_utf8(secrets.word(12)).expect("letters");
        transaction.create_keyspace(&name, KeyspaceOptions::default())?;
        // The last ones are spilled.
        for number in 0..if round < 4 { 12 } else { 120 } {
            let (key, value) = (secrets.word(16), secrets.word([20, 90, 400][number % 3]));
            Write::Put(number % 2, key, value).write_to(&mut transaction)?;
            Write::Merge(secrets.word(16), secrets.word(30)).write_to(&mut transaction)?;
        }
        let (lower, upper) = (secrets.word(16), secrets.word(16));
        let upper = Some(upper).filter(|upper| *upper > lower);
        Write::DeleteRange(round % 2, lower, upper).write_to(&mut transaction)?;
        let durability = if round % 2 == 0 { Durability::Sync } else { Durability::Buffered };
        transaction.commit(durability)?;
        shown.push(secrets.shown_by(&device));
        match round {
            1 => store.flush()?,
            2 => store.checkpoint()?,
            3 => store.compact()?,
            _ => while store.step()? {},
        }
        shown.push(secrets.shown_by(&device));
    }
    store.check()?;
    store.close()?;
    shown.push(secrets.shown_by(&device));
    Store::open(device.clone(), options)?.check()?;
    Ok(shown)
}

#[test]
fn nothing_that_users_wrote_is_on_the_device() -> Result<()> {
    let plain = places_that_show(tiny_options())?;
    assert!(plain.iter().all(|&places| places > 100), "the search finds what is there: {plain:?}");
    for cipher in ciphers(1) {
        let shown = places_that_show(with(&cipher))?;
        assert!(shown.iter().all(|&places| places == 0), "{cipher:?}: {shown:?}");
    }
    Ok(())
}

#[test]
fn only_the_key_of_a_file_opens_it_and_what_is_refused_is_left_as_it_was() -> Result<()> {
    let refuse = |bytes: &[u8], options: Options| {
        let device = SimulatedStorage::from_bytes(bytes.to_vec());
        let error = Store::open(device.clone(), options).expect_err("must be refused");
        assert_eq!((device.ops(), &device.contents()[..]), (0, bytes), "nothing may be written");
        error
    };
    for (cipher, other) in ciphers(1).iter().zip(ciphers(2)) {
        for closed in [true, false] {
            let (bytes, states) = file(3, closed, with(cipher))?;
            let wrong = refuse(&bytes, with(&other));
            assert!(matches!(&wrong, Error::WrongKey { cipher: name } if name == cipher.name()));
            assert!(wrong.to_string().contains("the key it was created with"), "{wrong}");
            let missing = refuse(&bytes, tiny_options());
            assert!(matches!(&missing, Error::Encrypted { cipher: name } if name == cipher.name()));
            assert!(missing.to_string().contains(cipher.name()), "{missing}");
            assert_eq!(&examine(&bytes, with(cipher))?, &states[states.len() - 1]);
            let (bytes, _) = file(3, closed, tiny_options())?;
            assert!(matches!(refuse(&bytes, with(cipher)), Error::NotEncrypted));
        }
    }
    Ok(())
}

#[test]
fn a_flipped_bit_in_an_encrypted_file_is_an_error_or_harmless() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(9);
    for cipher in ciphers(1) {
        for closed in [true, false] {
            let (bytes, states) = file(4, closed, with(&cipher))?;
            let last = states.len() - 1;
            let mut refused = 0;
            for offset in super::damage::places(&bytes).into_iter().skip(rng.usize(0..3)).step_by(3)
            {
                let mut damaged = bytes.clone();
                damaged[offset] ^= 1 << rng.u32(0..8);
                match examine(&damaged, with(&cipher)) {
                    // Nothing can prove that the very last record of a log was ever whole.
                    Ok(found) => assert!(
                        found == states[last] || (!closed && found == states[last - 1]),
                        "byte {offset}"
                    ),
                    Err(_) => refused += 1,
                }
            }
            assert!(refused > 500, "most of the file is data: {refused}");
        }
    }
    Ok(())
}

/// Pages with right checksums, which another key, or the same key in another file, made of the same data.
#[test]
fn pages_of_another_file_are_never_taken_for_the_files_own() -> Result<()> {
    for closed in [true, false] {
        for (cipher, other) in ciphers(1).into_iter().zip(ciphers(2)) {
            for other in [&other, &cipher] {
                let (bytes, states) = file(5, closed, with(&cipher))?;
                let (others, _) = file(5, closed, with(other))?;
                assert_eq!(bytes.len(), others.len(), "the same layout");
                let last = states.len() - 1;
                let mut refused = 0;
                for page in 0..bytes.len() / 4096 {
                    let mut forged = bytes.clone();
                    let place = page * 4096..(page + 1) * 4096;
                    forged[place.clone()].copy_from_slice(&others[place]);
                    match examine(&forged, with(&cipher)) {
                        Ok(found) => assert!(
                            found == states[last] || (!closed && found == states[last - 1]),
                            "page {page}"
                        ),
                        Err(error) => {
                            assert!(
                                error.is_corruption() || matches!(error, Error::WrongKey { .. }),
                                "{error}"
                            );
                            refused += 1;
                        }
                    }
                }
                assert!(refused > 3, "{refused} of {} pages", bytes.len() / 4096);
            }
        }
    }
    Ok(())
}

/// A device that must not be mapped.
#[derive(Debug)]
struct Unmapped(SimulatedStorage);

impl Storage for Unmapped {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.0.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn map(&self, _: u64, _: u64, _: Arc<dyn std::any::Any + Send + Sync>) -> Option<Bytes> {
        panic!("what is encrypted cannot be read in place")
    }
}

#[test]
fn what_was_decrypted_once_is_borrowed_from_memory() -> Result<()> {
    let cipher = Arc::new(ToyCipher::new(1));
    let shared: Arc<dyn BlockCipher> = cipher.clone();
    let options = Options { memory_bytes: 64 << 20, value_chunk_bytes: 1000, ..with(&shared) };
    let store = open(Unmapped(SimulatedStorage::new(6)), options)?;
    let mut rng = fastrand::Rng::with_seed(6);
    let mut state = State::default();
    let mut transaction = store.begin()?;
    for number in 0..600_u32 {
        let (key, value) = (number.to_be_bytes().to_vec(), vec![rng.u8(..); rng.usize(0..900)]);
        let write = Write::Put((number % 2) as usize, key, value);
        write.write_to(&mut transaction)?;
        write.apply_to(&mut state);
    }
    transaction.commit(Durability::Sync)?;
    store.flush()?;
    let snapshot = store.snapshot();
    let mut opened = Vec::new();
    let mut borrowed: Vec<Vec<Bytes>> = Vec::new();
    for _ in 0..3 {
        let mut values = Vec::new();
        for (index, (name, _)) in keyspaces().iter().enumerate().take(2) {
            let id = snapshot.keyspace(name).expect("was created");
            for (key, value) in &state[index] {
                values.push(snapshot.get(id, key)?.expect("was written"));
                assert_eq!(values.last().unwrap(), value);
            }
        }
        assert_eq!(read_all(&snapshot)?, state);
        opened.push(cipher.opened.load(Ordering::Relaxed));
        borrowed.push(values);
    }
    assert!(opened[0] > 100, "{opened:?}");
    assert!(opened[1] == opened[0] && opened[2] == opened[0], "warm reads decrypt: {opened:?}");
    let places = |values: &[Bytes]| values.iter().map(|value| value.as_ptr()).collect::<Vec<_>>();
    assert_eq!(places(&borrowed[0]), places(&borrowed[1]), "shares of what is in memory");
    Ok(())
}

#[test]
fn sizes_are_those_with_which_the_file_was_created() -> Result<()> {
    let device = SimulatedStorage::new(7);
    open(device.clone(), tiny_options())?.close()?;
    let options = Options {
        block_bytes: 16 << 10,
        restart_interval: 16,
        segment_bytes_target: 8 << 20,
        value_chunk_bytes: 64 << 10,
        ..tiny_options()
    };
    let store = open(device, options)?;
    let found = store.core.options();
    let sizes = (found.block_bytes, found.restart_interval, found.segment_bytes_target);
    assert_eq!(sizes, (128, 3, 2 << 10));
    assert_eq!(found.value_chunk_bytes, 150);
    let mut transaction = store.begin()?;
    for number in 0..300_u32 {
        let key = number.to_be_bytes().to_vec();
        Write::Put(0, key, vec![b'v'; 50]).write_to(&mut transaction)?;
    }
    transaction.commit(Durability::Sync)?;
    store.flush()?;
    let plain = &store.core.version.load().keyspaces;
    let segments: usize = plain.values().map(|keyspace| keyspace.segments().count()).sum();
    assert!(segments > 5, "{segments} segments");
    Ok(())
}
