//! The bridge to `Future`s.

use std::future::{Future, poll_fn};
use std::mem;
use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::frames;
use crate::inbox::Door;
use crate::scheduler::{self, Message, Scheduler};
use crate::suspend;
use crate::to_thread::Blocked;

/// Polls `future` to its end. Only this coroutine waits.
///
/// The future may borrow. Its wakers may be called from any thread, at any time,
/// also after the run. While one is alive, the runtime waits for it, rather than
/// report a deadlock.
///
/// A suspension point; a cancel drops the future. A generator cannot be left
/// inside of the future's poll: [`yield_`](crate::Yielder::yield_) panics there. Outside of a runtime the
/// thread waits.
///
/// A future that needs another runtime, as tokio's sockets and timers do, needs it here too: see
/// [the last row](crate::guide::from_tokio) for those who come from tokio.
///
/// # Panics
/// With the panic of the future.
///
/// ```
/// use std::future::ready;
///
/// assert_eq!(corobin::run(|| corobin::block_on(async { 1 + ready(1).await })), 2);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match scheduler::current() {
        Some(scheduler) => block_coroutine(scheduler, future, Location::caller()),
        None => block_thread(future),
    }
}

fn block_coroutine<F: Future>(
    scheduler: &Scheduler,
    future: F,
    at: &'static Location<'static>,
) -> F::Output {
    suspend::checkpoint(scheduler);
    // We know the scheduler and the coroutine, so no generator may be left in
    // here, which a future that polls with a yielder could do.
    frames::staying(|| poll_to_end(scheduler, future, at))
}

fn poll_to_end<F: Future>(
    scheduler: &Scheduler,
    future: F,
    at: &'static Location<'static>,
) -> F::Output {
    let mut future = pin!(future);
    let blocked = Blocked::new(scheduler);
    let woken = Arc::new(AtomicBool::new(false));
    // Not held while we wait: a waker that nobody else holds must not count as
    // one that may still be called.
    let mut known = Weak::<CoroutineWaker>::new();
    loop {
        woken.swap(false, Ordering::AcqRel);
        let waker = known.upgrade().unwrap_or_else(|| {
            Arc::new(CoroutineWaker {
                door: Door::new(&scheduler.inbox),
                number: blocked.number,
                woken: Arc::clone(&woken),
            })
        });
        known = Arc::downgrade(&waker);
        let waker = Waker::from(waker);
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        drop(waker);
        if woken.load(Ordering::Acquire) {
            // A future that wakes itself wants others to run in between.
            suspend::yield_now();
        }
        while !woken.load(Ordering::Acquire) {
            suspend::park_on(scheduler, &"a future", at);
        }
    }
}

struct CoroutineWaker {
    door: Door<Message>,
    number: u64,
    woken: Arc<AtomicBool>,
}

impl Wake for CoroutineWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let inbox = self.door.inbox();
        match scheduler::current().filter(|here| Arc::ptr_eq(&here.inbox, inbox)) {
            Some(here) => here.wake_blocked(self.number),
            // After the end of the run there is nobody to wake.
            None => drop(inbox.send(Message::Wake(self.number))),
        }
    }
}

fn block_thread<F: Future>(future: F) -> F::Output {
    struct ThreadWaker(Thread);
    impl Wake for ThreadWaker {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Waited for by one coroutine or thread until any thread opens it, for good.
#[derive(Default)]
pub(crate) struct Latch {
    is_open: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Latch {
    #[track_caller]
    pub(crate) fn wait(&self) {
        block_on(poll_fn(|context| {
            drop(self.replace(Some(context.waker().clone())));
            // After the waker is there: who has opened it before is seen, who does after wakes.
            if self.is_open.load(Ordering::SeqCst) {
                drop(self.replace(None));
                return Poll::Ready(());
            }
            Poll::Pending
        }));
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        if let Some(waker) = self.replace(None) {
            waker.wake();
        }
    }

    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut place = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut *place, waker)
    }
}
