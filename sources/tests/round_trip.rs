//! What goes out comes back: random documents of every type through every format that can hold them, packed and not, read in one
//! go and from every mark on. The twin of each reader is a writer here that does the obvious thing.

use std::io::Write;
use std::path::Path;

use alluvium::bson::{
    Binary, BinarySubtype, Bson, DateTime, Decimal128, Document, RawDocumentBuf, Regex, Timestamp,
    doc, parse_json, to_json,
};
use alluvium_sources::{Error, Export, ExportFormat, Format, Mark, Record, Source, SourceOptions};
use fastrand::Rng;

fn text(rng: &mut Rng) -> String {
    const PIECES: [&str; 16] = [
        "",
        "a",
        "gold",
        " ",
        "\n",
        "\r\n",
        "\"",
        ",",
        "\t",
        ";",
        "é",
        "\u{10FFFF}",
        "\\",
        "{",
        "]",
        "7",
    ];
    (0..rng.usize(..5)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect()
}

fn number(rng: &mut Rng) -> Bson {
    match rng.u8(..9) {
        0 => Bson::Int32(rng.i32(..)),
        1 => Bson::Int64(rng.i64(..)),
        2 => Bson::Int64(i64::from(rng.i32(..))),
        3 => Bson::Double(f64::from_bits(rng.u64(..))),
        4 => Bson::Double(f64::from(rng.i32(-9..9))),
        5 => Bson::Double(
            [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1e308, 5e-324][rng.usize(..6)],
        ),
        6 => Bson::Decimal128(Decimal128::from_bytes(rng.u128(..).to_le_bytes())),
        _ => {
            let text = format!("{}E{}", rng.i64(..), rng.i32(-6000..6000));
            Bson::Decimal128(text.parse().expect("what the test makes"))
        }
    }
}

fn value(rng: &mut Rng, depth: u8) -> Bson {
    match rng.u8(..if depth == 0 { 16 } else { 20 }) {
        0 => Bson::Null,
        1 => Bson::Boolean(rng.bool()),
        2..=4 => number(rng),
        5 | 6 => Bson::String(text(rng)),
        7 => Bson::DateTime(DateTime::from_millis(match rng.u8(..3) {
            0 => rng.i64(..),
            1 => rng.i64(-5..5),
            _ => rng.i64(253_402_300_799_990..253_402_300_800_010),
        })),
        8 => Bson::ObjectId(alluvium::bson::ObjectId::from_bytes([rng.u8(..); 12])),
        9 => Bson::Binary(Binary {
            subtype: BinarySubtype::from([0, 1, 2, 3, 4, 5, 6, 0x80, 0xFF][rng.usize(..9)]),
            bytes: (0..[0, 1, 16, 40][rng.usize(..4)]).map(|_| rng.u8(..)).collect(),
        }),
        10 => Bson::Timestamp(Timestamp { time: rng.u32(..), increment: rng.u32(..) }),
        11 => Bson::RegularExpression(Regex {
            pattern: "a.*b".try_into().expect("what the test makes"),
            options: ["", "i", "im", "imsx"][rng.usize(..4)]
                .try_into()
                .expect("what the test makes"),
        }),
        12 => Bson::JavaScriptCode(text(rng)),
        13 => Bson::Symbol(text(rng)),
        14 => [Bson::MinKey, Bson::MaxKey, Bson::Undefined][rng.usize(..3)].clone(),
        15 => {
            let id = format!("{:024x}", rng.u128(..) >> 32);
            let pointer = doc! { "$dbPointer": { "$ref": text(rng), "$id": { "$oid": id } } };
            let json = serde_json::to_value(Bson::Document(pointer).into_relaxed_extjson())
                .expect("what the test makes");
            Bson::try_from(json).expect("what the test makes")
        }
        16 => Bson::Array((0..rng.u8(..4)).map(|_| value(rng, depth - 1)).collect()),
        17 => {
            let scope = fields(rng, depth - 1);
            let line = to_json(
                &RawDocumentBuf::try_from(&doc! { "s": scope }).expect("what the test makes"),
            );
            let scope = &line[5..line.len() - 1];
            let code = parse_json(format!("{{\"c\":{{\"$code\":\"f\",\"$scope\":{scope}}}}}"));
            code.map_or(Bson::Null, |code| {
                Document::try_from(code.as_ref())
                    .expect("what the test makes")
                    .remove("c")
                    .expect("what the test makes")
            })
        }
        _ => Bson::Document(fields(rng, depth - 1)),
    }
}

fn fields(rng: &mut Rng, depth: u8) -> Document {
    const NAMES: [&str; 8] = ["a", "b", "title", "é", "", "x.y", "$set", "with space"];
    (0..rng.u8(..5))
        .map(|_| (NAMES[rng.usize(..NAMES.len())].to_owned(), value(rng, depth)))
        .collect()
}

fn documents(rng: &mut Rng, count: usize) -> Vec<RawDocumentBuf> {
    let document = |number: usize| {
        let mut document = doc! { "_id": i64::try_from(number).expect("what the test makes") };
        document.extend(fields(rng, 3));
        RawDocumentBuf::try_from(&document).expect("what the test makes")
    };
    (0..count).map(document).collect()
}

/// Equal but for NaNs, of which JSON knows one.
fn same(left: &RawDocumentBuf, right: &RawDocumentBuf) -> bool {
    fn shown(document: &RawDocumentBuf) -> String {
        format!(
            "{document:?} {}",
            Document::try_from(document.as_ref()).expect("what the test makes")
        )
        .replace("-NaN", "NaN")
    }
    left == right
        || (shown(left).contains("NaN") && left.as_bytes().len() == right.as_bytes().len())
}

fn read(path: &Path, options: &SourceOptions) -> Vec<Record> {
    Source::open(path, options).expect("what the test makes").map(Result::unwrap).collect()
}

/// Whether the records from each mark on are those that are behind it in `all`.
fn resumes_everywhere(path: &Path, options: &SourceOptions, all: &[Record]) {
    for (at, record) in all.iter().enumerate() {
        let mark = Mark::from_document(&record.mark.to_document()).expect("what the test makes");
        assert_eq!(mark, record.mark);
        let mut source = Source::open(path, options).expect("what the test makes");
        source.skip_to(&mark).expect("what the test makes");
        let rest: Vec<Record> = source.map(Result::unwrap).collect();
        assert_eq!(rest, all[at + 1..], "{} behind {at}", path.display());
    }
}

#[test]
fn documents_of_every_type_come_back_from_an_export() {
    let mut rng = Rng::with_seed(11);
    let folder = tempfile::tempdir().expect("what the test makes");
    let (mut written, mut inexact) = (0, 0);
    for (round, name) in
        (0..18).zip(["a.ndjson", "b.ndjson.gz", "c.bson", "d.bson.gz"].into_iter().cycle())
    {
        let format = match (name.contains("bson"), round % 3) {
            (true, _) => ExportFormat::Bson,
            (false, 0) => ExportFormat::CanonicalNdjson,
            (false, _) => ExportFormat::Ndjson,
        };
        let path = folder.path().join(name);
        let mut export = Export::to_file(&path, format).expect("what the test makes");
        let mut expected = Vec::new();
        for document in documents(&mut rng, 150) {
            match export.write(&document) {
                Ok(()) => expected.push(document),
                Err(Error::Inexact { .. }) if format != ExportFormat::Bson => inexact += 1,
                Err(error) => panic!("{error}"),
            }
        }
        export.finish().expect("what the test makes");
        let found = read(&path, &SourceOptions::new());
        assert_eq!(found.len(), expected.len());
        written += found.len();
        for (record, expected) in found.iter().zip(&expected) {
            let found = record.document.as_ref().expect("what the test makes");
            assert!(same(found, expected), "{}\n{found:?}\n{expected:?}", record.place);
        }
        if round < 4 {
            resumes_everywhere(&path, &SourceOptions::new(), &found);
        }
    }
    // Decimals in unusual encodings, which random bits are.
    assert!(inexact * 4 < written && written > 2000, "{inexact} of {written}");
}

#[test]
fn arrays_of_any_layout_come_back() {
    let mut rng = Rng::with_seed(12);
    let folder = tempfile::tempdir().expect("what the test makes");
    let path = folder.path().join("x.json");
    for round in 0..40 {
        let documents: Vec<RawDocumentBuf> = documents(&mut rng, 30)
            .into_iter()
            .filter_map(|document| parse_json(to_json(&document)).ok())
            .collect();
        let shown = |document: &RawDocumentBuf, pretty: bool| {
            let value: serde_json::Value =
                serde_json::from_str(&to_json(document)).expect("what the test makes");
            if pretty { format!("{value:#}") } else { value.to_string() }
        };
        let (pretty, array) = (rng.bool(), round % 2 == 0);
        let separator = match (array, rng.bool()) {
            (true, true) => ",\n",
            (true, false) => " , ",
            (false, true) => "\n",
            (false, false) => "",
        };
        let values: Vec<String> =
            documents.iter().map(|document| shown(document, pretty)).collect();
        let values = values.join(separator);
        std::fs::write(&path, if array { format!("[{values}]") } else { values })
            .expect("what the test makes");
        let options = SourceOptions::new().format(Format::Json);
        let found = read(&path, &options);
        let back: Vec<&RawDocumentBuf> = found
            .iter()
            .map(|record| record.document.as_ref().expect("what the test makes"))
            .collect();
        assert_eq!(back, documents.iter().collect::<Vec<_>>());
        if round < 4 {
            resumes_everywhere(&path, &options, &found);
        }
    }
}

#[test]
fn tables_come_back() {
    let mut rng = Rng::with_seed(13);
    let folder = tempfile::tempdir().expect("what the test makes");
    for round in 0..60 {
        let separator = [",", ";", "|", "\t"][round % 4];
        let tabs = separator == "\t";
        let columns: Vec<String> = (0..rng.usize(2..6)).map(|at| format!("c{at}")).collect();
        let end = if rng.bool() { "\r\n" } else { "\n" };
        let mut table = columns.join(separator) + end;
        let mut expected = Vec::new();
        for row in 0..rng.usize(1..40) {
            // The first cell is never empty: an empty line is no row.
            let mut cells = vec![format!("row {row}")];
            cells.extend(columns.iter().skip(1).map(|_| cell(&mut rng, tabs)));
            let quoted: Vec<String> =
                cells.iter().map(|cell| quoted(cell, separator, rng.bool())).collect();
            table += &(quoted.join(separator) + end);
            let fields = columns.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty());
            let document: Document =
                fields.map(|(name, cell)| (name.clone(), Bson::String(cell.clone()))).collect();
            expected.push(RawDocumentBuf::try_from(&document).expect("what the test makes"));
        }
        let path = folder.path().join(if tabs { "x.tsv" } else { "x.csv" });
        std::fs::File::create(&path)
            .expect("what the test makes")
            .write_all(table.as_bytes())
            .expect("what the test makes");
        let options = SourceOptions::new().typing(alluvium_sources::Typing::Text);
        let found = read(&path, &options);
        let back: Vec<RawDocumentBuf> = found
            .iter()
            .map(|record| record.document.clone().expect("what the test makes"))
            .collect();
        assert_eq!(back, expected, "{table}");
        if round < 8 {
            resumes_everywhere(&path, &options, &found);
        }
    }
}

fn cell(rng: &mut Rng, tabs: bool) -> String {
    let text = text(rng);
    // A row of tabs is a line, and has no other way to hold what ends it or a cell.
    if tabs { text.replace(['\t', '\n', '\r'], " ") } else { text }
}

fn quoted(cell: &str, separator: &str, always: bool) -> String {
    let needs = if separator == "\t" {
        cell.starts_with('"') && cell.ends_with('"')
    } else {
        cell.contains(['"', '\n', '\r']) || cell.contains(separator)
    };
    if needs || always { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[test]
fn bytes_of_any_kind_give_records_or_an_error_and_end() {
    let mut rng = Rng::with_seed(14);
    let folder = tempfile::tempdir().expect("what the test makes");
    let path = folder.path().join("x");
    for round in 0..600 {
        let mut bytes: Vec<u8> = match round % 4 {
            0 => (0..rng.usize(..300)).map(|_| rng.u8(..)).collect(),
            1 => (0..rng.usize(..300)).map(|_| b"{}[]\",:\n\r\t\\ a1"[rng.usize(..14)]).collect(),
            2 => documents(&mut rng, 3).iter().flat_map(|d| d.as_bytes().to_vec()).collect(),
            _ => documents(&mut rng, 3)
                .iter()
                .map(|d| to_json(d) + "\n")
                .collect::<String>()
                .into_bytes(),
        };
        for _ in 0..rng.usize(..3) {
            if let Some(byte) = bytes.get_mut(rng.usize(..300)) {
                *byte = rng.u8(..);
            }
        }
        std::fs::write(&path, &bytes).expect("what the test makes");
        for name in Format::names() {
            let format: Format = name.parse().expect("what the test makes");
            let Ok(source) = Source::open(&path, &SourceOptions::new().format(format)) else {
                continue;
            };
            let records = source.take(5000).count();
            assert!(records < 5000, "{format} of {bytes:?}");
        }
    }
}
