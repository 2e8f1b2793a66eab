//! An HTTP server in plain blocking style: `httparse` reads heads, and each
//! connection is a loop.
//!
//! ```text
//! cargo run --release --example http_hello -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/world
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream};
use corobin::{sleep, spawn};

/// The longest head of a request.
const LONGEST: usize = 8 << 10;
const HEADERS: usize = 64;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    corobin::run(|| {
        let listener = TcpListener::bind(address)?;
        println!("listening at {}", listener.local_addr()?);
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                sleep(Duration::from_millis(100));
                continue;
            };
            // A client that breaks off, or talks nonsense, is its own affair.
            spawn(move || serve(stream));
        }
        Ok(())
    })
}

/// Answers request after request.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut buf = [0; LONGEST];
    let mut filled = 0;
    loop {
        let (used, answer) = loop {
            if let Some(found) = parse(&buf[..filled]) {
                break found;
            }
            if filled == LONGEST {
                break (0, status("431 Request Header Fields Too Large"));
            }
            match stream.read(&mut buf[filled..])? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        stream.write_all(answer.as_bytes())?;
        if used == 0 {
            return Ok(());
        }
        buf.copy_within(used..filled, 0);
        filled -= used;
    }
}

/// The answer to the request at the start of `bytes`, and how long that is: 0 if
/// it is none, and the connection must end. `None` if more must come.
fn parse(bytes: &[u8]) -> Option<(usize, String)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => {
            let has_body = request.headers.iter().any(|header| {
                let is = |name: &str| header.name.eq_ignore_ascii_case(name);
                is("transfer-encoding") || is("content-length") && header.value != b"0"
            });
            match request.method {
                Some("GET") if !has_body => {
                    let name = request.path.unwrap_or("/").trim_start_matches('/');
                    let name = if name.is_empty() { "you" } else { name };
                    let body = format!("hello, {name}\n");
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                    Some((used, head + &body))
                }
                _ => Some((0, status("405 Method Not Allowed"))),
            }
        }
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some((0, status("400 Bad Request"))),
    }
}

fn status(text: &str) -> String {
    format!("HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
