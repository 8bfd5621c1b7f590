//! Parquet files: a document for each row, its fields in the order of the columns. Behind the feature `parquet`.
//!
//! The crate of that name reads rows, a page of each column at a time, packed by Snappy, gzip, LZ4 or Zstandard. That last one it decodes by
//! the library in C, and lets nobody bring another decoder; no more is unpacked than the page says that it has. Brotli it would need much code for. Types of Parquet become those of BSON as [`value`] says; null is left out of documents, and
//! microseconds of timestamps are cut to the milliseconds of a date. A panic of that crate, which damaged files may cause, becomes an
//! error. Its memory follows what pages say of their size, up to 2 GiB each.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use alluvium::bson::{Binary, BinarySubtype, Bson, DateTime, Document, RawDocumentBuf};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};

use crate::error::{Error, Result};
use crate::meter::Meter;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;

const DAY_MILLIS: i64 = 86_400_000;

pub(crate) struct Parquet {
    name: Arc<str>,
    rows: RowIter<'static>,
    meter: Arc<Meter>,
    bytes: u64,
    rows_len: u64,
    number: u64,
}

impl Parquet {
    pub(crate) fn open(path: &Path, name: &str, meter: &Arc<Meter>) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::io(name, source))?;
        let bytes = file.metadata().map_err(|source| Error::io(name, source))?.len();
        let opened = guarded(|| SerializedFileReader::new(file));
        let reader = opened.map_err(|reason| Error::unusable(name, reason))?;
        let rows_len = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        let rows = RowIter::from_file_into(Box::new(reader));
        let (name, meter) = (name.into(), Arc::clone(meter));
        Ok(Parquet { name, rows, meter, bytes, rows_len, number: 0 })
    }

    /// Bytes of the file that so many rows are likely to take.
    fn bytes_of(&self, rows: u64) -> u64 {
        let share = u128::from(self.bytes) * u128::from(rows);
        let share = share.checked_div(u128::from(self.rows_len)).unwrap_or(0);
        u64::try_from(share).unwrap_or(self.bytes)
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let place = self.place();
        let lost = |reason| Error::Lost { place, reason };
        let row = guarded(|| self.rows.next().transpose()).map_err(lost)?;
        if row.is_some() {
            let read = self.bytes_of(self.number + 1) - self.bytes_of(self.number);
            self.meter.add_read(read);
            self.meter.add_unpacked(read);
            self.number += 1;
        }
        Ok(row)
    }

    fn place(&self) -> Place {
        let position = Position::Record(self.number + 1);
        Place { file: Arc::clone(&self.name), position, offset: 0 }
    }
}

impl Records for Parquet {
    fn next(&mut self) -> Result<Option<Record>> {
        let place = self.place();
        let Some(row) = self.next_row()? else { return Ok(None) };
        let mark = Mark { file: None, offset: 0, number: self.number };
        let document = RawDocumentBuf::try_from(&fields(row)).map_err(Refusal::without_original);
        Ok(Some(Record::new(place, mark, document)))
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        while self.number < mark.number {
            if self.next_row()?.is_none() {
                let reason = "it is not the file that the mark is from; begin anew";
                return Err(Error::unusable(&self.name, reason));
            }
        }
        Ok(())
    }
}

/// What `read` gives, a panic in it being an error too.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err("the Parquet file is damaged".to_owned()),
    }
}

fn fields(row: Row) -> Document {
    let columns = row.into_columns().into_iter().filter(|(_, field)| *field != Field::Null);
    columns.map(|(name, field)| (name, value(field))).collect()
}

/// A value of Parquet as one of BSON.
fn value(field: Field) -> Bson {
    match field {
        Field::Null => Bson::Null,
        Field::Bool(value) => Bson::Boolean(value),
        Field::Byte(value) => Bson::Int32(value.into()),
        Field::Short(value) => Bson::Int32(value.into()),
        Field::Int(value) | Field::TimeMillis(value) => Bson::Int32(value),
        Field::Long(value) | Field::TimeMicros(value) => Bson::Int64(value),
        Field::UByte(value) => Bson::Int32(value.into()),
        Field::UShort(value) => Bson::Int32(value.into()),
        Field::UInt(value) => Bson::Int64(value.into()),
        Field::ULong(value) => i64::try_from(value).map_or_else(|_| decimal(&value), Bson::Int64),
        Field::Float16(value) => Bson::Double(value.into()),
        Field::Float(value) => Bson::Double(value.into()),
        Field::Double(value) => Bson::Double(value),
        Field::Decimal(_) => decimal(&field),
        Field::Str(text) => Bson::String(text),
        Field::Bytes(bytes) => {
            Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.data().to_vec() })
        }
        Field::Date(days) => Bson::DateTime(DateTime::from_millis(i64::from(days) * DAY_MILLIS)),
        Field::TimestampMillis(millis) => Bson::DateTime(DateTime::from_millis(millis)),
        Field::TimestampMicros(micros) => {
            Bson::DateTime(DateTime::from_millis(micros.div_euclid(1000)))
        }
        Field::Group(row) => Bson::Document(fields(row)),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => entries(map.entries()),
    }
}

/// A map whose keys are strings is a document, another one a list of pairs.
fn entries(entries: &[(Field, Field)]) -> Bson {
    let named = |(key, field): &(Field, Field)| match key {
        Field::Str(name) => Some((name.clone(), value(field.clone()))),
        _ => None,
    };
    if let Some(document) = entries.iter().map(named).collect::<Option<Document>>() {
        return Bson::Document(document);
    }
    let pair = |(key, field): &(Field, Field)| {
        let pair = [("key", key), ("value", field)];
        let pair = pair.map(|(name, field)| (name.to_owned(), value(field.clone())));
        Bson::Document(pair.into_iter().collect())
    };
    entries.iter().map(pair).collect()
}

/// A number by its digits; a text when no decimal can have so many.
fn decimal(number: &impl ToString) -> Bson {
    let digits = number.to_string();
    digits.parse().map_or(Bson::String(digits), Bson::Decimal128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Source, SourceOptions};
    use alluvium::bson::to_json;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    const SCHEMA: &str = "message rivers {
        REQUIRED INT64 id; OPTIONAL BYTE_ARRAY name (UTF8); OPTIONAL DOUBLE km;
        OPTIONAL INT64 at (TIMESTAMP(MICROS,true)); REQUIRED group of { REQUIRED INT64 n; }
    }";

    /// A file of `count` rows in groups of 10; every third has no name.
    fn write(path: &Path, count: i64, packed: Compression) {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let file = File::create(path).unwrap();
        let properties = Arc::new(WriterProperties::builder().set_compression(packed).build());
        let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
        for start in (0..count).step_by(10) {
            let rows: Vec<i64> = (start..(start + 10).min(count)).collect();
            let ones = vec![1; rows.len()];
            let mut group = writer.next_row_group().unwrap();
            let mut column = 0;
            while let Some(mut next) = group.next_column().unwrap() {
                match column {
                    0 | 4 => drop(next.typed::<Int64Type>().write_batch(&rows, None, None)),
                    1 => {
                        let levels: Vec<i16> = rows.iter().map(|n| i16::from(n % 3 != 0)).collect();
                        let named = rows.iter().filter(|n| **n % 3 != 0);
                        let names: Vec<ByteArray> =
                            named.map(|n| format!("river {n}").as_str().into()).collect();
                        drop(next.typed::<ByteArrayType>().write_batch(
                            &names,
                            Some(&levels),
                            None,
                        ));
                    }
                    2 => {
                        let lengths: Vec<f64> = rows.iter().map(|_| 0.5).collect();
                        drop(next.typed::<DoubleType>().write_batch(&lengths, Some(&ones), None));
                    }
                    _ => {
                        let times: Vec<i64> = rows.iter().map(|n| n * 1_000_000 + 999).collect();
                        drop(next.typed::<Int64Type>().write_batch(&times, Some(&ones), None));
                    }
                }
                next.close().unwrap();
                column += 1;
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    #[test]
    fn rows_become_documents_and_reading_goes_on_behind_a_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rivers");
        write(&path, 25, Compression::UNCOMPRESSED);
        let open = || Source::open(&path, &SourceOptions::new()).unwrap();
        assert_eq!(open().format(), Format::Parquet);
        let all: Vec<Record> = open().map(std::result::Result::unwrap).collect();
        assert_eq!(all.len(), 25);
        let shown = |at: usize| to_json(all[at].document.as_ref().unwrap());
        assert_eq!(
            shown(0),
            r#"{"id":0,"km":0.5,"at":{"$date":"1970-01-01T00:00:00Z"},"of":{"n":0}}"#
        );
        assert_eq!(
            shown(1),
            r#"{"id":1,"name":"river 1","km":0.5,"at":{"$date":"1970-01-01T00:00:01Z"},"of":{"n":1}}"#
        );
        for (at, record) in all.iter().enumerate() {
            let mut again = open();
            again.skip_to(&record.mark).unwrap();
            let rest: Vec<Record> = again.map(std::result::Result::unwrap).collect();
            assert_eq!(rest, all[at + 1..]);
        }
    }

    fn zstandard() -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(3).unwrap())
    }

    #[test]
    fn packed_pages_have_the_rows_of_plain_ones() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |packed| {
            let path = folder.path().join("rivers.parquet");
            write(&path, 1000, packed);
            let source = Source::open(&path, &SourceOptions::new()).unwrap();
            let rows: Vec<_> = source.map(|record| record.unwrap().document.unwrap()).collect();
            (rows, std::fs::read(&path).unwrap())
        };
        let (plain, plain_bytes) = rows(Compression::UNCOMPRESSED);
        assert_eq!(plain.len(), 1000);
        let gzip = Compression::GZIP(parquet::basic::GzipLevel::default());
        for packed in [Compression::SNAPPY, gzip, Compression::LZ4_RAW, zstandard()] {
            let (found, bytes) = rows(packed);
            assert!(found == plain, "{packed}");
            assert!(bytes != plain_bytes, "{packed}");
        }
        // The magic number of frames of Zstandard, one for a page at least.
        let (_, bytes) = rows(zstandard());
        let frames = bytes.windows(4).filter(|four| *four == [0x28, 0xB5, 0x2F, 0xFD]).count();
        assert!(frames >= 100, "{frames}");
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rivers.parquet");
        let mut rng = fastrand::Rng::with_seed(9);
        for round in 0..300 {
            write(&path, 12, if round % 2 == 0 { Compression::UNCOMPRESSED } else { zstandard() });
            let mut bytes = std::fs::read(&path).unwrap();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            bytes.truncate(rng.usize(bytes.len() / 2..=bytes.len()));
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(source) = Source::open(&path, &SourceOptions::new().format(Format::Parquet)) {
                let _ = source.take(100).count();
            }
        }
    }

    #[test]
    fn values_keep_what_they_mean() {
        let large = decimal(&u64::MAX);
        assert_eq!(value(Field::ULong(u64::MAX)), large);
        assert_eq!(value(Field::ULong(7)), Bson::Int64(7));
        assert_eq!(value(Field::Date(-1)), Bson::DateTime(DateTime::from_millis(-DAY_MILLIS)));
        assert_eq!(value(Field::TimestampMicros(-1)), Bson::DateTime(DateTime::from_millis(-1)));
        let text = |text: &str| Field::Str(text.to_owned());
        assert_eq!(entries(&[(text("a"), Field::Int(1))]).to_string(), r#"{ "a": 1 }"#);
        assert!(matches!(entries(&[(Field::Int(1), text("a"))]), Bson::Array(_)));
    }
}
