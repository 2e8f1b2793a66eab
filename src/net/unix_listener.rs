//! `UnixListener`.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{self, SocketAddr};
use std::panic::Location;
use std::path::Path;

use super::macros::{descriptors, from_std, passed_on};
use super::socket::Socket;
use super::unix::UnixStream;

/// A socket that accepts Unix connections:
/// [`std::os::unix::net::UnixListener`] that blocks only its coroutine.
///
/// ```
/// use corobin::net::{UnixListener, UnixStream};
///
/// let path = std::env::temp_dir().join(format!("corobin-unix-{}", std::process::id()));
/// corobin::run(|| {
///     let listener = UnixListener::bind(&path)?;
///     let _client = UnixStream::connect(&path)?;
///     let (_server, _) = listener.accept()?;
///     std::fs::remove_file(&path)
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixListener {
    socket: Socket<net::UnixListener>,
}

descriptors!(UnixListener, net::UnixListener);
from_std!(UnixListener, net::UnixListener);
passed_on! { UnixListener:
    /// The address that it listens at.
    fn local_addr(&self) -> SocketAddr;
}

impl UnixListener {
    /// Listens at `path`, where no file may be yet. Nobody removes it
    /// afterwards.
    ///
    /// # Errors
    /// As in std.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let socket = Socket::from_std(net::UnixListener::bind(path)?)?;
        Ok(UnixListener { socket })
    }

    /// Listens at an address.
    ///
    /// # Errors
    /// As in std.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let socket = Socket::from_std(net::UnixListener::bind_addr(address)?)?;
        Ok(UnixListener { socket })
    }

    /// Waits for a connection.
    ///
    /// A suspension point. A cancel never loses a connection.
    ///
    /// # Errors
    /// As [`TcpListener::accept`](super::TcpListener::accept).
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, address) = self
            .socket
            .read_with(Location::caller(), net::UnixListener::accept)?;
        let socket = Socket::from_std(stream)?;
        Ok((UnixStream { socket }, address))
    }

    /// The connections, one after the other: each `next` is an
    /// [`accept`](UnixListener::accept), and as such a suspension point. It never ends; after an
    /// error, go on as there.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming { listener: self }
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'a>;

    fn into_iter(self) -> UnixIncoming<'a> {
        self.incoming()
    }
}

/// See [`UnixListener::incoming`].
#[derive(Debug)]
#[must_use = "an iterator accepts nothing unless it is advanced"]
pub struct UnixIncoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for UnixIncoming<'_> {}
