//! The table of means, with what changed and how sure that is.
//!
//! First part of a report. Changes whose p value is below .05 are printed strong; the sign and the words of the head say what
//! colours say too.

use std::fmt::{self, Write};

use alluvium::eval::Baseline;

use super::escape::Text;
use super::{Against, Report, class_of, signed};

/// From here on chance explains a change well enough.
const P_SURE_MAX: f64 = 0.05;

pub(super) fn write(out: &mut String, report: &Report<'_>) -> fmt::Result {
    out.push_str("<section>\n<h2>Means</h2>\n");
    match &report.against {
        Some(against) => write_changes(out, against)?,
        None => write_values(out, report.now)?,
    }
    out.push_str("</section>\n");
    Ok(())
}

fn write_values(out: &mut String, now: &Baseline) -> fmt::Result {
    out.push_str("<table>\n<thead><tr><th scope=\"col\">Measure</th>");
    out.push_str("<th scope=\"col\" class=\"number\">Mean</th></tr></thead>\n<tbody>\n");
    for (measure, mean) in now.measures().iter().zip(now.means()) {
        write!(out, "<tr><th scope=\"row\">{measure}</th>")?;
        writeln!(out, "<td class=\"number\">{mean:.4}</td></tr>")?;
    }
    out.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_changes(out: &mut String, against: &Against<'_>) -> fmt::Result {
    out.push_str("<table>\n<thead><tr><th scope=\"col\">Measure</th>");
    for title in ["Before", "Now", "Change", "p", "Better", "Worse"] {
        write!(out, "<th scope=\"col\" class=\"number\">{title}</th>")?;
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let comparison = against.comparison;
    for mean in &comparison.means {
        let delta = mean.delta();
        let sure = if mean.p_value < P_SURE_MAX { " sure" } else { "" };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{:.4}</td><td class=\"number\">{:.4}</td>\
             <td class=\"number {}{sure}\">{}</td><td class=\"number{sure}\">{:.4}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            mean.measure,
            mean.before,
            mean.after,
            class_of(delta),
            signed(delta),
            mean.p_value,
            mean.better,
            mean.worse,
        )?;
    }
    out.push_str("</tbody>\n</table>\n<p class=\"faint\">p: how likely a change this large is if both rankings are equally good (paired randomisation test). Strong: below .05.</p>\n");
    for (ids, what) in [
        (&comparison.queries_missing, "In the baseline only"),
        (&comparison.queries_added, "Not in the baseline"),
    ] {
        if !ids.is_empty() {
            writeln!(out, "<p class=\"faint\">{what}: {}.</p>", Text(&ids.join(", ")))?;
        }
    }
    Ok(())
}
