//! `UnixStream`.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket_with};

use crate::suspend;

use super::macros::{descriptors, passed_on, read_write, timeouts};
use super::socket::{
    At, FLAGS, Socket, nonblocking, read_nothing, read_slices, total, write_slices,
    write_with_pauses,
};
use super::split::{ReadHalf, WriteHalf, halves};

/// A Unix stream socket: [`std::os::unix::net::UnixStream`] that blocks only its
/// coroutine.
///
/// ```
/// use corobin::net::UnixStream;
/// use std::io::{Read, Write};
///
/// corobin::run(|| -> std::io::Result<()> {
///     let (mut one, mut two) = UnixStream::pair()?;
///     let writer = corobin::spawn(move || one.write_all(b"hello"));
///     let mut text = String::new();
///     two.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     writer.join().unwrap()
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream {
    pub(super) socket: Socket<net::UnixStream>,
}

descriptors!(UnixStream, net::UnixStream);
timeouts!(UnixStream, net::UnixStream);
read_write!(UnixStream);
passed_on! { UnixStream:
    /// The address of the peer.
    fn peer_addr(&self) -> SocketAddr;
    /// The address of this end.
    fn local_addr(&self) -> SocketAddr;
}

impl UnixStream {
    /// Ends one direction, or both. Whoever waits for the socket in another
    /// coroutine is woken; a reader also where it waits through a duplicate. What other coroutines
    /// have begun to send is sent first.
    ///
    /// A writer that waits through a duplicate, or whose peer shuts down its reading, may go on
    /// waiting until the peer has read or closed: of that the kernel tells only those who block.
    ///
    /// # Errors
    /// As in std.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shut_down(how, net::UnixStream::shutdown)
    }

    /// Connects to the socket at `path`.
    ///
    /// A suspension point. A connection that is cut short by a cancel is closed.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to an address.
    ///
    /// A suspension point. A connection that is cut short by a cancel is closed.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let address = match (address.as_pathname(), address.as_abstract_name()) {
            (Some(path), _) => SocketAddrUnix::new(path)?,
            (None, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
            (None, None) => return Err(Errno::INVAL.into()),
        };
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        suspend::begin_operation();
        let socket = nonblocking::<net::UnixStream>(fd);
        write_with_pauses(socket.limits(), || Ok(connect(socket.get(), &address)?))?;
        Ok(UnixStream { socket })
    }

    /// Two sockets that are connected with each other.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, two) = net::UnixStream::pair()?;
        let socket = Socket::from_std(one)?;
        let other = Socket::from_std(two)?;
        Ok((UnixStream { socket }, UnixStream { socket: other }))
    }

    /// Two halves, for two coroutines that each own theirs; see
    /// [`TcpStream::split`](super::TcpStream::split).
    #[must_use]
    pub fn split(self) -> (ReadHalf<UnixStream>, WriteHalf<UnixStream>) {
        halves(self)
    }

    fn read_at(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.receive(at, buf)
    }

    fn read_vectored_at(&self, at: At, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.socket.read_with(at, |io| read_slices(io, bufs))
    }

    fn write_at(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.socket.send(at, buf)
    }

    fn write_vectored_at(&self, at: At, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_with(at, |io| write_slices(io, bufs))
    }
}
