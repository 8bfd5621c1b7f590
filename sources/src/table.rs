//! [`Columns`]: the columns of a table, and documents of its rows. Tables of commas and of tabs, and nothing else, use it.
//!
//! A name with dots is a path: the cells of `author.name` become the field `name` of the embedded document `author`. Empty
//! cells are left out. A column without a name is called by its number. Documents have their fields in the order of the columns.

use std::collections::HashSet;

use alluvium::bson::{Bson, CString, RawBson, RawDocumentBuf};

use crate::cells::{told, untold};
use crate::options::{ColumnType, SourceOptions, Typing};

/// Most columns of a table.
pub(crate) const COLUMNS_MAX: usize = 65_536;
/// Most names in a path.
const PATH_NAMES_MAX: usize = 50;

#[derive(Debug)]
pub(crate) struct Columns {
    list: Vec<Column>,
    root: Vec<Node>,
    typing: Typing,
}

#[derive(Debug)]
struct Column {
    name: String,
    becomes: Option<ColumnType>,
}

/// A field of the documents.
#[derive(Debug)]
struct Node {
    name: CString,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Column(usize),
    Fields(Vec<Node>),
}

impl Columns {
    /// Columns of these names; an error says why there can be no such table.
    pub(crate) fn new(names: Vec<String>, options: &SourceOptions) -> Result<Self, String> {
        let mut columns = Columns { list: Vec::new(), root: Vec::new(), typing: options.typing };
        let mut known = HashSet::new();
        for (at, name) in names.into_iter().enumerate() {
            let name = name.trim();
            let name = if name.is_empty() { format!("column {}", at + 1) } else { name.to_owned() };
            if !known.insert(name.clone()) {
                return Err(format!(
                    "two columns are called `{name}`; rename one, or name all with --columns"
                ));
            }
            insert(&mut columns.root, &name, &name, at, PATH_NAMES_MAX)?;
            columns.list.push(Column { name, becomes: None });
        }
        for (name, becomes) in &options.column_types {
            let column = columns.list.iter_mut().find(|column| column.name == *name);
            let column = column.ok_or_else(|| format!("there is no column `{name}`"))?;
            column.becomes = Some(*becomes);
        }
        Ok(columns)
    }

    /// The document of a row; an error says what is wrong with it.
    pub(crate) fn document(&self, cells: &[&[u8]]) -> Result<RawDocumentBuf, String> {
        let (cells_len, columns_len) = (cells.len(), self.list.len());
        let surplus = cells.iter().skip(columns_len).any(|cell| !cell.is_empty());
        if cells_len < columns_len || surplus {
            return Err(format!(
                "the row has {cells_len} cells, and the table {columns_len} columns"
            ));
        }
        let mut values = Vec::with_capacity(columns_len);
        for (cell, column) in cells.iter().zip(&self.list) {
            values.push(column.value(cell, self.typing)?);
        }
        Ok(fields(&self.root, &mut values))
    }
}

impl Column {
    fn value(&self, cell: &[u8], typing: Typing) -> Result<Option<Bson>, String> {
        if cell.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(cell).map_err(|_| {
            format!(
                "the cell of column `{}` is not UTF-8; say how it is encoded, as in --encoding windows-1252",
                self.name
            )
        })?;
        let Some(becomes) = self.becomes else { return Ok(Some(untold(text, typing))) };
        told(text, becomes).map(Some).map_err(|expected| {
            format!("column `{}`: expected {expected}, found `{text}`", self.name)
        })
    }
}

/// Puts a column at a path; `rest` is what is left of the name that it has as a whole.
fn insert(
    nodes: &mut Vec<Node>,
    whole: &str,
    rest: &str,
    column: usize,
    names_max: usize,
) -> Result<(), String> {
    let (name, deeper) = match rest.split_once('.') {
        // A dot at either end makes no path.
        Some((name, deeper)) if !name.is_empty() && !deeper.is_empty() => (name, Some(deeper)),
        _ => (rest, None),
    };
    let both = || format!("column `{whole}` would have to be a value and a document with fields");
    let at = nodes.iter().position(|node| node.name.as_str() == name);
    match (deeper, at.and_then(|at| nodes.get_mut(at))) {
        (None, None) => nodes.push(Node { name: named(name)?, content: Content::Column(column) }),
        (Some(_), _) if names_max == 0 => return Err(format!("the path `{whole}` is too long")),
        (Some(deeper), None) => {
            let mut fields = Vec::new();
            insert(&mut fields, whole, deeper, column, names_max - 1)?;
            nodes.push(Node { name: named(name)?, content: Content::Fields(fields) });
        }
        (Some(deeper), Some(Node { content: Content::Fields(fields), .. })) => {
            insert(fields, whole, deeper, column, names_max - 1)?;
        }
        (None | Some(_), Some(_)) => return Err(both()),
    }
    Ok(())
}

fn named(name: &str) -> Result<CString, String> {
    CString::try_from(name).map_err(|_| "the name of a column contains NUL".to_owned())
}

/// Takes the values of these fields.
fn fields(nodes: &[Node], values: &mut [Option<Bson>]) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for node in nodes {
        let value = match &node.content {
            Content::Column(at) => {
                let value = values.get_mut(*at).and_then(Option::take);
                value.and_then(|value| RawBson::try_from(value).ok())
            }
            Content::Fields(nodes) => {
                let inside = fields(nodes, values);
                (!inside.is_empty()).then_some(RawBson::Document(inside))
            }
        };
        if let Some(value) = value {
            document.append(node.name.clone(), value);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::to_json;

    fn columns(names: &[&str]) -> Result<Columns, String> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Columns::new(names, &SourceOptions::new())
    }

    fn row(names: &[&str], cells: &[&str]) -> String {
        let cells: Vec<&[u8]> = cells.iter().map(|cell| cell.as_bytes()).collect();
        match columns(names).unwrap().document(&cells) {
            Ok(document) => to_json(&document),
            Err(reason) => reason,
        }
    }

    #[test]
    fn rows_become_documents() {
        assert_eq!(row(&["_id", "km"], &["Loire", "1006"]), r#"{"_id":"Loire","km":1006}"#);
        assert_eq!(row(&["a", "b"], &["", "x"]), r#"{"b":"x"}"#);
        assert_eq!(row(&["a", ""], &["1", "2"]), r#"{"a":1,"column 2":2}"#);
        assert_eq!(
            row(&["a.b", "c", "a.d.e"], &["1", "2", "3"]),
            r#"{"a":{"b":1,"d":{"e":3}},"c":2}"#
        );
        assert_eq!(row(&["a.b", "c"], &["", "2"]), r#"{"c":2}"#);
        assert_eq!(row(&["a.", ".b"], &["1", "2"]), r#"{"a.":1,".b":2}"#);
        assert_eq!(row(&["a"], &["1", "", ""]), r#"{"a":1}"#);
        assert!(row(&["a"], &["1", "2"]).contains("has 2 cells, and the table 1 columns"));
        assert!(row(&["a", "b"], &["1"]).contains("has 1 cells"));
    }

    #[test]
    fn impossible_tables_are_refused() {
        for names in [
            &["a", "a"] as &[&str],
            &["a", "a.b"],
            &["a.b", "a"],
            &["a.b", "a.b.c"],
            &["a\0"],
            &[&"a.".repeat(60_000)],
        ] {
            assert!(columns(names).is_err(), "{names:?}");
        }
        let options = SourceOptions::new().column_type("none", ColumnType::Int);
        assert!(Columns::new(vec!["a".to_owned()], &options).unwrap_err().contains("`none`"));
    }
}
