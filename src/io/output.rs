//! Standard output and error, and copying.

use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;

use crate::to_thread::try_to_thread;

use super::ownership::{Owned, Ownership};

/// The standard output; see [`Stdout`]. As [`std::io::stdout`].
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(io::stdout())
}

/// The standard error; see [`Stderr`]. As [`std::io::stderr`].
#[must_use]
pub fn stderr() -> Stderr {
    Stderr(io::stderr())
}

macro_rules! descriptor {
    ($($type:ty),*) => {$(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }
    )*};
}

macro_rules! through_lock {
    ($($type:ty),*) => {$(
        impl Write for $type {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.lock().write(buf)
            }

            #[track_caller]
            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.lock().write_all(buf)
            }

            /// Formats first, and writes in one call.
            #[track_caller]
            fn write_fmt(&mut self, format: fmt::Arguments<'_>) -> io::Result<()> {
                crate::whole::write_fmt(self, format)
            }

            #[track_caller]
            fn flush(&mut self) -> io::Result<()> {
                self.lock().flush()
            }
        }
    )*};
}

macro_rules! output {
    ($type:ident, $lock:ident, $std:ident, $owners:ident, $what:literal) => {
        static $owners: Ownership = Ownership::new();

        #[doc = concat!("The standard ", $what, ", for what a slow terminal or a full pipe may hold up. As")]
        #[doc = concat!("[`std::io::", stringify!($type), "`].")]
        ///
        /// A thread of the pool writes to std's own, with the same buffer, so that
        /// this and `print!` come in order. That costs some microseconds a call;
        /// `print!` writes in place, and blocks all if nobody reads.
        ///
        /// Each write and flush is a suspension point. A cancel waits until the
        /// bytes are taken. `write_all` takes all in one call.
        ///
        /// ```
        /// use std::io::Write;
        ///
        #[doc = concat!("corobin::run(|| writeln!(corobin::io::", stringify!($std), "(), \"hello\"))?;")]
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[derive(Debug)]
        pub struct $type(io::$type);

        impl $type {
            /// Waits until no other coroutine or thread has it locked, and keeps all of
            #[doc = concat!("them from writing until the lock is dropped. As [`std::io::", stringify!($type), "::lock`].")]
            ///
            /// A suspension point. A coroutine that has it locked may lock it again, and
            /// write to it without the lock. `print!` and std's own do not wait for it.
            #[track_caller]
            pub fn lock(&self) -> $lock<'static> {
                let owned = $owners.take();
                $lock(io::$std(), owned, PhantomData)
            }
        }

        #[doc = concat!("The standard ", $what, ", locked; see [`", stringify!($type), "::lock`]. As [`std::io::", stringify!($lock), "`].")]
        ///
        #[doc = concat!("Each write and flush is a suspension point, as those of [`", stringify!($type), "`] are.")]
        ///
        /// ```
        /// use std::io::Write;
        ///
        /// corobin::run(|| {
        #[doc = concat!("    let mut output = corobin::io::", stringify!($std), "().lock();")]
        ///     writeln!(output, "two lines")?;
        ///     writeln!(output, "that stay together")
        /// })?;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub struct $lock<'a>(io::$type, #[expect(dead_code)] Owned, PhantomData<&'a ()>);

        impl Write for $lock<'_> {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                try_to_thread(|| (&self.0).write(buf))
            }

            #[track_caller]
            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                try_to_thread(|| (&self.0).write_all(buf))
            }

            /// Formats first, and writes in one call.
            #[track_caller]
            fn write_fmt(&mut self, format: fmt::Arguments<'_>) -> io::Result<()> {
                crate::whole::write_fmt(self, format)
            }

            #[track_caller]
            fn flush(&mut self) -> io::Result<()> {
                try_to_thread(|| (&self.0).flush())
            }
        }

        impl fmt::Debug for $lock<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($lock)).finish_non_exhaustive()
            }
        }

        through_lock!($type, &$type);
        descriptor!($type, $lock<'_>);

        impl From<$type> for Stdio {
            fn from(output: $type) -> Stdio {
                output.0.into()
            }
        }
    };
}

output!(Stdout, StdoutLock, stdout, STDOUT, "output");
output!(Stderr, StderrLock, stderr, STDERR, "error");

/// Copies all that `from` gives to `to`, and returns how much that was. As
/// [`std::io::copy`], with a larger buffer, since a call that needs a thread costs
/// the same whatever its size.
///
/// A suspension point if reading or writing is one. A cancel drops what was read and is
/// not yet written.
///
/// # Errors
/// Those of reading and writing.
///
/// ```
/// let mut to = Vec::new();
/// let copied = corobin::run(|| corobin::io::copy(&mut &b"hello"[..], &mut to))?;
/// assert_eq!((copied, &to[..]), (5, &b"hello"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn copy<R, W>(from: &mut R, to: &mut W) -> io::Result<u64>
where
    R: Read + ?Sized,
    W: Write + ?Sized,
{
    let mut buf = vec![0; 64 << 10];
    let mut copied = 0;
    loop {
        match from.read(&mut buf) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                to.write_all(&buf[..read])?;
                copied += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
