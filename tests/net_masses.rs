//! Many connections, many of them one after the other, and too many.

#[path = "common/backends.rs"]
mod backends;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use backends::{on_each, on_each_with, open_descriptors, skip};
use corobin::net::{SocketAddr, SocketOptions, TcpListener, TcpStream, UnixStream};
use corobin::{Builder, Runtime, gather, run, sleep, spawn, timeout};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Tests here count the descriptors of the process, or use them all up.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Allows this process as many descriptors as it may have; false if that is less
/// than `wanted`.
fn may_open(wanted: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let enough = limit.current.is_none_or(|current| current >= wanted);
    if !enough && most >= wanted {
        let raised = Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
    enough || most >= wanted
}

fn echo(mut stream: TcpStream) {
    let mut buf = [0; 256];
    while let Ok(count) = stream.read(&mut buf) {
        if count == 0 || stream.write_all(&buf[..count]).is_err() {
            break;
        }
    }
}

/// An echo server, cancelled at the end of the run.
fn server() -> SocketAddr {
    let mut options = SocketOptions::new();
    let listener = options.backlog(4096).listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            spawn(move || echo(stream));
        }
    });
    address
}

fn ask(stream: &mut TcpStream, question: u32) {
    let question = question.to_le_bytes();
    stream.write_all(&question).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(question, answer);
}

const HELD: u32 = 10_000;
const ACTIVE: u32 = 100;
const ROUNDS: u32 = 50;
const ADDRESS: &str = "COROBIN_TEST_ADDRESS";

/// The clients of `ten_thousand_connections_are_held`, in a process of their own:
/// both ends together would be more descriptors than one may have.
#[test]
#[ignore = "a child process of another test"]
fn hold_connections() {
    let address: SocketAddr = env::var(ADDRESS).unwrap().parse().unwrap();
    assert!(may_open(u64::from(HELD) + 100));
    Runtime::builder()
        .stack_size(32 << 10)
        .build()
        .unwrap()
        .run(|| {
            let mut held = Vec::new();
            for n in 0..HELD {
                let mut stream = TcpStream::connect(address).unwrap();
                ask(&mut stream, n);
                held.push(stream);
            }
            let active = held.drain(..ACTIVE as usize).map(|mut stream| {
                spawn(move || (0..ROUNDS).for_each(|round| ask(&mut stream, round)))
            });
            gather(active.collect::<Vec<_>>()).unwrap();
            // Those that were silent meanwhile are still there.
            held.iter_mut().for_each(|stream| ask(stream, 7));
            println!("\nheld {}", held.len());
        });
}

#[test]
fn ten_thousand_connections_are_held() {
    let _alone = alone();
    if !may_open(u64::from(HELD) + 100) {
        skip("this process may not have 10 000 descriptors");
        return;
    }
    on_each_with(
        |builder| builder.stack_size(32 << 10),
        || {
            let address = server();
            let child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "hold_connections", "--ignored", "--nocapture"])
                .env(ADDRESS, address.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let text = corobin::to_thread(|| child.wait_with_output().unwrap());
            let text = String::from_utf8(text.stdout).unwrap();
            assert!(text.contains(&format!("held {}", HELD - ACTIVE)), "{text}");
        },
    );
}

fn resident_pages() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    const CYCLES: u32 = 100_000;
    const AT_ONCE: u32 = 20;
    let _alone = alone();
    on_each(|| {
        let address = server();
        let some = |cycles: u32| {
            let clients = (0..AT_ONCE).map(|_| {
                spawn(move || {
                    for n in 0..cycles / AT_ONCE {
                        let mut stream = TcpStream::connect(address).unwrap();
                        ask(&mut stream, n);
                        // A reset: the port is free again at once.
                        stream.set_linger(Some(Duration::ZERO)).unwrap();
                    }
                })
            });
            gather(clients.collect::<Vec<_>>()).unwrap();
            // The servers see the end.
            while corobin::snapshot().coroutines.len() > 2 {
                sleep(Duration::from_millis(1));
            }
            (open_descriptors(), resident_pages())
        };
        let before = some(CYCLES / 10);
        let after = some(CYCLES - CYCLES / 10);
        assert_eq!(before.0, after.0, "descriptors");
        assert!(
            after.1 <= before.1 + 128,
            "pages: {before:?}, then {after:?}"
        );
    });
}

#[test]
fn a_server_without_descriptors_goes_on_when_there_are_some() {
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Makes the backend.
        assert!(timeout(Duration::ZERO, || listener.accept().unwrap()).is_err());
        let warm = TcpStream::connect(address).unwrap();
        drop((listener.accept().unwrap(), warm));
        let server = spawn(move || {
            let mut failures = 0;
            loop {
                match listener.accept() {
                    Ok((stream, _)) => {
                        echo(stream);
                        return failures;
                    }
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                        failures += 1;
                        sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        sleep(Duration::from_millis(5));
        let mut hog = Vec::new();
        let few = Rlimit {
            current: Some(open_descriptors() as u64 + 20),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, few).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        while let Ok(file) = fs::File::open("/dev/null") {
            hog.push(file);
        }
        sleep(Duration::from_millis(20));
        drop(hog);
        setrlimit(Resource::Nofile, limit).unwrap();
        ask(&mut client, 1);
        drop(client);
        let failures = server.join().unwrap();
        assert!(failures > 0, "there were descriptors all the time");
    });
}

#[test]
fn the_end_of_a_run_closes_everything() {
    let _alone = alone();
    let before = open_descriptors();
    on_each(|| {
        let address = server();
        for _ in 0..10 {
            Builder::new()
                .spawn(move || {
                    let stream = TcpStream::connect(address).unwrap();
                    let mut line = String::new();
                    BufReader::new(stream).read_line(&mut line).unwrap();
                })
                .unwrap();
        }
        sleep(Duration::from_millis(10));
    });
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_runtime_that_waits_for_no_descriptor_has_none() {
    let _alone = alone();
    run(|| {
        let before = open_descriptors();
        sleep(Duration::from_millis(1));
        let (mut one, mut two) = UnixStream::pair().unwrap();
        // These need not wait.
        one.write_all(b"x").unwrap();
        two.read_exact(&mut [0]).unwrap();
        assert_eq!(open_descriptors(), before + 2);
        assert!(timeout(Duration::from_millis(1), || one.read(&mut [0]).unwrap()).is_err());
        assert!(open_descriptors() > before + 2);
    });
}
