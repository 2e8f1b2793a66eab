//! `Barrier`.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Tag, WaitQueue};

/// Lets a number of coroutines wait for each other, again and again.
///
/// Counterparts: [`std::sync::Barrier`], `asyncio.Barrier`.
///
/// ```
/// use corobin::{gather, run, spawn, sync::Barrier};
/// use std::rc::Rc;
///
/// run(|| {
///     let barrier = Rc::new(Barrier::new(3));
///     let handles = (0..3).map(|_| {
///         let barrier = Rc::clone(&barrier);
///         spawn(move || barrier.wait().is_leader())
///     });
///     let leaders = gather(handles).unwrap();
///     assert_eq!(leaders.into_iter().filter(|&leads| leads).count(), 1);
/// });
/// ```
pub struct Barrier {
    n: usize,
    /// Those who wait in this turn; some may have been cancelled and not know yet.
    came: Cell<usize>,
    /// How often they have gone on together.
    turn: Cell<u64>,
    queue: WaitQueue,
}

impl Barrier {
    /// One for so many coroutines; 0 counts as 1.
    #[must_use]
    pub const fn new(n: usize) -> Barrier {
        Barrier {
            n,
            came: Cell::new(0),
            turn: Cell::new(0),
            queue: WaitQueue::new(),
        }
    }

    /// Waits until so many wait, then lets them all go. The last to come is the
    /// leader.
    ///
    /// A suspension point. A waiter that was cancelled is not counted.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        suspend::arrive();
        let is_leader = self.came.get() + 1 >= self.n && self.queue.count() + 1 >= self.n;
        if is_leader {
            self.came.set(0);
            self.turn.set(self.turn.get() + 1);
            self.queue.release_all();
        } else {
            self.wait_for_others();
        }
        BarrierWaitResult(is_leader)
    }

    #[track_caller]
    fn wait_for_others(&self) {
        let scheduler = scheduler::expect("a Barrier whose others have not come");
        self.came.set(self.came.get() + 1);
        let _came = Came(self, self.turn.get());
        let what = fmt::from_fn(|f| {
            let (came, n) = (self.came.get(), self.n);
            write!(f, "the others of a Barrier, {came} of {n} have come")
        });
        (self.queue).wait(scheduler, Tag::Plain, None, &what, Location::caller());
    }
}

/// One that waits, and counts unless it is unwound in its turn.
struct Came<'a>(&'a Barrier, u64);

impl Drop for Came<'_> {
    fn drop(&mut self) {
        let Came(barrier, turn) = self;
        if barrier.turn.get() == *turn {
            barrier.came.set(barrier.came.get() - 1);
        }
    }
}

/// What [`Barrier::wait`] returns.
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this one was the last to come; true for one of each turn.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
