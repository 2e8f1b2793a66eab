//! 09 · Cancelling, and structured concurrency.
//!
//! A coroutine that waits can be ended there by unwinding, as by a panic: destructors run, innermost
//! first. A *scope* builds on that: whatever happens, nobody who was started in it outlives it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use corobin::{Runtime, now, race, scope, shield, sleep, spawn, timeout, yield_now};

fn main() {
    // Time stands still while somebody is ready, and jumps when nobody is: no real waiting.
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| [cancelling, scoped, failing, limited, racing].map(|demo: fn()| demo()));
}

fn cancelling() {
    let clock = Stopwatch::start("cancel: an unwinding, from where it waits");
    let worker = spawn(move || {
        let _connection = Closing(clock, "connection", 20);
        let _file = Closing(clock, "file", 0);
        // What must not be torn in two is shielded: a cancel waits until it is done.
        shield(|| {
            sleep(ms(30));
            clock.say("the transaction is complete");
        });
        sleep(Duration::MAX);
    });
    yield_now(); // it starts
    worker.cancel();
    clock.say("cancel");
    clock.say(&format!("join gives {:?}", worker.join()));
}

fn scoped() {
    let clock = Stopwatch::start("scope: children borrow, and none is left behind");
    let words = ["structured", "concurrency", "is", "a", "nursery"];
    let lengths = RefCell::new(Vec::new());
    scope(|s| {
        for word in &words {
            let lengths = &lengths; // plain references: the scope ends before what they point to
            s.spawn(move || {
                sleep(ms(word.len() as u64));
                lengths.borrow_mut().push(word.len());
            });
        }
    });
    clock.say(&format!("all have ended: {:?}", lengths.take()));
}

fn failing() {
    let clock = Stopwatch::start("scope: the first failure ends the others");
    let all = catch_unwind(AssertUnwindSafe(|| {
        scope(|s| {
            s.spawn(move || {
                let _download = Closing(clock, "download", 0);
                sleep(ms(500));
            });
            s.spawn(|| {
                sleep(ms(10));
                resume_unwind(Box::new("disk full")) // a panic, without std's message
            });
        });
    }));
    let failure = all.unwrap_err().downcast::<&str>();
    clock.say(&format!("the scope fails: {failure:?}"));
}

fn limited() {
    let clock = Stopwatch::start("timeout: a limit on any code, in place");
    let mut read = 0; // borrowed by the code under the limit: no new coroutine, nothing to move
    let result = timeout(ms(35), || {
        while read < 1_000 {
            sleep(ms(10));
            read += 1;
        }
    });
    clock.say(&format!("{read} pages, then {result:?}"));
}

fn racing() {
    let clock = Stopwatch::start("race: the first result wins, the others are cancelled");
    let first = race([("Tokyo", 80), ("Oslo", 20)].map(|(mirror, delay)| {
        move || {
            let _request = Closing(clock, mirror, 0);
            sleep(ms(delay));
            mirror
        }
    }));
    clock.say(&format!("the page comes from {first}"));
}

/// Says when it is closed, and takes its time. A destructor may wait, also during a cancel.
struct Closing(Stopwatch, &'static str, u64);

impl Drop for Closing {
    fn drop(&mut self) {
        sleep(ms(self.2));
        self.0.say(&format!("closed: {}", self.1));
    }
}

#[derive(Clone, Copy)]
struct Stopwatch(Instant);
impl Stopwatch {
    fn start(title: &str) -> Stopwatch {
        println!("— {title} —");
        Stopwatch(now())
    }
    fn say(self, text: &str) {
        println!("{:>4} ms  {text}", (now() - self.0).as_millis());
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
