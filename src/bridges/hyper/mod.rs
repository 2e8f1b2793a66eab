//! What [hyper](https://docs.rs/hyper) needs of a runtime: I/O, an [`Executor`], a
//! [`Timer`]. With the feature `hyper`.
//!
//! [`TcpStream`](crate::net::TcpStream), [`UnixStream`](crate::net::UnixStream) and their
//! halves are `hyper::rt::Read` and `Write`, so each connection is a future that
//! [`block_on`](crate::block_on()) runs in a coroutine of its own. What a service does is
//! done in that coroutine (over HTTP/2 in one for each request): it may call whatever
//! blocks only its coroutine, and need not be `Send`.
//!
//! ```
//! use corobin::net::{TcpListener, TcpStream};
//! use corobin::{block_on, spawn};
//! use http_body_util::BodyExt;
//! use hyper::body::Incoming;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use std::convert::Infallible;
//!
//! async fn hello(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     corobin::sleep(std::time::Duration::from_millis(1)); // only this connection waits
//!     Ok(Response::new(format!("hello, {}", request.uri().path())))
//! }
//!
//! let text = corobin::run(|| {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     spawn(move || {
//!         for stream in listener.incoming().flatten() {
//!             spawn(move || {
//!                 let server = hyper::server::conn::http1::Builder::new()
//!                     .timer(corobin::hyper::Timer)
//!                     .serve_connection(stream, service_fn(hello));
//!                 block_on(server).unwrap_or_else(|error| eprintln!("{error}"));
//!             });
//!         }
//!     });
//!
//!     let stream = TcpStream::connect(address)?;
//!     let (mut sender, connection) =
//!         block_on(hyper::client::conn::http1::handshake(stream))?;
//!     spawn(move || block_on(connection));
//!     block_on(async {
//!         let request = Request::get("/world").body(String::new())?;
//!         let answer = sender.send_request(request).await?;
//!         Ok::<_, Box<dyn std::error::Error>>(answer.collect().await?.to_bytes())
//!     })
//! })?;
//! assert_eq!(text, "hello, /world");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Timeouts of the streams do not count in a future; hyper has its own, and
//! [`timeout`](crate::timeout()) works around a `block_on`.

mod alarms;
mod io;
mod timer;

use std::future::Future;

use crate::block_on::block_on;
use crate::spawn::spawn;

pub use timer::Timer;

/// Runs each future in a detached coroutine, by [`block_on`](crate::block_on()).
///
/// A panic there is logged, and the others go on. Those that are left are cancelled at the
/// end of the run, which drops their futures.
///
/// # Panics
/// `execute` panics outside of a runtime.
///
/// ```
/// use hyper::rt::Executor;
///
/// corobin::run(|| {
///     let (sender, receiver) = corobin::sync::oneshot();
///     corobin::hyper::Executor.execute(async { drop(sender.send(7)) });
///     assert_eq!(receiver.recv(), Ok(7));
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        spawn(move || drop(block_on(future)));
    }
}
