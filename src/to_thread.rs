//! Blocking calls, off the loop.

use std::cell::Cell;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::frames;
use crate::inbox::Door;
use crate::scheduler::{self, Message, Scheduler};
use crate::suspend;
use crate::thread_pool::Job;

/// Runs `f` on a thread of the runtime's pool and gives its result, while other
/// coroutines go on.
///
/// `f` may borrow: this call does not return, and is not unwound, before `f` has
/// ended. So a cancel or an expiry waits for it, and is met at the next
/// suspension point. Calls overlap up to the pool's maximum
/// ([`thread_pool`](crate::RuntimeBuilder::thread_pool)).
///
/// A suspension point. Outside of a runtime `f` runs on the calling thread.
///
/// # Panics
/// With the panic of `f`; or if no thread can be started and there is none.
///
/// ```
/// let text = String::from("a blocking call");
/// let words = corobin::run(|| corobin::to_thread(|| text.split(' ').count()));
/// assert_eq!(words, 3);
/// ```
#[track_caller]
pub fn to_thread<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    match call(f, Location::caller()) {
        Ok(value) => value,
        Err(error) => panic!("to_thread: no thread for a blocking call: {error}"),
    }
}

/// As [`to_thread`], for a call that may fail; it fails too if there is no thread.
#[track_caller]
pub(crate) fn try_to_thread<F, T>(f: F) -> io::Result<T>
where
    F: FnOnce() -> io::Result<T> + Send,
    T: Send,
{
    call(f, Location::caller())?
}

/// # Errors
/// No thread can be started and there is none; `f` was dropped.
fn call<F, T>(f: F, at: &'static Location<'static>) -> io::Result<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    const LARGE: usize = 4 << 10;
    let Some(scheduler) = scheduler::current() else {
        return Ok(f());
    };
    if size_of::<F>() > LARGE {
        // To be run where it lies: the pool's stacks may have no room for it.
        let f: Box<dyn FnOnce() -> T + Send + '_> = Box::new(f);
        return call(f, at);
    }
    suspend::checkpoint(scheduler);

    /// What the thread writes to, on the stack of the coroutine that waits.
    struct Place<T> {
        result: Cell<Option<thread::Result<T>>>,
        done: AtomicBool,
    }
    struct ToThread<T>(*const Place<T>);
    // SAFETY: one thread uses it at a time: the pool's until `done`, then ours.
    unsafe impl<T: Send> Send for ToThread<T> {}

    let place = Place {
        result: Cell::new(None),
        done: AtomicBool::new(false),
    };
    let waiting = Blocked::new(scheduler);
    let number = waiting.number;
    let door = Door::new(&scheduler.inbox);
    let to = ToThread(&raw const place);
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || {
        let to = to;
        let result = catch_unwind(AssertUnwindSafe(f));
        // SAFETY: the coroutine waits for `done`, and touches nothing before.
        unsafe {
            (*to.0).result.set(Some(result));
            (*to.0).done.store(true, Ordering::Release);
        }
        // From here on the place may be gone.
        let _ = door.inbox().send(Message::Wake(number));
    });
    // SAFETY: only the lifetime changes. The job borrows from the place and from
    // what `f` borrows, and both stay until the wait below has seen `done`,
    // which the job sets last; nothing unwinds in between. A job that is never
    // run is dropped by `submit`, before that returns.
    let job: Job = unsafe { mem::transmute(job) };
    // If there is no thread it drops what is the user's; if there are too few it logs.
    frames::staying(|| scheduler.threads.submit(job))?;
    scheduler.jobs.set(scheduler.jobs.get() + 1);
    while !place.done.load(Ordering::Acquire) {
        suspend::park_deaf(scheduler, &"a blocking call on another thread", at);
    }
    scheduler.jobs.set(scheduler.jobs.get() - 1);
    drop(waiting);
    match place.result.take() {
        Some(Ok(value)) => Ok(value),
        Some(Err(payload)) => resume_unwind(payload),
        None => unreachable!("the job leaves a result"),
    }
}

/// A coroutine that other threads can wake by a number, while this exists.
pub(crate) struct Blocked<'a> {
    scheduler: &'a Scheduler,
    pub(crate) number: u64,
}

impl<'a> Blocked<'a> {
    pub(crate) fn new(scheduler: &'a Scheduler) -> Blocked<'a> {
        let number = scheduler::next_id();
        scheduler
            .blocked
            .borrow_mut()
            .insert(number, scheduler.running());
        Blocked { scheduler, number }
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.scheduler.blocked.borrow_mut().remove(&self.number);
    }
}
