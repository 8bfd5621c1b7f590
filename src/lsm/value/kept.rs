//! [`Kept`]: which pages a value segment still has of those that were written.
//!
//! A segment begins with all of its pages. Cleaning copies the values that are alive and leaves out what is between
//! them, so the segment gets shorter and its values stand elsewhere in it; references go on naming the pages as they
//! were written, and this says where those are now. So nothing that refers to a value ever has to be rewritten.
//!
//! ```text
//! written   0 1 2 3 4 5 6 7 8 9        values at 0, 3, 4, 8; those at 0 and 4 are dead
//! kept            3         8 9        stretches (3, 1), (8, 2)
//! now             0         1 2
//! ```
//! Invariant: stretches ascend and do not touch each other. Without any, all pages are there.

use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::Result;

/// Pages of a value segment: `[page, page + pages)`, numbered as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub page: u64,
    pub pages: u64,
}

impl Stretch {
    pub(crate) fn end(self) -> u64 {
        self.page + self.pages
    }
}

/// The pages that are left of a value segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept(Vec<Stretch>);

impl Kept {
    /// Adds pages behind all that there are.
    pub(crate) fn push(&mut self, page: u64, pages: u64) {
        match self.0.last_mut() {
            Some(last) if last.end() == page => last.pages += pages,
            _ => self.0.push(Stretch { page, pages }),
        }
    }

    /// All pages together; none for a segment that has all of its pages.
    pub(crate) fn pages(&self) -> u64 {
        self.0.iter().map(|stretch| stretch.pages).sum()
    }

    pub(crate) fn stretches(&self) -> &[Stretch] {
        &self.0
    }

    /// Where `pages` written pages from `page` on stand now, in a segment of `all` pages; `None` when not all of them are
    /// there, side by side.
    pub(crate) fn place(&self, page: u64, pages: u64, all: u64) -> Option<u64> {
        let end = page.checked_add(pages)?;
        if self.0.is_empty() {
            return (end <= all).then_some(page);
        }
        let index = self.0.partition_point(|stretch| stretch.page <= page).checked_sub(1)?;
        let stretch = self.0.get(index)?;
        let before: u64 = self.0.iter().take(index).map(|stretch| stretch.pages).sum();
        (end <= stretch.end()).then(|| before + (page - stretch.page))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        let mut end = 0;
        for stretch in &self.0 {
            put_varint(out, stretch.page - end);
            put_varint(out, stretch.pages);
            end = stretch.end();
        }
    }

    /// Reads the pages that are left of a segment that has `all` pages now.
    pub(crate) fn decode(reader: &mut ByteReader<'_>, all: u64) -> Result<Self> {
        let mut kept = Kept::default();
        let (mut end, mut sum) = (0_u64, 0_u64);
        for index in 0..reader.varint()? {
            let (gap, pages) = (reader.varint()?, reader.varint()?);
            let page = end.checked_add(gap);
            let next =
                page.and_then(|page| page.checked_add(pages)).filter(|&next| next <= 1 << 50);
            let (Some(page), Some(next), true) = (page, next, pages > 0 && (gap > 0 || index == 0))
            else {
                return Err(reader.error("pages of a value segment do not ascend"));
            };
            kept.0.push(Stretch { page, pages });
            sum += pages;
            end = next;
            if sum > all {
                break;
            }
        }
        if kept.0.is_empty() || sum == all {
            return Ok(kept);
        }
        Err(reader.error(format_args!("{sum} pages are kept of a value segment that has {all}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kept: &Kept, all: u64) -> Result<Kept> {
        let mut bytes = Vec::new();
        kept.encode(&mut bytes);
        let mut reader = ByteReader::new("test", &bytes);
        let kept = Kept::decode(&mut reader, all)?;
        reader.expect_end()?;
        Ok(kept)
    }

    #[test]
    fn pages_are_found_where_they_are_now_and_those_that_are_gone_are_not() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let written: Vec<bool> = (0..rng.usize(1..30)).map(|_| rng.bool()).collect();
            let mut kept = Kept::default();
            for (page, _) in written.iter().enumerate().filter(|(_, kept)| **kept) {
                kept.push(page as u64, 1);
            }
            let all = kept.pages();
            if all == 0 {
                continue;
            }
            assert_eq!(decode(&kept, all).unwrap(), kept);
            assert!(decode(&kept, all + 1).is_err());
            for page in 0..written.len() {
                for pages in 1..4 {
                    let there = written.get(page..page + pages);
                    let now = written[..page].iter().filter(|kept| **kept).count() as u64;
                    let expected = there.is_some_and(|there| there.iter().all(|&kept| kept));
                    let expected = expected.then_some(now);
                    assert_eq!(kept.place(page as u64, pages as u64, all), expected);
                }
            }
        }
        let whole = Kept::default();
        assert_eq!(decode(&whole, 9).unwrap(), whole);
        assert_eq!((whole.place(2, 7, 9), whole.place(2, 8, 9)), (Some(2), None));
        assert_eq!(whole.place(u64::MAX, 1, 9), None);
    }

    #[test]
    fn stretches_that_touch_or_go_too_far_are_refused() {
        for stretches in [&[(3, 1), (4, 1)][..], &[(3, 0)], &[(1 << 50, 1)], &[(u64::MAX, 2)]] {
            let stretches = stretches.iter().map(|&(page, pages)| Stretch { page, pages });
            let kept = Kept(stretches.collect());
            let all = kept.0.iter().fold(0_u64, |sum, stretch| sum + stretch.pages);
            let mut bytes = Vec::new();
            put_varint(&mut bytes, kept.0.len() as u64);
            let mut end = 0_u64;
            for stretch in &kept.0 {
                put_varint(&mut bytes, stretch.page - end);
                put_varint(&mut bytes, stretch.pages);
                end = stretch.page.wrapping_add(stretch.pages);
            }
            assert!(Kept::decode(&mut ByteReader::new("test", &bytes), all).is_err(), "{kept:?}");
        }
    }
}
