//! Queues of coroutines that wait, first in, first out: all of `sync` is built on
//! this.
//!
//! A waiter's [`Node`] is on its own stack, linked into a [`WaitQueue`] while a
//! closure runs in which it parks. Whoever has something for a waiter hands it
//! over: [`WaitQueue::give`] puts a value into the first node, [`WaitQueue::take`]
//! takes out what the waiter has brought, and both end its wait, so that nobody can
//! come between. A waiter that is about to be unwound, or was handed something by
//! another queue, is passed over: what comes first counts.
//!
//! ```text
//!  WaitQueue            stack of one waiter     stack of another
//! ┌───────┐  first      ┌──────────────┐ next   ┌──────────────┐
//! │ ends  │────────────▶│ Node  head   │───────▶│ Node  head   │
//! │       │──┐          │       slot   │◀───────│       slot   │
//! └───────┘  │ last     └──────┬───────┘ prev   └──────┬───────┘
//!            └─────────────────┼────────────────▶      │
//!                              ▼                       ▼
//!                       Waiter, or none         Waiter, or none
//! ```
//!
//! A coroutine may stand in many queues at once, with as many nodes and one [`Waiter`],
//! which knows which of them was served. A node that is the only one of its coroutine has
//! none. Nothing here runs code of the user's: values are only moved.

mod node;

use std::cell::Cell;
use std::hint;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::coroutine::Awaited;
use crate::scheduler::{self, Scheduler};
use crate::suspend::{self, Park};

pub use node::{Crowd, Node, Tag, Waiter};
use node::{Ends, Head};

/// Who serves a queue: the running coroutine, or a thread without a runtime.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    scheduler: Option<&'a Scheduler>,
    /// What it waits with itself: its own nodes are passed over.
    waiter: Option<&'a Waiter>,
}

impl<'a> Caller<'a> {
    #[inline(always)]
    pub(crate) fn now() -> Caller<'a> {
        Caller {
            scheduler: scheduler::current(),
            waiter: None,
        }
    }

    /// The caller of a suspension point, which raises what is due first.
    #[inline(always)]
    pub(crate) fn arrive() -> Caller<'a> {
        Caller {
            scheduler: suspend::arrive(),
            waiter: None,
        }
    }

    /// One that waits itself.
    pub(crate) fn waiting(scheduler: &'a Scheduler, waiter: &'a Waiter) -> Caller<'a> {
        Caller {
            scheduler: Some(scheduler),
            waiter: Some(waiter),
        }
    }

    #[inline(always)]
    pub(crate) fn scheduler(self) -> Option<&'a Scheduler> {
        self.scheduler
    }

    /// The scheduler, for `what` has to wait.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn needed(self, what: &str) -> &'a Scheduler {
        scheduler::needed(self.scheduler, what)
    }

    #[inline(always)]
    fn is(self, waiter: *const Waiter) -> bool {
        self.waiter.is_some_and(|own| ptr::eq(own, waiter))
    }
}

/// Coroutines that wait for a `T`, or that bring one.
pub struct WaitQueue<T = ()> {
    ends: Ends,
    _nodes: PhantomData<Cell<Option<T>>>,
}

impl<T> WaitQueue<T> {
    pub(crate) const fn new() -> WaitQueue<T> {
        WaitQueue {
            ends: Ends::new(),
            _nodes: PhantomData,
        }
    }

    /// Whether nobody stands in it; false also if all who do are passed over.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.first.get().is_none()
    }

    /// The first node that `wanted` says yes to, of a waiter that takes what it is
    /// handed and is not the caller. Those who do not take anything any more are
    /// unlinked on the way. `wanted` may be asked more than once of the first.
    #[inline(always)]
    fn find<'a>(
        &self,
        caller: Caller<'a>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<(NonNull<Node<T>>, &'a Scheduler)> {
        let first = self.ends.first.get()?;
        // SAFETY: a node in a queue is valid, and so is its waiter.
        let serves = unsafe {
            let head = first.as_ref();
            let waiter = head.waiter();
            !caller.is(waiter)
                && Waiter::waits(waiter)
                && head.raw().is_parked()
                && wanted(head.tag)
        };
        match caller.scheduler {
            Some(scheduler) if serves => Some((first.cast(), scheduler)),
            _ => self.search(caller, wanted),
        }
    }

    /// As [`find`](Self::find), where that is not simply the first.
    #[cold]
    #[inline(never)]
    fn search<'a>(
        &self,
        caller: Caller<'a>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<(NonNull<Node<T>>, &'a Scheduler)> {
        let mut next = self.ends.first.get();
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid.
            let head = unsafe { place.as_ref() };
            next = head.next.get();
            if caller.is(head.waiter()) {
                continue;
            }
            let tag = head.tag;
            // SAFETY: it is in a queue.
            if !unsafe { head.accepts(caller.scheduler) } {
                // SAFETY: the node is valid, and we are its queue.
                unsafe { self.ends.unlink(place) };
            } else if wanted(tag) {
                return Some((place.cast(), caller.scheduler?));
            }
        }
        None
    }

    /// Ends the wait of the first waiter but the caller that `wanted` says yes to, and
    /// gives its node, which stays where it is until others run.
    #[inline(always)]
    fn serve(&self, caller: Caller<'_>, wanted: impl Fn(Tag) -> bool) -> Option<NonNull<Node<T>>> {
        self.ends.first.get()?;
        let scheduler = caller
            .scheduler
            .filter(|scheduler| !scheduler.is_observed());
        let served = scheduler.and_then(|s| self.serve_swiftly(s, caller.waiter, &wanted));
        served.or_else(|| {
            hint::cold_path();
            self.serve_after_search(caller, wanted)
        })
    }

    /// As [`serve`](Self::serve), in a run that is not watched, where that takes a few steps
    /// only: if it is simply the first. `own` is the waiter of the caller.
    #[inline(always)]
    fn serve_swiftly(
        &self,
        scheduler: &Scheduler,
        own: Option<&Waiter>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<NonNull<Node<T>>> {
        let first = self.ends.first.get()?;
        // SAFETY: a node in a queue is valid, and so is its waiter; this one is the first.
        unsafe {
            let head = first.as_ref();
            let waiter = head.waiter();
            let serves = own.is_none_or(|own| !ptr::eq(own, waiter))
                && Waiter::waits(waiter)
                && wanted(head.tag)
                && scheduler.wake_swiftly(head.raw());
            if !serves {
                return None;
            }
            self.ends.remove_first(head);
            head.serve(waiter);
        }
        Some(first.cast())
    }

    /// As [`serve`](Self::serve), where that is not simply the first.
    #[inline(never)]
    fn serve_after_search(
        &self,
        caller: Caller<'_>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<NonNull<Node<T>>> {
        let (node, scheduler) = self.find(caller, wanted)?;
        // SAFETY: a node in a queue is valid, and so is its waiter.
        unsafe {
            let head = &node.as_ref().head;
            scheduler.wake(head.raw());
            self.ends.unlink(node.cast());
            head.serve(head.waiter());
        }
        Some(node)
    }

    /// The tag of the first waiter but the caller.
    #[inline(always)]
    pub(crate) fn first(&self, caller: Caller<'_>) -> Option<Tag> {
        let (node, _) = self.find(caller, |_| true)?;
        // SAFETY: a node in a queue is valid.
        Some(unsafe { node.as_ref() }.head.tag)
    }

    /// Whether the first waiter is the caller, or there is none.
    pub(crate) fn is_turn_of(&self, caller: Caller<'_>) -> bool {
        let mut next = self.ends.first.get();
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid.
            let head = unsafe { place.as_ref() };
            next = head.next.get();
            // Not whether it accepts: it runs, and its own frames tell what it can meet.
            if caller.is(head.waiter()) {
                return true;
            }
            // SAFETY: as above, and we are its queue.
            unsafe {
                if head.accepts(caller.scheduler) {
                    return false;
                }
                self.ends.unlink(place);
            }
        }
        true
    }

    /// Hands `value` to the first waiter but the caller, and ends its wait.
    ///
    /// # Errors
    /// Nobody waits: the value comes back.
    #[inline(always)]
    pub(crate) fn give(&self, value: T, caller: Caller<'_>) -> Result<(), T> {
        let Some(node) = self.serve(caller, |_| true) else {
            return Err(value);
        };
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.put(value);
        Ok(())
    }

    /// As [`give`](Self::give), in a run that is known to be [plain](Scheduler::is_plain).
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub(crate) fn give_plainly(&self, value: T, scheduler: &Scheduler) -> Result<(), T> {
        if self.is_empty() {
            return Err(value);
        }
        let Some(node) = self.serve_swiftly(scheduler, None, |_| true) else {
            hint::cold_path();
            return self.give(value, Caller::now());
        };
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.put(value);
        Ok(())
    }

    /// Takes what the first waiter with this tag but the caller has brought, and ends
    /// its wait.
    #[inline(always)]
    pub(crate) fn take(&self, tag: Tag, caller: Caller<'_>) -> Option<T> {
        let node = self.serve(caller, |other| other == tag)?;
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.take()
    }

    /// As [`take`](Self::take), in a run that is known to be [plain](Scheduler::is_plain), if
    /// who has brought it is simply the first.
    #[inline(always)]
    pub(crate) fn take_swiftly(&self, tag: Tag, scheduler: &Scheduler) -> Option<T> {
        let node = self.serve_swiftly(scheduler, None, |other| other == tag)?;
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.take()
    }

    /// Wakes the first waiter but the caller, which stays where it is and sees for
    /// itself what there is.
    pub(crate) fn nudge(&self, caller: Caller<'_>) {
        if let Some((node, scheduler)) = self.find(caller, |_| true) {
            // SAFETY: a node in a queue is valid.
            scheduler.wake(unsafe { node.as_ref().head.raw() });
        }
    }

    /// Ends all waits, with nothing given and nothing taken.
    pub(crate) fn release_all(&self) {
        let Some(scheduler) = scheduler::current() else {
            return;
        };
        let is_unobserved = !scheduler.is_observed();
        let mut next = self.ends.first.take();
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid, and so is its waiter. Waking lets nobody
            // run, so the rest of them, which are in no queue now, stay where they are.
            unsafe {
                let head = place.as_ref();
                next = head.next.get();
                if let Some(next) = next {
                    head.fetch_ahead(next);
                }
                let waiter = head.waiter();
                let may_wake = is_unobserved && Waiter::waits(waiter);
                if may_wake && scheduler.wake_swiftly(head.raw()) {
                    head.serve(waiter);
                } else {
                    hint::cold_path();
                    head.leaves();
                    if head.accepts(Some(scheduler)) {
                        scheduler.wake(head.raw());
                        head.serve(waiter);
                    }
                }
            }
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        let count = Cell::new(0);
        self.search(Caller::now(), |_| {
            count.set(count.get() + 1);
            false
        });
        count.get()
    }

    /// Stands in the queue until it is served, or unwinds. Gives what it was given, or
    /// what it brought and nobody has taken.
    ///
    /// All of it is inlined into the caller: each return between a switch and the code
    /// that goes on there would be mispredicted.
    #[inline(always)]
    pub(crate) fn wait(
        &self,
        scheduler: &Scheduler,
        tag: Tag,
        value: Option<T>,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> Option<T> {
        self.wait_by(Park::Raising, scheduler, tag, value, what, at)
            .1
    }

    /// As [`WaitQueue::wait`], in a run that is known to be [plain](Scheduler::is_plain).
    #[inline(always)]
    pub(crate) fn wait_plainly(
        &self,
        scheduler: &Scheduler,
        value: Option<T>,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> Option<T> {
        let tag = Tag::Plain;
        self.wait_by(Park::Plainly, scheduler, tag, value, what, at)
            .1
    }

    /// As [`WaitQueue::wait`], whatever becomes due.
    pub(crate) fn wait_deaf(
        &self,
        scheduler: &Scheduler,
        tag: Tag,
        value: Option<T>,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> Option<T> {
        self.wait_by(Park::Deaf, scheduler, tag, value, what, at).1
    }

    /// As [`WaitQueue::wait`], but says false where that would raise.
    pub(crate) fn wait_or_due(
        &self,
        scheduler: &Scheduler,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> bool {
        let tag = Tag::Plain;
        self.wait_by(Park::OrDue, scheduler, tag, None, what, at).0
    }

    /// Stands in the queue until it is served, which gives true, or `park` says that it
    /// does not go on.
    #[inline(always)]
    fn wait_by(
        &self,
        park: Park,
        scheduler: &Scheduler,
        tag: Tag,
        value: Option<T>,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> (bool, Option<T>) {
        /// Takes a node out of its queue.
        struct Standing<'a, T>(&'a WaitQueue<T>, &'a Node<T>);
        impl<T> Drop for Standing<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                // SAFETY: both are borrowed, and the node was put into this queue.
                unsafe { self.0.ends.unlink(self.1.place()) };
            }
        }
        let node = Node::lone(scheduler.running(), tag, value);
        // SAFETY: the node is new, and unlinked when this frame is left; the queue lives
        // longer.
        unsafe { self.ends.push(node.place()) };
        let standing = Standing(self, &node);
        let head = &node.head;
        let is_served = park.on(scheduler, what, at)
            && (head.was_served() || until_served(head, park, scheduler, what, at));
        if is_served {
            // Whoever has served it has taken it out of the queue.
            mem::forget(standing);
        } else {
            drop(standing);
        }
        (is_served, node.take())
    }
}

/// Parks again, after a wake that was meant for an earlier wait.
#[cold]
#[inline(never)]
fn until_served(
    head: &Head,
    park: Park,
    scheduler: &Scheduler,
    what: &dyn Awaited,
    at: &'static Location<'static>,
) -> bool {
    while park.again().on(scheduler, what, at) {
        if head.was_served() {
            return true;
        }
    }
    false
}

impl<T> Default for WaitQueue<T> {
    fn default() -> WaitQueue<T> {
        WaitQueue::new()
    }
}
