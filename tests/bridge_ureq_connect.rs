//! Whom ureq connects to: names, addresses, proxies.
#![cfg(feature = "ureq")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/client.rs"]
mod client;
#[path = "common/http.rs"]
mod http;

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::rc::Rc;
use std::time::Duration;

use backends::{on_each, on_each_with};
use client::{agent, config, get};
use corobin::net::{SocketAddr, SocketOptions, TcpListener, TcpStream};
use corobin::{now, spawn, to_thread, yield_now};
use http::{Server, answer, head};
use ureq::config::{Config, IpFamily};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Agent, Error, Proxy, Timeout, http::Uri};

#[test]
fn a_name_is_looked_up_while_others_run() {
    on_each(|| {
        let ran = Rc::new(Cell::new(false));
        let runs = Rc::clone(&ran);
        spawn(move || runs.set(true));
        let result = get(&agent(), "http://no-such-host.invalid/");
        assert!(
            matches!(result, Err(Error::Io(_) | Error::HostNotFound)),
            "{result:?}"
        );
        assert!(ran.get());
    });
}

#[test]
fn a_name_that_is_known_leads_to_the_server() {
    on_each(|| {
        let server = Server::start(|_, stream| answer(stream, b"here"));
        let url = server.url("").replace("127.0.0.1", "localhost");
        // It may stand for ::1 too, where nobody listens.
        assert_eq!(get(&agent(), &url).unwrap(), "here");
        let limit = Some(Duration::from_secs(600));
        let limited = config()
            .timeout_resolve(limit)
            .timeout_connect(limit)
            .build();
        assert_eq!(
            get(&corobin::ureq::agent_with(limited), &url).unwrap(),
            "here"
        );
    });
}

#[test]
fn an_address_needs_no_thread_for_its_look_up() {
    on_each_with(
        |builder| builder.thread_pool(1, Duration::MAX),
        || {
            let (go_on, goes_on) = std::sync::mpsc::channel();
            let busy = spawn(move || to_thread(move || goes_on.recv()));
            yield_now();
            let server = Server::start(|_, stream| answer(stream, b"here"));
            assert_eq!(get(&agent(), &server.url("")).unwrap(), "here");
            go_on.send(()).unwrap();
            busy.join().unwrap().unwrap();
        },
    );
}

#[test]
fn the_family_of_addresses_is_respected() {
    on_each(|| {
        let server = Server::start(|_, stream| answer(stream, b"here"));
        let six = config().ip_family(IpFamily::Ipv6Only).build();
        let result = get(&corobin::ureq::agent_with(six), &server.url(""));
        assert!(matches!(result, Err(Error::HostNotFound)), "{result:?}");
        let four = config().ip_family(IpFamily::Ipv4Only).build();
        assert_eq!(
            get(&corobin::ureq::agent_with(four), &server.url("")).unwrap(),
            "here"
        );
    });
}

/// A resolver that knows one name.
#[derive(Debug)]
struct These(Vec<SocketAddr>);

impl Resolver for These {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut all = self.empty();
        self.0.iter().for_each(|address| all.push(*address));
        Ok(all)
    }
}

#[test]
fn addresses_are_tried_in_turn() {
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let server = Server::start(|_, stream| answer(stream, b"found"));
        let ask = |addresses, limit| {
            let config = config().timeout_connect(limit).build();
            let connector = corobin::ureq::Connector::default();
            let agent = Agent::with_parts(config, connector, These(addresses));
            get(&agent, "http://somewhere/")
        };
        for limit in [None, Some(Duration::from_secs(600))] {
            let found = ask(vec![nobody, nobody, server.address], limit);
            assert_eq!(found.unwrap(), "found");
            let none = ask(vec![nobody, nobody], limit);
            assert!(matches!(none, Err(Error::Io(_))), "{none:?}");
        }
    });
}

/// A listener with no room for more that wait: the kernel is silent to whoever asks for a
/// connection, while these are kept.
fn silent() -> (SocketAddr, (TcpListener, std::net::TcpStream)) {
    let listener = SocketOptions::new()
        .backlog(0)
        .listen("127.0.0.1:0")
        .unwrap();
    let address = listener.local_addr().unwrap();
    let waiting = std::net::TcpStream::connect(address).unwrap();
    // Until the kernel has counted it.
    let port = format!(":{:04X}", address.port());
    let is_full = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, local, _, "0A", queues, ..] => local.ends_with(&port) && queues.ends_with('1'),
        _ => false,
    };
    let table = || std::fs::read_to_string("/proc/net/tcp").unwrap();
    while !table().lines().any(is_full) {
        std::thread::yield_now();
    }
    (address, (listener, waiting))
}

#[test]
fn a_connection_that_is_not_accepted_takes_no_longer_than_allowed() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (address, _full) = silent();
            let limit = Some(Duration::from_secs(3600));
            let agent = corobin::ureq::agent_with(config().timeout_connect(limit).build());
            let begin = now();
            let result = get(&agent, &format!("http://{address}/"));
            assert!(
                matches!(result, Err(Error::Timeout(Timeout::Connect))),
                "{result:?}"
            );
            assert!(now() - begin > Duration::from_secs(60));
        },
    );
}

/// A limit is shared by the addresses, so one that is silent leaves time for the next.
#[test]
fn an_address_that_is_silent_does_not_take_all_the_time() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (silent, _full) = silent();
            let limit = Duration::from_secs(600);
            let config = config().timeout_connect(Some(limit)).build();
            let connector = corobin::ureq::Connector::default();
            // The kernel refuses a group of receivers at once.
            let group = SocketAddr::from(([224, 0, 0, 1], 1));
            let agent = Agent::with_parts(config, connector, These(vec![silent, group]));
            let begin = now();
            let result = get(&agent, "http://somewhere/");
            assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
            assert!(now() - begin <= limit / 2);
        },
    );
}

#[test]
fn a_proxy_is_asked_to_connect() {
    on_each(|| {
        let server = Server::start(|_, stream| answer(stream, b"through"));
        let target = server.address;
        let asked = Rc::new(Cell::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let was_asked = Rc::clone(&asked);
        spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let text = head(&mut client).unwrap();
            assert!(text.starts_with(&format!("CONNECT {target} ")), "{text}");
            was_asked.set(true);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let server = TcpStream::connect(target).unwrap();
            let (mut there, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            spawn(move || corobin::io::copy(&mut there, &mut (&server)).map(drop));
            corobin::io::copy(&mut back, &mut client).unwrap();
        });
        let proxied = config().proxy(Some(Proxy::new(&proxy).unwrap())).build();
        let agent = corobin::ureq::agent_with(proxied);
        assert_eq!(get(&agent, &server.url("")).unwrap(), "through");
        assert!(asked.get());
    });
}

/// Passing by a proxy would tell the server who asks.
#[test]
fn a_proxy_of_another_kind_is_refused() {
    on_each(|| {
        let server = Server::start(|_, stream| answer(stream, b"reached"));
        let socks = Proxy::new("socks5://127.0.0.1:1").unwrap();
        let agent = corobin::ureq::agent_with(config().proxy(Some(socks)).build());
        match get(&agent, &server.url("")) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::Unsupported),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.connections(), 0);
    });
}

/// Without a feature of ureq's for TLS, nothing is sent in the clear instead.
#[test]
fn https_without_tls_is_an_error() {
    on_each(|| {
        let server = Server::start(|_, stream| answer(stream, b"reached"));
        let url = server.url("").replace("http:", "https:");
        let result = get(&agent(), &url);
        assert!(matches!(result, Err(Error::TlsRequired)), "{result:?}");
    });
}
