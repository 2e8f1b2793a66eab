//! An HTTP server on hyper: each connection is a future, which a coroutine of its own runs.
//! Ctrl-C closes what is idle, and lets requests end that have begun.
//!
//! ```text
//! cargo run --release --features hyper --example hyper_hello -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/world
//! ```

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream};
use corobin::sync::{Event, WaitGroup};
use corobin::{block_on, scope, signal, sleep, spawn, timeout};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

const GRACE: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    corobin::run(|| {
        let listener = TcpListener::bind(address)?;
        println!("listening at {}", listener.local_addr()?);
        let stop = Rc::new(Event::new());
        let open = WaitGroup::new();
        scope(|s| {
            let worker = open.clone();
            let acceptor = s.spawn(|| {
                // Moved in, to be dropped with this closure: `open` waits for all of them.
                let worker = worker;
                loop {
                    let Ok((stream, _)) = listener.accept() else {
                        // Out of descriptors, perhaps; some will be closed.
                        sleep(Duration::from_millis(100));
                        continue;
                    };
                    let (worker, stop) = (worker.clone(), Rc::clone(&stop));
                    s.spawn(move || {
                        let _worker = worker;
                        if let Err(error) = serve(stream, stop) {
                            eprintln!("a connection failed: {error}");
                        }
                    });
                }
            });
            let stopped = signal::ctrl_c();
            println!("stopping");
            acceptor.cancel();
            let _ = acceptor.join();
            stop.set();
            if timeout(GRACE, || open.wait()).is_err() {
                println!("some requests are cut off");
                s.cancel();
            }
            stopped
        })
    })
}

/// Answers request after request, until the client or `stop` ends that.
fn serve(stream: TcpStream, stop: Rc<Event>) -> hyper::Result<()> {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(corobin::hyper::Timer)
            .header_read_timeout(Duration::from_secs(60))
            .serve_connection(stream, service_fn(hello))
    );
    // The handle of a coroutine is a future too.
    let mut stopped = spawn(move || stop.wait());
    let mut is_stopped = false;
    let result = block_on(poll_fn(|context| {
        if !is_stopped && Pin::new(&mut stopped).poll(context).is_ready() {
            is_stopped = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    }));
    stopped.cancel();
    result
}

async fn hello(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let name = match request.uri().path().trim_start_matches('/') {
        "" => "you",
        name => name,
    };
    // What blocks in the style of corobin is as good here as an `await`.
    sleep(Duration::from_millis(1));
    Ok(Response::new(format!("hello, {name}\n")))
}
