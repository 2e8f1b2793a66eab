//! Sends that one look makes for many coroutines, and what happens before these go on.

#[path = "common/backends.rs"]
mod backends;

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{self, Shutdown};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use backends::on_each;
use corobin::net::{TcpStream, UnixStream};
use corobin::{Runtime, spawn, timeout, yield_now};

/// So long nothing takes, unless it hangs.
const LONG: Duration = Duration::from_secs(600);

/// Room that comes between a short write and the turn of who has made it is not forgotten: the
/// kernel tells of it only once.
#[test]
fn room_for_more_comes_before_a_short_write_returns() {
    const TOTAL: usize = 64 << 20;
    /// So many that the loop looks outside before the writer has its turn.
    const CROWD: usize = 300;
    on_each(|| {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        let writes = spawn(move || writer.write_all(&vec![0; TOTAL]).unwrap());
        let is_over = Rc::new(Cell::new(false));
        for _ in 0..CROWD {
            let is_over = Rc::clone(&is_over);
            spawn(move || {
                while !is_over.get() {
                    yield_now();
                }
            });
        }
        let mut buf = vec![0; 1 << 20];
        let (mut received, mut last) = (0, Instant::now());
        while received < TOTAL && last.elapsed() < LONG {
            match peer.read(&mut buf) {
                Ok(count) => {
                    received += count;
                    last = Instant::now();
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    yield_now();
                }
            }
        }
        is_over.set(true);
        assert_eq!(received, TOTAL, "the writer has stopped");
        writes.join().unwrap();
    });
}

/// A shutdown that comes after a look has found no room, and before the turn of who wants to send,
/// is noticed: of some the kernel tells nobody.
#[test]
fn a_shutdown_comes_before_who_has_found_no_room_waits() {
    on_each(|| {
        // Waits, so from here on there is a reactor.
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let writes = spawn(move || one.write_all(&[0]).unwrap());
        two.read_exact(&mut [0]).unwrap();
        writes.join().unwrap();
        for yields in 0..8 {
            let (stream, _peer) = UnixStream::pair().unwrap();
            let stream = Rc::new(stream);
            stream.set_nonblocking(true).unwrap();
            while (&*stream).write(&[0; 4096]).is_ok() {}
            stream.set_nonblocking(false).unwrap();
            let writer = Rc::clone(&stream);
            let writes = spawn(move || {
                let result = timeout(LONG, || (&*writer).write(&[0]));
                result.map(|result| result.map_err(|error| error.kind()))
            });
            for _ in 0..yields {
                yield_now();
            }
            stream.shutdown(Shutdown::Write).unwrap();
            let result = writes.join().unwrap();
            let expected = Ok(Err(ErrorKind::BrokenPipe));
            assert_eq!(result, expected, "after {yields} yields");
        }
    });
}

/// Who sends has a turn whenever the others have.
#[test]
fn a_sender_need_not_wait_for_many_turns_of_others() {
    const SENDS: usize = 100;
    on_each(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let sends = spawn(move || {
            for _ in 0..SENDS {
                one.write_all(&[0]).unwrap();
            }
            one
        });
        // Waits, so from here on there is a reactor.
        two.read_exact(&mut [0]).unwrap();
        let mut yields = 0;
        while !sends.is_finished() {
            yield_now();
            yields += 1;
        }
        assert!(yields <= 3 * SENDS, "{yields} yields");
    });
}

/// The place of a thread for what a run leaves behind may be gone before the last run.
#[test]
fn the_last_run_is_in_a_destructor_of_the_thread() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            Runtime::new().unwrap().run(echo);
        }
    }
    fn echo() {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let answers = spawn(move || {
            let mut buf = [0; 5];
            two.read_exact(&mut buf).unwrap();
            two.write_all(&buf).unwrap();
        });
        yield_now();
        one.write_all(b"hello").unwrap();
        let mut buf = [0; 5];
        one.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"hello");
        answers.join().unwrap();
    }
    thread_local! {
        static LATE: Late = const { Late };
    }
    let thread = thread::spawn(|| {
        Runtime::new().unwrap().run(|| {
            // What every run leaves behind has its place before ours, so it goes later.
            spawn(yield_now).join().unwrap();
            LATE.with(|_| ());
            echo();
        });
    });
    thread.join().unwrap();
}
