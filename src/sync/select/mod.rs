//! Waiting for one of several operations: `select!` and `Select`.

mod dynamic;
mod macros;
mod operations;
mod standing;

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::time::Deadline;
use crate::wait_queue::{Caller, Waiter};

pub use dynamic::{Select, SelectTimeoutError, SelectedOperation, TrySelectError};
pub use operations::{Offer, Receive};
use operations::{Operations, Pick};
use standing::AllStanding;

/// Waits until one operation has taken place, and gives its number.
#[inline(always)]
#[track_caller]
pub fn select(operations: impl Operations) -> usize {
    match now(operations, Caller::arrive()) {
        Some(index) => index,
        None => wait(operations, None),
    }
}

/// Lets one operation take place if one is ready; gives the count of all if none is.
#[inline(always)]
#[track_caller]
pub fn try_select(operations: impl Operations) -> usize {
    let caller = Caller::arrive();
    match (now(operations, caller), caller.scheduler()) {
        (Some(index), _) => index,
        (None, Some(scheduler)) if operations.is_offered() => glance(operations, scheduler),
        (None, Some(scheduler)) if others_have_run(scheduler) => {
            now(operations, caller).unwrap_or(operations.count())
        }
        (None, _) => operations.count(),
    }
}

/// Nothing is ready. Who polls in a loop waits for what only others can bring, so after some in a
/// row these have their turn, and another look is worth it.
fn others_have_run(scheduler: &Scheduler) -> bool {
    let is_greedy = scheduler.is_greedy();
    if is_greedy {
        suspend::let_others_run(scheduler);
        suspend::checkpoint(scheduler);
    }
    is_greedy
}

/// Waits until one operation has taken place or the time is over; then gives the
/// count of all.
#[inline(always)]
#[track_caller]
pub fn select_timeout(operations: impl Operations, limit: Duration) -> usize {
    if limit.is_zero() {
        return try_select(operations);
    }
    match now(operations, Caller::arrive()) {
        Some(index) => index,
        None => wait(operations, Some(limit)),
    }
}

/// For the compiler: `select` gives the number of an operation.
pub fn impossible(index: usize) -> ! {
    unreachable!("a select! without default gave {index}")
}

/// One of those that are ready. It takes place when its result is asked for, which is
/// at once.
#[inline(always)]
fn now(operations: impl Operations, caller: Caller<'_>) -> Option<usize> {
    let mut pick = Pick::new(caller.scheduler());
    operations.poll(caller, 0, &mut pick);
    pick.picked()
}

/// Nothing of what a wait needs is in the frame of one that need not wait.
#[cold]
#[inline(never)]
#[track_caller]
fn wait<O: Operations>(operations: O, limit: Option<Duration>) -> usize {
    let standing = operations.stand();
    let index = wait_for(&standing, limit);
    O::lay_out(&standing, index);
    index
}

#[cold]
#[inline(never)]
fn glance<O: Operations>(operations: O, scheduler: &Scheduler) -> usize {
    let standing = operations.stand();
    let index = glance_at(&standing, scheduler);
    O::lay_out(&standing, index);
    index
}

/// Stands in all queues until one was served, one has become ready, or the time is over.
#[track_caller]
fn wait_for(standing: &dyn AllStanding, limit: Option<Duration>) -> usize {
    let at = Location::caller();
    let scheduler = scheduler::expect("a select! that has to wait");
    let waiter = &Waiter::new();
    let caller = Caller::waiting(scheduler, waiter);
    let leaving = Leaving::new(standing);
    let deadline = Deadline::new(scheduler, limit);
    let what = fmt::from_fn(|f| write!(f, "one of {} operations of a select!", standing.count()));
    let picked = waiter.stand(scheduler, |crowd| {
        standing.join(crowd, caller, 0);
        loop {
            suspend::park_on(scheduler, &what, at);
            if let Some(index) = served(standing, scheduler, waiter) {
                return Some(index);
            }
            if deadline.has_passed() {
                return None;
            }
        }
    });
    leaving.with(picked)
}

/// Nothing is ready, but a `select!` somewhere offers what we would receive. It can
/// only send to somebody who stands in the queue: so we do, for one turn.
fn glance_at(standing: &dyn AllStanding, scheduler: &Scheduler) -> usize {
    let waiter = &Waiter::new();
    let caller = Caller::waiting(scheduler, waiter);
    let leaving = Leaving::new(standing);
    let picked = waiter.stand(scheduler, |crowd| {
        standing.join(crowd, caller, 0);
        suspend::let_others_run(scheduler);
        served(standing, scheduler, waiter)
    });
    let index = leaving.with(picked);
    if picked.is_none() {
        suspend::checkpoint(scheduler);
    }
    index
}

/// The operation that somebody has served, or one that has become ready.
fn served(standing: &dyn AllStanding, scheduler: &Scheduler, waiter: &Waiter) -> Option<usize> {
    waiter.served().or_else(|| {
        // What has not taken place yet comes after what is due.
        suspend::checkpoint(scheduler);
        let caller = Caller::waiting(scheduler, waiter);
        let mut pick = Pick::new(Some(scheduler));
        standing.poll(caller, 0, &mut pick);
        let index = pick.picked()?;
        standing.perform(caller, index);
        waiter.serve_itself(index);
        Some(index)
    })
}

/// Lets others go on who waited behind our offers, when these have left the queues.
struct Leaving<'a> {
    standing: &'a dyn AllStanding,
    picked: Cell<Option<usize>>,
}

impl<'a> Leaving<'a> {
    fn new(standing: &'a dyn AllStanding) -> Leaving<'a> {
        Leaving {
            standing,
            picked: Cell::new(None),
        }
    }

    /// Leaves with what was picked, whose turn goes on.
    fn with(self, picked: Option<usize>) -> usize {
        self.picked.set(picked);
        picked.unwrap_or(self.standing.count())
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.standing.settle(self.picked.get());
    }
}
