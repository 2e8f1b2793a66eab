//! Forwards each connection to another address, both ways at once.
//!
//! ```text
//! cargo run --example proxy -- 127.0.0.1:8080 example.com:80
//! ```

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use corobin::net::{Shutdown, TcpListener, TcpStream};
use corobin::{scope, sleep, spawn};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [here, there] = &arguments[..] else {
        eprintln!("usage: proxy LISTEN-ADDRESS TARGET-ADDRESS");
        return ExitCode::from(2);
    };
    match corobin::run(|| serve(here, there)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(here: &str, there: &str) -> io::Result<()> {
    let listener = TcpListener::bind(here)?;
    println!("listening at {}", listener.local_addr()?);
    for client in listener.incoming() {
        let Ok(client) = client else {
            sleep(Duration::from_millis(100));
            continue;
        };
        let there = there.to_owned();
        spawn(move || {
            if let Err(error) = forward(&client, &there) {
                eprintln!("a connection failed: {error}");
            }
        });
    }
    Ok(())
}

fn forward(client: &TcpStream, there: &str) -> io::Result<()> {
    let server = &TcpStream::connect(there)?;
    scope(|s| {
        let answers = s.spawn(|| pipe(server, client));
        pipe(client, server)?;
        answers.join().unwrap_or(Ok(()))
    })
}

/// Copies one direction, and its end.
fn pipe(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // Whoever is gone already needs no end.
    let _ = to.shutdown(Shutdown::Write);
    copied.map(drop)
}
