//! How files are opened and directories made.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::to_thread::try_to_thread;

use super::File;

/// How to open a file. As [`std::fs::OpenOptions`].
///
/// The mode of a new file and flags of `open(2)` are set with std's
/// [`OpenOptionsExt`]. Only [`open`](Self::open) is a suspension point.
///
/// ```
/// use corobin::fs::OpenOptions;
/// use std::os::unix::fs::OpenOptionsExt;
///
/// let path = std::env::temp_dir().join(format!("corobin-options-{}", std::process::id()));
/// corobin::run(|| {
///     OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
///     corobin::fs::remove_file(&path)
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

impl OpenOptions {
    /// Nothing is set.
    #[allow(clippy::new_without_default)] // As std's.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// To read from it.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// To write to it.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// To write at its end, wherever that is by then.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// To empty it first.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// To create it if there is none.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// To create it, and fail if there is one.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file.
    ///
    /// A suspension point. A cancel meanwhile waits for the open.
    ///
    /// # Errors
    /// Those of [`std::fs::OpenOptions::open`].
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        try_to_thread(|| self.0.open(path)).map(File::from)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}

/// How to make directories. As [`std::fs::DirBuilder`].
///
/// The mode is set with std's [`DirBuilderExt`]. Only [`create`](Self::create) is
/// a suspension point.
///
/// ```
/// let path = std::env::temp_dir().join(format!("corobin-dirs-{}", std::process::id()));
/// corobin::run(|| {
///     corobin::fs::DirBuilder::new().recursive(true).create(path.join("a/b"))?;
///     corobin::fs::remove_dir_all(&path)
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DirBuilder(std::fs::DirBuilder);

impl DirBuilder {
    /// One directory, with the default mode.
    #[allow(clippy::new_without_default)] // As std's.
    #[must_use]
    pub fn new() -> DirBuilder {
        DirBuilder(std::fs::DirBuilder::new())
    }

    /// Also those above that are missing; then one that is there is no error.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.0.recursive(recursive);
        self
    }

    /// Makes the directory.
    ///
    /// A suspension point. A cancel meanwhile waits for it.
    ///
    /// # Errors
    /// Those of [`std::fs::DirBuilder::create`].
    #[track_caller]
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        try_to_thread(|| self.0.create(path))
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.0.mode(mode);
        self
    }
}
