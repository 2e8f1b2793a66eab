//! `WaitGroup`.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Tag, WaitQueue};

/// Waits until all its clones are dropped.
///
/// Counterpart: `crossbeam_utils::sync::WaitGroup`. To wait for coroutines and have
/// their results, [`gather`](crate::gather()) or [`scope`](crate::scope()) are better.
///
/// ```
/// use corobin::{run, spawn, sync::WaitGroup, yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// run(|| {
///     let (group, done) = (WaitGroup::new(), Rc::new(Cell::new(0)));
///     for _ in 0..3 {
///         let (group, done) = (group.clone(), Rc::clone(&done));
///         spawn(move || {
///             yield_now();
///             done.set(done.get() + 1);
///             drop(group);
///         });
///     }
///     group.wait();
///     assert_eq!(done.get(), 3);
/// });
/// ```
pub struct WaitGroup {
    inner: Rc<Inner>,
}

struct Inner {
    members: Cell<usize>,
    queue: WaitQueue,
}

impl WaitGroup {
    /// One with a single member, which is returned.
    #[must_use]
    pub fn new() -> WaitGroup {
        WaitGroup {
            inner: Rc::new(Inner {
                members: Cell::new(1),
                queue: WaitQueue::new(),
            }),
        }
    }

    /// Drops this member and waits until there is none.
    ///
    /// A suspension point. A cancelled wait has dropped its member all the same.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn wait(self) {
        suspend::arrive();
        let inner = Rc::clone(&self.inner);
        drop(self);
        if inner.members.get() > 0 {
            let scheduler = scheduler::expect("a WaitGroup with other members");
            let what = fmt::from_fn(|f| {
                let members = inner.members.get();
                write!(f, "the last of {members} members of a WaitGroup")
            });
            (inner.queue).wait(scheduler, Tag::Plain, None, &what, Location::caller());
        }
    }
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup::new()
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> WaitGroup {
        let members = &self.inner.members;
        members.set(members.get() + 1);
        WaitGroup {
            inner: Rc::clone(&self.inner),
        }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        let members = &self.inner.members;
        members.set(members.get() - 1);
        if members.get() == 0 {
            self.inner.queue.release_all();
        }
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("members", &self.inner.members.get())
            .finish_non_exhaustive()
    }
}
