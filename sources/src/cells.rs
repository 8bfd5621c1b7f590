//! What the text of one cell of a table becomes: a value of BSON, by rule or as the caller said.
//!
//! The rule is that nothing is lost: a cell becomes a number or boolean only if writing that gives the very same text, so `007`,
//! `1.50`, `+1` and `1e3` stay strings. Called by `table`.

use alluvium::bson::{Bson, DateTime};

use crate::options::{ColumnType, Typing};

/// A cell under the rule.
pub(crate) fn untold(text: &str, typing: Typing) -> Bson {
    let plausible = text.len() <= 24
        && text.bytes().next().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    match (typing, text) {
        (Typing::Lossless, "true") => return Bson::Boolean(true),
        (Typing::Lossless, "false") => return Bson::Boolean(false),
        (Typing::Lossless, _) if plausible => {
            if let Ok(number) = text.parse::<i64>()
                && number.to_string() == text
            {
                return whole(number);
            }
            // `Display` of a double is the shortest text that reads as the same one.
            if text.contains('.')
                && let Ok(number) = text.parse::<f64>()
                && number.to_string() == text
            {
                return Bson::Double(number);
            }
        }
        _ => {}
    }
    Bson::String(text.to_owned())
}

fn whole(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// A cell of a column whose type was said; an error says what was expected.
pub(crate) fn told(text: &str, becomes: ColumnType) -> Result<Bson, &'static str> {
    let trimmed = text.trim();
    match becomes {
        ColumnType::Text => Ok(Bson::String(text.to_owned())),
        ColumnType::Int => trimmed.parse().map(whole).map_err(|_| "a whole number of 64 bits"),
        ColumnType::Double => trimmed.parse().map(Bson::Double).map_err(|_| "a number"),
        ColumnType::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Bson::Boolean(true)),
            "false" | "no" | "0" => Ok(Bson::Boolean(false)),
            _ => Err("true or false, yes or no, 1 or 0"),
        },
        ColumnType::Date => date(trimmed)
            .map(Bson::DateTime)
            .ok_or("a date such as 1849-01-24 or 1849-01-24T08:30:00Z"),
    }
}

fn date(text: &str) -> Option<DateTime> {
    let day_only =
        text.len() == 10 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    let whole = if day_only { format!("{text}T00:00:00Z") } else { text.replacen(' ', "T", 1) };
    DateTime::parse_rfc3339_str(whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_what_they_say_if_nothing_is_lost() {
        for (text, expected) in [
            ("0", Bson::Int32(0)),
            ("-17", Bson::Int32(-17)),
            ("2147483648", Bson::Int64(2_147_483_648)),
            ("-9223372036854775808", Bson::Int64(i64::MIN)),
            ("0.1", Bson::Double(0.1)),
            ("-12.5", Bson::Double(-12.5)),
            ("true", Bson::Boolean(true)),
            ("false", Bson::Boolean(false)),
        ] {
            assert_eq!(untold(text, Typing::Lossless), expected);
            assert_eq!(untold(text, Typing::Text), Bson::String(text.to_owned()));
        }
        for text in [
            "007",
            "+1",
            "-0",
            "1.0",
            "1.50",
            ".5",
            "1e3",
            "1.",
            "9223372036854775808",
            "0x1F",
            "1_000",
            "1,5",
            " 1",
            "1 ",
            "TRUE",
            "yes",
            "NaN",
            "inf",
            "-",
            "",
            "1849-01-24",
            "٣",
        ] {
            assert_eq!(untold(text, Typing::Lossless), Bson::String(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn random_numbers_come_back_as_the_text_that_they_were() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..20_000 {
            let digits = |rng: &mut fastrand::Rng| rng.u64(..).to_string()[..1].to_owned();
            let text: String = (0..rng.usize(1..22))
                .map(|_| {
                    if rng.u8(..8) == 0 {
                        [".", "-", "0", "e"][rng.usize(..4)].to_owned()
                    } else {
                        digits(&mut rng)
                    }
                })
                .collect();
            let back = match untold(&text, Typing::Lossless) {
                Bson::Int32(number) => number.to_string(),
                Bson::Int64(number) => number.to_string(),
                Bson::Double(number) => number.to_string(),
                Bson::String(text) => text,
                other => panic!("{other} of {text}"),
            };
            assert_eq!(back, text);
        }
    }

    #[test]
    fn columns_of_a_type_take_it_or_refuse() {
        let date = |text: &str| told(text, ColumnType::Date);
        assert_eq!(told(" 007 ", ColumnType::Int), Ok(Bson::Int32(7)));
        assert_eq!(told("1e3", ColumnType::Double), Ok(Bson::Double(1000.0)));
        assert_eq!(told("Yes", ColumnType::Bool), Ok(Bson::Boolean(true)));
        assert_eq!(told("007", ColumnType::Text), Ok(Bson::String("007".to_owned())));
        assert_eq!(date("1970-01-02"), Ok(Bson::DateTime(DateTime::from_millis(86_400_000))));
        assert_eq!(date("1970-01-01 00:00:01Z"), Ok(Bson::DateTime(DateTime::from_millis(1000))));
        for (text, becomes) in [
            ("7.5", ColumnType::Int),
            ("", ColumnType::Double),
            ("maybe", ColumnType::Bool),
            ("24.1.1849", ColumnType::Date),
            ("1849-13-01", ColumnType::Date),
        ] {
            assert!(told(text, becomes).is_err(), "{text}");
        }
    }
}
