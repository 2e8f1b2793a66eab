//! What the loop looks at besides its queue: timers, descriptors, other threads,
//! and memory that is not needed any more.

use std::io::{self, Write};
use std::time::Duration;

use crate::frames::{Frame, FrameRef};
use crate::generator::raw::Raw;
use crate::probe::Cause;
use crate::timers::Key;

use super::stock::Ring;
use super::{STEP, STEPS, Scheduler};

/// From another thread.
pub(crate) enum Message {
    /// Spawn what a handle was given.
    Spawn(Box<dyn FnOnce(&Scheduler) + Send>),
    /// Cancel what was spawned under this number.
    Cancel(u64),
    /// Wake the coroutine that waits under this number.
    Wake(u64),
}

/// What a timer does when its time has come.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    raw: Raw,
    /// The frame that expires; none for a sleeper that wakes.
    frame: Option<FrameRef>,
}

/// Messages that are taken in one look: as many as the coroutines have steps until the next. More
/// would pile up before those who wait for their turn, if other threads send all the time.
const LETTERS: usize = STEPS;
/// Timers that are fired together.
const BATCH: usize = 32;
/// With so many timers, those that are due within one `GRAIN` share a wake-up of
/// the thread, which costs more than all that it does for one of them.
const CROWD: usize = 256;
const GRAIN: Duration = Duration::from_millis(1);

/// A run that never sleeps looks for what it does not need after so many steps.
const STEPS_TO_TRIM: usize = 1 << 16;
/// And gives back a part of it, which takes up to a millisecond, in so long.
const TRIM_PAUSE: Duration = Duration::from_millis(10);

impl Scheduler {
    /// Wakes `raw` at `deadline`.
    pub(crate) fn arm(&self, deadline: Duration, raw: Raw) -> Key {
        let timer = Timer { raw, frame: None };
        self.timers.borrow_mut().insert(deadline, timer)
    }

    /// Makes `frame` of the coroutine `raw` due at `deadline`. Whoever closes
    /// the frame disarms the timer first.
    pub(crate) fn arm_frame(&self, deadline: Duration, raw: Raw, frame: &Frame) -> Key {
        let timer = Timer {
            raw,
            frame: Some(FrameRef::new(frame)),
        };
        self.timers.borrow_mut().insert(deadline, timer)
    }

    /// How many steps were taken.
    pub(super) fn steps(&self) -> usize {
        self.ready.taken() / STEP
    }

    /// Whether it is time for the loop to look outside.
    #[inline(always)]
    pub(super) fn is_time_to_look(&self) -> bool {
        self.ready.taken() >= self.look_at.get()
    }

    /// The next look outside shall be after the step with this count.
    #[inline(always)]
    pub(super) fn look_after(&self, count: usize) {
        self.look_at.set(count);
        self.set_short();
    }

    /// The next look outside shall be when all who are ready now have had their turn, if not
    /// before.
    #[inline(always)]
    pub(crate) fn look_after_this_round(&self) {
        let turn = self.ready.taken().wrapping_add(self.ready.len() * STEP);
        if turn < self.look_at.get() {
            self.look_after(turn);
        }
    }

    #[inline(always)]
    pub(super) fn set_short(&self) {
        let is_plain = self.specials.get() == 0;
        self.short_until.set(match is_plain {
            true => self.look_at.get(),
            false => 0,
        });
    }

    /// Wakes whoever has waited for other threads, for a descriptor or for a time
    /// that has come. A look at none of them is three loads.
    #[inline(always)]
    pub(super) fn look_outside(&self) {
        self.look(true);
    }

    /// As [`look_outside`](Self::look_outside); not at descriptors if a sleep has just done
    /// that.
    #[inline(always)]
    fn look(&self, at_descriptors: bool) {
        self.look_after(self.ready.taken().wrapping_add(STEPS * STEP));
        if self.inbox.has_mail() {
            self.take_mail();
        }
        if at_descriptors && self.reactor.is_awaited() {
            self.look_at_descriptors(Some(Duration::ZERO));
        }
        if !self.clock.is_virtual() && !self.timers.borrow().is_empty() {
            let now = self.clock.now();
            if self.timers.borrow().next().is_some_and(|next| next <= now) {
                self.look_at_rest();
                self.fire_due(now);
            }
        }
        let has_come = |time| self.clock.real_now() >= time;
        if self.trims_on.get().is_some_and(has_come) || self.steps() % STEPS_TO_TRIM < STEPS {
            self.trim();
        }
    }

    #[inline(never)]
    fn take_mail(&self) {
        self.counting_woken(|| {
            self.acting(Cause::Thread, || {
                self.inbox
                    .take_mail(LETTERS, |message| self.receive(message));
            });
        });
        if self.inbox.was_asked() {
            self.print_snapshot();
        }
    }

    /// What SIGQUIT asks for.
    #[cold]
    fn print_snapshot(&self) {
        let snapshot = self.snapshot(None);
        let count = snapshot.coroutines.len();
        let s = if count == 1 { "" } else { "s" };
        let text = format!("corobin: SIGQUIT: {count} coroutine{s}\n{snapshot}\n");
        // Who has closed stderr does not want to know.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn fire_due(&self, now: Duration) {
        self.counting_woken(|| {
            self.acting(Cause::Timer, || self.fire_all_due(now));
        });
    }

    fn fire_all_due(&self, now: Duration) {
        loop {
            // Some at a time, so that the cache can fetch many coroutines at once.
            let mut due = [None; BATCH];
            let mut count = 0;
            let mut timers = self.timers.borrow_mut();
            while count < BATCH
                && let Some(timer) = timers.pop_due(now)
            {
                due[count] = Some(timer);
                count += 1;
            }
            drop(timers);
            let due = &due[..count];
            if count > 1 {
                let raws = || due.iter().flatten().map(|timer| timer.raw);
                raws().for_each(|raw| raw.prefetch_wake(0));
                raws().for_each(|raw| raw.prefetch_task());
            }
            for &Timer { raw, frame } in due.iter().flatten() {
                if self.is_observed() {
                    self.saw_timer(raw, frame.is_some());
                }
                match frame {
                    None => self.wake(raw),
                    Some(frame) => self.make_due(raw, frame),
                }
            }
            if count < BATCH {
                break;
            }
        }
    }

    /// Asks the coroutine `raw` to unwind up to its `frame`.
    pub(crate) fn make_due(&self, raw: Raw, frame: FrameRef) {
        frame.set_due();
        if raw.set_due() {
            self.one_is_due();
        }
        self.interrupt(raw);
    }

    /// Nobody is ready: sleeps until somebody is. False if that can never be.
    pub(super) fn wait_outside(&self) -> bool {
        let mut has_slept = false;
        // In how many looks the mail is taken that had come when the first one left some.
        let mut looks = None;
        loop {
            // Before the look: who sends and then closes the last door must not
            // be missed by both.
            let has_doors = self.inbox.has_doors();
            if has_slept {
                self.look(false);
            } else if !self.may_sleep_at_once() {
                self.look_outside();
            }
            if self.reactor.has_more() {
                // Until there is somebody: if all came to the queue at once, each would have left
                // the caches before its turn.
                self.look_on(|| self.ready.is_empty());
            }
            if !self.ready.is_empty() {
                return true;
            }
            if self.inbox.has_mail() {
                let left = looks.get_or_insert_with(|| self.inbox.count().div_ceil(LETTERS));
                if *left > 0 {
                    *left -= 1;
                    has_slept = false;
                    continue;
                }
            }
            let next = self.timers.borrow().next();
            let expects_news = self.jobs.get() > 0
                || has_doors
                || self.inbox.has_mail()
                || self.reactor.is_awaited();
            if self.clock.is_virtual() {
                match next {
                    // Threads take real time, during which ours stands still.
                    Some(deadline) if self.jobs.get() == 0 => {
                        self.clock.jump(deadline);
                        self.fire_due(deadline);
                        has_slept = false;
                        continue;
                    }
                    None if !expects_news => return false,
                    _ => self.sleep_outside(self.trim()),
                }
            } else {
                if next.is_none() && !expects_news {
                    return false;
                }
                let until = next.map(|deadline| {
                    let until = deadline.saturating_sub(self.clock.now());
                    let crowd = self.timers.borrow().len() >= CROWD;
                    if crowd { until.max(GRAIN) } else { until }
                });
                let trim = self.trim();
                let timeout = [until, trim].into_iter().flatten().min();
                self.sleep_outside(timeout);
            }
            has_slept = true;
            looks = None;
        }
    }

    /// Whether only descriptors can have news, which a sleep looks at too: two system calls
    /// would be one too many. What is due comes after what has come in, so timers and mail
    /// want a look at descriptors first; and who watches wants to see only real sleeps.
    fn may_sleep_at_once(&self) -> bool {
        let is_quiet = self.timers.borrow().is_empty() && !self.inbox.has_mail();
        is_quiet && !self.is_observed()
    }

    /// Sleeps until there is mail, news of a descriptor, or `timeout` has passed;
    /// sometimes less.
    pub(super) fn sleep(&self, timeout: Option<Duration>) {
        if self.reactor.is_awaited() {
            self.inbox
                .doze(timeout, |timeout| self.look_at_descriptors(timeout));
        } else {
            self.inbox.sleep(timeout);
        }
    }

    /// Wakes whoever has waited for a descriptor; sleeps for at most `timeout`
    /// until there is somebody.
    pub(crate) fn look_at_descriptors(&self, timeout: Option<Duration>) {
        self.counting_woken(|| {
            self.acting(Cause::Descriptor, || {
                self.reactor.look(timeout, |raw| self.wake(raw));
            });
        });
    }

    /// Looks at descriptors for as long as a look leaves some, before what is due: what has come
    /// in counts first.
    #[inline(always)]
    fn look_at_rest(&self) {
        if self.reactor.has_more() {
            self.look_on(|| true);
        }
    }

    /// Looks at descriptors again while there is more, as long as `goes_on` says.
    #[cold]
    #[inline(never)]
    fn look_on(&self, goes_on: impl Fn() -> bool) {
        // News that keeps coming ends there.
        let mut looks = self.reactor.awaited();
        while self.reactor.has_more() && looks > 0 && goes_on() {
            self.look_at_descriptors(Some(Duration::ZERO));
            looks -= 1;
        }
    }

    /// Counts who becomes ready meanwhile.
    #[inline(always)]
    fn counting_woken(&self, f: impl FnOnce()) {
        let before = self.ready.len();
        f();
        let woken = (self.ready.len() - before) as u64;
        self.woken.set(self.woken.get() + woken);
    }

    fn trim(&self) -> Option<Duration> {
        self.none_runs();
        let now = || self.clock.real_now();
        let [stacks, blocks, ready] = &self.watches;
        let mut left = stacks.trim(&self.stacks, now);
        left = sooner(left, blocks.trim(&self.blocks, now));
        let ring = Ring {
            ready: &self.ready,
            alive: self.alive(),
        };
        left = sooner(left, ready.trim(&ring, now));
        let has_more = left == Some(Duration::ZERO);
        self.trims_on.set(has_more.then(|| now() + TRIM_PAUSE));
        let left = left?;
        // There is no hurry, and whole milliseconds are slept with one system call.
        Some(Duration::from_millis(left.as_micros().div_ceil(1000) as u64))
    }
}

#[inline(always)]
fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}
