//! How a coroutine begins and ends.
//!
//! The job of a stack is [`run_coroutines`]: it runs a body to its end, and if
//! the next in the ready queue has not started either, it goes on with that one,
//! with no switch and no new stack. A body and everything that it leaves behind
//! (its result if nobody wants it, its locals, a payload) is run and dropped
//! here, on a coroutine's stack, so that destructors may suspend.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::coroutine::{self, Ready, Stop};
use crate::generator::raw::Raw;
use crate::local;
use crate::task::{End, Joiner, Task, TaskRef, flag};
use crate::unwind::{Payload, drop_quietly, is_cancel, message};

use super::{Phase, Scheduler};

/// # Safety
/// Runs on the current stack of the current scheduler; `data` is a task that has
/// not begun, and its reference becomes ours.
unsafe extern "C" fn run_coroutines(data: *mut ()) {
    let scheduler = super::current().expect("a scheduler starts this job");
    let raw = scheduler.running();
    let address = NonNull::new(data).expect("a task is not at zero");
    // SAFETY: as the caller says.
    let mut task = unsafe { TaskRef::from_address(address) };
    loop {
        // SAFETY: we are the job, and `task` stays until the next one sits down.
        unsafe { raw.sit_down(&task) };
        scheduler.live(raw, &task);
        match scheduler.next_new(raw) {
            Some(next) => task = next,
            None => break,
        }
    }
    raw.set_idle();
}

impl Scheduler {
    /// Starts a new coroutine on a free stack.
    #[inline(never)]
    pub(super) fn start(&self, place: Ready) -> Stop {
        let raw = match self.stack_for(place) {
            Ok(raw) => raw,
            Err(error) => match self.starve(place, &error) {
                Some(raw) => raw,
                None => return Stop::Park,
            },
        };
        let Some(task) = place.into_new_task() else {
            unreachable!("a place without a stack is a new task")
        };
        self.current.set(Some(raw));
        // SAFETY: the stack is free, and the task has not begun.
        unsafe { coroutine::start(raw, run_coroutines, task.into_address()) }
    }

    fn stack_for(&self, place: Ready) -> io::Result<Raw> {
        if let Some(reserved) = place.new_task().and_then(|task| task.raw.get()) {
            return Ok(reserved);
        }
        let idle = self.idle.borrow_mut().pop();
        match idle {
            Some(raw) => {
                self.trim.popped(self.idle.borrow().len());
                Ok(raw)
            }
            None => self.take_stack(&self.pool),
        }
    }

    /// There is no stack for this coroutine: it fails on the one that is kept
    /// for that, or waits until it can.
    #[cold]
    fn starve(&self, place: Ready, error: &io::Error) -> Option<Raw> {
        if !self.reserve_is_free.replace(false) {
            self.starved.borrow_mut().push(place);
            return None;
        }
        log::error!("no stack for a coroutine: {error}");
        Some(self.reserve)
    }

    /// The job on the current stack has returned.
    #[inline(always)]
    pub(super) fn stack_is_free(&self) {
        let raw = self.running();
        if raw == self.reserve {
            self.reserve_is_free.set(true);
            self.ready_again();
        } else if raw.is_of(&self.pool) {
            self.idle.borrow_mut().push(raw);
        } else {
            self.release(raw);
        }
    }

    #[cold]
    fn ready_again(&self) {
        for place in self.starved.take() {
            self.put(place);
        }
    }

    /// Gives a stack of another size back to its pool.
    #[cold]
    fn release(&self, raw: Raw) {
        self.forget_stack(raw);
        // SAFETY: its job has returned, and we forget it here.
        unsafe { raw.release() };
    }

    /// The next in line, if it may run right here: new, and with no stack of its
    /// own.
    #[inline]
    fn next_new(&self, raw: Raw) -> Option<TaskRef> {
        if self.steps_left.get() <= 1 || raw == self.reserve || !raw.is_of(&self.pool) {
            return None;
        }
        let place = self.ready.pop_if(|place| {
            place.new_task().is_some_and(|task| task.raw.get().is_none())
        })?;
        self.steps_left.set(self.steps_left.get() - 1);
        place.into_new_task()
    }

    /// The whole life of a coroutine, on its stack.
    #[inline]
    fn live(&self, raw: Raw, task: &TaskRef) {
        task.begin();
        let born_cancelled = task.has(flag::CANCELLED)
            || self.phase.get() > Phase::Running && !task.has(flag::SCOPED | flag::MAIN);
        let end = if raw == self.reserve {
            raw.set_ending();
            drop_body(task);
            no_stack(task)
        } else if born_cancelled {
            raw.set_ending();
            drop_body(task);
            End::Cancelled
        } else {
            // SAFETY: it has just begun.
            unsafe { task.run() }
        };
        raw.set_ending();
        self.bury(raw, task, end);
    }

    /// Disposes of what is left, then tells the world.
    #[inline]
    fn bury(&self, raw: Raw, task: &TaskRef, mut end: End) {
        if !raw.locals().get().is_null() {
            local::drop_all(raw);
        }
        let detached = task.has(flag::DETACHED);
        if end == End::Returned && detached {
            end = drop_result(task);
        }
        if end == End::Panicked {
            self.report_panic(task, detached);
            if let Some(children) = self.scope_of(task) {
                // SAFETY: `end` says that the block holds a payload.
                let payload = unsafe { task.take_payload() };
                self.scope_panicked(children, payload);
                // SAFETY: the payload was taken out.
                unsafe { task.put_payload(Box::new("its panic was raised again by its scope")) };
            } else if detached {
                // SAFETY: as above; nobody is left to take it.
                drop_quietly(unsafe { task.take_payload() });
                end = End::Cancelled;
            }
        }
        task.end(end);
        if let Some(children) = self.scope_of(task) {
            self.tell_scope(children, task);
        }
        self.tell_joiner(task);
        self.alive.set(self.alive.get() - 1);
        if task.has(flag::MAIN) {
            self.main_has_ended();
        }
    }

    #[inline(always)]
    pub(super) fn tell_joiner(&self, task: &Task) {
        match task.joiner.replace(Joiner::None) {
            Joiner::None => {}
            Joiner::Coroutine(raw) => self.wake(raw),
            Joiner::Group(group, index) => {
                group.ended.borrow_mut().push_back(index);
                if let Some(raw) = group.waiting.get() {
                    self.wake(raw);
                }
            }
            Joiner::Waker(waker) => waker.wake(),
        }
    }

    fn scope_of(&self, task: &Task) -> Option<&crate::children::Children> {
        // SAFETY: a scope's frame is not left before all of its children have
        // been removed from it.
        task.children_of.map(|children| unsafe { children.as_ref() })
    }

    #[cold]
    fn report_panic(&self, task: &Task, detached: bool) {
        let level = if detached && task.children_of.is_none() {
            log::Level::Error
        } else {
            log::Level::Warn
        };
        // SAFETY: called only with a payload in the block.
        let payload = unsafe { task.take_payload() };
        log::log!(
            level,
            "coroutine {} panicked{}: {}",
            crate::snapshot::title(task),
            if level == log::Level::Error { " and nobody joins it" } else { "" },
            message(&*payload)
        );
        // SAFETY: it was taken out above.
        unsafe { task.put_payload(payload) };
    }
}

/// Drops the captures of a body that never runs.
#[cold]
fn drop_body(task: &Task) {
    // SAFETY: the task has just begun, and its body was not run.
    let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { task.drop_body() }));
    if let Err(payload) = dropped {
        log_drop_panic(task, payload);
    }
}

/// Drops a result that nobody wants: a panic there is a panic of the body.
fn drop_result(task: &Task) -> End {
    // SAFETY: the block holds the result, and nobody can take it any more.
    match catch_unwind(AssertUnwindSafe(|| unsafe { task.drop_result() })) {
        Ok(()) => End::Returned,
        Err(payload) => {
            // SAFETY: the result is gone.
            unsafe { task.put_payload(payload) };
            End::Panicked
        }
    }
}

#[cold]
fn no_stack(task: &Task) -> End {
    let payload = format!("no stack for coroutine {}", crate::snapshot::title(task));
    // SAFETY: the body was dropped.
    unsafe { task.put_payload(Box::new(payload)) };
    End::Panicked
}

fn log_drop_panic(task: &Task, payload: Payload) {
    if !is_cancel(&*payload) {
        log::error!(
            "coroutine {} panicked while its captures were dropped: {}",
            crate::snapshot::title(task),
            message(&*payload)
        );
    }
    drop_quietly(payload);
}
