//! Rules 4, 5, 7 and 8: headers, names of files, dead files, bans and ratchets.
//!
//! Called by `tests/tidy.rs` for every Rust source. A ban names its replacement in the table here; a ratchet counts
//! what exists and compares with `[ratchet]` in `tests/tidy.toml`, so that it may fall and never rise in silence.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, brace_end, module_of, words};

const HEADER_SENTENCES_MIN: usize = 2;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_CODE_LINES_MAX: usize = 800;
const DRAWERS: [&str; 6] = ["utils", "util", "common", "types", "inner", "misc"];

/// A pattern that must not occur in code, and what to write in its place.
type Ban = (&'static str, &'static str);

const WIDTH: &str = "convert to u32 or u64 first: no width on disk depends on the machine";
const CLOCK: &str = "ask the `Clock` that is passed in";
const QUIET: &str = "return it, or an error: the library never writes to a terminal";
const STEP: &str = "make it a step of the scheduler, whose thread only calls steps";
const INPUT: &str =
    "bytes of a file are input: read them through `ByteReader`, return a `Corruption`";

/// In every file, tests included.
const EVERYWHERE: &[Ban] = &[
    ("dbg!", "assert what you looked at, or delete it"),
    ("todo!", "write it, or leave the case out of the API"),
    ("unimplemented!", "write it, or return a typed error"),
    ("thread::sleep", "advance the simulated clock, or wait on the event itself"),
    ("#[ignore", "make the test fast enough to run, or delete it"),
    ("SystemTime::now", CLOCK),
    ("Instant::now", CLOCK),
    ("Rng::new()", "`Rng::with_seed`, so that a failure can be replayed"),
    ("usize::from_le_bytes", WIDTH),
    ("usize::to_le_bytes", WIDTH),
    ("usize).to_le_bytes", WIDTH),
    (".len().to_le_bytes", WIDTH),
    ("usize::from_be_bytes", WIDTH),
    ("usize).to_be_bytes", WIDTH),
    (".len().to_be_bytes", WIDTH),
];

/// In `src/` without its tests.
const LIBRARY: &[Ban] = &[
    ("println!", QUIET),
    ("print!", QUIET),
    ("eprintln!", QUIET),
    ("eprint!", QUIET),
    ("thread::spawn", STEP),
    ("thread::Builder", STEP),
    (".unwrap()", "`?` with a typed error, or `expect(\"invariant: …\")`"),
];

/// In the files of `[decode]` in tidy.toml, without their tests.
const DECODE: &[Ban] = &[(".expect(", INPUT), ("panic!", INPUT), ("unreachable!", INPUT)];

/// Where a ban does not hold, by the start of the path.
const EXCEPT: &[(&str, &[&str])] =
    &[(CLOCK, &["src/lsm/clock", "cli/", "bench/", "benches/"]), (STEP, &["src/lsm/scheduler"])];

/// Words of unfinished work, in pieces so that this file does not contain them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(crate) fn check_header(source: &Source) -> Vec<String> {
    let header = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    let prose: Vec<&str> = header.flat_map(str::split_whitespace).collect();
    let sentences = prose
        .iter()
        .filter(|word| word.trim_end_matches([')', '*', '`']).ends_with(['.', '!', '?']))
        .count();
    if sentences >= HEADER_SENTENCES_MIN {
        return Vec::new();
    }
    vec![source.at(0, "header too short; open with `//!` in two sentences or more: what it is, who calls it, what it calls")]
}

pub(crate) fn check_name(source: &Source) -> Vec<String> {
    let drawer =
        DRAWERS.iter().find(|name| module_of(&source.path).iter().any(|part| part == *name));
    let message = |name| format!("`{name}` is a drawer; name the file by what it holds");
    drawer.map(|name| source.at(0, &message(name))).into_iter().collect()
}

/// Files under `dir` that no chain of `mod` declarations from `roots` reaches.
pub(crate) fn check_reachable(sources: &[Source], dir: &str, roots: &[&str]) -> Vec<String> {
    let by_path: BTreeMap<&str, &Source> = sources.iter().map(|s| (s.path.as_str(), s)).collect();
    let mut queue: Vec<String> = roots.iter().map(|root| format!("{dir}{root}")).collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = queue.pop() {
        let Some(source) = by_path.get(path.as_str()) else {
            continue;
        };
        if !reached.insert(path.clone()) {
            continue;
        }
        let (parent, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let own = ["lib.rs", "main.rs", "mod.rs"].contains(&file);
        let folder = if own { parent.to_owned() } else { path.trim_end_matches(".rs").to_owned() };
        for at in words(&source.code, "mod") {
            if let Some((name, _)) = source.code[at + 3..].split_once(';') {
                let name = name.trim();
                queue.extend([format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]);
            }
        }
    }
    let dead = sources.iter().filter(|s| s.path.starts_with(dir) && !reached.contains(&s.path));
    dead.map(|s| s.at(0, "no `mod` reaches this file; declare it or delete it")).collect()
}

pub(crate) fn check_bans(source: &Source, decode: &[String]) -> Vec<String> {
    let path = source.path.as_str();
    let library = path.starts_with("src/");
    let decodes = decode.iter().any(|start| path.starts_with(start));
    let excepted = |instead: &str| {
        let mut starts = EXCEPT.iter().filter(|e| e.0 == instead).flat_map(|e| e.1);
        starts.any(|start| path.starts_with(start))
    };
    let mut wrong = check_unfinished(source);
    for (holds, bans, code) in [
        (true, EVERYWHERE, &source.code),
        (library, LIBRARY, &source.live),
        (decodes, DECODE, &source.live),
    ] {
        for (pattern, instead) in bans.iter().filter(|ban| holds && !excepted(ban.1)) {
            let message = format!("`{pattern}`; {instead}");
            wrong.extend(words(code, pattern).map(|at| source.at(at, &message)));
        }
    }
    for (at, call) in source.live.match_indices(".expect(").filter(|_| library) {
        let law = source.text[at + call.len()..].trim_start();
        if !law.starts_with("\"invariant: ") {
            wrong.push(source.at(at, "`expect` without its law; `expect(\"invariant: …\")`"));
        }
    }
    let tabs = source.text.match_indices('\t');
    wrong.extend(tabs.map(|(at, _)| source.at(at, "tab; four spaces, or `\\t` in a literal")));
    wrong
}

/// Marks of unfinished work, in comments and in pages too.
pub(crate) fn check_unfinished(source: &Source) -> Vec<String> {
    let all =
        UNFINISHED.iter().flat_map(|mark| words(&source.text, mark).map(move |at| (at, mark)));
    all.map(|(at, mark)| source.at(at, &format!("`{mark}`; do it now, or open an issue"))).collect()
}

/// For each ratchet the places that count; the tree may have as many as tidy.toml says and no more.
pub(crate) fn ratchet_places(source: &Source) -> Vec<(&'static str, String)> {
    let code_lines = |code: &str| code.lines().filter(|line| !line.trim().is_empty()).count();
    let mut places = Vec::new();
    for at in words(&source.live, "fn") {
        let Some(open) = source.live[at..].find(['{', ';']).map(|n| at + n) else {
            continue;
        };
        if source.live[open..].starts_with('{') {
            let lines = code_lines(&source.live[at..brace_end(&source.live, open)]);
            if lines > FUNCTION_LINES_MAX {
                places.push((
                    "functions_over_70_lines",
                    source.at(at, &format!("function of {lines} code lines")),
                ));
            }
        }
    }
    let lines = code_lines(&source.live);
    if lines > FILE_CODE_LINES_MAX {
        places.push((
            "files_over_800_code_lines",
            source.at(0, &format!("file of {lines} code lines")),
        ));
    }
    for start in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        let found = source.code.match_indices(start);
        places.extend(
            found.map(|(at, _)| ("lint_exceptions", source.at(at, "exception from a lint"))),
        );
    }
    places
}

pub(crate) fn check_ratchets(
    sources: &[Source],
    limits: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let places: Vec<_> = sources.iter().flat_map(ratchet_places).collect();
    for (name, limit) in limits {
        let limit: usize = limit[0].parse().expect("a ratchet is an integer");
        let found: Vec<&str> =
            places.iter().filter(|p| p.0 == name).map(|p| p.1.as_str()).collect();
        if found.len() > limit {
            let legal = "split or rewrite one, or raise [ratchet] in tests/tidy.toml and say why in the change";
            wrong.push(format!(
                "{name} rose from {limit} to {}; {legal}:\n  {}",
                found.len(),
                found.join("\n  ")
            ));
        }
    }
    wrong
}

mod samples {
    use super::*;
    use crate::source::{TABLES, fails, parse_tables};

    #[test]
    fn a_short_header_and_a_drawer_fail() {
        fails(
            &check_header(&Source::new("src/a.rs", "//! One sentence, v1.2 of it.\nuse x;")),
            "src/a.rs:1: header",
        );
        assert!(check_header(&Source::new("src/a.rs", "//! One.\n//!\n//! Two.\n")).is_empty());
        fails(&check_name(&Source::new("src/lsm/utils.rs", "")), "drawer");
    }

    #[test]
    fn a_dead_file_fails() {
        let tree = [
            Source::new("src/lib.rs", "mod a;\n// mod c;\nmod d { }"),
            Source::new("src/a.rs", "mod b;"),
            Source::new("src/a/b/mod.rs", ""),
            Source::new("src/c.rs", ""),
        ];
        fails(&check_reachable(&tree, "src/", &["lib.rs"]), "src/c.rs:1: no `mod`");
    }

    #[test]
    fn every_ban_fails_where_it_holds_and_not_in_a_comment() {
        let decode = ["src/lsm/codec".to_owned()];
        for (path, bans) in [
            ("tests/it/wal.rs", EVERYWHERE),
            ("src/fts/ids.rs", LIBRARY),
            ("src/lsm/codec.rs", DECODE),
        ] {
            let check = |text: &str| check_bans(&Source::new(path, text), &decode);
            for (pattern, instead) in bans {
                let dot = if pattern.starts_with('.') { "x" } else { "" };
                fails(&check(&format!("fn f() {{ {dot}{pattern}\"invariant: a\") }}")), instead);
                assert!(check(&format!("// {pattern}\nconst A: &str = \"{pattern}\";")).is_empty());
            }
        }
        let check = |text: &str| check_bans(&Source::new("src/fts/ids.rs", text), &[]);
        fails(&check("fn f() { a.expect(\"fine\") }"), "without its law");
        fails(&check(&format!("// {}: later", UNFINISHED[0])), UNFINISHED[0]);
        fails(&check("\tx"), "tab");
        assert!(
            check("#[cfg(test)]\nmod tests { fn f() { a.unwrap(); std::thread::spawn(g); } }")
                .is_empty()
        );
        assert!(
            check_bans(
                &Source::new("cli/src/main.rs", "fn f() { println!(); Instant::now(); }"),
                &[]
            )
            .is_empty()
        );
    }

    #[test]
    fn a_rising_ratchet_fails() {
        let limits = &parse_tables(TABLES)["ratchet"];
        let one = || Source::new("src/a.rs", "#[allow(dead_code)]\nfn f() {}");
        assert!(check_ratchets(&[one()], limits).is_empty());
        fails(&check_ratchets(&[one(), one()], limits), "lint_exceptions rose from 1 to 2");
        let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FILE_CODE_LINES_MAX));
        let names: Vec<_> =
            ratchet_places(&Source::new("src/a.rs", &long)).into_iter().map(|p| p.0).collect();
        assert_eq!(names, ["functions_over_70_lines", "files_over_800_code_lines"]);
    }
}
