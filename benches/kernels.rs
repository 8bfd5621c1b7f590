//! How long the inner loops of search take: each kernel, with each table that this processor can run, on data in cache.
//!
//! Run with `cargo bench --bench kernels`, or with a part of a kernel's name behind `--`. Each cell is the fastest of many
//! rounds, in nanoseconds for what its row counts: a posting, an impact, a document or a whole window. A table with a
//! `*` is the one that searches use here.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../src/kernels/mod.rs"]
#[expect(dead_code, reason = "their tests run with the library")]
mod kernels;

use std::hint::black_box;
use std::time::{Duration, Instant};

use kernels::{Aligned, Bitmap, Kernels, Line, Lists, Sums, WINDOW, pack};

/// Windows or lists of each row: more than one, so that a processor does not learn their branches by heart.
const VARIANTS: u8 = 64;
/// Small enough that no sum reaches its end.
const LINE: Line = Line { slope: 3, base: 1 };

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let bench = Bench { wanted: wanted.unwrap_or_default() };
    let names = Kernels::available().map(|kernels| {
        let best = std::ptr::eq(kernels, Kernels::best());
        format!("{:>10}", format!("{kernels}{}", if best { "*" } else { "" }))
    });
    println!("{:<44} {:<9} {}", "ns", "per", names.collect::<Vec<_>>().join(" "));
    bench.lists();
    bench.bitmaps();
    bench.sums();
    bench.scans();
    bench.positions();
}

struct Bench {
    wanted: String,
}

impl Bench {
    /// Prints a row: what `run` takes for one of its variants, divided by `units`.
    fn row(&self, name: &str, per: &str, units: f64, mut run: impl FnMut(&Kernels, usize)) {
        if !name.contains(&self.wanted) {
            return;
        }
        let cells = Kernels::available().map(|kernels| {
            let mut best = Duration::MAX;
            for _ in 0..200 {
                let start = Instant::now();
                (0..VARIANTS).for_each(|variant| run(kernels, usize::from(variant)));
                best = best.min(start.elapsed());
            }
            format!("{:>10.3}", best.as_secs_f64() * 1e9 / f64::from(VARIANTS) / units)
        });
        println!("{name:<44} {per:<9} {}", cells.collect::<Vec<_>>().join(" "));
    }

    fn lists(&self) {
        for (bits, len) in [(2, 256), (4, 256), (7, 256), (11, 30), (11, 256), (16, 256)] {
            let mut rng = fastrand::Rng::with_seed(1);
            let most = (65_535 / len - 1).min(u16::MAX >> (16 - bits));
            let lists: Vec<Vec<u8>> = (0..VARIANTS)
                .map(|_| {
                    let gaps: Vec<u16> = (0..len).map(|_| rng.u16(..=most)).collect();
                    let mut packed = Vec::new();
                    pack(&gaps, bits, &mut packed);
                    packed
                })
                .collect();
            let mut out = vec![0; usize::from(len)];
            let name = format!("unpack_ascending, {len} of {bits} bits");
            self.row(&name, "posting", f64::from(len), |kernels, variant| {
                black_box(kernels.unpack_ascending(&lists[variant], bits, 0, &mut out));
            });
        }
        for length in [1, 2] {
            let mut rng = fastrand::Rng::with_seed(2);
            let bytes: Vec<u8> = (0..4_096).map(|_| rng.u8(..) >> rng.u8(..length)).collect();
            let ends = bytes.iter().filter(|byte| **byte < 128).count();
            let name = format!("skip_varints, {ends} in {} bytes", bytes.len());
            self.row(&name, "byte", 4_096.0, |kernels, _| {
                black_box(kernels.skip_varints(black_box(&bytes), ends));
            });
        }
    }

    fn positions(&self) {
        for (name, bits) in [("one byte", 7), ("one or two", 9), ("up to three", 15)] {
            let mut rng = fastrand::Rng::with_seed(5);
            let streams: Vec<Vec<u8>> = (0..VARIANTS)
                .map(|_| varints((0..4_096).map(|_| rng.u32(..1 << bits) >> rng.u32(..bits))))
                .collect();
            let mut out = [0; 4_096];
            let name = format!("sum_varints, {name}");
            self.row(&name, "varint", 4_096.0, |kernels, variant| {
                black_box(kernels.sum_varints(&streams[variant], &mut out));
            });
        }
        for one_in in [16, 4, 2] {
            let marks = windows(one_in);
            let bytes = [1; WINDOW];
            let mut out = [0; WINDOW];
            let name = format!("sum_marked, 1 in {one_in}");
            self.row(&name, "document", 4_096.0, |kernels, variant| {
                kernels.sum_marked(&marks[variant], &bytes, &mut out);
                black_box(&out);
            });
        }
        for len_max in [4, 8, 30] {
            let mut rng = fastrand::Rng::with_seed(6);
            let (starts, sums): (Vec<_>, Vec<_>) =
                (0..2 * VARIANTS).map(|_| lists_of_positions(&mut rng, len_max)).unzip();
            let indexes: Vec<u16> = (0..1_000).collect();
            let lists =
                |at: usize| Lists { starts: &starts[at], sums: &sums[at], indexes: &indexes };
            let mut counts = [0; 1_000];
            let name = format!("count_followed, up to {len_max} positions");
            self.row(&name, "document", 1_000.0, |kernels, variant| {
                let (firsts, others) = (lists(2 * variant), lists(2 * variant + 1));
                kernels.count_followed(firsts, others, 1, &mut counts);
                black_box(&counts);
            });
        }
    }

    fn bitmaps(&self) {
        for one_in in [64, 32, 16, 4, 2] {
            let bitmaps = windows(one_in);
            let mut out = [0; WINDOW];
            let name = format!("bitmap_offsets, 1 in {one_in}");
            self.row(&name, "posting", postings(&bitmaps), |kernels, variant| {
                black_box(kernels.bitmap_offsets(&bitmaps[variant], &mut out));
            });
        }
        for one_in in [256, 64, 16, 4] {
            let bitmaps = windows(one_in);
            let lists: Vec<Vec<u16>> = bitmaps.iter().map(offsets).collect();
            let mut bitmap = [0; 512];
            let name = format!("set_bits, 1 in {one_in}");
            self.row(&name, "posting", postings(&bitmaps), |kernels, variant| {
                kernels.set_bits(&mut bitmap, &lists[variant]);
                black_box(&bitmap);
            });
        }
        let bitmaps = windows(16);
        self.row("count_bits", "window", 1.0, |kernels, variant| {
            black_box(kernels.count_bits(&bitmaps[variant]));
        });
        self.row("ranks", "window", 1.0, |kernels, variant| {
            black_box(kernels.ranks(&bitmaps[variant]));
        });
        for (name, join) in [
            ("and", Kernels::and as fn(&Kernels, &mut Bitmap, &Bitmap) -> u32),
            ("or", Kernels::or),
            ("and_not", Kernels::and_not),
        ] {
            let mut bitmap = bitmaps[0];
            self.row(name, "window", 1.0, |kernels, variant| {
                black_box(join(kernels, &mut bitmap, &bitmaps[variant]));
            });
        }
    }

    fn sums(&self) {
        let mut rng = fastrand::Rng::with_seed(3);
        let impacts: Vec<u8> = (0..WINDOW).map(|_| rng.u8(1..)).collect();
        for one_in in [256, 128, 32, 8] {
            let bitmaps = windows(one_in);
            let lists: Vec<Vec<u16>> = bitmaps.iter().map(offsets).collect();
            let mut sums = Aligned([0; WINDOW]);
            let name = format!("add_listed, 1 in {one_in}");
            self.row(&name, "posting", postings(&bitmaps), |kernels, variant| {
                let list = &lists[variant];
                black_box(kernels.add_listed(&mut sums.0, list, &impacts[..list.len()], LINE));
            });
        }
        for one_in in [32, 16, 4, 2] {
            let bitmaps = windows(one_in);
            let counts: Vec<usize> = bitmaps.iter().map(|bitmap| offsets(bitmap).len()).collect();
            let mut sums = Aligned([0; WINDOW]);
            let name = format!("add_bitmap, 1 in {one_in}");
            self.row(&name, "posting", postings(&bitmaps), |kernels, variant| {
                let impacts = &impacts[..counts[variant]];
                black_box(kernels.add_bitmap(&mut sums.0, &bitmaps[variant], impacts, LINE));
            });
        }
    }

    fn scans(&self) {
        for survivors in [0, 4, 40, 400, 2_000] {
            let mut rng = fastrand::Rng::with_seed(4);
            let mut sum = |_| 1 + u16::from(rng.usize(..WINDOW) < survivors);
            let windows: Vec<Aligned<Sums>> =
                (0..VARIANTS).map(|_| Aligned(std::array::from_fn(&mut sum))).collect();
            let mut out = [0; WINDOW];
            let name = format!("at_least, {survivors} of 4096");
            self.row(&name, "document", 4_096.0, |kernels, variant| {
                black_box(kernels.at_least(&windows[variant].0, 2, &mut out));
            });
        }
        for per_thousand in [0.1, 1.0, 10.0, 50.0, 500.0] {
            let mut rng = fastrand::Rng::with_seed(5);
            let lists: Vec<Vec<u8>> = (0..VARIANTS)
                .map(|_| {
                    let impact = |_| if rng.f64() * 1_000.0 < per_thousand { 200 } else { 100 };
                    (0..WINDOW).map(impact).collect()
                })
                .collect();
            let mut out = [0; WINDOW];
            let name = format!("impacts_at_least, {} %", per_thousand / 10.0);
            self.row(&name, "impact", 4_096.0, |kernels, variant| {
                black_box(kernels.impacts_at_least(&lists[variant], 150, &mut out));
            });
        }
    }
}

/// Windows with one document in `one_in`, at random.
fn windows(one_in: u32) -> Vec<Bitmap> {
    let mut rng = fastrand::Rng::with_seed(u64::from(one_in));
    let mut window = || {
        std::array::from_fn(|_| {
            (0..8).fold(0, |byte, _| byte << 1 | u8::from(rng.u32(..one_in) == 0))
        })
    };
    (0..VARIANTS).map(|_| window()).collect()
}

fn offsets(bitmap: &Bitmap) -> Vec<u16> {
    (0..4_096).filter(|bit| bitmap[usize::from(bit / 8)] >> (bit % 8) & 1 == 1).collect()
}

/// Postings of a window on average.
fn postings(bitmaps: &[Bitmap]) -> f64 {
    bitmaps.iter().flatten().map(|byte| f64::from(byte.count_ones())).sum::<f64>()
        / f64::from(VARIANTS)
}

fn varints(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut number in numbers {
        while number >= 0x80 {
            bytes.push((number & 0x7F) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push((number & 0x7F) as u8);
    }
    bytes
}

/// The positions of a word in a thousand documents of 300 words, in one up to so many places: where each begins, and sums.
fn lists_of_positions(rng: &mut fastrand::Rng, len_max: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut starts, mut sums) = (vec![0], vec![0_u32]);
    for _ in 0..1_000 {
        let len = rng.usize(1..=len_max);
        let mut positions: Vec<u32> = (0..len).map(|_| rng.u32(..300)).collect();
        positions.sort_unstable();
        let before = sums.last().copied().unwrap_or_default();
        sums.extend(positions.iter().map(|position| before + position));
        starts.extend(u32::try_from(sums.len() - 1));
    }
    sums.resize(sums.len() + 8, 0);
    (starts, sums)
}
