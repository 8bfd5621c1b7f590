//! Golden dumps: a tiny file, every byte of it annotated, compared with what stands in `tests/golden`.
//!
//! A change of a format shows as a change of these texts. `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew; the
//! difference is then part of the change. No byte may be unexplained: a field that a structure gains gets its name in the
//! storage core's inspection in the same change.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use alluvium::lsm::{
    Compression, Durability, GroupRewriter, KeyspaceOptions, ManualClock, ManualScheduler, Options,
    PageView, Pages, Reader, Result, Rewrite, RewritePass, SimulatedStorage, Store,
};

/// Groups of what stands before a slash; keeps all, and lists their names.
#[derive(Debug)]
struct BeforeSlash;

impl GroupRewriter for BeforeSlash {
    fn name(&self) -> &'static str {
        "before_slash"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.iter().position(|&byte| byte == b'/').map_or(key.len(), |at| at + 1)
    }

    fn lists_names(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, _: &str, _: &'a dyn Reader) -> Result<Box<dyn RewritePass + 'a>> {
        Ok(Box::new(KeepAll))
    }
}

struct KeepAll;

impl RewritePass for KeepAll {
    fn entry(&mut self, _: &[u8], _: &[u8]) -> Result<Rewrite> {
        Ok(Rewrite::Keep)
    }
}

fn options() -> Options {
    Options {
        memory_bytes: 1 << 20,
        block_bytes: 128,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        group_rewriters: vec![Arc::new(BeforeSlash)],
        ..Options::default()
    }
}

/// A file with a segment that has two leaf blocks, a tombstone and a value outside of them; closed in order, or left with
/// commits, an edit and a mark in its log.
fn file(closed: bool) -> Result<Vec<u8>> {
    let device = SimulatedStorage::new(1);
    let store = Store::open(device.clone(), options())?;
    // So that both root slots are written.
    store.checkpoint()?;
    let mut transaction = store.begin()?;
    let plain = KeyspaceOptions {
        compression: Compression::None,
        value_bytes_inline_max: 32,
        ..KeyspaceOptions::default()
    };
    let rivers = transaction.create_keyspace("rivers", plain)?;
    for (name, text) in [
        ("don", "quiet"),
        ("loire", "the last wild river of Europe, they say, and it is long"),
        ("rhine", "gold"),
        ("rhone", "fast"),
        ("seine", "slow"),
        ("thames", "tidal"),
    ] {
        transaction.put(rivers, name.as_bytes(), text)?;
    }
    transaction.delete(rivers, b"aral")?;
    transaction.commit(Durability::Sync)?;
    store.flush()?;
    let mut transaction = store.begin()?;
    transaction.put(rivers, b"volga", "broad")?;
    transaction.delete(rivers, b"don")?;
    transaction.commit(Durability::Sync)?;
    store.sync()?;
    if closed {
        store.close()?;
    }
    Ok(device.contents())
}

/// A file with a segment of so many leaf blocks that it lists the names of its groups, which have two entries each but for the last.
fn file_with_names() -> Result<Vec<u8>> {
    let device = SimulatedStorage::new(1);
    let store = Store::open(device.clone(), options())?;
    let mut transaction = store.begin()?;
    let grouped = KeyspaceOptions {
        compression: Compression::None,
        group_rewriter: Some(BeforeSlash.name().to_owned()),
        ..KeyspaceOptions::default()
    };
    let rivers = transaction.create_keyspace("rivers", grouped)?;
    for number in 0..17 {
        let key = format!("river {:02}/{number}", number / 2);
        transaction.put(rivers, key.as_bytes(), "gravel and gold ".repeat(5))?;
    }
    transaction.commit(Durability::Sync)?;
    store.compact()?;
    store.close()?;
    Ok(device.contents())
}

/// A view as text: parts with their fields; the numbers of pages stand in the owners.
fn text(view: &PageView) -> String {
    let mut out = format!("page {}: {}\n", view.page, view.owner);
    for part in &view.parts {
        // Writing to a string does not fail.
        let _ = writeln!(out, "\n  {}", part.what);
        assert_eq!(part.damage, None, "{}", part.what);
        for note in &part.annotations {
            assert_ne!(note.field, "unexplained", "{}: name the new field", part.what);
            let line =
                format!("{:04x}  {:49}  {}: {}", note.offset, note.hex, note.field, note.value);
            let _ = writeln!(out, "  {}", line.trim_end());
        }
    }
    out
}

fn dump(bytes: Vec<u8>) -> Result<String> {
    let pages = Pages::open(Arc::new(SimulatedStorage::from_bytes(bytes)), options())?;
    assert_eq!(pages.trouble(), None);
    let views: Vec<String> = pages.owners().map(|view| Ok(text(&view?))).collect::<Result<_>>()?;
    Ok(views.join("\n"))
}

#[track_caller]
fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the dumps");
        fs::write(&path, found).expect("a dump");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let pairs = expected.lines().zip(found.lines()).enumerate();
    let changed = pairs.into_iter().find(|(_, (expected, found))| expected != found);
    assert!(
        expected == found,
        "{name} changed, first in line {:?}; UPDATE_GOLDEN=1 writes it anew",
        changed.map(|(line, (expected, found))| format!("{}: {expected} -> {found}", line + 1)),
    );
}

#[test]
fn a_file_that_was_closed_is_dumped_as_before() -> Result<()> {
    compare("closed.txt", &dump(file(true)?)?);
    Ok(())
}

#[test]
fn a_file_with_a_log_is_dumped_as_before() -> Result<()> {
    compare("with_log.txt", &dump(file(false)?)?);
    Ok(())
}

#[test]
fn a_file_whose_segment_lists_names_is_dumped_as_before() -> Result<()> {
    let dump = dump(file_with_names()?)?;
    assert!(dump.contains("block of names") && dump.contains("index of names"), "{dump}");
    compare("with_names.txt", &dump);
    Ok(())
}
