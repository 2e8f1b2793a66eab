//! The examples that serve, run as they are.

#[path = "common/example.rs"]
mod example;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use server::Example;

fn ask(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    let mut got = vec![0; text.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, text.as_bytes());
}

#[test]
fn the_echo_server_lets_connections_end_after_ctrl_c() {
    let mut server = Example::start("echo_server", &[]);
    let mut open = server.connect();
    ask(&mut open, "hello");
    server.interrupt();
    assert_eq!(server.line(), "stopping");
    ask(&mut open, "still there");
    drop(open);
    assert!(server.child.wait().unwrap().success());
    assert!(TcpStream::connect(&server.address).is_err());
}

#[test]
fn the_proxy_passes_on_both_directions_and_their_ends() {
    let server = Example::start("echo_server", &[]);
    let proxy = Example::start("proxy", &[&server.address]);
    let mut connections = [(); 5].map(|()| proxy.connect());
    for stream in &mut connections {
        ask(stream, "through two of them");
    }
    for mut stream in connections {
        stream.write_all(b"last words").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "last words");
    }
}

#[test]
fn the_chat_tells_each_line_to_all_others() {
    let chat = Example::start("chat", &[]);
    let next = |guest: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        guest.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let enter = || {
        let guest = chat.connect();
        let name = guest.local_addr().unwrap();
        let mut guest = BufReader::new(guest);
        assert_eq!(next(&mut guest), format!("you are {name}"));
        (name, guest)
    };
    let (first_name, mut first) = enter();
    let mut guests = Vec::new();
    for _ in 0..2 {
        let (name, guest) = enter();
        assert_eq!(next(&mut first), format!("{name} comes in"));
        guests.push((name, guest));
    }
    first.get_mut().write_all(b"hello\n").unwrap();
    let [(_, second), (third_name, third)] = &mut guests[..] else {
        unreachable!("two guests")
    };
    assert_eq!(next(second), format!("{third_name} comes in"));
    for guest in [second, third] {
        assert_eq!(next(guest), format!("{first_name} says hello"));
    }
    let name = *third_name;
    drop(guests.pop());
    assert_eq!(next(&mut first), format!("{name} leaves"));
}

#[test]
fn the_http_server_answers_what_it_understands() {
    let server = Example::start("http_hello", &[]);
    let mut stream = server.connect();
    // In pieces, and more than one at a time.
    stream.write_all(b"GET /world HTTP/1.1\r\nHo").unwrap();
    stream
        .write_all(b"st: here\r\n\r\nGET / HTTP/1.1\r\n\r\nnonsense\r\n\r\n")
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(
        answers,
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, world\n\
         HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello, you\n\
         HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut stream = server.connect();
    stream.write_all(&[b'x'; 8 << 10]).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}
