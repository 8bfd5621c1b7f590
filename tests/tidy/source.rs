//! Source files as the rules see them, and the tables that rules compare with.
//!
//! Used by every rule of `tests/tidy.rs`. Sources are scanned, not parsed: comments and literals are blanked with every
//! offset and line kept, which is enough for code that rustfmt has laid out and costs one pass over each file.

use std::collections::BTreeMap;
use std::path::Path;

/// One file: its text, the text with comments and literals blanked, and that without its test modules.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) live: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if has_extension(path, "rs") { blank(text) } else { text.to_owned() };
        let test_file =
            !path.contains("src/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let live = if test_file { String::new() } else { without_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, live }
    }

    pub(crate) fn at(&self, offset: usize, message: &str) -> String {
        let line = 1 + self.text[..offset].matches('\n').count();
        format!("{}:{line}: {message}", self.path)
    }
}

/// Leaves no live code in files that are declared `#[cfg(test)] mod name;`.
pub(crate) fn mark_test_files(sources: &mut [Source]) {
    let mut marked = Vec::new();
    for source in sources.iter() {
        for (at, mark) in source.code.match_indices("#[cfg(test)]") {
            let item = source.code[at + mark.len()..].split([';', '{']).next().unwrap_or("");
            let Some((visibility, name)) = item.split_once("mod ") else {
                continue;
            };
            if visibility.trim().is_empty() || visibility.trim().starts_with("pub") {
                let mut module = module_of(&source.path);
                module.push(name.trim().to_owned());
                marked.push(module);
            }
        }
    }
    for source in sources.iter_mut().filter(|s| s.path.starts_with("src/")) {
        if marked.iter().any(|module| module_of(&source.path).starts_with(module)) {
            source.live.clear();
        }
    }
}

/// Replaces comments and the inside of literals by spaces; every byte keeps its offset, every line its number.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (from, to) = if rest.starts_with("//") {
            (at, at + rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (at, at + block_comment_len(rest))
        } else if bytes[at] == b'"' {
            (at + 1, at + 1 + string_len(&rest[1..], raw_hashes(&text[..at])))
        } else if bytes[at] == b'\'' {
            (at + 1, at + 1 + char_len(&rest[1..]))
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        out[from..to].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        // Behind a comment, or behind the quote that closes a literal; a lifetime's quote opens nothing.
        let literal = from > at;
        let lifetime = literal && bytes[at] == b'\'' && from == to;
        at = if literal && !lifetime { to + 1 } else { to };
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// Number of `#` when `before`, the text up to a quote, ends as the start of a raw literal.
pub(crate) fn raw_hashes(before: &str) -> Option<usize> {
    let start = before.trim_end_matches('#');
    let name = start.strip_suffix('r')?;
    let name = name.strip_suffix('b').unwrap_or(name);
    let longer = name.bytes().last().is_some_and(ident_byte);
    (!longer).then_some(before.len() - start.len())
}

pub(crate) fn ident_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a path ends in `.extension`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

pub(crate) fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// Length of a text literal's inside; `raw` holds the number of `#` of a raw one.
pub(crate) fn string_len(inside: &str, raw: Option<usize>) -> usize {
    if let Some(hashes) = raw {
        return inside.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(inside.len());
    }
    let mut escaped = false;
    let end = inside.bytes().position(|b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(inside.len())
}

/// Length of a character literal's inside, or 0 when the quote opens a lifetime.
pub(crate) fn char_len(inside: &str) -> usize {
    let first = inside.chars().next().unwrap_or(' ');
    if first == '\\' {
        return 2 + inside.get(2..).and_then(|tail| tail.find('\'')).unwrap_or(0);
    }
    if inside[first.len_utf8()..].starts_with('\'') { first.len_utf8() } else { 0 }
}

/// Blanks every item marked `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let open = code[start..].find(['{', ';']).map_or(code.len(), |n| start + n);
        let end = if code[open..].starts_with('{') {
            brace_end(code, open)
        } else {
            (open + 1).min(code.len())
        };
        out[start..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    }
    String::from_utf8(out).expect("code outside literals is cut at ASCII bytes")
}

/// Offset behind the brace that closes the one at `open`.
pub(crate) fn brace_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return offset + 1;
        }
    }
    code.len()
}

/// Offsets of `pattern` where it is not part of a longer name.
pub(crate) fn words<'a>(text: &'a str, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
    let ident = |b: Option<&u8>| b.is_some_and(|b| ident_byte(*b));
    let (first, last) = (pattern.as_bytes().first(), pattern.as_bytes().last());
    text.match_indices(pattern).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|n| text.as_bytes().get(n));
        let after = text.as_bytes().get(at + pattern.len());
        !(ident(first) && ident(before) || ident(last) && ident(after))
    })
}

/// `[section] key = value` of the small part of TOML that tidy.toml uses; an integer is a list of one word.
pub(crate) type Tables = BTreeMap<String, BTreeMap<String, Vec<String>>>;

pub(crate) fn parse_tables(text: &str) -> Tables {
    let mut tables = Tables::new();
    let (mut section, mut pending) = (String::new(), String::new());
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        if pending.is_empty() && line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
            continue;
        }
        pending.push_str(line);
        if pending.matches('[').count() > pending.matches(']').count() {
            continue;
        }
        if let Some((key, value)) = std::mem::take(&mut pending).split_once('=') {
            let bare = |c: char| c.is_whitespace() || "\"[],".contains(c);
            let items = value.split(bare).filter(|item| !item.is_empty());
            let key = key.trim().trim_matches('"').to_owned();
            let table = tables.entry(section.clone()).or_default();
            table.insert(key, items.map(str::to_owned).collect());
        }
    }
    tables
}

pub(crate) type ModulePath = Vec<String>;

pub(crate) fn module_of(path: &str) -> ModulePath {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: ModulePath = stem.split('/').map(str::to_owned).collect();
    parts.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    parts
}

/// The tables of the samples: a small project with two layers.
pub(crate) const TABLES: &str = "[layers]\nlsm = []\nfts = [\"lsm\"]\nfacade = [\"fts\", \"lsm\"]\n[faces]\nmodules = [\"lsm::json\"]\n\
[order]\nlsm = [\n  \"codec\", # lowest\n  \"wal\", \"store\",\n]\n[ratchet]\nlint_exceptions = 1\n";

/// Asserts that a rule found exactly one thing, and which.
#[track_caller]
pub(crate) fn fails(wrong: &[String], expected: &str) {
    assert!(
        wrong.len() == 1 && wrong[0].contains(expected),
        "expected one `{expected}`, got {wrong:#?}"
    );
}

mod samples {
    use super::*;

    #[test]
    fn code_of_a_test_module_in_its_own_file_is_not_live() {
        let parent = Source::new("src/lsm/mod.rs", "#[cfg(test)]\nmod samples;\nmod wal;");
        let mut tree =
            [parent, Source::new("src/lsm/samples.rs", "a"), Source::new("src/lsm/wal.rs", "b")];
        mark_test_files(&mut tree);
        assert_eq!(tree.map(|source| source.live.trim().len()), ["mod wal;".len(), 0, 1]);
    }

    #[test]
    fn tables_are_read_with_comments_and_long_lists() {
        assert_eq!(parse_tables(TABLES)["order"]["lsm"], ["codec", "wal", "store"]);
        assert_eq!(parse_tables(TABLES)["ratchet"]["lint_exceptions"], ["1"]);
    }

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        let text =
            "a(\"x\\\"y\", r#\"p\"q\"#, '\"', 'b', b'\\'', \"\") /* c /* d */ é */ + &'a z // é\nk";
        let code = blank(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.find('z'), text.find("z //"));
        assert_eq!(
            code.split_whitespace().collect::<String>(),
            "a(\"\",r#\"\"#,'','',b'',\"\")+&'azk"
        );
    }
}
