//! `TcpStream`.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::linux::net::TcpStreamExt;
use std::panic::Location;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketType, connect, sockopt};

use crate::suspend;

use super::address::{ToSocketAddrs, with_each};
use super::macros::{descriptors, passed_on, read_write, timeouts};
use super::socket::{
    At, Socket, nonblocking, open, read_nothing, read_slices, total, write_slices,
};
use super::split::{ReadHalf, WriteHalf, halves};

/// A TCP connection: [`std::net::TcpStream`] that blocks only its coroutine.
///
/// Dropping it closes the connection; what was written is still delivered.
///
/// ```no_run
/// use corobin::net::TcpStream;
/// use std::io::{Read, Write};
///
/// corobin::run(|| -> std::io::Result<()> {
///     let mut stream = TcpStream::connect(("example.com", 80))?;
///     stream.write_all(b"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n")?;
///     let mut page = String::new();
///     stream.read_to_string(&mut page)?;
///     println!("{page}");
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpStream {
    pub(super) socket: Socket<net::TcpStream>,
}

descriptors!(TcpStream, net::TcpStream);
timeouts!(TcpStream, net::TcpStream);
read_write!(TcpStream);
passed_on! { TcpStream:
    /// The address of the peer.
    fn peer_addr(&self) -> SocketAddr;
    /// The address of this end.
    fn local_addr(&self) -> SocketAddr;
    /// Sends small writes at once (`TCP_NODELAY`).
    fn set_nodelay(&self, nodelay: bool) -> ();
    /// Whether small writes are sent at once.
    fn nodelay(&self) -> bool;
    /// Acknowledges at once what is received (`TCP_QUICKACK`), until the kernel
    /// changes its mind. As in `std::os::linux::net::TcpStreamExt`.
    fn set_quickack(&self, quickack: bool) -> ();
    /// Whether what is received is acknowledged at once.
    fn quickack(&self) -> bool;
    /// Sets how many hops a packet may take (`IP_TTL`).
    fn set_ttl(&self, ttl: u32) -> ();
    /// How many hops a packet may take.
    fn ttl(&self) -> u32;
}

impl TcpStream {
    /// Ends one direction, or both. Whoever waits for the socket in another
    /// coroutine, also through a duplicate, is woken: reads see the end, writes
    /// an error. What other coroutines have begun to send is sent first.
    ///
    /// # Errors
    /// As in std.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shut_down(how, net::TcpStream::shutdown)
    }

    /// Connects to the first of the addresses that accepts.
    ///
    /// A suspension point. A connection that is cut short by a cancel is closed.
    ///
    /// # Errors
    /// That of the last address; a name that is not known.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let at = Location::caller();
        with_each(addr, |address| start(at, &address, None))
    }

    /// Connects to one address in a limited time.
    ///
    /// A suspension point. A connection that is cut short by a cancel is closed.
    ///
    /// # Errors
    /// `TimedOut` after `timeout`; `InvalidInput` for zero.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot set a 0 duration timeout",
            ));
        }
        start(Location::caller(), addr, Some(timeout))
    }

    /// Two halves, for two coroutines that each own theirs. (Two that may borrow
    /// the stream can both use `&TcpStream`.)
    ///
    /// Dropping the [`WriteHalf`] shuts that direction down: the peer sees the
    /// end. The socket is closed when both are gone;
    /// [`reunite`](ReadHalf::reunite) puts them together again.
    ///
    /// ```
    /// use corobin::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// corobin::run(|| -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let (mut reader, mut writer) = TcpStream::connect(listener.local_addr()?)?.split();
    ///     let (mut peer, _) = listener.accept()?;
    ///     let sender = corobin::spawn(move || writer.write_all(b"ping"));
    ///     let mut ping = String::new();
    ///     peer.read_to_string(&mut ping)?;
    ///     peer.write_all(b"pong")?;
    ///     drop(peer);
    ///     let mut pong = String::new();
    ///     reader.read_to_string(&mut pong)?;
    ///     assert_eq!((&*ping, &*pong), ("ping", "pong"));
    ///     sender.join().unwrap()
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (ReadHalf<TcpStream>, WriteHalf<TcpStream>) {
        halves(self)
    }

    /// How long closing may wait until what was written is delivered
    /// (`SO_LINGER`). That is done by the kernel, and blocks the thread; `Some`
    /// of zero resets the connection instead.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(self, linger)?)
    }

    /// How long closing may wait.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(sockopt::socket_linger(self)?)
    }

    #[inline]
    fn read_at(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.receive_stream(at, buf)
    }

    fn read_vectored_at(&self, at: At, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.socket
            .read_stream(at, total(bufs), |io| read_slices(io, bufs))
    }

    #[inline]
    fn write_at(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.socket.send_stream(at, buf)
    }

    fn write_vectored_at(&self, at: At, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket
            .write_stream(at, total(bufs), |io| write_slices(io, bufs))
    }
}

/// Connects to one address.
fn start(at: At, address: &SocketAddr, timeout: Option<Duration>) -> io::Result<TcpStream> {
    let socket: Socket<net::TcpStream> = nonblocking(open(address, SocketType::STREAM)?);
    suspend::begin_operation();
    match connect(socket.get(), address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            socket.connected(at, timeout, net::TcpStream::take_error, |io| {
                io.peer_addr().is_ok()
            })?
        }
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream { socket })
}
