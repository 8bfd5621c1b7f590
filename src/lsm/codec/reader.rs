//! [`ByteReader`], the only way to parse bytes of a file.
//!
//! Each method checks before it reads and gives [`Corruption`](crate::lsm::Corruption) with the name of the
//! structure and the offset inside it; none panics, none allocates. Cost: one comparison a call.

use std::fmt::Display;

use crate::lsm::error::{Error, Result};

/// Reads little-endian numbers, varints and slices from front to back.
///
/// ```
/// use alluvium::lsm::ByteReader;
///
/// let mut reader = ByteReader::new("example", &[0x2A, 0x80, 0x01, 7]);
/// assert_eq!(reader.u8()?, 42);
/// assert_eq!(reader.varint()?, 128);
/// assert_eq!(reader.rest(), [7]);
/// assert!(reader.u32().is_err());
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ByteReader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    /// A reader at the start of `bytes`; `what` names the structure in errors.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        ByteReader { what, bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether every byte has been read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// A corruption of this structure at the reader's offset.
    #[cold]
    #[inline(never)]
    pub fn error(&self, message: impl Display) -> Error {
        Error::corruption(format!("{}: {message}", self.what), self.at as u64)
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.too_short(len));
        };
        self.at += len;
        Ok(taken)
    }

    #[cold]
    #[inline(never)]
    fn too_short(&self, len: usize) -> Error {
        self.error(format_args!("{len} bytes expected, {} are left", self.remaining()))
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Two bytes, little endian.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little endian.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little endian.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A varint of at most ten bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        // Most lengths take one byte or two.
        match self.bytes.get(self.at..) {
            Some(&[byte, ..]) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            Some(&[low, high, ..]) if high < 0x80 => {
                self.at += 2;
                Ok(u64::from(high) << 7 | u64::from(low & 0x7F))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("a varint does not end within 64 bits"))
    }

    /// A varint that fits 32 bits.
    pub fn varint_u32(&mut self) -> Result<u32> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| self.error(format_args!("{value} does not fit 32 bits")))
    }

    /// A varint used as a length in memory.
    #[inline]
    pub fn varint_usize(&mut self) -> Result<usize> {
        let value = self.varint()?;
        usize::try_from(value)
            .map_err(|_| self.error(format_args!("{value} does not fit in memory")))
    }

    /// A zigzag-folded varint.
    pub fn signed_varint(&mut self) -> Result<i64> {
        let folded = self.varint()?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    /// Fails unless every byte has been read.
    pub fn expect_end(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.error(format_args!("{} bytes too many", self.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::codec::{put_signed_varint, put_varint};

    #[test]
    fn varints_come_back_as_they_went() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let value = rng.u64(..) >> rng.u32(0..64);
            let signed = value.cast_signed();
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_signed_varint(&mut out, signed);
            let mut reader = ByteReader::new("test", &out);
            assert_eq!(reader.varint().unwrap(), value);
            assert_eq!(reader.signed_varint().unwrap(), signed);
            reader.expect_end().unwrap();
        }
    }

    #[test]
    fn overlong_and_cut_varints_are_errors() {
        assert!(ByteReader::new("test", &[0x80; 10]).varint().is_err());
        assert!(ByteReader::new("test", &[0xFF; 11]).varint().is_err());
        assert!(ByteReader::new("test", &[0x80]).varint().is_err());
        let mut max = vec![0xFF; 9];
        max.push(1);
        assert_eq!(ByteReader::new("test", &max).varint().unwrap(), u64::MAX);
    }

    #[test]
    fn a_length_beyond_the_bytes_is_an_error_that_names_the_place() {
        let mut reader = ByteReader::new("sample", &[1, 2, 3]);
        reader.u8().unwrap();
        let error = reader.take(usize::MAX).unwrap_err().to_string();
        assert!(error.contains("sample") && error.contains("byte 1"), "{error}");
        assert_eq!(reader.take(2).unwrap(), [2, 3]);
    }
}
