//! Tests of `alluvium analyze`, and of `reindex` with an analyzer. What analyzers do is tested in the library; here is how they
//! are given and shown.

use crate::{Shell, rivers};

#[test]
fn every_step_is_shown_with_positions_and_bytes() {
    let shell = Shell::new();
    let shown = shell.succeed(&["analyze", "--language", "fr", "l'eau des rivières"]);
    let expected = "\
step         position   bytes  token
words               0    0..5  l'eau
                    1    6..9  des
                    2  10..19  rivières
normalized          0    0..5  l'eau
                    1    6..9  des
                    2  10..19  rivières
apostrophes         0    0..5  eau
                    1    6..9  des
                    2  10..19  rivières
stop words          0    0..5  eau
                    2  10..19  rivières
stemmed             0    0..5  eau
                    2  10..19  rivi
";
    assert!(shown.stdout.starts_with(expected), "{}", shown.stdout);
    assert!(shown.stdout.contains("rust-stemmers 1.2.0 french"), "{}", shown.stdout);
    let json = shell.succeed(&["analyze", "Gold", "--json"]).object();
    assert_eq!(json["stages"][1]["name"], "normalized");
    assert_eq!(json["stages"][1]["tokens"][0]["term"], "gold");
    let nothing = shell.run(&["analyze", "--language", "en", "the of"]);
    assert_eq!(nothing.code, 1);
}

#[test]
fn an_analyzer_is_read_from_json_or_a_file() {
    let shell = Shell::new();
    let path = r#"{"tokenizer": {"path": {"delimiter": "/"}}}"#;
    let shown = shell.succeed(&["analyze", "--analyzer", path, "/usr/share"]);
    assert!(shown.stdout.contains("0..4  /usr\n"), "{}", shown.stdout);
    shell.write(
        "usa.json",
        r#"{"language": "en", "stemmer": true, "synonyms": ["usa, united states"]}"#,
    );
    let shown = shell.succeed(&["analyze", "--analyzer", "usa.json", "--query", "the usa"]);
    assert_eq!(
        shown.stdout,
        "position  bytes  token  or\n       0   0..3  the\n       1   4..7  usa    unit state\n"
    );
    for (analyzer, said) in [
        (r#"{"tokenizer": {"regex": {"pattern": "("}}}"#, "tokenizer `regex`"),
        (r#"{"filters": ["soundex"]}"#, "no filter \"soundex\""),
    ] {
        shell.fail(&["analyze", "--analyzer", analyzer, "x"], &[said]);
    }
    for analyzer in [r#"{"soundex": true}"#, "none.json", r#"{"language": "tlh"}"#] {
        assert_eq!(shell.run(&["analyze", "--analyzer", analyzer, "x"]).code, 2, "{analyzer}");
    }
}

#[test]
fn an_index_is_built_anew_with_an_analyzer() {
    let shell = rivers();
    let synonyms =
        r#"{"language": "en", "stemmer": true, "stop_words": true, "synonyms": ["stream, river"]}"#;
    assert_eq!(shell.run(&["search", "rivers.alv", "stream"]).code, 1);
    shell.succeed(&["reindex", "rivers.alv", "--analyzer", synonyms]);
    shell.succeed(&["search", "rivers.alv", "stream"]);
}
