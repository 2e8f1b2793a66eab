//! A wait is told with the line of the user's code that waits, and so is a panic over a
//! generator that was used wrongly.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use corobin::fs::File;
use corobin::net::ToSocketAddrs;
use corobin::process::{Command, Stdio};
use corobin::sync::Event;
use corobin::{Generator, Runtime, Yielder, run, sleep, spawn, yield_now};

#[path = "common/backends.rs"]
mod backends;
use backends::on_each;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_and_file_of;

/// Where all who wait do so, but for the one who asks: files, and lines of this one.
fn places() -> Vec<(String, u32)> {
    let snapshot = corobin::snapshot();
    let places = snapshot.coroutines.iter().filter_map(|info| info.waits_at);
    places.map(|at| (at.file().to_owned(), at.line())).collect()
}

fn here(line: u32) -> (String, u32) {
    (file!().to_owned(), line)
}

/// Asks again until `count` wait.
fn places_of(count: usize) -> Vec<(String, u32)> {
    loop {
        let places = places();
        if places.len() == count {
            return places;
        }
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_waits_for_a_process() {
    on_each(|| {
        let mut child = Command::new("cat");
        child.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let line = line!() + 1;
        let output = spawn(move || child.wait_with_output().unwrap());
        // Two read, one pipe each.
        assert_eq!(places_of(2), [here(line), here(line)]);
        drop(stdin);
        assert!(output.join().unwrap().status.success());
    });
}

#[test]
fn who_waits_for_the_end_of_a_process() {
    on_each(|| {
        // The pipes end before the process does.
        let mut command = Command::new("sh");
        command.args(["-c", "echo; exec >&- 2>&-; sleep 0.3"]);
        let line = line!() + 1;
        let output = spawn(move || command.output().unwrap());
        let mut seen = Vec::new();
        while !output.is_finished() {
            seen.extend(places());
            seen.dedup();
            sleep(Duration::from_millis(1));
        }
        assert_eq!(seen, [here(line)]);
        assert_eq!(output.join().unwrap().stdout, b"\n");
    });
}

#[test]
fn who_reads_from_a_pipe_as_a_file() {
    let dir = TempDir::new();
    let path = dir.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    run(|| {
        let both = || File::options().read(true).write(true).open(&path).unwrap();
        let (one, two, mut writer) = (both(), both(), both());
        let first = line!() + 2;
        let all = [
            spawn(move || (&one).read(&mut [0; 1]).unwrap()),
            spawn(move || (&two).read_exact(&mut [0; 1]).map(|()| 1).unwrap()),
        ];
        let places = places_of(2);
        // Before the assertion, whose failure would leave the reads in their threads.
        io::Write::write_all(&mut writer, b"ab").unwrap();
        for one in all {
            assert_eq!(one.join().unwrap(), 1);
        }
        assert_eq!(places, [here(first), here(first + 1)]);
    });
}

/// An address that is found out when the event is set.
struct Slow(Rc<Event>);

impl ToSocketAddrs for Slow {
    type Iter = std::option::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        self.0.wait();
        Ok(None.into_iter())
    }
}

#[test]
fn who_looks_a_name_up() {
    let builder = Runtime::builder().thread_pool(1, Duration::from_secs(1));
    builder.build().unwrap().run(|| {
        // The only thread is busy until all wait.
        let (go_on, goes_on) = mpsc::channel::<()>();
        let busy = line!() + 1;
        let thread = spawn(move || corobin::to_thread(move || goes_on.recv().is_err()));
        yield_now();
        let name = String::from("localhost");
        let whole = format!("{name}:1");
        let found = Rc::new(Event::new());
        let slow = Slow(Rc::clone(&found));
        let first = line!() + 2;
        let all = [
            spawn(move || ToSocketAddrs::to_socket_addrs(&&slow).map(drop)),
            spawn(move || whole.to_socket_addrs().map(drop)),
            spawn(move || (name, 1).to_socket_addrs().map(drop)),
            spawn(|| "localhost:1".to_socket_addrs().map(drop)),
        ];
        yield_now();
        let mut lines = vec![here(busy)];
        lines.extend((first..first + 4).map(here));
        assert_eq!(places(), lines);
        found.set();
        drop(go_on);
        assert!(thread.join().unwrap());
        for one in all {
            // Whether the name is known is not asked here.
            let _ = one.join().unwrap();
        }
    });
}

#[track_caller]
fn panics_here<R>(f: impl FnOnce() -> R) {
    let (payload, file) = payload_and_file_of(f);
    assert!(payload.is::<&str>() || payload.is::<String>());
    assert_eq!(file, file!());
}

#[test]
fn who_uses_a_generator_wrongly() {
    let mut generator = Generator::new(|y: &Yielder<u32>| y.yield_(1));
    panics_here(|| generator.send(()));
    generator.start();
    panics_here(|| generator.start());
    generator.send(());
    panics_here(|| generator.start());
    panics_here(|| generator.send(()));

    struct Yields<'a>(&'a Yielder<u32>);
    impl Drop for Yields<'_> {
        fn drop(&mut self) {
            self.0.yield_(2);
        }
    }
    let stuck = || {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let _yields = Yields(y);
            y.yield_(1);
        });
        generator.start();
        generator
    };
    let mut closed = stuck();
    panics_here(|| closed.close());
    let mut thrown = stuck();
    thrown.throw(Box::new("out")).unwrap();
    panics_here(|| thrown.throw(Box::new("again")));
}
