//! The command as a shell sees it: arguments in; standard output, standard error, exit code and
//! files out.
//!
//! Every test runs the real binary on real files in a folder of its own. Standard output and error
//! are pipes here, so these tests also show that nothing but plain text goes into a pipe.

mod analyze;
mod demo;
mod eval;
mod export;
mod import;
mod reindex;
mod room;
mod search;
mod structure;
mod suggestions;
mod watch;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use assert_cmd::Command;
use serde_json::Value;

/// A folder for one test, and the command run in it.
pub(crate) struct Shell {
    folder: tempfile::TempDir,
}

/// What one run of the command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file of the test");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file of the test")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alluvium"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
        command
    }

    /// Starts the command, to be waited for or killed; what it says goes nowhere.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_alluvium"));
        command.current_dir(self.folder.path()).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts")
    }

    /// Bytes of a file; none when it is not there.
    pub(crate) fn len(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().expect("the command starts"))
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        let output = self.command(arguments).write_stdin(input).output();
        Ran::from(output.expect("the command starts"))
    }

    /// Runs what has to end with 0.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    /// Runs what has to end with 2 and one line that holds all of `said`.
    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str], said: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        let last = ran.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: "), "{ran:?}");
        for part in said {
            assert!(last.contains(part), "{part:?} is missing in {last:?}");
        }
        ran
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the command ends by itself"),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("errors are UTF-8"),
        }
    }
}

impl Ran {
    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).expect("a line of JSON");
        self.stdout.lines().map(line).collect()
    }

    /// Standard output as one JSON object.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let mut lines = self.json();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }
}

/// The names of an object's members, in order.
pub(crate) fn names(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Five documents about rivers.
pub(crate) const RIVERS: &str = r#"{"_id":"rhine","title":"The Rhine","text":"A river of gold, they sang on the Rhine."}
{"_id":"loire","title":"The Loire","text":"The last wild river of Europe."}
{"_id":"don","title":"The Don","text":"And quiet flows the Don."}
{"_id":7,"title":"Panning","text":"Gold settles where a river slows down."}
{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"title":"Silver","text":"No gold here."}
"#;

/// A folder with the rivers imported into `rivers.alv`.
pub(crate) fn rivers() -> Shell {
    let shell = Shell::new();
    shell.write("rivers.ndjson", RIVERS);
    shell.succeed(&["import", "rivers.ndjson", "rivers.alv"]);
    shell
}

#[test]
fn wrong_command_lines_end_with_2_and_open_nothing() {
    let shell = Shell::new();
    for arguments in [
        &["frobnicate"] as &[&str],
        &["search", "x.alv"],
        &["search", "x.alv", "gold", "--b", "1.5"],
        &["search", "x.alv", "gold", "--k1", "-1"],
        &["search", "x.alv", "gold", "--limit", "0"],
        &["import", "a.ndjson", "x.alv", "--memory", "much"],
        &["import", "a.ndjson", "x.alv", "--language", "klingon"],
        &["import", "a.ndjson", "x.alv", "--batch", "0"],
        &["import", "a.ndjson", "x.alv", "--on-error", "panic"],
    ] {
        let ran = shell.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!shell.path("x.alv").exists(), "{arguments:?}");
    }
}

#[test]
fn reading_a_file_that_is_not_there_makes_none() {
    let shell = Shell::new();
    shell.write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"gold\"}\n");
    shell.write("qrels.tsv", "q\td\t1\n");
    for arguments in [
        &["search", "x.alv", "gold"] as &[&str],
        &["get", "x.alv", "rhine"],
        &["stats", "x.alv"],
        &["check", "x.alv"],
        &["levels", "x.alv"],
        &["page", "x.alv", "0"],
        &["eval", "x.alv", "--queries", "queries.jsonl", "--qrels", "qrels.tsv"],
    ] {
        shell.fail(arguments, &["x.alv: there is no such file", "alluvium import"]);
        assert!(!shell.path("x.alv").exists(), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_not_ours_is_an_error_and_stays_as_it_is() {
    let shell = Shell::new();
    let foreign = "Not a database, but a text of some length.\n".repeat(500);
    shell.write("notes.txt", &foreign);
    shell.write("rivers.ndjson", RIVERS);
    for arguments in [
        &["search", "notes.txt", "gold"] as &[&str],
        &["stats", "notes.txt"],
        &["check", "notes.txt"],
        &["import", "rivers.ndjson", "notes.txt"],
        &["demo", "notes.txt"],
    ] {
        shell.fail(arguments, &["notes.txt", "not an Alluvium file"]);
        assert_eq!(shell.read("notes.txt"), foreign.as_bytes(), "{arguments:?}");
    }
}

#[test]
fn a_sound_file_is_ok() {
    let shell = rivers();
    assert_eq!(shell.succeed(&["check", "rivers.alv"]).stdout, "ok\n");
    assert_eq!(shell.succeed(&["check", "rivers.alv", "--deep"]).stdout, "ok\n");
    let report = shell.succeed(&["check", "rivers.alv", "--deep", "--json"]).object();
    assert_eq!(report["ok"], true);
}
