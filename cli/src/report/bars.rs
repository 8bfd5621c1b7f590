//! One bar for each question, the worst first: gains and losses, or values where there is nothing to compare.
//!
//! Second part of a report, a chart for each measure. Bars share the width of the chart, so that one question and a thousand fit
//! alike; each tells its question when pointed at, and leads to it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::escape::Text;
use super::{Question, Report, class_of, signed};

/// Width of the first chart, which has the whole page, and of the others, which stand in pairs; in pixels, on a wide page.
const WIDTH_FIRST: f64 = 960.0;
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 170.0;
/// Room for the numbers of the axis.
const LEFT: f64 = 48.0;
/// Bars are no wider, however few there are.
const BAR_WIDTH_MAX: f64 = 28.0;
/// What the axis may end with.
const ENDS: [f64; 6] = [0.05, 0.1, 0.2, 0.5, 0.8, 1.0];

pub(super) fn write(
    out: &mut String,
    report: &Report<'_>,
    questions: &[Question<'_>],
) -> fmt::Result {
    let measures = report.measures();
    if questions.is_empty() || measures.is_empty() {
        return Ok(());
    }
    let (title, what) = match &report.against {
        Some(_) => (
            "Gains and losses",
            "What each question lost or gained, the worst first. Point at a bar to read its question, follow it to see the ranking.",
        ),
        None => (
            "Questions",
            "The value of each question, the worst first. Point at a bar to read its question, follow it to see the ranking.",
        ),
    };
    writeln!(
        out,
        "<section>\n<h2>{title}</h2>\n<p class=\"faint\">{what}</p>\n<div class=\"charts\">"
    )?;
    let numbers: BTreeMap<&str, usize> =
        questions.iter().enumerate().map(|(number, question)| (question.id, number)).collect();
    for (measure, name) in measures.iter().enumerate() {
        let mut sorted: Vec<&Question<'_>> = questions.iter().collect();
        sorted.sort_by(|left, right| left.height(measure).total_cmp(&right.height(measure)));
        let compared = report.against.as_ref().map(|against| against.comparison.queries_compared);
        let width = if measure == 0 { WIDTH_FIRST } else { WIDTH };
        Chart { name, measure, width, compared, numbers: &numbers }.write(out, &sorted)?;
    }
    out.push_str("</div>\n</section>\n");
    Ok(())
}

struct Chart<'a> {
    name: &'a str,
    measure: usize,
    width: f64,
    /// The number of questions compared, changed or not; nothing when values are shown.
    compared: Option<usize>,
    /// Where the rankings of a question stand.
    numbers: &'a BTreeMap<&'a str, usize>,
}

impl Chart<'_> {
    fn write(&self, out: &mut String, questions: &[&Question<'_>]) -> fmt::Result {
        let shown: Vec<(&Question<'_>, f64)> = questions
            .iter()
            .map(|question| (*question, question.height(self.measure)))
            .filter(|(_, height)| self.compared.is_none() || height.abs() > 1e-9)
            .collect();
        let caption = self.caption(&shown);
        write!(
            out,
            "<figure>\n<figcaption><b>{0}</b>{caption}</figcaption>\n\
             <svg viewBox=\"0 0 {1} {HEIGHT}\" role=\"group\" aria-label=\"{0}: {caption}\">\n",
            self.name, self.width
        )?;
        let highest = shown.iter().map(|(_, height)| height.abs()).fold(0.0, f64::max);
        let end = ENDS.into_iter().find(|end| highest <= *end).unwrap_or(1.0);
        let zero = if self.compared.is_some() { HEIGHT / 2.0 } else { HEIGHT - 8.0 };
        let scale = (zero - 8.0) / end;
        let ticks: &[f64] = if self.compared.is_some() { &[1.0, 0.0, -1.0] } else { &[1.0, 0.0] };
        for tick in ticks {
            let y = zero - tick * end * scale;
            let class = if *tick == 0.0 { "zero" } else { "axis" };
            writeln!(
                out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                self.width
            )?;
            let label = match self.compared {
                Some(_) if *tick != 0.0 => format!("{:+}", tick * end).replace('-', "−"),
                _ => (tick * end).to_string(),
            };
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        self.write_bars(out, &shown, zero, scale)?;
        out.push_str("</svg>\n</figure>\n");
        Ok(())
    }

    fn caption(&self, shown: &[(&Question<'_>, f64)]) -> String {
        let Some(compared) = self.compared else {
            let zero = shown.iter().filter(|(_, height)| *height <= 0.0).count();
            return format!("{} questions, {zero} of them at 0", shown.len());
        };
        let worse = shown.iter().filter(|(_, height)| *height < 0.0).count();
        let better = shown.len() - worse;
        format!("{worse} worse, {better} better, {} the same", compared - shown.len())
    }

    fn write_bars(
        &self,
        out: &mut String,
        shown: &[(&Question<'_>, f64)],
        zero: f64,
        scale: f64,
    ) -> fmt::Result {
        let number = u32::try_from(shown.len()).unwrap_or(u32::MAX).max(1);
        let step = ((self.width - LEFT) / f64::from(number)).min(BAR_WIDTH_MAX);
        let gap = if step > 6.0 { 1.5 } else { 0.0 };
        for (place, (question, height)) in (0_u32..).zip(shown) {
            let x = LEFT + f64::from(place) * step;
            let tall = (height.abs() * scale).max(1.0);
            let y = if *height < 0.0 { zero } else { zero - tall };
            let (class, told) = match self.compared {
                Some(_) => (class_of(*height), signed(*height)),
                None => ("bar", format!("{height:.4}")),
            };
            writeln!(
                out,
                "<a href=\"#q{}\" tabindex=\"-1\"><rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{tall:.2}\">\
                 <title>{} {told} {}</title></rect></a>",
                self.numbers.get(question.id).copied().unwrap_or_default(),
                step - gap,
                Text(question.id),
                Text(question.text),
            )?;
        }
        Ok(())
    }
}
