//! Figures as people and programs see them: a table with colours on a terminal, or one JSON object a line.
//!
//! A figure is the median of its rounds, beside the least and the greatest. Lower is better in every row. Text passes through
//! `anstream`, which drops colours unless a terminal takes them; JSON goes straight to standard output.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;

use crate::Result;

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Yellow.on_default();

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "bytes")]
    Bytes,
    /// A ratio.
    #[serde(rename = "1")]
    One,
    /// A rate, for information; not a figure to be made small.
    #[serde(rename = "1/s")]
    PerSecond,
}

impl Unit {
    /// A value for people: its unit included, three or so digits.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Microseconds if value >= 10_000.0 => format!("{:.1} ms", value / 1e3),
            Unit::Microseconds if value < 100.0 => format!("{value:.1} µs"),
            Unit::Microseconds => format!("{value:.0} µs"),
            Unit::Nanoseconds if value >= 10_000.0 => format!("{:.1} µs", value / 1e3),
            Unit::Nanoseconds => format!("{value:.0} ns"),
            Unit::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
            Unit::One => format!("{value:.3}"),
            Unit::PerSecond => format!("{value:.0} /s"),
        }
    }
}

/// The median of some rounds and how far they lie apart.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Figure {
    /// The figure of one value or more.
    pub(crate) fn of(values: &[f64], unit: Unit) -> Self {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        let (min, max) = (values[0], values[values.len() - 1]);
        Figure { value: low.midpoint(high), unit, ratio: None, min, max }
    }
}

/// The value that `percent` of `values` do not exceed; sorts them. There must be some.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values[rank - 1]
}

/// One figure of one engine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) bench: &'static str,
    pub(crate) row: String,
    pub(crate) engine: String,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

/// Sets the ratio of one engine's figures to another's, row by row.
pub(crate) fn set_ratios(lines: &mut [Line], engine: &str, rival: &str) {
    let of = |name: &str| -> Vec<(String, f64)> {
        let found = lines.iter().filter(|line| line.engine == name);
        found.map(|line| (line.row.clone(), line.figure.value)).collect()
    };
    let rivals = of(rival);
    for line in lines.iter_mut().filter(|line| line.engine == engine) {
        let rival = rivals.iter().find(|(row, _)| *row == line.row);
        line.figure.ratio = rival.map(|(_, value)| line.figure.value / value);
    }
}

/// Where figures go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) json: bool,
}

impl Report {
    /// Prints what the figures hang on: `text` for people, `object` for programs.
    pub(crate) fn head(self, text: &str, object: &Value) -> Result<()> {
        if self.json {
            return json_line(object);
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "{FAINT}{text}{FAINT:#}\n")?;
        Ok(())
    }

    /// Prints all figures, one row of the table for each name.
    pub(crate) fn figures(self, lines: &[Line], columns: &[String]) -> Result<()> {
        if self.json {
            return lines.iter().try_for_each(json_line);
        }
        table(&mut anstream::stdout().lock(), lines, columns)?;
        Ok(())
    }
}

/// Says what is going on, beside the figures.
pub(crate) fn show_progress(text: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// One object of the JSON form.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Rows down, engines across; below each value how far its rounds lie apart.
fn table(out: &mut impl Write, lines: &[Line], columns: &[String]) -> io::Result<()> {
    let with_ratio = lines.iter().any(|line| line.figure.ratio.is_some());
    write!(out, "{STRONG}{:<22}{STRONG:#}", "lower is better")?;
    for column in columns {
        write!(out, "{STRONG}{column:>16}{STRONG:#}")?;
    }
    writeln!(out, "{STRONG}{:>9}{STRONG:#}", if with_ratio { "ratio" } else { "" })?;
    let mut rows: Vec<&str> = Vec::new();
    for line in lines {
        if !rows.contains(&line.row.as_str()) {
            rows.push(&line.row);
        }
    }
    for row in rows {
        let figure = |column: &String| {
            let mut found = lines.iter().filter(|line| line.row == row && line.engine == *column);
            found.next().map(|line| line.figure)
        };
        write!(out, "{row:<22}")?;
        for column in columns {
            let shown = figure(column).map(|figure| figure.unit.show(figure.value));
            write!(out, "{:>16}", shown.unwrap_or_default())?;
        }
        if let Some(ratio) = columns.iter().find_map(|column| figure(column)?.ratio) {
            let style = if ratio <= 1.0 { GOOD } else { BAD };
            write!(out, "{style}{ratio:>9.2}{style:#}")?;
        }
        writeln!(out)?;
        write!(out, "{:<22}", "")?;
        for column in columns {
            let spread = figure(column).map(spread).unwrap_or_default();
            write!(out, "{FAINT}{spread:>16}{FAINT:#}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Least and greatest in the figure's own unit; nothing when they are one.
fn spread(figure: Figure) -> String {
    if figure.min.total_cmp(&figure.max).is_eq() {
        return String::new();
    }
    let (min, max) = (figure.unit.show(figure.min), figure.unit.show(figure.max));
    let number = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    if min.split(' ').next_back() == max.split(' ').next_back() {
        format!("{}–{}", number(&min), number(&max))
    } else {
        format!("{min}–{max}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        let figure = Figure::of(&[3.0, 1.0, 10.0], Unit::Seconds);
        assert_eq!((figure.value, figure.min, figure.max), (3.0, 1.0, 10.0));
        let even = Figure::of(&[4.0, 1.0], Unit::Seconds);
        assert_eq!((even.value, even.min), (2.5, 1.0));
        let mut values: Vec<f64> = (1..=100).map(f64::from).rev().collect();
        assert_eq!((percentile(&mut values, 99), percentile(&mut values[..1], 50)), (99.0, 1.0));
    }

    #[test]
    fn a_line_is_one_object_with_the_names_that_programs_look_for() {
        let mut figure = Figure::of(&[9.8], Unit::Seconds);
        figure.ratio = Some(0.66);
        let line =
            Line { bench: "kv", row: "get".to_owned(), engine: "alluvium".to_owned(), figure };
        let text = serde_json::to_string(&line).unwrap();
        let start =
            r#"{"bench":"kv","row":"get","engine":"alluvium","value":9.8,"unit":"s","ratio":0.66"#;
        assert!(text.starts_with(start), "{text}");
    }
}
