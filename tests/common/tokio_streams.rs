//! Pairs of streams with tokio's traits.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use corobin::net::{TcpStream, UnixStream};
use corobin::snapshot;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::backends::on_each;
use super::polls::{begin, tcp_pair, unix_pair, wait_until};

/// Both kinds of streams, under one roof.
pub trait Both: AsyncRead + AsyncWrite + Read + Write + Unpin + AsRawFd + 'static {}
impl Both for TcpStream {}
impl Both for UnixStream {}
pub type Pair = (Box<dyn Both>, Box<dyn Both>);

/// Runs `f` on every backend with a pair of each kind.
pub fn on_each_kind(f: impl Fn(Pair)) {
    on_each(|| {
        let (one, two) = tcp_pair();
        f((Box::new(one), Box::new(two)));
        let (one, two) = unix_pair();
        f((Box::new(one), Box::new(two)));
    });
}

/// Lets those go who were cancelled.
pub fn alone() {
    wait_until(|| snapshot().coroutines.len() == 1);
}

/// A read that has begun, and waits.
pub fn begin_read(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buf = [0; 8];
    begin(&mut Box::pin(stream.read(&mut buf)));
}
