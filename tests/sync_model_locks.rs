//! `Mutex`, `RwLock`, `Condvar` and `Semaphore` against lists of who has and who waits.

mod common;

use common::model::{Lab, Op, for_steps};
use corobin::sleep;
use corobin::sync::{Condvar, Mutex, RwLock, Semaphore};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(5);

/// A lock of any kind, with guards that are kept in a list.
trait Lock {
    type Guard;
    fn lock(&'static self, exclusive: bool) -> Self::Guard;
    fn try_lock(&'static self, exclusive: bool) -> Option<Self::Guard>;
}

impl Lock for Mutex<u32> {
    type Guard = corobin::sync::MutexGuard<'static, u32>;

    fn lock(&'static self, _: bool) -> Self::Guard {
        let mut guard = self.lock();
        *guard += 1;
        guard
    }

    fn try_lock(&'static self, _: bool) -> Option<Self::Guard> {
        self.try_lock()
    }
}

impl Lock for Semaphore {
    type Guard = corobin::sync::SemaphorePermit<'static>;

    fn lock(&'static self, _: bool) -> Self::Guard {
        self.acquire()
    }

    fn try_lock(&'static self, _: bool) -> Option<Self::Guard> {
        self.try_acquire()
    }
}

enum Either {
    Reads(#[expect(dead_code, reason = "held")] corobin::sync::RwLockReadGuard<'static, u32>),
    Writes(corobin::sync::RwLockWriteGuard<'static, u32>),
}

impl Lock for RwLock<u32> {
    type Guard = Either;

    fn lock(&'static self, exclusive: bool) -> Either {
        if !exclusive {
            return Either::Reads(self.read());
        }
        let mut guard = Either::Writes(self.write());
        if let Either::Writes(guard) = &mut guard {
            **guard += 1;
        }
        guard
    }

    fn try_lock(&'static self, exclusive: bool) -> Option<Either> {
        if exclusive {
            self.try_write().map(Either::Writes)
        } else {
            self.try_read().map(Either::Reads)
        }
    }
}

/// Who has it and who waits, in order.
struct Model {
    /// So many may share it who are not exclusive.
    share: usize,
    have: Vec<(Op, bool)>,
    wait: VecDeque<(Op, bool)>,
}

impl Model {
    fn may(&self, exclusive: bool) -> bool {
        match self.have.first() {
            None => true,
            Some(&(_, other)) => !exclusive && !other && self.have.len() < self.share,
        }
    }

    /// Gives it to those whose turn it is.
    fn serve(&mut self, lab: &mut Lab<()>) {
        while let Some(&(op, exclusive)) = self.wait.front()
            && self.may(exclusive)
        {
            self.have.extend(self.wait.pop_front());
            lab.expect(op, Some(()));
        }
    }
}

/// The number of those who got it without an operation.
const TRIED: Op = Op::MAX;

fn random_run<L: Lock<Guard: 'static> + 'static>(
    lock: L,
    share: usize,
    exclusive: impl Fn(&mut fastrand::Rng) -> bool,
    random: &mut fastrand::Rng,
    steps: u64,
) {
    let lock: &'static L = Box::leak(Box::new(lock));
    let mut lab = Lab::new();
    let mut model = Model {
        share,
        have: Vec::new(),
        wait: VecDeque::new(),
    };
    let guards: Rc<RefCell<BTreeMap<Op, L::Guard>>> = Rc::default();
    let (mut tried, mut limited) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let exclusive = exclusive(random);
        match random.u8(..16) {
            0..=6 if model.wait.len() < 15 => {
                let limit = (random.u8(..4) == 0).then_some(LIMIT);
                let (guards, op) = (guards.clone(), lab.next());
                lab.check();
                lab.start(limit, move || {
                    let guard = lock.lock(exclusive);
                    guards.borrow_mut().insert(op, guard);
                });
                limited.extend(limit.map(|_| op));
                model.wait.push_back((op, exclusive));
                model.serve(&mut lab);
                lab.check();
            }
            // Given back, and handed on before the next one has run.
            7..=11 if !model.have.is_empty() => {
                let (op, _) = model.have.swap_remove(random.usize(..model.have.len()));
                if op == TRIED {
                    drop(tried.pop());
                } else {
                    if !guards.borrow().contains_key(&op) {
                        lab.check();
                    }
                    let guard = guards.borrow_mut().remove(&op);
                    drop(guard.expect("it has the lock"));
                }
                model.serve(&mut lab);
            }
            12 => {
                lab.check();
                let may = model.wait.is_empty() && model.may(exclusive);
                let guard = lock.try_lock(exclusive);
                assert_eq!(guard.is_some(), may);
                if may {
                    // Of those that share, which one goes back does not matter.
                    model.have.push((TRIED, exclusive));
                    tried.extend(guard);
                }
            }
            // Who is cancelled gets nothing, though it has not unwound yet.
            13..=14 if !model.wait.is_empty() => {
                let (op, _) = model.wait[random.usize(..model.wait.len())];
                model.wait.retain(|&(other, _)| other != op);
                lab.cancel(op);
                model.serve(&mut lab);
            }
            _ => {
                lab.check();
                for op in limited.drain(..) {
                    if model.wait.iter().any(|&(other, _)| other == op) {
                        model.wait.retain(|&(other, _)| other != op);
                        lab.expect(op, None);
                        // Before the next one's time is over.
                        model.serve(&mut lab);
                    }
                }
                sleep(LIMIT);
                lab.compare();
            }
        }
        let exclusive = model.have.iter().filter(|&&(_, exclusive)| exclusive);
        assert!(exclusive.count() == 0 || model.have.len() == 1);
    }
    lab.check();
    model.wait.iter().for_each(|&(op, _)| lab.cancel(op));
    lab.check();
    assert_eq!(lab.under_way(), 0);
    tried.clear();
    guards.borrow_mut().clear();
    assert!(lock.try_lock(true).is_some(), "all of it was given back");
}

#[test]
fn mutexes_agree_with_the_model() {
    for_steps(500, |random, steps| {
        random_run(Mutex::new(0), 1, |_| true, random, steps);
    });
}

#[test]
fn rwlocks_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let writes = |random: &mut fastrand::Rng| random.u8(..3) == 0;
        random_run(RwLock::new(0), usize::MAX, writes, random, steps);
    });
}

#[test]
fn semaphores_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let permits = random.usize(1..4);
        random_run(Semaphore::new(permits), permits, |_| false, random, steps);
    });
}

/// Who waits for a notification, and then for the mutex.
#[test]
fn condvars_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let pair = Rc::new((Mutex::new(()), Condvar::new()));
        // Whether it was notified.
        let mut lab = Lab::new();
        let mut wait: VecDeque<Op> = VecDeque::new();
        let mut limited = Vec::new();
        for _ in 0..steps {
            match random.u8(..12) {
                0..=5 if wait.len() < 15 => {
                    let (around, within) = match random.u8(..8) {
                        0 => (Some(LIMIT), None),
                        1 => (None, Some(LIMIT)),
                        _ => (None, None),
                    };
                    let pair = pair.clone();
                    lab.check();
                    let op = lab.start(around, move || {
                        let mut guard = pair.0.lock();
                        let notified = match within {
                            None => {
                                pair.1.wait(&mut guard);
                                true
                            }
                            Some(limit) => !pair.1.wait_timeout(&mut guard, limit).timed_out(),
                        };
                        assert!(pair.0.try_lock().is_none(), "it has the mutex again");
                        notified
                    });
                    limited.extend(around.map(|_| (op, None)));
                    limited.extend(within.map(|_| (op, Some(false))));
                    wait.push_back(op);
                    lab.check();
                }
                6..=8 => {
                    pair.1.notify_one();
                    if let Some(op) = wait.pop_front() {
                        lab.expect(op, Some(true));
                    }
                }
                9 if random.bool() => {
                    pair.1.notify_all();
                    wait.drain(..).for_each(|op| lab.expect(op, Some(true)));
                }
                9..=10 if !wait.is_empty() => {
                    let op = wait[random.usize(..wait.len())];
                    wait.retain(|&other| other != op);
                    lab.cancel(op);
                }
                10 => {
                    // Whoever comes back meanwhile has to wait for the mutex.
                    lab.check();
                    let guard = pair.0.lock();
                    pair.1.notify_one();
                    if let Some(op) = wait.pop_front() {
                        common::model::settle();
                        assert!(!lab.has_ended(op));
                        lab.cancel(op);
                        common::model::settle();
                        assert!(
                            !lab.has_ended(op),
                            "nothing interrupts taking the mutex again"
                        );
                        lab.expect(op, Some(true));
                    }
                    drop(guard);
                    lab.check();
                }
                _ => {
                    lab.check();
                    for (op, outcome) in limited.drain(..).filter(|(op, _)| wait.contains(op)) {
                        lab.expect(op, outcome);
                    }
                    let expired = lab.expected_ops();
                    wait.retain(|op| !expired.contains(op));
                    sleep(LIMIT);
                    lab.compare();
                }
            }
        }
        lab.check();
        wait.iter().for_each(|&op| lab.cancel(op));
        lab.check();
        assert_eq!(lab.under_way(), 0);
        assert!(pair.0.try_lock().is_some());
    });
}
