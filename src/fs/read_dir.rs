//! What is in a directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use crate::to_thread::try_to_thread;

use super::{FileType, Metadata};

/// Entries that are fetched together, so that a thread's help is shared.
const BATCH: usize = 128;

/// The entries of a directory, in no order. As [`std::fs::read_dir`].
///
/// A suspension point, as is each step of the iterator that has to ask the
/// system for more entries.
///
/// # Errors
/// Those of [`std::fs::read_dir`].
///
/// ```
/// corobin::run(|| {
///     let names: Vec<_> = corobin::fs::read_dir("/proc/self/fd")?
///         .map(|entry| Ok(entry?.file_name()))
///         .collect::<std::io::Result<_>>()?;
///     assert!(names.iter().any(|name| name == "0"));
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    try_to_thread(|| {
        let inner = std::fs::read_dir(path)?;
        let mut entries = ReadDir {
            path: path.to_owned(),
            inner: Some(inner),
            fetched: VecDeque::new(),
        };
        entries.fetch();
        Ok(entries)
    })
}

/// An iterator over what is in a directory; see [`read_dir`]. As
/// [`std::fs::ReadDir`].
///
/// Entries are fetched some at a time, the first of them by `read_dir`: a
/// directory that changes meanwhile may show it or not, as with std.
pub struct ReadDir {
    path: PathBuf,
    /// None after the last entry.
    inner: Option<std::fs::ReadDir>,
    fetched: VecDeque<io::Result<DirEntry>>,
}

impl ReadDir {
    /// Fetches some more; blocks the thread.
    fn fetch(&mut self) {
        let Some(inner) = &mut self.inner else { return };
        let entries = inner.take(BATCH).map(|entry| entry.map(DirEntry::new));
        self.fetched.extend(entries);
        if self.fetched.len() < BATCH {
            self.inner = None;
        }
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        if self.fetched.is_empty() && self.inner.is_some() {
            let fetched = try_to_thread(|| {
                self.fetch();
                Ok(())
            });
            if let Err(error) = fetched {
                return Some(Err(error));
            }
        }
        self.fetched.pop_front()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.path).finish()
    }
}

/// One entry of a directory. As [`std::fs::DirEntry`].
pub struct DirEntry {
    inner: std::fs::DirEntry,
    /// The file system says most types along with the names.
    file_type: Option<FileType>,
}

impl DirEntry {
    /// Blocks the thread where the type has to be asked for.
    fn new(inner: std::fs::DirEntry) -> DirEntry {
        let file_type = inner.file_type().ok();
        DirEntry { inner, file_type }
    }

    /// The directory's path, as it was given, and the name. No suspension point.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// The name. No suspension point.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// Whether it is a file, a directory or a link, which is not followed. It was
    /// found out along with the entry: a suspension point only if that failed.
    ///
    /// # Errors
    /// Those of [`std::fs::DirEntry::file_type`].
    #[track_caller]
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => try_to_thread(|| self.inner.file_type()),
        }
    }

    /// What is known about it; a link is not followed. A suspension point.
    ///
    /// # Errors
    /// Those of [`std::fs::DirEntry::metadata`].
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        try_to_thread(|| self.inner.metadata())
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.inner.ino()
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
