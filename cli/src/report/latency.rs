//! How long questions took: a histogram and its percentiles.
//!
//! Last part of a report. Bins are equally wide on a logarithmic axis, since latencies spread over orders of magnitude; a
//! percentile is the smallest time that so many of a hundred questions did not exceed.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::output::time;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 48.0;
/// The line on which bars stand.
const FLOOR: f64 = HEIGHT - 26.0;
/// Room for the names of percentiles.
const TOP: f64 = 26.0;
const BINS: u32 = 40;
const PERCENTILES: [u32; 4] = [50, 90, 95, 99];
/// The percentile whose line crosses the histogram beside the median.
const MARKED: [u32; 2] = [50, 99];

pub(super) fn write(out: &mut String, times: &[Duration]) -> fmt::Result {
    let mut times = times.to_vec();
    times.sort_unstable();
    let (Some(fastest), Some(slowest)) = (times.first(), times.last()) else {
        return Ok(());
    };
    out.push_str("<section>\n<h2>Latency</h2>\n<p class=\"faint\">How long each question took, in this run, one after the other.</p>\n");
    let axis = Axis::new(*fastest, *slowest);
    write_histogram(out, &times, &axis)?;
    out.push_str("<table>\n<thead><tr>");
    for percentile in PERCENTILES {
        write!(out, "<th scope=\"col\" class=\"number\">p{percentile}</th>")?;
    }
    out.push_str("<th scope=\"col\" class=\"number\">slowest</th></tr></thead>\n<tbody><tr>");
    for percentile in PERCENTILES {
        write!(out, "<td class=\"number\">{}</td>", time(at_percentile(&times, percentile)))?;
    }
    writeln!(out, "<td class=\"number\">{}</td></tr></tbody>\n</table>\n</section>", time(*slowest))
}

/// The time that `percentile` of a hundred did not exceed; `times` ascend.
fn at_percentile(times: &[Duration], percentile: u32) -> Duration {
    let percentile = usize::try_from(percentile).unwrap_or(100);
    let rank = (times.len() * percentile).div_ceil(100).max(1);
    times.get(rank - 1).or(times.last()).copied().unwrap_or_default()
}

/// A logarithmic axis of time.
struct Axis {
    start: f64,
    /// Octaves from its start to its end.
    octaves: f64,
}

impl Axis {
    fn new(fastest: Duration, slowest: Duration) -> Self {
        let log = |time: Duration| time.as_secs_f64().max(1e-7).log2();
        // Some room at both ends, and an octave at least.
        let start = log(fastest) - 0.25;
        Self { start, octaves: (log(slowest) + 0.25 - start).max(1.0) }
    }

    /// The part of the axis before a time, from 0 to 1.
    fn part(&self, seconds: f64) -> f64 {
        ((seconds.max(1e-7).log2() - self.start) / self.octaves).clamp(0.0, 1.0)
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + self.part(seconds) * (WIDTH - LEFT)
    }

    /// Round times on the axis: 1, 2 and 5 of each power of ten.
    fn ticks(&self) -> Vec<f64> {
        let powers = (-7..4).map(|power| 10.0_f64.powi(power));
        let all = powers.flat_map(|power| [power, 2.0 * power, 5.0 * power]);
        let inside = |seconds: &f64| {
            let place = (seconds.log2() - self.start) / self.octaves;
            (0.0..=1.0).contains(&place)
        };
        all.filter(inside).collect()
    }
}

fn write_histogram(out: &mut String, times: &[Duration], axis: &Axis) -> fmt::Result {
    let mut bins = vec![0_u32; usize::try_from(BINS).unwrap_or_default()];
    for time in times {
        let part = axis.part(time.as_secs_f64()) * f64::from(BINS);
        // The bin is the number of bounds at or before the time.
        let bin = (1..BINS).take_while(|bound| f64::from(*bound) <= part).count();
        if let Some(bin) = bins.get_mut(bin) {
            *bin += 1;
        }
    }
    let most = bins.iter().copied().max().unwrap_or(1).max(1);
    let number = times.len();
    let are = if number == 1 { "question" } else { "questions" };
    writeln!(
        out,
        "<figure>\n<figcaption><b>{number} {are}</b>logarithmic axis, the highest bar stands for {most}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Histogram of latencies; the table below has its percentiles\">\n\
         <line class=\"zero\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{FLOOR}\" y2=\"{FLOOR}\"/>"
    )?;
    let step = (WIDTH - LEFT) / f64::from(BINS);
    for (bin, count) in (0_u32..).zip(&bins).filter(|(_, count)| **count > 0) {
        let tall = (f64::from(*count) / f64::from(most) * (FLOOR - TOP)).max(1.0);
        let (x, y) = (LEFT + f64::from(bin) * step, FLOOR - tall);
        writeln!(
            out,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{count}</title></rect>",
            step - 1.5
        )?;
    }
    for seconds in axis.ticks() {
        let (x, label) = (axis.x(seconds), tick_label(seconds));
        writeln!(
            out,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{FLOOR}\" y2=\"{:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            FLOOR + 5.0,
            FLOOR + 19.0
        )?;
    }
    for percentile in MARKED {
        let x = axis.x(at_percentile(times, percentile).as_secs_f64());
        writeln!(
            out,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{FLOOR}\"/>\
             <text x=\"{x:.1}\" y=\"12\" text-anchor=\"middle\">p{percentile}</text>",
            TOP - 8.0
        )?;
    }
    out.push_str("</svg>\n</figure>\n");
    Ok(())
}

/// A round time with its unit.
fn tick_label(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let found = units.iter().find(|(unit, _)| seconds >= unit * 0.999);
    let (unit, name) = found.copied().unwrap_or((1e-9, "ns"));
    format!("{:.0} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |percentile| at_percentile(&times, percentile).as_millis();
        assert_eq!([at(50), at(90), at(99)], [100, 180, 198]);
        assert_eq!(at_percentile(&times[..1], 50), times[0]);
        assert_eq!(at_percentile(&times[..1], 99), times[0]);
    }

    #[test]
    fn every_time_is_in_a_bin_and_the_axis_has_round_ticks() {
        for times in [vec![1], vec![1, 1_000_000], vec![0], vec![300, 310, 700, 90_000]] {
            let times: Vec<Duration> = times.into_iter().map(Duration::from_micros).collect();
            let mut out = String::new();
            write(&mut out, &times).unwrap();
            let counts = out.split("<title>").skip(1);
            let counts =
                counts.map(|rest| rest.split('<').next().unwrap().parse::<usize>().unwrap());
            assert_eq!(counts.sum::<usize>(), times.len(), "{times:?}");
            assert!(out.contains("text-anchor=\"middle\""));
        }
        let labels = [2e-6, 5e-4, 0.01, 1.0, 50.0].map(tick_label);
        assert_eq!(labels, ["2 µs", "500 µs", "10 ms", "1 s", "50 s"]);
    }
}
