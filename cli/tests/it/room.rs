//! `compact`, `shrink` and `backup`. The file gets smaller and keeps what is in it; a copy is a database of its own and
//! never replaces a file.

use std::fs;

use serde_json::Value;

use crate::Shell;

/// A database of a few hundred documents.
fn shell() -> Shell {
    let shell = Shell::new();
    let line =
        |number: u32| format!("{{\"_id\":\"{number}\",\"text\":\"gold from river {number}\"}}\n");
    shell.write("documents.ndjson", (0..300).map(line).collect::<String>());
    shell.succeed(&["import", "documents.ndjson", "notes.alv", "--id", "_id"]);
    shell.succeed(&["import", "documents.ndjson", "notes.alv", "--id", "_id"]);
    shell
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).expect("one JSON object")
}

#[test]
fn compacting_and_shrinking_tell_what_they_did_and_keep_what_is_there() {
    let shell = shell();
    let compacted = json(&shell.succeed(&["compact", "notes.alv", "--json"]).stdout);
    let (before, after) = (&compacted["file_bytes_before"], &compacted["file_bytes"]);
    // A small file may have been as small as it can be.
    assert!(after.as_u64().unwrap() <= before.as_u64().unwrap() + (6 << 12), "{compacted}");
    assert!(shell.succeed(&["compact", "notes.alv"]).stdout.contains(" now"));
    let shrunk = json(&shell.succeed(&["shrink", "notes.alv", "--json"]).stdout);
    let (file, live) = (shrunk["file_bytes"].as_u64(), shrunk["live_bytes"].as_u64());
    assert!(file.unwrap() <= live.unwrap() + (live.unwrap() / 20).max(6 << 12), "{shrunk}");
    assert_eq!(fs::metadata(shell.path("notes.alv")).unwrap().len(), file.unwrap());
    assert!(shell.succeed(&["shrink", "notes.alv"]).stdout.contains("segments moved"));
    assert_eq!(shell.succeed(&["check", "notes.alv", "--deep"]).stdout, "ok\n");
    shell.fail(&["shrink", "missing.alv"], &["missing.alv"]);
    shell.fail(&["compact", "missing.alv"], &["missing.alv"]);
}

#[test]
fn a_backup_is_a_database_and_replaces_nothing() {
    let shell = shell();
    let report = json(&shell.succeed(&["backup", "notes.alv", "copy.alv", "--json"]).stdout);
    let bytes = shell.read("copy.alv");
    assert_eq!(report["file_bytes"].as_u64(), Some(bytes.len() as u64));
    assert_eq!(shell.succeed(&["check", "copy.alv", "--deep"]).stdout, "ok\n");
    let of = |file: &str| shell.succeed(&["search", file, "river 7", "--json"]).stdout;
    assert_eq!(of("copy.alv"), of("notes.alv"));
    let bytes = shell.read("copy.alv");
    shell.fail(&["backup", "notes.alv", "copy.alv"], &["copy.alv", "exists"]);
    assert_eq!(shell.read("copy.alv"), bytes);
    assert!(shell.succeed(&["backup", "notes.alv", "other.alv"]).stdout.contains("verified"));
    let report = shell.succeed(&["backup", "notes.alv", "near.alv", "--reorder", "--json"]).stdout;
    assert_eq!(json(&report)["file_bytes"].as_u64(), Some(shell.read("near.alv").len() as u64));
    assert_eq!(shell.succeed(&["check", "near.alv", "--deep"]).stdout, "ok\n");
    let found = |file: &str| of(file).lines().count();
    assert_eq!(found("near.alv"), found("notes.alv"));
    shell.fail(&["backup", "notes.alv", "near.alv", "--reorder"], &["near.alv", "exists"]);
    shell.fail(&["backup", "missing.alv", "new.alv"], &["missing.alv"]);
    assert!(!shell.path("new.alv").exists());
}
