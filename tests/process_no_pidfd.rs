//! Waiting for a child where there is no descriptor left for a pidfd: a thread
//! does it. Alone in its process, which it fills with descriptors.

use corobin::process::{Command, Stdio};
use corobin::{run, sleep, spawn, timeout};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn a_thread_waits_where_there_is_no_pidfd() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(100);
    setrlimit(Resource::Nofile, limit).unwrap();
    run(|| {
        let ticks = Rc::new(Cell::new(0));
        let ticker = spawn({
            let ticks = Rc::clone(&ticks);
            move || {
                loop {
                    ticks.set(ticks.get() + 1);
                    sleep(Duration::from_micros(100));
                }
            }
        });
        let mut children: Vec<_> = (0..10)
            .map(|n| {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("read x; exit {n}")]);
                command.stdin(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut fill = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            fill.push(file);
        }
        // Cut short, it can be done again; the thread of before is still there.
        for child in &mut children {
            let stdin = child.stdin.take();
            for _ in 0..3 {
                assert!(timeout(Duration::from_micros(300), || child.wait()).is_err());
            }
            child.stdin = stdin;
        }
        let before = ticks.get();
        let more = Command::new("true").stdin(Stdio::piped()).spawn();
        assert!(more.is_err(), "there were descriptors left");
        for (n, mut child) in (0..).zip(children) {
            child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(n));
            // Its pipe has left room for one: that is no pidfd for the next.
            fill.extend(File::open("/dev/null"));
        }
        assert!(ticks.get() > before);
        ticker.cancel();
    });
}
