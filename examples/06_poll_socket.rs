//! 06 · Waiting for the world: `poll` and a socket.
//!
//! A plain `read` waits for the other side, and the whole thread with it. So read without waiting;
//! if nothing is there yet, yield the socket. When nobody can run, the scheduler asks the kernel
//! for all sockets at once which of them has something. That is the secret of every event loop.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use corobin::{Generator, Yielder};
use rustix::event::{PollFd, PollFlags, poll};

// ── The engine: 03, and a list of those who wait for a socket ───────────────────────────────────

/// What a task yields: the socket that must have something to read before it goes on.
type Readable = Rc<UnixStream>;

type Task = Generator<Readable>;

#[derive(Default)]
struct Scheduler {
    ready: VecDeque<Task>,
    waiting: Vec<(Readable, Task)>,
}

impl Scheduler {
    fn spawn(&mut self, body: impl FnOnce(&Yielder<Readable>) -> io::Result<()> + 'static) {
        self.ready
            .push_back(Generator::new(move |y: &Yielder<Readable>| {
                body(y).unwrap_or_else(|error| println!("a task failed: {error}"));
            }));
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            while let Some(mut task) = self.ready.pop_front() {
                if let Some(socket) = task.next() {
                    self.waiting.push((socket, task));
                }
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            self.look_outside()?;
        }
    }

    /// The only place where the thread ever waits: until the kernel has something for a socket.
    /// With the heap of 04, the first timer would be the limit of this wait.
    fn look_outside(&mut self) -> io::Result<()> {
        let sockets = self.waiting.iter().map(|(socket, _)| socket);
        let mut asked: Vec<_> = sockets.map(|it| PollFd::new(it, PollFlags::IN)).collect();
        poll(&mut asked, None)?;
        let answers: Vec<_> = asked.iter().map(PollFd::revents).collect();
        let mut answers = answers.into_iter();
        let is_woken = |_: &mut _| answers.next() != Some(PollFlags::empty());
        let woken = self.waiting.extract_if(.., is_woken);
        self.ready.extend(woken.map(|(_, task)| task));
        println!("the kernel wakes {}", self.ready.len());
        Ok(())
    }
}

/// Reads as `Read::read` does, but only its task waits. It looks like a blocking call to whoever
/// calls it, which may be any code that knows nothing of this engine.
fn read(socket: &Readable, buf: &mut [u8], y: &Yielder<Readable>) -> io::Result<usize> {
    loop {
        match (&**socket).read(buf) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => y.yield_(Rc::clone(socket)),
            done => return done,
        }
    }
}

// ── A program for it: a server that shouts, and two guests ──────────────────────────────────────

fn main() -> io::Result<()> {
    let mut scheduler = Scheduler::default();
    for (guest, words) in [
        ("Ann", &["hello", "bye"][..]),
        ("Bob", &["hi", "so", "long"]),
    ] {
        let (ours, theirs) = UnixStream::pair()?; // the two ends of a connection
        for end in [&ours, &theirs] {
            end.set_nonblocking(true)?;
        }
        let (ours, theirs) = (Rc::new(ours), Rc::new(theirs));
        scheduler.spawn(move |y| serve(&ours, y));
        scheduler.spawn(move |y| visit(guest, words, &theirs, y));
    }
    scheduler.run()
}

fn visit(guest: &str, words: &[&str], server: &Readable, y: &Yielder<Readable>) -> io::Result<()> {
    let mut buf = [0; 64];
    for word in words {
        (&**server).write_all(word.as_bytes())?; // one word: the socket always has room for it
        let n = read(server, &mut buf, y)?;
        let answer = String::from_utf8_lossy(&buf[..n]);
        println!("    {guest} says {word}, hears {answer}");
    }
    Ok(()) // and hangs up
}

fn serve(connection: &Readable, y: &Yielder<Readable>) -> io::Result<()> {
    let mut buf = [0; 64];
    loop {
        match read(connection, &mut buf, y)? {
            0 => return Ok(()), // the guest has hung up
            n => (&**connection).write_all(&buf[..n].to_ascii_uppercase())?, // one word, again
        }
    }
}

// The real one is `src/reactor/` and `src/io/`, under the sockets of `src/net/`; it adds epoll
// (asking costs the same with ten thousand sockets), io_uring (many operations are one system call),
// waiting to write, cancelled operations that lose no byte, and a look at least every 64 steps.
