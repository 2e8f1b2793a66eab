//! The pipes to a child.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::Location;
use std::process::Stdio;

use rustix::io::ioctl_fionbio;

use crate::io::Async;
use crate::whole;

/// Takes our end of a pipe. The open file is ours alone (the child has the other
/// end), so nobody else sees it become non-blocking.
fn take(fd: OwnedFd) -> Async<OwnedFd> {
    set_nonblocking(&fd, true);
    Async::new_nonblocking(fd)
}

/// Gives it away as std has it: blocking.
fn give(pipe: Async<OwnedFd>) -> OwnedFd {
    let fd = pipe.into_inner();
    set_nonblocking(&fd, false);
    fd
}

fn set_nonblocking(fd: &OwnedFd, nonblocking: bool) {
    if let Err(error) = ioctl_fionbio(fd, nonblocking) {
        log::warn!("a pipe cannot be set non-blocking ({nonblocking}): {error}");
    }
}

/// Reads all that comes, as if called there.
pub(super) fn read_to_end_at(
    pipe: &Async<OwnedFd>,
    at: &'static Location<'static>,
    buf: &mut Vec<u8>,
) -> io::Result<usize> {
    struct There<'a>(&'a Async<OwnedFd>, &'static Location<'static>);
    impl Read for There<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let There(pipe, at) = self;
            pipe.read_with_at(at, |fd| Ok(rustix::io::read(fd, &mut *buf)?))
        }
    }
    whole::read_to_end(&mut There(pipe, at), buf)
}

/// What all three have; `$type` names std's counterpart.
macro_rules! pipe {
    ($type:ident, $what:literal) => {
        #[doc = concat!("The ", $what, " of a child. As [`std::process::", stringify!($type), "`].")]
        ///
        /// A read or write is a suspension point; a cancelled one has moved no
        /// byte. As everywhere a cancelled `write_all` has written some, and what a
        /// cancelled `read_to_end` had read is in the buffer; of a `read_to_string` what is
        /// text, but for a last character that was cut in two.
        #[derive(Debug)]
        pub struct $type(pub(super) Async<OwnedFd>);

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

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                give(self.0).into_raw_fd()
            }
        }

        impl From<std::process::$type> for $type {
            fn from(pipe: std::process::$type) -> $type {
                $type(take(pipe.into()))
            }
        }

        impl From<OwnedFd> for $type {
            fn from(pipe: OwnedFd) -> $type {
                $type(take(pipe))
            }
        }

        impl From<$type> for std::process::$type {
            fn from(pipe: $type) -> std::process::$type {
                give(pipe.0).into()
            }
        }

        impl From<$type> for OwnedFd {
            fn from(pipe: $type) -> OwnedFd {
                give(pipe.0)
            }
        }

        /// For another child's stream.
        impl From<$type> for Stdio {
            fn from(pipe: $type) -> Stdio {
                give(pipe.0).into()
            }
        }
    };
}

pipe!(ChildStdin, "writing end of the standard input");
pipe!(ChildStdout, "reading end of the standard output");
pipe!(ChildStderr, "reading end of the standard error");

macro_rules! reads {
    ($($type:ty),*) => {$(
        impl Read for $type {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.read_with(|fd| Ok(rustix::io::read(fd, &mut *buf)?))
            }

            #[track_caller]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.read_with(|fd| Ok(rustix::io::readv(fd, bufs)?))
            }

            crate::whole::whole_reads!();
        }
    )*};
}

reads!(ChildStdout, &ChildStdout, ChildStderr, &ChildStderr);

macro_rules! writes {
    ($($type:ty),*) => {$(
        impl Write for $type {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.write_with(|fd| Ok(rustix::io::write(fd, buf)?))
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.0.write_with(|fd| Ok(rustix::io::writev(fd, bufs)?))
            }

            crate::whole::whole_writes!();

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

writes!(ChildStdin, &ChildStdin);
