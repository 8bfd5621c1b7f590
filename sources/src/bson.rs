//! BSON documents one after the other, as mongodump writes a collection: [`read_document`] reads one, archives too.
//!
//! A document that is not sound is refused by itself, since its length tells where the next one begins. A length that can be
//! none ends the source with an error: behind it nothing can be found. Memory: one document; a claimed length makes no room
//! before its bytes are there.

use std::io::{BufRead, Read};

use alluvium::bson::{DOCUMENT_BYTES_MAX, NESTING_MAX, RawDocumentBuf, validate};
use crc::{CRC_64_XZ, Crc, Digest};

use crate::error::{Error, Result};
use crate::input::Input;
use crate::options::SourceOptions;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;

/// Smallest document, an empty one.
const DOCUMENT_BYTES_MIN: u32 = 5;

/// The checksum of archives: CRC-64 of ECMA-182 as XZ has it.
static CHECKSUM: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// A checksum under way.
pub(crate) type Checksum = Digest<'static, u64>;

/// The checksum of nothing.
pub(crate) fn checksum() -> Checksum {
    CHECKSUM.digest()
}

/// What stands where a document may.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// A document, sound or not.
    Document(std::result::Result<RawDocumentBuf, Refusal>),
    /// The end of the source.
    End,
    /// Four bytes that are no length.
    Other(u32),
}

/// Reads the document that begins here; all of its bytes go into the checksum, if there is one.
pub(crate) fn read_document(
    input: &mut Input,
    bytes_max: usize,
    checksum: Option<&mut Checksum>,
) -> Result<Found> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(4).read_to_end(&mut bytes);
    read.map_err(|source| input.wrong(source))?;
    let Some(length) = bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length)) else {
        return Ok(if bytes.is_empty() { Found::End } else { cut_short(&bytes) });
    };
    if length < DOCUMENT_BYTES_MIN || length > u32::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u32::MAX)
    {
        return Ok(Found::Other(length));
    }
    let behind = u64::from(length - 4);
    if u64::from(length) > bytes_max as u64 {
        let skipped = skip(&mut input.by_ref().take(behind), &bytes, checksum);
        skipped.map_err(|source| input.wrong(source))?;
        let reason = format!("the document has {length} bytes, more than the {bytes_max} allowed");
        return Ok(Found::Document(Err(Refusal::without_original(reason))));
    }
    let read = input.by_ref().take(behind).read_to_end(&mut bytes);
    if (read.map_err(|source| input.wrong(source))? as u64) < behind {
        return Ok(cut_short(&bytes));
    }
    if let Some(checksum) = checksum {
        checksum.update(&bytes);
    }
    Ok(Found::Document(sound(bytes)))
}

/// Reads past a document whose `beginning` was read.
fn skip(
    rest: &mut impl BufRead,
    beginning: &[u8],
    mut checksum: Option<&mut Checksum>,
) -> std::io::Result<()> {
    let mut add = |bytes: &[u8]| {
        if let Some(checksum) = &mut checksum {
            checksum.update(bytes);
        }
    };
    add(beginning);
    loop {
        let bytes = rest.fill_buf()?;
        let length = bytes.len();
        if length == 0 {
            return Ok(());
        }
        add(bytes);
        rest.consume(length);
    }
}

fn cut_short(bytes: &[u8]) -> Found {
    Found::Document(Err(Refusal::new("the file ends within the document", bytes)))
}

/// These bytes as a document, if they are one.
fn sound(bytes: Vec<u8>) -> std::result::Result<RawDocumentBuf, Refusal> {
    if let Err(error) = validate(&bytes, NESTING_MAX) {
        return Err(Refusal::new(error, &bytes));
    }
    RawDocumentBuf::from_bytes(bytes).map_err(Refusal::without_original)
}

/// A file of documents.
#[derive(Debug)]
pub(crate) struct Bson {
    input: Input,
    bytes_max: usize,
    number: u64,
}

impl Bson {
    pub(crate) fn new(input: Input, options: &SourceOptions) -> Self {
        Bson { input, bytes_max: options.record_bytes_max, number: 0 }
    }
}

impl Records for Bson {
    fn next(&mut self) -> Result<Option<Record>> {
        let offset = self.input.offset();
        let found = read_document(&mut self.input, self.bytes_max, None)?;
        self.number += 1;
        let file = self.input.name().clone();
        let place = Place { file, position: Position::Record(self.number), offset };
        match found {
            Found::End => Ok(None),
            Found::Other(length) => {
                let reason = format!("{length} stands here, which is not the length of a document");
                Err(Error::Lost { place, reason })
            }
            Found::Document(document) => {
                let mark = Mark { file: None, offset: self.input.offset(), number: self.number };
                Ok(Some(Record::new(place, mark, document)))
            }
        }
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        self.input.skip_to(mark.offset)?;
        self.number = mark.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;

    fn over(bytes: Vec<u8>) -> Bson {
        let input = Input::stream(std::io::Cursor::new(bytes), "x", &std::sync::Arc::default());
        Bson::new(input.unwrap(), &SourceOptions::new().record_bytes_max(1000))
    }

    fn documents() -> Vec<RawDocumentBuf> {
        (0..4).map(|number| rawdoc! { "_id": number, "text": "x".repeat(10) }).collect()
    }

    #[test]
    fn an_unsound_document_costs_itself() {
        let documents = documents();
        let mut bytes: Vec<u8> = documents.iter().flat_map(|d| d.as_bytes().to_vec()).collect();
        bytes.extend_from_slice(rawdoc! { "text": "x".repeat(1000) }.as_bytes());
        bytes.extend_from_slice(documents[0].as_bytes());
        let second = documents[0].as_bytes().len();
        bytes[second + 4] = 0x20;
        let cut = [&bytes[..], b"\x10\0\0"].concat();
        let mut bson = over(cut);
        let found: Vec<bool> = std::iter::from_fn(|| bson.next().unwrap())
            .map(|record| record.document.is_ok())
            .collect();
        assert_eq!(found, [true, false, true, true, false, true, false]);
    }

    #[test]
    fn a_length_that_can_be_none_ends_the_source() {
        for length in [0_u32, 4, (64 << 20) + 1, u32::MAX] {
            let mut bytes = documents()[0].as_bytes().to_vec();
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(documents()[1].as_bytes());
            let mut bson = over(bytes);
            assert!(bson.next().unwrap().unwrap().document.is_ok());
            let error = bson.next().unwrap_err().to_string();
            assert!(
                error.contains("x, record 2: ") && error.contains(&length.to_string()),
                "{error}"
            );
        }
    }

    #[test]
    fn a_claimed_length_makes_no_room() {
        let mut bson = over((64_u32 << 20).to_le_bytes().to_vec());
        assert!(bson.next().unwrap().unwrap().document.unwrap_err().reason.contains("more than"));
        assert!(bson.next().unwrap().is_none());
    }

    #[test]
    fn random_bytes_give_records_or_an_error_and_end() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let mut bytes: Vec<u8> =
                documents().iter().flat_map(|d| d.as_bytes().to_vec()).collect();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            bytes.truncate(rng.usize(..=bytes.len()));
            let mut bson = over(bytes);
            let ended = (0..200).any(|_| !matches!(bson.next(), Ok(Some(_))));
            assert!(ended);
        }
    }
}
