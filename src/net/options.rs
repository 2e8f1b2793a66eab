//! Options that must be set before a socket is bound.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{SocketType, bind, listen, sockopt};

use super::address::{ToSocketAddrs, with_each};
use super::socket::{nonblocking, open};
use super::tcp_listener::TcpListener;
use super::udp::UdpSocket;

/// Options for a socket that std has no names for, like the port that several
/// sockets share. (socket2 has them all: `TcpListener::from(OwnedFd::from(it))`.)
///
/// ```
/// use corobin::net::SocketOptions;
///
/// let mut options = SocketOptions::new();
/// options.reuse_port(true).backlog(1024);
/// let one = options.listen("127.0.0.1:0")?;
/// let two = options.listen(one.local_addr()?)?; // the kernel spreads connections
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SocketOptions {
    reuse_port: bool,
    only_v6: Option<bool>,
    backlog: i32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions::new()
    }
}

impl SocketOptions {
    /// As for [`TcpListener::bind`] and [`UdpSocket::bind`]: no port is shared, the
    /// system decides about IPv4, and 128 connections may wait.
    #[must_use]
    pub fn new() -> SocketOptions {
        SocketOptions {
            reuse_port: false,
            only_v6: None,
            backlog: 128,
        }
    }

    /// Lets other sockets of this user have the same address (`SO_REUSEPORT`), if
    /// all set it; the kernel spreads connections and packets among them.
    pub fn reuse_port(&mut self, on: bool) -> &mut Self {
        self.reuse_port = on;
        self
    }

    /// Whether an IPv6 socket takes no IPv4 (`IPV6_V6ONLY`). Default: the
    /// system's.
    pub fn only_v6(&mut self, on: bool) -> &mut Self {
        self.only_v6 = Some(on);
        self
    }

    /// How many connections may wait to be accepted; default 128, and never more
    /// than the system's `net.core.somaxconn`.
    pub fn backlog(&mut self, connections: i32) -> &mut Self {
        self.backlog = connections;
        self
    }

    /// As [`TcpListener::bind`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn listen<A: ToSocketAddrs>(&self, addr: A) -> io::Result<TcpListener> {
        let fd = with_each(addr, |address| {
            let fd = self.socket(&address, SocketType::STREAM)?;
            sockopt::set_socket_reuseaddr(&fd, true)?;
            bind(&fd, &address)?;
            listen(&fd, self.backlog)?;
            Ok(fd)
        })?;
        Ok(net::TcpListener::from(fd).into())
    }

    /// As [`UdpSocket::bind`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn bind_udp<A: ToSocketAddrs>(&self, addr: A) -> io::Result<UdpSocket> {
        let fd = with_each(addr, |address| {
            let fd = self.socket(&address, SocketType::DGRAM)?;
            bind(&fd, &address)?;
            Ok(fd)
        })?;
        Ok(UdpSocket {
            socket: nonblocking(fd),
        })
    }

    fn socket(&self, address: &SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
        let fd = open(address, kind)?;
        if let Some(on) = self.only_v6.filter(|_| address.is_ipv6()) {
            sockopt::set_ipv6_v6only(&fd, on)?;
        }
        if self.reuse_port {
            sockopt::set_socket_reuseport(&fd, true)?;
        }
        Ok(fd)
    }
}
