//! Files and directories: [`std::fs`] that blocks only its coroutine.
//!
//! Names, signatures and errors are those of std, so that `use corobin::fs` in
//! place of `use std::fs` is the whole change. The types that only hold what was
//! learnt, such as [`Metadata`] and [`Permissions`], are std's own, and std's
//! extension traits (`std::os::unix::fs::{FileExt, OpenOptionsExt, …}`) work on
//! the types here.
//!
//! A kernel has no files that say when they are ready, so each call is one
//! blocking call on the runtime's thread pool ([`to_thread`](crate::to_thread())),
//! which costs some microseconds. Reads of a [`File`] that find their bytes in
//! the page cache are done in place. Whoever makes many small calls wants a
//! [`BufReader`](std::io::BufReader), a [`BufWriter`](std::io::BufWriter), or one
//! call for the whole: [`read`], [`write()`], [`copy`].
//!
//! **Every function and method here that does I/O is a suspension point.** A
//! cancel or an expiry that comes while the kernel works waits until it is done:
//! the call returns its value, no byte is lost, the file's cursor is where the
//! value says, and the cancel is met at the next suspension point. So opening or
//! reading something that blocks for ever (a FIFO without a writer) cannot be
//! cancelled. A `BufWriter` that is unwound by a cancel in the middle of a write
//! takes it for a panic, as with std, and does not write what it holds when it is
//! dropped: [`shield`](crate::shield) a write that must be whole.
//!
//! Outside of a runtime the thread blocks, as with std. If no thread can be started,
//! that is the call's error.
//!
//! In asyncio these are `loop.run_in_executor` with `open` and its like.
//!
//! ```
//! use corobin::fs;
//! use std::io::Write;
//!
//! corobin::run(|| {
//!     let folder = std::env::temp_dir().join(format!("corobin-{}", std::process::id()));
//!     fs::create_dir_all(&folder)?;
//!     let path = folder.join("greeting");
//!     let mut file = fs::File::create(&path)?;
//!     file.write_all(b"hello")?;
//!     assert_eq!(fs::read_to_string(&path)?, "hello");
//!     fs::remove_dir_all(&folder)
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod cached;
mod file;
mod file_io;
mod options;
mod read_dir;

use std::io;
use std::path::{Path, PathBuf};

use crate::to_thread::try_to_thread;

pub use file::File;
pub use options::{DirBuilder, OpenOptions};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use std::fs::{FileTimes, FileType, Metadata, Permissions, TryLockError};

/// Reads a whole file, in one blocking call. As [`std::fs::read`].
///
/// # Errors
/// Those of [`std::fs::read`].
///
/// ```
/// let own = corobin::run(|| corobin::fs::read("/proc/self/cmdline"))?;
/// assert!(!own.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::read(path))
}

/// Reads a whole file of UTF-8, in one blocking call. As
/// [`std::fs::read_to_string`].
///
/// # Errors
/// Those of [`std::fs::read_to_string`]: `InvalidData` if it is not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::read_to_string(path))
}

/// Makes `contents` all that is in a file, which is created if need be, in one
/// blocking call. As [`std::fs::write`].
///
/// # Errors
/// Those of [`std::fs::write`].
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, contents) = (path.as_ref(), contents.as_ref());
    try_to_thread(|| std::fs::write(path, contents))
}

/// Copies a file's contents and permissions, in one blocking call, in the kernel
/// where that can. Gives the number of bytes. As [`std::fs::copy`].
///
/// # Errors
/// Those of [`std::fs::copy`].
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    try_to_thread(|| std::fs::copy(from, to))
}

/// Renames a file or directory, and replaces what has the new name. As
/// [`std::fs::rename`].
///
/// # Errors
/// Those of [`std::fs::rename`].
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    try_to_thread(|| std::fs::rename(from, to))
}

/// Gives a file one more name. As [`std::fs::hard_link`].
///
/// # Errors
/// Those of [`std::fs::hard_link`].
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    try_to_thread(|| std::fs::hard_link(original, link))
}

/// Makes a symbolic link. As [`std::os::unix::fs::symlink`].
///
/// # Errors
/// Those of [`std::os::unix::fs::symlink`].
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    try_to_thread(|| std::os::unix::fs::symlink(original, link))
}

/// What a symbolic link says. As [`std::fs::read_link`].
///
/// # Errors
/// Those of [`std::fs::read_link`].
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::read_link(path))
}

/// The absolute path with all links followed. As [`std::fs::canonicalize`].
///
/// # Errors
/// Those of [`std::fs::canonicalize`].
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::canonicalize(path))
}

/// What is known about a file; links are followed. As [`std::fs::metadata`].
///
/// # Errors
/// Those of [`std::fs::metadata`].
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::metadata(path))
}

/// What is known about a file, or about the link itself if it is one. As
/// [`std::fs::symlink_metadata`].
///
/// # Errors
/// Those of [`std::fs::symlink_metadata`].
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::symlink_metadata(path))
}

/// Sets the permissions of a file or directory. As [`std::fs::set_permissions`].
///
/// # Errors
/// Those of [`std::fs::set_permissions`].
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::set_permissions(path, permissions))
}

/// Whether there is something at `path`; links are followed. As
/// [`std::fs::exists`].
///
/// # Errors
/// Those of [`std::fs::exists`]: it cannot be told.
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::exists(path))
}

/// Another name for [`exists`], after [`Path::try_exists`].
///
/// # Errors
/// Those of [`exists`].
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    exists(path)
}

/// Makes a directory. As [`std::fs::create_dir`].
///
/// # Errors
/// Those of [`std::fs::create_dir`].
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new().create(path)
}

/// Makes a directory and those above it that are missing. As
/// [`std::fs::create_dir_all`].
///
/// # Errors
/// Those of [`std::fs::create_dir_all`].
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Removes an empty directory. As [`std::fs::remove_dir`].
///
/// # Errors
/// Those of [`std::fs::remove_dir`].
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::remove_dir(path))
}

/// Removes a directory and all that is in it; links are not followed. As
/// [`std::fs::remove_dir_all`].
///
/// # Errors
/// Those of [`std::fs::remove_dir_all`].
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::remove_dir_all(path))
}

/// Removes a file or a link. As [`std::fs::remove_file`].
///
/// # Errors
/// Those of [`std::fs::remove_file`].
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    try_to_thread(|| std::fs::remove_file(path))
}
