//! A store in a file of the operating system: positional reads and writes, one lock for as long as
//! the file is open for writing.
//!
//! The facade opens it; the store above sees only [`Storage`]. No seek position is shared, so any
//! number of threads read while one writes. Every read is one system call: caching belongs to the
//! operating system and to the block cache above.
//!
//! The lock is advisory on unix (`flock`) and mandatory on Windows. It belongs to the handle, so two
//! handles of one process exclude each other as two processes do, and it ends when the handle is
//! dropped or its process dies. Readers beside a writer take no such lock but hold leases (`leases`); where there are
//! none, they share one that keeps the writer out.
//!
//! `sync` asks for data and length, not for times (`fdatasync`; `F_FULLFSYNC` on macOS, whose plain
//! `fsync` stops at the drive's cache). After it failed the system may have dropped the unwritten
//! pages, so that a second call would succeed without them: it fails as well (`syncs`).

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::Storage;
#[cfg(target_os = "linux")]
use super::direct::Direct;
use super::leases::Leases;
#[cfg(target_os = "linux")]
use super::map::Change;
use super::map::{Ranges, map};
use super::syncs::Syncs;
use crate::lsm::error::{Error, Result};

/// A store in one file, locked while open.
///
/// ```
/// use alluvium::lsm::{Error, FileStorage, Storage};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let storage = FileStorage::open(folder.path().join("notes.alv"))?;
/// storage.write_at(0, b"gold")?;
/// storage.sync()?;
/// assert!(matches!(FileStorage::open(folder.path().join("notes.alv")), Err(Error::Locked)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileStorage {
    file: Arc<File>,
    #[cfg(target_os = "linux")]
    direct: Direct,
    syncs: Syncs,
    ranges: Ranges,
    /// None where there are none, or where the lock excludes whoever would hold them.
    leases: Option<Leases>,
}

impl FileStorage {
    /// Opens the file at `path` for reading and writing, creates it when missing, and locks it.
    ///
    /// # Errors
    /// [`Error::Locked`] when another handle, here or in another process, has the file open.
    /// [`Error::Io`], which names the path, when the system refuses: the folder does not exist, the
    /// path is a folder or a device, a permission is missing, the file system knows no locks.
    pub fn open(path: impl AsRef<Path>) -> Result<FileStorage> {
        let path = path.as_ref();
        let refused = |source| Error::io(format!("opening {}", path.display()), source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(refused(source));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked),
            Err(TryLockError::Error(source)) => {
                return Err(Error::io(format!("locking {}", path.display()), source));
            }
        }
        // An empty file may be new, made just now or by a process that died before this line; one
        // with bytes in it has passed here before they were written.
        #[cfg(unix)]
        if metadata.len() == 0 {
            sync_folder_of(path).map_err(|source| {
                Error::io(format!("syncing the folder of {}", path.display()), source)
            })?;
        }
        let file = Arc::new(file);
        // Where the lock of the whole file excludes leases, it excludes readers.
        let leases = Leases::of(&file).ok().flatten();
        if let Some(leases) = &leases {
            // Readers that do not know of this writer read all the same.
            let _ = leases.announce_writer();
        }
        Ok(FileStorage {
            #[cfg(target_os = "linux")]
            direct: Direct::open(path, &file),
            file,
            syncs: Syncs::default(),
            ranges: Ranges::default(),
            leases,
        })
    }

    /// Opens the file at `path` for reading beside a writer: it must exist, and the system refuses every write through
    /// this handle. Readers and one writer do not keep each other out where the system and the file system know leases.
    ///
    /// # Errors
    /// [`Error::Locked`] while a handle that writes has the file open, where there are no leases; [`Error::Io`], which
    /// names the path.
    pub fn open_reader(path: impl AsRef<Path>) -> Result<FileStorage> {
        let path = path.as_ref();
        let file = Arc::new(open_existing(path)?);
        let failed = |source| Error::io(format!("leasing {}", path.display()), source);
        match Leases::of(&file) {
            Ok(Some(leases)) => Ok(FileStorage::only_reading(file, Some(leases))),
            Ok(None) => FileStorage::open_read_only(path),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::Locked),
            Err(source) => Err(failed(source)),
        }
    }

    fn only_reading(file: Arc<File>, leases: Option<Leases>) -> FileStorage {
        FileStorage {
            // None that could write: not even past the system's cache.
            #[cfg(target_os = "linux")]
            direct: Direct::default(),
            file,
            syncs: Syncs::default(),
            ranges: Ranges::default(),
            leases,
        }
    }

    /// Opens the file at `path` for reading only: it must exist, and the system refuses every write through this
    /// handle. Any number of such handles share the file; one that writes keeps them out, and they it.
    ///
    /// # Errors
    /// [`Error::Locked`] while a handle that writes has the file open; [`Error::Io`], which names the path.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<FileStorage> {
        let path = path.as_ref();
        let file = open_existing(path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(FileStorage::only_reading(Arc::new(file), None)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked),
            Err(TryLockError::Error(source)) => {
                Err(Error::io(format!("locking {}", path.display()), source))
            }
        }
    }
}

/// Opens a regular file for reading.
fn open_existing(path: &Path) -> Result<File> {
    let refused = |source| Error::io(format!("opening {}", path.display()), source);
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_file() {
        return Ok(file);
    }
    let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    Err(refused(source))
}

#[cfg(target_os = "linux")]
impl FileStorage {
    /// Notes that whole pages are being written.
    fn change_pages(&self, offset: u64, bytes: &[u8]) -> io::Result<Change<'_>> {
        super::check_pages(offset, bytes.len() as u64)?;
        check_range(offset, bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.ranges.change(offset, offset + bytes.len() as u64)
    }
}

impl Storage for FileStorage {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(offset, buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        read_exact_at(&self.file, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_range(offset, bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let _change = self.ranges.change(offset, offset + bytes.len() as u64)?;
        write_all_at(&self.file, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.run(|| self.file.sync_data())
    }

    #[cfg(target_os = "linux")]
    fn write_bulk(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _change = self.change_pages(offset, bytes)?;
        self.direct.write(&self.file, offset, bytes)
    }

    #[cfg(target_os = "linux")]
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _change = self.change_pages(offset, bytes)?;
        let written = self.direct.write_durable(offset, bytes)?;
        if written == bytes.len() {
            return Ok(());
        }
        write_all_at(&self.file, offset + written as u64, &bytes[written..])?;
        self.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        check_range(bytes, 0).ok_or(io::ErrorKind::FileTooLarge)?;
        let _change = self.ranges.change(bytes, u64::MAX)?;
        self.file.set_len(bytes)
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        super::check_pages(offset, bytes)?;
        // What lies behind the end is cut off here: a file system may refuse what it cannot name.
        let end =
            offset.saturating_add(bytes).min(self.len_bytes()?.next_multiple_of(super::PAGE_BYTES));
        if end <= offset {
            return Ok(true);
        }
        let _change = self.ranges.change(offset, end)?;
        punch(&self.file, offset, end - offset)
    }

    fn map(&self, offset: u64, bytes: u64, keep: Arc<dyn Any + Send + Sync>) -> Option<Bytes> {
        super::check_pages(offset, bytes).ok()?;
        // Windows cuts no file of which anything is mapped.
        if cfg!(windows) { None } else { map(&self.file, &self.ranges, offset, bytes, keep) }
    }

    fn lease(&self, generation: u64) -> io::Result<Option<Arc<dyn Any + Send + Sync>>> {
        self.leases.as_ref().map(|leases| leases.take(generation)).transpose()
    }

    fn oldest_lease(&self) -> io::Result<Option<u64>> {
        self.leases.as_ref().map_or(Ok(None), Leases::oldest)
    }

    fn has_writer(&self) -> bool {
        self.leases.as_ref().is_some_and(Leases::has_writer)
    }
}

/// `None` when the range ends behind what the system's signed offsets can name. It would answer
/// "invalid argument", which tells nobody that a damaged page number asked.
fn check_range(offset: u64, bytes: usize) -> Option<()> {
    let end = offset.checked_add(u64::try_from(bytes).ok()?)?;
    i64::try_from(end).ok().map(|_| ())
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Frees the pages of a range within the file; `false` when the file system cannot.
#[cfg(target_os = "linux")]
fn punch(file: &File, offset: u64, bytes: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    loop {
        match fallocate(file, flags, offset, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the name of a new file survive a loss of power, not only its bytes. Windows writes the name with the file.
#[cfg(unix)]
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    // Links are followed first: the name to keep is that of the file itself.
    let path = path.canonicalize()?;
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder; their server keeps the name.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io_error_of(result: Result<FileStorage>) -> (String, io::ErrorKind) {
        match result {
            Err(Error::Io { what, source }) => (what, source.kind()),
            other => panic!("expected Error::Io, found {other:?}"),
        }
    }

    #[test]
    fn a_missing_file_is_created_and_bytes_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.alv");
        let storage = FileStorage::open(&path).unwrap();
        assert_eq!(storage.len_bytes().unwrap(), 0);
        storage.write_at(10, b"gold").unwrap();
        storage.sync().unwrap();
        drop(storage);
        let storage = FileStorage::open(&path).unwrap();
        let mut bytes = [1; 14];
        storage.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0\0\0\0\0\0\0\0gold");
    }

    #[test]
    fn a_second_handle_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locked.alv");
        let first = FileStorage::open(&path).unwrap();
        first.write_at(0, b"kept").unwrap();
        assert!(matches!(FileStorage::open(&path), Err(Error::Locked)));
        assert_eq!(first.len_bytes().unwrap(), 4);
        drop(first);
        FileStorage::open(&path).unwrap();
    }

    #[test]
    fn handles_that_only_read_share_a_file_that_nothing_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("read.alv");
        assert!(FileStorage::open_read_only(&path).is_err());
        assert!(!path.exists());
        let writer = FileStorage::open(&path).unwrap();
        writer.write_at(0, b"kept").unwrap();
        assert!(matches!(FileStorage::open_read_only(&path), Err(Error::Locked)));
        drop(writer);
        let first = FileStorage::open_read_only(&path).unwrap();
        let second = FileStorage::open_read_only(&path).unwrap();
        assert!(matches!(FileStorage::open(&path), Err(Error::Locked)));
        assert!(first.write_at(0, b"lost").is_err());
        assert!(first.write_bulk(0, &[7; 4096]).is_err());
        assert!(first.write_durable(0, &[7; 4096]).is_err());
        assert!(first.set_len(0).is_err());
        let mut bytes = [0; 4];
        second.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
    }

    #[test]
    fn leases_let_readers_and_a_writer_be_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leased.alv");
        assert!(FileStorage::open_reader(&path).is_err());
        assert!(!path.exists());
        let writer = FileStorage::open(&path).unwrap();
        writer.write_at(0, b"kept").unwrap();
        if writer.leases.is_none() {
            assert!(matches!(FileStorage::open_reader(&path), Err(Error::Locked)));
            return;
        }
        let readers = [(); 2].map(|()| FileStorage::open_reader(&path).unwrap());
        assert!(readers[0].has_writer() && readers[1].has_writer() && !writer.has_writer());
        let leases = [readers[0].lease(7).unwrap(), readers[1].lease(5).unwrap()];
        assert!(leases.iter().all(Option::is_some));
        assert_eq!(writer.oldest_lease().unwrap(), Some(5));
        assert!(readers[0].write_at(0, b"lost").is_err() && readers[0].set_len(0).is_err());
        let mut bytes = [0; 4];
        readers[1].read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        assert!(matches!(FileStorage::open(&path), Err(Error::Locked)), "one writer");
        drop(writer);
        assert!(!readers[0].has_writer());
        // A lease outlives its storage, as what was read through it may.
        drop(readers);
        let writer = FileStorage::open(&path).unwrap();
        assert_eq!(writer.oldest_lease().unwrap(), Some(5));
        drop(leases);
        assert_eq!(writer.oldest_lease().unwrap(), None);
    }

    #[test]
    fn errors_of_opening_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let (what, kind) = io_error_of(FileStorage::open(folder.path().join("no/such.alv")));
        assert!(what.contains("such.alv"), "{what}");
        assert_eq!(kind, io::ErrorKind::NotFound);
        let (what, _) = io_error_of(FileStorage::open(folder.path()));
        assert!(what.contains(&*folder.path().to_string_lossy()), "{what}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_a_store() {
        let (what, kind) = io_error_of(FileStorage::open("/dev/null"));
        assert!(what.contains("/dev/null"), "{what}");
        assert_eq!(kind, io::ErrorKind::InvalidInput);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_write_permission_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readonly.alv");
        std::fs::write(&path, b"bytes").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
        // The superuser may write anyway; then there is nothing to see here.
        if OpenOptions::new().write(true).open(&path).is_err() {
            let (_, kind) = io_error_of(FileStorage::open(&path));
            assert_eq!(kind, io::ErrorKind::PermissionDenied);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_missing_file_creates_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.alv");
        std::os::unix::fs::symlink(folder.path().join("target.alv"), &link).unwrap();
        FileStorage::open(&link).unwrap().write_at(0, b"gold").unwrap();
        assert_eq!(std::fs::read(folder.path().join("target.alv")).unwrap(), b"gold");
    }

    /// On the file systems of every system that tests run on; elsewhere it would only be refused.
    #[cfg(target_os = "linux")]
    #[test]
    fn punched_pages_take_no_place() {
        use std::os::unix::fs::MetadataExt;

        use crate::lsm::ids::PAGE_BYTES;

        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path().join("holes.alv")).unwrap();
        let bytes = 64 * PAGE_BYTES;
        storage.write_at(0, &vec![7; usize::try_from(bytes).unwrap()]).unwrap();
        storage.sync().unwrap();
        let before = storage.file.metadata().unwrap().blocks();
        if storage.punch(PAGE_BYTES, 32 * PAGE_BYTES).unwrap() {
            let after = storage.file.metadata().unwrap().blocks();
            assert!(after * 512 + 32 * PAGE_BYTES <= before * 512, "{before} blocks, then {after}");
        }
        assert_eq!(storage.len_bytes().unwrap(), bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_mapped_shows_the_file_and_cannot_be_changed_until_the_last_clone_is_gone() {
        use crate::lsm::ids::PAGE_BYTES as PAGE;

        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path().join("mapped.alv")).unwrap();
        let bytes: Vec<u8> = (0..=250).cycle().take(usize::try_from(8 * PAGE).unwrap()).collect();
        storage.write_at(0, &bytes).unwrap();
        let owner = Arc::new("lease");
        let mapped = storage.map(2 * PAGE, 3 * PAGE, owner.clone()).unwrap();
        let start = usize::try_from(2 * PAGE).unwrap();
        assert!(mapped == bytes[start..start + mapped.len()]);
        let part = mapped.slice(100..200);
        drop(mapped);
        assert_eq!(Arc::strong_count(&owner), 2, "a slice keeps the owner");
        for refused in [
            storage.write_at(5 * PAGE - 1, &[1]),
            storage.punch(4 * PAGE, PAGE).map(drop),
            storage.set_len(5 * PAGE - 1),
        ] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        }
        storage.write_at(5 * PAGE, &[1; 100]).unwrap();
        storage.set_len(5 * PAGE).unwrap();
        assert!(part == bytes[start + 100..start + 200]);
        drop(part);
        assert_eq!(Arc::strong_count(&owner), 1);
        storage.write_at(2 * PAGE, &[9; 10]).unwrap();

        let none = |offset, bytes| storage.map(offset, bytes, Arc::new(())).is_none();
        assert!(none(0, 0) && none(1, PAGE) && none(0, 1), "not whole pages");
        assert!(none(4 * PAGE, 2 * PAGE) && none(u64::MAX - PAGE + 1, PAGE), "not within the file");
        let held = storage.map(PAGE, 2 * PAGE, Arc::new(())).unwrap();
        assert!(none(2 * PAGE, PAGE) && !none(PAGE, 2 * PAGE));
        // The mapping outlives the storage.
        drop(storage);
        assert_eq!(held[held.len() / 2], 9);
    }

    #[test]
    fn an_offset_that_the_system_cannot_name_is_behind_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path().join("far.alv")).unwrap();
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let error = storage.read_at(offset, &mut [0; 2]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(storage.write_at(offset, &[0; 2]).is_err());
            assert!(storage.set_len(offset).is_err());
        }
        assert_eq!(storage.len_bytes().unwrap(), 0);
    }
}
