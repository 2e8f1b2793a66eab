//! 04 · Sleep: a heap of timers joins the loop.
//!
//! A task that sleeps must not be in the ready queue, or it would run. So it says *why* it stops,
//! and the scheduler keeps it elsewhere until the reason is over. For time, that place is a heap:
//! whoever is to wake first is on top.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use corobin::{Generator, Yielder};

// ── The engine: 03 with a reason to stop, and a place for those who sleep ───────────────────────

/// What a task yields: why it stops.
enum Stop {
    Yield,
    Sleep(Duration),
}

type Task = Generator<Stop>;

#[derive(Clone, Default)]
struct Scheduler(Rc<Inner>);

#[derive(Default)]
struct Inner {
    now: Cell<Duration>,
    ready: RefCell<VecDeque<Task>>,
    /// When each sleeper is due. Equal times are ordered by who came first.
    timers: RefCell<BinaryHeap<Reverse<(Duration, u64)>>>,
    sleepers: RefCell<BTreeMap<u64, Task>>,
    arrivals: Cell<u64>,
}

impl Scheduler {
    fn spawn(&self, body: impl FnOnce(&Yielder<Stop>) + 'static) {
        self.0.ready.borrow_mut().push_back(Generator::new(body));
    }

    fn run(&self) {
        loop {
            // Those who can run, run.
            while let Some(mut task) = self.next_ready() {
                match task.next() {
                    Some(Stop::Yield) => self.0.ready.borrow_mut().push_back(task),
                    Some(Stop::Sleep(duration)) => self.put_to_sleep(task, duration),
                    None => {} // it has ended
                }
            }
            // Nobody can. The thread has nothing to do until the first timer is due.
            let Some(Reverse((due, id))) = self.0.timers.borrow_mut().pop() else {
                return; // nobody sleeps either
            };
            // Here a real engine waits: `thread::sleep(due - now)`. This one makes the clock jump,
            // as corobin does under `virtual_time(true)`, and the program is over at once.
            self.0.now.set(due);
            let task = self.0.sleepers.borrow_mut().remove(&id);
            self.0.ready.borrow_mut().extend(task);
        }
    }

    fn next_ready(&self) -> Option<Task> {
        self.0.ready.borrow_mut().pop_front()
    }

    fn put_to_sleep(&self, task: Task, duration: Duration) {
        let id = self.0.arrivals.get();
        self.0.arrivals.set(id + 1);
        let due = self.0.now.get() + duration;
        self.0.timers.borrow_mut().push(Reverse((due, id)));
        self.0.sleepers.borrow_mut().insert(id, task);
    }

    fn say(&self, text: &str) {
        println!("{:>3} s  {text}", self.0.now.get().as_secs_f32());
    }
}

// ── A program for it ────────────────────────────────────────────────────────────────────────────

fn sleep(seconds: f32, y: &Yielder<Stop>) {
    y.yield_(Stop::Sleep(Duration::from_secs_f32(seconds)));
}

fn main() {
    let scheduler = Scheduler::default();
    for (name, seconds) in [("noodles", 3.0), ("tea", 2.0), ("egg", 3.0)] {
        let kitchen = scheduler.clone();
        scheduler.spawn(move |y| {
            kitchen.say(&format!("the {name} will take {seconds} s"));
            y.yield_(Stop::Yield); // being polite, so that each is put on before any timer runs
            sleep(seconds, y);
            kitchen.say(&format!("the {name} is ready"));
        });
    }
    let kitchen = scheduler.clone();
    scheduler.spawn(move |y| {
        for tick in ["tick", "tock", "tick", "tock"] {
            kitchen.say(tick);
            sleep(0.5, y);
        }
    });
    scheduler.run();
    scheduler.say("all have ended: not after the sum of all waits, but after the longest");
}

// The real one is `src/timers/` and `src/time.rs`; it adds timers that are taken back when their
// sleeper is cancelled, a heap with four children a node, a look at the clock at least every 64
// steps so that busy tasks do not starve sleepers, and the kernel's help to wait for a descriptor
// and a time at once (06).
