//! Text in whatever encoding as UTF-8: [`Decoding`] does it to a stream, [`decoded`] to a whole file and tells how sure it is.
//!
//! A byte order mark decides, then what the caller was told, then UTF-8 if the bytes are that, then the likeliest encoding of
//! the language that the bytes look like. Bytes that mean nothing become U+FFFD. Source: the Encoding Standard of the WHATWG.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// Bytes of UTF-8 made at once.
const DECODED_BYTES: usize = 64 << 10;
/// Bytes that a detector looks at; what comes later seldom changes its mind.
const DETECTED_BYTES_MAX: usize = 1 << 20;

/// The encoding of a byte order mark, if `head` begins with one that is not that of UTF-8.
pub(crate) fn marked(head: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(head).map(|(encoding, _)| encoding).filter(|encoding| *encoding != UTF_8)
}

/// `bytes` as text; `told` is what something beside or inside them says of their encoding.
pub(crate) fn decoded<'a>(bytes: &'a [u8], told: Option<&'static Encoding>) -> Cow<'a, str> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let text = bytes.get(length..).unwrap_or_default();
        return encoding.decode_without_bom_handling(text).0;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    told.unwrap_or_else(|| detected(bytes)).decode_without_bom_handling(bytes).0
}

fn detected(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes.get(..DETECTED_BYTES_MAX).unwrap_or(bytes), true);
    detector.guess(None, Utf8Detection::Allow)
}

/// A stream of text as UTF-8.
pub(crate) struct Decoding {
    source: Box<dyn BufRead + Send>,
    decoder: Decoder,
    text: Vec<u8>,
    text_at: usize,
    ended: bool,
}

impl Decoding {
    pub(crate) fn new(source: Box<dyn BufRead + Send>, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder();
        Decoding { source, decoder, text: Vec::new(), text_at: 0, ended: false }
    }
}

impl BufRead for Decoding {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.text_at == self.text.len() && !self.ended {
            let bytes = self.source.fill_buf()?;
            let last = bytes.is_empty();
            self.text.resize(DECODED_BYTES, 0);
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(bytes, &mut self.text, last);
            self.source.consume(read);
            self.text.truncate(written);
            self.text_at = 0;
            self.ended = last && result == CoderResult::InputEmpty;
        }
        Ok(self.text.get(self.text_at..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.text_at = (self.text_at + bytes).min(self.text.len());
    }
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{UTF_16LE, WINDOWS_1252};

    #[test]
    fn encodings_are_told_by_mark_word_or_look() {
        let utf16: Vec<u8> = "\u{FEFF}Gold é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16, None), "Gold é");
        assert_eq!(decoded(b"\xEF\xBB\xBFGold", Some(WINDOWS_1252)), "Gold");
        assert_eq!(decoded("Gold é".as_bytes(), Some(WINDOWS_1252)), "Gold é");
        assert_eq!(decoded(b"\xE9t\xE9", Some(WINDOWS_1252)), "été");
        let french =
            b"L'\xE9t\xE9 dernier, la rivi\xE8re \xE9tait tr\xE8s basse; no\xEBl fut doux.";
        assert_eq!(
            decoded(french, None),
            "L'été dernier, la rivière était très basse; noël fut doux."
        );
        let (russian, _, _) = encoding_rs::KOI8_R.encode("Река течёт через золотые поля на север");
        assert_eq!(decoded(&russian, None), "Река течёт через золотые поля на север");
        assert_eq!(marked(&utf16), Some(UTF_16LE));
        assert_eq!(marked(b"\xEF\xBB\xBFa"), None);
    }

    #[test]
    fn a_stream_is_decoded_as_a_whole_is() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..12 {
            let text: String = (0..rng.usize(..60_000)).map(|_| rng.char(..)).collect();
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let pieces = io::BufReader::with_capacity(rng.usize(1..5000), io::Cursor::new(bytes));
            let mut found = String::new();
            let mut stream = Decoding::new(Box::new(pieces), encoding_rs::UTF_16BE);
            stream.read_to_string(&mut found).unwrap();
            assert!(found == text.strip_prefix('\u{FEFF}').unwrap_or(&text));
        }
    }
}
