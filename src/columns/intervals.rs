//! Intervals of a histogram: in which one a value lies, and how it is called.
//!
//! Histograms name an interval by where it begins, as a number of 64 bits that orders as the intervals do. Numbers are taken
//! as doubles, dates as whole milliseconds. Cost: a few nanoseconds a value.

use super::aggregation::{Aggregation, DateHistogram, Histogram};
use super::numbers::Number;
use crate::bson::{Bson, DateTime, RawBsonRef};

/// The intervals of a histogram.
#[derive(Debug, Clone, Copy)]
pub(super) enum Intervals {
    /// Of numbers.
    Numbers { interval: f64, offset: f64 },
    /// Of dates, in milliseconds.
    Dates { interval: u64, offset: i64 },
}

/// Where an interval begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Begin(i64);

impl Intervals {
    /// The intervals of an aggregation, if it is a histogram.
    pub(super) fn of(aggregation: &Aggregation) -> Option<Self> {
        match aggregation {
            Aggregation::Histogram(Histogram { interval, offset, .. }) => {
                Some(Intervals::Numbers { interval: *interval, offset: *offset })
            }
            Aggregation::DateHistogram(DateHistogram { interval_ms, offset_ms, .. }) => {
                Some(Intervals::Dates { interval: *interval_ms, offset: *offset_ms })
            }
            _ => None,
        }
    }

    /// The interval in which a value lies, if it is a finite number, or a date.
    pub(super) fn begin(&self, value: RawBsonRef<'_>) -> Option<Begin> {
        match (self, value) {
            (Intervals::Dates { interval, offset }, RawBsonRef::DateTime(date)) => {
                let (offset, millis) = (i128::from(*offset), i128::from(date.timestamp_millis()));
                let distance = (millis - offset).rem_euclid(i128::from(*interval));
                // An interval that begins before all dates begins with the first.
                Some(Begin(i64::try_from(millis - distance).unwrap_or(i64::MIN)))
            }
            (Intervals::Numbers { interval, offset }, value) => {
                let number = Number::of(value)?.to_double();
                let begin = ((number - offset) / interval).floor() * interval + offset;
                begin.is_finite().then(|| Begin::of_double(begin))
            }
            (Intervals::Dates { .. }, _) => None,
        }
    }

    /// The value at which an interval begins.
    pub(super) fn key(&self, begin: Begin) -> Bson {
        match self {
            Intervals::Numbers { .. } => Bson::Double(begin.to_double()),
            Intervals::Dates { .. } => Bson::DateTime(DateTime::from_millis(begin.0)),
        }
    }
}

impl Begin {
    /// Bits of a double in the order of doubles; -0 is 0.
    fn of_double(number: f64) -> Self {
        Begin(flip((number + 0.0).to_bits().cast_signed()))
    }

    fn to_double(self) -> f64 {
        f64::from_bits(flip(self.0).cast_unsigned())
    }
}

/// Turns the order of those below 0 around; its own inverse.
fn flip(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_intervals() {
        let numbers = |interval, offset| Intervals::Numbers { interval, offset };
        for (intervals, value, expected) in [
            (numbers(10.0, 0.0), RawBsonRef::Int32(-1), Some(-10.0)),
            (numbers(10.0, 0.0), RawBsonRef::Double(-0.0), Some(0.0)),
            (numbers(10.0, 3.0), RawBsonRef::Int64(12), Some(3.0)),
            (numbers(0.5, 0.0), RawBsonRef::Double(1.25), Some(1.0)),
            (numbers(1.0, 0.0), RawBsonRef::Double(f64::NAN), None),
            (numbers(1.0, 0.0), RawBsonRef::Double(f64::INFINITY), None),
            (numbers(1.0, 0.0), RawBsonRef::Null, None),
            (numbers(1.0, 0.0), RawBsonRef::DateTime(DateTime::from_millis(1)), None),
        ] {
            let key = intervals.begin(value).map(|begin| intervals.key(begin));
            assert_eq!(key, expected.map(Bson::Double), "{value:?}");
        }
        let days = Intervals::Dates { interval: 86_400_000, offset: 3_600_000 };
        for (millis, expected) in [
            (0, -82_800_000),
            (3_600_000, 3_600_000),
            (i64::MIN, i64::MIN),
            (90_000_001, 90_000_000),
        ] {
            let begin = days.begin(RawBsonRef::DateTime(DateTime::from_millis(millis))).unwrap();
            assert_eq!(days.key(begin), Bson::DateTime(DateTime::from_millis(expected)));
        }
        assert_eq!(days.begin(RawBsonRef::Int64(5)), None);
    }
}
