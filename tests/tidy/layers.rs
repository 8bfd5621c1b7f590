//! Rules 1 to 3: layers import downward, across layers by face, and files of a layer leftward.
//!
//! Called by `tests/tidy.rs` with the tables of `tests/tidy.toml`. Every `crate::`, `self::` and `super::` path counts,
//! in a `use` or in the middle of an expression; tests keep rules 1 and 2 but may look rightward inside their layer.
//! What is not seen: paths that a macro builds.

use std::collections::BTreeMap;

use crate::source::{ModulePath, Source, Tables, brace_end, ident_byte, module_of, words};

/// The module that holds `offset`: the file's own, plus the inline modules around it.
pub(crate) fn module_at(source: &Source, code: &str, offset: usize) -> ModulePath {
    let mut module = module_of(&source.path);
    for at in words(&code[..offset], "mod") {
        let Some(open) = code[at..].find(['{', ';']).map(|n| at + n) else {
            continue;
        };
        if code[open..].starts_with('{') && open < offset && brace_end(code, open) > offset {
            module.push(code[at + 3..open].trim().to_owned());
        }
    }
    module
}

/// Reads the path or `use` tree at `at`; pushes each full path, returns the offset behind it.
pub(crate) fn read_tree(
    code: &str,
    mut at: usize,
    prefix: &[String],
    out: &mut Vec<ModulePath>,
) -> usize {
    let skip = |at: usize| at + code[at..].len() - code[at..].trim_start().len();
    let mut path = prefix.to_vec();
    loop {
        at = skip(at);
        if code[at..].starts_with('{') {
            at += 1;
            while at < code.len() && !code[skip(at)..].starts_with('}') {
                at = read_tree(code, at, &path, out);
                let stop = code[at..].find([',', '}']).unwrap_or(code.len() - at);
                at += stop + usize::from(code[at + stop..].starts_with(','));
            }
            return (skip(at) + 1).min(code.len());
        }
        let len = code[at..].bytes().take_while(|b| ident_byte(*b)).count();
        let star = usize::from(len == 0 && code[at..].starts_with('*'));
        let name = &code[at..at + len + star];
        if !name.is_empty() && (name != "self" || path.is_empty()) {
            path.push(name.to_owned());
        }
        at += len + star;
        if len == 0 || !code[skip(at)..].starts_with("::") {
            out.push(path);
            return at;
        }
        at = skip(at) + 2;
    }
}

/// Every path of `code` that starts at `crate`, `self` or `super`, from the crate's root; and every path that starts at
/// a layer's name where that names the layer: in lib.rs, or after `use crate::layer`.
pub(crate) fn crate_paths(
    source: &Source,
    code: &str,
    layers: &[&str],
) -> Vec<(usize, ModulePath)> {
    let mut found = Vec::new();
    for root in ["crate", "self", "super"] {
        found.extend(paths_from(source, code, root));
    }
    for layer in layers {
        if source.path == "src/lib.rs" || found.iter().any(|(_, path)| path == &[*layer]) {
            found.extend(paths_from(source, code, layer));
        }
    }
    found
}

fn paths_from(source: &Source, code: &str, root: &str) -> Vec<(usize, ModulePath)> {
    let mut found = Vec::new();
    let starts =
        |at: &usize| !code[..*at].ends_with("::") && code[at + root.len()..].starts_with("::");
    for at in words(code, root).filter(starts) {
        let mut trees = Vec::new();
        read_tree(code, at, &[], &mut trees);
        for tree in trees {
            let relative = root == "self" || root == "super";
            let mut path = if relative { module_at(source, code, at) } else { Vec::new() };
            for name in tree {
                match name.as_str() {
                    "crate" | "self" => {}
                    "super" => drop(path.pop()),
                    _ => path.push(name),
                }
            }
            found.push((at, path));
        }
    }
    found
}

pub(crate) fn check_layers(source: &Source, tables: &Tables) -> Vec<String> {
    let layers: Vec<&str> = tables["layers"].keys().map(String::as_str).collect();
    let layer_of = |module: &ModulePath| match module.first() {
        Some(first) if layers.contains(&first.as_str()) => first.clone(),
        _ => "facade".to_owned(),
    };
    let from = layer_of(&module_of(&source.path));
    let allowed = &tables["layers"][&from];
    let mut wrong = Vec::new();
    for (at, path) in crate_paths(source, &source.code, &layers) {
        let to = layer_of(&path);
        let shown = format!("`crate::{}`", path.join("::"));
        if to == from {
            continue;
        }
        if !allowed.contains(&to) {
            let legal =
                if allowed.is_empty() { "no other layer".into() } else { allowed.join(", ") };
            let message = format!("{from} imports {to} by {shown}; {from} may import {legal}");
            wrong.push(source.at(at, &message));
        } else if reaches_behind_face(&path, &source.code, tables) {
            let item = path.last().map_or("", String::as_str);
            let message = format!("{shown} reaches behind a face; re-export `crate::{to}::{item}`");
            wrong.push(source.at(at, &message));
        }
    }
    wrong
}

/// Whether a path into another layer goes through one of its modules: `lsm::segment::Reader`, or `lsm::segment` when the
/// file then writes `segment::Reader`.
pub(crate) fn reaches_behind_face(path: &[String], code: &str, tables: &Tables) -> bool {
    let [layer, name, rest @ ..] = path else {
        return false;
    };
    let lower = name.starts_with(|c: char| c.is_ascii_lowercase());
    let part_of_face = tables["faces"]["modules"].contains(&format!("{layer}::{name}"));
    let module = tables["order"].get(layer).is_some_and(|files| files.contains(name));
    let root = format!("{name}::");
    let used_as_root = words(code, &root).any(|at| !code[..at].ends_with("::"));
    lower && !part_of_face && (!rest.is_empty() || module && used_as_root)
}

/// Which file of a folder each name of its `mod.rs` comes from; `None` for names from outside the folder.
pub(crate) fn face_of(source: &Source, files: &[String]) -> BTreeMap<String, Option<String>> {
    let mut face = BTreeMap::new();
    for at in words(&source.live, "use") {
        let mut trees = Vec::new();
        let start = at
            + 3
            + source.live[at + 3..].find(|c: char| !c.is_whitespace() && c != ':').unwrap_or(0);
        read_tree(&source.live, start, &[], &mut trees);
        for tree in trees {
            let first = tree.iter().find(|name| *name != "self").cloned().unwrap_or_default();
            let home = files.contains(&first).then_some(first);
            face.insert(tree.last().cloned().unwrap_or_default(), home);
        }
    }
    face
}

pub(crate) fn check_order(sources: &[Source], tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    for (folder, files) in &tables["order"] {
        let base: ModulePath = folder.split('/').map(str::to_owned).collect();
        let home = format!("src/{folder}/mod.rs");
        let face =
            sources.iter().find(|s| s.path == home).map(|s| face_of(s, files)).unwrap_or_default();
        let rank = |name: &String| files.iter().position(|file| file == name);
        for source in sources.iter().filter(|s| s.path.starts_with(&format!("src/{folder}/"))) {
            let Some(from) = module_of(&source.path).get(base.len()).cloned() else {
                continue;
            };
            let Some(from_rank) = rank(&from) else {
                if !source.live.is_empty() {
                    let message = format!(
                        "`{from}` has no place in [order] {folder}; add it where it belongs"
                    );
                    wrong.push(source.at(0, &message));
                }
                continue;
            };
            for (at, path) in crate_paths(source, &source.live, &[]) {
                let Some(name) = path.strip_prefix(&base[..]).and_then(<[String]>::first) else {
                    continue;
                };
                let target = if rank(name).is_some() {
                    Some(Some(name.clone()))
                } else {
                    face.get(name).cloned()
                };
                let message = match target {
                    Some(Some(file)) if rank(&file) > Some(from_rank) => format!(
                        "`{from}` imports `{file}`, which stands to its right in [order] {folder}; move the item left, \
                         or hand it in"
                    ),
                    Some(_) => continue,
                    None => format!(
                        "`{name}` is not of a file left of `{from}`; name its file, `crate::{folder}::FILE`"
                    ),
                };
                wrong.push(source.at(at, &message));
            }
        }
    }
    wrong
}

mod samples {
    use super::*;
    use crate::source::{TABLES, fails, parse_tables};

    fn layers(path: &str, text: &str) -> Vec<String> {
        check_layers(&Source::new(path, text), &parse_tables(TABLES))
    }

    fn order(path: &str, text: &str) -> Vec<String> {
        let face = Source::new(
            "src/lsm/mod.rs",
            "pub use self::store::{Store, Handle};\npub use wal::Wal;\npub use bytes::Bytes;",
        );
        check_order(&[face, Source::new(path, text)], &parse_tables(TABLES))
    }

    #[test]
    fn an_upward_import_fails() {
        fails(
            &layers("src/lsm/wal.rs", "//! x\nuse crate::fts::DocId;"),
            "src/lsm/wal.rs:2: lsm imports fts",
        );
        fails(&layers("src/lsm/wal.rs", "fn f() { crate::fts::new() }"), "lsm imports fts");
        fails(&layers("src/lsm/wal.rs", "use crate::{Error, lsm::X};"), "lsm imports facade");
        fails(&layers("src/lsm/wal.rs", "use super::super::fts::DocId;"), "lsm imports fts");
        assert!(
            layers(
                "src/fts/ids.rs",
                "use crate::lsm::{Reader, put_varint};\nuse std::fmt; // crate::x"
            )
            .is_empty()
        );
        assert!(
            layers("src/lsm/wal.rs", "mod tests { use super::super::Error; use super::*; }")
                .is_empty()
        );
    }

    #[test]
    fn a_path_behind_a_face_fails() {
        fails(&layers("src/fts/ids.rs", "use crate::lsm::store::Store;"), "behind a face");
        fails(
            &layers(
                "src/fts/ids.rs",
                "use crate::lsm::{Reader, wal::{self}};\nfn f() { wal::g() }",
            ),
            "behind a face",
        );
        let whole = "use crate::lsm;\nfn f() { lsm::store::open() }";
        fails(&layers("src/fts/ids.rs", whole), "src/fts/ids.rs:2: `crate::lsm::store::open`");
        fails(&layers("src/lib.rs", "pub use lsm::store::Store;"), "re-export `crate::lsm::Store`");
        fails(&layers("src/fts/ids.rs", "use super::super::lsm::wal::Wal;"), "behind a face");
        assert!(
            layers(
                "src/fts/ids.rs",
                "use crate::lsm::json::parse;\nfn f() { crate::lsm::Store::new() }"
            )
            .is_empty()
        );
    }

    #[test]
    fn an_import_from_the_right_fails() {
        fails(&order("src/lsm/wal.rs", "use super::store::Store;"), "`wal` imports `store`");
        fails(&order("src/lsm/wal/writer.rs", "use crate::lsm::Handle;"), "`wal` imports `store`");
        fails(&order("src/lsm/wal.rs", "use super::*;"), "name its file");
        fails(&order("src/lsm/extra.rs", "fn f() {}"), "no place in [order]");
        assert!(
            order("src/lsm/store.rs", "use super::wal::W;\nuse super::{Wal, Bytes};").is_empty()
        );
        assert!(
            order("src/lsm/wal.rs", "#[cfg(test)]\nmod tests {\n use crate::lsm::store::Store;\n}")
                .is_empty()
        );
    }
}
