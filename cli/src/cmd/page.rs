//! `alluvium page`: what a page is and what its bytes mean, as annotated lines or as one JSON object; or its bytes alone.
//! Damage is told in the place where it is, and by the exit code.

use std::io::Write;

use alluvium::lsm::PageView;

use crate::args::PageArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output::{self, ERROR, FAINT, STRONG, printable};

/// Bytes on a line of a hexadecimal dump.
const ROW_BYTES: usize = 16;
/// Columns that the bytes of an annotation take.
const HEX_WIDTH: usize = 49;

/// Runs the verb.
pub(crate) fn run(arguments: &PageArguments) -> Result<Outcome> {
    let path = arguments.file.database.as_path();
    let pages = database::pages(path)?;
    if arguments.raw {
        let bytes = pages.bytes(arguments.page).map_err(alluvium::Error::from).at(path)?;
        let mut out = output::open(false);
        write_hex(&mut out, &bytes)?;
        out.flush()?;
        return Ok(Outcome::Done);
    }
    let view = pages.page(arguments.page).map_err(alluvium::Error::from).at(path)?;
    let mut out = output::open(arguments.file.json);
    if arguments.file.json {
        output::json_line(&mut out, &view)?;
    } else {
        write_view(&mut out, &view)?;
    }
    out.flush()?;
    let sound = view.trouble.is_none() && view.parts.iter().all(|part| part.damage.is_none());
    Ok(if sound { Outcome::Done } else { Outcome::NotSound })
}

/// Writes what stands in a page or in several.
pub(crate) fn write_view(out: &mut dyn Write, view: &PageView) -> Result<()> {
    let last = view.page + view.pages - 1;
    let numbers = if view.pages == 1 {
        format!("page {last}")
    } else {
        format!("pages {} to {last}", view.page)
    };
    writeln!(out, "{STRONG}{numbers}: {}{STRONG:#}", printable(&view.owner))?;
    if let Some(trouble) = &view.trouble {
        writeln!(out, "{ERROR}judged by its own bytes{ERROR:#}: {}", printable(trouble))?;
    }
    for part in &view.parts {
        writeln!(out)?;
        writeln!(out, "{} {FAINT}(byte {} of the file){FAINT:#}", part.what, part.offset)?;
        if let Some(damage) = &part.damage {
            writeln!(out, "{ERROR}damaged{ERROR:#}: {}", printable(damage))?;
        }
        for note in &part.annotations {
            let (field, value) = (printable(&note.field), printable(&note.value));
            writeln!(
                out,
                "{FAINT}{:04x}{FAINT:#}  {:HEX_WIDTH$}  {field}: {value}",
                note.offset, note.hex
            )?;
        }
    }
    Ok(())
}

fn write_hex(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    for (row, chunk) in bytes.chunks(ROW_BYTES).enumerate() {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = chunk.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        });
        let text: String = text.collect();
        writeln!(out, "{:04x}  {:47}  {text}", row * ROW_BYTES, hex.join(" "))?;
    }
    Ok(())
}
