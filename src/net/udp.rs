//! `UdpSocket`.

use std::fmt;
use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::Location;
use std::time::Duration;

use super::address::{ToSocketAddrs, with_each};
use super::macros::{descriptors, passed_on, timeouts};
use super::socket::Socket;

/// A UDP socket: [`std::net::UdpSocket`] that blocks only its coroutine.
///
/// ```
/// use corobin::net::UdpSocket;
///
/// corobin::run(|| -> std::io::Result<()> {
///     let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
///     one.send_to(b"hello", two.local_addr()?)?;
///     let mut buf = [0; 64];
///     let (length, from) = two.recv_from(&mut buf)?;
///     assert_eq!((&buf[..length], from), (&b"hello"[..], one.local_addr()?));
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    pub(super) socket: Socket<net::UdpSocket>,
}

descriptors!(UdpSocket, net::UdpSocket);
timeouts!(UdpSocket, net::UdpSocket);
passed_on! { UdpSocket:
    /// The address that it is connected to.
    fn peer_addr(&self) -> SocketAddr;
    /// The address that it is bound to.
    fn local_addr(&self) -> SocketAddr;
    /// Allows broadcasts (`SO_BROADCAST`).
    fn set_broadcast(&self, broadcast: bool) -> ();
    /// Whether broadcasts are allowed.
    fn broadcast(&self) -> bool;
    /// Sets how many hops a packet may take (`IP_TTL`).
    fn set_ttl(&self, ttl: u32) -> ();
    /// How many hops a packet may take.
    fn ttl(&self) -> u32;
    /// Lets multicasts come back to this host (`IP_MULTICAST_LOOP`).
    fn set_multicast_loop_v4(&self, on: bool) -> ();
    /// Whether multicasts come back to this host.
    fn multicast_loop_v4(&self) -> bool;
    /// Sets how many hops a multicast may take (`IP_MULTICAST_TTL`).
    fn set_multicast_ttl_v4(&self, ttl: u32) -> ();
    /// How many hops a multicast may take.
    fn multicast_ttl_v4(&self) -> u32;
    /// Lets multicasts come back to this host (`IPV6_MULTICAST_LOOP`).
    fn set_multicast_loop_v6(&self, on: bool) -> ();
    /// Whether multicasts come back to this host.
    fn multicast_loop_v6(&self) -> bool;
    /// Joins a multicast group.
    fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a multicast group.
    fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Joins a multicast group.
    fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a multicast group.
    fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> ();
}

impl UdpSocket {
    /// A socket at the first of the addresses that is free.
    /// [`SocketOptions`](super::SocketOptions) has more options.
    ///
    /// A suspension point only if a name must be looked up.
    ///
    /// # Errors
    /// That of the last address; a name that is not known.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let socket = with_each(addr, net::UdpSocket::bind)?;
        let socket = Socket::from_std(socket)?;
        Ok(UdpSocket { socket })
    }

    /// Sets the peer of [`send`](UdpSocket::send), the only one received from.
    ///
    /// A suspension point only if a name must be looked up.
    ///
    /// # Errors
    /// That of the last address; a name that is not known.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        with_each(addr, |address| self.socket.get().connect(address))
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
        self.socket
            .read_with(Location::caller(), |io| io.recv_from(buf))
    }

    /// As [`recv_from`](UdpSocket::recv_from), but the packet stays.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket
            .read_with(Location::caller(), |io| io.peek_from(buf))
    }

    /// Sends a packet to the first of the addresses.
    ///
    /// A suspension point; a cancelled one has sent nothing.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let at = Location::caller();
        let Some(address) = addr.to_socket_addrs()?.next() else {
            let text = "no addresses to send data to";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.socket.write_with(at, |io| io.send_to(buf, address))
    }

    /// Waits for a packet of the peer; gives its length.
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
        self.socket.receive(Location::caller(), buf)
    }

    /// As [`recv`](UdpSocket::recv), but the packet stays.
    ///
    /// # Errors
    /// As in std.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.peek(Location::caller(), buf)
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
