//! Reads into no room: of a stream they give 0 at once, though nothing has come, and
//! on every backend; a packet they wait for.

#[path = "common/backends.rs"]
mod backends;

use std::io::{IoSliceMut, Read, Write};
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use corobin::{Elapsed, JoinError, spawn, timeout, yield_now};

use backends::on_each;

fn at_once<S>(mut stream: &S, peek: impl Fn(&mut [u8]) -> std::io::Result<usize>)
where
    for<'a> &'a S: Read + Write,
{
    assert_eq!(stream.read(&mut []).unwrap(), 0);
    assert_eq!(stream.read_vectored(&mut []).unwrap(), 0);
    let empty = &mut [IoSliceMut::new(&mut [])];
    assert_eq!(stream.read_vectored(empty).unwrap(), 0);
    assert_eq!(peek(&mut []).unwrap(), 0);
    assert_eq!(stream.write(&[]).unwrap(), 0);
    let mut nothing = Vec::new();
    assert_eq!(stream.take(0).read_to_end(&mut nothing).unwrap(), 0);
}

#[test]
fn nothing_of_a_stream() {
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        at_once(&stream, |buf| stream.peek(buf));
        // It has taken nothing, and has not marked the stream as exhausted.
        (&peer).write_all(b"x").unwrap();
        at_once(&stream, |buf| stream.peek(buf));
        let mut byte = [0];
        (&stream).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");

        let (stream, _peer) = UnixStream::pair().unwrap();
        at_once(&stream, |buf| stream.peek(buf));
    });
}

#[test]
fn it_is_a_suspension_point_still() {
    on_each(|| {
        let reader = spawn(|| {
            let (mut stream, _peer) = UnixStream::pair().unwrap();
            loop {
                assert_eq!(stream.read(&mut []).unwrap(), 0);
            }
        });
        yield_now();
        // It has let us run, after some of them.
        reader.cancel();
        let end: Result<(), JoinError> = reader.join();
        assert!(matches!(end, Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_packet_is_waited_for() {
    on_each(|| {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        one.connect(other.local_addr().unwrap()).unwrap();
        let none = timeout(Duration::from_millis(1), || other.recv(&mut []).unwrap());
        assert_eq!(none, Err(Elapsed));
        one.send(b"cut off").unwrap();
        one.send(b"whole").unwrap();
        assert_eq!(other.recv(&mut []).unwrap(), 0);
        let mut packet = [0; 8];
        assert_eq!(other.recv(&mut packet).unwrap(), 5);
    });
}
