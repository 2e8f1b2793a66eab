//! How a coroutine begins and ends.
//!
//! A stack runs a body to its end, and if the next in the ready queue has not
//! started either, it goes on with that one, with no switch and no new stack. A
//! body and everything that it leaves behind (its result if nobody wants it, its
//! locals, a payload) is run and dropped here, on a coroutine's stack, so that
//! destructors may suspend.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coroutine::{Life, OwnSeat, Ready, To, locals};
use crate::generator::raw::Raw;
use crate::snapshot::title;
use crate::task::{End, Joiner, Task, TaskRef, flag};
use crate::unwind::{Payload, drop_quietly, is_cancel, message, quietly};

use super::{Phase, Scheduler};

impl Life for Scheduler {
    #[inline(always)]
    fn live(mut seat: OwnSeat) -> To {
        let Some(scheduler) = super::current() else {
            unreachable!("coroutines live in a run")
        };
        let raw = seat.raw();
        let is_default = scheduler.stacks.is_default(raw);
        let mut task = seat.task();
        if is_default && !scheduler.ready.is_seeded() {
            loop {
                scheduler.live(raw, task);
                let Some(next) = scheduler.next_new() else {
                    return scheduler.leave_ended(seat, true);
                };
                let (last, new) = seat.give_to(next);
                task = new;
                drop(last);
            }
        }
        match is_default {
            true => scheduler.live(raw, task),
            false => scheduler.live_apart(raw, task),
        }
        scheduler.leave_ended(seat, is_default)
    }
}

impl Scheduler {
    /// Starts a new coroutine on an idle stack.
    #[inline(never)]
    pub(super) fn start(&self, place: Ready) {
        let Some(task) = place.into_new_task() else {
            unreachable!("a place without a stack is a new task")
        };
        let stack = match task.raw.get() {
            Some(reserved) => Ok(reserved),
            None => self.stacks.take(),
        };
        let raw = match stack {
            Ok(raw) => raw,
            Err(error) => match self.starve(&task, &error) {
                Some(raw) => raw,
                None => return self.starved.borrow_mut().push(Ready::new(task)),
            },
        };
        self.current.set(raw);
        self.the_loop.begin(task, raw);
    }

    /// Gives the seat of a coroutine that has ended back, and tells where to go.
    #[inline]
    fn leave_ended(&self, seat: OwnSeat, is_default: bool) -> To {
        let raw = seat.raw();
        drop(seat.stand_up());
        if is_default && self.starved.borrow().is_empty() {
            self.stacks.put_back(raw);
            return self.next_way();
        }
        self.ended.set(Some(raw));
        self.the_loop.way()
    }

    /// There is no stack for this coroutine: it fails on the one that is kept
    /// for that, or waits until it can.
    #[cold]
    fn starve(&self, task: &Task, error: &io::Error) -> Option<Raw> {
        if task.has(flag::INTERNAL) {
            eprintln!("corobin: no stack to end the run on: {error}; aborting");
            std::process::abort();
        }
        let reserve = self.stacks.take_reserve()?;
        *self.no_stack.borrow_mut() = error.to_string();
        Some(reserve)
    }

    /// Takes back a stack whose coroutine has ended.
    #[cold]
    pub(super) fn stack_is_free(&self, raw: Raw) {
        self.none_runs();
        self.stacks.put_back(raw);
        self.retry_starved();
    }

    fn retry_starved(&self) {
        for place in self.starved.take() {
            self.put(place);
        }
    }

    /// Ends a coroutine that never gets a stack, on that of another.
    pub(super) fn bury_unborn(&self, task: &TaskRef) {
        let end = drop_body(task);
        if end == End::Panicked {
            self.tell_of_panic(task);
        }
        self.tell_the_world(task, end);
        self.count_gone(task);
    }

    /// The next in line, if it may run on any stack of the default size: new, and with
    /// no stack of its own.
    #[inline]
    fn next_new(&self) -> Option<TaskRef> {
        if !self.may_go_past_loop() {
            return None;
        }
        let needs_a_stack = |place: &Ready| {
            let task = place.new_task();
            task.is_some_and(|task| task.raw.get().is_none())
        };
        self.ready.pop_if(needs_a_stack)?.into_new_task()
    }

    /// The whole life of a coroutine, on a stack of the default size.
    #[inline]
    fn live(&self, raw: Raw, task: &Task) {
        if task.has(flag::CANCELLED) || self.phase.get() > Phase::Running {
            return self.live_apart(raw, task);
        }
        let end = task.run();
        if end == End::Returned && !task.has(flag::SPECIAL) && raw.leaves_nothing() {
            task.end();
            if task.is_awaited() {
                self.set_ending(raw);
                self.tell_joiner(task);
                drop_late_locals(raw);
            }
            self.count_gone(task);
        } else {
            self.bury_run(raw, task, end);
        }
    }

    /// As [`live`](Self::live), for those that may be born cancelled, and on stacks that are
    /// not like all others: of another size, or the one in reserve.
    #[inline(never)]
    fn live_apart(&self, raw: Raw, task: &Task) {
        let born_cancelled = task.has(flag::CANCELLED)
            || self.phase.get() > Phase::Running && self.ends_with_run(task);
        let end = if self.stacks.is_reserve(raw) {
            self.set_ending(raw);
            if drop_body(task) == End::Cancelled {
                let text = format!("no stack for a coroutine: {}", self.no_stack.take());
                task.put_payload(Box::new(text));
            }
            End::Panicked
        } else if born_cancelled {
            self.set_ending(raw);
            drop_body(task)
        } else {
            return self.bury_run(raw, task, task.run());
        };
        self.bury(raw, task, end);
    }

    /// Disposes of a body that has run, to this end.
    #[inline(never)]
    fn bury_run(&self, raw: Raw, task: &Task, end: End) {
        let is_own = end != End::Cancelled || raw.is_cancelled();
        self.set_ending(raw);
        if !is_own {
            // A payload that somebody has passed on, or a generator that another coroutine
            // had begun to unwind.
            quietly(|| {
                log::warn!(
                    "coroutine {} was unwound by a cancel that was not its own",
                    title(task)
                );
            });
        }
        self.bury(raw, task, end);
    }

    #[inline(always)]
    fn set_ending(&self, raw: Raw) {
        if raw.set_ending() {
            self.one_is_not_due();
        }
    }

    /// Disposes of what is left, then tells the world.
    fn bury(&self, raw: Raw, task: &Task, end: End) {
        self.dispose(raw, task);
        self.tell_the_world(task, end);
        drop_late_locals(raw);
        self.count_gone(task);
        if task.has(flag::MAIN) {
            self.main_has_ended();
        }
    }

    /// Nothing is left of the coroutine: it has ended, for all who want to know.
    fn tell_the_world(&self, task: &Task, end: End) {
        task.end();
        if self.is_observed() {
            self.saw_end(task, end);
        }
        if let Some(siblings) = task.siblings() {
            self.tell_scope(siblings, task);
        }
        self.tell_joiner(task);
    }

    /// Drops what nobody wants, and sees to a panic. Each of these may run user
    /// code, which may suspend, make new locals, or drop the handle; so it looks
    /// again until nothing is left to do.
    #[inline(never)]
    fn dispose(&self, raw: Raw, task: &Task) {
        let mut panic_is_told = false;
        loop {
            if task.has(flag::MAIN) && self.deadlock.borrow().is_some() {
                // The deadlock is the outcome, and nobody gets the result.
                task.set(flag::DETACHED);
            }
            let detached = task.has(flag::DETACHED);
            if task.holds_payload() && (detached || !panic_is_told) {
                self.tell_of_panic(task);
                panic_is_told = true;
            } else if task.holds_result() && detached {
                drop_result(task);
            } else if !raw.locals().get().is_null() {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| locals::drop_last(raw))) {
                    panic_in_drop(task, payload);
                }
            } else {
                break;
            }
        }
    }

    #[cold]
    fn tell_of_panic(&self, task: &Task) {
        let payload = task.take_payload();
        let text = message(&*payload);
        if let Some(siblings) = task.siblings() {
            quietly(|| log::warn!("coroutine {} panicked: {text}", title(task)));
            self.scope_panicked(siblings, payload);
            if !task.has(flag::DETACHED) {
                task.put_payload(Box::new("its scope has the panic"));
            }
            return;
        }
        if !task.has(flag::DETACHED) {
            quietly(|| log::warn!("coroutine {} panicked: {text}", title(task)));
        }
        // The logger may have suspended, and the handle be gone now.
        if task.has(flag::DETACHED) {
            self.tell_of_unjoined(task, text);
            drop_quietly(payload);
        } else {
            task.put_payload(payload);
        }
    }

    /// Of a panic that nobody hears of otherwise.
    pub(crate) fn tell_of_unjoined(&self, task: &Task, text: &str) {
        self.saw_unjoined(task, text);
        quietly(|| {
            log::error!(
                "coroutine {} panicked and nobody joined it: {text}",
                title(task)
            );
        });
    }

    #[inline(always)]
    pub(super) fn tell_joiner(&self, task: &Task) {
        if task.is_awaited() {
            self.tell(task.joiner.replace(Joiner::None));
        }
    }

    fn tell(&self, joiner: Joiner) {
        match joiner {
            Joiner::None => {}
            Joiner::Coroutine(raw) => self.wake(raw),
            Joiner::Group(group, index) => {
                group.ended.borrow_mut().push_back(index);
                if let Some(raw) = group.waiting.get() {
                    self.wake(raw);
                }
            }
            Joiner::Waker(waker) => quietly(|| waker.wake()),
        }
    }
}

/// Drops the captures of a body that never runs. A panic of theirs is a panic of the
/// body.
#[cold]
fn drop_body(task: &Task) -> End {
    match catch_unwind(AssertUnwindSafe(|| task.drop_body())) {
        Err(payload) if !is_cancel(&*payload) => {
            task.put_payload(payload);
            End::Panicked
        }
        _ => End::Cancelled,
    }
}

/// Drops the locals that a waker has made: the next coroutine on this stack has its own.
#[inline]
fn drop_late_locals(raw: Raw) {
    while !raw.locals().get().is_null() {
        quietly(|| locals::drop_last(raw));
    }
}

/// Drops a result that nobody wants.
fn drop_result(task: &Task) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| task.drop_result())) {
        panic_in_drop(task, payload);
    }
}

/// A panic in a destructor at the end is a panic of the body, if that had none.
#[cold]
fn panic_in_drop(task: &Task, payload: Payload) {
    if task.holds_result() {
        drop_result(task);
    }
    if task.holds_payload() {
        drop_quietly(payload);
    } else {
        task.put_payload(payload);
    }
}
