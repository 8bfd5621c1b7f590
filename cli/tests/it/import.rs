//! Tests of `alluvium import`: what a file holds after one, and after one that went wrong. Sources are
//! small, so that a batch of two or three documents has others before and behind it.

use std::io::Write;

use alluvium::bson::{RawDocumentBuf, parse_json, rawdoc};
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
    for name in
        ["seconds", "documents_per_second", "mb_per_second", "file_bytes", "write_amplification"]
    {
        assert!(report[name].is_number(), "{name} in {report}");
    }
    assert_eq!((&report["documents"], &report["skipped"]), (&json!(5), &json!(0)));
    assert_eq!((&report["format"], &report["files_left_out"]), (&json!("ndjson"), &json!(0)));
    assert_eq!(
        (&report["bytes"], &report["bytes_read"]),
        (&json!(RIVERS.len()), &json!(RIVERS.len()))
    );
    assert_eq!((&report["collections"], &report["indexes"]), (&json!(["documents"]), &json!(0)));
    assert_eq!(report["file_bytes"], shell.read("b.alv").len());
    for stage in ["reading", "analyzing", "writing", "compacting", "closing"] {
        assert!(report[format!("{stage}_seconds")].is_number(), "{stage} in {report}");
    }
    // The same documents again are other documents.
    let again = shell
        .succeed(&["import", "rivers.ndjson", "b.alv", "--collection", "more", "--json"])
        .object();
    assert_eq!((&again["tokens"], &again["terms"]), (&report["tokens"], &report["terms"]));
    assert!(report["tokens"].as_u64() > report["terms"].as_u64(), "{report}");
    // Words are not counted for a few documents beside many.
    shell.write("many.ndjson", numbered(60, &[]));
    shell.succeed(&["import", "many.ndjson", "c.alv"]);
    let few = shell.succeed(&["import", "rivers.ndjson", "c.alv", "--json"]).object();
    assert_eq!((&few["tokens"], &few["terms"]), (&report["tokens"], &json!(null)));
    assert_eq!(names(&report).len(), 21);
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
    let line = |n: u32| format!("{{\"_id\":{n},\"n\":{}}}\n", n.wrapping_mul(2_654_435_761));
    let many: String = (0..900).map(line).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(many.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    shell.write("cut.gz", &packed[..packed.len() / 2]);
    shell.fail(&["import", "cut.gz", "half.alv", "--on-error", "skip"], &["cut.gz: "]);
    assert!(
        found(&shell, "half.alv", "documents").len() >= 300,
        "what came before the cut is kept"
    );
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

#[test]
fn an_analyzer_stays_with_its_collection() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"_id\":\"a\",\"text\":\"Die C++-Flüsse\"}\n");
    shell.write("words.json", r#"{"diacritics": "fold", "tokenizer": "whitespace"}"#);
    let import = ["import", "x.ndjson", "x.alv", "--id", "_id"];
    let with = |analyzer| [&import[..], &["--analyzer", analyzer]].concat();
    shell.succeed(&with("words.json"));
    shell.succeed(&["search", "x.alv", "c++-flusse"]);
    shell.succeed(&with(r#"{"tokenizer": "whitespace", "diacritics": "fold"}"#));
    shell.succeed(&import);
    let said =
        ["collection `documents` was made with", "{\"language\":null", "--analyzer", "reindex"];
    shell.fail(&with(r#"{"tokenizer": "whitespace"}"#), &said);
    let both = [&with("words.json")[..], &["--language", "de"]].concat();
    assert_eq!(shell.run(&both).code, 2);
    for analyzer in [r#"{"soundex": true}"#, "none.json"] {
        assert_eq!(shell.run(&with(analyzer)).code, 2, "{analyzer}");
    }
    let unknown = [&with(r#"{"filters": ["soundex"]}"#)[..], &["--collection", "other"]].concat();
    shell.fail(&unknown, &["no filter \"soundex\""]);
}

/// The documents of a file as lines of JSON, sorted.
fn found(shell: &Shell, database: &str, collection: &str) -> Vec<String> {
    let find = ["find", database, "{}", "--collection", collection];
    let mut lines: Vec<String> = shell.run(&find).stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_format_gives_the_same_documents() {
    let shell = Shell::new();
    let lines = [
        "{\"_id\":1,\"river\":\"Loire\",\"km\":1006}",
        "{\"_id\":2,\"river\":\"Don\",\"km\":1870.5}",
    ];
    let documents: Vec<RawDocumentBuf> =
        lines.iter().map(|line| parse_json(line).unwrap()).collect();
    let bson: Vec<u8> = documents.iter().flat_map(|d| d.as_bytes().to_vec()).collect();
    let utf16: Vec<u8> = format!("\u{FEFF}{}\n", lines.join("\n"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let contents: [(&str, Vec<u8>); 8] = [
        ("a.ndjson", format!("{}\n{}", lines[0], lines[1]).into_bytes()),
        ("b.json", format!("[\n  {},\n  {}\n]\n", lines[0], lines[1]).into_bytes()),
        ("c.json", format!("{{\n{}\n{}\n", &lines[0][1..], lines[1]).into_bytes()),
        ("d.csv", b"_id,river,km\r\n1,Loire,1006\r\n2,\"Don\",1870.5\r\n".to_vec()),
        ("e.csv", b"_id;river;km\n1;Loire;1006\n2;Don;1870.5\n".to_vec()),
        ("f.tsv", b"_id\triver\tkm\n1\tLoire\t1006\n2\tDon\t1870.5\n".to_vec()),
        ("g.bson", bson),
        ("h.ndjson", utf16),
    ];
    for (name, content) in contents {
        let packed = format!("{name}.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&content).unwrap();
        shell.write(name, &content);
        shell.write(&packed, encoder.finish().unwrap());
        for source in [name, &packed] {
            let database = format!("{source}.alv");
            shell.succeed(&["import", source, &database]);
            assert_eq!(found(&shell, &database, "documents"), lines, "{source}");
        }
        let format = match name.split('.').next_back().unwrap() {
            "json" | "ndjson" | "bson" => vec![],
            other => vec!["--format", other],
        };
        let database = format!("{name}.in.alv");
        let arguments = [&["import", "-", &database][..], &format].concat();
        assert_eq!(shell.run_with_input(&arguments, content).code, 0, "{name}");
        assert_eq!(found(&shell, &database, "documents"), lines, "{name}");
    }
}

#[test]
fn what_nothing_tells_is_asked_for() {
    let shell = Shell::new();
    shell.write("x.data", "river,km\nLoire,1006\n");
    shell.fail(&["import", "x.data", "x.alv"], &["x.data: nothing tells what it is", "--format"]);
    assert!(!shell.path("x.alv").exists());
    shell.succeed(&["import", "x.data", "x.alv", "--format", "csv", "--id", "river"]);
    assert_eq!(found(&shell, "x.alv", "documents"), [r#"{"_id":"Loire","km":1006}"#]);
    shell.fail(&["import", "x.data", "x.alv", "--format", "dump"], &["it is a file"]);
}

#[test]
fn documents_are_shaped_before_they_are_stored() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"key\":7,\"Full Name\":\"Ann\",\"a\":{\"b\":1,\"c\":2},\"x\":3}\n");
    let import = ["import", "x.ndjson", "x.alv", "--id", "key", "--fields", "Full Name,a.b"];
    let map = ["--map", "Full Name=name", "--map", "a.b=b"];
    shell.succeed(&[&import[..], &map].concat());
    assert_eq!(found(&shell, "x.alv", "documents"), [r#"{"_id":7,"name":"Ann","b":1}"#]);
    for wrong in [["--map", "a"], ["--map", "_id=a"], ["--map", "a=a"], ["--fields", ""]] {
        assert_eq!(shell.run(&[&import[..], &wrong].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn cells_of_tables_become_what_was_said() {
    let shell = Shell::new();
    shell.write("x.csv", b"1,02134,2020-01-02,caf\xE9\n2,90210,soon,x\n");
    let import =
        ["import", "x.csv", "x.alv", "--columns", "_id,zip,on,name", "--encoding", "latin1"];
    let types = ["--type", "zip=text", "--type", "on=date", "--on-error", "skip"];
    let ran = shell.succeed(&[&import[..], &types].concat());
    assert!(ran.stderr.contains("x.csv, line 2: column `on`: expected a date"), "{ran:?}");
    let expected = r#"{"_id":1,"zip":"02134","on":{"$date":"2020-01-02T00:00:00Z"},"name":"café"}"#;
    assert_eq!(found(&shell, "x.alv", "documents"), [expected]);
    let text = [
        "import",
        "x.csv",
        "y.alv",
        "--columns",
        "_id,a,b,c",
        "--all-text",
        "--encoding",
        "latin1",
    ];
    shell.succeed(&text);
    assert!(found(&shell, "y.alv", "documents")[1].starts_with(r#"{"_id":"2","a":"90210""#));
}

#[test]
fn rejects_hold_what_was_left_out() {
    let shell = Shell::new();
    let mut text = numbered(6, &[2, 5]);
    text.push_str("{\"_id\":\"d1\",\"text\":\"again\"}\n");
    shell.write("x.ndjson", text);
    let import =
        ["import", "x.ndjson", "x.alv", "--batch", "2", "--on-error", "rejects=bad.ndjson"];
    let ran = shell.succeed(&import);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains("Malformed records left out: 3; bad.ndjson has them."), "{ran:?}");
    assert_eq!(documents_found(&shell), [1, 3, 4, 6]);
    let lines = String::from_utf8(shell.read("bad.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(places, [2, 5, 7]);
    assert_eq!(lines[0]["text"], "{\"_id\": \"broken");
    assert_eq!(lines[0]["offset"], numbered(1, &[]).len());
    assert_eq!(lines[2]["document"]["text"], "again");
    assert!(lines[2]["reason"].as_str().unwrap().contains("d1"));
    shell.succeed(&["check", "x.alv", "--deep"]);
}

#[test]
fn what_was_read_before_a_source_ends_in_damage_is_kept_if_records_are_left_out() {
    let shell = Shell::new();
    let documents: Vec<u8> =
        (1..=5).flat_map(|n| rawdoc! { "_id": format!("d{n}") }.into_bytes()).collect();
    shell.write("x.bson", [&documents[..], &[1, 0, 0, 0, 9]].concat());
    shell.fail(&["import", "x.bson", "y.alv"], &["x.bson, record 6: "]);
    let skip = ["import", "x.bson", "x.alv", "--on-error", "skip"];
    shell.fail(&skip, &["x.bson, record 6: 1 stands here", "x.alv holds the 5 documents"]);
    assert_eq!(documents_found(&shell), [1, 2, 3, 4, 5]);
    shell.succeed(&["check", "x.alv", "--deep"]);
}

#[test]
fn a_folder_of_texts_becomes_a_collection_and_again_the_same() {
    let shell = Shell::new();
    std::fs::create_dir_all(shell.path("notes/deep")).unwrap();
    shell.write("notes/gold.md", "# Gold\n\nSettles where a *river* slows.\n");
    shell
        .write("notes/deep/page.html", "<title>Silver</title><p>Ore &amp; veins<script>x</script>");
    shell.write("notes/photo.jpg", b"\xFF\xD8\0");
    for _ in 0..2 {
        let ran = shell.succeed(&["import", "notes", "x.alv", "--language", "en"]);
        assert!(ran.stdout.contains("Files left out that are no text: 1."), "{ran:?}");
    }
    let found = found(&shell, "x.alv", "documents");
    assert_eq!(found.len(), 2);
    assert!(
        found[0].starts_with(
            r#"{"_id":"deep/page.html","title":"Silver","body":"Ore & veins","modified":"#
        ),
        "{found:?}"
    );
    assert!(
        found[1].starts_with(
            r#"{"_id":"gold.md","title":"Gold","headings":["Gold"],"body":"Gold\nSettles"#
        ),
        "{found:?}"
    );
    let hit = shell.succeed(&["search", "x.alv", "rivers", "--json"]).object();
    assert_eq!(hit["id"], "gold.md");
    shell.succeed(&["import", "notes/gold.md", "y.alv"]);
}

#[test]
fn a_dump_brings_its_collections_and_indexes() {
    let shell = Shell::new();
    let bson = |numbers: std::ops::Range<i32>| -> Vec<u8> {
        numbers
            .flat_map(|n| {
                rawdoc! { "_id": n, "km": n * 10, "text": "A running river" }.into_bytes()
            })
            .collect()
    };
    std::fs::create_dir_all(shell.path("dump/atlas")).unwrap();
    shell.write("dump/atlas/rivers.bson", bson(0..4));
    shell.write(
        "dump/atlas/rivers.metadata.json",
        r#"{"indexes":[{"key":{"_id":1},"name":"_id_"},{"key":{"km":-1},"name":"km_-1"},{"key":{"p":"2d"},"name":"p_2d"},{"key":{"_fts":"text","_ftsx":1},"name":"t","weights":{"text":1},"default_language":"english"}],"collectionName":"rivers"}"#,
    );
    shell.write("dump/atlas/lakes.bson", bson(5..7));
    let ran = shell.succeed(&["import", "dump", "x.alv", "--json"]);
    assert!(ran.stderr.contains("atlas.rivers: index `p_2d` is not made"), "{ran:?}");
    let report = ran.object();
    assert_eq!((&report["documents"], &report["indexes"]), (&json!(6), &json!(1)));
    assert_eq!(
        (&report["format"], &report["collections"]),
        (&json!("dump"), &json!(["lakes", "rivers"]))
    );
    assert_eq!(
        (found(&shell, "x.alv", "rivers").len(), found(&shell, "x.alv", "lakes").len()),
        (4, 2)
    );
    let list =
        shell.succeed(&["index", "list", "x.alv", "--collection", "rivers", "--json"]).object();
    assert_eq!(list["name"], "km_-1");
    assert_eq!(shell.run(&["search", "x.alv", "run", "--collection", "rivers"]).code, 0);
    assert_eq!(shell.run(&["search", "x.alv", "run", "--collection", "lakes"]).code, 1);

    let named = ["import", "dump", "y.alv", "--collection", "waters"];
    shell.fail(&named, &["would be mixed in `waters`", "atlas.lakes, atlas.rivers"]);
    shell.succeed(&[&named[..], &["--only", "lakes"]].concat());
    assert_eq!(found(&shell, "y.alv", "waters").len(), 2);
    shell.fail(&["import", "dump", "z.alv", "--only", "seas"], &["no collection `seas`"]);
}

#[test]
fn progress_is_told_in_lines_when_it_takes_long() {
    let shell = Shell::new();
    let text = "gold silver copper river lake ".repeat(40);
    let line = |n: u32| format!("{{\"_id\":{n},\"text\":\"{text}\"}}\n");
    let lines: String = (0..6000).map(line).collect();
    shell.write("x.ndjson", lines);
    let ran = shell.succeed(&["import", "x.ndjson", "x.alv", "--json"]);
    for line in ran.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["stage"] == "closing" {
            assert_eq!(names(&line), ["stage", "done_bytes", "total_bytes"], "{line}");
            continue;
        }
        assert_eq!(names(&line).len(), 7, "{line}");
        assert!(line["documents"].as_u64().unwrap() < 6000 && line["bytes"].is_number());
    }
    let report = ran.object();
    let seconds = ["seconds", "closing_seconds"].map(|name| report[name].as_f64().unwrap());
    let seconds: f64 = seconds.iter().sum();
    assert!(f64::from(u32::try_from(ran.stderr.lines().count()).unwrap()) <= seconds, "{ran:?}");
}

/// Imports into `killed.alv` until that ends by itself, and kills it before again and again.
fn import_and_kill(shell: &Shell, rng: &mut fastrand::Rng, arguments: &[&str]) {
    let (mut kills, mut rounds) = (0, 0);
    loop {
        rounds += 1;
        assert!(rounds < 1000, "the import gets nowhere");
        let mut child = shell.start(arguments);
        // Killed as soon as the file has grown by so many bytes; later rounds may end by themselves.
        let more =
            rng.u64(0..200_000) * u64::from(kills < 12) + 1_000_000_000 * u64::from(kills >= 12);
        let before = shell.len("killed.alv");
        let ended = loop {
            if let Some(status) = child.try_wait().expect("its status") {
                break Some(status);
            }
            if shell.len("killed.alv") > before + more {
                child.kill().expect("it is ours");
                child.wait().expect("it ends");
                break None;
            }
            std::thread::yield_now();
        };
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "{kills}");
}

/// `kill -9` at random moments, until an import has ended by itself: the file is that of an import that nobody disturbed.
#[test]
fn an_import_that_is_killed_again_and_again_ends_as_one_that_is_not() {
    let shell = Shell::new();
    let mut rng = fastrand::Rng::with_seed(9);
    let words = ["gold", "river", "silt", "bed", "pan"];
    let mut lines = String::new();
    for number in 0..6000 {
        let text: Vec<&str> = (0..rng.usize(1..30)).map(|_| words[rng.usize(..5)]).collect();
        lines += &json!({ "_id": number, "text": text.join(" "), "number": number }).to_string();
        lines.push('\n');
        // Now and then a record that is left out.
        if rng.u8(..100) == 0 {
            lines += "{\"_id\": \"broken\n";
        }
    }
    shell.write("list.ndjson", &lines);
    let arguments = |database| {
        [
            "import",
            "list.ndjson",
            database,
            "--resume",
            "--on-error",
            "skip",
            "--batch",
            "150",
            "--json",
        ]
    };
    shell.succeed(&arguments("whole.alv"));
    import_and_kill(&shell, &mut rng, &arguments("killed.alv"));
    shell.succeed(&["check", "killed.alv", "--deep"]);
    for query in ["gold", "+river +silt", "\"pan bed\"", "number:7 gold -silt"] {
        let found = |database| {
            let ran = shell.run(&["search", database, query, "--limit", "50", "--json"]);
            ran.stdout
                .lines()
                .filter(|line| line.contains("\"score\""))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(found("killed.alv"), found("whole.alv"), "{query}");
    }
    let count = |database| shell.run(&["find", database, "{}", "--count", "--json"]).stdout;
    assert_eq!(count("killed.alv"), count("whole.alv"));
}

/// The same for a folder and an archive of mongodump: each collection has a mark of its own, and the furthest one counts.
#[test]
fn a_dump_that_is_killed_again_and_again_ends_as_one_that_is_not() {
    let shell = Shell::new();
    let mut rng = fastrand::Rng::with_seed(10);
    let names = ["lakes", "rivers", "seas"];
    let mut documents = |from: i32, len: i32| -> Vec<RawDocumentBuf> {
        let text = |rng: &mut fastrand::Rng| "gold ".repeat(rng.usize(1..30));
        (from..from + len).map(|id| rawdoc! { "_id": id, "text": text(&mut rng) }).collect()
    };
    std::fs::create_dir_all(shell.path("dump/atlas")).unwrap();
    let mut archive = dumped_archive(&names);
    for (name, len) in names.into_iter().zip([1500, 2000, 700]) {
        let documents = documents(0, len);
        let bytes: Vec<u8> = documents.iter().flat_map(|d| d.as_bytes().to_vec()).collect();
        shell.write(&format!("dump/atlas/{name}.bson"), &bytes);
    }
    // Collections that take turns.
    for round in 0..7 {
        for name in names {
            let documents = documents(round * 200, 200);
            archive.extend(archive_block(name, &documents));
        }
    }
    for name in names {
        archive.extend(rawdoc! { "db": "atlas", "collection": name, "EOF": true }.as_bytes());
        archive.extend([0xFF; 4]);
    }
    shell.write("atlas.archive", archive);
    for source in ["dump", "atlas.archive"] {
        let arguments = |database| ["import", source, database, "--resume", "--batch", "60"];
        shell.succeed(&arguments("whole.alv"));
        import_and_kill(&shell, &mut rng, &arguments("killed.alv"));
        shell.succeed(&["check", "killed.alv", "--deep"]);
        for name in names {
            let exported =
                |database| shell.succeed(&["export", database, "--collection", name]).stdout;
            assert!(exported("killed.alv") == exported("whole.alv"), "{source}: {name}");
        }
        // All of it was read.
        let again = shell.succeed(&["import", source, "killed.alv", "--resume", "--json"]);
        assert_eq!(again.object()["documents"], 0);
        for database in ["whole.alv", "killed.alv"] {
            std::fs::remove_file(shell.path(database)).unwrap();
        }
    }
}

/// What an archive of mongodump begins with.
fn dumped_archive(names: &[&str]) -> Vec<u8> {
    let mut archive = 0x8199_e26d_u32.to_le_bytes().to_vec();
    archive.extend(rawdoc! { "concurrent_collections": 4, "version": "0.1" }.as_bytes());
    for name in names {
        let listed = rawdoc! { "db": "atlas", "collection": *name, "metadata": "{}", "size": 0, "type": "collection" };
        archive.extend(listed.as_bytes());
    }
    archive.extend([0xFF; 4]);
    archive
}

/// Some documents of a collection, in an archive.
fn archive_block(name: &str, documents: &[RawDocumentBuf]) -> Vec<u8> {
    let header = rawdoc! { "db": "atlas", "collection": name, "EOF": false, "CRC": 0_i64 };
    let all = std::iter::once(&header).chain(documents);
    let mut block: Vec<u8> = all.flat_map(|document| document.as_bytes().to_vec()).collect();
    block.extend([0xFF; 4]);
    block
}

#[test]
fn what_was_left_out_of_a_dump_or_begins_anew_is_not_behind_a_mark() {
    let shell = Shell::new();
    std::fs::create_dir_all(shell.path("dump/atlas")).unwrap();
    for (name, id) in [("lakes", 1), ("rivers", 2)] {
        shell.write(&format!("dump/atlas/{name}.bson"), rawdoc! { "_id": id }.as_bytes());
    }
    let import = |more: &[&str]| {
        let ran = shell.succeed(&[&["import", "dump", "a.alv", "--json"], more].concat());
        ran.object()["documents"].clone()
    };
    assert_eq!(import(&["--only", "rivers", "--resume"]), 1);
    assert_eq!(import(&["--only", "rivers", "--resume"]), 0);
    // The rivers are there, and another import.
    let skip = ["--on-error", "skip", "--resume"];
    assert_eq!(import(&skip), 1);
    assert_eq!(import(&["--resume"]), 0);
    // One that begins anew is gone on with from its beginning, when nothing of it was committed.
    assert_eq!(import(&["--id", "_id", "--only", "rivers"]), 1);
    shell.fail(&["import", "dump", "a.alv"], &["_id"]);
    assert_eq!(import(&["--id", "_id", "--resume"]), 2);
    let ran = shell.run_with_input(&["import", "-", "a.alv", "--resume"], "{}\n");
    assert!(ran.code == 2 && ran.stderr.contains("stream"), "{ran:?}");
}

#[test]
fn copies_go_on_with_an_import_and_what_lost_documents_begins_anew() {
    let shell = Shell::new();
    shell.write("x.ndjson", numbered(20, &[]));
    shell.succeed(&["import", "x.ndjson", "x.alv"]);
    shell.succeed(&["backup", "x.alv", "copy.alv"]);
    shell.succeed(&["backup", "x.alv", "near.alv", "--reorder"]);
    shell.succeed(&["repair", "x.alv", "repaired.alv"]);
    let segments = shell.succeed(&["segments", "x.alv", "--json"]).json();
    let docs = segments.iter().find(|found| found["keyspace"] == "documents/docs");
    let page = docs.unwrap()["segment"]["start_page"].as_u64().unwrap();
    let start = usize::try_from(page).unwrap() * 4096;
    let mut bytes = shell.read("x.alv");
    bytes[start..start + 8].fill(0xFF);
    shell.write("x.alv", &bytes);
    assert_eq!(shell.run(&["repair", "x.alv", "poorer.alv"]).code, 1);
    shell.write("x.ndjson", numbered(23, &[]));
    for (database, expected) in
        [("copy.alv", 3), ("near.alv", 3), ("repaired.alv", 3), ("poorer.alv", 23)]
    {
        let ran = shell.succeed(&["import", "x.ndjson", database, "--resume", "--json"]);
        assert_eq!(ran.object()["documents"], expected, "{database}");
        let count = shell.succeed(&["find", database, "{}", "--count"]).stdout;
        assert_eq!(count, "23\n", "{database}");
        shell.succeed(&["check", database, "--deep"]);
    }
}

#[test]
fn documents_that_are_indexed_only_are_found_and_not_shown() {
    let shell = rivers();
    shell.succeed(&["import", "rivers.ndjson", "index.alv", "--index-only"]);
    let hits = |database: &str| {
        let hits = shell.succeed(&["search", database, "gold river", "--json"]).json();
        hits.iter().map(|hit| (hit["id"].clone(), hit["score"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(hits("index.alv"), hits("rivers.alv"));
    let first = &shell.succeed(&["search", "index.alv", "gold", "--json"]).json()[0];
    assert!(first["document"].is_null() && first["snippet"].is_null(), "{first}");
    let shown = shell.succeed(&["search", "index.alv", "sang"]).stdout;
    assert!(shown.contains("rhine") && !shown.contains("The Rhine"), "{shown}");
    let nothing = shell.run(&["search", "index.alv", "sangg"]);
    assert_eq!((nothing.code, nothing.stderr.as_str()), (1, ""));
    assert!(shell.len("index.alv") <= shell.len("rivers.alv"));
    for verb in [
        &["get", "index.alv", "rhine"] as &[&str],
        &["find", "index.alv", r#"{"title": "Silver"}"#],
        &["export", "index.alv"],
        &["reindex", "index.alv"],
        &["watch", "index.alv", "--once"],
    ] {
        shell.fail(verb, &["index.alv", "does not store documents", "import anew"]);
    }
    // It stays what it is, and takes more; none takes the place of another.
    shell.write("more.ndjson", "{\"_id\":\"oder\",\"text\":\"silver\"}\n");
    shell.succeed(&["import", "more.ndjson", "index.alv"]);
    assert_eq!(shell.succeed(&["search", "index.alv", "silver", "--json"]).json().len(), 2);
    shell.fail(&["import", "more.ndjson", "index.alv", "--id", "_id"], &["remove_document"]);
    shell.fail(&["import", "more.ndjson", "rivers.alv", "--index-only"], &["leave out"]);
    assert_eq!(shell.succeed(&["check", "index.alv", "--deep"]).stdout, "ok\n");
}

/// The source stays open until lines have told of all that it gave: the reader waits, and the lines come nevertheless.
#[test]
fn lines_of_progress_say_how_far_each_stage_is() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let shell = Shell::new();
    let mut import = Command::new(env!("CARGO_BIN_EXE_alluvium"))
        .current_dir(shell.path("."))
        .args(["import", "-", "x.alv", "--id", "_id", "--batch", "3", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = import.stdin.take().expect("it was piped");
    input.write_all(numbered(300, &[]).as_bytes()).expect("the import reads");
    let lines = BufReader::new(import.stderr.take().expect("it was piped")).lines();
    let mut lines = lines.map(|line| json_object(&line.expect("text")));
    let number = |line: &serde_json::Value, name: &str| line[name].as_u64().expect("a number");
    // Two batches are under way when the source gives no more.
    let told = lines.find(|line| number(line, "stored") >= 294).expect("a line");
    assert!(number(&told, "analyzed") >= number(&told, "stored"), "{told}");
    assert!(number(&told, "documents") >= number(&told, "analyzed"), "{told}");
    assert!(number(&told, "bytes_written") > 0, "{told}");
    assert!(lines.next().is_some(), "they go on");
    drop(input);
    lines.for_each(drop);
    assert!(import.wait().expect("it ends").success());
}

fn json_object(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("a line of JSON")
}
