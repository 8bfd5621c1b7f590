//! Tests of `alluvium complete`, `suggest` and `like`, and of what `search` says when it finds nothing. All of them
//! run on the rivers; what has to be suggested is tested in the library.

use serde_json::json;

use crate::{names, rivers};

#[test]
fn complete_shows_words_with_their_numbers_of_documents() {
    let shell = rivers();
    let found = shell.succeed(&["complete", "rivers.alv", "no r"]);
    assert_eq!(found.stdout, "river  3\nrhine  1\n");
    let first = ["complete", "rivers.alv", "no r", "--limit", "1", "--json"];
    let expected = json!({ "word": "river", "documents": 3, "text": "no river" });
    assert_eq!(shell.succeed(&first).object(), expected);
    for text in ["zirc", "gold ", ""] {
        let none = shell.run(&["complete", "rivers.alv", text]);
        assert_eq!((none.code, none.stdout.as_str()), (1, ""), "{text:?}");
    }
    shell.fail(&["complete", "rivers.alv", "g", "--field", "title"], &["rivers.alv", "title"]);
    shell.fail(&["complete", "x.alv", "g"], &["x.alv: there is no such file"]);
}

#[test]
fn words_are_those_of_the_index_that_is_named() {
    let shell = rivers();
    for arguments in [
        &["complete", "rivers.alv", "riv"] as &[&str],
        &["suggest", "rivers.alv", "rivr"],
        &["like", "rivers.alv", "7"],
    ] {
        let named = |index| [arguments, &["--index", index]].concat();
        assert_eq!(shell.succeed(&named("default")).stdout, shell.succeed(arguments).stdout);
        shell.fail(&named("titles"), &["titles"]);
    }
}

#[test]
fn suggest_shows_the_query_that_was_probably_meant() {
    let shell = rivers();
    let found = shell.succeed(&["suggest", "rivers.alv", "--", "+rivr", "-x \"Gold setles\""]);
    assert_eq!(found.stdout, "+river -x \"Gold settles\"\n");
    let expected = json!({
        "text": "a river",
        "corrections": [{ "span": [2, 6], "word": "rivr", "correction": "river" }],
    });
    assert_eq!(shell.succeed(&["suggest", "rivers.alv", "a rivr", "--json"]).object(), expected);
    for query in ["river gold", "zirconium", "-rivr"] {
        let none = shell.run(&["suggest", "rivers.alv", "--", query]);
        assert_eq!((none.code, none.stdout.as_str()), (1, ""), "{query:?}");
    }
    shell.fail(&["suggest", "x.alv", "rivr"], &["x.alv: there is no such file"]);
}

#[test]
fn a_search_without_hits_tells_what_was_probably_meant() {
    let shell = rivers();
    let none = shell.run(&["search", "rivers.alv", "Rivr"]);
    assert_eq!((none.code, none.stderr.as_str()), (1, "did you mean: river\n"));
    for arguments in [&["Rivr", "--json"] as &[&str], &["zirconium"], &["gold", "--offset", "9"]] {
        let ran = shell.run(&[&["search", "rivers.alv"], arguments].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{arguments:?}");
    }
    assert_eq!(shell.succeed(&["search", "rivers.alv", "rivr", "gold"]).stderr, "");
}

#[test]
fn like_shows_other_documents_as_search_does() {
    let shell = rivers();
    let hits = shell.succeed(&["like", "rivers.alv", "rhine", "--json"]).json();
    assert!(!hits.is_empty());
    assert!(hits.iter().all(|hit| hit["id"] != "rhine"), "{hits:?}");
    assert_eq!(names(&hits[0])[..4], ["rank", "score", "corrected", "position"]);
    let first = shell.succeed(&["like", "rivers.alv", "rhine", "--json", "--limit", "1"]).json();
    assert_eq!(first, hits[..1]);
    let text = shell.succeed(&["like", "rivers.alv", "7", "--filter", r#"{"_id": "rhine"}"#]);
    assert!(text.stdout.contains("The Rhine"), "{text:?}");
    let none = shell.run(&["like", "rivers.alv", "7", "--filter", r#"{"_id": 7}"#]);
    assert_eq!((none.code, none.stdout.as_str()), (1, "Nothing found.\n"));
    shell.fail(&["like", "rivers.alv", "volga"], &["rivers.alv: there is no document `volga`"]);
    shell.fail(&["like", "x.alv", "rhine"], &["x.alv: there is no such file"]);
}
