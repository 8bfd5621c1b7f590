//! Random values for the tests of this layer: every type, with many near-equal numbers and strings.
//!
//! Used by tests only. Seeds are fixed by the caller, so each failure repeats; the pools are small
//! on purpose, so that equal and almost equal values meet often.

use bson::oid::ObjectId;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, RawDocumentBuf, Regex, Timestamp};
use serde_json::json;

/// A seeded source of values.
pub(super) struct Samples {
    pub(super) rng: fastrand::Rng,
}

const STRINGS: [&str; 10] = ["", "a", "b", "ab", "a\0", "a\0b", "a\u{1}", "\0", "é", "\u{10FFFF}"];
const KEYS: [&str; 6] = ["", "a", "b", "ab", "é", "zz"];
const INTEGERS: [i64; 22] = [
    0,
    1,
    2,
    63,
    64,
    127,
    128,
    255,
    256,
    1000,
    32_767,
    65_536,
    2_147_483_647,
    2_147_483_648,
    (1 << 53) - 1,
    1 << 53,
    (1 << 53) + 1,
    (1 << 53) + 2,
    1 << 62,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN,
];
const DECIMALS: [&str; 32] = [
    "0",
    "-0",
    "0E+3",
    "0E-6176",
    "1",
    "1.0",
    "1E0",
    "10E-1",
    "0.1",
    "0.10",
    "-0.1",
    "1.5",
    "1.50",
    "9007199254740993",
    "9007199254740992.5",
    "9007199254740993.000000000000000001",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551615.5",
    "1E+6144",
    "9.999999999999999999999999999999999E+6144",
    "1E-6176",
    "4.940656458412465E-324",
    "1.797693134862315708145274237317044E+308",
    "1E+19",
    "1E+308",
    "0.1000000000000000055511151231257827",
    "Infinity",
    "-Infinity",
    "NaN",
];

impl Samples {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn string(&mut self) -> String {
        let mut text = STRINGS[self.rng.usize(..STRINGS.len())].to_owned();
        if self.rng.u8(..4) == 0 {
            text.push_str(STRINGS[self.rng.usize(..STRINGS.len())]);
        }
        text
    }

    pub(super) fn double(&mut self) -> f64 {
        const SPECIAL: [f64; 19] = [
            0.0,
            -0.0,
            0.1,
            0.5,
            1.0,
            1.5,
            255.5,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            9_007_199_254_740_992.0,
            9_007_199_254_740_994.0,
            9_223_372_036_854_775_808.0,
            18_446_744_073_709_551_616.0,
            1e19,
            1e308,
            4_503_599_627_370_495.5,
        ];
        let magnitude = match self.rng.u8(..4) {
            0 => f64::from_bits(self.rng.u64(..)),
            1 => f64::from(self.rng.i32(-100..100)) / 4.0,
            _ => SPECIAL[self.rng.usize(..SPECIAL.len())],
        };
        if self.rng.bool() { magnitude } else { -magnitude }
    }

    pub(super) fn number(&mut self) -> Bson {
        match self.rng.u8(..4) {
            0 => {
                let value = INTEGERS[self.rng.usize(..INTEGERS.len())];
                Bson::Int64(if self.rng.bool() { value } else { value.wrapping_neg() })
            }
            1 => Bson::Int32(self.rng.i32(-300..300)),
            2 => Bson::Double(self.double()),
            _ => match self.rng.u8(..6) {
                0 => Bson::Decimal128(Decimal128::from_bytes(self.rng.u128(..).to_le_bytes())),
                1 => self.decimal_of_double(),
                2 => {
                    let hundredths = self.rng.i32(-300..300);
                    let text = format!("{hundredths}E-{}", self.rng.u8(..4));
                    Bson::Decimal128(text.parse().expect("a decimal"))
                }
                _ => {
                    let text = DECIMALS[self.rng.usize(..DECIMALS.len())];
                    Bson::Decimal128(text.parse().expect("a decimal"))
                }
            },
        }
    }

    /// A decimal that equals a double, or lies next to it.
    fn decimal_of_double(&mut self) -> Bson {
        let double = self.double();
        let text = format!("{double:e}");
        Bson::Decimal128(text.parse().unwrap_or_else(|_| "1".parse().expect("a decimal")))
    }

    pub(super) fn value(&mut self, depth: u8) -> Bson {
        match self.rng.u8(..if depth == 0 { 26 } else { 32 }) {
            0 => Bson::MinKey,
            1 => Bson::Null,
            2 => Bson::Undefined,
            3..=9 => self.number(),
            10..=12 => Bson::String(self.string()),
            13 => Bson::Symbol(self.string()),
            14 => Bson::Binary(Binary {
                subtype: BinarySubtype::from([0, 2, 4, 0x80][self.rng.usize(..4)]),
                bytes: (0..self.rng.u8(..3)).map(|_| self.rng.u8(..3)).collect(),
            }),
            15 => Bson::ObjectId(ObjectId::from_bytes([self.rng.u8(..3); 12])),
            16 => Bson::Boolean(self.rng.bool()),
            17 => Bson::DateTime(DateTime::from_millis(match self.rng.u8(..3) {
                0 => self.rng.i64(..),
                1 => self.rng.i64(-3..3),
                _ => 253_402_300_799_998 + self.rng.i64(..4),
            })),
            18 => {
                Bson::Timestamp(Timestamp { time: self.rng.u32(..3), increment: self.rng.u32(..3) })
            }
            19 => Bson::RegularExpression(Regex {
                pattern: cstring(self.key()),
                options: cstring(["", "i", "im"][self.rng.usize(..3)]),
            }),
            20 => {
                let id = if self.rng.bool() { "00" } else { "01" }.repeat(12);
                let pointer = json!({"$dbPointer": {"$ref": self.string(), "$id": {"$oid": id}}});
                Bson::try_from(pointer).expect("a pointer")
            }
            21 => Bson::JavaScriptCode(self.string()),
            22 => Bson::MaxKey,
            23 => Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                code: self.string(),
                scope: self.fields(0),
            }),
            24 => Bson::Document(Document::new()),
            25 => Bson::Array(Vec::new()),
            26..=28 => Bson::Document(self.fields(depth - 1)),
            _ => Bson::Array((0..self.rng.u8(..4)).map(|_| self.value(depth - 1)).collect()),
        }
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.rng.usize(..KEYS.len())]
    }

    fn fields(&mut self, depth: u8) -> Document {
        (0..self.rng.u8(..4)).map(|_| (self.key().to_owned(), self.value(depth))).collect()
    }

    pub(super) fn document(&mut self, depth: u8) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&self.fields(depth)).expect("keys without NUL")
    }

    /// A document whose only field `v` holds `value`.
    pub(super) fn wrapped(value: Bson) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&bson::doc! { "v": value }).expect("keys without NUL")
    }
}

fn cstring(text: &str) -> CString {
    CString::try_from(text).expect("no NUL")
}
