//! Rules 6 and 9: the maps name only what exists, and format pages have one home and tables that add up.
//!
//! Called by `tests/tidy.rs` for ARCHITECTURE, the glossary and `docs/format`. Names in backticks are compared with the
//! tree and with the identifiers of the sources; fenced blocks are pictures and are not looked into.

use std::collections::BTreeSet;

use crate::source::Source;

/// Paths, types, functions and module paths in backticks must exist: `paths` lists the tree, `names` the code's names.
pub(crate) fn check_names(
    page: &Source,
    paths: &BTreeSet<String>,
    names: &BTreeSet<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut offset, mut fenced) = (0, false);
    for line in page.text.split_inclusive('\n') {
        fenced ^= line.trim_start().starts_with("```");
        for span in line.split('`').skip(1).step_by(2).filter(|_| !fenced) {
            let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            let file = [".rs", ".md", ".toml"].iter().any(|end| span.ends_with(end));
            let path = span.trim_start_matches("./").trim_end_matches('/');
            if plain && (span.contains('/') || file) {
                let exists = |p: &String| p == path || p.ends_with(&format!("/{path}"));
                if !paths.iter().any(exists) {
                    wrong.push(page.at(
                        offset,
                        &format!("`{span}` is not in the tree; name what is there now"),
                    ));
                }
                continue;
            }
            let call = span.ends_with("()");
            for name in span.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let camel = name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name.contains(|c: char| c.is_ascii_lowercase());
                let lower = name.starts_with(|c: char| c.is_ascii_lowercase());
                let checked =
                    camel && !span.contains(' ') || lower && (call || span.contains("::"));
                if checked && !names.contains(name) {
                    let message = format!(
                        "`{name}` of `{span}` is in no source file; name what is there now"
                    );
                    wrong.push(page.at(offset, &message));
                }
            }
        }
        offset += line.len();
    }
    wrong
}

pub(crate) fn names_of(sources: &[Source]) -> BTreeSet<String> {
    let all =
        sources.iter().flat_map(|s| s.code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    all.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn check_shown_once(page: &Source, sources: &[Source]) -> Vec<String> {
    let needle = format!("{}\")", page.path);
    let shows = |s: &&Source| {
        s.text
            .lines()
            .any(|line| line.contains("#![doc = include_str!(\"") && line.contains(&needle))
    };
    let homes: Vec<&str> = sources.iter().filter(shows).map(|s| s.path.as_str()).collect();
    if homes.len() == 1 {
        return Vec::new();
    }
    let message = format!(
        "shown by {homes:?}; exactly the module that owns the layout has `#![doc = include_str!(…)]`"
    );
    vec![page.at(0, &message)]
}

/// Tables `| offset | bytes | …`: rows without gap or overlap from 0, and their sum is the `Total: N bytes` that follows.
pub(crate) fn check_layout_tables(page: &Source) -> Vec<String> {
    let number =
        |cell: &str| cell.trim().trim_matches('`').replace([',', '_'], "").parse::<usize>().ok();
    let (mut wrong, mut sum, mut offset) = (Vec::new(), None::<usize>, 0);
    for line in page.text.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let row = line.trim_start().starts_with('|') && cells.len() > 1;
        if row
            && cells.len() > 3
            && cells[0].eq_ignore_ascii_case("offset")
            && cells[1].eq_ignore_ascii_case("bytes")
        {
            if sum.replace(0).is_some() {
                wrong.push(
                    page.at(offset, "the table before this one has no line `Total: N bytes`"),
                );
            }
        } else if let Some(end) = sum.filter(|_| row && !cells[0].starts_with([':', '-'])) {
            match (number(cells[0]), number(cells[1])) {
                (Some(start), Some(bytes)) if start == end => sum = Some(start + bytes),
                (Some(start), Some(bytes)) => {
                    wrong.push(page.at(
                        offset,
                        &format!("row starts at {start}, the one before ends at {end}"),
                    ));
                    sum = Some(start + bytes);
                }
                _ => {
                    wrong.push(page.at(
                        offset,
                        "row of unknown size in a fixed layout; describe it as grammar",
                    ));
                }
            }
        } else if let (Some(end), Some((_, told))) = (sum, line.split_once("Total:")) {
            let told = told.split_whitespace().next().and_then(number);
            if told != Some(end) {
                wrong.push(
                    page.at(offset, &format!("the rows above sum to {end} bytes, not to {told:?}")),
                );
            }
            sum = None;
        }
        offset += line.len() + 1;
    }
    if sum.is_some() {
        wrong.push(page.at(page.text.len(), "the last table has no line `Total: N bytes`"));
    }
    wrong
}

mod samples {
    use super::*;
    use crate::source::fails;

    #[test]
    fn a_stale_name_in_a_map_fails() {
        let paths = BTreeSet::from(["src/lsm/store.rs".to_owned(), "src/lsm".to_owned()]);
        let names = names_of(&[Source::new("src/a.rs", "struct Store; fn open() {} // Gone")]);
        let check = |text: &str| check_names(&Source::new("ARCHITECTURE.md", text), &paths, &names);
        fails(
            &check("ok\n`src/lsm/gone.rs`"),
            "ARCHITECTURE.md:2: `src/lsm/gone.rs` is not in the tree",
        );
        fails(&check("`Gone`"), "`Gone` of `Gone` is in no source file");
        fails(&check("`Store::close`"), "`close`");
        assert!(
            check(
                "`src/lsm/` `store.rs` `Store::open` `open()` `k1` `cargo test`\n```\n`Gone`\n```"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_format_page_with_no_home_or_wrong_sums_fails() {
        let page = |rows: &str, total: &str| {
            let head = "| offset | bytes | type | field | meaning |\n|---|---:|---|---|---|\n";
            Source::new("docs/format/root.md", &format!("{head}{rows}\n{total}\n"))
        };
        let rows = "| 0 | 8 | u64 | magic | |\n| 8 | 4 | u32 | crc | |\n";
        assert!(check_layout_tables(&page(rows, "Total: 12 bytes")).is_empty());
        fails(&check_layout_tables(&page(rows, "Total: 16 bytes")), "sum to 12 bytes");
        fails(&check_layout_tables(&page(rows, "")), "no line `Total");
        fails(
            &check_layout_tables(&page(
                "| 0 | 8 | u64 | a | |\n| 12 | 4 | u32 | b | |\n",
                "Total: 16 bytes",
            )),
            "root.md:4: row starts at 12",
        );
        fails(
            &check_layout_tables(&page("| 0 | n | bytes | a | |\n", "Total: 0 bytes")),
            "unknown size",
        );

        let home = || {
            Source::new("src/lsm/root.rs", "#![doc = include_str!(\"../../docs/format/root.md\")]")
        };
        assert!(check_shown_once(&page(rows, ""), &[home()]).is_empty());
        fails(&check_shown_once(&page(rows, ""), &[]), "shown by []");
        fails(&check_shown_once(&page(rows, ""), &[home(), home()]), "exactly the module");
    }
}
