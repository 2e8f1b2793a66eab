//! `Event`.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Tag, WaitQueue};

/// A flag that can be waited for.
///
/// Counterpart: `asyncio.Event`; also what a [`std::sync::Condvar`] with a `bool` is
/// used for. Works outside of a runtime, unless it would have to wait.
///
/// ```
/// use corobin::{run, spawn, sync::Event};
/// use std::rc::Rc;
///
/// run(|| {
///     let ready = Rc::new(Event::new());
///     let other = Rc::clone(&ready);
///     spawn(move || other.set());
///     ready.wait();
///     assert!(ready.is_set());
/// });
/// ```
#[derive(Default)]
pub struct Event {
    set: Cell<bool>,
    queue: WaitQueue,
}

impl Event {
    /// One that is not set.
    #[must_use]
    pub const fn new() -> Event {
        Event {
            set: Cell::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// Waits until the event is set; returns at once if it is.
    ///
    /// A suspension point.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn wait(&self) {
        let scheduler = suspend::arrive();
        if !self.set.get() {
            let scheduler = scheduler::needed(scheduler, "an Event that is not set");
            (self.queue).wait(scheduler, Tag::Plain, None, &"an Event", Location::caller());
        }
    }

    /// Sets the event and wakes everybody who waits, also if it is cleared before
    /// they come to run. Not a suspension point.
    pub fn set(&self) {
        self.set.set(true);
        self.queue.release_all();
    }

    /// Takes the event back: who waits from now on waits for the next
    /// [`set`](Event::set).
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Whether the event is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.get()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.set.get())
            .finish_non_exhaustive()
    }
}
