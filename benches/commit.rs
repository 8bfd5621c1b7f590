//! How long a durable commit of one document takes, beside one `fdatasync` of the same file system.
//!
//! Run with `cargo bench --bench commit [-- FOLDER]`. The folder says which device is measured; without one it is the
//! system's temporary folder. Inserts, replacements, removals and bare syncs alternate, so that all see the same weather.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alluvium::{Database, doc};

const ROUNDS: i32 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let db = Database::open(folder.path().join("bench.alv"))?;
    let notes = db.collection("notes")?;
    let mut beside = File::create(folder.path().join("beside"))?;
    // Pages that exist, as the log's do.
    beside.write_all(&vec![0; 4096 * ROUNDS as usize])?;
    beside.sync_all()?;

    let words = ["gold", "river", "slows", "where", "the", "settles", "panning", "creek", "vein"];
    let text = |id: i32| {
        let word = |at: i32| words[usize::try_from(id * 7 + at * at).unwrap_or(0) % words.len()];
        (0..80).map(word).collect::<Vec<_>>().join(" ")
    };
    let mut times: [Vec<Duration>; 4] = Default::default();
    for id in 0..ROUNDS {
        let mut measure =
            |kind: usize, work: &mut dyn FnMut() -> Result<(), Box<dyn std::error::Error>>| {
                let start = Instant::now();
                work()?;
                times[kind].push(start.elapsed());
                Ok::<(), Box<dyn std::error::Error>>(())
            };
        measure(0, &mut || {
            use std::os::unix::fs::FileExt;
            beside.write_all_at(&[7; 4096], u64::try_from(id)? * 4096)?;
            Ok(beside.sync_data()?)
        })?;
        measure(1, &mut || {
            notes.insert(doc! { "_id": id, "text": text(id) })?;
            Ok(())
        })?;
        measure(2, &mut || {
            notes.replace(doc! { "_id": id, "text": text(id + 1) })?;
            Ok(())
        })?;
        if id % 2 == 0 {
            measure(3, &mut || {
                notes.remove(id)?;
                Ok(())
            })?;
        }
    }
    println!("{:<22} {:>10} {:>10} {:>10}", "", "median", "p99", "max");
    for (name, times) in ["write + fdatasync", "insert", "replace", "remove"].into_iter().zip(times)
    {
        print_row(name, times);
    }
    drop(notes);
    db.close()?;
    Ok(())
}

fn print_row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    println!("{name:<22} {:>7.0} µs {:>7.0} µs {:>7.0} µs", at(50), at(99), at(100));
}
