//! 03 · A scheduler: a queue and a loop.
//!
//! Two generators that take turns need somebody who says whose turn it is. The fairest answer is
//! also the shortest: run the first in the queue to its next yield, then put it at the back. Each
//! gets a turn before any gets two: round robin. That is all a scheduler is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use corobin::{Generator, Yielder};

// ── The engine ──────────────────────────────────────────────────────────────────────────────────

/// A generator that yields nothing but control.
struct Task {
    name: &'static str,
    body: Generator<()>,
}

/// Tasks hold a clone, to spawn others. `Rc` and `RefCell` do: it is all one thread.
#[derive(Clone, Default)]
struct Scheduler {
    ready: Rc<RefCell<VecDeque<Task>>>,
}

impl Scheduler {
    /// The new one goes to the back of the queue. It does not run yet: its parent keeps the turn.
    fn spawn(&self, name: &'static str, body: impl FnOnce(&Yielder<()>) + 'static) {
        let body = Generator::new(body);
        self.ready.borrow_mut().push_back(Task { name, body });
    }

    fn run(&self) {
        loop {
            // The queue is not borrowed while the task runs, which may want to spawn.
            let Some(mut task) = self.ready.borrow_mut().pop_front() else {
                return; // nobody is left
            };
            println!("{:<8} is next, then {}", task.name, self.names());
            let has_yielded = task.body.next().is_some();
            if has_yielded {
                self.ready.borrow_mut().push_back(task);
            }
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.ready.borrow().iter().map(|task| task.name).collect();
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    }
}

// ── A program for it ────────────────────────────────────────────────────────────────────────────

fn main() {
    let scheduler = Scheduler::default();
    scheduler.spawn("reader", |y| {
        work(["opens the book", "reads", "reads on"], y)
    });
    scheduler.spawn("painter", |y| work(["mixes colours", "paints"], y));
    scheduler.spawn("parent", {
        let scheduler = scheduler.clone();
        move |y| {
            scheduler.spawn("child", |y| work(["wakes up", "plays"], y));
            work(["has a child"], y);
        }
    });
    scheduler.run();
    println!("all have ended");
}

/// Does one thing a turn. This function could be called from anywhere below the task's body.
fn work<const N: usize>(things: [&str; N], y: &Yielder<()>) {
    for thing in things {
        println!("         … {thing}");
        y.yield_(());
    }
}

// What this engine cannot do: wait. A task that has nothing to do must yield again and again. In
// the next chapters tasks say *why* they stop, and the loop leaves out those who wait.
//
// The real one is `src/scheduler/mod.rs`, with the queue in `src/ready.rs`; it adds stacks that are
// used again, a yield that goes straight to the next coroutine without passing through the loop,
// memory fetched ahead of its turn, and a shuffled order for tests (`schedule_seed`).
