//! Where a measurement was taken: without this a figure says nothing.
//!
//! Every command prints a [`Machine`] before its figures. The versions of the rivals are those of the workspace's lock
//! file, which this program was built with.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The lock file that pins every rival.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Processor, kernel, file system and commit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    processor: String,
    threads: usize,
    kernel: String,
    file_system: String,
    commit: String,
}

impl Machine {
    /// This machine, with its files in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Machine {
            processor: processor().unwrap_or_else(unknown),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            file_system: file_system(folder).unwrap_or_else(unknown),
            commit: commit().unwrap_or_else(unknown),
        }
    }

    /// As one line for people.
    pub(crate) fn line(&self) -> String {
        let Machine { processor, threads, kernel, file_system, commit } = self;
        format!("{processor}, {threads} threads · Linux {kernel} · {file_system} · commit {commit}")
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Type and device of the file system that `folder` lies on.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // "36 35 98:0 /root /mount/point options … - type device superoptions"
    let mounts = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        folder.starts_with(point).then_some((point.len(), kind))
    });
    let (_, kind) = mounts.max_by_key(|(len, _)| *len)?;
    let mut words = kind.split(' ');
    Some(format!("{} on {}", words.next()?, words.next()?))
}

/// The commit of the working tree, with `+` when files differ from it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { hash } else { format!("{hash}+") })
}

/// The version of a package in the lock file.
pub(crate) fn version_of(package: &str) -> &'static str {
    let mut lines = LOCK.lines();
    let name = format!("name = \"{package}\"");
    lines.find(|line| *line == name);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
    version.map_or("unknown", |version| version.trim_end_matches('"'))
}
