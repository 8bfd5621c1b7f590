//! Every kernel of every table that this processor can run, against a formulation that is too simple to be wrong.
//!
//! Inputs are random and at the edges: nothing and everything set, widths 0 and 16, lengths around those of registers,
//! slices that begin anywhere, bytes that nobody wrote. What stands around a slice is random too, so that a read beside it
//! shows in the result, and is compared afterwards, so that a write shows. Miri runs these tests with smaller numbers,
//! see `docs/TESTING.md`.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// Miri is some thousand times slower.
const CASES: u32 = if cfg!(miri) { 2 } else { 400 };

fn has_bit(bitmap: &Bitmap, bit: u16) -> bool {
    bitmap[usize::from(bit / 8)] >> (bit % 8) & 1 == 1
}

fn bits_of(bitmap: &Bitmap) -> Vec<u16> {
    (0..4_096).filter(|bit| has_bit(bitmap, *bit)).collect()
}

fn bitmap_of(offsets: &[u16]) -> Bitmap {
    let mut bitmap = [0; 512];
    for offset in offsets {
        bitmap[usize::from(offset % 4_096 / 8)] |= 1 << (offset % 8);
    }
    bitmap
}

/// Shares as they are defined, without a narrower type than the numbers need.
fn naive_share(impact: u8, line: Line) -> u64 {
    let share = u64::from(impact) * u64::from(line.slope) / 256 + u64::from(line.base);
    share.min(u64::from(u16::MAX))
}

fn naive_add(sums: &mut Sums, offset: u16, impact: u8, line: Line) {
    let sum = &mut sums[usize::from(offset % 4_096)];
    *sum = u16::try_from(u64::from(*sum) + naive_share(impact, line)).unwrap_or(u16::MAX);
}

/// What [`Kernels::unpack_ascending`] gives, one bit after the other; `None` where it returns `false`.
fn naive_unpack(packed: &[u8], bits: u8, base: u32, len: usize) -> Option<Vec<u16>> {
    let width = usize::from(bits);
    if width > 16 || packed.len() != (len * width).div_ceil(8) {
        return None;
    }
    let gap = |number: usize| {
        let bits = (number * width..(number + 1) * width).rev();
        bits.fold(0, |gap, bit| gap * 2 + u64::from(packed[bit / 8] >> (bit % 8) & 1))
    };
    let mut next = u64::from(base);
    let offsets = (0..len).map(|number| {
        let offset = next + gap(number);
        next = offset + 1;
        u16::try_from(offset).ok()
    });
    offsets.collect()
}

/// Bitmaps of all kinds, the empty and the full one first.
fn bitmaps(seed: u64) -> impl Iterator<Item = Bitmap> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..CASES).map(move |case| match case {
        0 => [0; 512],
        1 => [0xFF; 512],
        _ => {
            // A density for all bits, or for runs of bytes, some of them empty or full.
            let (mut bitmap, mut density) = ([0; 512], rng.u32(0..=64));
            for byte in &mut bitmap {
                if case % 2 == 0 && rng.u8(..32) == 0 {
                    density = [0, 1, 4, 16, 32, 60, 64][rng.usize(..7)];
                }
                *byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(rng.u32(..64) < density));
            }
            bitmap
        }
    })
}

fn lens(rng: &mut fastrand::Rng, most: usize) -> Vec<usize> {
    if cfg!(miri) {
        return vec![0, 1, 31, 66];
    }
    let edges = [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257];
    let long = [1_000, 4_095, 4_096].into_iter().filter(|len| *len <= most);
    let random = (0..100).map(|_| rng.usize(..=most));
    edges.into_iter().chain(long).chain(random).collect()
}

/// Widths of numbers that can be packed.
fn widths() -> Vec<u8> {
    if cfg!(miri) { vec![0, 1, 7, 16] } else { (0..=16).collect() }
}

/// Random bytes, and a place in them with as many on either side as a wide register has.
fn bytes_around(rng: &mut fastrand::Rng, len: usize) -> (Vec<u8>, std::ops::Range<usize>) {
    let from = rng.usize(..=64);
    let bytes = (0..from + len + 64).map(|_| rng.u8(..)).collect();
    (bytes, from..from + len)
}

/// Runs `write` with the middle of a buffer; what is around it must stay.
fn with_room<T>(len: usize, write: impl FnOnce(&mut [u16]) -> T) -> (T, Vec<u16>) {
    const MARK: u16 = 0xA55A;
    let mut buffer = vec![MARK; len + 130];
    let result = write(&mut buffer[65..65 + len]);
    let untouched = |numbers: &[u16]| numbers.iter().all(|number| *number == MARK);
    assert!(untouched(&buffer[..65]) && untouched(&buffer[65 + len..]), "wrote beside {len}");
    (result, buffer[65..65 + len].to_vec())
}

fn assert_unpacks(packed: &[u8], bits: u8, base: u32, len: usize) {
    let expected = naive_unpack(packed, bits, base, len);
    for kernels in Kernels::available() {
        let (fits, offsets) =
            with_room(len, |out| kernels.unpack_ascending(packed, bits, base, out));
        let case = format!("{kernels}: {len} of {bits} bits from {base}");
        assert_eq!(fits, expected.is_some(), "{case}");
        if let Some(expected) = &expected {
            assert_eq!(&offsets, expected, "{case}");
        }
        let (fits, numbers) = with_room(len, |out| kernels.unpack(packed, bits, out));
        let width = usize::from(bits);
        assert_eq!(fits, width <= 16 && packed.len() == (len * width).div_ceil(8), "{case}");
        for (index, &number) in numbers.iter().enumerate().filter(|_| fits) {
            let bits = (index * width..(index + 1) * width).rev();
            let expected = bits
                .fold(0, |number, bit| number * 2 + u16::from(packed[bit / 8] >> (bit % 8) & 1));
            assert_eq!(number, expected, "{case}: number {index}");
        }
    }
}

#[test]
fn the_portable_table_is_the_last_and_the_best_the_first() {
    let names: Vec<String> = Kernels::available().map(ToString::to_string).collect();
    assert_eq!(names.last().map(String::as_str), Some("portable"));
    assert_eq!(names.first(), Some(&Kernels::best().to_string()));
}

#[test]
fn what_was_packed_is_unpacked() {
    let mut rng = fastrand::Rng::with_seed(1);
    for bits in widths() {
        for len in lens(&mut rng, 4_096) {
            let most = (65_535 / (len + 1)).min((1 << bits) - 1);
            let gaps: Vec<u16> =
                (0..len).map(|_| u16::try_from(rng.usize(..=most)).unwrap()).collect();
            let mut packed = vec![1, 2, 3];
            pack(&gaps, bits, &mut packed);
            let packed = &packed[3..];
            assert_eq!(packed.len(), (len * usize::from(bits)).div_ceil(8));
            // From the first base on, and up to the last that fits, and one further.
            let span = gaps.iter().map(|gap| u32::from(*gap) + 1).sum::<u32>();
            for base in [0, rng.u32(..1_000), 65_536 - span.min(65_536), 65_537 - span.min(65_537)]
            {
                assert_unpacks(packed, bits, base, len);
            }
            let offsets = naive_unpack(packed, bits, 0, len).filter(|offsets| !offsets.is_empty());
            let steps = offsets.iter().flat_map(|offsets| offsets.windows(2).zip(&gaps[1..]));
            for (step, gap) in steps {
                assert_eq!(step[1] - step[0], gap + 1);
            }
        }
    }
}

#[test]
fn bytes_that_nobody_packed_give_what_they_say_or_nothing() {
    let mut rng = fastrand::Rng::with_seed(2);
    for bits in widths().into_iter().chain([17, 64, 255]) {
        for len in lens(&mut rng, 1_000) {
            for more in [0, 0, 0, 1] {
                let size = (len * usize::from(bits)).div_ceil(8) + more;
                let (mut bytes, at) = bytes_around(&mut rng, size);
                // Zeros among random gaps, so that some lists stay within 16 bits.
                let zeros = rng.u8(..=100);
                bytes.iter_mut().filter(|_| rng.u8(..100) < zeros).for_each(|byte| *byte = 0);
                assert_unpacks(&bytes[at], bits, rng.u32(..70_000), len);
            }
        }
    }
    assert_unpacks(&[], 0, u32::MAX, 0);
    assert_unpacks(&[], 0, u32::MAX, 1);
}

#[test]
fn as_many_gaps_as_there_are_offsets_and_more() {
    let lens = if cfg!(miri) { vec![] } else { vec![65_535, 65_536, 65_537, 70_000] };
    for len in lens {
        assert_unpacks(&[], 0, 0, len);
        assert_unpacks(&[], 0, 1, len);
        // The sum of these gaps passes 32 bits, and wraps to where it would be without any.
        let wide = vec![0xFF; len * 2];
        assert_unpacks(&wide, 16, 0, len);
        assert_unpacks(&vec![0; len * 2], 16, 0, len);
    }
    // One gap wraps 16 bits exactly: each offset is again the one before it.
    assert_unpacks(&[0xFF; 2 * 40], 16, 7, 40);
}

#[test]
fn bits_are_listed_counted_ranked_and_selected() {
    for bitmap in bitmaps(3) {
        let expected = bits_of(&bitmap);
        let ranks: Vec<usize> =
            (0..64).map(|word| expected.partition_point(|bit| *bit < word * 64)).collect();
        for kernels in Kernels::available() {
            let mut offsets = [7; WINDOW];
            let found = kernels.bitmap_offsets(&bitmap, &mut offsets);
            assert_eq!(offsets[..found], expected, "{kernels}");
            assert_eq!(kernels.count_bits(&bitmap) as usize, found, "{kernels}");
            assert_eq!(kernels.ranks(&bitmap).map(usize::from)[..], ranks, "{kernels}");
            for step in [1, 3, 50] {
                let indexes: Vec<u16> = (0..u16::try_from(found).unwrap()).step_by(step).collect();
                let mut selected = vec![7; indexes.len()];
                kernels.select(&bitmap, &kernels.ranks(&bitmap), &indexes, &mut selected);
                let wanted: Vec<u16> = offsets[..found].iter().copied().step_by(step).collect();
                assert_eq!(selected, wanted, "{kernels}, each {step}");
            }
        }
    }
}

#[test]
fn bitmaps_are_joined_bit_by_bit() {
    type Join = (fn(&Kernels, &mut Bitmap, &Bitmap) -> u32, fn(bool, bool) -> bool);
    let joins: [Join; 3] = [
        (Kernels::and, |one, other| one && other),
        (Kernels::or, |one, other| one || other),
        (Kernels::and_not, |one, other| one && !other),
    ];
    for (one, other) in bitmaps(4).zip(bitmaps(5).collect::<Vec<_>>().into_iter().rev()) {
        for (join, holds) in joins {
            let expected: Vec<u16> = (0..4_096)
                .filter(|bit| holds(has_bit(&one, *bit), has_bit(&other, *bit)))
                .collect();
            for kernels in Kernels::available() {
                let mut joined = one;
                let count = join(kernels, &mut joined, &other);
                assert_eq!(bits_of(&joined), expected, "{kernels}");
                assert_eq!(count as usize, expected.len(), "{kernels}");
            }
        }
    }
}

#[test]
fn bits_are_set_where_offsets_say() {
    let mut rng = fastrand::Rng::with_seed(6);
    for len in lens(&mut rng, 4_096) {
        let offsets: Vec<u16> = (0..len).map(|_| rng.u16(..)).collect();
        let before: Vec<u16> = (0..rng.usize(..20)).map(|_| rng.u16(..4_096)).collect();
        let expected = bitmap_of(&[&before[..], &offsets[..]].concat());
        for kernels in Kernels::available() {
            let mut bitmap = bitmap_of(&before);
            kernels.set_bits(&mut bitmap, &offsets);
            assert_eq!(bitmap, expected, "{kernels}: {len}");
        }
    }
}

/// Sums from nothing to almost all that 16 bits hold.
fn any_sums(rng: &mut fastrand::Rng) -> Sums {
    let most = [0, 10, 1_000, u16::MAX][rng.usize(..4)];
    std::array::from_fn(|_| rng.u16(..=most))
}

fn any_line(rng: &mut fastrand::Rng) -> Line {
    let mut any = || [0, 1, 255, 256, 257, u16::MAX, rng.u16(..), rng.u16(..300)][rng.usize(..8)];
    Line { slope: any(), base: any() }
}

#[test]
fn listed_postings_add_their_shares() {
    let mut rng = fastrand::Rng::with_seed(7);
    for len in lens(&mut rng, 4_096) {
        let (bytes, at) = bytes_around(&mut rng, len);
        let impacts = &bytes[at];
        // Any offsets, also some more than once; mostly those of a list.
        let any = rng.bool();
        let listed = (0..).step_by(3).take(len);
        let offsets: Vec<u16> = listed.map(|at| if any { rng.u16(..) } else { at }).collect();
        let (before, line) = (any_sums(&mut rng), any_line(&mut rng));
        let mut expected = before;
        for (&offset, &impact) in offsets.iter().zip(impacts) {
            naive_add(&mut expected, offset, impact, line);
        }
        for kernels in Kernels::available() {
            let mut sums = before;
            assert!(kernels.add_listed(&mut sums, &offsets, impacts, line));
            assert_eq!(sums, expected, "{kernels}: {len} by {line:?}");
            let longer = [impacts, &[1]].concat();
            assert!(!kernels.add_listed(&mut sums, &offsets, &longer, line));
            assert!(len == 0 || !kernels.add_listed(&mut sums, &offsets[1..], impacts, line));
            assert_eq!(sums, expected, "{kernels}: {len} by {line:?}");
        }
    }
}

#[test]
fn postings_of_a_bitmap_add_their_shares() {
    let mut rng = fastrand::Rng::with_seed(8);
    for bitmap in bitmaps(8) {
        let offsets = bits_of(&bitmap);
        let (bytes, at) = bytes_around(&mut rng, offsets.len());
        let impacts = &bytes[at.clone()];
        let (before, line) = (any_sums(&mut rng), any_line(&mut rng));
        let mut expected = before;
        for (&offset, &impact) in offsets.iter().zip(impacts) {
            naive_add(&mut expected, offset, impact, line);
        }
        for kernels in Kernels::available() {
            let mut sums = before;
            assert!(kernels.add_bitmap(&mut sums, &bitmap, impacts, line));
            assert_eq!(sums, expected, "{}: {} by {line:?}", kernels, offsets.len());
            assert!(!kernels.add_bitmap(&mut sums, &bitmap, &bytes[at.start..=at.end], line));
            let shorter = impacts.split_last().map(|(_, shorter)| shorter);
            assert!(shorter.is_none_or(|few| !kernels.add_bitmap(&mut sums, &bitmap, few, line)));
            assert_eq!(sums, expected, "{}: {} by {line:?}", kernels, offsets.len());
        }
    }
}

#[test]
fn every_impact_and_line_gives_its_share() {
    let mut rng = fastrand::Rng::with_seed(9);
    let slopes = (0..CASES).map(|_| rng.u16(..)).chain([0, 1, 255, 256, u16::MAX]);
    let lines: Vec<Line> =
        slopes.flat_map(|slope| [1, 700, u16::MAX].map(|base| Line { slope, base })).collect();
    let (offsets, impacts): (Vec<u16>, Vec<u8>) = (0..=255).map(|i| (u16::from(i), i)).unzip();
    let bitmap = bitmap_of(&offsets);
    for line in lines {
        for kernels in Kernels::available() {
            let (mut listed, mut column) = ([0; WINDOW], [0; WINDOW]);
            assert!(kernels.add_listed(&mut listed, &offsets, &impacts, line));
            assert!(kernels.add_bitmap(&mut column, &bitmap, &impacts, line));
            for (impact, sum) in impacts.iter().zip(listed) {
                assert_eq!(u64::from(sum), naive_share(*impact, line), "{kernels}");
            }
            assert_eq!(listed, column, "{kernels}");
        }
    }
}

#[test]
fn sums_that_reach_the_threshold_are_found() {
    let mut rng = fastrand::Rng::with_seed(10);
    for case in 0..CASES {
        let mut sums = any_sums(&mut rng);
        if case % 2 == 0 {
            // Few of them, as when a threshold is high.
            sums.iter_mut().filter(|_| rng.u8(..) != 0).for_each(|sum| *sum = 0);
        }
        let some = sums[rng.usize(..WINDOW)];
        for threshold in [0, 1, some, some.saturating_add(1), rng.u16(..), u16::MAX] {
            let expected: Vec<u16> =
                (0..4_096).filter(|offset| sums[usize::from(*offset)] >= threshold).collect();
            for kernels in Kernels::available() {
                let mut out = [7; WINDOW];
                let found = kernels.at_least(&sums, threshold, &mut out);
                assert_eq!(out[..found], expected, "{kernels}: {threshold}");
            }
        }
    }
}

#[test]
fn numbers_within_a_range_are_found() {
    let mut rng = fastrand::Rng::with_seed(31);
    for case in 0..CASES {
        let numbers = any_sums(&mut rng);
        let some = numbers[rng.usize(..numbers.len())];
        let first = if case % 2 == 0 { some.wrapping_sub(rng.u16(..3)) } else { rng.u16(..) };
        for span in [0, 1, rng.u16(..8), rng.u16(..), u16::MAX] {
            let expected: Vec<u16> = (0..4_096)
                .filter(|&at: &u16| numbers[usize::from(at)].wrapping_sub(first) < span)
                .collect();
            for kernels in Kernels::available() {
                let mut found = [rng.u8(..); 512];
                kernels.within(&numbers, first, span, &mut found);
                assert_eq!(bits_of(&found), expected, "{kernels}: {span} from {first}");
            }
        }
    }
}

fn assert_impacts(impacts: &[u8], threshold: u8, room: usize) {
    let expected = impacts.iter().zip(0_u32..).filter(|(impact, _)| **impact >= threshold);
    let expected: Vec<u32> = expected.map(|(_, index)| index).collect();
    for kernels in Kernels::available() {
        let (found, out) = with_room(room, |out| kernels.impacts_at_least(impacts, threshold, out));
        let out: Vec<u32> = out[..found].iter().map(|index| u32::from(*index)).collect();
        assert_eq!(out, expected, "{}: {} of {threshold}", kernels, impacts.len());
    }
}

#[test]
fn impacts_that_reach_the_threshold_are_found() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut lens = lens(&mut rng, 4_096);
    if !cfg!(miri) {
        lens.extend([65_535, 65_536]);
    }
    for len in lens {
        let (mut bytes, at) = bytes_around(&mut rng, len);
        let impacts = &mut bytes[at];
        let small = rng.u8(..=100);
        impacts.iter_mut().filter(|_| rng.u8(..100) < small).for_each(|impact| *impact = 1);
        for threshold in [0, 1, 2, 128, 250, 255, rng.u8(..)] {
            assert_impacts(impacts, threshold, len);
            assert_impacts(impacts, threshold, len + rng.usize(..70));
        }
    }
}

#[test]
#[should_panic(expected = "2 impacts")]
fn impacts_need_as_much_room() {
    Kernels::best().impacts_at_least(&[1, 2], 1, &mut [0]);
}

fn naive_skip(bytes: &[u8], count: usize) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        while *bytes.get(at)? >= 0x80 {
            at += 1;
        }
        at += 1;
    }
    Some(at)
}

#[test]
fn varints_are_skipped() {
    let mut rng = fastrand::Rng::with_seed(12);
    for len in lens(&mut rng, 1_000) {
        let (mut bytes, at) = bytes_around(&mut rng, len);
        let short = rng.u8(..=100);
        bytes.iter_mut().filter(|_| rng.u8(..100) < short).for_each(|byte| *byte &= 0x7F);
        let bytes = &bytes[at];
        let all = bytes.iter().filter(|byte| **byte < 0x80).count();
        let counts = [0, 1, 2, all.saturating_sub(1), all, all + 1, usize::MAX];
        for count in counts.into_iter().chain((0..10).map(|_| rng.usize(..=all))) {
            for kernels in Kernels::available() {
                let skipped = kernels.skip_varints(bytes, count);
                let case = format!("{kernels}: {count} in {len}");
                assert_eq!(skipped, naive_skip(bytes, count), "{case}");
            }
        }
    }
}

fn naive_sums(bytes: &[u8], count: usize) -> Option<Vec<u32>> {
    let (mut at, mut sum, mut sums) = (0, 0_u64, Vec::new());
    for _ in 0..count {
        let end = naive_skip(&bytes[at..], 1).filter(|&len| len <= 5)?;
        let bits = bytes[at..at + end].iter().rev();
        let varint = bits.fold(0_u64, |varint, byte| varint << 7 | u64::from(byte & 0x7F));
        sum += varint;
        sums.push(u32::try_from(sum).ok()?);
        at += end;
    }
    Some(sums)
}

fn assert_sums(bytes: &[u8], count: usize, around: &[u32]) {
    for kernels in Kernels::available() {
        let mut out = around.to_vec();
        let slots = &mut out[1..=count];
        let sums = kernels.sum_varints(bytes, slots).then(|| slots.to_vec());
        assert_eq!(sums, naive_sums(bytes, count), "{kernels}: {count} in {bytes:?}");
        assert_eq!((out[0], &out[count + 1..]), (around[0], &around[count + 1..]), "{kernels}");
    }
}

#[test]
fn varints_of_all_lengths_are_summed() {
    let mut rng = fastrand::Rng::with_seed(13);
    for len in lens(&mut rng, 300) {
        // Of most lists nearly all varints have one byte or two; some have any.
        let (bits, longer, most) = (rng.u32(1..=14), rng.u32(0..10), rng.u32(15..=32));
        let mut bytes = Vec::new();
        let near_the_end = rng.u8(..4) == 0;
        for number in 0..len {
            let bits = if rng.u32(..40) < longer { rng.u32(1..=most) } else { rng.u32(1..=bits) };
            let mut varint = match number {
                0 if near_the_end => u32::MAX - rng.u32(..2_000),
                _ => rng.u32(..) >> (32 - bits),
            };
            while varint >= 0x80 {
                bytes.push((varint & 0x7F) as u8 | 0x80);
                varint >>= 7;
            }
            bytes.push((varint & 0x7F) as u8);
        }
        bytes.extend((0..rng.usize(..40)).map(|_| rng.u8(..)));
        let around: Vec<u32> = (0..len + 60).map(|_| rng.u32(..)).collect();
        for count in [0, 1.min(len), rng.usize(..=len), len, len + rng.usize(..50)] {
            assert_sums(&bytes, count, &around);
        }
    }
}

fn assert_keeps(firsts: &[u32], numbers: &[u32], before: u32, distance: u32) {
    let is_followed =
        |first: &&u32| first.checked_add(distance).is_some_and(|wanted| numbers.contains(&wanted));
    let kept: Vec<u32> = firsts.iter().filter(is_followed).copied().collect();
    let sums: Vec<u32> = numbers.iter().map(|number| number.wrapping_add(before)).collect();
    for kernels in Kernels::available() {
        let mut firsts = firsts.to_vec();
        let len = kernels.keep_followed(&mut firsts, &sums, before, distance);
        let case = format!("{kernels}: {numbers:?} at {distance}, before {before}");
        assert_eq!(firsts[..len], kept, "{case}");
    }
}

#[test]
fn who_is_followed_is_kept() {
    let mut rng = fastrand::Rng::with_seed(14);
    for _ in 0..CASES {
        let mut ascending = |len_max: usize| {
            let (len, end) = (rng.usize(..len_max), rng.u32(20..200));
            let base = if rng.u8(..4) == 0 { u32::MAX - end + 1 } else { rng.u32(..1_000) };
            let numbers: std::collections::BTreeSet<u32> =
                (0..len).map(|_| base + rng.u32(..end)).collect();
            numbers.into_iter().collect::<Vec<u32>>()
        };
        let (firsts, numbers) = (ascending(40), ascending(60));
        for distance in [0, 1, rng.u32(..20), rng.u32(..)] {
            assert_keeps(&firsts, &numbers, rng.u32(..), distance);
            let followed: Vec<u32> =
                firsts.iter().filter_map(|first| first.checked_add(distance)).collect();
            assert_keeps(&firsts, &followed, rng.u32(..), distance);
        }
    }
}

#[test]
fn numbers_of_which_some_are_marked_are_summed() {
    let mut rng = fastrand::Rng::with_seed(17);
    for len in lens(&mut rng, 4_096) {
        let few = rng.u8(..);
        let mut marks: Vec<u8> = (0..len.div_ceil(8)).map(|_| rng.u8(..)).collect();
        marks.iter_mut().filter(|_| rng.u8(..) < few).for_each(|marks| *marks &= 1 << (few % 8));
        let marked = marks.iter().map(|marks| marks.count_ones() as usize).sum::<usize>();
        let bytes: Vec<u8> = (0..marked).map(|_| rng.u8(..)).collect();
        // Where something is missing, too.
        let bytes = if rng.u8(..8) == 0 { &bytes[..marked / 2] } else { &bytes };
        let marks = if rng.u8(..8) == 0 { &marks[..marks.len() / 2] } else { &marks };
        let (mut sum, mut next, mut naive) = (0, bytes.iter(), Vec::new());
        for number in 0..len {
            let is_marked =
                marks.get(number / 8).is_some_and(|marks| marks >> (number % 8) & 1 == 1);
            let more =
                if is_marked { next.next().map_or(1, |byte| u32::from(*byte) + 1) } else { 0 };
            sum += 1 + more;
            naive.push(sum);
        }
        for kernels in Kernels::available() {
            let mut out = vec![7; len + 1];
            kernels.sum_marked(marks, bytes, &mut out[..len]);
            assert_eq!((&out[..len], out[len]), (&naive[..], 7), "{kernels}: {len}");
        }
    }
}

/// Random lists of random lengths, and the same as numbers.
fn lists(rng: &mut fastrand::Rng) -> (Vec<u32>, Vec<u32>, Vec<Vec<u32>>) {
    let (mut starts, mut sums, mut lists) = (vec![0], vec![rng.u32(..)], Vec::new());
    for _ in 0..rng.usize(1..80) {
        let len = if rng.u8(..6) == 0 { rng.usize(..40) } else { rng.usize(1..9) };
        let base = if rng.u8(..30) == 0 { u32::MAX - 60 } else { rng.u32(..5) };
        let mut list: Vec<u32> = (0..len).map(|_| base + rng.u32(..=60)).collect();
        list.sort_unstable();
        let before = sums[sums.len() - 1];
        sums.extend(list.iter().map(|number| before.wrapping_add(*number)));
        starts.push(starts[starts.len() - 1] + u32::try_from(len).unwrap());
        lists.push(list);
    }
    sums.extend((0..rng.usize(..9)).map(|_| rng.u32(..)));
    (starts, sums, lists)
}

#[test]
fn followed_numbers_are_counted() {
    let mut rng = fastrand::Rng::with_seed(15);
    for _ in 0..CASES {
        let (first_starts, first_sums, firsts) = lists(&mut rng);
        let (other_starts, other_sums, others) = lists(&mut rng);
        let mut indexes = |len| -> Vec<u16> { (0..70).map(|_| rng.u16(..len)).collect() };
        let first_indexes = indexes(u16::try_from(firsts.len()).unwrap());
        let other_indexes = indexes(u16::try_from(others.len()).unwrap());
        for distance in [0, 1, rng.u32(..30), rng.u32(..)] {
            let pairs = first_indexes.iter().zip(&other_indexes);
            let counts: Vec<u32> = pairs
                .map(|(&first, &other)| {
                    let others = &others[usize::from(other)];
                    let is_followed = |first: &&u32| {
                        first.checked_add(distance).is_some_and(|wanted| others.contains(&wanted))
                    };
                    u32::try_from(firsts[usize::from(first)].iter().filter(is_followed).count())
                        .unwrap()
                })
                .collect();
            let firsts =
                Lists { starts: &first_starts, sums: &first_sums, indexes: &first_indexes };
            let others =
                Lists { starts: &other_starts, sums: &other_sums, indexes: &other_indexes };
            for kernels in Kernels::available() {
                let mut out = vec![9; 71];
                kernels.count_followed(firsts, others, distance, &mut out);
                assert_eq!((&out[..70], out[70]), (&counts[..], 9), "{kernels} at {distance}");
            }
        }
    }
}

#[test]
fn lists_that_are_not_there_are_no_failure() {
    let mut rng = fastrand::Rng::with_seed(16);
    for _ in 0..CASES {
        let mut numbers = |end| -> Vec<u32> {
            (0..rng.usize(..12)).map(|_| rng.u32(..) >> rng.u32(..32) & end).collect()
        };
        let (starts, sums) = (numbers(15), numbers(u32::MAX));
        let indexes: Vec<u16> = (0..16).collect();
        let lists = Lists { starts: &starts, sums: &sums, indexes: &indexes };
        for kernels in Kernels::available() {
            kernels.count_followed(lists, lists, rng.u32(..3), &mut [0; 16]);
        }
    }
}

fn config() -> Config {
    let cases = if cfg!(miri) { 2 } else { Config::default().cases };
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_unpack_to_what_they_say(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        bits in 0_u8..=18,
        base in 0_u32..70_000,
        spare in 0_usize..3,
    ) {
        let len = bytes.len() * 8 / usize::from(bits.max(1)) + spare;
        assert_unpacks(&bytes, bits, base, len);
    }

    #[test]
    fn any_bitmap_and_impacts_add_up_or_change_nothing(
        offsets in proptest::collection::vec(0_u16..4_096, 0..100),
        impacts in proptest::collection::vec(any::<u8>(), 0..100),
        (slope, base) in any::<(u16, u16)>(),
    ) {
        let (bitmap, line) = (bitmap_of(&offsets), Line { slope, base });
        let mut expected = [0; WINDOW];
        let fits = bits_of(&bitmap).len() == impacts.len();
        for (&offset, &impact) in bits_of(&bitmap).iter().zip(&impacts).filter(|_| fits) {
            naive_add(&mut expected, offset, impact, line);
        }
        for kernels in Kernels::available() {
            let mut sums = [0; WINDOW];
            prop_assert_eq!(kernels.add_bitmap(&mut sums, &bitmap, &impacts, line), fits);
            prop_assert!(sums == expected, "{kernels}");
        }
    }

    #[test]
    fn any_bytes_are_scanned(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        threshold in any::<u8>(),
        count in 0_usize..300,
    ) {
        assert_impacts(&bytes, threshold, bytes.len());
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.skip_varints(&bytes, count), naive_skip(&bytes, count));
        }
        let count = count.min(bytes.len() + 1);
        assert_sums(&bytes, count, &vec![7; count + 2]);
    }
}
