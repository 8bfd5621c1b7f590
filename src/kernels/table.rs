//! The table of kernels: what each inner loop does, and the sizes that hold before any of them runs.
//!
//! One [`Kernels`] per instruction set, filled by `portable` and `x86`. Its methods are the only way to the functions, and
//! check here, once for all sets, how sizes go together; behind them every function may rely on that.

use std::fmt;

/// Documents in a window.
pub(crate) const WINDOW: usize = 4_096;

/// One bit per document of a window; document `i` is bit `i % 8` of byte `i / 8`. The same in a file and in memory.
pub(crate) type Bitmap = [u8; WINDOW / 8];

/// One sum of shares per document of a window.
pub(crate) type Sums = [u16; WINDOW];

/// What postings add to sums: for an impact its share `(impact · slope >> 8) + base`, at most 65,535.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) slope: u16,
    pub(crate) base: u16,
}

/// Lists of ascending numbers of 32 bits, one behind the other, and some of them by their indexes.
///
/// The numbers of the list at `i` are what `sums` are above `sums[starts[i]]` from the next one to that at `starts[i + 1]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) starts: &'a [u32],
    pub(crate) sums: &'a [u32],
    pub(crate) indexes: &'a [u16],
}

/// What begins where a line of the cache does, as wide registers want it: [`Sums`] and results of a window do best so.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);

/// The most numbers that ascend within 16 bits.
const OFFSETS_MAX: usize = 1 << 16;

/// The inner loops for one instruction set.
#[derive(Debug)]
pub(crate) struct Kernels {
    pub(super) name: &'static str,
    pub(super) unpack: Unpack,
    pub(super) unpack_ascending: UnpackAscending,
    pub(super) bitmap_offsets: BitmapOffsets,
    pub(super) count_bits: CountBits,
    pub(super) and: Join,
    pub(super) or: Join,
    pub(super) and_not: Join,
    pub(super) ranks: Ranks,
    pub(super) select: Select,
    pub(super) set_bits: SetBits,
    pub(super) add_listed: AddListed,
    pub(super) add_bitmap: AddBitmap,
    pub(super) at_least: AtLeast,
    pub(super) within: Within,
    pub(super) impacts_at_least: ImpactsAtLeast,
    pub(super) skip_varints: SkipVarints,
    pub(super) sum_varints: SumVarints,
    pub(super) sum_marked: SumMarked,
    pub(super) keep_followed: KeepFollowed,
    pub(super) count_followed: CountFollowed,
}

type Unpack = fn(&[u8], u8, &mut [u16]);
type UnpackAscending = fn(&[u8], u8, u16, &mut [u16]) -> bool;
type BitmapOffsets = fn(&Bitmap, &mut [u16; WINDOW]) -> usize;
type CountBits = fn(&Bitmap) -> u32;
type Join = fn(&mut Bitmap, &Bitmap) -> u32;
type Ranks = fn(&Bitmap) -> [u16; 64];
type Select = fn(&Bitmap, &[u16; 64], &[u16], &mut [u16]);
type SetBits = fn(&mut Bitmap, &[u16]);
type AddListed = fn(&mut Sums, &[u16], &[u8], Line);
type AddBitmap = fn(&mut Sums, &Bitmap, &[u8], Line);
type AtLeast = fn(&Sums, u16, &mut [u16; WINDOW]) -> usize;
type Within = fn(&[u16; WINDOW], u16, u16, &mut Bitmap);
type ImpactsAtLeast = fn(&[u8], u8, &mut [u16]) -> usize;
type SkipVarints = fn(&[u8], usize) -> Option<usize>;
type SumVarints = fn(&[u8], &mut [u32]) -> bool;
type SumMarked = fn(&[u8], &[u8], &mut [u32]);
type KeepFollowed = fn(&mut [u32], &[u32], u32, u32) -> usize;
type CountFollowed = fn(Lists<'_>, Lists<'_>, u32, &mut [u32]);

impl fmt::Display for Kernels {
    /// The name of the instruction set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Kernels {
    /// Decodes `out.len()` numbers, each `bits` bits wide, as [`pack`](super::pack) wrote them.
    ///
    /// Returns `false` when `packed` is no such list: `bits` exceeds 16, or the bytes are more or fewer than `bits` times the
    /// numbers need. Then `out` is as it was.
    #[must_use]
    pub(crate) fn unpack(&self, packed: &[u8], bits: u8, out: &mut [u16]) -> bool {
        let fits = bits <= 16 && packed.len() == (out.len() * usize::from(bits)).div_ceil(8);
        if fits {
            (self.unpack)(packed, bits, out);
        }
        fits
    }

    /// Decodes `out.len()` ascending offsets from their gaps, as [`pack`](super::pack) wrote them:
    /// `out[i] = base + i + gap[0] + … + gap[i]`, each gap `bits` bits wide.
    ///
    /// Returns `false` when `packed` is no such list: `bits` exceeds 16, the bytes are more or fewer than `bits` times
    /// the numbers need, or the last offset exceeds 65,535. Then `out` holds anything.
    #[must_use]
    pub(crate) fn unpack_ascending(
        &self,
        packed: &[u8],
        bits: u8,
        base: u32,
        out: &mut [u16],
    ) -> bool {
        let fits = bits <= 16
            && out.len() <= OFFSETS_MAX
            && packed.len() == (out.len() * usize::from(bits)).div_ceil(8);
        if !fits || out.is_empty() {
            return fits;
        }
        u16::try_from(base).is_ok_and(|base| (self.unpack_ascending)(packed, bits, base, out))
    }

    /// Writes the offsets of the set bits, ascending, to the front of `out`, and returns how many they are. What is behind
    /// them is overwritten too.
    pub(crate) fn bitmap_offsets(&self, bitmap: &Bitmap, out: &mut [u16; WINDOW]) -> usize {
        (self.bitmap_offsets)(bitmap, out)
    }

    /// How many bits are set.
    pub(crate) fn count_bits(&self, bitmap: &Bitmap) -> u32 {
        (self.count_bits)(bitmap)
    }

    /// Keeps in `bitmap` what is in `other` too; returns how many bits are left.
    pub(crate) fn and(&self, bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
        (self.and)(bitmap, other)
    }

    /// Adds to `bitmap` what is in `other`; returns how many bits are set then.
    pub(crate) fn or(&self, bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
        (self.or)(bitmap, other)
    }

    /// Takes from `bitmap` what is in `other`; returns how many bits are left.
    pub(crate) fn and_not(&self, bitmap: &mut Bitmap, other: &Bitmap) -> u32 {
        (self.and_not)(bitmap, other)
    }

    /// For each 64 documents, how many bits are set before them: `ranks[d / 64]` and the bits below `d` in its own word are
    /// the rank of document `d`.
    pub(crate) fn ranks(&self, bitmap: &Bitmap) -> [u16; 64] {
        (self.ranks)(bitmap)
    }

    /// Writes the offset of the set bit at each index, which ascend, to `out`, as far as both go; `ranks` are those of the bitmap. Of an
    /// index that there is no bit for it is any.
    pub(crate) fn select(
        &self,
        bitmap: &Bitmap,
        ranks: &[u16; 64],
        indexes: &[u16],
        out: &mut [u16],
    ) {
        (self.select)(bitmap, ranks, indexes, out);
    }

    /// Sets the bit of each offset; offsets count from any window's start (`offset % 4096`).
    pub(crate) fn set_bits(&self, bitmap: &mut Bitmap, offsets: &[u16]) {
        (self.set_bits)(bitmap, offsets);
    }

    /// Adds to the sum of each posting's document (`offset % 4096`) its share; sums stop at 65,535.
    ///
    /// Returns `false`, with all sums as they were, when there are not as many impacts as offsets.
    #[must_use]
    pub(crate) fn add_listed(
        &self,
        sums: &mut Sums,
        offsets: &[u16],
        impacts: &[u8],
        line: Line,
    ) -> bool {
        let fits = offsets.len() == impacts.len();
        if fits {
            (self.add_listed)(sums, offsets, impacts, line);
        }
        fits
    }

    /// As [`Kernels::add_listed`] for the documents of a bitmap: the `k`-th set bit has the impact `impacts[k]`.
    ///
    /// Returns `false`, with all sums as they were, when there are not as many impacts as set bits.
    #[must_use]
    pub(crate) fn add_bitmap(
        &self,
        sums: &mut Sums,
        bitmap: &Bitmap,
        impacts: &[u8],
        line: Line,
    ) -> bool {
        let fits = u32::try_from(impacts.len()).is_ok_and(|len| len == self.count_bits(bitmap));
        if fits {
            (self.add_bitmap)(sums, bitmap, impacts, line);
        }
        fits
    }

    /// Writes the offsets of all sums of at least `threshold`, ascending, to the front of `out`, and returns how many they
    /// are. What is behind them is overwritten too.
    pub(crate) fn at_least(&self, sums: &Sums, threshold: u16, out: &mut [u16; WINDOW]) -> usize {
        (self.at_least)(sums, threshold, out)
    }

    /// Sets the bits of the numbers from `first` on that are fewer than `span` above it, and clears all others.
    pub(crate) fn within(&self, numbers: &[u16; WINDOW], first: u16, span: u16, out: &mut Bitmap) {
        (self.within)(numbers, first, span, out);
    }

    /// Writes the indexes of all impacts of at least `threshold`, ascending, to the front of `out`, and returns how many
    /// they are. What is behind them is overwritten too.
    ///
    /// # Panics
    /// When there are more than 65,536 impacts, or more than `out` has room for: the caller chose both.
    pub(crate) fn impacts_at_least(&self, impacts: &[u8], threshold: u8, out: &mut [u16]) -> usize {
        assert!(impacts.len() <= OFFSETS_MAX.min(out.len()), "{} impacts", impacts.len());
        (self.impacts_at_least)(impacts, threshold, out)
    }

    /// The index behind the `count`-th varint, a byte below 128 being the last of one; `None` when the bytes end before.
    pub(crate) fn skip_varints(&self, bytes: &[u8], count: usize) -> Option<usize> {
        if count == 0 { Some(0) } else { (self.skip_varints)(bytes, count) }
    }

    /// Decodes `out.len()` varints and sums them up: `out[i]` is the sum of the first `i + 1`.
    ///
    /// Returns `false` when the bytes end before, or one of them or their sum does not fit 32 bits. Then `out` holds anything.
    #[must_use]
    pub(crate) fn sum_varints(&self, bytes: &[u8], out: &mut [u32]) -> bool {
        (self.sum_varints)(bytes, out)
    }

    /// Sums up numbers of which most are 1: `out[i]` is the sum of the first `i + 1`. One whose bit is set in `marks` is 2 more than the next of
    /// `bytes`, or 2 where there are no more; what `marks` has no bit for is 1. 32 bits of each sum are kept.
    pub(crate) fn sum_marked(&self, marks: &[u8], bytes: &[u8], out: &mut [u32]) {
        (self.sum_marked)(marks, bytes, out);
    }

    /// Keeps at the front of `firsts`, which ascend, those to which one of the numbers of `sums` is `distance` higher; returns how many they
    /// are. What is behind them is overwritten too. Each number is what its sum is above `before`, with 32 bits for both; they ascend.
    pub(crate) fn keep_followed(
        &self,
        firsts: &mut [u32],
        sums: &[u32],
        before: u32,
        distance: u32,
    ) -> usize {
        (self.keep_followed)(firsts, sums, before, distance)
    }

    /// For each list of `firsts` and the one of `others` that has the same place among the indexes, how many numbers of the first one of the
    /// other is `distance` higher than, as far as `out` goes; of a list that there is none of it is any number.
    pub(crate) fn count_followed(
        &self,
        firsts: Lists<'_>,
        others: Lists<'_>,
        distance: u32,
        out: &mut [u32],
    ) {
        (self.count_followed)(firsts, others, distance, out);
    }
}
