//! Tests of `alluvium import`: what a file holds after one, and after one that went wrong. Sources are
//! small, so that a batch of two or three documents has others before and behind it.

use std::io::Write;

use serde_json::json;

use crate::{RIVERS, Shell, names, rivers};

/// `count` documents d1, d2, …, and a malformed line in place of each number in `malformed`.
fn numbered(count: usize, malformed: &[usize]) -> String {
    let line = |number| {
        if malformed.contains(&number) {
            "{\"_id\": \"broken\n".to_owned()
        } else {
            format!("{{\"_id\":\"d{number}\",\"text\":\"gold number {number}\"}}\n")
        }
    };
    (1..=count).map(line).collect()
}

fn documents_found(shell: &Shell) -> Vec<usize> {
    let there = |number: &usize| shell.run(&["get", "x.alv", &format!("d{number}")]).code == 0;
    (1..=12).filter(there).collect()
}

#[test]
fn documents_come_back_as_they_were() {
    let shell = rivers();
    let rhine = shell.succeed(&["get", "rivers.alv", "rhine"]).stdout;
    assert_eq!(Some(rhine.trim_end()), RIVERS.lines().next());
    let panning = shell.succeed(&["get", "rivers.alv", "7", "--json"]).object();
    assert_eq!(panning["title"], "Panning");
    for id in ["65a1b2c3d4e5f60718293a4b", r#"{"$oid":"65a1b2c3d4e5f60718293a4b"}"#] {
        assert_eq!(shell.succeed(&["get", "rivers.alv", id]).object()["title"], "Silver");
    }
    for id in ["seine", "8", "", "-1", "{"] {
        let ran = shell.run(&["get", "rivers.alv", id]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{id}: {ran:?}");
    }
}

#[test]
fn the_report_is_text_or_one_object() {
    let shell = Shell::new();
    shell.write("rivers.ndjson", RIVERS);
    let text = shell.succeed(&["import", "rivers.ndjson", "a.alv"]);
    assert!(text.stdout.starts_with("Imported 5 documents ("), "{text:?}");
    assert!(text.stdout.contains("a.alv has "), "{text:?}");
    assert_eq!(text.stderr, "");
    let report = shell.succeed(&["import", "rivers.ndjson", "b.alv", "--json"]).object();
    for name in ["seconds", "documents_per_second", "mb_per_second", "file_bytes"] {
        assert!(report[name].is_number(), "{name} in {report}");
    }
    assert_eq!((&report["documents"], &report["skipped"]), (&json!(5), &json!(0)));
    assert_eq!(report["bytes"], RIVERS.len());
    assert_eq!(report["collection"], "documents");
    assert_eq!(report["file_bytes"], shell.read("b.alv").len());
    assert_eq!(names(&report).len(), 8);
}

#[test]
fn stop_keeps_the_batches_before_the_malformed_line_and_nothing_of_its_own() {
    let shell = Shell::new();
    shell.write("x.ndjson", numbered(12, &[8]));
    let arguments = ["import", "x.ndjson", "x.alv", "--batch", "3"];
    let said = ["x.ndjson, line 8: invalid JSON", "x.alv holds 6 documents", "--on-error skip"];
    let ran = shell.fail(&arguments, &said);
    assert_eq!(ran.stdout, "");
    assert_eq!(documents_found(&shell), [1, 2, 3, 4, 5, 6]);
    shell.succeed(&["check", "x.alv", "--deep"]);
}

#[test]
fn stop_on_the_first_line_leaves_an_empty_collection() {
    let shell = Shell::new();
    shell.write("x.ndjson", numbered(3, &[1]));
    shell.fail(&["import", "x.ndjson", "x.alv"], &["line 1:", "holds 0 documents"]);
    assert_eq!(shell.run(&["search", "x.alv", "gold"]).code, 1);
    shell.succeed(&["check", "x.alv", "--deep"]);
}

#[test]
fn skip_names_every_malformed_line_and_goes_on() {
    let shell = Shell::new();
    let mut text = numbered(10, &[1, 5, 10]);
    text.push_str("[1]\n\n\"a\"\n");
    shell.write("x.ndjson", text);
    let skip = ["import", "x.ndjson", "x.alv", "--batch", "2", "--on-error", "skip", "--json"];
    let ran = shell.succeed(&skip);
    let said: Vec<_> = ran.stderr.lines().map(|line| line.split(':').next().unwrap()).collect();
    let lines = [1, 5, 10, 11, 13].map(|line| format!("x.ndjson, line {line}"));
    assert_eq!(said, lines);
    let report = ran.object();
    assert_eq!((&report["documents"], &report["skipped"]), (&json!(7), &json!(5)));
    assert_eq!(documents_found(&shell), [2, 3, 4, 6, 7, 8, 9]);
}

#[test]
fn with_an_id_field_importing_again_replaces() {
    let shell = Shell::new();
    shell.write(
        "a.ndjson",
        "{\"key\":\"a\",\"text\":\"gold\"}\n{\"key\":\"b\",\"text\":\"silver\"}\n",
    );
    shell.write(
        "b.ndjson",
        "{\"key\":\"b\",\"text\":\"copper\"}\n{\"key\":\"b\",\"text\":\"gold\"}\n",
    );
    for source in ["a.ndjson", "a.ndjson", "b.ndjson"] {
        shell.succeed(&["import", source, "x.alv", "--id", "key", "--language", "en"]);
    }
    let ids: Vec<_> = shell.succeed(&["search", "x.alv", "gold", "--json"]).json();
    let mut ids: Vec<_> = ids.iter().map(|hit| hit["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(shell.run(&["search", "x.alv", "silver"]).code, 1);
    assert_eq!(shell.run(&["search", "x.alv", "copper"]).code, 1);
    assert_eq!(shell.succeed(&["get", "x.alv", "b"]).stdout, "{\"_id\":\"b\",\"text\":\"gold\"}\n");
    shell.succeed(&["check", "x.alv", "--deep"]);
}

#[test]
fn without_an_id_field_a_known_id_makes_the_line_malformed() {
    let shell = rivers();
    let again = ["import", "rivers.ndjson", "rivers.alv"];
    shell.fail(&again, &["rivers.ndjson, line 1: ", "rhine"]);
    let ran = shell.succeed(&[&again[..], &["--on-error", "skip", "--json"]].concat());
    assert_eq!((&ran.object()["documents"], &ran.object()["skipped"]), (&json!(0), &json!(5)));
    shell.succeed(&["check", "rivers.alv", "--deep"]);
}

#[test]
fn a_document_without_the_id_field_is_malformed() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"text\":\"gold\"}\n");
    let arguments = ["import", "x.ndjson", "x.alv", "--id", "key"];
    shell.fail(&arguments, &["x.ndjson, line 1: the document has no field `key`"]);
}

#[test]
fn documents_without_an_id_get_one() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"text\":\"gold\"}\n{\"text\":\"gold\"}\n");
    shell.succeed(&["import", "x.ndjson", "x.alv"]);
    let hits = shell.succeed(&["search", "x.alv", "gold", "--json"]).json();
    assert_eq!(hits.len(), 2);
    let id = hits[0]["id"]["$oid"].as_str().expect("an object id");
    shell.succeed(&["get", "x.alv", id]);
}

#[test]
fn compressed_text_and_standard_input_are_read() {
    let shell = Shell::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(numbered(12, &[]).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    shell.write("x.ndjson.gz", &packed);
    shell.succeed(&["import", "x.ndjson.gz", "x.alv"]);
    assert_eq!(documents_found(&shell).len(), 12);

    for (name, input) in [("plain", numbered(4, &[]).into_bytes()), ("packed", packed.clone())] {
        let ran = shell.run_with_input(&["import", "-", &format!("{name}.alv")], input);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
    }

    shell.write("cut.gz", &packed[..packed.len() / 2]);
    shell.fail(&["import", "cut.gz", "cut.alv"], &["cut.gz: "]);
    shell.succeed(&["check", "cut.alv"]);
}

#[test]
fn a_missing_source_makes_no_database() {
    let shell = Shell::new();
    shell.fail(&["import", "none.ndjson", "x.alv"], &["none.ndjson: "]);
    assert!(!shell.path("x.alv").exists());
}

#[test]
fn an_empty_source_makes_an_empty_database() {
    let shell = Shell::new();
    shell.write("x.ndjson", "\n");
    let report = shell.succeed(&["import", "x.ndjson", "x.alv", "--json"]).object();
    assert_eq!(report["documents"], 0);
    assert_eq!(shell.run(&["search", "x.alv", "gold"]).code, 1);
}

#[test]
fn a_language_stays_with_its_collection() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"_id\":\"a\",\"text\":\"The running rivers\"}\n");
    let import = ["import", "x.ndjson", "x.alv", "--id", "_id"];
    let with = |language| [&import[..], &["--language", language]].concat();
    shell.succeed(&with("en"));
    shell.succeed(&with("english"));
    shell.succeed(&import);
    shell.fail(&with("de"), &["x.alv: collection `documents` was made with", "--language"]);
    let other = [&with("de")[..], &["--collection", "german"]].concat();
    shell.succeed(&other);
}
