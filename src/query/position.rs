//! [`Position`]: the place of a hit in the ranking, from which another search goes on.
//!
//! Hits give one, and `tiers` leaves out what is not behind it. It is the tier, the score and the number of the document, by which
//! results are ordered, so that nothing but these is compared, whatever has become of the document since. Invariants: the text of a
//! position is read as the same position, and no other text is; the score is a number.
//!
//! ```text
//! t3f99af2e-1c     t as typed, c corrected; the bits of the score; the number of the document; both in hexadecimal
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::topk::ScoredDoc;
use crate::fts::DocId;

/// The characters of a text that an error shows at most.
const SHOWN_CHARS_MAX: usize = 40;

/// The place of a hit in the ranking of a search: see [`Hit::position`](crate::Hit::position).
///
/// It is made to be kept and handed on: `Display` writes letters, digits and one hyphen, `parse` reads them, and serde
/// takes it for a string.
///
/// ```
/// use alluvium::Position;
///
/// let position: Position = "t3f99af2e-1c".parse()?;
/// assert_eq!(position.to_string(), "t3f99af2e-1c");
/// assert!("page 2".parse::<Position>().is_err());
/// # Ok::<(), alluvium::QueryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    pub(super) is_corrected: bool,
    pub(super) scored: ScoredDoc,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tier = if self.is_corrected { 'c' } else { 't' };
        write!(f, "{tier}{:08x}-{:x}", self.scored.score.to_bits(), self.scored.doc.number())
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Whatever is read in another way than it is written is refused.
        let position = read(text).filter(|position| position.to_string() == text);
        position.ok_or_else(|| Error::InvalidPosition {
            text: text.chars().take(SHOWN_CHARS_MAX).collect(),
        })
    }
}

fn read(text: &str) -> Option<Position> {
    let (tier, rest) = text.split_at_checked(1)?;
    let (score, doc) = rest.split_once('-')?;
    let score = f32::from_bits(u32::from_str_radix(score, 16).ok()?);
    let doc = DocId::new(u64::from_str_radix(doc, 16).ok()?)?;
    let position = Position { is_corrected: tier == "c", scored: ScoredDoc { doc, score } };
    (!score.is_nan()).then_some(position)
}

impl TryFrom<String> for Position {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_are_written() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let doc = DocId::new(rng.u64(..1 << 48) >> rng.u32(..48)).unwrap();
            let score = f32::from_bits(rng.u32(..=f32::INFINITY.to_bits()));
            let position = Position { is_corrected: rng.bool(), scored: ScoredDoc { doc, score } };
            let text = position.to_string();
            assert_eq!(text.parse::<Position>().unwrap(), position);
            let json = serde_json::to_string(&position).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
            // A change of one character is another position, or none.
            let mut other: Vec<char> = text.chars().collect();
            let at = rng.usize(..other.len());
            other[at] = char::from(rng.u8(b' '..b'~'));
            let other: String = other.into_iter().collect();
            assert_eq!(other.parse().ok() == Some(position), other == text, "{other}");
        }
    }

    #[test]
    fn what_is_no_position_is_refused_with_an_example() {
        for text in [
            "",
            "t",
            "é",
            "-",
            "t3f800000",
            "t3f800000-",
            "t3f80000-1",
            "t3f800000-01",
            "x3f800000-1",
            "t3F800000-1",
            "t+f800000-1",
            "t3f800000-+1",
            "tffc00000-1",
            "t7f800001-1",
            "t3f800000-1000000000000",
            " t3f800000-1",
            "t3f800000-1 ",
        ] {
            let error = text.parse::<Position>().unwrap_err().to_string();
            assert!(error.contains("t3f99af2e-1c"), "{error}");
        }
        // A program may make a score of a score that is below 0.
        assert!("tbf800000-ffffffffffff".parse::<Position>().is_ok());
        let long = "x".repeat(1 << 20).parse::<Position>().unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }
}
