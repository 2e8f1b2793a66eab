//! `Event`, `Barrier`, `WaitGroup`, `OnceCell`, `broadcast` and `watch` against models.

mod common;

use common::model::{Lab, Op, for_steps};
use corobin::sleep;
use corobin::sync::{
    Barrier, BroadcastError, Event, OnceCell, RecvError, WaitGroup, broadcast, watch,
};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(5);

/// Those who wait, in order, and which of them have a limit.
#[derive(Default)]
struct Waiting {
    ops: VecDeque<Op>,
    limited: Vec<Op>,
}

impl Waiting {
    fn limit(&mut self, random: &mut fastrand::Rng, op: Op) -> Option<Duration> {
        let limit = (random.u8(..4) == 0).then_some(LIMIT);
        self.limited.extend(limit.map(|_| op));
        limit
    }

    /// Cancels one of them, if there is any.
    fn cancel_any<T: std::fmt::Debug + PartialEq + 'static>(
        &mut self,
        random: &mut fastrand::Rng,
        lab: &mut Lab<T>,
    ) -> Option<Op> {
        let at = (!self.ops.is_empty()).then(|| random.usize(..self.ops.len()))?;
        let op = self.ops.remove(at)?;
        lab.cancel(op);
        Some(op)
    }

    /// Lets the limits pass.
    fn expire<T: std::fmt::Debug + PartialEq + 'static>(&mut self, lab: &mut Lab<T>) {
        lab.check();
        for op in self.limited.drain(..) {
            if self.ops.contains(&op) {
                self.ops.retain(|&other| other != op);
                lab.expect(op, None);
            }
        }
        sleep(LIMIT);
        lab.compare();
    }
}

#[test]
fn events_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let event = Rc::new(Event::new());
        let (mut lab, mut waiting, mut set) = (Lab::new(), Waiting::default(), false);
        for _ in 0..steps {
            match random.u8(..10) {
                0..=4 => {
                    let limit = waiting.limit(random, lab.next());
                    let event = event.clone();
                    lab.check();
                    let op = lab.start(limit, move || event.wait());
                    if set {
                        lab.expect(op, Some(()));
                    } else {
                        waiting.ops.push_back(op);
                    }
                    lab.check();
                }
                5 => {
                    event.set();
                    set = true;
                    waiting
                        .ops
                        .drain(..)
                        .for_each(|op| lab.expect(op, Some(())));
                }
                6..=7 => {
                    event.clear();
                    set = false;
                }
                8 => drop(waiting.cancel_any(random, &mut lab)),
                _ => waiting.expire(&mut lab),
            }
            assert_eq!(event.is_set(), set);
        }
        event.set();
        waiting
            .ops
            .drain(..)
            .for_each(|op| lab.expect(op, Some(())));
        lab.check();
        assert_eq!(lab.under_way(), 0);
    });
}

#[test]
fn barriers_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let n = random.usize(..6);
        let barrier = Rc::new(Barrier::new(n));
        let (mut lab, mut waiting) = (Lab::new(), Waiting::default());
        for _ in 0..steps {
            match random.u8(..8) {
                0..=4 => {
                    let limit = waiting.limit(random, lab.next());
                    let barrier = barrier.clone();
                    // A cancel may still be on its way to the one that it hits.
                    let op = lab.start(limit, move || barrier.wait().is_leader());
                    if waiting.ops.len() + 1 >= n {
                        waiting
                            .ops
                            .drain(..)
                            .for_each(|op| lab.expect(op, Some(false)));
                        lab.expect(op, Some(true));
                    } else {
                        waiting.ops.push_back(op);
                    }
                    lab.check();
                }
                5..=6 => drop(waiting.cancel_any(random, &mut lab)),
                _ => waiting.expire(&mut lab),
            }
        }
        lab.check();
        waiting.ops.iter().for_each(|&op| lab.cancel(op));
        lab.check();
        assert_eq!(lab.under_way(), 0);
    });
}

#[test]
fn wait_groups_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let mut lab = Lab::new();
        let mut waiting = Waiting::default();
        let mut members = vec![WaitGroup::new()];
        for _ in 0..steps {
            match random.u8(..8) {
                0..=2 if !members.is_empty() => members.push(members[0].clone()),
                3 if !members.is_empty() => {
                    let limit = waiting.limit(random, lab.next());
                    let member = members.pop().unwrap();
                    waiting
                        .ops
                        .push_back(lab.start(limit, move || member.wait()));
                }
                4..=5 => {
                    // A coroutine that has not begun to wait is a member yet.
                    lab.check();
                    drop(members.pop());
                }
                6 => drop(waiting.cancel_any(random, &mut lab)),
                _ if !members.is_empty() => waiting.expire(&mut lab),
                _ => {}
            }
            if members.is_empty() {
                waiting
                    .ops
                    .drain(..)
                    .for_each(|op| lab.expect(op, Some(())));
                lab.check();
                assert_eq!(lab.under_way(), 0);
                members.push(WaitGroup::new());
                waiting.limited.clear();
            }
        }
        drop(members);
        waiting
            .ops
            .drain(..)
            .for_each(|op| lab.expect(op, Some(())));
        lab.check();
        assert_eq!(lab.under_way(), 0);
    });
}

/// Initialisers that are cancelled, expire and fail, until one succeeds.
#[test]
fn once_cells_agree_with_the_model() {
    for_steps(500, |random, steps| {
        for _ in 0..steps / 20 {
            let cell = Rc::new(OnceCell::new());
            let (done, running) = (Rc::new(Event::new()), Rc::new(Cell::new(0)));
            let (mut lab, mut waiting) = (Lab::new(), Waiting::default());
            let mut succeeds = false;
            for _ in 0..20 {
                let number = lab.next();
                match random.u8(..8) {
                    0..=4 if !succeeds => {
                        let limit = waiting.limit(random, number);
                        let (cell, done, running) = (cell.clone(), done.clone(), running.clone());
                        lab.check();
                        let op = lab.start(limit, move || {
                            *cell.get_or_init(|| {
                                assert_eq!(running.replace(1), 0, "one initialiser at a time");
                                struct Ended(Rc<Cell<u32>>);
                                impl Drop for Ended {
                                    fn drop(&mut self) {
                                        self.0.set(0);
                                    }
                                }
                                let _ended = Ended(running.clone());
                                done.wait();
                                number
                            })
                        });
                        waiting.ops.push_back(op);
                        lab.check();
                    }
                    5 => drop(waiting.cancel_any(random, &mut lab)),
                    6 => waiting.expire(&mut lab),
                    _ if !succeeds && !waiting.ops.is_empty() => {
                        lab.check();
                        succeeds = true;
                        done.set();
                        // The one that has waited longest is the initialiser.
                        let first = waiting.ops[0];
                        waiting
                            .ops
                            .drain(..)
                            .for_each(|op| lab.expect(op, Some(first)));
                    }
                    _ => {}
                }
            }
            lab.check();
            assert_eq!(cell.get().is_some(), succeeds);
            assert_eq!(running.get() == 1, !waiting.ops.is_empty());
            waiting.ops.iter().for_each(|&op| lab.cancel(op));
            lab.check();
            assert_eq!(lab.under_way(), 0);
        }
    });
}

/// Receivers that come and go, each with a list of what it has yet to see.
#[test]
fn broadcasts_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let capacity = random.usize(1..5);
        let (tx, rx) = broadcast(capacity);
        let mut receivers = vec![(rx, VecDeque::new())];
        let mut item = 0;
        for _ in 0..steps {
            match random.u8(..12) {
                0..=3 => {
                    item += 1;
                    let sent = tx.send(item).ok();
                    assert_eq!(sent, (!receivers.is_empty()).then_some(receivers.len()));
                    receivers
                        .iter_mut()
                        .for_each(|(_, unseen)| unseen.push_back(item));
                }
                4 => receivers.push((tx.subscribe(), VecDeque::new())),
                5 if !receivers.is_empty() => {
                    let at = random.usize(..receivers.len());
                    if random.bool() {
                        receivers.swap_remove(at);
                    } else {
                        let (rx, unseen) = &receivers[at];
                        let other = (rx.clone(), unseen.clone());
                        receivers.push(other);
                    }
                }
                _ if !receivers.is_empty() => {
                    let at = random.usize(..receivers.len());
                    let (rx, unseen) = &mut receivers[at];
                    let lagged = unseen.len().saturating_sub(capacity);
                    let expected = if lagged > 0 {
                        unseen.drain(..lagged);
                        Err(BroadcastError::Lagged(lagged as u64))
                    } else {
                        unseen.pop_front().ok_or(BroadcastError::Empty)
                    };
                    assert_eq!(rx.try_recv(), expected);
                }
                _ => {}
            }
            assert_eq!(tx.receiver_count(), receivers.len());
        }
        drop(tx);
        for (rx, unseen) in receivers {
            let lagged = unseen.len().saturating_sub(capacity);
            if lagged > 0 {
                assert_eq!(rx.recv(), Err(BroadcastError::Lagged(lagged as u64)));
            }
            for item in unseen.into_iter().skip(lagged) {
                assert_eq!(rx.recv(), Ok(item));
            }
            assert_eq!(rx.recv(), Err(BroadcastError::Closed));
        }
    });
}

/// Waits for items and for changes, of which each waiter gets the next.
#[test]
fn waits_for_broadcasts_and_watches_agree_with_the_model() {
    for_steps(500, |random, steps| {
        let ((tx, rx), (watch_tx, watch_rx)) = (broadcast(500), watch(0));
        drop(rx);
        let mut lab = Lab::new();
        let (mut items, mut changes) = (Waiting::default(), Waiting::default());
        for number in 1..=steps {
            match random.u8(..10) {
                0..=2 => {
                    let limit = items.limit(random, lab.next());
                    let rx = tx.subscribe();
                    lab.check();
                    items
                        .ops
                        .push_back(lab.start(limit, move || rx.recv().ok()));
                    lab.check();
                }
                3..=5 => {
                    let limit = changes.limit(random, lab.next());
                    let rx = watch_rx.clone();
                    rx.borrow_and_update();
                    lab.check();
                    let op = lab.start(limit, move || rx.changed().ok().map(|()| *rx.borrow()));
                    changes.ops.push_back(op);
                    lab.check();
                }
                6 => {
                    let _ = tx.send(number);
                    items
                        .ops
                        .drain(..)
                        .for_each(|op| lab.expect(op, Some(Some(number))));
                }
                7 => {
                    watch_tx.send(number).unwrap();
                    changes
                        .ops
                        .drain(..)
                        .for_each(|op| lab.expect(op, Some(Some(number))));
                    lab.check();
                }
                8 if random.bool() => drop(items.cancel_any(random, &mut lab)),
                8 => drop(changes.cancel_any(random, &mut lab)),
                _ => {
                    items.limited.append(&mut changes.limited);
                    items.ops.extend(changes.ops.iter());
                    let kept = changes.ops.len();
                    items.expire(&mut lab);
                    // Sort them again.
                    changes.ops.retain(|op| items.ops.contains(op));
                    items.ops.retain(|op| !changes.ops.contains(op));
                    assert!(changes.ops.len() <= kept);
                }
            }
        }
        assert_eq!(watch_rx.has_changed(), *watch_rx.borrow() > 0);
        if watch_rx.has_changed() {
            assert_eq!(watch_rx.changed(), Ok(()));
        }
        drop((tx, watch_tx));
        assert_eq!(watch_rx.changed(), Err(RecvError));
        items.ops.append(&mut changes.ops);
        items
            .ops
            .drain(..)
            .for_each(|op| lab.expect(op, Some(None)));
        lab.check();
        assert_eq!(lab.under_way(), 0);
    });
}
