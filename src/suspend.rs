//! The suspension points: every switch away from a coroutine happens here.
//!
//! Everything that waits is built on [`park_on`]; it returns when somebody has
//! called [`Scheduler::wake`](crate::scheduler::Scheduler::wake), and raises
//! what became due meanwhile. Whoever waits checks its condition in a loop: a
//! wake may be meant for an earlier wait.

use std::cell::Cell;
use std::panic::Location;

use crate::coroutine::{Awaited, Wait};
use crate::generator::raw::Raw;
use crate::scheduler::{self, Scheduler};
use crate::task::flag;
use crate::unwind::{Silent, raise};

/// What every suspension point does first: raises a pending cancel or expiry.
#[inline(always)]
pub(crate) fn checkpoint(scheduler: &Scheduler) {
    let running = scheduler.running();
    if running.may_be_due() {
        raise_due(scheduler, running);
    }
}

/// What is due in the running coroutine and may be raised here.
pub(crate) fn due(scheduler: &Scheduler, running: Raw) -> Option<Silent> {
    running.due_here(scheduler.ignores_shields())
}

#[cold]
#[inline(never)]
fn raise_due(scheduler: &Scheduler, running: Raw) {
    if let Some(silent) = due(scheduler, running) {
        if silent == Silent::Cancel {
            scheduler.raises_cancel(running.task());
        }
        raise(silent);
    }
}

#[inline(always)]
fn wait<'a>(
    scheduler: &Scheduler,
    what: &'a dyn Awaited,
    at: &'static Location<'static>,
) -> Wait<'a> {
    let since = Cell::new(scheduler.clock.last());
    Wait { what, at, since }
}

/// Parks the running coroutine until it is woken, or raises what became due.
#[inline(always)]
pub(crate) fn park_on(scheduler: &Scheduler, what: &dyn Awaited, at: &'static Location<'static>) {
    let running = scheduler.running();
    if running.may_be_due() {
        raise_due(scheduler, running);
    }
    if !running.leave_parked(&wait(scheduler, what, at), false) {
        raise_due(scheduler, running);
    }
}

/// As [`park_on`], but says false where that would raise.
pub(crate) fn park_or_due(
    scheduler: &Scheduler,
    what: &dyn Awaited,
    at: &'static Location<'static>,
) -> bool {
    let running = scheduler.running();
    let may_wait = !running.may_be_due() || due(scheduler, running).is_none();
    may_wait && running.leave_parked(&wait(scheduler, what, at), false)
}

/// Parks the running coroutine until it is woken, whatever becomes due.
pub(crate) fn park_deaf(scheduler: &Scheduler, what: &dyn Awaited, at: &'static Location<'static>) {
    scheduler
        .running()
        .leave_parked(&wait(scheduler, what, at), true);
}

/// Goes to the back of the ready queue: everybody who is ready runs first.
///
/// A suspension point. With nobody else ready it returns at once. Outside of a
/// runtime it is [`std::thread::yield_now`].
///
/// ```
/// corobin::run(|| {
///     let other = corobin::spawn(|| println!("other"));
///     println!("main");
///     corobin::yield_now(); // prints "other"
///     assert!(other.is_finished());
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn yield_now() {
    let Some(scheduler) = scheduler::current() else {
        std::thread::yield_now();
        return;
    };
    let running = scheduler.running();
    if running.may_be_due() {
        raise_due(scheduler, running);
    }
    if scheduler.is_alone() {
        return;
    }
    running.leave_ready();
    if running.may_be_due() {
        raise_due(scheduler, running);
    }
}

/// Waits until somebody calls [`Coroutine::unpark`](crate::Coroutine::unpark) on
/// this coroutine, or returns at once if that was done since the last `park`:
/// one token, as in [`std::thread::park`].
///
/// A suspension point. A cancel leaves the token where it is.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// corobin::run(|| {
///     let main = corobin::current();
///     corobin::spawn(move || main.unpark());
///     corobin::park();
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn park() {
    let scheduler = scheduler::expect("park");
    checkpoint(scheduler);
    let running = scheduler.running();
    while !running.task().has(flag::TOKEN) {
        park_on(scheduler, &"unpark", Location::caller());
    }
    running.task().clear(flag::TOKEN);
}
