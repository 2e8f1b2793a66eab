//! Ctrl-C and what a signal does by default, in child processes. They are the
//! ignored tests here.

use corobin::process::Command;
use corobin::signal::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1, Signals, ctrl_c};
use corobin::{JoinError, Workers, run, sleep, spawn, timeout, yield_now};
use rustix::process::Signal;
use std::time::Duration;

#[path = "common/actor.rs"]
mod actor;
use actor::{Actor, say};

#[test]
fn ctrl_c_is_waited_for_and_the_next_ends_the_process() {
    run(|| {
        let mut actor = Actor::new("waits_for_one_ctrl_c");
        actor.says("waiting");
        actor.send(Signal::INT);
        actor.says("got it");
        actor.send(Signal::INT);
        assert_eq!(actor.died_of(), Some(SIGINT));
    });
}

/// The waiter has received, and stops to listen, while another thread is still in
/// the handler.
#[test]
fn a_ctrl_c_that_was_received_does_not_end_the_process() {
    run(|| {
        for _ in 0..300 {
            let mut actor = Actor::new("waits_for_one_ctrl_c");
            actor.says("waiting");
            actor.send(Signal::INT);
            actor.says("got it");
        }
    });
}

#[test]
#[ignore = "a child of another test"]
fn waits_for_one_ctrl_c() {
    run(|| {
        let waiter = spawn(ctrl_c);
        yield_now();
        say("waiting");
        waiter.join().unwrap().unwrap();
        say("got it");
        sleep(Duration::from_secs(3600));
    });
}

#[test]
fn everybody_who_waits_for_ctrl_c_gets_it() {
    run(|| {
        let mut actor = Actor::new("waits_on_two_workers");
        actor.says("waiting");
        actor.send(Signal::INT);
        actor.says("all");
        assert!(actor.child.wait().unwrap().success());
    });
}

#[test]
#[ignore = "a child of another test"]
fn waits_on_two_workers() {
    let workers = Workers::new(2).unwrap();
    let waits = [0, 1, 0, 1].map(|i| {
        workers.on(i).spawn(|| {
            let signals = Signals::new([SIGINT]).unwrap();
            let other = spawn(ctrl_c);
            (signals.recv().unwrap() == SIGINT) && other.join().unwrap().is_ok()
        })
    });
    // First in, first out: when these have run, those above listen.
    for i in [0, 1] {
        workers.on(i).spawn(yield_now).join().unwrap();
        workers
            .on(i)
            .spawn(|| sleep(Duration::from_millis(1)))
            .join()
            .unwrap();
    }
    say("waiting");
    if waits.into_iter().all(|wait| wait.join().unwrap()) {
        say("all");
    }
}

#[test]
fn a_cancelled_wait_leaves_the_default() {
    run(|| {
        for (signal, number) in [(Signal::INT, SIGINT), (Signal::TERM, SIGTERM)] {
            let mut actor = Actor::new("listens_no_longer");
            actor.says("not listening");
            actor.send(signal);
            assert_eq!(actor.died_of(), Some(number));
        }
    });
}

#[test]
#[ignore = "a child of another test"]
fn listens_no_longer() {
    run(|| {
        let waiter = spawn(ctrl_c);
        yield_now();
        waiter.cancel();
        assert!(matches!(waiter.join(), Err(JoinError::Cancelled)));
        assert!(timeout(Duration::from_millis(1), ctrl_c).is_err());
        let several = Signals::new([SIGINT, SIGTERM]).unwrap();
        drop(Signals::new([SIGINT, SIGTERM]).unwrap());
        drop(several);
        // Where the default is to ignore, it still is.
        drop(Signals::new([SIGCHLD]).unwrap());
        Command::new("true").status().unwrap();
        say("not listening");
        sleep(Duration::from_secs(3600));
    });
}

#[test]
fn signals_that_are_seldom_used_end_the_process_again() {
    run(|| {
        for signal in [libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT, libc::SIGRTMIN()] {
            let mut actor = Actor::new("listens_to_all_no_longer");
            actor.says("not listening");
            let id = actor.child.id() as i32;
            // SAFETY: it sends a signal to a child that was not waited for.
            assert_eq!(unsafe { libc::kill(id, signal) }, 0);
            assert_eq!(actor.died_of(), Some(signal));
        }
    });
}

#[test]
#[ignore = "a child of another test"]
fn listens_to_all_no_longer() {
    run(|| {
        let seldom = [libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT, libc::SIGRTMIN()];
        drop(Signals::new(seldom).unwrap());
        say("not listening");
        sleep(Duration::from_secs(3600));
    });
}

#[test]
fn as_long_as_one_listens_the_default_is_held_off() {
    run(|| {
        let mut actor = Actor::new("one_of_two_listens");
        actor.says("one left");
        for _ in 0..3 {
            actor.send(Signal::USR1);
            actor.says("signal");
        }
        actor.send(Signal::TERM);
        assert_eq!(actor.died_of(), Some(SIGTERM));
    });
}

#[test]
#[ignore = "a child of another test"]
fn one_of_two_listens() {
    run(|| {
        let one = Signals::new([SIGUSR1]).unwrap();
        drop(Signals::new([SIGUSR1]).unwrap());
        say("one left");
        for _ in &one {
            say("signal");
        }
    });
}

#[test]
fn what_was_ignored_before_is_ignored_again() {
    run(|| {
        let own = std::env::current_exe().unwrap();
        let mut nohup = Command::new("sh");
        // An ignored signal is inherited.
        nohup
            .args(["-c", "trap '' INT; exec \"$@\"", "sh"])
            .arg(own);
        let mut actor = Actor::start(nohup, "listens_and_stops");
        actor.says("listening");
        actor.send(Signal::INT);
        actor.says("got it");
        actor.send(Signal::INT);
        actor.send(Signal::TERM);
        assert_eq!(actor.died_of(), Some(SIGTERM));
    });
}

#[test]
#[ignore = "a child of another test"]
fn listens_and_stops() {
    run(|| {
        let signals = Signals::new([SIGINT]).unwrap();
        say("listening");
        signals.recv().unwrap();
        drop(signals);
        say("got it");
        sleep(Duration::from_secs(3600));
    });
}
