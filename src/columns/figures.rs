//! [`Figures`]: the number of values, the least and the greatest, and the sum of those that are numbers.
//!
//! The aggregation `stats` counts with it, chunk by chunk. Cost: that of counting values, and a few nanoseconds for each distinct
//! value that is a number.

use super::chunk::ColumnChunk;
use super::error::Result;
use super::numbers::{Number, Sum};
use super::results::StatsResult;
use super::tally::count_values;
use crate::bson::{self, Bson};

/// Figures of the values counted so far.
#[derive(Debug, Default)]
pub(super) struct Figures {
    count: u64,
    sum: Sum,
    least: Option<Extreme>,
    greatest: Option<Extreme>,
}

#[derive(Debug)]
struct Extreme {
    key: Vec<u8>,
    value: Bson,
}

impl Figures {
    /// Adds the values of some documents of a chunk.
    ///
    /// # Errors
    /// [`Error::Document`](super::Error::Document), and never for values of validated documents.
    pub(super) fn add(&mut self, column: Option<&ColumnChunk>, offsets: &[u16]) -> Result<()> {
        let Some(column) = column else { return Ok(()) };
        let counted = count_values(Some(column), offsets).counted;
        let (Some(&(least, _)), Some(&(greatest, _))) = (counted.first(), counted.last()) else {
            return Ok(());
        };
        for (ordinal, times) in counted {
            self.count += u64::from(times);
            if let Some(number) = Number::of(column.value(ordinal)) {
                self.sum.add(number, times);
            }
        }
        let mut key = Vec::new();
        column.key(least, &mut key);
        if self.least.as_ref().is_none_or(|known| key < known.key) {
            self.least = Some(Extreme::new(&key, column, least)?);
        }
        column.key(greatest, &mut key);
        if self.greatest.as_ref().is_none_or(|known| key > known.key) {
            self.greatest = Some(Extreme::new(&key, column, greatest)?);
        }
        Ok(())
    }

    /// The result.
    pub(super) fn finish(self) -> StatsResult {
        StatsResult {
            count: self.count,
            min: self.least.map(|least| least.value),
            max: self.greatest.map(|greatest| greatest.value),
            numbers: self.sum.count,
            sum: self.sum.to_double(),
            whole_sum: self.sum.whole(),
            avg: self.sum.average(),
        }
    }
}

impl Extreme {
    fn new(key: &[u8], column: &ColumnChunk, ordinal: u32) -> Result<Self> {
        let value = Bson::try_from(column.value(ordinal)).map_err(bson::Error::from)?;
        Ok(Extreme { key: key.to_vec(), value })
    }
}
