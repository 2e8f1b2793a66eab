//! ureq as a client that blocks only its coroutine, on both backends, and outside of a runtime.
#![cfg(feature = "ureq")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/client.rs"]
mod client;
#[path = "common/example.rs"]
mod example;
#[path = "common/http.rs"]
mod http;

use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use backends::{on_each, on_each_with};
use client::{agent, config, get};
use corobin::net::TcpListener;
use corobin::sync::{Barrier, Event, channel};
use corobin::{Runtime, RuntimeBuilder, gather, spawn};
use http::{Request, Server, answer};
use ureq::{Error, Timeout};

/// Bytes of which none can stand for another that is lost.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 % 251) as u8).collect()
}

#[test]
fn a_get_and_a_post_have_their_answers() {
    on_each(|| {
        let server = Server::start(|request, stream| {
            let text = format!("{}: {}", request.line(), request.body());
            answer(stream, text.as_bytes())
        });
        let agent = agent();
        let mut response = agent.get(server.url("one?two=3")).call().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain");
        let body = response.body_mut().read_to_string().unwrap();
        assert_eq!(body, "GET /one?two=3 HTTP/1.1: ");
        let mut response = agent.post(server.url("four")).send("five").unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        assert_eq!(body, "POST /four HTTP/1.1: five");
    });
}

#[test]
fn an_agent_asks_for_no_compression() {
    on_each(|| {
        let server = Server::start(|request, stream| answer(stream, request.head.as_bytes()));
        let seen = get(&agent(), &server.url("")).unwrap().to_lowercase();
        assert!(seen.contains("user-agent: ureq"), "{seen}");
        assert!(!seen.contains("accept-encoding"), "{seen}");
    });
}

#[test]
fn a_status_of_an_error_is_one() {
    on_each(|| {
        let server = Server::start(|_, stream| {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        });
        let result = get(&agent(), &server.url(""));
        assert!(matches!(result, Err(Error::StatusCode(404))), "{result:?}");
    });
}

/// The server answers when all have asked: a client that blocked the loop would hang here.
#[test]
fn many_requests_wait_at_once() {
    for count in [10, 100] {
        // As much as the documentation asks for.
        let small = |builder: RuntimeBuilder| builder.stack_size(128 << 10);
        on_each_with(small, || {
            let all = Rc::new(Barrier::new(count));
            let server = Server::start(move |request, stream| {
                all.wait();
                answer(stream, request.line().as_bytes())
            });
            let agent = agent();
            let clients = (0..count).map(|n| {
                let (agent, url) = (agent.clone(), server.url(&n.to_string()));
                spawn(move || get(&agent, &url).unwrap())
            });
            let clients: Vec<_> = clients.collect();
            for (n, line) in gather(clients).unwrap().iter().enumerate() {
                assert_eq!(*line, format!("GET /{n} HTTP/1.1"));
            }
            assert_eq!(server.connections(), count);
        });
    }
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    on_each(|| {
        let server = Server::start(|request, stream| answer(stream, request.line().as_bytes()));
        let agent = agent();
        for n in 0..5 {
            let line = get(&agent, &server.url(&n.to_string())).unwrap();
            assert_eq!(line, format!("GET /{n} HTTP/1.1"));
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn an_idle_connection_that_the_server_has_closed_is_not_used() {
    on_each(|| {
        let closed = Rc::new(Event::new());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let closes = Rc::clone(&closed);
        spawn(move || {
            for text in ["one", "two"] {
                let (mut stream, _) = listener.accept().unwrap();
                Request::read(&mut stream).unwrap();
                answer(&mut stream, text.as_bytes()).unwrap();
                drop(stream);
                closes.set();
            }
        });
        let agent = agent();
        assert_eq!(get(&agent, &url).unwrap(), "one");
        closed.wait();
        assert_eq!(get(&agent, &url).unwrap(), "two");
    });
}

/// The server sends a byte when the one before has been read.
#[test]
fn a_body_that_trickles_is_read_as_it_comes() {
    on_each(|| {
        let (read, was_read) = channel(1);
        let server = Server::start(move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for byte in b'a'..=b'z' {
                stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])?;
                was_read.recv().unwrap();
            }
            stream.write_all(b"0\r\n\r\n")
        });
        let agent = agent();
        let mut body = agent
            .get(server.url(""))
            .call()
            .unwrap()
            .into_body()
            .into_reader();
        for byte in b'a'..=b'z' {
            let mut buf = [0; 8];
            assert_eq!(body.read(&mut buf).unwrap(), 1);
            assert_eq!(buf[0], byte);
            read.send(()).unwrap();
        }
        assert_eq!(body.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn megabytes_pass_both_ways() {
    const SIZE: usize = 5 << 20;
    on_each(|| {
        let server = Server::start(|request, stream| answer(stream, &request.body));
        let data = pattern(SIZE);
        let mut response = agent().post(server.url("")).send(&data[..]).unwrap();
        let body = response.body_mut().with_config().limit(1 << 30);
        assert!(body.read_to_vec().unwrap() == data);
    });
}

/// A server on a thread of std's, for clients of any kind.
mod threaded {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    /// Answers each request with "hello", except for those of `/silence`.
    pub fn hello() -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut buf = [0; 1000];
                    while let Ok(read @ 1..) = stream.read(&mut buf) {
                        head.extend_from_slice(&buf[..read]);
                        if head.ends_with(b"\r\n\r\n") && !head.starts_with(b"GET /silence") {
                            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                            stream.write_all(answer).unwrap();
                            head.clear();
                        }
                    }
                });
            }
        });
        (address, connections)
    }
}

#[test]
fn one_connection_serves_runtimes_and_threads() {
    let (address, connections) = threaded::hello();
    let url = format!("http://{address}/");
    let agent = agent();
    for _ in 0..2 {
        on_each(|| assert_eq!(get(&agent, &url).unwrap(), "hello"));
        assert_eq!(get(&agent, &url).unwrap(), "hello");
        std::thread::scope(|s| {
            s.spawn(|| {
                assert_eq!(get(&agent, &url).unwrap(), "hello");
                Runtime::new()
                    .unwrap()
                    .run(|| assert_eq!(get(&agent, &url).unwrap(), "hello"));
            });
        });
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_body_is_read_where_it_is_wanted() {
    let (address, _) = threaded::hello();
    let url = format!("http://{address}/");
    let agent = agent();
    let ask = || agent.get(&url).call().unwrap();
    let mut inside = Runtime::new().unwrap().run(ask);
    assert_eq!(inside.body_mut().read_to_string().unwrap(), "hello");
    let mut outside = ask();
    let text = corobin::run(|| outside.body_mut().read_to_string().unwrap());
    assert_eq!(text, "hello");
}

#[test]
fn timeouts_hold_outside_of_a_runtime() {
    let (address, _) = threaded::hello();
    let limit = Some(Duration::from_millis(20));
    let agent = corobin::ureq::agent_with(config().timeout_per_read(limit).build());
    let result = get(&agent, &format!("http://{address}/silence"));
    assert!(
        matches!(result, Err(Error::Timeout(Timeout::PerRead))),
        "{result:?}"
    );
}

#[test]
fn the_example_fetches_from_its_own_server() {
    let program = example::build(&["--example", "fetch", "--features", "ureq"]).join("fetch");
    let run = |urls: &[&str]| {
        let output = std::process::Command::new(&program)
            .args(urls)
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (succeeds, text) = run(&[]);
    assert!(succeeds, "{text}");
    let mut pages: Vec<_> = text
        .lines()
        .map(|line| line.rsplit('/').next().unwrap())
        .collect();
    pages.sort();
    assert_eq!(pages, ["brisk", "quick", "slow"], "{text}");
    assert!(text.lines().all(|line| line.starts_with("200 ")), "{text}");

    let (address, _) = threaded::hello();
    let (succeeds, text) = run(&[&format!("http://{address}/"), "http://127.0.0.1:1/"]);
    assert!(!succeeds, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.lines().any(|line| line.contains("5 bytes")), "{text}");
}
