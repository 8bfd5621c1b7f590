//! Tests of `alluvium demo`: one file, one object, and no file of anybody else touched. The first test
//! imports the whole bundled corpus and is the slowest of the command's.

use crate::{Shell, rivers};

#[test]
fn the_demo_builds_searches_and_measures_and_then_reuses_its_file() {
    let shell = Shell::new();
    let first = shell.succeed(&["demo", "--json"]).object();
    assert_eq!(first["documents"], 10_033);
    assert_eq!(first["reused"], false);
    for name in ["queries", "map", "ndcg_at_10", "mrr", "file_bytes", "documents_per_second"] {
        assert!(first[name].as_f64().is_some_and(|value| value > 0.0), "{name} in {first}");
    }
    shell.succeed(&["check", "alluvium-demo.alv"]);
    assert_eq!(std::fs::read_dir(shell.path(".")).unwrap().count(), 1);

    let again = shell.succeed(&["demo", "--json"]).object();
    assert_eq!((&again["reused"], &again["map"]), (&true.into(), &first["map"]));
    assert!(again["documents_per_second"].is_null());

    let text = shell.succeed(&["demo"]);
    for part in ["10,033", "Titan", "MAP", "search alluvium-demo.alv"] {
        assert!(text.stdout.contains(part), "{part} in {}", text.stdout);
    }
    assert!(!text.stdout.contains('\u{1b}') && text.stderr.is_empty());
    shell.fail(&["demo", "--language", "de"], &["alluvium-demo.alv", "was made with"]);
    shell.succeed(&["search", "alluvium-demo.alv", "who painted the night watch"]);
}

#[test]
fn the_demo_leaves_other_files_alone() {
    let shell = rivers();
    shell.fail(&["demo", "rivers.alv"], &["rivers.alv: ", "other collections"]);
    shell.succeed(&["get", "rivers.alv", "rhine"]);
    shell.succeed(&["check", "rivers.alv", "--deep"]);

    shell.write("empty.alv", "");
    shell.fail(&["demo", "empty.alv"], &["empty.alv: ", "leaves it alone"]);
    assert!(shell.read("empty.alv").is_empty());

    shell.write("rivers2.ndjson", crate::RIVERS);
    let import = ["import", "rivers2.ndjson", "own.alv", "--collection", "wikipedia-vital-en"];
    shell.succeed(&import);
    shell.fail(&["demo", "own.alv"], &["own.alv: ", "not those of the demo"]);
}
