//! The arrows between two rankings: a curve from each document's place before to its place now.
//!
//! Drawn by `rankings` between two lists whose rows are as high as [`ROW`]. Relevant documents are drawn strong, in the colour
//! of a gain when they rose and of a loss when they fell; those that left or came are dashed, towards or from below.

use std::fmt::{self, Write};

/// Height of a row of the lists, as in style.css.
const ROW: f64 = 28.0;
/// Rows of a list.
const ROWS: f64 = 10.0;
/// Width of the drawing; style.css stretches it.
const WIDTH: f64 = 88.0;
/// Where arrows end, so that their heads touch the list.
const END: f64 = WIDTH - 7.0;

pub(super) fn write(
    out: &mut String,
    before: &[String],
    now: &[String],
    is_relevant: impl Fn(&str) -> bool,
) -> fmt::Result {
    let height = ROWS * ROW;
    writeln!(
        out,
        "<svg class=\"arrows\" viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    )?;
    let place = |list: &[String], id: &str| list.iter().position(|document| document == id);
    for (from, id) in before.iter().enumerate() {
        let class = |fell: bool| match (is_relevant(id), fell) {
            (false, _) => "",
            (true, true) => "loss",
            (true, false) => "gain",
        };
        match place(now, id) {
            Some(to) if to == from => write_arrow(out, (2.0, middle(from)), (END, middle(to)), "")?,
            Some(to) => {
                write_arrow(out, (2.0, middle(from)), (END, middle(to)), class(to > from))?;
            }
            None => write_away(out, middle(from), class(true))?,
        }
    }
    for (to, id) in now.iter().enumerate().filter(|(_, id)| place(before, id).is_none()) {
        let class = if is_relevant(id) { "gain" } else { "" };
        let start = (WIDTH / 2.0, height);
        let end = (END, middle(to));
        writeln!(
            out,
            "<path class=\"away {class}\" d=\"M{:.1} {:.1} C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}\"/>",
            start.0, start.1, start.0, end.1, start.0, end.1, end.0, end.1
        )?;
        write_head(out, end, class)?;
    }
    out.push_str("</svg>\n");
    Ok(())
}

/// The middle of a row.
fn middle(row: usize) -> f64 {
    f64::from(u32::try_from(row).unwrap_or(u32::MAX)) * ROW + ROW / 2.0
}

fn write_arrow(out: &mut String, from: (f64, f64), to: (f64, f64), class: &str) -> fmt::Result {
    let bend = WIDTH / 2.0;
    writeln!(
        out,
        "<path class=\"{class}\" d=\"M{:.1} {:.1} C{bend:.1} {:.1} {bend:.1} {:.1} {:.1} {:.1}\"/>",
        from.0, from.1, from.1, to.1, to.0, to.1
    )?;
    write_head(out, to, class)
}

/// An arrow out of the list, downwards.
fn write_away(out: &mut String, y: f64, class: &str) -> fmt::Result {
    let (x, bottom) = (WIDTH / 3.0, ROWS * ROW);
    writeln!(
        out,
        "<path class=\"away {class}\" d=\"M2 {y:.1} C{x:.1} {y:.1} {x:.1} {y:.1} {x:.1} {:.1}\"/>\
         <path class=\"head {class}\" d=\"M{:.1} {:.1} h8 l-4 7 z\"/>",
        bottom - 7.0,
        x - 4.0,
        bottom - 7.0
    )
}

fn write_head(out: &mut String, (x, y): (f64, f64), class: &str) -> fmt::Result {
    writeln!(out, "<path class=\"head {class}\" d=\"M{x:.1} {:.1} l7 4 l-7 4 z\"/>", y - 4.0)
}
