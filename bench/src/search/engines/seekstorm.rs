//! SeekStorm, in a process of its own: the driver of `bench/seekstorm`, which is built apart from the workspace.
//!
//! Times are taken after a warm-up over all queries and commands. One shard, without pairs of frequent words; its k1 and b are ours. It
//! has no words that are optional beside required ones, nor excluded ones here: of such queries it is not asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Engine, State, driver};
use crate::Result;
use crate::search::corpus::Documents;

/// What builds the driver, from the project's root.
const BUILD: &str = "cargo build --release --manifest-path bench/seekstorm/Cargo.toml --target-dir target/seekstorm";
/// The driver's manifest.
const MANIFEST: &str = include_str!("../../../seekstorm/Cargo.toml");

fn binary() -> PathBuf {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/seekstorm");
    Path::new(target).join("release/seekstorm-driver")
}

pub(super) fn missing() -> Option<String> {
    (!binary().exists()).then(|| format!("it is built by: {BUILD}"))
}

/// The version that the driver's manifest asks for.
pub(super) fn version() -> String {
    let asked = MANIFEST.split("seekstorm = { version = \"=").nth(1);
    asked.and_then(|rest| rest.split('"').next()).unwrap_or("unknown").to_owned()
}

pub(super) fn build(
    documents: &Documents,
    folder: &Path,
    _state: State,
) -> Result<Box<dyn Engine>> {
    let mut process = Command::new(binary());
    process.arg(folder);
    driver::build(process, documents, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_manifest() {
        assert!(version().starts_with(|first: char| first.is_ascii_digit()), "{}", version());
    }
}
