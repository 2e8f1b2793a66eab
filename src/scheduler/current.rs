//! Which scheduler runs the caller.

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;

use super::Scheduler;
use crate::overflow::{self, Running};
use crate::snapshot::title;
use crate::task::flag;

thread_local! {
    static CURRENT: Cell<Option<NonNull<Scheduler>>> = const { Cell::new(None) };
}

/// The scheduler that runs the caller, if there is one.
#[inline(always)]
pub(crate) fn current<'a>() -> Option<&'a Scheduler> {
    // SAFETY: set only while `enter` borrows the scheduler, and all code that
    // runs then is over, or suspended for ever, when it returns.
    CURRENT.get().map(|scheduler| unsafe { scheduler.as_ref() })
}

/// The scheduler that runs the caller, in a [plain](Scheduler::is_plain) run: so nothing is
/// due, and who has asked this first need not ask much more.
#[inline(always)]
pub(crate) fn plain<'a>() -> Option<&'a Scheduler> {
    current().filter(|scheduler| scheduler.is_plain())
}

/// As [`plain`], but nobody who finds that this is not simply so looks more closely: then a
/// function that begins with it saves no registers.
#[inline(always)]
pub(crate) fn simply_plain<'a>() -> Option<&'a Scheduler> {
    current().filter(|scheduler| scheduler.specials.get() == 0)
}

/// As [`current`], for what cannot be done without one.
#[inline(always)]
#[track_caller]
pub(crate) fn expect<'a>(what: &str) -> &'a Scheduler {
    needed(current(), what)
}

/// The [`current`] one, for what turns out not to be done without one.
#[inline(always)]
#[track_caller]
pub(crate) fn needed<'a>(current: Option<&'a Scheduler>, what: &str) -> &'a Scheduler {
    match current {
        Some(scheduler) => scheduler,
        None => outside_of_run(what),
    }
}

#[cold]
#[track_caller]
fn outside_of_run(what: &str) -> ! {
    panic!("{what} needs a runtime: call it inside corobin::run or Runtime::run")
}

/// Makes `scheduler` the current one while `f` runs.
pub(super) fn enter(scheduler: &Scheduler, f: impl FnOnce()) {
    /// Unwinding out of the loop would leave frames that others borrow from.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("corobin: the scheduler itself panicked; aborting");
                std::process::abort();
            }
            CURRENT.set(None);
        }
    }
    let _ = overflow::COROUTINES.set(&Coroutines);
    CURRENT.set(Some(NonNull::from(scheduler)));
    let _leave = Leave;
    f();
}

/// Names the running coroutine for the report of a stack overflow, in a signal
/// handler.
struct Coroutines;

impl overflow::Coroutines for Coroutines {
    fn running(&self) -> Option<Running> {
        let scheduler = current()?;
        let raw = scheduler.running();
        scheduler.has_running().then(|| Running {
            base: raw.base(),
            is_main: raw.task().has(flag::MAIN),
        })
    }

    fn write_title(&self, text: &mut dyn fmt::Write) -> fmt::Result {
        match current().filter(|scheduler| scheduler.has_running()) {
            Some(scheduler) => write!(text, "coroutine {}", title(scheduler.running().task())),
            None => Ok(()),
        }
    }
}
