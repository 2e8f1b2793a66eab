//! What all sockets share: a socket of std in an [`Async`], and its limits.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::io::{Async, Limits, Waiting};
use crate::reactor::Direction;
use crate::scheduler;
use crate::time::{now, sleep};

pub(super) type At = &'static Location<'static>;

pub(super) struct Socket<T: AsFd> {
    io: Async<T>,
    limits: Rc<Limits>,
}

impl<T: AsFd> Socket<T> {
    /// Of a socket that is non-blocking already.
    pub(super) fn new(io: T) -> Socket<T> {
        Socket {
            io: Async::new_nonblocking(io),
            limits: Rc::default(),
        }
    }

    /// Of a socket of std, made non-blocking.
    ///
    /// # Errors
    /// That fails.
    pub(super) fn from_std(io: T) -> io::Result<Socket<T>> {
        ioctl_fionbio(&io, true)?;
        Ok(Socket::new(io))
    }

    /// A socket of std, blocking unless the user has asked for the contrary.
    pub(super) fn into_std(self) -> T {
        let io = self.io.into_inner();
        // No socket refuses this.
        let _ = ioctl_fionbio(&io, self.limits.nonblocking.get());
        io
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// Those of `duplicate`.
    pub(super) fn try_clone(
        &self,
        duplicate: impl FnOnce(&T) -> io::Result<T>,
    ) -> io::Result<Socket<T>> {
        Ok(Socket {
            io: Async::new_nonblocking(duplicate(self.get())?),
            limits: Rc::clone(&self.limits),
        })
    }

    #[inline]
    pub(super) fn get(&self) -> &T {
        self.io.get_ref()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn waiting(&self, direction: Direction, at: At) -> Waiting<'_> {
        Waiting {
            direction,
            limits: Some(&self.limits),
            at,
        }
    }

    /// Does `read` until it need not wait for data.
    ///
    /// # Errors
    /// Its own; `WouldBlock` after the timeout.
    pub(super) fn read_with<R>(
        &self,
        at: At,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let waiting = self.waiting(Direction::Read, at);
        let io = self.get();
        self.io.registration().run(io.as_fd(), waiting, || read(io))
    }

    /// Does `write` until it need not wait for room.
    ///
    /// # Errors
    /// Its own; `WouldBlock` after the timeout.
    pub(super) fn write_with<R>(
        &self,
        at: At,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let waiting = self.waiting(Direction::Write, at);
        let io = self.get();
        self.io
            .registration()
            .run(io.as_fd(), waiting, || write(io))
    }

    /// As `read_with`, for what reads bytes of a TCP stream into room for
    /// `wanted`: where it gets less there is no more.
    ///
    /// Only TCP promises that. Other streams end a read early where a message
    /// with descriptors or another sender begins.
    ///
    /// # Errors
    /// As `read_with`.
    pub(super) fn read_stream(
        &self,
        at: At,
        wanted: usize,
        read: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = self.read_with(at, read)?;
        if 0 < count && count < wanted {
            self.io.registration().set_exhausted(Direction::Read);
        }
        Ok(count)
    }

    /// As `write_with`, for what writes `offered` bytes to a TCP stream: where it
    /// writes less there is no more room.
    ///
    /// # Errors
    /// As `write_with`.
    pub(super) fn write_stream(
        &self,
        at: At,
        offered: usize,
        write: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = self.write_with(at, write)?;
        if count < offered {
            self.io.registration().set_exhausted(Direction::Write);
        }
        Ok(count)
    }

    /// Receives from a TCP stream.
    ///
    /// # Errors
    /// As recv(2).
    #[inline]
    pub(super) fn receive_stream(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        self.read_stream(at, buf.len(), |io| {
            Ok(recv(io, &mut *buf, RecvFlags::empty())?.1)
        })
    }

    /// Sends to a TCP stream.
    ///
    /// # Errors
    /// As send(2).
    #[inline]
    pub(super) fn send_stream(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.write_stream(at, buf.len(), |io| Ok(send(io, buf, SendFlags::NOSIGNAL)?))
    }

    /// Receives from any socket.
    ///
    /// # Errors
    /// As recv(2).
    #[inline]
    pub(super) fn receive(&self, at: At, buf: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        self.read_with(at, |io| Ok(recv(io, &mut *buf, flags)?.0))
    }

    /// Sends to any socket that has a peer.
    ///
    /// # Errors
    /// As send(2).
    #[inline]
    pub(super) fn send(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.write_with(at, |io| Ok(send(io, buf, SendFlags::NOSIGNAL)?))
    }

    /// Waits until a connect(2) that is under way has ended.
    ///
    /// # Errors
    /// Its own; `TimedOut` after `timeout`.
    pub(super) fn connected(
        &self,
        at: At,
        timeout: Option<Duration>,
        outcome: impl Fn(&T) -> io::Result<Option<io::Error>>,
        has_peer: impl Fn(&T) -> bool,
    ) -> io::Result<()> {
        self.limits.write_timeout.set(timeout);
        let mut error = None;
        let result = self.write_with(at, |io| {
            error = outcome(io)?;
            if error.is_some() || has_peer(io) {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        self.limits.write_timeout.set(None);
        match (error, result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "connection timed out",
            )),
            (None, result) => result,
        }
    }
}

/// Does `write` until it need not wait for room at another socket, of which the
/// kernel does not tell: it tries again after a pause.
///
/// # Errors
/// Its own; `WouldBlock` after the timeout.
///
/// # Panics
/// If it has to wait outside of a runtime.
#[track_caller]
pub(super) fn write_with_pauses<R>(
    limits: &Limits,
    mut write: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    const LONGEST: Duration = Duration::from_millis(10);
    let begin = now();
    let mut pause = Duration::from_millis(1);
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let timeout = limits.write_timeout.get();
                let is_late = timeout.is_some_and(|timeout| now() - begin >= timeout);
                if is_late || limits.nonblocking.get() {
                    return Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
        scheduler::expect("waiting for room at a socket");
        sleep(pause);
        pause = LONGEST.min(2 * pause);
    }
}

/// A descriptor as a socket of std and back, the same for all types.
macro_rules! descriptors {
    ($type:ident, $std:ty) => {
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.get().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.socket.get().as_raw_fd()
            }
        }

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                self.socket.into_std().into_raw_fd()
            }
        }

        /// Makes it blocking again, and all its duplicates.
        impl From<$type> for $std {
            fn from(ours: $type) -> $std {
                ours.socket.into_std()
            }
        }

        impl From<OwnedFd> for $type {
            fn from(fd: OwnedFd) -> $type {
                $type::from(<$std>::from(fd))
            }
        }

        impl From<$type> for OwnedFd {
            fn from(ours: $type) -> OwnedFd {
                ours.socket.into_std().into()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.socket.get().fmt(f)
            }
        }

        impl $type {
            /// Another descriptor of the same socket, with the same timeouts.
            ///
            /// # Errors
            /// There is no descriptor left.
            pub fn try_clone(&self) -> io::Result<$type> {
                let socket = self.socket.try_clone(<$std>::try_clone)?;
                Ok($type { socket })
            }

            /// The error that the socket has met since it was last asked.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.socket.get().take_error()
            }

            /// Lets operations fail with `WouldBlock` rather than wait.
            ///
            /// # Errors
            /// None.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.socket.limits().nonblocking.set(nonblocking);
                Ok(())
            }
        }
    };
}

/// `From` a socket of std that has no timeouts.
macro_rules! from_std {
    ($type:ident, $std:ty) => {
        /// Makes it non-blocking, and all its duplicates.
        impl From<$std> for $type {
            fn from(std: $std) -> $type {
                let socket = Socket::from_std(std).expect("a socket can be non-blocking");
                $type { socket }
            }
        }
    };
}

/// `From` a socket of std that has timeouts, and their methods.
macro_rules! timeouts {
    ($type:ident, $std:ty) => {
        /// Makes it non-blocking, and all its duplicates. Its timeouts stay.
        impl From<$std> for $type {
            fn from(std: $std) -> $type {
                let socket = Socket::from_std(std).expect("a socket can be non-blocking");
                let limits = socket.limits();
                let std: &$std = socket.get();
                limits.read_timeout.set(std.read_timeout().ok().flatten());
                limits.write_timeout.set(std.write_timeout().ok().flatten());
                $type { socket }
            }
        }

        impl $type {
            /// How long a read may wait; then it fails with `WouldBlock`. `None`,
            /// the default, is for ever.
            ///
            /// # Errors
            /// `InvalidInput` for zero.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                // Kept by the kernel for when it is a socket of std again.
                self.socket.get().set_read_timeout(timeout)?;
                self.socket.limits().read_timeout.set(timeout);
                Ok(())
            }

            /// How long a write may wait; then it fails with `WouldBlock`. `None`,
            /// the default, is for ever.
            ///
            /// # Errors
            /// `InvalidInput` for zero.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.socket.get().set_write_timeout(timeout)?;
                self.socket.limits().write_timeout.set(timeout);
                Ok(())
            }

            /// How long a read may wait.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.socket.get().read_timeout()
            }

            /// How long a write may wait.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.socket.get().write_timeout()
            }
        }
    };
}

/// Methods that ask or set something, and never wait.
macro_rules! passed_on {
    ($type:ident: $($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $arg_type:ty)*) -> $result:ty;)*) => {
        impl $type {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As in std.
                pub fn $name(&self $(, $arg: $arg_type)*) -> io::Result<$result> {
                    self.socket.get().$name($($arg),*)
                }
            )*
        }
    };
}

/// `Read` and `Write` for the type and for `&` it, from four methods.
macro_rules! read_write {
    ($type:ident) => {
        impl Read for $type {
            #[inline]
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.read_at(Location::caller(), buf)
            }

            #[track_caller]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.read_vectored_at(Location::caller(), bufs)
            }
        }

        impl Read for &$type {
            #[inline]
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.read_at(Location::caller(), buf)
            }

            #[track_caller]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.read_vectored_at(Location::caller(), bufs)
            }
        }

        impl Write for $type {
            #[inline]
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_at(Location::caller(), buf)
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_vectored_at(Location::caller(), bufs)
            }

            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Write for &$type {
            #[inline]
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_at(Location::caller(), buf)
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_vectored_at(Location::caller(), bufs)
            }

            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use {descriptors, from_std, passed_on, read_write, timeouts};

/// Room in all buffers together.
pub(super) fn total<B: std::ops::Deref<Target = [u8]>>(bufs: &[B]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// A descriptor as what it is.
pub(super) fn nonblocking<T: AsFd + From<OwnedFd>>(fd: OwnedFd) -> Socket<T> {
    Socket::new(T::from(fd))
}
