//! The suspension points: what a coroutine calls to wait, or to let others run.
//!
//! Everything that waits is built on [`park_on`]; it returns when somebody has
//! called [`Scheduler::wake`](crate::scheduler::Scheduler::wake), and raises
//! what became due meanwhile. Whoever waits checks its condition in a loop: a
//! wake may be meant for an earlier wait.

use std::cell::Cell;
use std::panic::Location;

use crate::coroutine::{Awaited, Parking, To, Wait};
use crate::scheduler::{self, Scheduler};
use crate::task::flag;
use crate::unwind::{Silent, raise};

/// What every suspension point does first: raises a pending cancel or expiry.
#[inline(always)]
pub(crate) fn checkpoint(scheduler: &Scheduler) {
    if scheduler.may_be_due() {
        raise_due(scheduler);
    }
}

/// What every suspension point that works outside of a runtime too does first: as
/// [`checkpoint`], if there is a scheduler, which it gives.
#[inline(always)]
pub(crate) fn arrive<'a>() -> Option<&'a Scheduler> {
    let scheduler = scheduler::current();
    if let Some(scheduler) = scheduler {
        checkpoint(scheduler);
    }
    scheduler
}

/// What an operation on a descriptor does first, and a tick that is late: as [`arrive`], and
/// lets the others have their turn, if the ones before have all succeeded at once.
#[inline(always)]
#[track_caller]
pub(crate) fn begin_operation() {
    let Some(scheduler) = arrive() else {
        return;
    };
    if scheduler.is_greedy() {
        scheduler.yield_apart(Some(Location::caller()));
        checkpoint(scheduler);
    }
}

/// What is due in the running coroutine and may be raised here.
pub(crate) fn due(scheduler: &Scheduler) -> Option<Silent> {
    scheduler.running().due_here(scheduler.ignores_shields())
}

/// Raises what is due and may be raised here.
#[cold]
#[inline(never)]
pub(crate) fn raise_due(scheduler: &Scheduler) {
    if let Some(silent) = due(scheduler) {
        if silent == Silent::Cancel {
            scheduler.raises_cancel(scheduler.running().task());
        }
        raise(silent);
    }
}

/// How a coroutine parks.
#[derive(Clone, Copy)]
pub(crate) enum Park {
    /// What becomes due is raised.
    Raising,
    /// The same, in a run that is known to be [plain](Scheduler::is_plain).
    Plainly,
    /// What becomes due ends the wait.
    OrDue,
    /// Whatever becomes due, it waits.
    Deaf,
}

impl Park {
    /// How to park once more.
    pub(crate) fn again(self) -> Park {
        match self {
            Park::Plainly => Park::Raising,
            other => other,
        }
    }

    /// Parks the running coroutine until it is woken, which gives true, or until what is due
    /// ends its wait.
    #[inline(always)]
    pub(crate) fn on(
        self,
        scheduler: &Scheduler,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> bool {
        let wait = || Wait {
            what,
            at,
            since: Cell::new(scheduler.clock.last()),
        };
        let next = || scheduler.next_way();
        match self {
            Park::Raising => park_how(scheduler, &wait(), Parking::Plain),
            Park::Plainly => leave_plainly(scheduler, &wait(), Parking::Plain),
            Park::OrDue => {
                return match scheduler.is_plain() {
                    true => leave(scheduler, &wait(), Parking::Plain, || scheduler.plain_way()),
                    false => park_or_due_apart(scheduler, &wait()),
                };
            }
            Park::Deaf => {
                leave(scheduler, &wait(), Parking::Deaf, next);
            }
        }
        true
    }
}

/// Parks the running coroutine until it is woken, or raises what became due.
#[inline(always)]
pub(crate) fn park_on(scheduler: &Scheduler, what: &dyn Awaited, at: &'static Location<'static>) {
    Park::Raising.on(scheduler, what, at);
}

/// As [`park_on`], but says false where that would raise.
#[inline(always)]
pub(crate) fn park_or_due(
    scheduler: &Scheduler,
    what: &dyn Awaited,
    at: &'static Location<'static>,
) -> bool {
    Park::OrDue.on(scheduler, what, at)
}

/// Parks the running coroutine until it is woken, whatever becomes due.
pub(crate) fn park_deaf(scheduler: &Scheduler, what: &dyn Awaited, at: &'static Location<'static>) {
    Park::Deaf.on(scheduler, what, at);
}

#[inline(always)]
fn park_how(scheduler: &Scheduler, wait: &Wait<'_>, how: Parking) {
    match scheduler.is_plain() {
        true => leave_plainly(scheduler, wait, how),
        false => park_apart(scheduler, wait, how),
    }
}

/// Keeps the short way short.
#[cold]
#[inline(never)]
fn park_apart(scheduler: &Scheduler, wait: &Wait<'_>, how: Parking) {
    checkpoint(scheduler);
    if !leave(scheduler, wait, how, || scheduler.next_way()) {
        raise_due(scheduler);
    }
}

#[cold]
#[inline(never)]
fn park_or_due_apart(scheduler: &Scheduler, wait: &Wait<'_>) -> bool {
    let may_wait = !scheduler.may_be_due() || due(scheduler).is_none();
    may_wait && leave(scheduler, wait, Parking::Plain, || scheduler.next_way())
}

#[inline(always)]
fn leave_plainly(scheduler: &Scheduler, wait: &Wait<'_>, how: Parking) {
    if !leave(scheduler, wait, how, || scheduler.plain_way()) {
        raise_due(scheduler);
    }
}

/// Leaves the running coroutine until it is woken, or interrupted, which gives false.
#[inline(always)]
fn leave(scheduler: &Scheduler, wait: &Wait<'_>, how: Parking, next: impl FnOnce() -> To) -> bool {
    scheduler.running().leave_parked(wait, how, next);
    scheduler.running().comes_back()
}

/// Goes to the back of the ready queue, and raises nothing when it comes back.
pub(crate) fn let_others_run(scheduler: &Scheduler) {
    scheduler.yield_apart(None);
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
    #[cold]
    #[inline(never)]
    fn outside() {
        std::thread::yield_now();
    }

    let Some(scheduler) = scheduler::current() else {
        return outside();
    };
    if !scheduler.yields_shortly() {
        checkpoint(scheduler);
        scheduler.yield_apart(Some(Location::caller()));
    }
    checkpoint(scheduler);
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
        park_for_token(scheduler, Location::caller());
    }
    running.task().clear(flag::TOKEN);
}

/// As [`park_on`], until somebody calls `unpark` too.
#[inline(always)]
pub(crate) fn park_for_token(scheduler: &Scheduler, at: &'static Location<'static>) {
    let wait = Wait {
        what: &"unpark",
        at,
        since: Cell::new(scheduler.clock.last()),
    };
    park_how(scheduler, &wait, Parking::ForToken);
}
