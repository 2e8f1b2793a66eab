//! Polls by hand, for the tests of the bridges.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream, UnixStream};

/// Longer than any machine is slow.
pub const LONG: Duration = Duration::from_secs(60);

/// How often it was woken.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once; says with what, and with how many wake-ups of that poll's waker from then on.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> (Poll<F::Output>, Arc<Count>) {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let poll = Pin::new(future).poll(&mut Context::from_waker(&waker));
    (poll, count)
}

/// Lets others run until `is` says so.
pub fn wait_until(is: impl Fn() -> bool) {
    let waiting = corobin::timeout(LONG, || {
        while !is() {
            corobin::sleep(Duration::from_millis(1));
        }
    });
    assert!(waiting.is_ok(), "what is waited for does not happen");
}

/// Polls in this coroutine's `block_on`, once; what waits stays pending.
pub fn begin<F: Future + Unpin>(future: &mut F) {
    corobin::block_on(poll_fn(|context| {
        assert!(Pin::new(&mut *future).poll(context).is_pending());
        Poll::Ready(())
    }));
}

pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

pub fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}
