//! `AsyncRead` and `AsyncWrite` of tokio, without its runtime.
#![cfg(feature = "tokio")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/polls.rs"]
mod polls;
#[path = "common/tokio_streams.rs"]
mod tokio_streams;

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use backends::on_each;
use corobin::net::{ReadHalf, Shutdown, TcpStream, UnixStream, WriteHalf};
use corobin::{JoinError, block_on, gather, spawn, yield_now};
use polls::{poll_once, tcp_pair, unix_pair, wait_until};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_streams::{alone, on_each_kind};

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 % 251) as u8).collect()
}

#[test]
fn smoke() {
    on_each_kind(|(mut one, mut two)| {
        let echo = spawn(move || {
            block_on(async {
                let mut word = [0; 5];
                AsyncReadExt::read_exact(&mut two, &mut word).await.unwrap();
                AsyncWriteExt::write_all(&mut two, &word).await.unwrap();
            });
        });
        block_on(async {
            AsyncWriteExt::write_all(&mut one, b"hello").await.unwrap();
            let mut word = [0; 5];
            AsyncReadExt::read_exact(&mut one, &mut word).await.unwrap();
            assert_eq!(&word, b"hello");
        });
        echo.join().unwrap();
    });
}

#[test]
fn the_halves_have_the_traits_of_their_direction() {
    fn reads<T: AsyncRead + Unpin>() {}
    fn writes<T: AsyncWrite + Unpin>() {}
    reads::<ReadHalf<TcpStream>>();
    reads::<ReadHalf<UnixStream>>();
    writes::<WriteHalf<TcpStream>>();
    writes::<WriteHalf<UnixStream>>();
}

/// Everything that a stream says, back to it, and the end as well.
async fn echo(reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin) -> u64 {
    let (mut reader, mut writer) = (reader, writer);
    let count = tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
    count
}

#[test]
fn megabytes_are_echoed_while_one_coroutine_writes_and_reads() {
    const SIZE: usize = 3_000_000;
    let data = pattern(SIZE);
    on_each(|| {
        let (one, two) = tcp_pair();
        let (reader, writer) = two.split();
        let server = spawn(move || block_on(echo(reader, writer)));
        let (mut reader, mut writer) = one.split();
        let mut got = Vec::new();
        block_on(async {
            let write = async {
                AsyncWriteExt::write_all(&mut writer, &data).await.unwrap();
                AsyncWriteExt::shutdown(&mut writer).await.unwrap();
            };
            let read = AsyncReadExt::read_to_end(&mut reader, &mut got);
            let ((), read) = tokio::join!(write, read);
            assert_eq!(read.unwrap(), SIZE);
        });
        assert!(got == data);
        assert_eq!(server.join().unwrap(), SIZE as u64);
    });
    on_each_kind(|(one, two)| {
        let (reader, writer) = tokio::io::split(two);
        let server = spawn(move || block_on(echo(reader, writer)));
        let (mut reader, mut writer) = tokio::io::split(one);
        let mut got = vec![0; SIZE];
        block_on(async {
            let write = async { writer.write_all(&data).await.unwrap() };
            let read = async { reader.read_exact(&mut got).await.unwrap() };
            tokio::join!(write, read);
            writer.shutdown().await.unwrap();
        });
        assert!(got == data);
        assert_eq!(server.join().unwrap(), SIZE as u64);
    });
}

#[test]
fn a_read_that_waits_does_not_keep_a_write_from_waiting() {
    on_each_kind(|(one, mut two)| {
        let (mut reader, mut writer) = tokio::io::split(one);
        let data = pattern(2_000_000);
        let copy = data.clone();
        // It reads before it answers, so neither of the two can be first to the end.
        let peer = spawn(move || {
            let mut got = vec![0; copy.len()];
            Read::read_exact(&mut two, &mut got).unwrap();
            assert!(got == copy);
            Write::write_all(&mut two, b"thanks").unwrap();
        });
        block_on(async {
            let mut word = [0; 6];
            let (read, write) = tokio::join!(reader.read_exact(&mut word), writer.write_all(&data));
            write.and(read).unwrap();
            assert_eq!(&word, b"thanks");
        });
        peer.join().unwrap();
    });
}

#[test]
fn vectored_writes_arrive_as_one() {
    on_each_kind(|(mut one, mut two)| {
        assert!(AsyncWrite::is_write_vectored(&one));
        let parts = [b"one, ".as_slice(), b"", b"two, ", b"three"].map(IoSlice::new);
        let count = block_on(AsyncWriteExt::write_vectored(&mut one, &parts)).unwrap();
        assert_eq!(count, 15);
        let mut text = [0; 15];
        Read::read_exact(&mut two, &mut text).unwrap();
        assert_eq!(&text, b"one, two, three");
    });
}

#[test]
fn an_empty_buffer_need_not_wait() {
    on_each_kind(|(mut one, _two)| {
        block_on(async {
            assert_eq!(AsyncReadExt::read(&mut one, &mut []).await.unwrap(), 0);
            assert_eq!(AsyncWriteExt::write(&mut one, &[]).await.unwrap(), 0);
        });
    });
}

#[test]
fn a_read_that_loses_against_others_loses_no_byte() {
    const SIZE: usize = 20_000;
    on_each_kind(|(mut one, mut two)| {
        let data = pattern(SIZE);
        let copy = data.clone();
        let writer = spawn(move || {
            for part in copy.chunks(37) {
                Write::write_all(&mut two, part).unwrap();
                yield_now();
            }
        });
        let (mut got, mut lost) = (Vec::new(), 0);
        while got.len() < SIZE {
            block_on(async {
                let mut buf = [0; 64];
                let other = spawn(yield_now);
                tokio::select! {
                    _ = other => lost += 1,
                    read = AsyncReadExt::read(&mut one, &mut buf) => {
                        let count = read.unwrap();
                        assert!(count > 0);
                        got.extend_from_slice(&buf[..count]);
                    }
                }
            });
        }
        assert!(lost > 0, "the read has always won");
        assert!(got == data);
        writer.join().unwrap();
    });
}

#[test]
fn only_the_last_waker_is_called_and_once() {
    on_each_kind(|(mut one, mut two)| {
        let mut buf = [0; 8];
        let mut read = Box::pin(AsyncReadExt::read(&mut one, &mut buf));
        let (poll, first) = poll_once(&mut read);
        assert!(poll.is_pending());
        yield_now();
        let (poll, second) = poll_once(&mut read);
        assert!(poll.is_pending());
        Write::write_all(&mut two, b"x").unwrap();
        wait_until(|| second.get() > 0);
        alone();
        assert_eq!((first.get(), second.get()), (0, 1));
        assert!(matches!(poll_once(&mut read).0, Poll::Ready(Ok(1))));
    });
}

#[test]
fn the_end_of_the_peer_wakes_a_read() {
    on_each_kind(|(mut one, two)| {
        let read = spawn(move || block_on(async { AsyncReadExt::read(&mut one, &mut [0]).await }));
        yield_now();
        drop(two);
        assert_eq!(read.join().unwrap().unwrap(), 0);
    });
}

#[test]
fn a_write_after_the_end_is_an_error_and_no_signal() {
    on_each_kind(|(mut one, mut two)| {
        block_on(async {
            AsyncWriteExt::flush(&mut one).await.unwrap();
            AsyncWriteExt::shutdown(&mut one).await.unwrap();
            let error = AsyncWriteExt::write(&mut one, b"late").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
        assert_eq!(Read::read(&mut two, &mut [0]).unwrap(), 0);
    });
}

#[test]
fn timeouts_of_the_stream_are_not_for_futures() {
    on_each(|| {
        let (mut one, mut two) = tcp_pair();
        one.set_read_timeout(Some(Duration::from_nanos(1))).unwrap();
        one.set_nonblocking(true).unwrap();
        let read = spawn(move || block_on(one.read_u8()));
        corobin::sleep(Duration::from_millis(5));
        Write::write_all(&mut two, b"x").unwrap();
        assert_eq!(read.join().unwrap().unwrap(), b'x');
    });
}

#[test]
fn polls_that_always_succeed_let_others_have_their_turn() {
    on_each(|| {
        let (mut flood, mut flooded) = unix_pair();
        let (quiet, mut peer) = unix_pair();
        let received = Rc::new(Cell::new(0));
        let count = Rc::clone(&received);
        let writer = spawn(move || {
            block_on(async {
                loop {
                    AsyncWriteExt::write_all(&mut flood, &[0; 4096])
                        .await
                        .unwrap();
                }
            });
        });
        let reader = spawn(move || {
            block_on(async {
                let mut buf = [0; 64];
                loop {
                    count.set(
                        count.get() + AsyncReadExt::read(&mut flooded, &mut buf).await.unwrap(),
                    );
                }
            });
        });
        let echo = spawn(move || {
            for _ in 0..100 {
                let mut byte = [0];
                (&quiet).read_exact(&mut byte).unwrap();
                (&quiet).write_all(&byte).unwrap();
            }
        });
        let mut most = 0;
        for _ in 0..100 {
            let before = received.get();
            Write::write_all(&mut peer, b"x").unwrap();
            Read::read_exact(&mut peer, &mut [0]).unwrap();
            most = most.max(received.get() - before);
        }
        echo.join().unwrap();
        // A bound on turns, not on time.
        assert!(most < 64 * 64 * 64, "{most} bytes went first");
        assert!(received.get() > 0);
        writer.cancel();
        reader.cancel();
    });
}

#[test]
fn a_future_that_never_waits_is_cancelled() {
    on_each(|| {
        let (mut one, mut two) = unix_pair();
        let reads = Rc::new(Cell::new(0));
        let count = Rc::clone(&reads);
        let reader = spawn(move || {
            block_on(async {
                loop {
                    AsyncWriteExt::write_all(&mut two, b"x").await.unwrap();
                    one.read_u8().await.unwrap();
                    count.set(count.get() + 1);
                }
            })
        });
        while reads.get() < 1000 {
            yield_now();
        }
        reader.cancel();
        assert!(matches!(reader.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_thousand_streams_wait_at_once() {
    const PAIRS: u64 = 500;
    on_each(|| {
        let mut asks = Vec::new();
        let mut answers = Vec::new();
        for number in 0..PAIRS {
            let (mut one, two) = unix_pair();
            let (reader, writer) = two.split();
            answers.push(spawn(move || block_on(echo(reader, writer))));
            asks.push(spawn(move || {
                block_on(async {
                    for round in 0..4 {
                        one.write_u64(number + round).await.unwrap();
                        assert_eq!(one.read_u64().await.unwrap(), number + round);
                    }
                });
            }));
        }
        gather(asks).unwrap();
        let counts = gather(answers).unwrap();
        assert!(counts.iter().all(|&count| count == 4 * 8));
        alone();
    });
}

#[test]
fn outside_of_a_runtime_only_what_waits_panics() {
    let (mut one, mut two) = unix_pair();
    let ready = block_on(async {
        AsyncWriteExt::write_all(&mut one, b"hello").await?;
        let mut word = [0; 5];
        AsyncReadExt::read_exact(&mut two, &mut word).await?;
        std::io::Result::Ok(word)
    });
    assert_eq!(&ready.unwrap(), b"hello");
    let waits = AssertUnwindSafe(|| block_on(two.read_u8()));
    let payload = catch_unwind(waits).unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("needs a runtime"), "{text}");
}

#[test]
fn a_peer_that_is_gone_needs_no_end() {
    on_each(|| {
        let (mut one, two) = tcp_pair();
        two.set_linger(Some(Duration::ZERO)).unwrap();
        drop(two);
        block_on(async {
            let error = AsyncReadExt::read(&mut one, &mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            AsyncWriteExt::shutdown(&mut one).await.unwrap();
        });
    });
}

#[test]
fn a_shut_down_stream_wakes_its_own_read() {
    on_each(|| {
        let (one, _two) = tcp_pair();
        let (mut reader, writer) = one.split();
        let read = spawn(move || block_on(AsyncReadExt::read(&mut reader, &mut [0])));
        yield_now();
        yield_now();
        writer.stream().shutdown(Shutdown::Both).unwrap();
        assert_eq!(read.join().unwrap().unwrap(), 0);
    });
}
