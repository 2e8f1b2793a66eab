//! An open file.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

use crate::to_thread::try_to_thread;

use super::cached::State;
use super::{FileTimes, Metadata, OpenOptions, Permissions, TryLockError};

/// An open file. As [`std::fs::File`].
///
/// `Read`, `Write` and `Seek` are there for `File` and `&File`;
/// reads and writes at an offset come with std's
/// [`FileExt`](std::os::unix::fs::FileExt). All are suspension points but
/// `flush`, which does nothing, and the drop, which closes at once. Each waits
/// for the kernel even when cancelled, so the cursor is always where the returned
/// value says. Handles that [`try_clone`](File::try_clone) made share the cursor: each read of a
/// file on disk gets one unbroken piece. Do not move that cursor by other means while a read
/// goes on.
///
/// A pipe or a terminal may be opened as a file too, but a read of it cannot be
/// cancelled while it waits for bytes.
///
/// A `File` is `Send` and `Sync`: it can be taken to a thread, where it blocks
/// that.
///
/// ```
/// use corobin::fs::File;
/// use std::io::{Read, Seek, SeekFrom, Write};
///
/// let path = std::env::temp_dir().join(format!("corobin-file-{}", std::process::id()));
/// corobin::run(|| {
///     let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
///     file.write_all(b"hello")?;
///     file.seek(SeekFrom::Start(1))?;
///     let mut text = String::new();
///     file.read_to_string(&mut text)?;
///     assert_eq!(text, "ello");
///     corobin::fs::remove_file(&path)
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    pub(super) inner: std::fs::File,
    pub(super) state: Arc<State>,
}

impl File {
    /// Opens a file to read from it.
    ///
    /// # Errors
    /// Those of [`std::fs::File::open`].
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file to write to it; it is created, or emptied.
    ///
    /// # Errors
    /// Those of [`std::fs::File::create`].
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// Creates a file to read and write; there must be none of this name.
    ///
    /// # Errors
    /// Those of [`std::fs::File::create_new`].
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).open(path)
    }

    /// Options for opening one. No suspension point.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// A blocking call on a thread that does not touch the cursor.
    #[track_caller]
    fn call<T: Send>(
        &self,
        f: impl FnOnce(&std::fs::File) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        try_to_thread(|| f(&self.inner))
    }

    /// Waits until the disk has all, with what is known about it.
    ///
    /// # Errors
    /// Those of [`std::fs::File::sync_all`].
    #[track_caller]
    pub fn sync_all(&self) -> io::Result<()> {
        self.call(std::fs::File::sync_all)
    }

    /// Waits until the disk has all that is needed to read it again.
    ///
    /// # Errors
    /// Those of [`std::fs::File::sync_data`].
    #[track_caller]
    pub fn sync_data(&self) -> io::Result<()> {
        self.call(std::fs::File::sync_data)
    }

    /// Cuts it off, or lengthens it with zeros. The cursor stays.
    ///
    /// # Errors
    /// Those of [`std::fs::File::set_len`].
    #[track_caller]
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        self.call(|file| file.set_len(size))
    }

    /// What is known about it.
    ///
    /// # Errors
    /// Those of [`std::fs::File::metadata`].
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.call(std::fs::File::metadata)
    }

    /// Another handle to the same open file; both share the cursor. No suspension
    /// point.
    ///
    /// # Errors
    /// Those of [`std::fs::File::try_clone`].
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File {
            inner: self.inner.try_clone()?,
            state: Arc::clone(&self.state),
        })
    }

    /// Sets its permissions.
    ///
    /// # Errors
    /// Those of [`std::fs::File::set_permissions`].
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.call(|file| file.set_permissions(permissions))
    }

    /// Sets its timestamps.
    ///
    /// # Errors
    /// Those of [`std::fs::File::set_times`].
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.call(|file| file.set_times(times))
    }

    /// Sets the time of its last change.
    ///
    /// # Errors
    /// Those of [`std::fs::File::set_modified`].
    #[track_caller]
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Waits for the exclusive lock on the file; among coroutines too, if they
    /// have opened it separately.
    ///
    /// A cancel waits until the lock is had: [`try_lock`](Self::try_lock) and
    /// [`sleep`](crate::sleep) by turns can be cancelled. The wait takes a thread of the
    /// pool.
    ///
    /// # Errors
    /// Those of [`std::fs::File::lock`].
    #[track_caller]
    pub fn lock(&self) -> io::Result<()> {
        self.call(std::fs::File::lock)
    }

    /// Waits for a lock that others may share; otherwise as [`lock`](Self::lock).
    ///
    /// # Errors
    /// Those of [`std::fs::File::lock_shared`].
    #[track_caller]
    pub fn lock_shared(&self) -> io::Result<()> {
        self.call(std::fs::File::lock_shared)
    }

    /// Takes the exclusive lock if it is free. No suspension point.
    ///
    /// # Errors
    /// Those of [`std::fs::File::try_lock`].
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.inner.try_lock()
    }

    /// Takes a shared lock if that can be had. No suspension point.
    ///
    /// # Errors
    /// Those of [`std::fs::File::try_lock_shared`].
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.inner.try_lock_shared()
    }

    /// Gives the lock back. No suspension point.
    ///
    /// # Errors
    /// Those of [`std::fs::File::unlock`].
    pub fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl From<std::fs::File> for File {
    fn from(inner: std::fs::File) -> File {
        File {
            inner,
            state: Arc::new(State::new()),
        }
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> File {
        std::fs::File::from(fd).into()
    }
}

impl From<File> for std::fs::File {
    fn from(file: File) -> std::fs::File {
        file.inner
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.inner.into()
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        file.inner.into()
    }
}
