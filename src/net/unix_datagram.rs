//! `UnixDatagram`.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{self, SocketAddr};
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};

use crate::suspend;

use super::macros::{descriptors, passed_on, timeouts};
use super::socket::{Socket, write_with_pauses};

/// A Unix datagram socket: [`std::os::unix::net::UnixDatagram`] that blocks only
/// its coroutine.
///
/// ```
/// use corobin::net::UnixDatagram;
///
/// corobin::run(|| -> std::io::Result<()> {
///     let (one, two) = UnixDatagram::pair()?;
///     one.send(b"hello")?;
///     let mut buf = [0; 64];
///     let length = two.recv(&mut buf)?;
///     assert_eq!(&buf[..length], b"hello");
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram {
    socket: Socket<net::UnixDatagram>,
}

descriptors!(UnixDatagram, net::UnixDatagram);
timeouts!(UnixDatagram, net::UnixDatagram);
passed_on! { UnixDatagram:
    /// The address that it is connected to.
    fn peer_addr(&self) -> SocketAddr;
    /// The address that it is bound to.
    fn local_addr(&self) -> SocketAddr;
}

impl UnixDatagram {
    /// Ends one direction, or both. Whoever waits for the socket in another
    /// coroutine is woken; a reader also where it waits through a duplicate. A read gives 0 bytes
    /// from then on, when it has had what was there. What other coroutines have begun to send is
    /// sent first.
    ///
    /// # Errors
    /// As in std.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shut_down(how, net::UnixDatagram::shutdown)
    }

    /// A socket at `path`, where no file may be yet.
    ///
    /// # Errors
    /// As in std.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::of(net::UnixDatagram::bind(path))
    }

    /// A socket at an address.
    ///
    /// # Errors
    /// As in std.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        UnixDatagram::of(net::UnixDatagram::bind_addr(address))
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::of(net::UnixDatagram::unbound())
    }

    /// Two sockets that are connected with each other.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, two) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::of(Ok(one))?, UnixDatagram::of(Ok(two))?))
    }

    fn of(socket: io::Result<net::UnixDatagram>) -> io::Result<UnixDatagram> {
        let socket = Socket::from_std(socket?)?;
        Ok(UnixDatagram { socket })
    }

    /// Sets the peer of [`send`](UnixDatagram::send).
    ///
    /// # Errors
    /// As in std.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.socket.get().connect(path)
    }

    /// Sets the peer of [`send`](UnixDatagram::send).
    ///
    /// # Errors
    /// As in std.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.socket.get().connect_addr(address)
    }

    /// Waits for a packet; gives its length and its sender. What does not fit is
    /// lost.
    ///
    /// A suspension point; a cancel loses no packet.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.read_or(
            || Ok((0, SocketAddr::from_pathname("")?)),
            |io| io.recv_from(buf),
        )
    }

    /// Waits for a packet; gives its length.
    ///
    /// A suspension point; a cancel loses no packet.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(RecvFlags::empty(), buf)
    }

    /// As [`recv`](UnixDatagram::recv), but the packet stays.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(RecvFlags::PEEK, buf)
    }

    #[track_caller]
    fn read(&self, flags: RecvFlags, buf: &mut [u8]) -> io::Result<usize> {
        let flags = flags | RecvFlags::DONTWAIT;
        self.read_or(|| Ok(0), |io| Ok(recv(io, &mut *buf, flags)?.0))
    }

    /// Does `read` until it need not wait for a packet; gives `end` where none can come any more,
    /// which the kernel tells only those who block.
    #[track_caller]
    fn read_or<R>(
        &self,
        end: impl Fn() -> io::Result<R>,
        mut read: impl FnMut(&net::UnixDatagram) -> io::Result<R>,
    ) -> io::Result<R> {
        let is_none = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.socket
            .read_with(Location::caller(), |io| match read(io) {
                // Once more, for what came in between.
                Err(error) if is_none(&error) && is_at_end(io)? => match read(io) {
                    Err(error) if is_none(&error) => end(),
                    result => result,
                },
                result => result,
            })
    }

    /// Sends a packet to the socket at `path`.
    ///
    /// A suspension point; a cancelled one has sent nothing.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let (io, path) = (self.socket.get(), path.as_ref());
        suspend::begin_operation();
        write_with_pauses(self.socket.limits(), || io.send_to(buf, path))
    }

    /// Sends a packet to an address.
    ///
    /// A suspension point; a cancelled one has sent nothing.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send_to_addr(&self, buf: &[u8], address: &SocketAddr) -> io::Result<usize> {
        let io = self.socket.get();
        suspend::begin_operation();
        write_with_pauses(self.socket.limits(), || io.send_to_addr(buf, address))
    }

    /// Sends a packet to the peer.
    ///
    /// A suspension point; a cancelled one has sent nothing.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.socket.send(Location::caller(), buf)
    }
}

/// Whether it was shut down for reading, here or by another who has it.
fn is_at_end(io: &net::UnixDatagram) -> io::Result<bool> {
    let mut fds = [PollFd::new(io, PollFlags::RDHUP)];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(fds[0].revents().contains(PollFlags::RDHUP))
}
