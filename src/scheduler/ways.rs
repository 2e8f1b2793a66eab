//! How the running coroutine is left: straight to the next in line where that can
//! be, else to the loop.

use std::hint;
use std::panic::Location;

use crate::coroutine::{Light, Ready, TO_ANOTHER, To};
use crate::generator::raw::Raw;

use super::Scheduler;

/// How far ahead of a step the cache is asked for its first line.
pub(super) const AHEAD: usize = 16;
/// And for the next one: when the first has come, the processor knows where the
/// page is. Asked for both at once, it may look that up twice.
const NEAR: usize = 8;
/// Only crowds of more than so many outgrow the caches that make up for that.
const CROWD: usize = 1 << 12;

impl Scheduler {
    /// Lets everybody who is ready run before the running coroutine goes on.
    ///
    /// With nobody else there, and no time to look outside, there is no switch.
    /// `at` is where it yields, if that is known.
    #[inline(always)]
    pub(crate) fn yield_now(&self, at: Option<&'static Location<'static>>) {
        let left = self.steps_left.get();
        if left > 1 {
            if self.ready.is_empty() {
                return self.steps_left.set(left - 1);
            }
            if TO_ANOTHER
                && let Some(light) = Light::now()
                && self.ready.is_next(Ready::has_started)
            {
                let running = self.running();
                let (save, to) = self.rotate(running);
                return running.leave_light(light, save, to);
            }
        }
        if TO_ANOTHER {
            hint::cold_path();
            self.yield_apart(at);
        } else {
            self.yield_to_loop(at);
        }
    }

    /// Takes the place of the next in line, and goes there.
    #[inline(always)]
    fn rotate(&self, running: Raw) -> (*mut usize, To) {
        self.fetch_ahead();
        let back = Ready::leaving(running);
        let (next, save) = self.ready.rotate(back, Ready::frame_place);
        (save, self.way_to(next))
    }

    /// Keeps the short way short.
    #[inline(never)]
    fn yield_apart(&self, at: Option<&'static Location<'static>>) {
        if self.steps_left.get() > 1 && self.ready.is_next(Ready::has_started) {
            let running = self.running();
            running.leave_to(|| self.rotate(running));
        } else {
            self.yield_to_loop(at);
        }
    }

    #[inline(always)]
    fn yield_to_loop(&self, at: Option<&'static Location<'static>>) {
        self.yielded_at.set(at);
        let running = self.running();
        running.leave_to(|| {
            let back = Ready::leaving(running);
            let save = self.ready.push_and(back, Ready::frame_place);
            (save, self.the_loop.way())
        });
    }

    /// Where the running coroutine goes when it is left: straight to the next in
    /// line, if that has started and it is not time to look outside.
    #[inline(always)]
    pub(crate) fn next_way(&self) -> To {
        if TO_ANOTHER && self.steps_left.get() > 1 && self.ready.is_next(Ready::has_started) {
            self.fetch_ahead();
            if let Some(next) = self.ready.pop() {
                return self.way_to(next);
            }
        }
        self.the_loop.way()
    }

    /// Asks the cache for what later steps will touch.
    #[inline(always)]
    fn fetch_ahead(&self) {
        self.ready.peek_or_stale(AHEAD, Ready::prefetch_frame);
        if self.ready.is_crowded(CROWD) {
            self.ready.peek_or_stale(NEAR, Ready::prefetch_locals);
        }
    }

    /// Asks the cache for the frames of who is next. For one who comes back from a wait for a
    /// descriptor: they have probably left the cache since, and come while the kernel works
    /// for us.
    #[inline(always)]
    pub(crate) fn fetch_next(&self) {
        self.ready.peek_or_stale(0, Ready::prefetch_frames);
    }

    /// Takes the loop's next step: to `next`, which was taken off the queue.
    #[inline(always)]
    fn way_to(&self, next: Ready) -> To {
        self.steps_left.set(self.steps_left.get() - 1);
        let (raw, way) = next.into_way();
        self.current.set(raw);
        way
    }
}
