//! Tables for people: a faint head, columns as wide as they need to be, numbers to the right.
//!
//! Verbs that look at files fill one row by row and write it once. Cells are plain text: what comes from the file is made
//! printable here.

use std::io::Write;

use crate::error::Result;
use crate::output::{FAINT, printable};

/// Rows of cells under a head.
pub(crate) struct Table {
    /// Titles, and whether their column stands to the left.
    head: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; a title that begins with `<` makes its column stand to the left.
    pub(crate) fn new(head: &[&str]) -> Self {
        let column = |title: &&str| match title.strip_prefix('<') {
            Some(title) => (title.to_owned(), true),
            None => ((*title).to_owned(), false),
        };
        Table { head: head.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; it has a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// Writes the table; nothing when it has no rows.
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = self
            .head
            .iter()
            .enumerate()
            .map(|(column, (title, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| width(cell)).chain([width(title)]).max().unwrap_or_default()
            })
            .collect();
        let line = |cells: &[&str]| {
            let mut line = String::new();
            for (index, cell) in cells.iter().enumerate() {
                let gap = " ".repeat(widths[index].saturating_sub(width(cell)));
                let is_left = self.head[index].1;
                let between = if index > 0 { "  " } else { "" };
                let (before, behind) = if is_left { ("", &gap[..]) } else { (&gap[..], "") };
                line.extend([between, before, cell, behind]);
            }
            line.trim_end().to_owned()
        };
        let titles: Vec<&str> = self.head.iter().map(|(title, _)| title.as_str()).collect();
        writeln!(out, "{FAINT}{}{FAINT:#}", line(&titles))?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            writeln!(out, "{}", line(&cells))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["<name", "bytes"]);
        table.row(["a\u{1b}b".to_owned(), "7".to_owned()]);
        table.row(["größer".to_owned(), "12,345".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let mut plain = Vec::new();
        anstream::StripStream::new(&mut plain).write_all(&out).unwrap();
        let expected = "name     bytes\na b          7\ngrößer  12,345\n";
        assert_eq!(String::from_utf8(plain).unwrap(), expected);
    }
}
