//! The steps of a run that somebody watches, and what is told to the probes.

use std::time::Duration;

use crate::coroutine::Ready;
use crate::generator::raw::Raw;
use crate::probe::{Cause, Event, Stopped};
use crate::task::{End, Task, flag};

use super::Scheduler;

impl Scheduler {
    /// Whether each step has to go through the loop, for a probe to see it.
    #[inline(always)]
    pub(crate) fn is_observed(&self) -> bool {
        !self.probes.is_empty()
    }

    fn saw(&self, event: &Event<'_>) {
        self.probes.saw(self.clock.traced(), event);
    }

    /// As `step`, and tells of it.
    #[inline(never)]
    pub(super) fn observed_step(&self, next: Ready) {
        let task = next.task_ref();
        let began = self.clock.real_now();
        self.saw(&Event::StepBegins {
            who: &task,
            ready: self.ready.len(),
        });
        self.probes.set_cause(Cause::Coroutine(task.id()));
        self.step(next);
        self.probes.set_cause(Cause::Loop);
        let took = self.clock.real_now() - began;
        self.longest_step.set(self.longest_step.get().max(took));
        let at = self.clock.traced();
        // A coroutine that has ended may still suspend, in its joiner's waker; so
        // it is the stack that tells.
        let raw = self.running();
        let stop = if task.is_new() {
            Stopped::NoStack
        } else if self.ended.get().is_some() || raw.is_idle() {
            Stopped::Ended
        } else if let Some(wait) = raw.wait() {
            wait.since.set(self.clock.last());
            Stopped::Parked(wait)
        } else {
            Stopped::Yielded(self.yielded_at.take())
        };
        let who = &task;
        self.probes.saw(at, &Event::StepEnds { who, stop });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn saw_spawn(&self, who: &Task) {
        self.clock.now();
        who.set_born(self.clock.stamp());
        let by = self.probes.cause();
        self.saw(&Event::Spawned { who, by });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn saw_wake(&self, raw: Raw) {
        self.saw(&Event::Woken {
            who: raw.task(),
            by: self.probes.cause(),
            interrupted: raw.is_interrupted(),
        });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn saw_end(&self, who: &Task, how: End) {
        self.saw(&Event::Ended { who, how });
    }

    /// Notes that a cancel is raised in `who`; once should be enough.
    #[cold]
    pub(crate) fn raises_cancel(&self, who: &Task) {
        if self.is_observed() && who.has(flag::RAISED) {
            self.saw(&Event::CancelSwallowed { who });
        }
        who.set(flag::RAISED);
    }

    /// Nobody joins one that has panicked.
    #[cold]
    pub(crate) fn saw_unjoined(&self, who: &Task, text: &str) {
        if self.is_observed() {
            self.saw(&Event::Unjoined { who, text });
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn saw_timer(&self, raw: Raw, expires: bool) {
        let who = raw.task();
        self.saw(&Event::TimerFired { who, expires });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn saw_deadlock(&self) {
        self.saw(&Event::Deadlock);
    }

    /// Sleeps until there is mail or the time has passed.
    pub(super) fn sleep_outside(&self, at_most: Option<Duration>) {
        if self.is_observed() {
            self.saw(&Event::Sleeps);
        }
        self.sleep(at_most);
        if self.is_observed() {
            self.saw(&Event::Awakes);
        }
    }

    /// Does `f`, in which `cause` acts.
    #[inline(always)]
    pub(super) fn acting(&self, cause: Cause, f: impl FnOnce()) {
        let before = self.probes.set_cause(cause);
        f();
        self.probes.set_cause(before);
    }
}
