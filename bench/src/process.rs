//! What the kernel says about this process, and what lies in a folder: the measures of memory, writing and size.
//!
//! Everything comes from `/proc/self` and file metadata, so the figures are the same for an engine in Rust, one in C,
//! and for their threads. Linux only, as the rest of the benchmarks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Result;

/// The number behind `name` in one of the files that `/proc` has about a process.
fn number(process: &str, file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| {
        format!("/proc/{process}/{file} has no {name}; a Linux kernel is needed").into()
    })
}

/// The most memory that the process ever had resident, mapped file pages included.
pub(crate) fn peak_resident_bytes() -> Result<u64> {
    Ok(number("self", "status", "VmHWM")? * 1024)
}

/// Memory of this process that no file stands behind.
pub(crate) fn anonymous_bytes() -> Result<u64> {
    Ok(number("self", "status", "RssAnon")? * 1024)
}

/// The same of another process.
pub(crate) fn anonymous_bytes_of(process: u32) -> Result<u64> {
    Ok(number(&process.to_string(), "status", "RssAnon")? * 1024)
}

/// Bytes that the process caused to be written to the device.
pub(crate) fn written_bytes() -> Result<u64> {
    number("self", "io", "write_bytes")
}

/// Bytes that the files of a folder take on the device: blocks that they have, not holes that they span.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes +=
            if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
