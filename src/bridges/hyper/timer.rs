//! hyper's timer, on our clock.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::scheduler;
use crate::time::{now, sleep_until};

use super::alarms;

/// Sleeps by the clock and the timers of the runtime; so hyper's timeouts work under
/// [`virtual_time`](crate::RuntimeBuilder::virtual_time) too.
///
/// A sleep whose time has come needs no runtime. One that has to wait panics when it is
/// polled outside of one.
///
/// ```
/// use hyper::rt::Timer;
/// use std::time::Duration;
///
/// let mut runtime = corobin::Runtime::builder().virtual_time(true).build()?;
/// runtime.run(|| {
///     let begin = corobin::now();
///     let hour = Duration::from_secs(60 * 60);
///     corobin::block_on(corobin::hyper::Timer.sleep(hour));
///     assert_eq!(corobin::now(), begin + hour);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep::new(now().checked_add(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep::new(Some(deadline)))
    }

    fn now(&self) -> Instant {
        now()
    }
}

/// hyper wants to move it to other threads, so it is only a number and a time.
struct Sleep {
    /// None if it never comes.
    deadline: Option<Instant>,
    /// Where its waker is kept, if it had to wait.
    number: u64,
}

impl Sleep {
    fn new(deadline: Option<Instant>) -> Sleep {
        let number = scheduler::next_id();
        Sleep { deadline, number }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if deadline <= now() {
            return Poll::Ready(());
        }
        if scheduler::expect("a sleep that has to wait").is_ending() {
            // As where a descriptor is polled: nobody can be on the lookout any more.
            sleep_until(deadline);
            return Poll::Ready(());
        }
        alarms::set(deadline, self.number, context.waker());
        Poll::Pending
    }
}

impl ::hyper::rt::Sleep for Sleep {}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(deadline) = self.deadline {
            alarms::unset(deadline, self.number);
        }
    }
}
