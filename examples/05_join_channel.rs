//! 05 · Waiting for each other: join, a channel, and a deadlock.
//!
//! Who waits for another task leaves the ready queue, and says what it waits for. Who changes that
//! thing puts those who wait for it back. Two verbs do for everything: *park* and *wake*.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use corobin::{Generator, Yielder};

/// The name of what can be waited for, tasks among it. To park is to yield one.
type What = &'static str;

struct Task {
    name: What,
    body: Generator<What>,
}

#[derive(Default)]
struct Scheduler {
    ready: RefCell<VecDeque<Task>>,
    parked: RefCell<BTreeMap<What, Vec<Task>>>,
}

impl Scheduler {
    /// Gives the slot where the body's result will lie: to take it is to join.
    fn spawn<T: 'static, F>(self: &Rc<Self>, name: What, body: F) -> Rc<Slot<T>>
    where
        F: FnOnce(&Yielder<What>) -> T + 'static,
    {
        let slot = Slot::new(name, self);
        let result = Rc::clone(&slot);
        let body = Generator::new(move |y: &Yielder<What>| slot.put(body(y), y));
        self.ready.borrow_mut().push_back(Task { name, body });
        result
    }

    fn wake(&self, what: What) {
        let woken = self.parked.borrow_mut().remove(what);
        self.ready.borrow_mut().extend(woken.into_iter().flatten());
    }

    fn run(&self) {
        let next = || self.ready.borrow_mut().pop_front();
        while let Some(mut task) = next() {
            if let Some(what) = task.body.next() {
                self.parked.borrow_mut().entry(what).or_default().push(task);
            }
        }
        // Only tasks wake tasks: who is parked now is so for ever. Threads would just hang here.
        for (what, tasks) in self.parked.take() {
            println!("deadlock: {} waits for {what}", tasks[0].name);
        }
    }
}

// ── On top of it: a slot for one item, which is a channel and a join handle in one ──────────────

struct Slot<T> {
    what: What,
    scheduler: Rc<Scheduler>,
    item: RefCell<Option<T>>,
}

impl<T> Slot<T> {
    fn new(what: What, scheduler: &Rc<Scheduler>) -> Rc<Slot<T>> {
        Rc::new(Slot {
            what,
            scheduler: Rc::clone(scheduler),
            item: RefCell::default(),
        })
    }

    fn put(&self, item: T, y: &Yielder<What>) {
        // In a loop: when we run again, somebody else may have filled it first.
        while self.item.borrow().is_some() {
            y.yield_(self.what);
        }
        self.item.replace(Some(item));
        self.scheduler.wake(self.what);
    }

    fn take(&self, y: &Yielder<What>) -> T {
        while self.item.borrow().is_none() {
            y.yield_(self.what);
        }
        self.scheduler.wake(self.what);
        self.item.take().expect("nobody has run since we looked")
    }
}

// ── A program for it ────────────────────────────────────────────────────────────────────────────

fn main() {
    let scheduler = Rc::new(Scheduler::default());
    let belt = Slot::new("the belt", &scheduler);
    let to_shop = Rc::clone(&belt);
    let baker = scheduler.spawn("baker", move |y| {
        for loaf in 1..=3 {
            println!("baker: loaf {loaf} is done");
            to_shop.put(loaf, y); // waits while the one before still lies there
        }
        "tired"
    });
    scheduler.spawn("shop", move |y| {
        (0..3).for_each(|_| println!("    shop: sells loaf {}", belt.take(y)));
        println!("    shop: the baker is {}", baker.take(y));
    });
    // Ann gives the map for the key, Bob the key for the map.
    let [key, map] = ["the key", "the map"].map(|what| Slot::<u32>::new(what, &scheduler));
    let (same_key, same_map) = (key.clone(), map.clone());
    scheduler.spawn("Ann", move |y| map.put(key.take(y), y));
    scheduler.spawn("Bob", move |y| same_key.put(same_map.take(y), y));
    scheduler.run();
}

// The real one is `src/suspend.rs` (park), `src/wait_queue/`, `src/task/` and `src/sync/`; it adds
// hand-over to the first in line, waits that can be cancelled, and reports with source lines.
