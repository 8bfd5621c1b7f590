//! Variable-length integers (LEB128): seven bits a byte, lowest first, the top bit says "more".
//!
//! Signed numbers are folded by zigzag (0, -1, 1, -2 become 0, 1, 2, 3) so that small ones stay short.
//! A `u64` takes one to ten bytes. Reading is [`ByteReader::varint`](super::ByteReader::varint).

/// Appends `value` in one to ten bytes.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends `value`, zigzag-folded, in one to ten bytes.
pub fn put_signed_varint(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}
