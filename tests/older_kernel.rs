//! On a kernel that lacks, or forbids, what newer ones have: a seccomp(2) filter refuses it to each
//! test of this file.

#[path = "common/child.rs"]
mod child;
#[path = "common/logged.rs"]
mod logged;

use std::fs;
use std::io::{Error, ErrorKind, Read, Write};
use std::mem;
use std::os::unix::net;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::thread;
use std::time::Duration;

use corobin::net::{UdpSocket, UnixStream};
use corobin::process::Command;
use corobin::{IoBackend, Runtime, run, sleep, spawn, yield_now};

use child::{child_output, is_child, no_core_dump};
use log::Level;
use logged::logged_by;

/// `MADV_GUARD_INSTALL`.
const GUARD_INSTALL: u32 = 102;

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Skips so many of what follows unless what was loaded is `k`.
fn unless(k: u32, skipped: u8) -> libc::sock_filter {
    let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    libc::sock_filter {
        code,
        jt: 0,
        jf: skipped,
        k,
    }
}

/// What came to Linux after 5.0, and with what it is refused.
const NEW: [(libc::c_long, i32); 3] = [
    (libc::SYS_io_uring_setup, libc::EPERM),
    (libc::SYS_pidfd_open, libc::ENOSYS),
    (libc::SYS_process_madvise, libc::ENOSYS),
];

/// Refuses these calls, and markers of guards, to this thread and those that it starts.
///
/// # Errors
/// There is no seccomp here.
fn refuse(calls: &[(libc::c_long, i32)]) -> Result<(), Error> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let number = mem::offset_of!(libc::seccomp_data, nr) as u32;
    // The lower half of the third argument, on machines that store it first.
    let advice = mem::offset_of!(libc::seccomp_data, args) as u32 + 2 * 8;
    let fail = |error: i32| statement(RETURN, libc::SECCOMP_RET_ERRNO | error as u32);
    let mut program = vec![statement(LOAD, number)];
    for &(call, error) in calls {
        program.extend([unless(call as u32, 1), fail(error)]);
    }
    program.extend([
        unless(libc::SYS_madvise as u32, 3),
        statement(LOAD, advice),
        unless(GUARD_INSTALL, 1),
        fail(libc::EINVAL),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ]);
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program is read in the call; the filter concerns this thread and its children.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                ptr::from_ref(&program),
            ) != 0
    };
    match refused {
        true => Err(Error::last_os_error()),
        false => Ok(()),
    }
}

/// Runs `f` where all that is refused.
fn on_older_kernel(f: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| match refuse(&NEW) {
        Ok(()) => f(),
        // Not for want of something that could be installed.
        Err(error) => println!("skipped: no seccomp filter: {error}"),
    });
    if let Err(payload) = thread.join() {
        std::panic::resume_unwind(payload);
    }
}

#[test]
fn io_uring_that_is_refused_is_an_error_that_says_what_it_needs() {
    on_older_kernel(|| {
        let error = Runtime::builder()
            .io_backend(IoBackend::IoUring)
            .build()
            .expect_err("io_uring is refused");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let text = error.to_string();
        assert!(text.contains("IoBackend::IoUring needs io_uring"), "{text}");
    });
}

/// Many ask and are answered at once.
fn talk(round: u8) {
    const CROWD: u8 = 10;
    let ask = |n: u8| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let answer = spawn(move || {
            let mut buf = [0; 2];
            two.read_exact(&mut buf).unwrap();
            two.write_all(&buf).unwrap();
        });
        spawn(move || {
            one.write_all(&[round, n]).unwrap();
            let mut buf = [0; 2];
            one.read_exact(&mut buf).unwrap();
            assert_eq!(buf, [round, n]);
            answer.join().unwrap();
        })
    };
    let handles: Vec<_> = (0..CROWD).map(ask).collect();
    for handle in handles {
        handle.join().unwrap();
    }
}

/// Many hear at once, and nobody answers.
fn hear() {
    const CROWD: usize = 10;
    let listen = |_| {
        let (near, far) = net::UnixStream::pair().unwrap();
        let mut near = UnixStream::from(near);
        (spawn(move || near.read(&mut [0; 8]).unwrap()), far)
    };
    let (handles, far): (Vec<_>, Vec<_>) = (0..CROWD).map(listen).unzip();
    sleep(Duration::from_millis(1));
    far.iter()
        .for_each(|mut far| far.write_all(b"hello").unwrap());
    for handle in handles {
        assert_eq!(handle.join().unwrap(), 5);
    }
}

#[test]
fn auto_takes_what_there_is() {
    let count = |text: &str, f: fn()| {
        let logged = logged_by(Level::Debug, || run(f));
        let count = logged.iter().filter(|line| line.starts_with(text)).count();
        assert_eq!(count, 1, "{logged:?}");
    };
    let talks = || (0..3).for_each(talk);
    let hears = || (0..3).for_each(|_| hear());
    if Runtime::builder()
        .io_backend(IoBackend::IoUring)
        .build()
        .is_ok()
    {
        let text = "sends and receives go through io_uring";
        [talks, hears].into_iter().for_each(|f| count(text, f));
    }
    on_older_kernel(move || {
        let text = "there is no io_uring, so sends and receives are system calls: ";
        [talks, hears].into_iter().for_each(|f| count(text, f));
    });
}

#[test]
fn a_child_is_waited_for_without_a_pidfd() {
    on_older_kernel(|| {
        run(|| {
            let status = |code: i32| {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("exit {code}")]).status()
            };
            let handles: Vec<_> = (0..3).map(|code| spawn(move || status(code))).collect();
            for (code, handle) in (0..).zip(handles) {
                assert_eq!(handle.join().unwrap().unwrap().code(), Some(code));
            }
        });
    });
}

/// Mappings that nobody may touch. Markers are none.
fn guards() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(" ---p ")).count()
}

#[test]
fn stacks_have_guards_without_markers() {
    const CROWD: usize = 1000;
    on_older_kernel(|| {
        run(|| {
            let handles: Vec<_> = (0..CROWD)
                .map(|n| {
                    spawn(move || {
                        yield_now();
                        n
                    })
                })
                .collect();
            yield_now();
            let guards = guards();
            assert!(guards >= CROWD, "{guards} guards");
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap(), n);
            }
        });
    });
}

#[test]
fn looks_that_are_refused_end_a_run() {
    let calls = [
        (libc::SYS_epoll_pwait, libc::EPERM),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_epoll_wait, libc::EPERM),
    ];
    if is_child() {
        no_core_dump();
        return run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            match refuse(&calls) {
                Ok(()) => drop(socket.recv_from(&mut [0])),
                Err(error) => println!("skipped: no seccomp filter: {error}"),
            }
        });
    }
    let output = child_output("looks_that_are_refused_end_a_run", &[]);
    let text = output.text;
    if text.contains("skipped: ") {
        return println!("{text}");
    }
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    let expected = "epoll_wait fails, so nothing can be waited for any more: ";
    assert!(text.contains(expected), "{text}");
}

/// Tells once that there is no ring any more, and goes on.
fn is_refused_later(f: fn()) {
    let thread = thread::spawn(move || {
        let builder = Runtime::builder().io_backend(IoBackend::IoUring);
        let Ok(mut runtime) = builder.build() else {
            return println!("skipped: there is no io_uring");
        };
        runtime.run(|| {
            (0..3).for_each(|_| f());
            if let Err(error) = refuse(&[(libc::SYS_io_uring_enter, libc::EPERM)]) {
                return println!("skipped: no seccomp filter: {error}");
            }
            let logged = logged_by(Level::Warn, || (0..7).for_each(|_| f()));
            let is_told = |line: &&String| line.starts_with("io_uring_enter fails");
            assert_eq!(logged.iter().filter(is_told).count(), 1, "{logged:?}");
        });
    });
    thread.join().unwrap();
}

#[test]
fn sends_go_on_where_io_uring_is_refused_later() {
    is_refused_later(|| talk(1));
}

#[test]
fn receives_go_on_where_io_uring_is_refused_later() {
    is_refused_later(hear);
}
