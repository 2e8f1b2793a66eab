//! Wakers that are called at a time: those of all sleeps on this thread, by one coroutine,
//! since wakers are the user's code. It lives while there are any.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;
use std::time::Instant;

use crate::spawn::{JoinHandle, spawn};
use crate::suspend::park;
use crate::time::now;
use crate::timeout::timeout_at;
use crate::unwind::quietly;

/// The number tells those apart that are due at the same time.
type Key = (Instant, u64);

#[derive(Default)]
struct Alarms {
    wakers: RefCell<BTreeMap<Key, Waker>>,
    coroutine: RefCell<Option<JoinHandle<()>>>,
}

thread_local! {
    static ALARMS: Alarms = Alarms::default();
}

/// Has `waker` called at `deadline`, and none that was set for this number before.
pub(super) fn set(deadline: Instant, number: u64, waker: &Waker) {
    ALARMS.with(|alarms| {
        let key = (deadline, number);
        let is_known = |old: &Waker| old.will_wake(waker);
        if alarms.wakers.borrow().get(&key).is_some_and(is_known) {
            return;
        }
        // Cloned and dropped while nothing is borrowed.
        let waker = waker.clone();
        let old = alarms.wakers.borrow_mut().insert(key, waker);
        drop(old);
        if alarms.first() == Some(key) {
            alarms.changed();
        }
    });
}

/// Forgets it, if it was set on this thread. Elsewhere its waker is called in vain.
pub(super) fn unset(deadline: Instant, number: u64) {
    // The thread may be ending.
    let _ = ALARMS.try_with(|alarms| {
        let old = alarms.wakers.borrow_mut().remove(&(deadline, number));
        // A later first one need not be told: whoever wakes too early sleeps on.
        if old.is_some() && alarms.first().is_none() {
            alarms.changed();
        }
        drop(old);
    });
}

impl Alarms {
    fn first(&self) -> Option<Key> {
        self.wakers.borrow().keys().next().copied()
    }

    /// The coroutine must see that there is a first one, or no more.
    fn changed(&self) {
        let mut coroutine = self.coroutine.borrow_mut();
        match &*coroutine {
            Some(coroutine) if !coroutine.is_finished() => coroutine.coroutine().unpark(),
            _ => {
                let watch = Watch;
                *coroutine = Some(spawn(move || watch.run()));
            }
        }
    }
}

/// The coroutine's task. Dropped with it, also when it is cancelled with the run; then
/// those who are woken wait for themselves.
struct Watch;

impl Watch {
    fn run(self) {
        while let Some((deadline, number)) = ALARMS.with(Alarms::first) {
            if now() < deadline {
                let _ = timeout_at(deadline, park);
                continue;
            }
            let waker =
                ALARMS.with(|alarms| alarms.wakers.borrow_mut().remove(&(deadline, number)));
            if let Some(waker) = waker {
                quietly(|| waker.wake());
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let wakers = ALARMS.with(|alarms| {
            drop(alarms.coroutine.take());
            mem::take(&mut *alarms.wakers.borrow_mut())
        });
        for waker in wakers.into_values() {
            quietly(|| waker.wake());
        }
    }
}
