//! The verbs that look at a file's structure: what they print, that they agree with each other, that damage is told, and
//! that none of them writes to the file. Each test runs the real binary on a file that it imported.

use std::fs::{File, TryLockError};

use crate::{Shell, rivers};

const VERBS: [&[&str]; 10] = [
    &["stats", "rivers.alv"],
    &["stats", "rivers.alv", "--deep"],
    &["levels", "rivers.alv"],
    &["segments", "rivers.alv", "--deep"],
    &["blocks", "rivers.alv", "1"],
    &["page", "rivers.alv", "1"],
    &["compactions", "rivers.alv"],
    &["check", "rivers.alv"],
    &["check", "rivers.alv", "--deep"],
    &["dump", "rivers.alv"],
];

fn json(shell: &Shell, arguments: &[&str]) -> Vec<serde_json::Value> {
    shell.succeed(&[arguments, &["--json"]].concat()).json()
}

#[test]
fn every_verb_prints_text_and_json_and_leaves_the_file_as_it_is() {
    let shell = rivers();
    let before = shell.read("rivers.alv");
    let first = json(&shell, &["segments", "rivers.alv"])[0]["segment"]["id"].to_string();
    for verb in VERBS {
        let mut verb = verb.to_vec();
        if verb[0] == "blocks" {
            verb[2] = &first;
        }
        assert!(!shell.succeed(&verb).stdout.is_empty(), "{verb:?}");
        json(&shell, &verb);
        assert!(shell.read("rivers.alv") == before, "{verb:?}");
    }
}

#[test]
fn figures_of_the_verbs_agree() {
    let shell = rivers();
    let stats = shell.succeed(&["stats", "rivers.alv", "--json"]).object();
    assert_eq!(stats["collections"][0]["documents"], 5);
    assert_eq!(stats["clean"], true);
    assert_eq!(stats["file_bytes"], shell.read("rivers.alv").len());
    let sum = |lines: Vec<serde_json::Value>, path: &str| -> u64 {
        lines
            .iter()
            .map(|line| line.pointer(path).and_then(serde_json::Value::as_u64))
            .map(Option::unwrap_or_default)
            .sum()
    };
    let keyspaces = stats["keyspaces"].as_array().expect("a list").clone();
    let keys = sum(keyspaces, "/figures/entries");
    assert!(keys > 5);
    assert_eq!(sum(json(&shell, &["levels", "rivers.alv"]), "/figures/entries"), keys);
    let segments = json(&shell, &["segments", "rivers.alv", "--keyspace", "documents/docs"]);
    assert_eq!(sum(segments.clone(), "/segment/figures/entries"), 5);
    let id = segments[0]["segment"]["id"].to_string();
    assert_eq!(sum(json(&shell, &["blocks", "rivers.alv", &id]), "/keys"), 5);
    let dumped = json(&shell, &["dump", "rivers.alv", "--keyspace", "documents/docs"]);
    assert_eq!(dumped.len(), 5);
    let two =
        shell.succeed(&["dump", "rivers.alv", "--keyspace", "documents/docs", "--limit", "2"]);
    assert_eq!(two.stdout.lines().count(), 2);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let shell = rivers();
    shell
        .fail(&["levels", "rivers.alv", "--keyspace", "x"], &["no keyspace `x`", "documents/docs"]);
    shell.fail(&["dump", "rivers.alv", "--keyspace", "x"], &["no keyspace `x`", "documents/docs"]);
    shell.fail(&["blocks", "rivers.alv", "9999"], &["no segment 9999", "`segments`"]);
    shell.fail(&["page", "rivers.alv", "9999"], &["no page 9999", "pages, counted from 0"]);
}

#[test]
fn a_page_is_shown_whatever_it_is_and_damage_is_told() {
    let shell = rivers();
    let descriptor = shell.succeed(&["page", "rivers.alv", "0"]).stdout;
    assert!(
        descriptor.contains("page 0: descriptor") && descriptor.contains("magic: \"ALLUVIUM\"")
    );
    let raw = shell.succeed(&["page", "rivers.alv", "0", "--raw"]).stdout;
    assert!(raw.starts_with("0000  41 4c 4c 55 56 49 55 4d") && raw.lines().count() == 256);
    let mut bytes = shell.read("rivers.alv");
    bytes[4096 + 9] ^= 1;
    bytes[8 * 4096 + 9] ^= 1;
    shell.write("rivers.alv", &bytes);
    let ran = shell.run(&["page", "rivers.alv", "1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.contains("judged by its own bytes"), "{ran:?}");
    assert!(ran.stdout.contains("damaged: root slot: the checksum does not match"), "{ran:?}");
    shell.fail(&["dump", "rivers.alv"], &["root slots: neither is whole", "alluvium page"]);
    shell.fail(&["stats", "rivers.alv"], &["root slots: neither is whole"]);
}

#[test]
fn a_file_that_is_open_elsewhere_is_read_and_not_written() {
    let shell = rivers();
    let writer = File::options().write(true).open(shell.path("rivers.alv")).expect("the file");
    match writer.try_lock() {
        Ok(()) => {}
        // Some file systems know no locks; then there is nothing to see here.
        Err(TryLockError::Error(_)) => return,
        Err(TryLockError::WouldBlock) => panic!("nothing else has the file open"),
    }
    for verb in [
        &["import", "rivers.ndjson", "rivers.alv"] as &[&str],
        &["compact", "rivers.alv"],
        &["shrink", "rivers.alv"],
        &["backup", "rivers.alv", "copy.alv"],
    ] {
        shell.fail(verb, &["rivers.alv", "open in another process"]);
    }
    for verb in VERBS.iter().chain(&[&["search", "rivers.alv", "gold"] as &[&str]]) {
        if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
            shell.succeed(verb);
        } else {
            shell.fail(verb, &["rivers.alv", "open in another process"]);
        }
    }
}

/// An import that goes on until its input ends, which is here when the test says so.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_file_is_read_while_an_import_goes_on() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let shell = rivers();
    let mut import = Command::new(env!("CARGO_BIN_EXE_alluvium"))
        .current_dir(shell.path("."))
        .args(["import", "-", "rivers.alv", "--id", "_id", "--batch", "3", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = import.stdin.take().expect("it was piped");
    let mut line = |number: u32| {
        writeln!(input, "{{\"_id\":\"amber {number}\",\"text\":\"Amber from the Baltic.\"}}")
            .and_then(|()| input.flush())
            .expect("the import reads");
    };
    let mut found = 0;
    for round in 0..10 {
        (0..30).for_each(|number| line(round * 30 + number));
        // Whole batches are found; the last ones may still be on their way.
        while found < round * 30 {
            let ran = shell.run(&["search", "rivers.alv", "amber", "--limit", "1000", "--json"]);
            assert!(ran.code < 2, "{ran:?}");
            let hits = u32::try_from(ran.json().len()).expect("few hits");
            assert!(hits >= found && hits.is_multiple_of(3), "{hits} hits after {found}");
            found = hits;
        }
        shell.succeed(&["get", "rivers.alv", "rhine"]);
        let check = shell.succeed(&["check", "rivers.alv", "--deep"]).stdout;
        assert!(check.starts_with("ok: ") && check.contains("is not known"), "{check}");
        let report = shell.succeed(&["check", "rivers.alv", "--json"]).object();
        assert_eq!(report["store"]["has_writer"], true, "{report}");
        shell.succeed(&["stats", "rivers.alv", "--deep"]);
        shell.succeed(&["dump", "rivers.alv"]);
    }
    drop(input);
    assert!(import.wait().expect("it ends").success());
    assert_eq!(shell.succeed(&["check", "rivers.alv", "--deep"]).stdout, "ok\n");
    assert_eq!(
        shell.succeed(&["search", "rivers.alv", "amber", "--limit", "1000", "--json"]).json().len(),
        300
    );
}

#[test]
fn a_damaged_file_is_repaired_into_a_new_one() {
    let shell = rivers();
    let sound = shell.succeed(&["repair", "rivers.alv", "copy.alv"]).stdout;
    assert!(
        sound.contains("copy.alv has 5 documents") && sound.contains("Nothing is known to be lost")
    );
    shell.fail(&["repair", "rivers.alv", "copy.alv"], &["copy.alv", "exists"]);
    let mut bytes = shell.read("rivers.alv");
    bytes[4096..8192].fill(0);
    bytes[8 * 4096..9 * 4096].fill(0);
    shell.write("rivers.alv", &bytes);
    shell.fail(&["check", "rivers.alv"], &["root slots"]);
    let report = shell.succeed(&["repair", "rivers.alv", "new.alv", "--json"]).object();
    assert_eq!((&report["documents"], &report["complete"]), (&5.into(), &true.into()));
    assert!(shell.read("rivers.alv") == bytes);
    shell.succeed(&["check", "new.alv", "--deep"]);
    assert_eq!(shell.succeed(&["search", "new.alv", "gold", "--json"]).json().len(), 3);
}

#[test]
fn what_a_repair_cannot_recover_is_told_and_the_exit_code_is_1() {
    let shell = rivers();
    let mut bytes = shell.read("rivers.alv");
    let segments = shell.succeed(&["segments", "rivers.alv", "--json"]).json();
    for segment in segments.iter().filter(|found| found["keyspace"] == "documents/docs") {
        let page = segment["segment"]["start_page"].as_u64().expect("a page");
        let start = usize::try_from(page).expect("a small file") * 4096;
        bytes[start..start + 8].fill(0xFF);
    }
    shell.write("rivers.alv", &bytes);
    let run = shell.run(&["repair", "rivers.alv", "new.alv"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("lost") && run.stdout.contains("documents/docs"), "{}", run.stdout);
    shell.succeed(&["check", "new.alv", "--deep"]);
    let missing = shell.run(&["repair", "nowhere.alv", "other.alv"]);
    assert_eq!(missing.code, 2);
}
