//! hyper's timer, on our clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::handle::{RemoteJoinHandle, handle};
use crate::scheduler;
use crate::time::{now, sleep_until};
use crate::unwind::quietly;

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
        Box::pin(Sleep {
            deadline: now().checked_add(duration),
            companion: None,
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep {
            deadline: Some(deadline),
            companion: None,
        })
    }

    fn now(&self) -> Instant {
        now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

struct Sleep {
    /// None if it never comes.
    deadline: Option<Instant>,
    companion: Option<Companion>,
}

/// A coroutine that sleeps, and then calls the waker. hyper wants to move its sleeps to
/// other threads, so it is held as another thread would.
struct Companion {
    shared: Arc<Shared>,
    coroutine: RemoteJoinHandle<()>,
}

struct Shared(Mutex<State>);

struct State {
    deadline: Instant,
    waker: Option<Waker>,
    /// The coroutine calls no waker any more.
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sleep {
    /// A later deadline moves that of the coroutine, which hyper asks for with each
    /// request of a connection.
    fn reset(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        if let Some(companion) = &self.companion {
            let mut state = companion.shared.lock();
            let is_later = state.deadline <= deadline;
            if is_later {
                state.deadline = deadline;
            }
            drop(state);
            if !is_later {
                self.companion = None;
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if deadline <= now() {
            self.companion = None;
            return Poll::Ready(());
        }
        if scheduler::expect("a poll of a Sleep that has to wait").is_ending() {
            // As where a descriptor is polled: a companion would be born cancelled.
            sleep_until(deadline);
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !(self.companion.as_ref()).is_some_and(|companion| companion.leave(waker)) {
            self.companion = Some(Companion::new(deadline, waker.clone()));
        }
        Poll::Pending
    }
}

impl ::hyper::rt::Sleep for Sleep {}

impl Companion {
    fn new(deadline: Instant, waker: Waker) -> Companion {
        let shared = Arc::new(Shared(Mutex::new(State {
            deadline,
            waker: Some(waker),
            is_over: false,
        })));
        let alarm = Alarm(Arc::downgrade(&shared));
        Companion {
            shared,
            coroutine: handle().spawn(move || alarm.sleep()),
        }
    }

    /// Leaves another waker. False if nobody would call it.
    fn leave(&self, waker: &Waker) -> bool {
        // Wakers are user code: cloned and dropped outside of the lock.
        let waker = waker.clone();
        let mut state = self.shared.lock();
        if state.is_over {
            return false;
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        true
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.coroutine.cancel();
    }
}

/// Calls the waker when it is dropped, if there is still a [`Sleep`].
struct Alarm(Weak<Shared>);

impl Alarm {
    fn sleep(self) {
        let deadline = || Some(self.0.upgrade()?.lock().deadline);
        while let Some(deadline) = deadline().filter(|deadline| *deadline > now()) {
            sleep_until(deadline);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        let mut state = shared.lock();
        state.is_over = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }
}
