//! Sends back what it gets, to a limited number of connections at once, until
//! Ctrl-C; then it gives those that are open some time to end.
//!
//! ```text
//! cargo run --example echo_server -- 127.0.0.1:7777
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream};
use corobin::sync::{Semaphore, WaitGroup};
use corobin::{scope, signal, sleep, timeout};

/// Connections at once; the next wait in the kernel.
const LIMIT: usize = 1_000;
const GRACE: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7777");
    corobin::run(|| {
        let listener = TcpListener::bind(address)?;
        println!("listening at {}", listener.local_addr()?);
        let limit = Semaphore::new(LIMIT);
        let open = WaitGroup::new();
        scope(|s| {
            let worker = open.clone();
            let acceptor = s.spawn(|| {
                // Moved in, to be dropped with this closure: `open` waits for all of them.
                let worker = worker;
                loop {
                    let permit = limit.acquire();
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let worker = worker.clone();
                            s.spawn(move || {
                                // Both end with this connection.
                                let _held = (permit, worker);
                                if let Err(error) = echo(stream) {
                                    eprintln!("a connection failed: {error}");
                                }
                            });
                        }
                        Err(error) => {
                            // Out of descriptors, perhaps; some will be closed.
                            eprintln!("cannot accept: {error}");
                            sleep(Duration::from_millis(100));
                        }
                    }
                }
            });
            let stopped = signal::ctrl_c();
            println!("stopping");
            acceptor.cancel();
            let _ = acceptor.join();
            if timeout(GRACE, || open.wait()).is_err() {
                println!("some connections are cut off");
                s.cancel();
            }
            stopped
        })
    })
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            count => stream.write_all(&buf[..count])?,
        }
    }
}
