//! The servers. Each tells its address and serves until it is killed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use corobin::IoBackend;

use crate::bare;

pub const NAMES: &[&str] = &[
    "tokio",
    "epoll",
    "epoll+ring",
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
        "epoll" => bare::epoll_loop::<SIZE>(listener),
        "epoll+ring" => bare::ring_loop::<SIZE>(listener),
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
            stream.set_nodelay(true).expect("an option");
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
