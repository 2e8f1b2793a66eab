//! hyper on our streams: servers and clients, each connection in a coroutine.
#![cfg(feature = "hyper")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/polls.rs"]
mod polls;
#[path = "common/tools.rs"]
mod tools;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Mutex, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use backends::{on_each, on_each_with};
use corobin::net::{ReadHalf, TcpListener, TcpStream, UnixStream, WriteHalf};
use corobin::sync::Event;
use corobin::{block_on, gather, sleep, spawn, timeout, yield_now};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use polls::{LONG, tcp_pair, unix_pair, wait_until};
use tools::{has, output};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

/// A body of so many pieces.
struct Pieces(u32);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        // A body may block its coroutine.
        yield_now();
        let piece = vec![self.0 as u8; 1000];
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    Ok(Response::new(request.into_body()))
}

async fn path(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(request.uri().path().to_owned()))
}

/// Calls `serve` in a coroutine for each connection.
fn listen(serve: impl Fn(TcpStream) + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            spawn(move || serve(stream));
        }
    });
    address
}

/// A client's end of a connection, which another coroutine runs.
fn client<S, B>(stream: S) -> SendRequest<B>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + 'static,
{
    let (sender, connection) = block_on(hyper::client::conn::http1::handshake(stream)).unwrap();
    spawn(move || block_on(connection));
    sender
}

fn get(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_streams_and_their_halves_have_the_traits() {
    fn reads<T: hyper::rt::Read + Unpin>() {}
    fn writes<T: hyper::rt::Write + Unpin>() {}
    reads::<TcpStream>();
    reads::<UnixStream>();
    reads::<ReadHalf<TcpStream>>();
    reads::<ReadHalf<UnixStream>>();
    writes::<TcpStream>();
    writes::<UnixStream>();
    writes::<WriteHalf<TcpStream>>();
    writes::<WriteHalf<UnixStream>>();
    let (one, _two) = corobin::run(unix_pair);
    assert!(hyper::rt::Write::is_write_vectored(&one));
}

#[test]
fn requests_share_a_connection() {
    on_each(|| {
        let connections = Rc::new(Cell::new(0));
        let count = Rc::clone(&connections);
        let address = listen(move |stream| {
            count.set(count.get() + 1);
            block_on(http1::Builder::new().serve_connection(stream, service_fn(path))).unwrap();
        });
        let mut sender = client(TcpStream::connect(address).unwrap());
        for number in 0..100 {
            let path = format!("/{number}");
            let answer =
                block_on(async { text(sender.send_request(get(&path)).await.unwrap()).await });
            assert_eq!(answer, path);
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn connections_are_served_at_once() {
    on_each(|| {
        let address = listen(|stream| {
            block_on(http1::Builder::new().serve_connection(stream, service_fn(path))).unwrap();
        });
        let clients = (0..50).map(|client_number| {
            spawn(move || {
                let mut sender = client(TcpStream::connect(address).unwrap());
                for number in 0..10 {
                    let path = format!("/{client_number}/{number}");
                    let answer = block_on(sender.send_request(get(&path))).unwrap();
                    assert_eq!(block_on(text(answer)), path);
                }
            })
        });
        gather(clients.collect::<Vec<_>>()).unwrap();
    });
}

#[test]
fn bodies_stream_both_ways_at_once() {
    const PIECES: u32 = 3000;
    on_each(|| {
        let address = listen(|stream| {
            block_on(http1::Builder::new().serve_connection(stream, service_fn(echo))).unwrap();
        });
        let mut sender = client(TcpStream::connect(address).unwrap());
        for _ in 0..2 {
            let request = Request::post("/").body(Pieces(PIECES)).unwrap();
            let mut response = block_on(sender.send_request(request)).unwrap();
            let mut got = 0;
            while let Some(frame) = block_on(response.frame()) {
                for &byte in &frame.unwrap().into_data().unwrap() {
                    assert_eq!(u32::from(byte), (PIECES - 1 - got / 1000) % 256);
                    got += 1;
                }
            }
            assert_eq!(got, PIECES * 1000);
        }
    });
}

#[test]
fn a_body_that_nobody_reads_is_held_back() {
    const PIECE: usize = 64 << 10;
    struct Endless(Rc<Cell<usize>>);
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.set(self.0.get() + PIECE);
            Poll::Ready(Some(Ok(Frame::data(vec![0; PIECE].into()))))
        }
    }
    on_each(|| {
        let sent = Rc::new(Cell::new(0));
        let count = Rc::clone(&sent);
        let (mut near, far) = unix_pair();
        let server = spawn(move || {
            let service = service_fn(|_| {
                let body = Endless(Rc::clone(&count));
                async { Ok::<_, Infallible>(Response::new(body)) }
            });
            block_on(http1::Builder::new().serve_connection(far, service))
        });
        near.write_all(REQUEST).unwrap();
        near.read_exact(&mut [0; PIECE]).unwrap();
        let mut before = usize::MAX;
        while before != sent.get() {
            before = sent.get();
            sleep(Duration::from_millis(20));
        }
        drop(near);
        assert!(server.join().unwrap().is_err());
    });
}

#[test]
fn a_service_may_block_its_connection_and_share_what_is_not_send() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let log = Rc::new(RefCell::new(Vec::new()));
            let begin = corobin::now();
            let clients = (0..10).map(|_| {
                let (near, far) = unix_pair();
                let log = Rc::clone(&log);
                spawn(move || {
                    let service = service_fn(|request: Request<Incoming>| {
                        let log = Rc::clone(&log);
                        async move {
                            sleep(Duration::from_secs(1));
                            log.borrow_mut().push(request.uri().path().to_owned());
                            Ok::<_, Infallible>(Response::new(String::new()))
                        }
                    });
                    block_on(http1::Builder::new().serve_connection(far, service))
                });
                spawn(move || {
                    let mut sender = client(near);
                    block_on(sender.send_request(get("/slow"))).unwrap();
                })
            });
            gather(clients.collect::<Vec<_>>()).unwrap();
            assert_eq!(*log.borrow(), ["/slow"; 10]);
            assert_eq!(corobin::now(), begin + Duration::from_secs(1));
        },
    );
}

/// Serves until `stop` is true; then what has begun ends, and nothing more begins.
fn serve_until(stream: UnixStream, stop: Rc<Event>) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| async move {
        sleep(Duration::from_secs(10));
        Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(stream, service));
    let mut stopped = Some(spawn(move || stop.wait()));
    block_on(poll_fn(|context| {
        if let Some(handle) = &mut stopped
            && Pin::new(handle).poll(context).is_ready()
        {
            stopped = None;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    }))
}

#[test]
fn a_graceful_shutdown_lets_requests_end_and_closes_what_is_idle() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let stop = Rc::new(Event::new());
            let [(busy, far), (mut idle, other)] = [unix_pair(), unix_pair()];
            let ends = [far, other].map(|stream| {
                let stop = Rc::clone(&stop);
                spawn(|| serve_until(stream, stop))
            });
            let mut busy = client(busy);
            let answer = spawn(move || {
                let answer = block_on(busy.send_request(get("/busy"))).unwrap();
                let answer = block_on(text(answer));
                // The connection is over now.
                assert!(block_on(busy.send_request(get("/late"))).is_err());
                answer
            });
            sleep(Duration::from_secs(5));
            stop.set();
            assert_eq!(idle.read(&mut [0]).unwrap(), 0);
            assert_eq!(answer.join().unwrap(), "/busy");
            for end in gather(ends).unwrap() {
                end.unwrap();
            }
        },
    );
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    const LIMIT: Duration = Duration::from_secs(30);
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (mut near, far) = unix_pair();
            let server = spawn(move || {
                block_on(
                    http1::Builder::new()
                        .timer(corobin::hyper::Timer)
                        .header_read_timeout(LIMIT)
                        .serve_connection(far, service_fn(path)),
                )
            });
            // In time, with the end of each request beginning another limit.
            for _ in 0..5 {
                let begin = corobin::now();
                near.write_all(b"GET / HTTP/1.1\r\n").unwrap();
                sleep(LIMIT - Duration::from_secs(1));
                near.write_all(b"Host: here\r\n\r\n").unwrap();
                let mut answer = [0; 1024];
                let count = near.read(&mut answer).unwrap();
                let answer = String::from_utf8_lossy(&answer[..count]);
                assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
                assert_eq!(corobin::now(), begin + LIMIT - Duration::from_secs(1));
            }
            let begin = corobin::now();
            near.write_all(b"GET / HTTP/1.1\r\n").unwrap();
            assert!(server.join().unwrap().unwrap_err().is_timeout());
            assert_eq!(corobin::now(), begin + LIMIT);
        },
    );
}

#[test]
fn requests_over_http2_run_at_once() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (near, far) = unix_pair();
            spawn(move || {
                let service = service_fn(|request: Request<Incoming>| async move {
                    // Each in a coroutine of its own.
                    sleep(Duration::from_secs(1));
                    Ok::<_, Infallible>(Response::new(request.into_body()))
                });
                let executor = corobin::hyper::Executor;
                let mut builder = http2::Builder::new(executor);
                block_on(
                    builder
                        .timer(corobin::hyper::Timer)
                        .keep_alive_interval(Duration::from_secs(20))
                        .serve_connection(far, service),
                )
            });
            let handshake = hyper::client::conn::http2::handshake(corobin::hyper::Executor, near);
            let (sender, connection) = block_on(handshake).unwrap();
            spawn(move || block_on(connection));
            let begin = corobin::now();
            let requests = (0..50).map(|number: usize| {
                let mut sender = sender.clone();
                spawn(move || {
                    let body = number.to_string().repeat(10_000);
                    let request = Request::post("/").body(body.clone()).unwrap();
                    let answer = block_on(sender.send_request(request)).unwrap();
                    assert!(block_on(text(answer)) == body);
                })
            });
            gather(requests.collect::<Vec<_>>()).unwrap();
            assert_eq!(corobin::now(), begin + Duration::from_secs(1));
        },
    );
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Records;

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Error {
            LOGGED.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_service_that_panics_takes_only_its_connection_along() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Records).unwrap();
        log::set_max_level(log::LevelFilter::Error);
    });
    async fn panics(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
        assert!(request.uri().path() != "/bad", "no way to serve this");
        path(request).await
    }
    fn has_logged(count: usize) -> bool {
        let logged = LOGGED.lock().unwrap();
        let matching = logged
            .iter()
            .filter(|text| text.contains("no way to serve this"));
        matching.count() == count
    }
    let count = Cell::new(0);
    on_each(|| {
        let address = listen(|stream| {
            block_on(http1::Builder::new().serve_connection(stream, service_fn(panics))).unwrap();
        });
        let mut other = client(TcpStream::connect(address).unwrap());
        let mut sender = client(TcpStream::connect(address).unwrap());
        assert!(block_on(sender.send_request(get("/bad"))).is_err());
        let answer = block_on(other.send_request(get("/good"))).unwrap();
        assert_eq!(block_on(text(answer)), "/good");
        count.set(count.get() + 1);
        wait_until(|| has_logged(count.get()));

        // Over HTTP/2 it takes only the request along.
        let (near, far) = tcp_pair();
        spawn(move || {
            let builder = http2::Builder::new(corobin::hyper::Executor);
            block_on(builder.serve_connection(far, service_fn(panics)))
        });
        let handshake = hyper::client::conn::http2::handshake(corobin::hyper::Executor, near);
        let (mut sender, connection) = block_on(handshake).unwrap();
        spawn(move || block_on(connection));
        assert!(block_on(sender.send_request(get("/bad"))).is_err());
        let answer = block_on(sender.send_request(get("/good"))).unwrap();
        assert_eq!(block_on(text(answer)), "/good");
        count.set(count.get() + 1);
        wait_until(|| has_logged(count.get()));
    });
}

#[test]
fn a_cancelled_connection_closes_its_stream() {
    on_each(|| {
        let (mut near, far) = tcp_pair();
        let server =
            spawn(move || block_on(http1::Builder::new().serve_connection(far, service_fn(path))));
        near.write_all(REQUEST).unwrap();
        near.read_exact(&mut [0; 12]).unwrap();
        server.cancel();
        assert!(server.join().is_err());
        let rest = timeout(LONG, || near.read_to_end(&mut Vec::new()));
        rest.unwrap().unwrap();
    });
}

#[test]
fn curl_gets_and_posts() {
    if !has("curl") {
        return;
    }
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let post = ["-sS", "-H", "Expect:", "--data-binary", "@-"];
    on_each(|| {
        let url = |address: SocketAddr| format!("http://{address}/");
        let http1 = url(listen(|stream| {
            block_on(http1::Builder::new().serve_connection(stream, service_fn(echo))).unwrap();
        }));
        let got = output("curl", &[&post[..], &[&http1]].concat(), &body);
        assert!(got == body);
        let got = output("curl", &["-sS", "-w", "%{http_code}", &http1, &http1], b"");
        assert_eq!(got, b"200200");

        let http2 = url(listen(|stream| {
            let builder = http2::Builder::new(corobin::hyper::Executor);
            block_on(builder.serve_connection(stream, service_fn(echo))).unwrap();
        }));
        let got = output(
            "curl",
            &[&post[..], &["--http2-prior-knowledge", &http2]].concat(),
            &body,
        );
        assert!(got == body);
    });
}

#[test]
fn who_is_executed_was_spawned_there() {
    corobin::run(|| {
        hyper::rt::Executor::execute(&corobin::hyper::Executor, async { yield_now() });
        let snapshot = corobin::snapshot();
        let mut places = snapshot
            .coroutines
            .iter()
            .map(|info| info.spawned_at.file());
        assert!(places.all(|file| file == file!()));
        assert_eq!(snapshot.coroutines.len(), 2);
    });
}
