//! The servers. Each tells its address and serves until it is killed.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::thread;

use corobin::IoBackend;
use rustix::event::epoll::{self, EventData, EventFlags};

pub const NAMES: &[&str] = &[
    "tokio",
    "epoll",
    "corobin-poll",
    "corobin-ring",
    "compio",
    "monoio",
    "may",
    "threads",
];

pub fn serve(name: &str, size: usize) {
    let fd = listener();
    println!("{}", fd.local_addr().expect("an address"));
    match size {
        0..=4096 => serve_with::<4096>(name, fd),
        _ => serve_with::<16384>(name, fd),
    }
}

fn listener() -> TcpListener {
    let listener = corobin::net::SocketOptions::new()
        .backlog(4096)
        .listen("127.0.0.1:0")
        .expect("a port");
    listener.into()
}

/// `SIZE` is that of the buffer of each connection.
fn serve_with<const SIZE: usize>(name: &str, listener: TcpListener) {
    match name {
        "tokio" => tokio::<SIZE>(listener),
        "epoll" => epoll_loop::<SIZE>(listener),
        "corobin-poll" => corobin::<SIZE>(listener, IoBackend::Poll),
        "corobin-ring" => corobin::<SIZE>(listener, IoBackend::IoUring),
        "compio" => compio::<SIZE>(listener),
        "monoio" => monoio::<SIZE>(listener),
        "may" => may::<SIZE>(listener),
        "threads" => threads::<SIZE>(listener),
        name => panic!("no server {name}"),
    }
}

fn corobin<const SIZE: usize>(listener: TcpListener, backend: IoBackend) {
    let mut runtime = corobin::Runtime::builder()
        .io_backend(backend)
        .stack_size(32 << 10)
        .build()
        .expect("a runtime");
    runtime.run(|| {
        let listener = corobin::net::TcpListener::from(listener);
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            corobin::spawn(move || -> std::io::Result<()> {
                let mut buf = [0; SIZE];
                loop {
                    match stream.read(&mut buf)? {
                        0 => return Ok(()),
                        count => stream.write_all(&buf[..count])?,
                    }
                }
            });
        }
    });
}

fn tokio<const SIZE: usize>(listener: TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("an option");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            tokio::spawn(async move {
                let mut buf = [0; SIZE];
                loop {
                    match stream.read(&mut buf).await? {
                        0 => return std::io::Result::Ok(()),
                        count => stream.write_all(&buf[..count]).await?,
                    }
                }
            });
        }
    });
}

/// What one would write by hand: level-triggered, one read and one write for each
/// event. It does not wait for room to write, which these loads do not need at 64
/// bytes.
fn epoll_loop<const SIZE: usize>(listener: TcpListener) {
    const LISTENER: u64 = u64::MAX;
    struct Connection {
        stream: std::net::TcpStream,
        rest: Vec<u8>,
    }
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    listener.set_nonblocking(true).expect("an option");
    let data = EventData::new_u64(LISTENER);
    epoll::add(&epoll, &listener, data, EventFlags::IN).expect("room");
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = vec![MaybeUninit::uninit(); 1024];
    let mut buf = [0; SIZE];
    loop {
        let (told, _) = epoll::wait(&epoll, &mut events[..], None).expect("events");
        for event in told {
            let at = event.data.u64();
            if at == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).expect("an option");
                    stream.set_nodelay(true).expect("an option");
                    let at = connections.len() as u64;
                    let flags = EventFlags::IN;
                    epoll::add(&epoll, &stream, EventData::new_u64(at), flags).expect("room");
                    let rest = Vec::new();
                    connections.push(Some(Connection { stream, rest }));
                }
                continue;
            }
            let place = &mut connections[at as usize];
            let Some(connection) = place else { continue };
            let goes_on = (|| {
                if !connection.rest.is_empty() {
                    let count = connection.stream.write(&connection.rest)?;
                    connection.rest.drain(..count);
                    if connection.rest.is_empty() {
                        let data = EventData::new_u64(at);
                        epoll::modify(&epoll, &connection.stream, data, EventFlags::IN)?;
                    }
                    return Ok(true);
                }
                let got = connection.stream.read(&mut buf)?;
                let sent = match connection.stream.write(&buf[..got]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    result => result?,
                };
                if sent < got {
                    connection.rest.extend_from_slice(&buf[sent..got]);
                    let data = EventData::new_u64(at);
                    epoll::modify(&epoll, &connection.stream, data, EventFlags::OUT)?;
                }
                std::io::Result::Ok(got > 0)
            })();
            if !matches!(goes_on, Ok(true)) {
                *place = None;
            }
        }
    }
}

fn compio<const SIZE: usize>(listener: TcpListener) {
    use compio::io::{AsyncRead, AsyncWriteExt};
    let mut builder = compio::runtime::RuntimeBuilder::new();
    let mut proactor = compio::driver::ProactorBuilder::new();
    proactor.coop_taskrun(true).taskrun_flag(true);
    builder.with_proactor(proactor);
    builder.build().expect("a runtime").block_on(async {
        let listener = compio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            compio::runtime::spawn(async move {
                let mut buf = Vec::with_capacity(SIZE);
                loop {
                    buf.clear();
                    let result = stream.read(buf).await;
                    buf = result.1;
                    if result.0.is_err() || buf.is_empty() {
                        break;
                    }
                    let result = stream.write_all(buf).await;
                    buf = result.1;
                    if result.0.is_err() {
                        break;
                    }
                }
            })
            .detach();
        }
    });
}

fn monoio<const SIZE: usize>(listener: TcpListener) {
    use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .with_entries(4096)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = monoio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            monoio::spawn(async move {
                let mut buf = Vec::with_capacity(SIZE);
                loop {
                    buf.clear();
                    let result = stream.read(buf).await;
                    buf = result.1;
                    if !matches!(result.0, Ok(1..)) {
                        break;
                    }
                    let result = stream.write_all(buf).await;
                    buf = result.1;
                    if result.0.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

fn may<const SIZE: usize>(listener: TcpListener) {
    may::config().set_workers(1).set_stack_size(8 << 10);
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let listener = may::net::TcpListener::bind(address).expect("the same port");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let serve = move || {
            let mut buf = vec![0; SIZE];
            while let Ok(count @ 1..) = stream.read(&mut buf) {
                if stream.write_all(&buf[..count]).is_err() {
                    break;
                }
            }
        };
        // SAFETY: it uses no thread-local and little stack.
        let _ = unsafe { may::coroutine::spawn(serve) };
    }
}

fn threads<const SIZE: usize>(listener: TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let serve = move || {
            let mut buf = [0; SIZE];
            while let Ok(count @ 1..) = stream.read(&mut buf) {
                if stream.write_all(&buf[..count]).is_err() {
                    break;
                }
            }
        };
        let builder = thread::Builder::new().stack_size(64 << 10);
        builder.spawn(serve).expect("a thread");
    }
}
