//! `timeout` and `shield`: frames that let through, or hold off, what is due.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::frames::{Frame, FrameRef, Kind};
use crate::scheduler::{self, Scheduler};
use crate::time::Armed;
use crate::unwind::silent;

/// Why a [`timeout`] has no result: its time was over before its closure returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs `f` in place, for at most `duration`: afterwards its next suspension
/// point unwinds it, and destructors run.
///
/// `f` may borrow. Timeouts nest; each catches its own expiry only, and when
/// several have expired the innermost comes first. A closure that returns gives
/// its value, even when it is late: code that never suspends is not interrupted. That
/// the time is over is found when the loop looks at the clock, which it does when nobody
/// is ready, and every 64 steps: until then suspension points that need not wait pass.
/// Zero expires at the first suspension point. `timeout` itself is no suspension
/// point.
///
/// Outside of a runtime nothing expires: `f` just runs.
///
/// # Errors
/// [`Elapsed`] if `f` was unwound.
///
/// ```
/// use corobin::{Elapsed, run, sleep, timeout};
/// use std::time::Duration;
///
/// run(|| {
///     let mut steps = 0;
///     let result = timeout(Duration::from_millis(5), || {
///         loop {
///             sleep(Duration::from_millis(1));
///             steps += 1;
///         }
///     });
///     assert_eq!(result, Err::<(), _>(Elapsed));
///     assert!(steps <= 5);
///     assert_eq!(timeout(Duration::MAX, || 7), Ok(7));
/// });
/// ```
pub fn timeout<F, T>(duration: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    within(|scheduler| scheduler.clock.after(duration), f)
}

/// As [`timeout`], with a time to end at. A time that has passed expires at the
/// first suspension point.
///
/// # Errors
/// [`Elapsed`] if `f` was unwound.
///
/// ```
/// use corobin::{Elapsed, now, park, run, timeout_at};
/// use std::time::Duration;
///
/// run(|| {
///     let deadline = now() + Duration::from_millis(1);
///     assert_eq!(timeout_at(deadline, park), Err(Elapsed)); // two waits,
///     assert_eq!(timeout_at(deadline, park), Err(Elapsed)); // one deadline
/// });
/// ```
pub fn timeout_at<F, T>(deadline: Instant, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    within(|scheduler| Some(scheduler.clock.at(deadline)), f)
}

fn within<F, T>(deadline: impl FnOnce(&Scheduler) -> Option<Duration>, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    let frame = Frame::new(Kind::Timeout);
    let scheduler = scheduler::current();
    let timer = scheduler.and_then(|scheduler| {
        let running = scheduler.running();
        let deadline = deadline(scheduler)?;
        if deadline <= scheduler.clock.now() {
            scheduler.make_due(running, FrameRef::new(&frame));
            return None;
        }
        Some(Armed {
            scheduler,
            key: scheduler.arm_frame(deadline, running, &frame),
        })
    });
    let result = catch_unwind(AssertUnwindSafe(|| frame.enter(f)));
    drop(timer);
    if let Some(scheduler) = scheduler {
        scheduler.frame_closed();
    }
    match result {
        Ok(value) => Ok(value),
        Err(payload) if frame.catches(silent(&*payload)) => Err(Elapsed),
        Err(payload) => resume_unwind(payload),
    }
}

/// Runs `f` and holds cancels and expiries from outside of it off until it has
/// returned. A [`timeout`] inside works. Shields nest.
///
/// What was held off is met at the next suspension point after it; `shield`
/// itself is none. The end of a run waits for shields, unless nothing else can
/// happen any more: that is a [deadlock](crate::run), which is unwound through them.
///
/// ```
/// use corobin::{JoinError, run, shield, sleep, spawn, yield_now};
/// use std::time::Duration;
///
/// run(|| {
///     let worker = spawn(|| {
///         shield(|| {
///             sleep(Duration::from_millis(1));
///             println!("the transaction is complete");
///         });
///         yield_now();
///         unreachable!();
///     });
///     yield_now();
///     worker.cancel();
///     assert!(matches!(worker.join(), Err(JoinError::Cancelled)));
/// });
/// ```
pub fn shield<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    Frame::new(Kind::Shield).enter(f)
}
