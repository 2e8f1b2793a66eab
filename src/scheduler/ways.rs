//! How the running coroutine is left: straight to the next in line where that can
//! be, else to the loop.

use std::hint;
use std::panic::Location;

use crate::coroutine::{Light, Ready, TO_ANOTHER, To};
use crate::generator::raw::Raw;

use super::{STEP, Scheduler};

/// How far ahead of a step the cache is asked for its first line.
pub(super) const AHEAD: usize = 16;
/// And for the next one: when the first has come, the processor knows where the
/// page is. Asked for both at once, it may look that up twice.
const NEAR: usize = 8;
/// So many who wait for descriptors have their pages looked up together.
const GROUP: usize = 4;
/// The frames of so many lie in the first cache.
const FEW: usize = 1 << 8;
/// Only crowds of more than so many outgrow the caches that make up for that.
const CROWD: usize = 1 << 12;
/// The frames of so many leave all caches. Then who comes back from a wait, to go on or to
/// end, finds none of them there; who yields in a loop needs but a few.
const THRONG: usize = 1 << 15;

impl Scheduler {
    /// Whether nobody is ready besides the running coroutine.
    #[inline(always)]
    pub(crate) fn is_alone(&self) -> bool {
        self.ready.is_empty()
    }

    /// Lets everybody who is ready run before the running coroutine goes on, in a plain run
    /// where that takes a few steps only; says whether it does.
    ///
    /// With nobody else there, and no time to look outside, there is no switch.
    #[inline(always)]
    pub(crate) fn yields_shortly(&self) -> bool {
        if self.ready.taken() < self.short_until.get() || self.is_short_after_all() {
            if self.ready.is_empty() {
                self.ready.skip();
                return true;
            }
            if TO_ANOTHER
                && let Some(light) = Light::now()
                && self.ready.head_is(Ready::has_started)
            {
                let running = self.running();
                let (save, to) = self.rotate(running);
                running.leave_light(light, save, to);
                return true;
            }
        }
        hint::cold_path();
        false
    }

    /// What is special may be elsewhere.
    #[cold]
    #[inline(never)]
    fn is_short_after_all(&self) -> bool {
        !self.is_time_to_look() && self.is_plain()
    }

    /// Takes the place of the next in line, and goes there.
    #[inline(always)]
    fn rotate(&self, running: Raw) -> (*mut usize, To) {
        self.fetch_ahead();
        let (next, save) = self.ready.rotate(|place| place.set_leaving(running));
        (save, self.way_to(next))
    }

    /// Lets everybody who is ready run before the running coroutine goes on. `at` is where it
    /// yields, if that is known.
    #[inline(never)]
    pub(crate) fn yield_apart(&self, at: Option<&'static Location<'static>>) {
        if self.may_go_past_loop() && self.ready.is_empty() {
            self.ready.skip();
        } else if self.may_go_straight() {
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
            let save = self.ready.push_by(|place| place.set_leaving(running));
            (save, self.the_loop.way())
        });
    }

    /// Where the running coroutine goes when it is left: straight to the next in
    /// line, if that has started and it is not time to look outside.
    #[inline(always)]
    pub(crate) fn next_way(&self) -> To {
        match self.is_plain() {
            true => self.plain_way(),
            false => self.way_apart(),
        }
    }

    /// As [`next_way`](Self::next_way), in a [plain](Self::is_plain) run.
    #[inline(always)]
    pub(crate) fn plain_way(&self) -> To {
        debug_assert!(self.is_plain());
        if TO_ANOTHER
            && !self.is_time_to_look()
            && self.ready.head_is(Ready::has_started)
            && let Some(way) = self.way_to_head()
        {
            return way;
        }
        self.the_loop.way()
    }

    /// Keeps the short way short.
    #[cold]
    #[inline(never)]
    fn way_apart(&self) -> To {
        if self.may_go_straight()
            && let Some(way) = self.way_to_head()
        {
            return way;
        }
        self.the_loop.way()
    }

    /// Whether the next step may be taken without the loop: it has not to look outside, and
    /// nobody watches.
    pub(super) fn may_go_past_loop(&self) -> bool {
        !self.is_time_to_look() && !self.is_observed()
    }

    /// Whether a coroutine may be left to the head of the queue.
    fn may_go_straight(&self) -> bool {
        TO_ANOTHER
            && self.may_go_past_loop()
            && !self.ready.is_seeded()
            && self.ready.head_is(Ready::has_started)
    }

    #[inline(always)]
    fn way_to_head(&self) -> Option<To> {
        self.fetch_ahead();
        if self.ready.is_crowded(THRONG) {
            self.ready.peek_or_stale(NEAR, Ready::prefetch_frames_above);
        }
        Some(self.way_to(self.ready.pop_head()?))
    }

    /// Asks the cache for what later steps will touch, if that may have left it.
    #[inline(always)]
    fn fetch_ahead(&self) {
        if self.ready.is_crowded(FEW) {
            self.ready.peek_or_stale(AHEAD, Ready::prefetch_frame);
            if self.ready.is_crowded(CROWD) {
                self.ready.peek_or_stale(NEAR, Ready::prefetch_locals);
            }
        }
    }

    /// Asks the cache for the frames of who is next. For one who comes back from a wait for a
    /// descriptor: they have probably left the cache since, and come while the kernel works
    /// for us.
    #[inline(always)]
    pub(crate) fn fetch_next(&self) {
        self.ready.peek_or_stale(0, Ready::prefetch_frames);
        let is_first_of_group = self.ready.taken().is_multiple_of(GROUP * STEP);
        if is_first_of_group && self.ready.is_crowded(FEW) {
            self.fetch_pages();
        }
    }

    /// Asks for the pages of a group of those who are next. A system call waits until the
    /// processor has found every page that was asked for before; for some at once that takes no
    /// longer than for one.
    fn fetch_pages(&self) {
        for ahead in AHEAD + 1..=AHEAD + GROUP {
            self.ready.peek(ahead, |ready| {
                ready.prefetch_frame();
                ready.prefetch_seat();
            });
        }
    }

    /// Takes the loop's next step: to `next`, which was taken off the queue.
    #[inline(always)]
    fn way_to(&self, next: Ready) -> To {
        let (raw, way) = next.into_way();
        self.current.set(raw);
        way
    }
}
