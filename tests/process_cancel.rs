//! Cancels and timeouts around child processes.

use corobin::process::{Command, Stdio};
use corobin::{Elapsed, JoinError, race, scope, sleep, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

#[path = "common/backends.rs"]
mod backends;
use backends::on_each;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_cancelled_wait_can_be_done_again() {
    on_each(|| {
        let mut child = sh("read x; exit 3").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        for _ in 0..3 {
            let cut = timeout(Duration::from_millis(1), || child.wait());
            assert!(matches!(cut, Err(Elapsed)));
        }
        // By cancel, of a coroutine that borrows it.
        scope(|s| {
            let waiter = s.spawn(|| child.wait());
            yield_now();
            waiter.cancel();
            assert!(matches!(waiter.join(), Err(JoinError::Cancelled)));
        });
        drop(stdin);
        assert_eq!(child.wait().unwrap().code(), Some(3));
    });
}

#[test]
fn a_cancel_that_is_pending_comes_first_and_takes_nothing() {
    on_each(|| {
        let mut child = sh("read x; exit 4").stdin(Stdio::piped()).spawn().unwrap();
        assert!(timeout(Duration::ZERO, || child.wait()).is_err());
        assert!(child.stdin.is_some(), "the wait had not begun");
        assert!(timeout(Duration::ZERO, || sh("exit 0").spawn().map(drop)).is_err());
        assert_eq!(child.wait().unwrap().code(), Some(4));
    });
}

#[test]
fn a_cancel_kills_nobody() {
    on_each(|| {
        let mut child = sh("sleep 0.05; echo done")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(timeout(Duration::from_millis(1), || child.wait()).is_err());
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "done\n");
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn output_and_status_can_be_cut_short() {
    on_each(|| {
        for n in 0..10 {
            let d = Duration::from_micros(n * 300);
            assert!(timeout(d, || sh("echo a; echo b >&2; sleep 5").output()).is_err());
            let mut endless = Command::new("sleep");
            endless.arg("5");
            assert!(timeout(d, || endless.status()).is_err());
        }
        // The first of several wins; the others go on by themselves.
        let arms = ["sleep 0.001; echo fast", "sleep 5; echo slow"]
            .map(|script| move || sh(script).output().unwrap().stdout);
        assert_eq!(race(arms), b"fast\n");
    });
}

#[test]
fn reads_that_are_cut_short_lose_no_byte() {
    on_each(|| {
        let mut random = fastrand::Rng::with_seed(3);
        // Half-way it waits for a line, which comes after the first cut.
        let script = "i=0; while [ $i -lt 3000 ]; do \
                          [ $i -eq 1500 ] && read go; echo $i; i=$((i+1)); \
                      done";
        let mut script = sh(script);
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut stdin = child.stdin.take();
        let stdout = RefCell::new(child.stdout.take().unwrap());
        let got = RefCell::new(Vec::<u8>::new());
        loop {
            let size = random.usize(1..600);
            let read_on = || {
                let mut buf = vec![0; size];
                loop {
                    let read = stdout.borrow_mut().read(&mut buf).unwrap();
                    got.borrow_mut().extend(&buf[..read]);
                    if read == 0 {
                        return;
                    }
                }
            };
            match timeout(Duration::from_micros(random.u64(0..200)), read_on) {
                Ok(()) => break,
                Err(Elapsed) => {
                    if let Some(mut stdin) = stdin.take() {
                        stdin.write_all(b"go\n").unwrap();
                    }
                }
            }
        }
        assert!(stdin.is_none(), "it was cut");
        let all: Vec<u8> = (0..3000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        assert!(got.into_inner() == all);
        child.wait().unwrap();
    });
}

#[test]
fn writes_that_are_cut_short_have_written_what_they_say() {
    on_each(|| {
        let mut child = sh("sleep 0.01; wc -c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let written = RefCell::new(0);
        for n in 1..200 {
            let _ = timeout(Duration::from_micros(n), || {
                loop {
                    let more = (&stdin).write(&[0; 3000]).unwrap();
                    *written.borrow_mut() += more;
                    if *written.borrow() > 10_000_000 {
                        sleep(Duration::MAX);
                    }
                }
            });
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let counted: usize = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert_eq!(counted, written.into_inner());
    });
}

#[test]
fn a_dropped_child_goes_on() {
    on_each(|| {
        let mut child = sh("read x; echo still here")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        drop(child);
        stdin.write_all(b"\n").unwrap();
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        assert_eq!(text, "still here\n");
    });
}

#[test]
fn a_destructor_may_kill_and_wait_while_it_is_unwound() {
    struct Killed(corobin::process::Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            assert_eq!(self.0.wait().unwrap().signal(), Some(9));
        }
    }
    on_each(|| {
        let worker = spawn(|| {
            let mut child = Killed(Command::new("sleep").arg("1000").spawn().unwrap());
            child.0.wait().unwrap();
        });
        sleep(Duration::from_millis(5));
        worker.cancel();
        assert!(matches!(worker.join(), Err(JoinError::Cancelled)));
    });
}
