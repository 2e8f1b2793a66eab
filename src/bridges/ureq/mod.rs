//! ureq, a blocking HTTP(S) client, that blocks only its coroutine. Needs the feature `ureq`.
//!
//! [`agent`] makes an agent of ureq's as you know it; what waits for the network lets the
//! other coroutines go on. It may be cloned, shared and sent: one agent, with its pool of idle
//! connections, serves coroutines, several runtimes and threads without one at the same time.
//!
//! ```
//! use corobin::net::TcpListener;
//! use std::io::{Read, Write};
//!
//! corobin::run(|| -> Result<(), ureq::Error> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let url = format!("http://{}/", listener.local_addr()?);
//!     corobin::spawn(move || {
//!         let (mut stream, _) = listener.accept().unwrap();
//!         stream.read(&mut [0; 1024]).unwrap();
//!         stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
//!     });
//!     let agent = corobin::ureq::agent();
//!     let page = agent.get(url).call()?.body_mut().read_to_string()?;
//!     assert_eq!(page, "hello");
//!     Ok(())
//! })?;
//! # Ok::<(), ureq::Error>(())
//! ```
//!
//! - **Features.** ureq comes without any of its own. Depend on it as well to choose: `ureq = "3"`
//!   has TLS by rustls, and gzip. Without a feature for TLS, `https` is the error
//!   [`TlsRequired`](::ureq::Error::TlsRequired).
//! - **Suspension points** are the calls that send a request, and reads of a body for which ureq
//!   has nothing in its buffer, whether or not they have to wait. A cancel closes the connection that it finds in use. Between the
//!   reads of a body a connection belongs to no runtime: a [`Body`](::ureq::Body) may be read on
//!   another thread.
//! - **Timeouts** of the configuration hold. Under
//!   [virtual time](crate::RuntimeBuilder::virtual_time) each wait follows the virtual clock; but
//!   what is left of a limit on several waits, like that of a whole call, ureq counts by the
//!   system's.
//! - **Proxies** for CONNECT work; those for SOCKS do not.
//! - **Stacks.** A request takes less than 128 KiB, also with TLS and in a debug build.
//! - **Outside of a runtime** all works too, and blocks the thread.
//!
//! ureq's own `ureq::get` and `ureq::agent` block the thread, and all coroutines with it.

mod connector;
mod resolver;
mod transport;

use ::ureq::Agent;
use ::ureq::config::Config;

pub use connector::Connector;
pub use resolver::Resolver;

#[allow(unused_imports, reason = "what ureq has itself is used instead")]
use absent::{NativeTlsConnector, RustlsConnector};

/// An agent with ureq's defaults that blocks only its coroutine.
///
/// Not a suspension point; the calls of the agent are.
///
/// ```no_run
/// use corobin::{gather, run, spawn};
///
/// run(|| {
///     let agent = corobin::ureq::agent();
///     let fetch = |url| {
///         let agent = agent.clone();
///         spawn(move || agent.get(url).call().map(|response| response.status()))
///     };
///     println!("{:?}", gather(["http://example.com", "http://example.org"].map(fetch)));
/// });
/// ```
#[must_use]
pub fn agent() -> Agent {
    agent_with(Config::default())
}

/// As [`agent`], with a configuration.
///
/// ```
/// use std::time::Duration;
/// use ureq::config::Config;
///
/// let patience = Some(Duration::from_secs(10));
/// let agent = corobin::ureq::agent_with(Config::builder().timeout_global(patience).build());
/// ```
#[must_use]
pub fn agent_with(config: Config) -> Agent {
    // In here the connectors of ureq's features come before those of the same name outside.
    use ::ureq::unversioned::transport::*;
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(self::Connector::default())
            .chain(RustlsConnector::default())
            .chain(NativeTlsConnector::default());
    Agent::with_parts(config, connector, Resolver::default())
}

/// Stand-ins for what ureq has only with one of its features for TLS. Which of them the program
/// has chosen, nothing tells us.
mod absent {
    use ::ureq::Error;
    use ::ureq::unversioned::transport::{ConnectionDetails, Connector, Transport};

    macro_rules! stand_in {
        ($name:ident) => {
            #[allow(dead_code, reason = "what ureq has itself is used instead")]
            #[derive(Debug, Default)]
            pub(super) struct $name(());

            impl<T: Transport> Connector<T> for $name {
                type Out = T;

                fn connect(
                    &self,
                    _: &ConnectionDetails,
                    chained: Option<T>,
                ) -> Result<Option<T>, Error> {
                    Ok(chained)
                }
            }
        };
    }

    stand_in!(RustlsConnector);
    stand_in!(NativeTlsConnector);
}
