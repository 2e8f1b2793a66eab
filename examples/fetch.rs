//! Fetches pages at once, one coroutine each, with ureq. Without arguments it asks a server of
//! its own, so that it needs no network.
//!
//! ```text
//! cargo run --example fetch --features ureq
//! cargo run --example fetch --features ureq/rustls -- https://example.com https://www.rust-lang.org
//! ```

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use corobin::net::{TcpListener, TcpStream};
use corobin::{gather, sleep, spawn};
use ureq::Agent;

fn main() -> io::Result<ExitCode> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    corobin::run(|| {
        let urls = if urls.is_empty() { serve()? } else { urls };
        let agent = corobin::ureq::agent();
        let fetches = urls.into_iter().map(|url| {
            let agent = agent.clone();
            spawn(move || report(&agent, &url))
        });
        match gather(fetches) {
            Ok(all) if all.iter().all(|succeeded| *succeeded) => Ok(ExitCode::SUCCESS),
            _ => Ok(ExitCode::FAILURE),
        }
    })
}

/// Prints what comes of one page; whether all went well.
fn report(agent: &Agent, url: &str) -> bool {
    let begin = Instant::now();
    let result = fetch(agent, url);
    let ms = begin.elapsed().as_millis();
    match &result {
        Ok((status, size)) => println!("{status} {size:>8} bytes {ms:>6} ms  {url}"),
        Err(error) => println!("{error}, after {ms} ms  {url}"),
    }
    result.is_ok()
}

/// The status of a page and its size. Only this coroutine waits.
fn fetch(agent: &Agent, url: &str) -> Result<(u16, u64), ureq::Error> {
    let mut response = agent.get(url).call()?;
    let status = response.status().as_u16();
    let size = io::copy(&mut response.body_mut().as_reader(), &mut io::sink())?;
    Ok((status, size))
}

/// Starts a server, and gives pages of it: the slowest first.
fn serve() -> io::Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || answer(stream));
        }
    });
    let pages = ["slow", "brisk", "quick"];
    Ok(pages.map(|page| format!("http://{address}/{page}")).into())
}

/// Answers one request, at the pace that its path asks for.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    let count = stream.read(&mut buf)?;
    let request = String::from_utf8_lossy(&buf[..count]);
    let delay = match request.split(' ').nth(1) {
        Some("/slow") => 300,
        Some("/brisk") => 100,
        _ => 0,
    };
    sleep(Duration::from_millis(delay));
    let body = "waiting costs nothing\n".repeat(10 * delay as usize + 1);
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
