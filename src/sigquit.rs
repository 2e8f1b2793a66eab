//! SIGQUIT asks every runtime of the process for a snapshot.
//!
//! As long as a runtime runs, and only where the signal would have ended the
//! process, it is handled here. A program with a handler of its own, or that ignores
//! the signal, keeps that. `signal` has one, and calls [`answer`] when nobody listens.
//!
//! The handler may run on any thread and at any time, so it only calls what each
//! runtime has left for it in a list. Who takes something off the list waits until
//! no handler is at work, and then drops it.
//!
//! A loop that does not come round to answer, since a coroutine blocks it, must not
//! make the process immune: a second signal, later than [`PATIENCE`], ends it.

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{hint, ptr};

use crate::sigaction;

const PATIENCE: Duration = Duration::from_secs(1);

/// Asks a runtime. Returns true if it was asked before, and has not answered. Called
/// in a signal handler.
type Ask = Box<dyn Fn() -> bool + Send + Sync>;

/// A place in the list, which only grows.
struct Place {
    /// Null if the place is free.
    ask: AtomicPtr<Ask>,
    next: AtomicPtr<Place>,
}

static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());
/// Handlers at work.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);
/// When the oldest question was asked that may have no answer yet.
static ASKED_AT: AtomicU64 = AtomicU64::new(0);
/// Runtimes in the list. Under this lock it is changed, and so is the handler.
static LISTENERS: Mutex<usize> = Mutex::new(0);

fn places() -> impl Iterator<Item = &'static Place> {
    // SAFETY: places are leaked.
    let at = |place: &AtomicPtr<Place>| unsafe { place.load(Ordering::SeqCst).as_ref() };
    std::iter::successors(at(&FIRST), move |place| at(&place.next))
}

fn listeners() -> MutexGuard<'static, usize> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime that is asked, until this is dropped.
pub(crate) struct Listener(&'static Place);

/// Calls `ask` for every SIGQUIT.
pub(crate) fn listen(ask: impl Fn() -> bool + Send + Sync + 'static) -> Listener {
    let mut count = listeners();
    let ask: *mut Ask = Box::into_raw(Box::new(Box::new(ask)));
    let free = places().find(|place| place.ask.load(Ordering::SeqCst).is_null());
    let place = free.unwrap_or_else(|| {
        let place: &'static Place = Box::leak(Box::new(Place {
            ask: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(FIRST.load(Ordering::SeqCst)),
        }));
        FIRST.store(ptr::from_ref(place).cast_mut(), Ordering::SeqCst);
        place
    });
    place.ask.store(ask, Ordering::SeqCst);
    if *count == 0 && action() == libc::SIG_DFL {
        set_action(on_quit as extern "C" fn(c_int) as usize);
    }
    *count += 1;
    Listener(place)
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut count = listeners();
        let ask = self.0.ask.swap(ptr::null_mut(), Ordering::SeqCst);
        *count -= 1;
        if *count == 0 && is_ours() {
            set_action(libc::SIG_DFL);
        }
        // One that runs on this thread has ended.
        while AT_WORK.load(Ordering::SeqCst) > 0 {
            hint::spin_loop();
        }
        // SAFETY: from `listen`, and no handler has it any more.
        drop(unsafe { Box::from_raw(ask) });
    }
}

/// What is done at the signal.
fn action() -> usize {
    sigaction::present(libc::SIGQUIT).map_or(libc::SIG_DFL, |action| action.sa_sigaction)
}

fn is_ours() -> bool {
    is_handler(action())
}

/// Whether this is the handler that is installed here.
pub(crate) fn is_handler(action: usize) -> bool {
    action == on_quit as extern "C" fn(c_int) as usize
}

fn set_action(handler: usize) {
    let flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: it is the default, or `on_quit`, which does only what a handler may.
    let _ = unsafe { sigaction::handle(libc::SIGQUIT, handler, flags) };
}

extern "C" fn on_quit(_: c_int) {
    // SAFETY: a location of this thread's; the handler leaves it as it was.
    let errno = unsafe { *libc::__errno_location() };
    // Another one may have replaced us and call us still; then it is its business.
    if is_ours() {
        answer();
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Asks all runtimes. Returns false if none runs. Only makes calls that are allowed in
/// a signal handler.
pub(crate) fn answer() -> bool {
    AT_WORK.fetch_add(1, Ordering::SeqCst);
    let (mut asked, mut stuck) = (false, false);
    for place in places() {
        let ask = place.ask.load(Ordering::SeqCst);
        // SAFETY: not dropped while we are at work.
        if let Some(ask) = unsafe { ask.as_ref() } {
            asked = true;
            stuck |= ask();
        }
    }
    AT_WORK.fetch_sub(1, Ordering::SeqCst);
    let now = now();
    if !stuck {
        ASKED_AT.store(now, Ordering::SeqCst);
    } else if now.saturating_sub(ASKED_AT.load(Ordering::SeqCst)) > PATIENCE.as_nanos() as u64 {
        set_action(libc::SIG_DFL);
        // SAFETY: may be called in a signal handler; delivered when we return.
        unsafe { libc::raise(libc::SIGQUIT) };
    }
    asked
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: may be called in a signal handler.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
