//! Waiting for a time.

use std::fmt;
use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant};

use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::task::flag;
use crate::timers::Key;

/// The time now: that of the runtime, which under
/// [`virtual_time`](crate::RuntimeBuilder::virtual_time) stands still while
/// anything is ready; outside of a runtime [`Instant::now`].
///
/// Not a suspension point.
///
/// ```
/// let mut runtime = corobin::Runtime::builder().virtual_time(true).build()?;
/// runtime.run(|| {
///     let start = corobin::now();
///     corobin::sleep(std::time::Duration::from_secs(60));
///     assert_eq!(corobin::now() - start, std::time::Duration::from_secs(60));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn now() -> Instant {
    match scheduler::current() {
        Some(scheduler) => scheduler.clock.instant(),
        None => Instant::now(),
    }
}

/// Waits for at least `duration`. Only this coroutine waits.
///
/// A suspension point, also for zero, which lets everybody run who is ready.
/// [`Duration::MAX`] never ends. Outside of a runtime the thread sleeps.
///
/// ```
/// use corobin::{run, sleep, spawn};
/// use std::time::Duration;
///
/// run(|| {
///     // Both sleep at the same time.
///     let other = spawn(|| sleep(Duration::from_millis(5)));
///     sleep(Duration::from_millis(5));
///     other.join().unwrap();
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    match scheduler::current() {
        Some(_) if duration.is_zero() => suspend::yield_now(),
        Some(scheduler) => {
            suspend::checkpoint(scheduler);
            sleep_to(
                scheduler,
                scheduler.clock.after(duration),
                Location::caller(),
            );
        }
        None => thread::sleep(duration),
    }
}

/// Waits until `deadline`. If that has passed, it lets everybody run who is ready.
///
/// A suspension point. Outside of a runtime the thread sleeps.
///
/// ```
/// corobin::run(|| {
///     let deadline = corobin::now() + std::time::Duration::from_millis(2);
///     corobin::sleep_until(deadline);
///     assert!(corobin::now() >= deadline);
/// });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) {
    match scheduler::current() {
        Some(scheduler) => {
            let deadline = scheduler.clock.at(deadline);
            if deadline <= scheduler.clock.now() {
                suspend::yield_now();
            } else {
                suspend::checkpoint(scheduler);
                sleep_to(scheduler, Some(deadline), Location::caller());
            }
        }
        None => thread::sleep(deadline.saturating_duration_since(Instant::now())),
    }
}

/// As [`park`](crate::park), for at most `duration`: waits until somebody calls
/// [`Coroutine::unpark`](crate::Coroutine::unpark) on this coroutine, or returns at once if that
/// was done since the last `park`.
///
/// A suspension point; zero lets everybody run who is ready. A cancel leaves the token where
/// it is. [`Duration::MAX`] never ends.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use corobin::{current, now, park_timeout, run};
/// use std::time::Duration;
///
/// run(|| {
///     let (start, ms) = (now(), Duration::from_millis(1));
///     park_timeout(ms);
///     assert!(now() - start >= ms);
///     current().unpark();
///     park_timeout(Duration::MAX); // returns at once
/// });
/// ```
#[track_caller]
pub fn park_timeout(duration: Duration) {
    let scheduler = scheduler::expect("park_timeout");
    let running = scheduler.running();
    if duration.is_zero() {
        suspend::yield_now();
    } else {
        suspend::checkpoint(scheduler);
        let deadline = Deadline::new(scheduler, Some(duration));
        while !running.task().has(flag::TOKEN) && !deadline.has_passed() {
            suspend::park_for_token(scheduler, Location::caller());
        }
    }
    running.task().clear(flag::TOKEN);
}

/// Sleeps to a deadline of the scheduler's clock; for ever if there is none.
fn sleep_to(scheduler: &Scheduler, deadline: Option<Duration>, at: &'static Location<'static>) {
    let Some(deadline) = deadline else {
        loop {
            suspend::park_on(scheduler, &"a time that never comes", at);
        }
    };
    let timer = Armed::new(scheduler, deadline);
    while !timer.has_fired() {
        suspend::park_on(scheduler, &"a time", at);
    }
}

/// Disarms its timer when it is dropped.
pub(crate) struct Armed<'a> {
    pub(crate) scheduler: &'a Scheduler,
    pub(crate) key: Key,
}

impl<'a> Armed<'a> {
    /// Wakes the running coroutine at a deadline of the scheduler's clock.
    fn new(scheduler: &'a Scheduler, deadline: Duration) -> Armed<'a> {
        Armed {
            scheduler,
            key: scheduler.arm(deadline, scheduler.running()),
        }
    }

    /// Whether the deadline was met. What else wakes the coroutine leaves the timer armed.
    fn has_fired(&self) -> bool {
        !self.scheduler.timers.borrow().is_armed(self.key)
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.scheduler.timers.borrow_mut().cancel(self.key);
    }
}

/// Until when the running coroutine waits for something else: then it is woken. None if that never
/// comes.
pub(crate) struct Deadline<'a>(Option<Armed<'a>>);

impl<'a> Deadline<'a> {
    /// The end of `limit`, if there is one.
    pub(crate) fn new(scheduler: &'a Scheduler, limit: Option<Duration>) -> Deadline<'a> {
        Deadline::at(
            scheduler,
            limit.and_then(|limit| scheduler.clock.after(limit)),
        )
    }

    /// This time of the scheduler's clock, if there is one.
    pub(crate) fn at(scheduler: &'a Scheduler, time: Option<Duration>) -> Deadline<'a> {
        Deadline(time.map(|time| Armed::new(scheduler, time)))
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0.as_ref().is_some_and(Armed::has_fired)
    }
}

/// Ticks every `period`, the first time one period from now.
///
/// Not a suspension point; each [`tick`](Interval::tick) is one.
///
/// # Panics
/// `period` is zero.
///
/// ```
/// use std::time::Duration;
///
/// corobin::run(|| {
///     let start = corobin::now();
///     let mut every = corobin::interval(Duration::from_millis(1));
///     for n in 1..=3 {
///         assert!(every.tick() >= start + n * Duration::from_millis(1));
///     }
/// });
/// ```
#[must_use]
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "an interval needs a period longer than zero"
    );
    Interval {
        next: now().checked_add(period),
        period,
    }
}

/// See [`interval`].
pub struct Interval {
    /// None if it is beyond what `Instant` can hold.
    next: Option<Instant>,
    period: Duration,
}

impl Interval {
    /// Waits for the next tick and gives the time that it was due at.
    ///
    /// Ticks are due at fixed times. One that is late does not shift those after it: they
    /// come at once until they have caught up, and some of them let the others run first.
    ///
    /// A suspension point; a cancelled wait does not use up its tick.
    #[track_caller]
    pub fn tick(&mut self) -> Instant {
        let Some(due) = self.next else {
            sleep(Duration::MAX);
            unreachable!("a time that never comes has come");
        };
        match scheduler::current() {
            // A late tick is no reason to wait a turn more, but many are.
            Some(scheduler) if due <= scheduler.clock.instant() => suspend::begin_operation(),
            _ => sleep_until(due),
        }
        self.next = due.checked_add(self.period);
        due
    }

    /// The time between two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
