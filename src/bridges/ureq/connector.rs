//! `Connector`.

use std::fmt::Debug;
use std::io;
use std::net;
use std::time::Duration;

use ::ureq::unversioned::transport::{self, ConnectionDetails, Transport};
use ::ureq::{Error, ProxyProtocol, Timeout};

use crate::net::{SocketAddr, TcpStream};
use crate::scheduler;
use crate::time::now;

use super::transport::{TcpTransport, limit};

/// Opens TCP connections that block only the calling coroutine, for chains of connectors of your
/// own; [`agent`](super::agent) has one already.
///
/// Its place in a chain is that of ureq's `TcpConnector`: it leaves a connection alone that is
/// there already. What comes after it may add TLS.
///
/// Connecting is a suspension point, and so is each use of the connection. The addresses of a
/// name are tried in turn. A limit on connecting is shared by those that are left; the last one
/// has what remains.
///
/// ```
/// use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _};
/// use ureq::{Agent, config::Config};
///
/// let connector = ()
///     .chain(ConnectProxyConnector::default())
///     .chain(corobin::ureq::Connector::default());
/// let resolver = corobin::ureq::Resolver::default();
/// let agent = Agent::with_parts(Config::default(), connector, resolver);
/// ```
#[derive(Debug, Default)]
pub struct Connector(());

impl<T: Transport> transport::Connector<T> for Connector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<T>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Box::new(transport)));
        }
        refuse_socks(details)?;
        let stream = connect_to_any(details)?;
        if details.config.no_delay() {
            stream.set_nodelay(true)?;
        }
        let transport = TcpTransport::new(stream, details.config);
        (details.register_shutdown)(transport.shutdown_handle())?;
        Ok(Some(Box::new(transport)))
    }
}

/// ureq's connector for SOCKS would block the thread, and without one the proxy that was asked
/// for would be passed by.
fn refuse_socks(details: &ConnectionDetails) -> Result<(), Error> {
    let Some(proxy) = details.config.proxy() else {
        return Ok(());
    };
    let is_connect = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    if is_connect || proxy.is_no_proxy(details.uri) {
        return Ok(());
    }
    let text = "corobin's connector for ureq knows no SOCKS proxies";
    Err(io::Error::new(io::ErrorKind::Unsupported, text).into())
}

/// Connects to the first address that accepts.
///
/// # Errors
/// That of the last address.
fn connect_to_any(details: &ConnectionDetails) -> Result<net::TcpStream, Error> {
    const SHORTEST: Duration = Duration::from_millis(1);
    let begin = now();
    let limit = limit(details.timeout);
    let mut result = Err(Error::ConnectionFailed);
    for (address, left) in details.addrs.iter().zip((1..=details.addrs.len()).rev()) {
        let share = limit.map(|limit| {
            let time = limit.saturating_sub(now() - begin);
            (time / left as u32).max(SHORTEST)
        });
        result = connect(address, share).map_err(|error| match (error.kind(), share) {
            (io::ErrorKind::TimedOut, Some(_)) => Error::Timeout(details.timeout.reason),
            (io::ErrorKind::TimedOut, None) => Error::Timeout(Timeout::Connect),
            _ => error.into(),
        });
        if result.is_ok() {
            break;
        }
    }
    result
}

fn connect(address: &SocketAddr, limit: Option<Duration>) -> io::Result<net::TcpStream> {
    match (scheduler::current(), limit) {
        (Some(_), Some(limit)) => TcpStream::connect_timeout(address, limit).map(Into::into),
        (Some(_), None) => TcpStream::connect(address).map(Into::into),
        (None, Some(limit)) => net::TcpStream::connect_timeout(address, limit),
        (None, None) => net::TcpStream::connect(address),
    }
}
