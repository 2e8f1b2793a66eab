//! Standard output and its lock. The ignored tests are child processes of the others,
//! which read what they write.

use corobin::io::{Write, stdout};
use corobin::{gather, run, spawn, to_thread, yield_now};
use std::cell::Cell;
use std::rc::Rc;

#[path = "common/actor.rs"]
mod actor;
use actor::Actor;

/// As `actor::say`, by way of corobin.
fn say(mut output: impl Write, what: &str) {
    write!(output, "\nactor: {what}\n").unwrap();
}

const WRITERS: usize = 8;
const VERSES: usize = 20;

#[test]
#[ignore = "a child of other tests"]
fn writes_verses() {
    let write_verses = |who: usize| {
        for verse in 0..VERSES {
            let mut output = stdout().lock();
            say(&mut output, &format!("{who} begins {verse}"));
            yield_now();
            // Through the lock of its own coroutine.
            say(stdout(), &format!("{who} goes on"));
            let again = stdout().lock();
            yield_now();
            say(again, &format!("{who} ends"));
        }
    };
    let other = std::thread::spawn(move || {
        run(move || {
            gather((0..WRITERS).map(|who| spawn(move || write_verses(WRITERS + who)))).unwrap();
        });
    });
    let outside = std::thread::spawn(move || write_verses(2 * WRITERS));
    run(|| gather((0..WRITERS).map(|who| spawn(move || write_verses(who)))).unwrap());
    other.join().unwrap();
    outside.join().unwrap();
}

/// Of coroutines of two runtimes, and of a thread that has none.
#[test]
fn what_is_written_under_a_lock_stays_together() {
    run(|| {
        let mut actor = Actor::new("writes_verses");
        let mut told = [0; 2 * WRITERS + 1];
        for _ in 0..told.len() * VERSES {
            let first = actor.hear().unwrap();
            let (who, _) = first.split_once(" begins ").unwrap();
            let number: usize = who.parse().unwrap();
            assert_eq!(first, format!("{who} begins {}", told[number]));
            told[number] += 1;
            actor.says(&format!("{who} goes on"));
            actor.says(&format!("{who} ends"));
        }
        assert!(told.iter().all(|&verses| verses == VERSES));
        actor.passes();
    });
}

#[test]
#[ignore = "a child of other tests"]
fn gives_up_waiting() {
    run(|| {
        let lock = stdout().lock();
        let waiters: Vec<_> = (0..3).map(|_| spawn(|| drop(stdout().lock()))).collect();
        let writer = spawn(|| say(stdout(), "never"));
        yield_now();
        for waiter in &waiters {
            waiter.cancel();
        }
        writer.cancel();
        for waiter in waiters {
            assert!(waiter.join().is_err());
        }
        assert!(writer.join().is_err());
        let dies = spawn(|| {
            let _lock = stdout().lock();
            panic!("with the lock");
        });
        yield_now();
        drop(lock);
        assert!(dies.join().is_err());
        // Nobody has it now: neither a coroutine nor a thread waits.
        say(stdout().lock(), "free");
        to_thread(|| say(stdout(), "free for a thread"));
    });
}

#[test]
fn who_is_unwound_gives_the_lock_back() {
    run(|| {
        let mut actor = Actor::new("gives_up_waiting");
        actor.says("free");
        actor.says("free for a thread");
        actor.passes();
    });
}

#[test]
#[ignore = "a child of other tests"]
fn waits_for_the_lock() {
    run(|| {
        let lock = stdout().lock();
        let ran = Rc::new(Cell::new(false));
        let waiter = spawn({
            let ran = Rc::clone(&ran);
            move || {
                let output = stdout().lock();
                ran.set(true);
                say(output, "second");
            }
        });
        for _ in 0..100 {
            yield_now();
        }
        assert!(!ran.get());
        say(lock, "first");
        waiter.join().unwrap();
    });
}

#[test]
fn a_lock_that_is_written_to_and_dropped_lets_the_next_go_on() {
    run(|| {
        let mut actor = Actor::new("waits_for_the_lock");
        actor.says("first");
        actor.says("second");
        actor.passes();
    });
}
