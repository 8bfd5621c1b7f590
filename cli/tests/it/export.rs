//! Tests of `alluvium export`: what it writes makes the same collection again, and a file appears whole or not at all. Random
//! documents are for the tests of `alluvium-sources`; here each type stands once.

use alluvium::bson::{RawDocumentBuf, parse_json, rawdoc};
use serde_json::json;

use crate::{RIVERS, Shell, names, rivers};

/// A document with a value of every type.
const EVERY_TYPE: &str = r#"{"_id":1,"double":2.0,"nan":{"$numberDouble":"NaN"},"string":"x\n","document":{"a":[1,{}]},"binary":{"$binary":{"base64":"AQI=","subType":"80"}},"undefined":{"$undefined":true},"oid":{"$oid":"65a1b2c3d4e5f60718293a4b"},"bool":true,"date":{"$date":"1970-01-01T00:00:01Z"},"early":{"$date":{"$numberLong":"-5"}},"null":null,"regex":{"$regularExpression":{"pattern":"a","options":"i"}},"code":{"$code":"f"},"scope":{"$code":"f","$scope":{"a":{"$numberLong":"3"}}},"symbol":{"$symbol":"s"},"int":7,"timestamp":{"$timestamp":{"t":1,"i":2}},"long":{"$numberLong":"7"},"large":9007199254740993,"decimal":{"$numberDecimal":"1.50"},"min":{"$minKey":1},"max":{"$maxKey":1}}"#;

#[test]
fn an_export_makes_the_same_collection_again() {
    let shell = Shell::new();
    let documents = [parse_json(EVERY_TYPE).unwrap(), rawdoc! { "_id": "rhine", "text": "gold" }];
    let bson: Vec<u8> =
        documents.iter().flat_map(|d: &RawDocumentBuf| d.as_bytes().to_vec()).collect();
    shell.write("a.bson", &bson);
    shell.succeed(&["import", "a.bson", "a.alv"]);
    let line = shell.succeed(&["export", "a.alv"]).stdout;
    assert_eq!(line, format!("{EVERY_TYPE}\n{{\"_id\":\"rhine\",\"text\":\"gold\"}}\n"));
    let canonical = shell.succeed(&["export", "a.alv", "--canonical"]).stdout;
    assert!(canonical.starts_with(r#"{"_id":{"$numberInt":"1"},"double":{"$numberDouble":"2.0"}"#));
    for (number, file) in ["b.ndjson", "b.ndjson.gz", "b.bson", "b.bson.gz"].into_iter().enumerate()
    {
        let ran = shell.succeed(&["export", "a.alv", file]);
        assert!(ran.stdout.starts_with("Exported 2 documents ("), "{ran:?}");
        let database = format!("{number}.alv");
        shell.succeed(&["import", file, &database]);
        shell.succeed(&["export", &database, "again.bson"]);
        assert_eq!(shell.read("again.bson"), bson, "{file}");
    }
}

#[test]
fn a_filter_and_a_format_say_what_is_written() {
    let shell = rivers();
    let filter = r#"{"text": {"$regex": "^A river"}}"#;
    let report =
        shell.succeed(&["export", "rivers.alv", "x", "--filter", filter, "--json"]).object();
    assert_eq!((&report["documents"], names(&report).len()), (&json!(1), 5));
    assert_eq!(String::from_utf8(shell.read("x")).unwrap().lines().next(), RIVERS.lines().next());
    assert_eq!(shell.succeed(&["export", "rivers.alv"]).stdout, RIVERS);
    shell.succeed(&["export", "rivers.alv", "x", "--format", "bson"]);
    assert_eq!(shell.read("x").first_chunk::<4>().map(|length| length[3]), Some(0));
    shell.fail(&["export", "rivers.alv", "--json"], &["name a FILE"]);
    shell.fail(&["export", "rivers.alv", "x", "--filter", "{"], &["the filter { cannot be read"]);
}

#[test]
fn a_file_is_replaced_by_a_whole_one_or_not_at_all() {
    let shell = Shell::new();
    shell.write("x.bson", rawdoc! { "_id": 7, "a": { "$oid": "no id" } }.as_bytes());
    shell.succeed(&["import", "x.bson", "x.alv"]);
    shell.write("out.ndjson", "old\n");
    shell.fail(
        &["export", "x.alv", "out.ndjson"],
        &["JSON cannot carry document 7", "export as BSON"],
    );
    assert_eq!(shell.read("out.ndjson"), b"old\n");
    let left = std::fs::read_dir(shell.path(".")).unwrap().count();
    assert_eq!(left, 3, "no partial file stays");
    shell.succeed(&["export", "x.alv", "out.bson"]);
    assert_eq!(shell.read("out.bson"), shell.read("x.bson"));
    shell.fail(&["export", "none.alv"], &["none.alv: there is no such file"]);
}
