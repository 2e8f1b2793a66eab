//! `AsyncRead` and `AsyncWrite` of futures-io.
#![cfg(feature = "futures-io")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/polls.rs"]
mod polls;

use std::io::{self, IoSlice, IoSliceMut};
use std::time::Duration;

use backends::{on_each, on_each_with};
use corobin::net::{ReadHalf, TcpStream, UnixStream, WriteHalf};
use corobin::{Elapsed, JoinError, block_on, spawn, timeout, yield_now};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::future::{Either, join, join_all, select};
use futures_util::io::{AsyncReadExt, AsyncWriteExt, copy};
use polls::{begin, tcp_pair, unix_pair, wait_until};

#[test]
fn the_streams_and_their_halves_have_the_traits() {
    fn reads<T: AsyncRead + Unpin>() {}
    fn writes<T: AsyncWrite + Unpin>() {}
    reads::<TcpStream>();
    reads::<UnixStream>();
    reads::<ReadHalf<TcpStream>>();
    reads::<ReadHalf<UnixStream>>();
    writes::<TcpStream>();
    writes::<UnixStream>();
    writes::<WriteHalf<TcpStream>>();
    writes::<WriteHalf<UnixStream>>();
}

/// Everything that a stream says, back to it, and the end as well.
async fn echo(reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin) -> io::Result<u64> {
    let mut writer = writer;
    let count = copy(reader, &mut writer).await?;
    writer.close().await?;
    Ok(count)
}

#[test]
fn megabytes_are_echoed_while_one_coroutine_writes_and_reads() {
    const SIZE: usize = 3_000_000;
    let data: Vec<u8> = (0..SIZE).map(|n| (n * 7 % 251) as u8).collect();
    on_each(|| {
        let (one, two) = tcp_pair();
        let (reader, writer) = two.split();
        let server = spawn(move || block_on(echo(reader, writer)));
        let (mut reader, mut writer) = AsyncReadExt::split(one);
        let mut got = Vec::new();
        let write = async {
            writer.write_all(&data).await?;
            writer.close().await
        };
        let (write, read) = block_on(join(write, reader.read_to_end(&mut got)));
        write.and(read).unwrap();
        assert!(got == data);
        assert_eq!(server.join().unwrap().unwrap(), SIZE as u64);
    });
}

#[test]
fn vectored_reads_and_writes_take_all_parts() {
    on_each(|| {
        let (mut one, mut two) = unix_pair();
        let parts = [b"one, ".as_slice(), b"", b"two"].map(IoSlice::new);
        let count = block_on(AsyncWriteExt::write_vectored(&mut one, &parts)).unwrap();
        assert_eq!(count, 8);
        let (mut first, mut second) = ([0; 3], [0; 10]);
        let mut rooms = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let count = block_on(AsyncReadExt::read_vectored(&mut two, &mut rooms)).unwrap();
        assert_eq!((count, &first, &second[..5]), (8, b"one", &b", two"[..]));
        assert_eq!(
            block_on(AsyncReadExt::read_vectored(&mut two, &mut [])).unwrap(),
            0
        );
    });
}

#[test]
fn a_read_that_loses_against_a_read_of_another_loses_no_byte() {
    on_each(|| {
        let (mut one, mut two) = unix_pair();
        let (mut other, mut far) = tcp_pair();
        for round in 0..100u8 {
            let (mut byte, mut word) = ([0], [0; 2]);
            let reads = select(
                AsyncReadExt::read_exact(&mut one, &mut word),
                AsyncReadExt::read_exact(&mut other, &mut byte),
            );
            let writer = async {
                far.write_all(&[round]).await.unwrap();
            };
            match block_on(join(reads, writer)).0 {
                Either::Left(_) => panic!("nobody has written there"),
                Either::Right((read, _)) => read.unwrap(),
            }
            assert_eq!(byte, [round]);
            block_on(async {
                two.write_all(&[round, !round]).await.unwrap();
                AsyncReadExt::read_exact(&mut one, &mut word).await.unwrap();
            });
            assert_eq!(word, [round, !round]);
        }
    });
}

#[test]
fn one_coroutine_reads_from_a_thousand_streams() {
    const COUNT: usize = 1000;
    on_each(|| {
        let (ones, twos): (Vec<_>, Vec<_>) = (0..COUNT).map(|_| unix_pair()).unzip();
        let reader = spawn(move || {
            let reads = ones.into_iter().map(|mut stream| async move {
                let mut text = String::new();
                AsyncReadExt::read_to_string(&mut stream, &mut text).await?;
                io::Result::Ok(text)
            });
            block_on(join_all(reads))
        });
        yield_now();
        yield_now();
        for (number, mut stream) in twos.into_iter().enumerate().rev() {
            let text = number.to_string();
            block_on(AsyncWriteExt::write_all(&mut stream, text.as_bytes())).unwrap();
        }
        for (number, text) in reader.join().unwrap().into_iter().enumerate() {
            assert_eq!(text.unwrap(), number.to_string());
        }
        wait_until(|| corobin::snapshot().coroutines.len() == 1);
    });
}

#[test]
fn a_select_over_many_streams_that_are_silent_does_not_spin() {
    on_each_with(
        |builder| builder.virtual_time(true),
        || {
            let (mut ones, _twos): (Vec<_>, Vec<_>) = (0..100).map(|_| unix_pair()).unzip();
            let read = |stream| async move {
                let mut byte = [0];
                AsyncReadExt::read(stream, &mut byte).await
            };
            // The time goes on only when nobody is ready.
            let reads = ones.iter_mut().map(|stream| Box::pin(read(stream)));
            let mut all = futures_util::future::select_all(reads);
            let day = Duration::from_secs(24 * 60 * 60);
            assert!(matches!(timeout(day, || block_on(&mut all)), Err(Elapsed)));
        },
    );
}

#[test]
fn a_cancel_and_a_drop_while_a_read_waits() {
    on_each(|| {
        let (mut one, mut two) = tcp_pair();
        let read = spawn(move || block_on(async { AsyncReadExt::read(&mut one, &mut [0]).await }));
        yield_now();
        yield_now();
        read.cancel();
        assert!(matches!(read.join(), Err(JoinError::Cancelled)));
        // Its stream is gone with it.
        assert_eq!(block_on(AsyncReadExt::read(&mut two, &mut [0])).unwrap(), 0);

        let (mut one, mut two) = unix_pair();
        begin(&mut AsyncReadExt::read(&mut one, &mut [0]));
        drop(one);
        assert_eq!(block_on(AsyncReadExt::read(&mut two, &mut [0])).unwrap(), 0);
    });
}
