//! Tests of `alluvium search`: hits, exit codes, what goes where, and no escape codes in pipes. What the
//! ranking itself has to be is tested in the library.

use std::process::{Command, Stdio};

use crate::{Shell, names, rivers};

#[test]
fn exit_codes_tell_hits_from_none_and_from_errors() {
    let shell = rivers();
    let found = shell.succeed(&["search", "rivers.alv", "gold"]);
    assert!(found.stdout.contains("Panning"), "{found:?}");
    assert!(found.stdout.contains("3 of 3 matches shown"), "{found:?}");
    for arguments in
        [&["zirconium"] as &[&str], &["gold", "--offset", "3"], &["..."], &["--", "-gold"]]
    {
        let ran = shell.run(&[&["search", "rivers.alv"], arguments].concat());
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
    }
    shell.fail(
        &["search", "rivers.alv", "gold", "--collection", "seas"],
        &["rivers.alv: there is no collection `seas`", "documents"],
    );
}

#[test]
fn hits_are_distinct_and_show_the_fields_that_are_asked_for() {
    let shell = rivers();
    shell.write(
        "more.ndjson",
        r#"{"_id":"x","title":"Panning","text":"gold, gold and much more of that"}"#,
    );
    shell.succeed(&["import", "more.ndjson", "rivers.alv"]);
    let search = ["search", "rivers.alv", "gold", "--json", "--fields", "title,text.x"];
    assert_eq!(shell.succeed(&search).json().len(), 4);
    let distinct = shell.succeed(&[&search[..], &["--distinct", "title"]].concat()).json();
    assert_eq!(distinct.len(), 3);
    for hit in &distinct {
        assert_eq!(names(&hit["document"]), ["_id", "title"], "{hit}");
    }
    let across =
        ["search", "rivers.alv", "gold", "--combine-fields", "--index", "default", "--explain"];
    assert!(shell.succeed(&across).stdout.contains("gold as in one field"));
    let get = shell.succeed(&["get", "rivers.alv", "x", "--fields=-text,-_id"]);
    assert_eq!(get.stdout, "{\"title\":\"Panning\"}\n");
    let find = shell.succeed(&["find", "rivers.alv", r#"{"_id": "x"}"#, "--fields", "title,-_id"]);
    assert_eq!(find.stdout, get.stdout);
    shell.fail(
        &["find", "rivers.alv", "{}", "--fields", "title,-text"],
        &["at text: paths are either"],
    );
    shell.fail(&["search", "rivers.alv", "gold", "--index", "x"], &["x"]);
}

#[test]
fn feedback_finds_more_and_says_what_its_numbers_are() {
    let shell = rivers();
    let search = ["search", "rivers.alv", "gold"];
    assert!(shell.succeed(&search).stdout.contains("3 of 3 matches"));
    for feedback in ["--feedback", "--feedback=3", "--feedback=3,5", "--feedback=3,5,0.5"] {
        let found = shell.succeed(&[&search[..], &[feedback]].concat());
        assert!(found.stdout.contains("4 of 4 matches"), "{feedback}: {found:?}");
    }
    let required = shell.succeed(&["search", "rivers.alv", "--feedback", "+gold"]);
    assert!(required.stdout.contains("3 of 3 matches"), "{required:?}");
    for (wrong, told) in [("0", "words and documents are 1 to 100"), ("a", "as in 10,20,0.8")] {
        let ran = shell.run(&[&search[..], &[format!("--feedback={wrong}").as_str()]].concat());
        assert!(ran.code == 2 && ran.stderr.contains(told), "{ran:?}");
    }
}

#[test]
fn what_goes_into_a_pipe_is_plain_text() {
    let shell = rivers();
    shell.write(
        "odd.ndjson",
        r#"{"_id":"e","title":"\u001b[31mred\u001b[0m gold","text":"gold \u001b]0;x\u0007"}"#,
    );
    shell.succeed(&["import", "odd.ndjson", "rivers.alv"]);
    for arguments in [
        &["search", "rivers.alv", "gold \"wild river"] as &[&str],
        &["search", "rivers.alv", "gold", "--json"],
        &["get", "rivers.alv", "e"],
        &["stats", "rivers.alv"],
    ] {
        let ran = shell.succeed(arguments);
        assert!(!ran.stdout.contains('\u{1b}'), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.contains('\u{1b}'), "{arguments:?}: {ran:?}");
    }
    let mut forced = shell.command(&["search", "rivers.alv", "gold"]);
    let forced = forced.env("CLICOLOR_FORCE", "1").output().unwrap();
    let forced = String::from_utf8(forced.stdout).unwrap();
    assert!(forced.contains("\u{1b}[1m"), "{forced:?}");
    assert!(!forced.contains("\u{1b}]0;x"), "{forced:?}");
}

#[test]
fn json_has_one_object_for_each_hit() {
    let shell = rivers();
    let ran = shell.succeed(&["search", "rivers.alv", "+gold river", "--json"]);
    assert_eq!(ran.stderr, "");
    let hits = ran.json();
    assert_eq!(hits.len(), 3);
    for (place, hit) in hits.iter().enumerate() {
        let expected = [
            "rank",
            "score",
            "corrected",
            "position",
            "id",
            "document",
            "snippet",
            "path",
            "source",
            "highlights",
        ];
        assert_eq!(names(hit), expected);
        assert_eq!(hit["rank"], place + 1);
        assert_eq!(hit["document"]["_id"], hit["id"]);
        let text = hit["document"][hit["path"].as_str().unwrap()].as_str().unwrap();
        let part = |range: &serde_json::Value| {
            let at = |index: usize| usize::try_from(range[index].as_u64().unwrap()).unwrap();
            text[at(0)..at(1)].to_lowercase()
        };
        let marked: Vec<_> = hit["highlights"].as_array().unwrap().iter().map(part).collect();
        assert!(marked.contains(&"gold".to_owned()), "{hit}");
        assert!(marked.iter().all(|word| ["gold", "river"].contains(&word.as_str())), "{hit}");
        assert_eq!(hit["snippet"].as_str().unwrap().to_lowercase(), part(&hit["source"]));
    }
    let scores: Vec<_> = hits.iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|left, right| left >= right), "{scores:?}");

    let page = ["search", "rivers.alv", "+gold river", "--json", "--limit", "1", "--offset", "1"];
    assert_eq!(shell.succeed(&page).json(), hits[1..2]);
    let position = hits[0]["position"].as_str().unwrap();
    let next = ["search", "rivers.alv", "+gold river", "--json", "--after", position];
    let ids = |hits: &[serde_json::Value]| -> Vec<serde_json::Value> {
        hits.iter().map(|hit| hit["id"].clone()).collect()
    };
    assert_eq!(ids(&shell.succeed(&next).json()), ids(&hits[1..]));
    let refused = shell.run(&["search", "rivers.alv", "gold", "--after", "2"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("no position of a hit"), "{}", refused.stderr);
    let none = shell.run(&["search", "rivers.alv", "zirconium", "--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
}

#[test]
fn arguments_are_one_query_and_warnings_go_to_standard_error() {
    let shell = rivers();
    let two = shell.succeed(&["search", "rivers.alv", "+gold", "+river", "--json"]);
    let one = shell.succeed(&["search", "rivers.alv", "+gold +river", "--json"]);
    assert_eq!(two.stdout, one.stdout);
    let warned = shell.succeed(&["search", "rivers.alv", "gold +", "--json"]);
    assert!(warned.stderr.starts_with("warning: the operator at byte 5"), "{warned:?}");
    assert_eq!(warned.json().len(), 3);
}

#[test]
fn the_only_collection_needs_no_name() {
    let shell = Shell::new();
    shell.write("x.ndjson", "{\"_id\":1,\"text\":\"gold\"}\n");
    shell.succeed(&["import", "x.ndjson", "x.alv", "--collection", "ores"]);
    shell.succeed(&["search", "x.alv", "gold"]);
    shell.succeed(&["import", "x.ndjson", "x.alv", "--collection", "coins"]);
    shell.fail(&["search", "x.alv", "gold"], &["no collection `documents`", "coins, ores"]);
    shell.succeed(&["search", "x.alv", "gold", "--collection", "coins"]);
    shell.succeed(&["get", "x.alv", "1", "--collection", "ores"]);
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let shell = Shell::new();
    let filler = "gold ".repeat(20_000);
    let line = |number: u32| format!("{{\"_id\":{number},\"text\":\"{filler}\"}}\n");
    shell.write("x.ndjson", (0..40).map(line).collect::<String>());
    shell.succeed(&["import", "x.ndjson", "x.alv"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_alluvium"))
        .args(["search", "x.alv", "gold", "--json", "--limit", "40"])
        .current_dir(shell.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(command.stdout.take());
    let ended = command.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn misspelt_words_and_beginnings_are_found_behind_what_matches_as_typed() {
    let shell = rivers();
    let found = |arguments: &[&str]| -> Vec<(String, bool)> {
        let ran = shell.run(&[&["search", "rivers.alv", "--json"], arguments].concat());
        let of =
            |hit: &serde_json::Value| (hit["id"].to_string(), hit["corrected"].as_bool().unwrap());
        ran.json().iter().map(of).collect()
    };
    assert_eq!(found(&["rivr"]), []);
    let rivers = found(&["rivr", "--typos"]);
    assert!(rivers.len() > 1 && rivers.iter().all(|(_, is_corrected)| *is_corrected), "{rivers:?}");
    assert_eq!(found(&["riv", "--prefix"]).len(), rivers.len());
    let both = found(&["gold rivr", "--typos"]);
    assert!(both.is_sorted_by_key(|(_, is_corrected)| *is_corrected), "{both:?}");
    assert!(!both[0].1 && both.last().unwrap().1, "{both:?}");
    let shown = shell.succeed(&["search", "rivers.alv", "rivr", "--typos"]).stdout;
    assert!(shown.lines().next().unwrap().ends_with("corrected"), "{shown}");
}

#[test]
fn explanations_add_up_to_the_scores() {
    let shell = rivers();
    let search = ["search", "rivers.alv", "+gold river^2", "--explain"];
    for hit in shell.succeed(&[&search[..], &["--json"]].concat()).json() {
        let explanation = &hit["explanation"];
        assert_eq!(explanation["value"], hit["score"]);
        assert!(
            explanation["parts"][0]["parts"][0]["what"].as_str().unwrap().starts_with("weight")
        );
    }
    let shown = shell.succeed(&search).stdout;
    assert!(shown.contains(" 1.2 k1") && shown.contains("score: the sum"), "{shown}");
}

#[test]
fn filters_narrow_searches_and_find_alone() {
    let shell = rivers();
    let ids = |arguments: &[&str]| -> Vec<String> {
        let ran = shell.run(arguments);
        let id = |line: &str| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = object.get("id").or_else(|| object.get("_id")).unwrap();
            id.as_str().map_or_else(|| id.to_string(), str::to_owned)
        };
        let ids: Vec<String> = ran.stdout.lines().map(id).collect();
        assert_eq!(ran.code, i32::from(ids.is_empty()), "{arguments:?}: {ran:?}");
        ids
    };
    let the = r#"{"title": {"$regex": "^The"}}"#;
    assert_eq!(ids(&["search", "rivers.alv", "gold", "--json", "--filter", the]), ["rhine"]);
    let none = r#"{"title": "The Rhine", "_id": 7}"#;
    assert_eq!(ids(&["search", "rivers.alv", "gold", "--json", "--filter", none]).len(), 0);
    let both = ["--filter", the, "--filter", r#"{"_id": "loire"}"#];
    assert_eq!(ids(&[&["search", "rivers.alv", "--json"] as &[&str], &both].concat()), ["loire"]);
    assert_eq!(ids(&["find", "rivers.alv", the]), ["rhine", "loire", "don"]);
    assert_eq!(ids(&["find", "rivers.alv", the, "--limit", "2"]), ["rhine", "loire"]);
    assert_eq!(ids(&["find", "rivers.alv", r#"{"_id": {"$gt": "x"}}"#]).len(), 0);
    let unknown = ["title.$gtt", "$gt"];
    shell.fail(&["find", "rivers.alv", r#"{"title": {"$gtt": 1}}"#], &unknown);
    shell
        .fail(&["search", "rivers.alv", "gold", "--filter", r#"{"title": {"$gtt": 1}}"#], &unknown);
    shell.fail(&["find", "rivers.alv", "{title}"], &["the filter {title} cannot be read"]);
}

#[test]
fn value_indexes_are_listed_created_taken_and_dropped() {
    let shell = rivers();
    assert_eq!(shell.run(&["index", "list", "rivers.alv"]).code, 1);
    shell.succeed(&["index", "create", "rivers.alv", "by_title", "title", "_id:desc"]);
    let partial = ["--filter", r#"{"title": {"$exists": true}}"#, "--sparse", "--unique"];
    let create: &[&str] = &["index", "create", "rivers.alv", "titles", "title"];
    shell.succeed(&[create, &partial].concat());
    let listed = shell.succeed(&["index", "list", "rivers.alv", "--json"]).json();
    assert_eq!(listed[0]["fields"], serde_json::json!(["title", "_id:desc"]));
    assert_eq!(listed[1]["filter"], serde_json::json!({ "title": { "$exists": true } }));
    let table = shell.succeed(&["index", "list", "rivers.alv"]).stdout;
    let row: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["titles", "title", "yes", "yes", r#"{"title":{"$exists":true}}"#]);

    let the_rhine = r#"{"title": "The Rhine"}"#;
    let told = shell.succeed(&["find", "rivers.alv", the_rhine, "--explain", "--json"]).object();
    assert_eq!((&told["looked_at"], &told["found"]), (&0.into(), &1.into()));
    let hint = ["find", "rivers.alv", the_rhine, "--explain", "--hint", "by_title"];
    let told = shell.succeed(&hint).stdout;
    assert_eq!(
        told,
        "took by_title: 1 range, 1 entries\n1 candidates, 0 documents looked at, 1 found\n"
    );
    assert_eq!(shell.succeed(&["find", "rivers.alv", "{}", "--count"]).stdout, "5\n");
    assert_eq!(shell.run(&["find", "rivers.alv", r#"{"title": 7}"#, "--count"]).code, 1);
    let unusable = ["find", "rivers.alv", r#"{"a": 1}"#, "--hint", "by_title"];
    shell.fail(&unusable, &["by_title does not serve this filter", "give no hint"]);
    shell.succeed(&["check", "rivers.alv", "--deep"]);

    shell.succeed(&["index", "drop", "rivers.alv", "titles"]);
    shell.fail(&["index", "drop", "rivers.alv", "titles"], &["no value index titles", "by_title"]);
    let twice = ["index", "create", "rivers.alv", "by_title", "title"];
    shell.fail(&twice, &["has an index by_title already"]);
    shell.fail(&["index", "create", "rivers.alv", "a", "a..b"], &["a..b"]);
}

#[test]
fn documents_are_sorted_counted_and_kept_in_columns() {
    let shell = rivers();
    shell.succeed(&["column", "create", "rivers.alv", "title"]);
    assert_eq!(shell.succeed(&["column", "list", "rivers.alv"]).stdout, "title\n");
    let sorted =
        ["find", "rivers.alv", "{}", "--sort", "title:desc", "--limit", "2", "--offset", "1"];
    let titles: Vec<_> =
        shell.succeed(&sorted).json().into_iter().map(|line| line["title"].clone()).collect();
    assert_eq!(titles, ["The Loire", "The Don"]);
    let counted = [
        "aggregate",
        "rivers.alv",
        "--terms",
        "title",
        "--filter",
        r#"{"title": {"$lt": "The E"}}"#,
    ];
    let json = shell.succeed(&[&counted as &[&str], &["--json"]].concat()).object();
    assert_eq!(json["title"]["distinct"], 3);
    let told = shell.succeed(&counted).stdout;
    assert!(
        told.contains("The Don") && told.contains("3 different values, 0 documents without"),
        "{told}"
    );
    let years = r#"{"n": {"stats": {"path": "title"}}}"#;
    let told = shell.succeed(&["aggregate", "rivers.alv", years]).stdout;
    assert!(told.contains("5 values from Panning to The Rhine"), "{told}");
    shell.fail(&["aggregate", "rivers.alv"], &["nothing is asked for", "--terms"]);
    shell.fail(&["aggregate", "rivers.alv", "{x"], &["cannot be read", "histogram"]);
    shell.succeed(&["check", "rivers.alv", "--deep"]);
    shell.succeed(&["column", "drop", "rivers.alv", "title"]);
    assert_eq!(shell.run(&["column", "list", "rivers.alv"]).code, 1);
    shell.fail(&["column", "drop", "rivers.alv", "title"], &["has no column title"]);
}
