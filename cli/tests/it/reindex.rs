//! `reindex`: what is found afterwards, what is told, and what is refused. After each change the deep check reads the whole file,
//! and what the command line does not say of an index has to stay as it was.

use alluvium::Database;
use serde_json::Value;

use crate::Shell;

fn shell() -> Shell {
    let shell = Shell::new();
    let line = |number: u32| {
        format!("{{\"_id\":\"{number}\",\"title\":\"Pans\",\"text\":\"river {number}\"}}\n")
    };
    shell.write("documents.ndjson", (0..40).map(line).collect::<String>());
    shell.succeed(&["import", "documents.ndjson", "notes.alv", "--id", "_id"]);
    shell
}

/// How many documents are found, and that the file is sound.
fn found(shell: &Shell, query: &str) -> usize {
    assert_eq!(shell.succeed(&["check", "notes.alv", "--deep"]).stdout, "ok\n");
    let ran = shell.run(&["search", "notes.alv", query, "--json", "--limit", "100"]);
    ran.stdout.lines().count()
}

#[test]
fn an_index_gets_another_language_and_other_paths_and_keeps_what_is_not_said() {
    let shell = shell();
    assert_eq!((found(&shell, "panning"), found(&shell, "rivers")), (0, 0));
    let told = shell.succeed(&["reindex", "notes.alv", "--language", "en", "--json"]).stdout;
    let told: Value = serde_json::from_str(told.trim()).expect("one JSON object");
    assert_eq!((&told["index"], &told["documents"]), (&"default".into(), &40.into()));
    assert!(told["seconds"].is_number() && told["file_bytes"].is_number(), "{told}");
    assert_eq!((found(&shell, "panning"), found(&shell, "rivers")), (40, 40));
    let fields = ["--field", "title^2", "--field", "tags"];
    let told = shell.succeed(&[&["reindex", "notes.alv", "default"], &fields[..]].concat()).stdout;
    assert!(told.starts_with("Built the text index default of 40 documents anew in "), "{told}");
    assert_eq!((found(&shell, "panning"), found(&shell, "rivers")), (40, 0));
    shell.succeed(&["reindex", "notes.alv"]);
    assert_eq!((found(&shell, "panning"), found(&shell, "rivers")), (40, 0));
    assert_eq!(shell.succeed(&["reindex", "notes.alv", "--cancel"]).stdout, "");
    assert_eq!((found(&shell, "panning"), found(&shell, "rivers")), (40, 0));
    shell.succeed(&["reindex", "notes.alv", "--field", "$**", "--language", "none"]);
    assert_eq!((found(&shell, "panning"), found(&shell, "river")), (0, 40));
}

/// The words whose pairs are terms of the index.
fn paired_words(shell: &Shell) -> Vec<String> {
    let database = Database::open(shell.path("notes.alv")).expect("nobody else has it open");
    let names = database.collection_names().expect("the catalog is sound");
    let notes = database.collection(&names[0]).expect("it is there");
    notes.text_indexes().expect("the catalog is sound").swap_remove(0).1.paired_words
}

#[test]
fn pairs_of_the_most_frequent_words_are_terms_as_long_as_somebody_wants_them() {
    let shell = shell();
    assert_eq!((paired_words(&shell).len(), found(&shell, "\"river 7\"")), (0, 1));
    shell.succeed(&["reindex", "notes.alv", "--pairs", "12"]);
    let words = paired_words(&shell);
    // Those that 40 documents hold, and in the order of the alphabet those that one holds.
    assert_eq!(words[..4], ["pans", "river", "0", "1"]);
    assert_eq!(
        (words.len(), found(&shell, "\"river 0\""), found(&shell, "\"river 7\"")),
        (12, 1, 1)
    );
    shell.succeed(&["reindex", "notes.alv", "--language", "en"]);
    assert_eq!(paired_words(&shell), words);
    assert_eq!((found(&shell, "\"rivers 0\""), found(&shell, "\"pan 0\"")), (1, 0));
    shell.succeed(&["reindex", "notes.alv", "--pairs", "0"]);
    assert_eq!((paired_words(&shell).len(), found(&shell, "\"rivers 7\"")), (0, 1));
}

#[test]
fn what_is_not_there_or_cannot_be_is_refused() {
    let shell = shell();
    shell.fail(&["reindex", "notes.alv", "title"], &["no text index title", "default"]);
    shell.fail(&["reindex", "missing.alv"], &["missing.alv"]);
    shell.fail(&["reindex", "notes.alv", "--collection", "books"], &["books", "documents"]);
    let twice = ["reindex", "notes.alv", "--field", "title", "--field", "title^2"];
    shell.fail(&twice, &["title is given twice"]);
    assert_eq!(shell.run(&["reindex", "notes.alv", "--language", "tlh"]).code, 2);
    assert_eq!(found(&shell, "river"), 40);
}
