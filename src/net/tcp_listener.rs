//! `TcpListener`.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::Location;

use rustix::io::Errno;
use rustix::net::acceptfrom_with;

use super::address::{ToSocketAddrs, with_each};
use super::macros::{descriptors, from_std, passed_on};
use super::socket::{At, FLAGS, Socket, nonblocking};
use super::tcp::TcpStream;

/// A socket that accepts TCP connections: [`std::net::TcpListener`] that blocks
/// only its coroutine.
///
/// Several coroutines may accept from one listener; each connection goes to one
/// of them.
pub struct TcpListener {
    socket: Socket<net::TcpListener>,
}

descriptors!(TcpListener, net::TcpListener);
from_std!(TcpListener, net::TcpListener);
passed_on! { TcpListener:
    /// The address that it listens at.
    fn local_addr(&self) -> SocketAddr;
    /// Sets how many hops a packet may take (`IP_TTL`).
    fn set_ttl(&self, ttl: u32) -> ();
    /// How many hops a packet may take.
    fn ttl(&self) -> u32;
}

impl TcpListener {
    /// Listens at the first of the addresses where that can be done. Port 0 lets
    /// the system choose one. [`SocketOptions`](super::SocketOptions) has more
    /// options.
    ///
    /// A suspension point only if a name must be looked up.
    ///
    /// # Errors
    /// That of the last address; a name that is not known.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let listener = with_each(addr, net::TcpListener::bind)?;
        let socket = Socket::from_std(listener)?;
        Ok(TcpListener { socket })
    }

    /// Waits for a connection.
    ///
    /// A suspension point. A cancel never loses a connection.
    ///
    /// # Errors
    /// There may be no descriptor left (`EMFILE`, `ENFILE`), or the peer may be
    /// gone already (`ConnectionAborted`). A server should go on after any
    /// error: when descriptors are short, after a [`sleep`](crate::sleep) in
    /// which other connections are closed.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept_at(Location::caller())
    }

    fn accept_at(&self, at: At) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.read_with(at, |listener| {
            let (fd, peer) = acceptfrom_with(listener, FLAGS)?;
            let peer = peer.and_then(|peer| peer.try_into().ok());
            let stream = TcpStream {
                socket: nonblocking(fd),
            };
            Ok((stream, peer.ok_or(Errno::AFNOSUPPORT)?))
        })
    }

    /// The connections, one after the other: each `next` is an
    /// [`accept`](TcpListener::accept), and as such a suspension point. It never ends; after an
    /// error, go on as there.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// As [`incoming`](TcpListener::incoming), with the listener in it: dropping it closes
    /// that too.
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }
}

/// See [`TcpListener::incoming`].
#[derive(Debug)]
#[must_use = "an iterator accepts nothing unless it is advanced"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        let accepted = self.listener.accept_at(Location::caller());
        Some(accepted.map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

/// See [`TcpListener::into_incoming`].
#[derive(Debug)]
#[must_use = "an iterator accepts nothing unless it is advanced"]
pub struct IntoIncoming {
    listener: TcpListener,
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        self.listener.incoming().next()
    }
}

impl FusedIterator for IntoIncoming {}
