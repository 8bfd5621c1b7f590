//! What changed since a baseline, as people read it.
//!
//! Called by `eval --against`. The library compares; here its [`Comparison`] becomes two tables, or, when it is a regression, the
//! message that the library has for one. Identifiers and questions come from files, so they are made printable.

use std::io::Write;
use std::path::Path;

use alluvium::eval::{Comparison, ParameterChange, QueryChange, Regression};

use crate::error::Result;
use crate::output::{FAINT, STRONG, printable};
use crate::table::Table;

/// Questions shown at either end.
const QUERIES_SHOWN: usize = 5;

/// Writes what changed against the file at `path`.
pub(super) fn write(
    out: &mut dyn Write,
    comparison: &Comparison,
    regression: Option<&Regression>,
    path: &Path,
) -> Result<()> {
    let parameters: Vec<String> = comparison.parameters.iter().map(parameter).collect();
    let changed =
        if parameters.is_empty() { String::new() } else { format!(": {}", parameters.join(", ")) };
    writeln!(out, "{STRONG}Against {}{STRONG:#}{}", path.display(), printable(&changed))?;
    let mut table = Table::new(&["<measure", "before", "now", "change", "p", "better", "worse"]);
    for mean in &comparison.means {
        table.row([
            mean.measure.to_string(),
            format!("{:.4}", mean.before),
            format!("{:.4}", mean.after),
            format!("{:+.4}", mean.delta()),
            format!("{:.4}", mean.p_value),
            mean.better.to_string(),
            mean.worse.to_string(),
        ]);
    }
    table.write(out)?;
    for (ids, what) in [
        (&comparison.queries_missing, "in the baseline only"),
        (&comparison.queries_added, "not in the baseline"),
    ] {
        if !ids.is_empty() {
            writeln!(out, "{FAINT}questions {what}: {}{FAINT:#}", printable(&ids.join(", ")))?;
        }
    }
    writeln!(out)?;
    match regression {
        Some(regression) => {
            for line in regression.to_string().lines() {
                writeln!(out, "{}", printable(line))?;
            }
        }
        None => write_queries(out, comparison)?,
    }
    Ok(())
}

fn parameter(change: &ParameterChange) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    format!("{} {} → {}", change.name, side(&change.before), side(&change.after))
}

/// The questions that lost most, and those that gained most, by the first measure.
fn write_queries(out: &mut dyn Write, comparison: &Comparison) -> Result<()> {
    let Some(first) = comparison.means.first() else {
        return Ok(());
    };
    let mut queries: Vec<&QueryChange> = comparison.queries.iter().collect();
    queries.sort_by(|left, right| left.delta(0).total_cmp(&right.delta(0)));
    let worse = queries.iter().filter(|query| query.delta(0) < 0.0);
    let better = queries.iter().rev().filter(|query| query.delta(0) > 0.0);
    let mut table = Table::new(&["<question", "before", "now", "change", "<text"]);
    for query in worse.take(QUERIES_SHOWN).chain(better.take(QUERIES_SHOWN)) {
        let value = |values: &[f64]| format!("{:.4}", values.first().copied().unwrap_or_default());
        let change = format!("{:+.4}", query.delta(0));
        let values = [value(&query.before), value(&query.after), change];
        table.row([query.id.clone()].into_iter().chain(values).chain([query.text.clone()]));
    }
    let (changed, compared) = (queries.len(), comparison.queries_compared);
    write!(out, "{changed} of {compared} questions changed")?;
    if first.worse + first.better > 0 {
        write!(out, "; by {}, the worst and the best", first.measure)?;
    }
    writeln!(out)?;
    table.write(out)
}
