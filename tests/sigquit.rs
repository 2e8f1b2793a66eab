//! SIGQUIT prints a snapshot and the program goes on. Each case runs in a process of its own.

#[path = "common/child.rs"]
mod child;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ExitStatus, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use child::{child, no_core_dump};
use corobin::net::TcpListener;
use corobin::signal::{SIGQUIT, Signals};
use corobin::{
    Builder, IoBackend, Runtime, handle, park, run, sleep, spawn, timeout, to_thread, yield_now,
};

/// A child that says what it is ready for, and is sent signals.
struct Child {
    process: std::process::Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Child {
    fn start(test: &str) -> Child {
        Child::start_with(test, "any")
    }

    fn start_with(test: &str, backend: &str) -> Child {
        let mut process = child(test)
            .env("COROBIN_TEST_BACKEND", backend)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let seen = String::new();
        let mut child = Child {
            process,
            stderr,
            seen,
        };
        child.wait_for("ready");
        child
    }

    /// Reads until `text` has come.
    fn wait_for(&mut self, text: &str) {
        let from = self.seen.len();
        while !self.seen[from..].contains(text) {
            let count = self.stderr.read_line(&mut self.seen).unwrap();
            assert!(count > 0, "the child ended without {text:?}: {}", self.seen);
        }
    }

    fn quit(&self) {
        // SAFETY: kill has no preconditions; the child was not waited for yet.
        let sent = unsafe { libc::kill(self.process.id() as libc::pid_t, libc::SIGQUIT) };
        assert_eq!(sent, 0);
    }

    /// Lets the child go on, see [`wait_for_parent`].
    fn go_on(mut self) -> (ExitStatus, String) {
        drop(self.process.stdin.take());
        self.end()
    }

    fn end(mut self) -> (ExitStatus, String) {
        self.stderr.read_to_string(&mut self.seen).unwrap();
        (self.process.wait().unwrap(), self.seen)
    }
}

/// Whether this is the other process; as if it was started from a terminal, since a shell lets what
/// it starts in the background ignore the signal.
fn is_child() -> bool {
    if child::is_child() {
        // SAFETY: signal has no preconditions.
        unsafe { libc::signal(libc::SIGQUIT, libc::SIG_DFL) };
    }
    child::is_child()
}

fn ready() {
    eprintln!("ready");
}

/// Blocks the thread until the parent says go on.
fn wait_for_parent() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// A frame that is in the backtrace, however much is optimised.
#[inline(never)]
fn wait_on_a_thread() {
    to_thread(wait_for_parent);
    black_box(());
}

#[inline(never)]
fn accept_one(listener: &TcpListener) {
    drop(listener.accept());
    black_box(());
}

#[track_caller]
fn assert_goes_on(child: Child) -> String {
    let (status, seen) = child.go_on();
    assert!(status.success(), "{status}: {seen}");
    assert!(seen.contains("went on"), "{seen}");
    seen
}

#[test]
fn smoke() {
    if is_child() {
        run(|| {
            let _waiter = Builder::new().name("waiter").spawn(park).unwrap();
            yield_now();
            ready();
            wait_on_a_thread();
        });
        eprintln!("went on");
        return;
    }
    let mut child = Child::start("smoke");
    for _ in 0..3 {
        child.quit();
        child.wait_for("corobin: SIGQUIT: 2 coroutines");
        child.wait_for("'main' (spawned at tests/sigquit.rs:");
        child.wait_for("'waiter' (spawned at tests/sigquit.rs:");
        child.wait_for("sigquit::wait_on_a_thread");
    }
    assert_goes_on(child);
}

/// The loop sleeps in the kernel, with nothing but a timer to wake it.
#[test]
fn while_all_sleep() {
    if is_child() {
        run(|| {
            ready();
            let _ = timeout(Duration::from_secs(1000), || {
                let waits = handle();
                thread::spawn(move || {
                    wait_for_parent();
                    waits.spawn(|| std::process::exit(0));
                });
                sleep(Duration::MAX);
            });
        });
        return;
    }
    let mut child = Child::start("while_all_sleep");
    child.quit();
    child.wait_for("waits for a time that never comes");
    let (status, seen) = child.go_on();
    assert!(status.success(), "{seen}");
}

/// The loop waits for descriptors, however the kernel is asked.
#[test]
fn while_a_descriptor_is_awaited() {
    if is_child() {
        let backend = match std::env::var("COROBIN_TEST_BACKEND").as_deref() {
            Ok("ring") => IoBackend::IoUring,
            _ => IoBackend::Poll,
        };
        let Ok(mut runtime) = Runtime::builder().io_backend(backend).build() else {
            eprintln!("ready: there is no io_uring");
            return;
        };
        runtime.run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            thread::spawn(move || {
                wait_for_parent();
                drop(std::net::TcpStream::connect(address));
            });
            ready();
            accept_one(&listener);
        });
        eprintln!("went on");
        return;
    }
    for backend in ["poll", "ring"] {
        let mut child = Child::start_with("while_a_descriptor_is_awaited", backend);
        if child.seen.contains("there is no io_uring") {
            continue;
        }
        for _ in 0..3 {
            child.quit();
            child.wait_for("corobin: SIGQUIT: 1 coroutine");
            child.wait_for("sigquit::accept_one");
        }
        assert_goes_on(child);
    }
}

#[test]
fn while_the_loop_is_busy() {
    static STOP: AtomicBool = AtomicBool::new(false);
    if is_child() {
        thread::spawn(|| {
            wait_for_parent();
            STOP.store(true, SeqCst);
        });
        run(|| {
            let other = Builder::new().name("other").spawn(|| {
                while !STOP.load(SeqCst) {
                    yield_now();
                }
            });
            ready();
            while !STOP.load(SeqCst) {
                yield_now();
            }
            other.unwrap().join().unwrap();
        });
        eprintln!("went on");
        return;
    }
    let mut child = Child::start("while_the_loop_is_busy");
    child.quit();
    child.wait_for("'other'");
    assert_goes_on(child);
}

#[test]
fn every_runtime_answers() {
    static BOTH: Barrier = Barrier::new(2);
    if is_child() {
        let other = thread::spawn(|| {
            run(|| {
                let _waiter = Builder::new().name("elsewhere").spawn(park).unwrap();
                yield_now();
                BOTH.wait();
                to_thread(wait_for_parent);
            });
        });
        let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
        runtime.run(|| {
            let _waiter = Builder::new().name("here").spawn(park).unwrap();
            yield_now();
            BOTH.wait();
            ready();
            to_thread(wait_for_parent);
        });
        other.join().unwrap();
        eprintln!("went on");
        return;
    }
    let mut child = Child::start("every_runtime_answers");
    child.quit();
    while !(child.seen.contains("'here'") && child.seen.contains("'elsewhere'")) {
        child.wait_for("\n");
    }
    assert_goes_on(child);
}

extern "C" fn own(_: libc::c_int) {
    let text = "handled\n";
    // SAFETY: may be called in a signal handler.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

#[test]
fn a_handler_of_the_programs_own_is_left_alone() {
    if is_child() {
        // SAFETY: the handler does only what a handler may.
        unsafe { libc::signal(libc::SIGQUIT, own as *const () as usize) };
        run(|| {
            ready();
            to_thread(wait_for_parent);
        });
        eprintln!("went on");
        return;
    }
    let mut child = Child::start("a_handler_of_the_programs_own_is_left_alone");
    child.quit();
    child.wait_for("handled");
    let seen = assert_goes_on(child);
    assert!(!seen.contains("corobin:"), "{seen}");
}

#[test]
fn a_handler_that_comes_later_is_left_alone() {
    if is_child() {
        run(|| {
            // SAFETY: the handler does only what a handler may.
            unsafe { libc::signal(libc::SIGQUIT, own as *const () as usize) };
            ready();
            to_thread(wait_for_parent);
        });
        // It is still there after the run.
        // SAFETY: raise has no preconditions.
        unsafe { libc::raise(libc::SIGQUIT) };
        eprintln!("went on");
        return;
    }
    let mut child = Child::start("a_handler_that_comes_later_is_left_alone");
    child.quit();
    child.wait_for("handled");
    let seen = assert_goes_on(child);
    assert_eq!(seen.matches("handled").count(), 2, "{seen}");
    assert!(!seen.contains("corobin:"), "{seen}");
}

/// Whoever came first: a listener has the signal, then the runtime, then the system.
#[test]
fn a_listener_has_it_as_long_as_it_listens() {
    if is_child() {
        no_core_dump();
        if std::env::var("COROBIN_TEST_BACKEND").as_deref() == Ok("listens before") {
            drop(Signals::new([SIGQUIT]).unwrap());
        }
        run(|| {
            let signals = Signals::new([SIGQUIT]).unwrap();
            ready();
            signals.recv().unwrap();
            drop(signals);
            eprintln!("heard");
            wait_on_a_thread();
        });
        eprintln!("went on");
        // SAFETY: raise has no preconditions.
        unsafe { libc::raise(libc::SIGQUIT) };
        return;
    }
    for order in ["listens before", "runs before"] {
        let mut child = Child::start_with("a_listener_has_it_as_long_as_it_listens", order);
        child.quit();
        child.wait_for("heard");
        assert!(!child.seen.contains("corobin:"), "{}", child.seen);
        for _ in 0..2 {
            child.quit();
            child.wait_for("corobin: SIGQUIT: 1 coroutine");
            child.wait_for("sigquit::wait_on_a_thread");
        }
        let (status, seen) = child.go_on();
        assert!(seen.contains("went on"), "{order}: {seen}");
        assert_eq!(status.signal(), Some(libc::SIGQUIT), "{order}: {seen}");
    }
}

#[test]
fn who_ignores_it_goes_on_ignoring_it() {
    if is_child() {
        // SAFETY: signal has no preconditions.
        unsafe { libc::signal(libc::SIGQUIT, libc::SIG_IGN) };
        run(|| {
            ready();
            to_thread(wait_for_parent);
        });
        eprintln!("went on");
        return;
    }
    let child = Child::start("who_ignores_it_goes_on_ignoring_it");
    child.quit();
    let seen = assert_goes_on(child);
    assert!(!seen.contains("corobin:"), "{seen}");
}

#[test]
fn without_a_runtime_it_ends_the_process() {
    if is_child() {
        no_core_dump();
        run(|| drop(spawn(|| ()).join()));
        ready();
        wait_for_parent();
        return;
    }
    let child = Child::start("without_a_runtime_it_ends_the_process");
    child.quit();
    let (status, seen) = child.end();
    assert_eq!(status.signal(), Some(libc::SIGQUIT), "{seen}");
}

/// A coroutine that blocks the loop for good does not make the process immune.
#[test]
fn a_loop_that_does_not_answer_is_ended_by_another_one() {
    if is_child() {
        no_core_dump();
        run(|| {
            ready();
            wait_for_parent();
        });
        return;
    }
    let mut child = Child::start("a_loop_that_does_not_answer_is_ended_by_another_one");
    let status = loop {
        child.quit();
        thread::sleep(Duration::from_millis(100));
        if let Some(status) = child.process.try_wait().unwrap() {
            break status;
        }
    };
    assert_eq!(status.signal(), Some(libc::SIGQUIT));
}
