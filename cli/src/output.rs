//! What goes to standard output: text with colours on a terminal, plain text in a pipe, or JSON.
//!
//! Verbs write to what [`open`] gives and flush it before they end. Text passes through `anstream`,
//! which drops escape codes unless a terminal (or CLICOLOR_FORCE) takes them. JSON goes straight to
//! standard output. Text from documents is shown through [`printable`], so that a document cannot
//! send escape codes of its own to the terminal.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// Titles and headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Words that matched.
pub(crate) const MATCH: Style = AnsiColor::Yellow.on_default().bold();
/// The word before an error.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word before a warning.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();

/// Standard output, for JSON or for text.
pub(crate) fn open(json: bool) -> Box<dyn Write> {
    if json {
        Box::new(BufWriter::new(io::stdout().lock()))
    } else {
        Box::new(BufWriter::new(anstream::stdout().lock()))
    }
}

/// Whether somebody reads standard output on a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Adds the members of one object to another.
pub(crate) fn merge(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}

/// Writes `value` as JSON on one line.
pub(crate) fn json_line(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a warning to standard error.
pub(crate) fn warn(message: impl fmt::Display) {
    // A warning that cannot be shown is no reason to stop.
    let _ = writeln!(anstream::stderr(), "{WARNING}warning:{WARNING:#} {message}");
}

/// Writes something that may help to standard error.
pub(crate) fn hint(what: &str, message: impl fmt::Display) {
    // As with warnings.
    let _ = writeln!(anstream::stderr(), "{STRONG}{what}:{STRONG:#} {message}");
}

/// `text` on one line and without control characters, each of which becomes a space.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A whole number with commas: 10,033.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// A rate per second, rounded: 8,157.
pub(crate) fn rate(per_second: f64) -> String {
    grouped(&format!("{per_second:.0}"))
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in units of powers of 1,000: 5.5 MB.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", float(number) / float(*unit)),
        None => format!("{number} bytes"),
    }
}

/// A time as people read it: 0.84 ms, 412 ms, 3.1 s, 4 min 10 s.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

/// `number` per second over `duration`; 0 for no time at all.
pub(crate) fn per_second(number: u64, duration: Duration) -> f64 {
    let seconds = duration.as_secs_f64();
    if seconds > 0.0 { float(number) / seconds } else { 0.0 }
}

/// The nearest `f64`.
pub(crate) fn float(number: u64) -> f64 {
    let half = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    half(number >> 32) * 4_294_967_296.0 + half(number & u64::from(u32::MAX))
}

/// Rounded for JSON: three places after the point are plenty for a time or a rate.
pub(crate) fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(9_999.7), "10,000");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(5_459_588), "5.5 MB");
        assert_eq!(time(Duration::from_micros(840)), "0.84 ms");
        assert_eq!(time(Duration::from_secs(250)), "4 min 10 s");
        assert_eq!(per_second(10, Duration::ZERO).to_bits(), 0);
    }

    #[test]
    fn floats_are_the_nearest() {
        for (number, expected) in [(0, 0.0), (1 << 40, 1_099_511_627_776.0), (7, 7.0)] {
            assert_eq!(float(number).to_bits(), f64::to_bits(expected));
        }
    }

    #[test]
    fn text_of_a_document_cannot_reach_the_terminal_as_codes() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{9b}d"), "a [31mb c d");
    }
}
