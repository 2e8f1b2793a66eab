//! Child processes: std's interface, pipes, ends.

use corobin::process::{Child, ChildStdout, Command, Stdio};
use corobin::{fs, run, sleep, spawn, yield_now};
use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::rc::Rc;
use std::time::Duration;

#[path = "common/backends.rs"]
mod backends;
use backends::on_each;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn smoke() {
    on_each(|| {
        let output = sh("echo out; echo err >&2; exit 3").output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
    });
}

#[test]
fn what_is_set_arrives_and_can_be_read_back() {
    let dir = TempDir::new();
    on_each(|| {
        let mut command = Command::new("sh");
        command.arg("-c").args(["echo $0 $A $B $C; pwd"]);
        command
            .env("A", "1")
            .envs([("B", "2"), ("C", "3")])
            .env_remove("C");
        command.current_dir(dir.path()).arg0("other name");
        let output = command.output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(lines, format!("other name 1 2\n{}\n", real.display()));
        assert_eq!(command.get_program(), "sh");
        assert_eq!(command.get_args().count(), 2);
        assert_eq!(
            command
                .get_envs()
                .filter(|(_, value)| value.is_none())
                .count(),
            1
        );
        assert_eq!(command.get_current_dir(), Some(dir.path()));
        assert!(format!("{command:?}").contains("sh"));
        let mut command = sh("echo $HOME$A");
        command.env("A", "x").env_clear();
        assert_eq!(command.output().unwrap().stdout, b"\n");
    });
}

#[test]
fn errors_are_those_of_std() {
    let dir = TempDir::new();
    on_each(|| {
        let name = "/no/such/program";
        let ours = Command::new(name).spawn().unwrap_err();
        let stds = std::process::Command::new(name).spawn().unwrap_err();
        assert_eq!(
            (ours.kind(), ours.raw_os_error()),
            (stds.kind(), stds.raw_os_error())
        );
        assert_eq!(
            Command::new(name).output().unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            Command::new(name).status().unwrap_err().kind(),
            ErrorKind::NotFound
        );
        let folder = Command::new(dir.path()).status().unwrap_err();
        assert_eq!(folder.kind(), ErrorKind::PermissionDenied);
        let nul = Command::new("a\0b").status().unwrap_err();
        assert_eq!(nul.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn streams_are_set_as_with_std() {
    let dir = TempDir::new();
    on_each(|| {
        // `output` gives nothing to read, and collects; unless told otherwise.
        let mut cat = Command::new("cat");
        assert!(cat.output().unwrap().status.success());
        let path = dir.join("file");
        let mut echo = sh("echo text");
        echo.stdout(fs::File::create(&path).unwrap());
        assert_eq!(echo.output().unwrap().stdout, b"");
        assert_eq!(fs::read(&path).unwrap(), b"text\n");
        cat.stdin(fs::File::open(&path).unwrap());
        assert_eq!(cat.output().unwrap().stdout, b"text\n");
        // After that `spawn` inherits again.
        let mut command = sh("true");
        command.output().unwrap();
        let mut child = command.spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert!(child.wait().unwrap().success());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        assert!(child.stdin.is_some() && child.stdout.is_some() && child.stderr.is_some());
        assert!(child.wait_with_output().unwrap().status.success());
    });
}

#[test]
fn a_conversation_over_pipes_blocks_only_its_coroutine() {
    on_each(|| {
        let ticks = Rc::new(Cell::new(0_u32));
        let ticker = spawn({
            let ticks = Rc::clone(&ticks);
            move || {
                loop {
                    ticks.set(ticks.get() + 1);
                    sleep(Duration::from_micros(100));
                }
            }
        });
        let mut child = sh("while read line; do sleep 0.002; echo got $line; done")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let before = ticks.get();
        for n in 0..20 {
            writeln!(child.stdin.as_mut().unwrap(), "{n}").unwrap();
            assert_eq!(answers.next().unwrap().unwrap(), format!("got {n}"));
        }
        assert!(ticks.get() > before, "others stood still");
        // The wait closes the input, which ends it.
        assert!(child.wait().unwrap().success());
        assert!(child.stdin.is_none());
        assert!(answers.next().is_none());
        ticker.cancel();
    });
}

#[test]
fn more_than_a_pipe_holds_on_both_streams_is_no_deadlock() {
    let out = "head -c 1000000 /dev/zero";
    let err = "head -c 900000 /dev/zero >&2";
    on_each(|| {
        for script in [
            format!("{out}; {err}"),
            format!("{err}; {out}"),
            format!("{err} & {out}; wait"),
        ] {
            let output = sh(&script).output().unwrap();
            assert_eq!(
                (output.stdout.len(), output.stderr.len()),
                (1_000_000, 900_000)
            );
        }
    });
}

#[test]
fn vectored_and_shared_ends() {
    on_each(|| {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cat.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
        assert_eq!((&stdin).write_vectored(&slices).unwrap(), 6);
        (&stdin).flush().unwrap();
        let (mut a, mut b) = ([0; 2], [0; 10]);
        let slices = &mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!((&stdout).read_vectored(slices).unwrap(), 6);
        assert_eq!((&a, &b[..4]), (b"ab", &b"cdef"[..]));
        assert!(stdin.as_raw_fd() != stdout.as_fd().as_raw_fd());
        drop(stdin);
        assert_eq!((&stdout).read(&mut b).unwrap(), 0);
        child.wait().unwrap();
    });
}

#[test]
fn a_reader_that_is_gone_is_a_broken_pipe() {
    on_each(|| {
        let mut child = sh("exec <&-; echo; sleep 100")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let error = child.stdin.as_mut().unwrap().write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn the_status_is_kept() {
    on_each(|| {
        let mut child = sh("exit 7").spawn().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!(child.wait().unwrap(), status);
        assert_eq!(child.try_wait().unwrap(), Some(status));
        assert!(format!("{child:?}").contains("Child"));
        // As with std nothing is sent to whoever has this number now.
        child.kill().unwrap();
    });
}

#[test]
fn a_kill_ends_the_wait() {
    on_each(|| {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.id() > 0);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    });
}

#[test]
fn a_hundred_at_once() {
    on_each(|| {
        let children: Vec<_> = (0..100)
            .map(|n| {
                spawn(move || {
                    let output = sh(&format!("sleep 0.05; echo {n}; exit {n}")).output();
                    let output = output.unwrap();
                    (output.status.code(), output.stdout)
                })
            })
            .collect();
        for (n, child) in (0..).zip(children) {
            let (code, text) = child.join().unwrap();
            assert_eq!((code, text), (Some(n), format!("{n}\n").into_bytes()));
        }
    });
}

fn is_blocking(fd: &impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(fd).unwrap();
    !flags.contains(rustix::fs::OFlags::NONBLOCK)
}

#[test]
fn pipes_are_given_away_blocking() {
    on_each(|| {
        let mut slow = sh("sleep 0.01; echo text")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The second would fail if its input said "would block".
        let mut upper = Command::new("tr");
        upper
            .args(["a-z", "A-Z"])
            .stdin(slow.stdout.take().unwrap());
        assert_eq!(upper.output().unwrap().stdout, b"TEXT\n");
        slow.wait().unwrap();

        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = cat.spawn().unwrap();
        assert!(!is_blocking(child.stdin.as_ref().unwrap()));
        let stdin = OwnedFd::from(child.stdin.take().unwrap());
        assert!(is_blocking(&stdin));
        let stdout = std::process::ChildStdout::from(child.stdout.take().unwrap());
        assert!(is_blocking(&stdout));
        let mut stdout = ChildStdout::from(stdout);
        assert!(!is_blocking(&stdout));
        drop(stdin);
        assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
        let mut child = std::process::Child::from(child);
        assert!(is_blocking(child.stderr.as_ref().unwrap()));
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn what_std_has_made_is_taken_over() {
    on_each(|| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "umask; cat"]).stdin(Stdio::piped());
        // SAFETY: the hook makes one system call.
        unsafe {
            command.pre_exec(|| {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o123));
                Ok(())
            });
        }
        let mut command = Command::from(command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"kept").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"0123\nkept");

        let child = std::process::Command::new("echo")
            .stdout(Stdio::piped())
            .spawn();
        let child = Child::from(child.unwrap());
        assert_eq!(child.wait_with_output().unwrap().stdout, b"\n");
    });
}

#[test]
fn outside_of_a_runtime_the_thread_waits() {
    let mut child = sh("exit 4").spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_eq!(sh("exit 5").status().unwrap().code(), Some(5));
    let output = sh("sleep 0.01; echo out; echo err >&2; exit 3").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (&output.stdout[..], &output.stderr[..]),
        (&b"out\n"[..], &b"err\n"[..])
    );
    let mut cat = Command::new("cat");
    let mut child = cat
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"kept").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"kept");
    // One that was started outside can be waited for inside, and in one run after
    // the other.
    let mut child = sh("read x; exit 6").stdin(Stdio::piped()).spawn().unwrap();
    run(|| assert_eq!(child.try_wait().unwrap(), None));
    assert_eq!(run(|| child.wait().unwrap()).code(), Some(6));
}

#[test]
fn several_runtimes_wait_for_their_own() {
    let threads: Vec<_> = (0..4)
        .map(|n| {
            std::thread::spawn(move || {
                run(|| {
                    let waits: Vec<_> = (0..10)
                        .map(|_| spawn(move || sh(&format!("exit {n}")).status().unwrap().code()))
                        .collect();
                    yield_now();
                    waits
                        .into_iter()
                        .all(|wait| wait.join().unwrap() == Some(n))
                })
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
}

#[test]
#[ignore = "a child of another test"]
fn execs_after_output() {
    corobin::run(|| {
        let mut command = corobin::process::Command::new("echo");
        command.arg("printed");
        assert_eq!(command.output().unwrap().stdout, b"printed\n");
        panic!("{}", command.exec());
    });
}

#[test]
fn an_exec_after_an_output_prints_where_we_do() {
    let own = std::env::current_exe().unwrap();
    let output = std::process::Command::new(own)
        .args(["--ignored", "--exact", "execs_after_output", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("printed"));
}
