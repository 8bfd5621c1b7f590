//! Lucene, in a Java process of its own that `bench/lucene/SearchDriver.java` runs in.
//!
//! `bench/lucene/fetch.py` brings Lucene and a Java runtime, and compiles the driver; without them this engine is left out.
//! Times are taken after a warm-up over all queries and commands. One thread indexes, with the common budget of memory,
//! and merges everything into one segment; nothing caches queries. Its standard analyzer has no stop words. k1 and b are
//! given. `TOP_10_COUNT` is one search that counts all hits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use super::{Engine, State, driver};
use crate::Result;
use crate::search::corpus::Documents;

/// Where `fetch.py` puts everything.
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lucene");
/// What brings it.
const FETCH: &str = "python3 bench/lucene/fetch.py";
/// Another Java runtime than the one that was fetched.
const JAVA: &str = "LUCENE_JAVA";
/// Makes Lucene's kernels use vector instructions, where a runtime has it.
const VECTOR_MODULE: &str = "jdk.incubator.vector";

/// What there is to do when Lucene is not there; nothing when it is.
pub(super) fn missing() -> Option<String> {
    let driver = Path::new(HOME).join("classes/SearchDriver.class");
    (jar().is_none() || !driver.exists()).then(|| format!("it is fetched by: {FETCH}"))
}

/// The version, by the name of its file.
pub(super) fn version() -> String {
    let jar = jar().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let version = jar.and_then(|name| Some(name.strip_prefix("lucene-core-")?.to_owned()));
    version.unwrap_or_else(|| "unknown".to_owned())
}

fn jar() -> Option<PathBuf> {
    let files = fs::read_dir(HOME).ok()?.filter_map(|file| Some(file.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jar")).min()
}

pub(super) fn build(
    documents: &Documents,
    folder: &Path,
    _state: State,
) -> Result<Box<dyn Engine>> {
    let jar = jar().ok_or_else(|| format!("Lucene is not there; {FETCH} brings it"))?;
    let java = std::env::var_os(JAVA)
        .map_or_else(|| Path::new(HOME).join("java-runtime/bin/java"), PathBuf::from);
    let modules = Process::new(&java).arg("--list-modules").output();
    let modules = modules.map_err(|error| format!("{}: {error}", java.display()))?;
    let mut process = Process::new(&java);
    // A collector without threads of its own.
    process.args(["-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED"]);
    if String::from_utf8_lossy(&modules.stdout).contains(VECTOR_MODULE) {
        process.args(["--add-modules", VECTOR_MODULE]);
    }
    process.arg("-cp").arg(std::env::join_paths([jar, Path::new(HOME).join("classes")])?);
    process.arg("SearchDriver");
    driver::build(process, documents, folder)
}
