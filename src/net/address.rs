//! Names and addresses.

use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

use crate::to_thread::try_to_thread;

/// What can be made socket addresses of: as [`std::net::ToSocketAddrs`], but a
/// name is looked up on a thread of the runtime's pool, so that only the calling
/// coroutine waits.
///
/// A look-up is a suspension point, and a cancel waits for its end. What is an
/// address already, also as text, needs no look-up. An address type of your own
/// can implement this trait too.
pub trait ToSocketAddrs {
    /// The addresses, in the order in which to try them.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses.
    ///
    /// # Errors
    /// The name is unknown, or is no name with a port.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

/// These are addresses already.
macro_rules! known {
    ($($address:ty),*) => {$(
        impl ToSocketAddrs for $address {
            type Iter = <$address as net::ToSocketAddrs>::Iter;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                net::ToSocketAddrs::to_socket_addrs(self)
            }
        }
    )*};
}

known! {
    SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16)
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = <&'a [SocketAddr] as net::ToSocketAddrs>::Iter;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        net::ToSocketAddrs::to_socket_addrs(self)
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.parse() {
            Ok(address) => Ok(vec![address].into_iter()),
            Err(_) => try_to_thread(|| net::ToSocketAddrs::to_socket_addrs(self)),
        }
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, self.1)].into_iter()),
            Err(_) => try_to_thread(|| net::ToSocketAddrs::to_socket_addrs(self)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        self.as_str().to_socket_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

/// Does `f` with one address after the other until it succeeds.
///
/// # Errors
/// Of the last address.
#[track_caller]
pub(super) fn with_each<A: ToSocketAddrs, T>(
    addresses: A,
    mut f: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match f(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        let text = "could not resolve to any addresses";
        io::Error::new(io::ErrorKind::InvalidInput, text)
    }))
}
