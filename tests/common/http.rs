//! A small HTTP server in a coroutine.
#![allow(dead_code, reason = "not every file uses all of it")]

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use corobin::net::{SocketAddr, TcpListener, TcpStream};
use corobin::spawn;

pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request, with its body of a known length.
    pub fn read(stream: &mut TcpStream) -> io::Result<Request> {
        let head = head(stream)?;
        let length = head.to_lowercase().lines().find_map(|line| {
            let length = line.strip_prefix("content-length:")?;
            length.trim().parse().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body)?;
        Ok(Request { head, body })
    }

    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn body(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Reads a head, up to its empty line.
pub fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(|_| ErrorKind::InvalidData.into())
}

/// Answers with a body.
pub fn answer(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

pub struct Server {
    pub address: SocketAddr,
    connections: Rc<Cell<usize>>,
}

impl Server {
    /// Serves until the run ends: each connection by a coroutine, each request by `serve`. An
    /// error of that closes the connection.
    pub fn start(serve: impl Fn(Request, &mut TcpStream) -> io::Result<()> + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            connections: Rc::default(),
        };
        let connections = Rc::clone(&server.connections);
        let serve = Rc::new(serve);
        spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                connections.set(connections.get() + 1);
                let serve = Rc::clone(&serve);
                spawn(move || {
                    while let Ok(request) = Request::read(&mut stream) {
                        if serve(request, &mut stream).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// How many it has had.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }
}
