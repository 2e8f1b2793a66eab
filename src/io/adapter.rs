//! `Async`: any descriptor, used by coroutines.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;

use rustix::io::ioctl_fionbio;

use crate::reactor::Direction;

use super::{Registration, Waiting};

/// Any descriptor that the kernel can poll (a pipe, a terminal, inotify, a
/// timerfd, a C library's socket), used so that only the calling coroutine
/// waits.
///
/// [`read_with`](Async::read_with) and [`write_with`](Async::write_with) try an
/// operation of the inner type, and while it fails with `WouldBlock` wait until
/// the descriptor is ready for another try. Several coroutines may use one `Async`
/// at the same time. Where `&T` is [`Read`] or [`Write`], so is `Async<T>`.
///
/// The descriptor is made non-blocking, and stays so after
/// [`into_inner`](Async::into_inner). That is a property of the open file, which
/// duplicates of the descriptor share, in other processes as well.
///
/// Outside of a runtime all works that need not wait.
///
/// ```
/// use corobin::io::Async;
/// use std::io::{Read, Write};
///
/// let (reader, writer) = std::io::pipe()?;
/// let (mut reader, mut writer) = (Async::new(reader)?, Async::new(writer)?);
/// corobin::run(|| -> std::io::Result<()> {
///     let line = corobin::spawn(move || {
///         let mut line = [0; 6];
///         reader.read_exact(&mut line).map(|()| line)
///     });
///     writer.write_all(b"hello\n")?;
///     assert_eq!(&line.join().unwrap()?, b"hello\n");
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Async<T: AsFd> {
    /// None only in `drop`, after `into_inner`.
    io: Option<T>,
    registration: Registration,
}

impl<T: AsFd> Async<T> {
    /// Makes the descriptor of `io` non-blocking.
    ///
    /// # Errors
    /// That fails.
    pub fn new(io: T) -> io::Result<Async<T>> {
        ioctl_fionbio(&io, true)?;
        Ok(Async::new_nonblocking(io))
    }

    /// Takes a descriptor that is non-blocking already. With one that is not, an
    /// operation blocks its thread.
    #[must_use]
    pub fn new_nonblocking(io: T) -> Async<T> {
        Async {
            io: Some(io),
            registration: Registration::default(),
        }
    }

    /// The inner value. Its operations do not wait: they fail with `WouldBlock`.
    #[inline]
    #[must_use]
    pub fn get_ref(&self) -> &T {
        match &self.io {
            Some(io) => io,
            None => unreachable!("only into_inner takes it"),
        }
    }

    /// The inner value, back from the runtime. Its descriptor stays
    /// non-blocking.
    #[must_use]
    pub fn into_inner(mut self) -> T {
        self.deregister();
        match self.io.take() {
            Some(io) => io,
            None => unreachable!("only we take it"),
        }
    }

    fn deregister(&mut self) {
        if let Some(io) = &self.io {
            self.registration.end(io.as_fd());
        }
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Waits until a read would not block: there is data, its end, or an error.
    ///
    /// A suspension point. Another reader may be faster; a read after this can
    /// find nothing.
    ///
    /// # Errors
    /// The descriptor cannot be polled.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn readable(&self) -> io::Result<()> {
        let fd = self.get_ref().as_fd();
        let waiting = Waiting::unlimited(Direction::Read, Location::caller());
        self.registration.ready(fd, waiting)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// A suspension point, like [`readable`](Async::readable).
    ///
    /// # Errors
    /// The descriptor cannot be polled.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn writable(&self) -> io::Result<()> {
        let fd = self.get_ref().as_fd();
        let waiting = Waiting::unlimited(Direction::Write, Location::caller());
        self.registration.ready(fd, waiting)
    }

    /// Calls `read` with the inner value until it does not fail with
    /// `WouldBlock`, and waits in between until the descriptor is readable. A
    /// `read` that was interrupted by a signal is repeated. Where it is known that
    /// nothing has come since the last one failed, there is a wait before the first call too.
    ///
    /// A suspension point, whether or not it has to wait: it raises before the
    /// first try or while it waits, and never loses what `read` has returned.
    /// `read` must really have tried before it fails with `WouldBlock`; it should
    /// not suspend.
    ///
    /// # Errors
    /// Those of `read`; the descriptor cannot be polled.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn read_with<R>(&self, read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.read_with_at(Location::caller(), read)
    }

    /// As `read_with`, called there.
    pub(crate) fn read_with_at<R>(
        &self,
        at: &'static Location<'static>,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let io = self.get_ref();
        let waiting = Waiting::unlimited(Direction::Read, at);
        self.registration.run(io.as_fd(), waiting, || read(io))
    }

    /// As [`read_with`](Async::read_with), for what waits until the descriptor
    /// is writable.
    ///
    /// # Errors
    /// Those of `write`; the descriptor cannot be polled.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn write_with<R>(&self, mut write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let io = self.get_ref();
        let waiting = Waiting::unlimited(Direction::Write, Location::caller());
        self.registration.run(io.as_fd(), waiting, || write(io))
    }
}

impl<T: AsFd> Drop for Async<T> {
    fn drop(&mut self) {
        self.deregister();
    }
}

// Not for `&Async<T>` too: such an impl refers to itself, and overflows the
// compiler on a user's `for<'a> &'a S: Read`.
impl<T: AsFd> Read for Async<T>
where
    for<'a> &'a T: Read,
{
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_with(|mut io| io.read(buf))
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_with(|mut io| io.read_vectored(bufs))
    }
}

impl<T: AsFd> Write for Async<T>
where
    for<'a> &'a T: Write,
{
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_with(|mut io| io.write(buf))
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(|mut io| io.write_vectored(bufs))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        self.write_with(|mut io| io.flush())
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(self.get_ref()).finish()
    }
}
