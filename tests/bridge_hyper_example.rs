//! The server on hyper, run as it is.
#![cfg(feature = "hyper")]

#[path = "common/example.rs"]
mod example;
#[path = "common/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;

use server::Example;

/// Sends the head of a request.
fn ask(stream: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
}

/// Reads up to these last words of an answer.
fn read_to(stream: &mut TcpStream, last: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(last.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn it_answers_until_it_is_interrupted() {
    let mut server = Example::start_with("hyper", "hyper_hello", &[]);
    let mut stream = server.connect();
    ask(&mut stream, "/world");
    let answer = read_to(&mut stream, "hello, world\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    ask(&mut stream, "/");
    read_to(&mut stream, "hello, you\n");
    let mut nonsense = server.connect();
    nonsense.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    nonsense.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );

    server.interrupt();
    assert_eq!(server.line(), "stopping");
    // What is idle is closed.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(server.child.wait().unwrap().success());
    assert!(TcpStream::connect(&server.address).is_err());
}
