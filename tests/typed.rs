//! Typed documents through the public API: every shape comes back as it was, from memory, from a reopened file, from
//! snapshots and from within transactions; what cannot be stored or read is an error that tells type, document and path.
//!
//! The shapes in BSON are pinned as literals, so that a change of what is written does not pass as a round trip.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug};
use std::rc::Rc;

use alluvium::bson::{Bson, DateTime, Document, ObjectId};
use alluvium::{
    Collection, Database, Error, Result, TypedCollection, TypedSnapshotCollection,
    TypedTransactionCollection, Upserted, doc,
};
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct River {
    #[serde(rename = "_id")]
    id: i64,
    name: String,
    rise: u64,
    km: f64,
    tidal: bool,
    gauge: ObjectId,
    surveyed: DateTime,
    nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depth: Option<i32>,
    bed: Bed,
    stations: Vec<Station>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Station {
    at: String,
    km: i32,
    tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Bed {
    Rock,
    Gravel(i32),
    Layers(String, u16),
    Silt { cm: i64, origin: Option<ObjectId> },
}

fn station(at: &str, km: i32) -> Station {
    Station { at: at.into(), km, tags: vec!["gauge".into(), at.to_uppercase()] }
}

fn gauge() -> ObjectId {
    ObjectId::parse_str("65f0a1b2c3d4e5f607182930").expect("an ObjectId")
}

/// A river with all that a document can hold at the edges of its types.
fn rhine() -> River {
    River {
        id: i64::MIN,
        name: "Rhine, Rhein, Rhin".into(),
        rise: i64::MAX as u64,
        km: 1232.7,
        tidal: true,
        gauge: gauge(),
        surveyed: DateTime::from_millis(-1),
        nickname: None,
        depth: None,
        bed: Bed::Silt { cm: -3, origin: Some(gauge()) },
        stations: vec![station("basel", 167), station("köln", 688)],
    }
}

fn loire() -> River {
    River {
        id: 7,
        name: "Loire".into(),
        nickname: Some("royal".into()),
        depth: Some(4),
        bed: Bed::Rock,
        stations: Vec::new(),
        ..rhine()
    }
}

fn rivers(db: &Database) -> TypedCollection<River> {
    db.collection("rivers").expect("a good name").typed()
}

/// An empty collection in memory.
fn values() -> Collection {
    Database::in_memory().and_then(|db| db.collection("values")).expect("an empty collection")
}

/// What `value` is in the file, and that it is `value` again when it is read.
#[track_caller]
fn stored<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Document {
    let values = values();
    let id = values.typed::<T>().insert(value).expect("a document");
    let read = values.typed::<T>().get(id.clone()).expect("a document that fits");
    assert_eq!(read.as_ref(), Some(value));
    let raw = values.get(id).expect("a readable file").expect("the document");
    Document::try_from(&*raw).expect("BSON")
}

/// The parts of an [`Error::Deserialize`]: type, `_id`, path, message.
#[track_caller]
fn misfit<T>(result: Result<T>) -> (&'static str, Option<String>, String, String) {
    match result.err().expect("a document that does not fit") {
        Error::Deserialize { type_name, id, path, message } => (type_name, id, path, message),
        error => panic!("another error: {error}"),
    }
}

/// The path and the message that reading `document` as `T` gives.
#[track_caller]
fn place<T: DeserializeOwned>(document: Document) -> (String, String) {
    let values = values();
    let id = values.insert(document).expect("a document");
    let (_, _, path, message) = misfit(values.typed::<T>().get(id));
    (path, message)
}

#[test]
fn every_shape_survives_closing_and_reopening_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rivers.alv");
    {
        let db = Database::open(&path).unwrap();
        let ids = rivers(&db).insert_many([rhine(), loire()]).unwrap();
        assert_eq!(ids, [Bson::Int64(i64::MIN), Bson::Int64(7)]);
    }
    let db = Database::open(&path).unwrap();
    let rivers = rivers(&db);
    assert_eq!(rivers.get(i64::MIN).unwrap().unwrap(), rhine());
    assert_eq!(rivers.get(7).unwrap().unwrap(), loire());
    assert_eq!(rivers.get(8).unwrap(), None);
    let all: Vec<River> = rivers.documents().unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(all, [rhine(), loire()]);
    assert!(db.check(true).unwrap().is_ok());
}

#[test]
fn a_struct_is_the_document_that_its_fields_spell() {
    let expected = doc! {
        "_id": i64::MIN,
        "name": "Rhine, Rhein, Rhin",
        "rise": i64::MAX,
        "km": 1232.7,
        "tidal": true,
        "gauge": gauge(),
        "surveyed": DateTime::from_millis(-1),
        "nickname": null,
        "bed": { "Silt": { "cm": -3_i64, "origin": gauge() } },
        "stations": [
            { "at": "basel", "km": 167, "tags": ["gauge", "BASEL"] },
            { "at": "köln", "km": 688, "tags": ["gauge", "KÖLN"] },
        ],
    };
    assert_eq!(stored(&rhine()), expected);
}

#[test]
fn none_is_null_unless_it_is_skipped_and_both_read_as_none() {
    let document = stored(&rhine());
    assert_eq!(document.get("nickname"), Some(&Bson::Null));
    assert!(!document.contains_key("depth"));

    let db = Database::in_memory().unwrap();
    let mut turned = document;
    turned.remove("nickname");
    turned.insert("depth", Bson::Null);
    rivers(&db).raw().insert(turned).unwrap();
    assert_eq!(rivers(&db).get(i64::MIN).unwrap().unwrap(), rhine());
}

#[test]
fn each_kind_of_variant_has_its_shape() {
    let bed = |bed: Bed| stored(&River { bed, ..loire() }).get("bed").cloned().unwrap();
    assert_eq!(bed(Bed::Rock), Bson::from("Rock"));
    assert_eq!(bed(Bed::Gravel(3)), Bson::from(doc! { "Gravel": 3 }));
    assert_eq!(bed(Bed::Layers("clay".into(), 2)), Bson::from(doc! { "Layers": ["clay", 2] }));
    let silt = doc! { "Silt": { "cm": 1_i64, "origin": null } };
    assert_eq!(bed(Bed::Silt { cm: 1, origin: None }), Bson::from(silt));
}

/// The shapes of enums whose content is gathered before it is read, with values that have a form of their own in BSON.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Event {
    Flood { at: DateTime, by: ObjectId, cm: i64 },
    Drought { days: u32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Reading {
    Level(i64),
    By(ObjectId),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Log {
    #[serde(rename = "_id")]
    id: ObjectId,
    readings: Vec<Reading>,
}

#[test]
fn tagged_and_untagged_enums_keep_ids_and_dates() {
    let flood = Event::Flood { at: DateTime::from_millis(5), by: gauge(), cm: 1 << 40 };
    let mut document = stored(&flood);
    document.remove("_id");
    let expected = doc! {
        "kind": "Flood", "at": DateTime::from_millis(5), "by": gauge(), "cm": 1_i64 << 40,
    };
    assert_eq!(document, expected);

    let readings = vec![Reading::Level(-2), Reading::By(gauge()), Reading::Text("dry".into())];
    let document = stored(&Log { id: gauge(), readings });
    assert_eq!(document, doc! { "_id": gauge(), "readings": [-2_i64, gauge(), "dry"] });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Survey {
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    id: Option<ObjectId>,
    title: String,
    #[serde(flatten)]
    made: Made,
    #[serde(flatten)]
    rest: BTreeMap<String, Bson>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Made {
    by: ObjectId,
    at: DateTime,
    width: Option<i32>,
    cost: u64,
    flow: f64,
    stations: Vec<Station>,
    bed: Bed,
}

fn survey() -> Survey {
    let made = Made {
        by: gauge(),
        at: DateTime::from_millis(1_700_000_000_123),
        width: None,
        cost: 1 << 40,
        flow: 0.5,
        stations: vec![station("basel", 167)],
        bed: Bed::Gravel(9),
    };
    let rest = BTreeMap::from([
        ("checked".to_owned(), Bson::from(DateTime::from_millis(7))),
        ("checker".to_owned(), Bson::from(gauge())),
        ("pages".to_owned(), Bson::Int32(12)),
    ]);
    Survey { id: Some(gauge()), title: "Survey of the Rhine".into(), made, rest }
}

#[test]
fn flattened_fields_lie_in_the_document_itself_and_come_back() {
    let expected = doc! {
        "_id": gauge(),
        "title": "Survey of the Rhine",
        "by": gauge(),
        "at": DateTime::from_millis(1_700_000_000_123),
        "width": null,
        "cost": 1_i64 << 40,
        "flow": 0.5,
        "stations": [{ "at": "basel", "km": 167, "tags": ["gauge", "BASEL"] }],
        "bed": { "Gravel": 9 },
        "checked": DateTime::from_millis(7),
        "checker": gauge(),
        "pages": 12,
    };
    assert_eq!(stored(&survey()), expected);
}

#[test]
fn a_flattened_map_keeps_what_the_type_does_not_know() {
    let db = Database::in_memory().unwrap();
    let surveys = db.collection("surveys").unwrap().typed::<Survey>();
    surveys.insert(survey()).unwrap();
    let mut read = surveys.get(gauge()).unwrap().unwrap();
    read.title = "Another title".into();
    assert!(surveys.replace(&read).unwrap());
    let document = surveys.raw().get(gauge()).unwrap().unwrap();
    assert_eq!(document.get_i32("pages").unwrap(), 12);
    assert_eq!(document.get_str("title").unwrap(), "Another title");
}

#[test]
fn a_skipped_id_is_made_and_a_null_one_is_an_id_like_any_other() {
    #[derive(Serialize)]
    struct Note {
        #[serde(rename = "_id")]
        id: Option<ObjectId>,
    }

    let db = Database::in_memory().unwrap();
    let surveys = db.collection("surveys").unwrap().typed::<Survey>();
    let id = surveys.insert(Survey { id: None, ..survey() }).unwrap();
    let Bson::ObjectId(made) = id else { panic!("{id} was made") };
    assert_eq!(surveys.get(made).unwrap().unwrap(), Survey { id: Some(made), ..survey() });

    let notes = db.collection("notes").unwrap().typed::<Note>();
    assert_eq!(notes.insert(Note { id: None }).unwrap(), Bson::Null);
    assert!(notes.insert(Note { id: None }).unwrap_err().is_duplicate_id());
}

#[test]
fn writes_answer_as_those_of_raw_collections_do() {
    let db = Database::in_memory().unwrap();
    let rivers = rivers(&db);
    assert!(!rivers.replace(loire()).unwrap());
    assert_eq!(rivers.upsert(loire()).unwrap(), Upserted::Inserted);
    assert!(rivers.insert(loire()).unwrap_err().is_duplicate_id());
    let deeper = River { depth: Some(5), ..loire() };
    assert_eq!(rivers.upsert(&deeper).unwrap(), Upserted::Replaced);
    assert_eq!(rivers.get(7).unwrap().unwrap().depth, Some(5));
    assert!(rivers.replace(loire()).unwrap());
    assert_eq!(rivers.get(7).unwrap().unwrap(), loire());
    assert_eq!(rivers.count().unwrap(), 1);
    assert!(rivers.remove(7).unwrap());
    assert!(!rivers.remove(7).unwrap());
    assert_eq!(rivers.count().unwrap(), 0);
}

#[test]
fn find_gives_values_of_the_documents_that_a_filter_lets_through() {
    let db = Database::in_memory().unwrap();
    rivers(&db).insert_many([rhine(), loire()]).unwrap();
    let filter = doc! { "stations.km": { "$gt": 500 } };
    let found: Vec<River> =
        rivers(&db).find(filter.clone()).unwrap().run().unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(found, [rhine()]);
    let snapshot = db.snapshot().collection("rivers").unwrap().typed::<River>();
    let found: Vec<River> =
        snapshot.find(filter).unwrap().run().unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(found, [rhine()]);
    assert!(rivers(&db).find(doc! { "$no": 1 }).is_err());
}

#[test]
fn hits_of_typed_and_raw_collections_give_values() {
    let db = Database::in_memory().unwrap();
    rivers(&db).insert_many([rhine(), loire()]).unwrap();
    let hit = rivers(&db).search("royal").unwrap().run().unwrap().next().unwrap();
    assert_eq!(hit.document_as::<River>().unwrap(), loire());
    let hit = db.collection("rivers").unwrap().search("basel").unwrap().run().unwrap().next();
    let hit = hit.unwrap();
    assert_eq!(hit.document_as::<River>().unwrap(), rhine());
    let (type_name, id, path, message) = misfit(hit.document_as::<Survey>());
    assert!(type_name.ends_with("::Survey"));
    assert_eq!(id.unwrap(), i64::MIN.to_string());
    // The `_id` is no ObjectId.
    assert_eq!(path, "_id", "{message}");
}

#[test]
fn snapshots_keep_showing_the_values_of_their_moment() {
    let db = Database::in_memory().unwrap();
    rivers(&db).insert(loire()).unwrap();
    let before: TypedSnapshotCollection<River> =
        db.snapshot().collection("rivers").unwrap().typed();
    rivers(&db).upsert(River { depth: Some(5), ..loire() }).unwrap();
    rivers(&db).insert(rhine()).unwrap();
    assert_eq!(before.get(7).unwrap().unwrap(), loire());
    assert_eq!(before.count().unwrap(), 1);
    let all: Vec<River> = before.documents().collect::<Result<_>>().unwrap();
    assert_eq!(all, [loire()]);
    assert_eq!(before.search("basel").unwrap().count().unwrap(), 0);
    assert_eq!(before.raw().count().unwrap(), 1);
    assert_eq!(rivers(&db).count().unwrap(), 2);
}

#[test]
fn a_transaction_reads_its_own_values_and_rolls_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rivers.alv");
    {
        let db = Database::open(&path).unwrap();
        let mut transaction = db.begin().unwrap();
        let mut pending: TypedTransactionCollection<'_, River> =
            transaction.collection("rivers").unwrap().typed();
        pending.insert(loire()).unwrap();
        assert!(pending.insert(loire()).unwrap_err().is_duplicate_id());
        assert_eq!(pending.upsert(rhine()).unwrap(), Upserted::Inserted);
        assert!(pending.replace(River { depth: Some(5), ..loire() }).unwrap());
        assert_eq!(pending.get(7).unwrap().unwrap().depth, Some(5));
        let hit = pending.search("royal").unwrap().run().unwrap().next().unwrap();
        assert_eq!(hit.document_as::<River>().unwrap().depth, Some(5));
        assert_eq!(pending.count().unwrap(), 2);
        assert!(pending.remove(i64::MIN).unwrap());
        assert_eq!(pending.get(i64::MIN).unwrap(), None);
        pending.raw_mut().insert(doc! { "_id": "raw" }).unwrap();
        assert_eq!(misfit(pending.get("raw")).1.unwrap(), "\"raw\"");
        assert_eq!(rivers(&db).count().unwrap(), 0);
        transaction.commit().unwrap();

        let mut undone = db.begin().unwrap();
        undone.collection("rivers").unwrap().typed().insert(rhine()).unwrap();
        undone.rollback();
    }
    let db = Database::open(&path).unwrap();
    assert_eq!(rivers(&db).get(7).unwrap().unwrap(), River { depth: Some(5), ..loire() });
    assert_eq!(rivers(&db).get(i64::MIN).unwrap(), None);
    assert_eq!(rivers(&db).count().unwrap(), 2);
}

/// What storing `value` says; nothing of it may be written.
#[track_caller]
fn refusal<T: Serialize>(value: &T) -> String {
    let db = Database::in_memory().expect("a database");
    let values = db.collection("values").expect("a good name").typed::<T>();
    let no_document = "no document";
    let refused = [
        values.insert(value).expect_err(no_document),
        values.insert_many([value]).expect_err(no_document),
        values.replace(value).expect_err(no_document),
        values.upsert(value).expect_err(no_document),
    ];
    let expected = std::any::type_name::<T>();
    for error in &refused {
        assert!(error.is_document_refused(), "{error}");
        let Error::Serialize { type_name, .. } = error else { panic!("another error: {error}") };
        assert_eq!(*type_name, expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.to_string(), refused[0].to_string());
    }
    let names = db.collection_names().expect("a readable catalog");
    assert!(names.is_empty(), "not even the collection is created");
    refused[0].to_string()
}

#[test]
fn what_is_no_document_is_refused_by_name_and_nothing_is_written() {
    let contains = |error: String, words: &str| assert!(error.contains(words), "{error}");
    contains(refusal(&7_i32), "Int32");
    contains(refusal(&"text"), "String");
    contains(refusal(&vec![loire()]), "Array");
    contains(refusal(&Bed::Rock), "String");
    contains(refusal(&None::<River>), "Null");
    contains(refusal(&gauge()), "ObjectId");
    contains(refusal(&HashMap::from([(1_i32, "one")])), "key type: i32");
    contains(refusal(&BTreeMap::from([("m", HashMap::from([(true, 1)]))])), "key type: bool");
    contains(refusal(&BTreeMap::from([("a\0b", 1)])), "value of type");
    // Close to one of the above, and a document.
    stored(&Some(loire()));
    stored(&BTreeMap::from([("_id".to_owned(), 1), ("m".to_owned(), 2)]));
}

#[test]
fn an_enum_is_a_whole_document_only_with_a_tag_beside_the_id() {
    stored(&Event::Drought { days: 90 });
    let db = Database::in_memory().unwrap();
    let beds = db.collection("beds").unwrap().typed::<Bed>();
    let id = beds.insert(Bed::Gravel(1)).unwrap();
    let (_, _, path, message) = misfit(beds.get(id));
    assert_eq!(path, "");
    assert!(message.starts_with("unknown variant `_id`"), "{message}");
}

#[test]
fn a_number_too_large_is_named_and_its_neighbours_are_not_stored() {
    let large = River { id: 8, rise: u64::MAX, ..rhine() };
    assert!(refusal(&large).contains("18446744073709551615"), "{}", refusal(&large));
    stored(&River { rise: i64::MAX as u64, ..rhine() });

    let db = Database::in_memory().unwrap();
    rivers(&db).insert(rhine()).unwrap();
    let many = [loire(), large];
    assert!(matches!(rivers(&db).insert_many(&many), Err(Error::Serialize { .. })));
    assert_eq!(rivers(&db).get(7).unwrap(), None);
    assert_eq!(rivers(&db).count().unwrap(), 1);
}

#[test]
fn a_refused_value_leaves_the_transaction_as_it_was() {
    let db = Database::in_memory().unwrap();
    let mut transaction = db.begin().unwrap();
    let mut pending = transaction.collection("rivers").unwrap().typed::<River>();
    pending.insert(loire()).unwrap();
    let large = River { rise: u64::MAX, ..loire() };
    assert!(matches!(pending.insert(&large), Err(Error::Serialize { .. })));
    assert!(matches!(pending.replace(&large), Err(Error::Serialize { .. })));
    assert!(matches!(pending.upsert(&large), Err(Error::Serialize { .. })));
    transaction.commit().unwrap();
    assert_eq!(rivers(&db).get(7).unwrap().unwrap(), loire());
    assert_eq!(rivers(&db).count().unwrap(), 1);
}

#[test]
fn a_document_that_does_not_fit_is_told_by_type_id_path_and_reason() {
    let db = Database::in_memory().unwrap();
    let mut document = stored(&rhine());
    document.insert("_id", 9_i64);
    document.get_array_mut("stations").unwrap()[1] = doc! { "at": "köln", "km": "far" }.into();
    rivers(&db).raw().insert(document).unwrap();

    let error = rivers(&db).get(9).unwrap_err();
    assert!(!error.is_document_refused() && !error.is_corruption());
    let text = error.to_string();
    let expected = "the document with the _id 9 does not fit the type typed::River: stations.1.km: \
                    invalid type: string \"far\", expected i32; ";
    assert!(text.starts_with(expected), "{text}");
    let (type_name, id, path, message) = misfit(Err::<(), _>(error));
    assert_eq!((type_name, id.as_deref()), ("typed::River", Some("9")));
    assert_eq!(path, "stations.1.km");
    assert_eq!(message, "invalid type: string \"far\", expected i32");
}

#[test]
fn ids_of_all_kinds_are_told_as_extended_json() {
    let raw = values();
    let told = |id: Bson| {
        raw.insert(doc! { "_id": id.clone() }).unwrap();
        misfit(raw.typed::<Station>().get(id)).1.unwrap()
    };
    assert_eq!(told("a \"b\"".into()), r#""a \"b\"""#);
    assert_eq!(told(gauge().into()), r#"{"$oid":"65f0a1b2c3d4e5f607182930"}"#);
    assert_eq!(told(doc! { "a": 1.5 }.into()), r#"{"a":1.5}"#);
    assert_eq!(told(Bson::Null), "null");
}

/// Fields in all places that a path can lead to.
#[derive(Debug, PartialEq, Deserialize)]
struct Places {
    named: BTreeMap<String, Vec<Option<Station>>>,
    bed: Bed,
    #[serde(default, deserialize_with = "lenient")]
    depth: usize,
    #[serde(default)]
    pair: (i32, bool),
    #[serde(default, deserialize_with = "forgiving")]
    sum: i32,
}

/// Reads an array of numbers as its length, and anything else as 0.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Vec::<i32>::deserialize(deserializer).map(|numbers| numbers.len()).or(Ok(0))
}

/// Adds up the elements of an array; one of them need not be a number.
fn forgiving<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    struct Sum;

    impl<'de> Visitor<'de> for Sum {
        type Value = i32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("numbers")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<i32, A::Error> {
            let (mut sum, mut forgiven) = (0, false);
            loop {
                match numbers.next_element::<i32>() {
                    Ok(Some(number)) => sum += number,
                    Ok(None) => return Ok(sum),
                    Err(error) if forgiven => return Err(error),
                    Err(_) => forgiven = true,
                }
            }
        }
    }

    deserializer.deserialize_seq(Sum)
}

#[test]
fn the_path_leads_through_maps_arrays_options_and_variants() {
    let whole = || {
        let named = doc! { "upper": [null, { "at": "basel", "km": 1, "tags": [] }] };
        doc! { "named": named, "bed": "Rock" }
    };
    let values = values();
    let id = values.insert(whole()).unwrap();
    let station = Station { at: "basel".into(), km: 1, tags: Vec::new() };
    let named = BTreeMap::from([("upper".to_owned(), vec![None, Some(station)])]);
    let expected = Places { named, bed: Bed::Rock, depth: 0, pair: (0, false), sum: 0 };
    assert_eq!(values.typed::<Places>().get(id).unwrap().unwrap(), expected);

    let changed = |change: &dyn Fn(&mut Document)| {
        let mut document = whole();
        change(&mut document);
        place::<Places>(document).0
    };
    let named = |value: Bson| {
        changed(&|document| {
            document.insert("named", doc! { "lower": [], "upper": [null, value.clone()] });
        })
    };
    let bed = |value: Bson| {
        changed(&|document| {
            document.insert("bed", value.clone());
        })
    };
    assert_eq!(named(5.into()), "named.upper.1");
    assert_eq!(named(doc! { "at": 5 }.into()), "named.upper.1.at");
    let tags = doc! { "at": "basel", "km": 1, "tags": ["a", "b", null] };
    assert_eq!(named(tags.into()), "named.upper.1.tags.2");
    // A field that is missing has no place of its own.
    assert_eq!(named(doc! { "at": "basel", "tags": [] }.into()), "named.upper.1");
    assert_eq!(bed("Sand".into()), "bed");
    assert_eq!(bed(doc! { "Sand": 1 }.into()), "bed");
    assert_eq!(bed(doc! { "Gravel": "fine" }.into()), "bed.Gravel");
    assert_eq!(bed(doc! { "Layers": ["clay", -1] }.into()), "bed.Layers.1");
    assert_eq!(bed(doc! { "Silt": { "cm": 1, "origin": 2 } }.into()), "bed.Silt.origin");
    let pair = changed(&|document| {
        document.insert("pair", vec![Bson::Int32(1), Bson::Int32(2)]);
    });
    assert_eq!(pair, "pair.1");
    // `lenient` and `forgiving` pass over an error; the first place stays, though what counts comes later.
    let later = changed(&|document| {
        document.remove("bed");
        document.insert("depth", vec![Bson::Int32(1), Bson::from("two")]);
    });
    assert_eq!(later, "depth.1");
    let second = changed(&|document| {
        document.insert("sum", vec![Bson::Int32(1), Bson::from("two"), Bson::from("three")]);
    });
    assert_eq!(second, "sum.1");
}

#[test]
fn a_missing_field_is_named_by_the_reason() {
    let (path, message) = place::<Station>(doc! { "at": "basel", "tags": [] });
    assert_eq!((path.as_str(), message.as_str()), ("", "missing field `km`"));
}

#[test]
fn what_serde_gathers_first_is_told_by_what_stands_around_it() {
    let mut document = stored(&survey());
    document.insert("by", "nobody");
    assert_eq!(place::<Survey>(document).0, "");
    let readings = doc! { "_id": gauge(), "readings": [1_i64, 1.5] };
    let (path, message) = place::<Log>(readings);
    assert_eq!(path, "readings.1");
    assert!(message.contains("untagged enum Reading"), "{message}");
}

#[test]
fn numbers_fit_where_nothing_is_lost() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        small: i32,
        unsigned: u64,
        float: f64,
    }

    let raw = values();
    raw.insert(doc! { "_id": 1, "small": 5_i64, "unsigned": 5, "float": 5 }).unwrap();
    let numbers = raw.typed::<Numbers>().get(1).unwrap().unwrap();
    assert_eq!(numbers, Numbers { small: 5, unsigned: 5, float: 5.0 });
    let path = |small: Bson, unsigned: Bson| {
        place::<Numbers>(doc! { "small": small, "unsigned": unsigned, "float": 1.0 }).0
    };
    assert_eq!(path((1_i64 << 40).into(), 1.into()), "small");
    assert_eq!(path(5.0.into(), 1.into()), "small");
    assert_eq!(path(1.into(), (-1).into()), "unsigned");
}

#[test]
fn documents_that_fit_follow_one_that_does_not() {
    let db = Database::in_memory().unwrap();
    rivers(&db).insert(rhine()).unwrap();
    rivers(&db).raw().insert(doc! { "_id": "styx" }).unwrap();
    rivers(&db).insert(loire()).unwrap();
    let snapshot = db.snapshot().collection("rivers").unwrap().typed::<River>();
    let all: [Vec<Result<River>>; 4] = [
        rivers(&db).documents().unwrap().collect(),
        rivers(&db).find(doc! {}).unwrap().run().unwrap().collect(),
        snapshot.documents().collect(),
        snapshot.find(doc! {}).unwrap().run().unwrap().collect(),
    ];
    for mut found in all {
        assert_eq!(found.len(), 3);
        assert_eq!(found.pop().unwrap().unwrap(), loire());
        assert_eq!(misfit(found.pop().unwrap()).1.unwrap(), "\"styx\"");
        assert_eq!(found.pop().unwrap().unwrap(), rhine());
    }
    assert_eq!(rivers(&db).count().unwrap(), 3);
    assert!(rivers(&db).remove("styx").unwrap());
}

#[test]
fn fields_that_the_type_does_not_have_are_lost_when_it_is_written_back() {
    let db = Database::in_memory().unwrap();
    let mut document = stored(&loire());
    document.insert("mouth", "Saint-Nazaire");
    rivers(&db).raw().insert(document).unwrap();
    let river = rivers(&db).get(7).unwrap().unwrap();
    assert_eq!(river, loire());
    rivers(&db).replace(river).unwrap();
    assert!(rivers(&db).raw().get(7).unwrap().unwrap().get("mouth").unwrap().is_none());
}

#[test]
fn types_that_are_only_read_or_only_written_need_half_of_serde() {
    #[derive(Deserialize)]
    struct Read {
        km: i32,
    }
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(rename = "_id")]
        id: &'a str,
        km: &'a Cell<i32>,
    }

    let db = Database::in_memory().unwrap();
    let raw = db.collection("rivers").unwrap();
    let id = String::from("rhine");
    raw.typed().insert(Written { id: &id, km: &Cell::new(1232) }).unwrap();
    assert_eq!(raw.typed::<Read>().get("rhine").unwrap().unwrap().km, 1232);
}

#[test]
fn handles_go_between_threads_whatever_their_values_are() {
    fn crosses<H: Send + Sync + Clone + Debug>(handle: &H) -> String {
        format!("{:?}", handle.clone())
    }

    let db = Database::in_memory().unwrap();
    let raw: Collection = db.collection("rivers").unwrap();
    assert!(crosses(&raw.typed::<Rc<River>>()).contains("rivers"));
    crosses(&db.snapshot().collection("rivers").unwrap().typed::<Rc<River>>());
}
