//! Times of a class and a command, as a table for people or objects for programs.
//!
//! The figures are over the queries of the class, each by the fastest of its passes. An engine that cannot answer every
//! query of a class has no figure there.

use std::io::{self, Write};

use serde::Serialize;

use super::engines::{Command, TANTIVY};
use super::measure::Times;
use super::queries::{Class, Query};
use crate::Result;
use crate::report::{BAD, FAINT, GOOD, Report, STRONG, Unit, json_line, percentile};

/// What was measured of one engine, class and command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Measured {
    bench: &'static str,
    row: String,
    pub(super) engine: &'static str,
    queries: usize,
    avg_us: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of the average to tantivy's; missing without tantivy.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

/// All rows: by class, then command, then engine in the order of `times`.
pub(crate) fn rows(queries: &[Query], times: &[Times]) -> Vec<Measured> {
    let mut rows = Vec::new();
    for &class in Class::ALL {
        let of_class = |(index, query): (usize, &Query)| (query.class == class).then_some(index);
        let chosen: Vec<usize> = queries.iter().enumerate().filter_map(of_class).collect();
        for &command in Command::ALL {
            let first = rows.len();
            rows.extend(times.iter().filter_map(|times| row(class, command, &chosen, times)));
            let added: &mut [Measured] = &mut rows[first..];
            let tantivy = added.iter().find(|row| row.engine == TANTIVY).map(|row| row.avg_us);
            for row in added {
                row.ratio = tantivy.map(|tantivy| row.avg_us / tantivy);
            }
        }
    }
    rows
}

fn row(class: Class, command: Command, chosen: &[usize], times: &Times) -> Option<Measured> {
    let micros = |&query: &usize| Some(times.of(query, command)?.as_secs_f64() * 1e6);
    let mut values = chosen.iter().map(micros).collect::<Option<Vec<f64>>>()?;
    if values.is_empty() {
        return None;
    }
    let average = values.iter().sum::<f64>() / values.len() as f64;
    Some(Measured {
        bench: "search",
        row: format!("{}/{}", class.name(), command.name()),
        engine: times.engine,
        queries: values.len(),
        avg_us: average,
        p50_us: percentile(&mut values, 50),
        p99_us: percentile(&mut values, 99),
        ratio: None,
    })
}

/// Shows the rows.
pub(crate) fn show(report: Report, rows: &[Measured], engines: &[&str]) -> Result<()> {
    if report.json {
        return rows.iter().try_for_each(json_line);
    }
    table(&mut anstream::stdout().lock(), rows, engines)?;
    Ok(())
}

/// Rows down, engines across: the average and its ratio to tantivy's; below it the median and the 99th percentile.
fn table(out: &mut impl Write, rows: &[Measured], engines: &[&str]) -> io::Result<()> {
    write!(out, "\n{STRONG}{:<27}{STRONG:#}", "average, ratio to tantivy")?;
    for engine in engines {
        write!(out, "{STRONG}{engine:>24}{STRONG:#}")?;
    }
    writeln!(out, "\n{FAINT}{:<27}{FAINT:#}", "median, 99th percentile")?;
    let mut names: Vec<&str> = rows.iter().map(|row| row.row.as_str()).collect();
    names.dedup();
    for name in names {
        let of = |engine: &&str| rows.iter().find(|row| row.row == name && row.engine == *engine);
        let time = |micros: f64| Unit::Microseconds.show(micros);
        write!(out, "{name:<27}")?;
        for engine in engines {
            let Some(row) = of(engine) else {
                write!(out, "{:>24}", "")?;
                continue;
            };
            write!(out, "{:>16}", time(row.avg_us))?;
            match row.ratio.filter(|_| row.engine != TANTIVY) {
                Some(ratio) if ratio <= 1.0 => write!(out, "{GOOD}{ratio:>8.2}{GOOD:#}")?,
                Some(ratio) => write!(out, "{BAD}{ratio:>8.2}{BAD:#}")?,
                None => write!(out, "{:>8}", "")?,
            }
        }
        write!(out, "\n{:<27}", "")?;
        for engine in engines {
            let shown = of(engine).map(|row| format!("{}, {}", time(row.p50_us), time(row.p99_us)));
            write!(out, "{FAINT}{:>24}{FAINT:#}", shown.unwrap_or_default())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_hold_averages_of_the_class_and_ratios_to_tantivy() {
        let queries = ["a", "b", "a b"].map(|text| Query::parse(text).unwrap());
        let times = [("alluvium", [1, 3, 9]), (TANTIVY, [4, 4, 3])].map(|(engine, micros)| {
            let mut times = Times::new(engine, queries.len());
            for (query, micros) in micros.into_iter().enumerate() {
                times.note(query, Command::Top10, Duration::from_micros(micros));
            }
            times
        });
        let rows = rows(&queries, &times);
        let found: Vec<_> =
            rows.iter().map(|row| (row.row.as_str(), row.engine, row.ratio)).collect();
        let expected = [
            ("term/TOP_10", "alluvium", Some(0.5)),
            ("term/TOP_10", TANTIVY, Some(1.0)),
            ("union/TOP_10", "alluvium", Some(3.0)),
            ("union/TOP_10", TANTIVY, Some(1.0)),
        ];
        assert_eq!(found, expected);
        let text = serde_json::to_string(&rows[0]).unwrap();
        let start = r#"{"bench":"search","row":"term/TOP_10","engine":"alluvium","queries":2,"avg_us":2.0,"p50_us":1.0,"p99_us":3.0"#;
        assert!(text.starts_with(start), "{text}");
    }
}
