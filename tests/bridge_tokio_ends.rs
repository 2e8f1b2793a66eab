//! How waiting polls end: what is dropped, cancelled, timed out, or outlives its run.
#![cfg(feature = "tokio")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/polls.rs"]
mod polls;
#[path = "common/tokio_streams.rs"]
mod tokio_streams;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use backends::{backends, on_each, on_each_with};
use corobin::net::{TcpStream, UnixStream};
use corobin::{
    Elapsed, JoinError, JoinHandle, Runtime, block_on, scope, shield, spawn, timeout, to_thread,
    yield_now,
};
use polls::{LONG, tcp_pair, unix_pair, wait_until};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio_streams::{alone, begin_read, on_each_kind};

#[test]
fn the_peer_of_a_dropped_stream_sees_the_end_although_a_read_was_begun() {
    on_each_kind(|(mut one, mut two)| {
        begin_read(&mut one);
        yield_now();
        drop(one);
        let end = timeout(LONG, || Read::read(&mut two, &mut [0]));
        assert_eq!(end.unwrap().unwrap(), 0);
        alone();
    });
    // The same for a peer elsewhere, while nothing else happens here.
    on_each(|| {
        let (mut one, two) = tcp_pair();
        begin_read(&mut one);
        yield_now();
        let mut two = std::net::TcpStream::from(two);
        two.set_read_timeout(Some(LONG)).unwrap();
        drop(one);
        assert_eq!(to_thread(|| two.read(&mut [0])).unwrap(), 0);
    });
}

/// Whether this process has a descriptor of what this link in `/proc` names.
fn is_open(link: &Path) -> bool {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    links
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|other| other == link)
}

#[test]
fn a_dropped_stream_leaves_nothing_behind() {
    on_each_kind(|(mut one, _two)| {
        let number = one.as_raw_fd();
        let link = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
        begin_read(&mut one);
        yield_now();
        assert!(is_open(&link));
        drop(one);
        assert!(!is_open(&link));
        alone();
        assert!(!is_open(&link));
    });
}

#[test]
fn a_number_that_is_used_again_works() {
    on_each(|| {
        let mut again = 0;
        let mut last: Option<RawFd> = None;
        for round in 0..100 {
            let (mut one, mut two) = unix_pair();
            again += usize::from(last == Some(one.as_raw_fd()));
            last = Some(one.as_raw_fd());
            begin_read(&mut one);
            if round % 2 == 0 {
                yield_now();
            }
            Write::write_all(&mut two, b"mine").unwrap();
            let mut word = [0; 4];
            let read = timeout(LONG, || {
                block_on(AsyncReadExt::read_exact(&mut one, &mut word))
            });
            read.unwrap().unwrap();
            assert_eq!(&word, b"mine");
            if round % 3 == 0 {
                yield_now();
            }
            begin_read(&mut one);
        }
        assert!(again > 50, "the numbers were not used again");
        alone();
    });
}

#[test]
fn a_stream_that_is_given_to_std_is_left_alone() {
    on_each(|| {
        let (mut one, two) = tcp_pair();
        begin_read(&mut one);
        yield_now();
        let std = std::net::TcpStream::from(one);
        alone();
        let mut two = std::net::TcpStream::from(two);
        to_thread(|| {
            Write::write_all(&mut two, b"x").unwrap();
            (&std).read_exact(&mut [0]).unwrap();
        });
        let mut one = TcpStream::from(std);
        Write::write_all(&mut two, b"y").unwrap();
        let mut byte = [0];
        block_on(AsyncReadExt::read_exact(&mut one, &mut byte)).unwrap();
        assert_eq!(&byte, b"y");
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    on_each_kind(|(mut one, mut two)| {
        let mut word = [0; 4];
        scope(|s| {
            let read =
                s.spawn(|| block_on(async { AsyncReadExt::read(&mut one, &mut [0; 8]).await }));
            yield_now();
            yield_now();
            read.cancel();
            assert!(matches!(read.join(), Err(JoinError::Cancelled)));
        });
        Write::write_all(&mut two, b"kept").unwrap();
        block_on(AsyncReadExt::read_exact(&mut one, &mut word)).unwrap();
        assert_eq!(&word, b"kept");
    });
}

#[test]
fn a_cancel_is_met_after_a_poll_and_not_inside() {
    for has_data in [true, false] {
        on_each_kind(|(mut one, mut two)| {
            if has_data {
                Write::write_all(&mut two, b"some").unwrap();
            }
            let own: Rc<Cell<Option<JoinHandle<()>>>> = Rc::default();
            let polls = Rc::new(Cell::new(0));
            let (handle, count) = (Rc::clone(&own), Rc::clone(&polls));
            let read = spawn(move || {
                let mut room = [0; 8];
                let read = block_on(poll_fn(|context| {
                    let own = handle.take().unwrap();
                    own.cancel();
                    handle.set(Some(own));
                    let poll = Pin::new(&mut one).poll_read(context, &mut ReadBuf::new(&mut room));
                    count.set(count.get() + 1);
                    poll
                }));
                assert!(has_data && read.is_ok());
                yield_now();
                unreachable!("the cancel is met");
            });
            own.set(Some(read));
            wait_until(|| polls.get() > 0);
            let read = own.take().unwrap();
            assert!(matches!(read.join(), Err(JoinError::Cancelled)));
            assert_eq!(polls.get(), 1);
        });
    }
}

#[test]
fn a_timeout_around_a_read_loses_nothing() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (mut one, mut two) = tcp_pair();
            let day = Duration::from_secs(24 * 60 * 60);
            let begin = corobin::now();
            let read = timeout(day, || block_on(async { one.read_u8().await }));
            assert_eq!(read.map(drop), Err(Elapsed));
            assert_eq!(corobin::now(), begin + day);
            Write::write_all(&mut two, b"x").unwrap();
            assert_eq!(block_on(one.read_u8()).unwrap(), b'x');
        },
    );
}

#[test]
fn a_stream_that_outlives_a_run_does_not_hold_it_up_and_works_in_the_next() {
    for first in backends() {
        for second in backends() {
            let (mut one, mut two) = tcp_pair_of(first);
            for backend in [first, second, first] {
                let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
                runtime.run(|| {
                    begin_read(&mut one);
                    yield_now();
                    Write::write_all(&mut two, b"x").unwrap();
                    assert_eq!(block_on(one.read_u8()).unwrap(), b'x');
                    begin_read(&mut one);
                    yield_now();
                });
            }
        }
    }
}

fn tcp_pair_of(backend: corobin::IoBackend) -> (TcpStream, TcpStream) {
    let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
    runtime.run(tcp_pair)
}

/// The end of a run cancels whoever looks out; what is shielded, or a destructor, waits for
/// its stream nevertheless.
#[test]
fn what_may_still_wait_at_the_end_of_a_run_does() {
    struct ReadsLast(UnixStream, mpsc::Sender<u8>);
    impl Drop for ReadsLast {
        fn drop(&mut self) {
            let byte = block_on(self.0.read_u8()).unwrap();
            self.1.send(byte).unwrap();
        }
    }
    for backend in backends() {
        let (got, bytes) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel::<()>();
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let thread = runtime.run(|| {
            let (mut one, two) = unix_pair();
            let (last, three) = unix_pair();
            let [mut two, mut three] = [two, three].map(std::os::unix::net::UnixStream::from);
            let thread = std::thread::spawn(move || {
                // The run has ended its main coroutine, and cancels the others.
                assert!(has_ended.recv().is_err());
                two.write_all(b"1").unwrap();
                three.write_all(b"2").unwrap();
            });
            let own = got.clone();
            spawn(move || {
                let byte = shield(|| block_on(one.read_u8())).unwrap();
                own.send(byte).unwrap();
            });
            let reads_last = ReadsLast(last, got);
            spawn(move || {
                let _reads_last = reads_last;
                corobin::park();
            });
            spawn(move || {
                let _ended = ended;
                corobin::park();
            });
            yield_now();
            yield_now();
            thread
        });
        thread.join().unwrap();
        let mut bytes: Vec<u8> = bytes.iter().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, b"12");
    }
}
