//! Where Lucene is, and how a driver of it is started: a Java process that the benchmark talks to through pipes.
//!
//! `bench/lucene/fetch.py` brings Lucene and a Java runtime, and compiles the drivers that stand beside it; without them this
//! engine is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The engine's name.
pub(crate) const LUCENE: &str = "lucene";

/// Where `fetch.py` puts everything.
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lucene");
/// What brings it.
const FETCH: &str = "python3 bench/lucene/fetch.py";
/// Another Java runtime than the one that was fetched.
const JAVA: &str = "LUCENE_JAVA";
/// Makes Lucene's kernels use vector instructions, where a runtime has it.
const VECTOR_MODULE: &str = "jdk.incubator.vector";

/// What there is to do when Lucene or this driver of it is not there; nothing when it is.
pub(crate) fn missing(driver: &str) -> Option<String> {
    let driver = Path::new(HOME).join(format!("classes/{driver}.class"));
    (jar().is_none() || !driver.exists()).then(|| format!("it is fetched by: {FETCH}"))
}

/// The version, by the name of its file.
pub(crate) fn version() -> String {
    let jar = jar().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let version = jar.and_then(|name| Some(name.strip_prefix("lucene-core-")?.to_owned()));
    version.unwrap_or_else(|| "unknown".to_owned())
}

fn jar() -> Option<PathBuf> {
    let files = fs::read_dir(HOME).ok()?.filter_map(|file| Some(file.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jar")).min()
}

/// The command that starts a driver; `folder` is where its index goes.
pub(crate) fn command(driver: &str, folder: &Path) -> Result<Command> {
    let jar = jar().ok_or_else(|| format!("Lucene is not there; {FETCH} brings it"))?;
    let java = std::env::var_os(JAVA)
        .map_or_else(|| Path::new(HOME).join("java-runtime/bin/java"), PathBuf::from);
    let modules = Command::new(&java).arg("--list-modules").output();
    let modules = modules.map_err(|error| format!("{}: {error}", java.display()))?;
    let mut command = Command::new(&java);
    // A collector without threads of its own.
    command.args(["-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED"]);
    if String::from_utf8_lossy(&modules.stdout).contains(VECTOR_MODULE) {
        command.args(["--add-modules", VECTOR_MODULE]);
    }
    command.arg("-cp").arg(std::env::join_paths([jar, Path::new(HOME).join("classes")])?);
    command.arg(driver).arg(folder);
    Ok(command)
}
