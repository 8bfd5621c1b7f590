//! House rules as tests: layers, order, headers, reachability, names in the maps, bans, ratchets and format pages.
//!
//! Goal: what a reviewer would otherwise have to remember fails here, as `file:line: what is wrong; the legal way`.
//! Each rule is a function over sources in `tests/tidy/` and proves on samples there that it can fail; this file walks
//! the tree and applies them. The tables that rules compare with live in `tests/tidy.toml`.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use files::{
    check_bans, check_header, check_name, check_ratchets, check_reachable, check_unfinished,
};
use layers::{check_layers, check_order};
use pages::{check_layout_tables, check_names, check_shown_once, names_of};
use source::{Source, Tables, has_extension, mark_test_files, parse_tables};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file and folder of the project, as paths from its root; build products are not looked into.
fn tree() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut queue = vec![String::new()];
    while let Some(dir) = queue.pop() {
        for entry in fs::read_dir(root().join(&dir)).expect("a folder of the project") {
            let entry = entry.expect("an entry of the project");
            let name = entry.file_name().into_string().expect("file names are UTF-8");
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            let folder = entry.file_type().expect("the type of an entry").is_dir();
            if folder && !["target", ".git"].contains(&name.as_str()) {
                queue.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

fn read(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path));
    Source::new(path, &text.unwrap_or_else(|error| panic!("{path} cannot be read: {error}")))
}

fn rust_sources() -> Vec<Source> {
    let roots = ["src/", "cli/", "sources/", "tests/", "benches/", "bench/", "examples/"];
    let rust = |path: &&String| {
        has_extension(path, "rs") && roots.iter().any(|root| path.starts_with(root))
    };
    let mut sources: Vec<Source> = tree().iter().filter(rust).map(|path| read(path)).collect();
    mark_test_files(&mut sources);
    sources
}

fn tables() -> Tables {
    parse_tables(&read("tests/tidy.toml").text)
}

#[track_caller]
fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} to put right:\n{}\n", wrong.len(), wrong.join("\n"));
}

fn report_each(check: impl Fn(&Source) -> Vec<String>) {
    report(&rust_sources().iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn layers_import_downward_and_by_face() {
    let (tables, sources) = (tables(), rust_sources());
    let library = sources.iter().filter(|s| s.path.starts_with("src/"));
    report(&library.flat_map(|s| check_layers(s, &tables)).collect::<Vec<_>>());
}

#[test]
fn files_of_a_layer_import_only_leftward() {
    report(&check_order(&rust_sources(), &tables()));
}

#[test]
fn every_file_opens_with_a_header_and_is_named_by_its_content() {
    report_each(check_header);
    report_each(check_name);
}

#[test]
fn no_file_is_dead() {
    let sources = rust_sources();
    report(&check_reachable(&sources, "src/", &["lib.rs"]));
    report(&check_reachable(&sources, "cli/src/", &["main.rs", "lib.rs"]));
    report(&check_reachable(&sources, "sources/src/", &["lib.rs"]));
    report(&check_reachable(&sources, "bench/src/", &["main.rs"]));
}

#[test]
fn the_maps_name_only_what_exists() {
    let (paths, names) = (tree(), names_of(&rust_sources()));
    for map in ["ARCHITECTURE.md", "docs/notes.md", "docs/TESTING.md"] {
        report(&check_names(&read(map), &paths, &names));
    }
    if paths.contains("docs/GLOSSARY.md") {
        report(&check_names(&read("docs/GLOSSARY.md"), &paths, &names));
    }
}

#[test]
fn nothing_banned_is_used() {
    let decode = &tables()["decode"]["files"];
    report_each(|source| check_bans(source, decode));
    let pages = tree().into_iter().filter(|path| has_extension(path, "md"));
    let pages = pages.filter(|path| !path.contains('/') || path.starts_with("docs/"));
    report(&pages.flat_map(|path| check_unfinished(&read(&path))).collect::<Vec<_>>());
}

#[test]
fn ratchets_do_not_rise() {
    report(&check_ratchets(&rust_sources(), &tables()["ratchet"]));
}

#[test]
fn format_pages_have_one_home_and_their_tables_add_up() {
    let (paths, sources) = (tree(), rust_sources());
    let page = |path: &&String| path.starts_with("docs/format/") && has_extension(path, "md");
    for path in paths.iter().filter(page) {
        let page = read(path);
        report(&check_layout_tables(&page));
        if !path.ends_with("/README.md") {
            report(&check_shown_once(&page, &sources));
        }
    }
}
