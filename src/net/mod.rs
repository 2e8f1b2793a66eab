//! `std::net`, and the Unix sockets of `std::os::unix::net`, for coroutines: the
//! same names, signatures and errors, and only the calling coroutine waits.
//!
//! Changing `use std::net` to `use corobin::net` is the migration:
//!
//! ```
//! use corobin::net::{TcpListener, TcpStream};
//! use std::io::{self, Read, Write};
//!
//! fn echo(mut stream: TcpStream) -> io::Result<()> {
//!     let mut buf = [0; 4096];
//!     loop {
//!         match stream.read(&mut buf)? {
//!             0 => return Ok(()),
//!             n => stream.write_all(&buf[..n])?,
//!         }
//!     }
//! }
//!
//! corobin::run(|| -> io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     corobin::spawn(move || {
//!         for stream in listener.incoming() {
//!             let Ok(stream) = stream else {
//!                 // Out of descriptors, perhaps: wait until some are closed.
//!                 corobin::sleep(std::time::Duration::from_millis(10));
//!                 continue;
//!             };
//!             corobin::spawn(|| {
//!                 // Nobody joins it, so nobody else would hear of this.
//!                 echo(stream).unwrap_or_else(|error| eprintln!("a connection failed: {error}"));
//!             });
//!         }
//!     });
//!     let mut stream = TcpStream::connect(address)?;
//!     stream.write_all(b"hello")?;
//!     let mut echo = [0; 5];
//!     stream.read_exact(&mut echo)?;
//!     assert_eq!(&echo, b"hello");
//!     Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What is the same for all types
//!
//! - Whatever may wait is a suspension point: it first raises a pending cancel or
//!   expiry. An operation that took effect returns its value, so a cancelled or
//!   timed-out one loses no byte and no connection. What only asks or sets is
//!   none.
//! - `&TcpStream` reads and writes too, so two coroutines can use one socket;
//!   [`split`](TcpStream::split) gives each a half of its own. To end the wait of
//!   another, [`shutdown`](TcpStream::shutdown) the socket, or
//!   [`cancel`](crate::JoinHandle::cancel) the coroutine.
//! - Timeouts set by `set_read_timeout` and the like make an operation fail with
//!   `WouldBlock`, as in std; [`timeout`](crate::timeout()) works for any number
//!   of operations.
//! - Sockets are not `Send`. `From` and `Into` change them from and to those of
//!   std, which are. The kernel's socket is non-blocking while it is one of ours
//!   and blocking again when it is one of std's. Duplicates (`try_clone`) share
//!   that: reads and writes of streams say with each call that they do not wait, but
//!   an `accept`, or a datagram with an address, would block all coroutines then.
//! - Where io_uring is allowed, `write` and `send` of coroutines that are ready together are one
//!   system call, and so are `read` and `recv` of those for whom data come together
//!   ([`IoBackend`](crate::IoBackend)). So a write may let others run even if there
//!   is room. A `shutdown` comes after the sends that other coroutines have begun.
//! - Futures read from and write to streams through the traits of other crates, each with a
//!   feature; see the [crate's page](crate#features).
//! - Outside of a runtime all works that need not wait; what would have to
//!   panics. A socket may be used in one runtime after the other.
//!
//! In asyncio: `asyncio.start_server`, `open_connection`, transports.

mod address;
mod macros;
mod options;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
mod polled;
mod socket;
mod split;
mod tcp;
mod tcp_listener;
mod udp;
mod unix;
mod unix_datagram;
mod unix_listener;

pub use address::ToSocketAddrs;
pub use options::SocketOptions;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
pub(crate) use polled::Polled;
pub use split::{ReadHalf, ReuniteError, WriteHalf};
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use tcp::TcpStream;
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use udp::UdpSocket;
pub use unix::UnixStream;
pub use unix_datagram::UnixDatagram;
pub use unix_listener::{UnixIncoming, UnixListener};
