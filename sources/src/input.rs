//! [`Input`]: the bytes of one file or stream, unpacked if they are gzip, with their first ones to look at beforehand.
//!
//! Every format reads through it. It counts the bytes that were taken ([`Input::offset`]), so that records know where they
//! stand; it goes to a later offset by a seek in a plain file and by reading on elsewhere; and bytes can be given back, which
//! formats without lines need to go on behind a record that has no end.
//!
//! Memory: two buffers, whatever the bytes say. What is given back is bounded in sum, since hostile bytes could otherwise make
//! the same text be read again without end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::Encoding;
use flate2::bufread::MultiGzDecoder;

use crate::decoding::Decoding;
use crate::error::{Error, Result};
use crate::meter::{Meter, Metered};

/// Bytes at the beginning that formats are known by.
pub(crate) const HEAD_BYTES: usize = 64 << 10;
/// Bytes asked of a file at once.
const READ_BYTES: usize = 256 << 10;
/// Most bytes given back in sum; few in tests, which would take as long otherwise.
const GIVEN_BACK_BYTES_MAX: u64 = if cfg!(test) { 2 << 20 } else { 1 << 30 };
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// The unpacked bytes of a file or stream.
pub(crate) struct Input {
    name: Arc<str>,
    /// What stands before `rest`, from `ahead_at` on.
    ahead: Vec<u8>,
    ahead_at: usize,
    rest: Rest,
    offset: u64,
    given_back: u64,
    meter: Arc<Meter>,
    /// What reading on will end with.
    failed: Option<io::Error>,
}

enum Rest {
    File(BufReader<Metered<File>>),
    Stream(Box<dyn BufRead + Send>),
}

impl Rest {
    fn reader(&mut self) -> &mut dyn BufRead {
        match self {
            Rest::File(file) => file,
            Rest::Stream(stream) => stream,
        }
    }
}

impl Input {
    /// Opens a file.
    pub(crate) fn open(path: &Path, name: &str, meter: &Arc<Meter>) -> Result<Self> {
        let wrong = |source| Error::io(name, source);
        let mut file = File::open(path).map_err(wrong)?;
        if !file.metadata().map_err(wrong)?.is_file() {
            return Self::stream(file, name, meter);
        }
        let mut magic = Vec::new();
        (&file).take(2).read_to_end(&mut magic).map_err(wrong)?;
        file.seek(SeekFrom::Start(0)).map_err(wrong)?;
        let file = BufReader::with_capacity(READ_BYTES, Metered::new(file, meter));
        let rest = if magic == GZIP_MAGIC { unpacked(file) } else { Rest::File(file) };
        Ok(Self::new(rest, name, meter))
    }

    /// Reads a stream.
    pub(crate) fn stream(
        reader: impl Read + Send + 'static,
        name: &str,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let mut reader = Metered::new(reader, meter);
        let mut magic = Vec::new();
        reader.by_ref().take(2).read_to_end(&mut magic).map_err(|e| Error::io(name, e))?;
        let packed = magic == GZIP_MAGIC;
        let whole = Cursor::new(magic).chain(BufReader::with_capacity(READ_BYTES, reader));
        let rest = if packed { unpacked(whole) } else { Rest::Stream(Box::new(whole)) };
        Ok(Self::new(rest, name, meter))
    }

    fn new(rest: Rest, name: &str, meter: &Arc<Meter>) -> Self {
        let (ahead, ahead_at, offset, given_back) = (Vec::new(), 0, 0, 0);
        let (name, meter) = (name.into(), Arc::clone(meter));
        let failed = None;
        let mut input = Input { name, ahead, ahead_at, rest, offset, given_back, meter, failed };
        input.read_head();
        input
    }

    /// Reads what the format is known by: a line, since a stream may take its time for the next one.
    fn read_head(&mut self) {
        let mut head = Vec::new();
        loop {
            match self.rest.reader().fill_buf() {
                Ok(bytes) => {
                    let enough = bytes.is_empty() || bytes.contains(&b'\n');
                    let taken = bytes.len().min(HEAD_BYTES.saturating_sub(head.len()));
                    head.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                    self.rest.reader().consume(taken);
                    if enough || head.len() >= HEAD_BYTES {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        (self.ahead, self.ahead_at) = (head, 0);
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that come next: as long as none was taken the first line at least, or the first 64 KiB.
    pub(crate) fn head(&self) -> &[u8] {
        self.ahead.get(self.ahead_at..).unwrap_or_default()
    }

    /// Reads everything from here on as text of `encoding`: what is read then is UTF-8, and offsets are in that.
    pub(crate) fn decode(&mut self, encoding: &'static Encoding) {
        let ahead = Cursor::new(self.head().to_vec());
        let rest = std::mem::replace(&mut self.rest, Rest::Stream(Box::new(io::empty())));
        let decoded = match rest {
            Rest::File(file) => Decoding::new(Box::new(ahead.chain(file)), encoding),
            Rest::Stream(stream) => Decoding::new(Box::new(ahead.chain(stream)), encoding),
        };
        self.rest = Rest::Stream(Box::new(decoded));
        if self.failed.is_none() {
            self.read_head();
        }
    }

    /// Goes on at this offset, which must not have been passed.
    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<()> {
        let distance = offset.checked_sub(self.offset).ok_or_else(|| self.too_short())?;
        let ahead = self.head().len() as u64;
        if let Rest::File(file) = &mut self.rest
            && distance > ahead
        {
            let beyond = i64::try_from(distance - ahead).unwrap_or(i64::MAX);
            let bytes = file.get_ref().reader().metadata().map(|metadata| metadata.len());
            let skipped = bytes.and_then(|bytes| Ok((bytes, file.seek_relative(beyond)?)));
            self.meter.add_read(distance - ahead);
            let (bytes, ()) = skipped.map_err(|source| Error::io(&self.name, source))?;
            if offset > bytes {
                return Err(self.too_short());
            }
            (self.ahead, self.ahead_at, self.offset) = (Vec::new(), 0, offset);
            return Ok(());
        }
        let skipped = io::copy(&mut self.by_ref().take(distance), &mut io::sink());
        if skipped.map_err(|source| self.wrong(source))? < distance {
            return Err(self.too_short());
        }
        Ok(())
    }

    fn too_short(&self) -> Error {
        Error::unusable(&self.name, "it is not the file that the mark is from; begin anew")
    }

    /// Gives back bytes that were the last to be taken.
    ///
    /// # Errors
    /// When so much was given back before that this may never end.
    pub(crate) fn give_back(&mut self, bytes: &[u8]) -> Result<()> {
        self.given_back += bytes.len() as u64;
        if self.given_back > GIVEN_BACK_BYTES_MAX {
            let reason = "too many records have no end: a bracket or quote is missing in each";
            return Err(Error::unusable(&self.name, reason));
        }
        let mut ahead = bytes.to_vec();
        ahead.extend_from_slice(self.head());
        (self.ahead, self.ahead_at) = (ahead, 0);
        self.offset = self.offset.saturating_sub(bytes.len() as u64);
        self.meter.take_unpacked(bytes.len() as u64);
        Ok(())
    }

    /// An error of reading.
    pub(crate) fn wrong(&self, source: io::Error) -> Error {
        Error::io(&self.name, source)
    }
}

fn unpacked(reader: impl BufRead + Send + 'static) -> Rest {
    let decoder = MultiGzDecoder::new(reader);
    Rest::Stream(Box::new(BufReader::with_capacity(READ_BYTES, decoder)))
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.ahead.get(self.ahead_at..) {
            Some(ahead) if !ahead.is_empty() => Ok(ahead),
            _ => match self.failed.take() {
                Some(error) => Err(error),
                None => self.rest.reader().fill_buf(),
            },
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.meter.add_unpacked(bytes as u64);
        if self.ahead_at < self.ahead.len() {
            self.ahead_at = (self.ahead_at + bytes).min(self.ahead.len());
            if self.ahead_at == self.ahead.len() {
                (self.ahead, self.ahead_at) = (Vec::new(), 0);
            }
        } else {
            self.rest.reader().consume(bytes);
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
