//! Tests of `alluvium watch`: what it tells of a file that lies still, and of one that other processes write to. Who waits for what is
//! settled by reading its lines, which come when there is something to tell.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use alluvium::{Database, doc};
use serde_json::{Value, json};

use crate::{Shell, names, rivers};

/// The verb, and its lines as they come.
struct Watch {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Watch {
    fn start(shell: &Shell, arguments: &[&str]) -> Watch {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alluvium"));
        command.current_dir(shell.path(".")).arg("watch").args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        Watch { child, lines: Some(lines) }
    }

    /// Waits for so many changes.
    fn next(&mut self, count: usize) -> Vec<Value> {
        let lines = self.lines.as_mut().expect("it is read").take(count);
        let read = |line: std::io::Result<String>| {
            serde_json::from_str(&line.expect("a line")).expect("a line of JSON")
        };
        let changes: Vec<Value> = lines.map(read).collect();
        assert_eq!(changes.len(), count);
        changes
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ids(changes: &[Value]) -> Vec<&Value> {
    changes.iter().map(|change| &change["_id"]).collect()
}

#[test]
fn a_file_that_lies_still_is_told_from_a_number_on() {
    let shell = rivers();
    let all = shell.succeed(&["watch", "rivers.alv", "--once"]).json();
    assert_eq!(names(&all[0]), ["number", "change", "_id", "document"]);
    let oid = json!({ "$oid": "65a1b2c3d4e5f60718293a4b" });
    assert_eq!(ids(&all), [&json!("rhine"), &json!("loire"), &json!("don"), &json!(7), &oid]);
    assert_eq!(all[0]["document"]["title"], "The Rhine");
    assert!(all.windows(2).all(|two| two[0]["number"].as_u64() < two[1]["number"].as_u64()));
    for (at, change) in all.iter().enumerate() {
        let since = change["number"].to_string();
        let rest = shell.succeed(&["watch", "rivers.alv", "--once", "--since", &since]).json();
        assert_eq!(rest, all[at..]);
    }
    let bare = shell.succeed(&["watch", "rivers.alv", "--once", "--ids"]).json();
    assert!(bare.iter().all(|change| names(change) == ["number", "change", "_id"]));
    assert_eq!(ids(&bare), ids(&all));
    let next = (all[4]["number"].as_u64().unwrap() + 1).to_string();
    let none = shell.run(&["watch", "rivers.alv", "--once", "--since", &next]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
    shell.fail(&["watch", "rivers.alv", "--since", "600"], &["no change 600", "begin anew"]);
    let refused = shell.run(&["watch", "rivers.alv", "--since", "old"]);
    assert!(refused.code == 2 && refused.stderr.contains("a number, or new"), "{refused:?}");
    shell.fail(&["watch", "rivers.alv", "--collection", "lakes"], &["lakes", "documents"]);
    shell.fail(&["watch", "missing.alv"], &["missing.alv"]);
}

#[test]
fn what_other_processes_write_is_told_as_it_is_committed() {
    let shell = rivers();
    let mut all = Watch::start(&shell, &["rivers.alv"]);
    assert_eq!(ids(&all.next(5))[0], "rhine");
    let mut new = Watch::start(&shell, &["rivers.alv", "--since", "5", "--ids"]);
    shell.write("more.ndjson", "{\"_id\":\"don\",\"text\":\"gold\"}\n{\"_id\":\"oder\"}\n");
    shell.succeed(&["import", "more.ndjson", "rivers.alv", "--id", "_id"]);
    let changes = all.next(2);
    assert_eq!(ids(&changes), ["don", "oder"]);
    assert_eq!(changes[0]["document"], json!({ "_id": "don", "text": "gold" }));
    assert_eq!(ids(&new.next(2)), ["don", "oder"]);
    // This process is another one too. Removals are told of once they are tracked.
    let db = Database::open(shell.path("rivers.alv")).unwrap();
    let documents = db.collection("documents").unwrap();
    documents.remove("loire").unwrap();
    documents.track_removals().unwrap();
    documents.remove("don").unwrap();
    let removed = all.next(1);
    assert_eq!(
        (&removed[0]["change"], &removed[0]["_id"], names(&removed[0]).len()),
        (&json!("removed"), &json!("don"), 3)
    );
    assert_eq!(new.next(1)[0]["change"], "removed");
    // Whoever stops reading ends it with the next change, and that is no error.
    all.lines = None;
    documents.insert(doc! { "_id": 2 }).unwrap();
    assert!(all.child.wait().unwrap().success());
}

#[test]
fn what_was_there_before_need_not_be_told() {
    let shell = rivers();
    let mut new = Watch::start(&shell, &["rivers.alv", "--since", "new", "--json"]);
    let db = Database::open(shell.path("rivers.alv")).unwrap();
    let documents = db.collection("documents").unwrap();
    let is_told = AtomicBool::new(false);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let first = new.next(1).remove(0);
            is_told.store(true, Ordering::Relaxed);
            first
        });
        // Until it has begun to look.
        for number in 100.. {
            documents.insert(doc! { "_id": number }).unwrap();
            if is_told.load(Ordering::Relaxed) {
                break;
            }
        }
        let first = first.join().unwrap();
        assert!(first["_id"].as_i64().unwrap() >= 100, "{first}");
    });
}
