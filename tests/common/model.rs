//! Random operations against a naive model.
//!
//! Each operation that may wait is a coroutine of its own, which writes its outcome into the
//! log before anything else can happen. The driver starts operations, cancels them, lets time
//! pass, and says what it expects. Under virtual time a sleep ends only when nobody is ready, so
//! after one everything has happened that can.

use corobin::{JoinHandle, Runtime, sleep, spawn, timeout};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

/// How many steps a property is tried for in all; `COROBIN_STEPS` asks for a longer run.
pub fn steps() -> u64 {
    let steps = std::env::var("COROBIN_STEPS").ok();
    steps.map_or(100_000, |text| {
        text.parse().expect("COROBIN_STEPS is a number")
    })
}

/// Calls `one` with as many random generators as it takes for all steps, `each` in one runtime of
/// its own: first in, first out, and seeded ones in turn.
pub fn for_steps(each: u64, one: impl Fn(&mut fastrand::Rng, u64)) {
    for seed in 0..steps().div_ceil(each) {
        let mut builder = Runtime::builder().virtual_time(true).stack_size(128 << 10);
        if seed % 2 == 1 {
            builder = builder.schedule_seed(seed);
        }
        let mut random = fastrand::Rng::with_seed(seed);
        builder.build().unwrap().run(|| one(&mut random, each));
    }
}

/// Lets everything happen that can.
pub fn settle() {
    sleep(Duration::from_nanos(1));
}

/// An operation's number.
pub type Op = u32;

/// Operations under way, and what became of them.
pub struct Lab<T> {
    ops: BTreeMap<Op, JoinHandle<()>>,
    log: Rc<RefCell<BTreeMap<Op, Option<T>>>>,
    expected: BTreeMap<Op, Option<T>>,
    next: Op,
}

impl<T: Debug + PartialEq + 'static> Lab<T> {
    pub fn new() -> Lab<T> {
        Lab {
            ops: BTreeMap::new(),
            log: Rc::default(),
            expected: BTreeMap::new(),
            next: 0,
        }
    }

    /// Starts an operation and lets it come to its wait, or its end. With a limit it logs `None`
    /// when that is over.
    pub fn start(&mut self, limit: Option<Duration>, f: impl FnOnce() -> T + 'static) -> Op {
        let (op, log) = (self.next, self.log.clone());
        self.next += 1;
        let handle = spawn(move || {
            let outcome = match limit {
                Some(limit) => timeout(limit, f).ok(),
                None => Some(f()),
            };
            let before = log.borrow_mut().insert(op, outcome);
            assert!(before.is_none(), "an operation ends once");
        });
        self.ops.insert(op, handle);
        op
    }

    /// The number that the next operation will have.
    pub fn next(&self) -> Op {
        self.next
    }

    pub fn cancel(&mut self, op: Op) {
        self.ops[&op].cancel();
    }

    /// What an operation must come to; `None` if its time is over.
    pub fn expect(&mut self, op: Op, outcome: Option<T>) {
        self.expected.insert(op, outcome);
    }

    pub fn has_ended(&self, op: Op) -> bool {
        self.ops[&op].is_finished()
    }

    /// Those of which something is expected.
    pub fn expected_ops(&self) -> Vec<Op> {
        self.expected.keys().copied().collect()
    }

    /// Lets everything happen, and looks whether it was that.
    pub fn check(&mut self) {
        settle();
        self.compare();
    }

    pub fn compare(&mut self) {
        let log = std::mem::take(&mut *self.log.borrow_mut());
        assert_eq!(log, std::mem::take(&mut self.expected));
        self.ops.retain(|_, handle| !handle.is_finished());
    }

    /// How many have not ended.
    pub fn under_way(&self) -> usize {
        self.ops.len()
    }
}
