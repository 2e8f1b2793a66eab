//! Standard input of every kind: pipe, file, socket, terminal. The ignored tests
//! are child processes of the others, which feed them.

use corobin::io::stdin;
use corobin::process::Stdio;
use corobin::{Workers, run, sleep, spawn};
use rustix::fs::{OFlags, fcntl_getfl};
use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

#[path = "common/actor.rs"]
mod actor;
#[path = "common/temp_dir.rs"]
mod temp_dir;
use actor::{Actor, say};
use temp_dir::TempDir;

/// Repeats each line, while another coroutine goes on.
#[test]
#[ignore = "a child of other tests"]
fn repeats_lines() {
    run(|| {
        let ticks = Rc::new(Cell::new(0_u32));
        spawn({
            let ticks = Rc::clone(&ticks);
            move || {
                loop {
                    ticks.set(ticks.get() + 1);
                    sleep(Duration::from_micros(200));
                }
            }
        });
        say("ready");
        for line in stdin().lines() {
            let before = ticks.get();
            while ticks.get() == before {
                sleep(Duration::from_micros(100));
            }
            say(&line.unwrap());
        }
        say("end");
    });
}

/// Feeds lines through `to` and hears each before the next.
fn converse(actor: &mut Actor, mut to: impl Write) {
    actor.says("ready");
    for n in 0..20 {
        // In pieces, of which each may wake it.
        write!(to, "line").unwrap();
        sleep(Duration::from_micros(n * 100));
        writeln!(to, " {n}").unwrap();
        actor.says(&format!("line {n}"));
    }
    write!(to, "no end").unwrap();
    drop(to);
    actor.says("no end");
    actor.says("end");
    actor.passes();
}

#[test]
fn a_pipe_which_stays_blocking_for_others() {
    run(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("repeats_lines", reader.try_clone().unwrap());
        converse(&mut actor, writer);
        assert!(!fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
    });
}

#[test]
fn a_socket() {
    run(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut actor = Actor::with_stdin("repeats_lines", OwnedFd::from(theirs));
        converse(&mut actor, ours);
    });
}

#[test]
fn nothing() {
    run(|| {
        let mut actor = Actor::with_stdin("repeats_lines", Stdio::null());
        actor.says("ready");
        actor.says("end");
        actor.passes();
    });
}

#[test]
fn a_file_on_a_disk_and_one_in_memory() {
    let mut places = vec![TempDir::new()];
    if Path::new("/dev/shm").is_dir() {
        places.push(TempDir::below(Path::new("/dev/shm")));
    }
    run(|| {
        for dir in &places {
            let path = dir.join("lines");
            std::fs::write(&path, "one\ntwo\n\nthree").unwrap();
            let mut actor = Actor::with_stdin("repeats_lines", File::open(&path).unwrap());
            for line in ["ready", "one", "two", "", "three", "end"] {
                actor.says(line);
            }
            actor.passes();
        }
    });
}

#[test]
fn a_terminal_which_stays_blocking_for_others() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    run(|| {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let terminal = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap());
        let terminal = terminal.unwrap();
        let mut actor = Actor::with_stdin("repeats_lines", terminal.try_clone().unwrap());
        actor.says("ready");
        let mut keys = File::from(control);
        for n in 0..10 {
            write!(keys, "key {n}").unwrap();
            sleep(Duration::from_millis(n));
            keys.write_all(b"\n").unwrap();
            actor.says(&format!("key {n}"));
        }
        assert!(!fcntl_getfl(&terminal).unwrap().contains(OFlags::NONBLOCK));
        // Ctrl-D ends the input.
        keys.write_all(&[4]).unwrap();
        actor.says("end");
        actor.passes();
    });
}

#[test]
fn much_is_read_whole() {
    let dir = TempDir::new();
    let path = dir.join("much");
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &bytes).unwrap();
    run(|| {
        let mut actor = Actor::with_stdin("sums_all", File::open(&path).unwrap());
        let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
        actor.says(&format!("4000000 {sum}"));
        actor.passes();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("sums_all", reader);
        corobin::to_thread(|| writer.write_all(&bytes)).unwrap();
        drop(writer);
        actor.says(&format!("4000000 {sum}"));
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn sums_all() {
    run(|| {
        let mut all = Vec::new();
        assert_eq!(stdin().read_to_end(&mut all).unwrap(), all.len());
        let sum: u64 = all.iter().map(|&byte| u64::from(byte)).sum();
        say(&format!("{} {sum}", all.len()));
        assert_eq!(stdin().read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn each_method_takes_what_it_says() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("uses_each_method", reader);
        writer.write_all(b"abc\ndefgh,ij,\n\xff\nklmno").unwrap();
        drop(writer);
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn uses_each_method() {
    // The first two outside of a runtime, where the thread waits.
    let mut line = String::from("> ");
    assert_eq!(stdin().read_line(&mut line).unwrap(), 4);
    assert_eq!(line, "> abc\n");
    assert!(!stdin().is_terminal());
    run(|| {
        let mut two = [0; 2];
        stdin().read_exact(&mut two).unwrap();
        assert_eq!(&two, b"de");
        let mut lock = stdin().lock();
        assert_eq!(lock.fill_buf().unwrap()[..2], *b"fg");
        lock.consume(1);
        let mut part = Vec::new();
        assert_eq!(lock.read_until(b',', &mut part).unwrap(), 3);
        assert_eq!(part, b"gh,");
        assert_eq!(lock.read(&mut []).unwrap(), 0);
        drop(lock);
        // What one lock has left the next finds, on another thread too.
        std::thread::spawn(|| {
            run(|| {
                let rest: Vec<_> = stdin().lock().split(b',').take(1).collect();
                assert_eq!(rest[0].as_ref().unwrap(), b"ij");
            });
        })
        .join()
        .unwrap();
        let mut line = String::new();
        assert_eq!(stdin().read_line(&mut line).unwrap(), 1);
        let error = stdin().read_line(&mut line).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert_eq!(line, "\n", "what is no text is not appended");
        let error = stdin().read_exact(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        line.clear();
        assert_eq!(stdin().read_to_string(&mut line).unwrap(), 5);
        assert_eq!(line, "klmno");
        assert_eq!(stdin().read_line(&mut line).unwrap(), 0);
    });
}

#[test]
fn runtimes_share_it_and_each_line_goes_to_one() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("shares_lines_among_workers", reader);
        actor.says("ready");
        let mut numbers: Vec<u32> = Vec::new();
        for n in 0..200 {
            writeln!(writer, "{n}").unwrap();
            if n % 10 == 9 {
                numbers.extend((0..10).map(|_| actor.hear().unwrap().parse::<u32>().unwrap()));
            }
        }
        drop(writer);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        actor.says("end");
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn shares_lines_among_workers() {
    let workers = Workers::new(2).unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.extend(workers.broadcast(|_| {
            let mut line = String::new();
            while stdin().read_line(&mut line).unwrap() > 0 {
                say(line.trim_end());
                line.clear();
            }
        }));
    }
    say("ready");
    readers
        .into_iter()
        .for_each(|reader| reader.join().unwrap());
    say("end");
}
