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
//! │ ends  │────────────▶│ Node  links  │───────▶│ Node  links  │
//! │       │──┐          │       slot   │◀───────│       slot   │
//! └───────┘  │ last     └──────┬───────┘ prev   └──────┬───────┘
//!            └─────────────────┼────────────────▶      │
//!                       Waiter ▼                Waiter ▼
//!                       who, and which of its nodes was served
//! ```
//!
//! A coroutine may stand in many queues at once, with one [`Waiter`] and as many
//! nodes. Nothing here runs code of the user's: values are only moved.

mod node;

use std::cell::Cell;
use std::hint;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::coroutine::Awaited;
use crate::scheduler::{self, Scheduler};
use crate::suspend;

pub use node::{Crowd, Node, Tag, Waiter};
use node::{Ends, Head, Link, Links, NONE};

/// How a coroutine parks: the functions of [`suspend`] that a closure could name, were
/// closures always inlined.
enum Park<'a> {
    Raising(&'a dyn Awaited, &'static Location<'static>),
    Deaf(&'a dyn Awaited, &'static Location<'static>),
    OrDue(&'a dyn Awaited, &'static Location<'static>),
}

impl Park<'_> {
    /// False if it does not go on.
    #[inline(always)]
    fn once(&self, scheduler: &Scheduler) -> bool {
        match *self {
            Park::Raising(what, at) => suspend::park_on(scheduler, what, at),
            Park::Deaf(what, at) => suspend::park_deaf(scheduler, what, at),
            Park::OrDue(what, at) => return suspend::park_or_due(scheduler, what, at),
        }
        true
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
            ends: Ends {
                first: Cell::new(None),
                last: Cell::new(None),
            },
            _nodes: PhantomData,
        }
    }

    /// Puts a node at the end.
    ///
    /// # Safety
    /// The node is in no queue, and is not moved or dropped before it is unlinked. Queue
    /// and waiter live as long as it is in the queue.
    #[inline(always)]
    unsafe fn push(&self, node: &Node<T>, waiter: &Waiter, index: usize, sibling: Link) {
        let place = node.place();
        let last = self.ends.last.replace(Some(place));
        // SAFETY: the node is in no queue; those of this queue are valid, and so is the
        // waiter.
        unsafe {
            node.head.write(Links {
                ends: Cell::new(&self.ends),
                prev: Cell::new(last),
                next: Cell::new(None),
                sibling,
                waiter,
                raw: waiter.raw,
                index,
            });
            match last {
                Some(last) => Head::links(last).next.set(Some(place)),
                None => self.ends.first.set(Some(place)),
            }
        }
    }

    /// Whether nobody stands in it; false also if all who do are passed over.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.first.get().is_none()
    }

    /// The first node that `wanted` says yes to, of a waiter that takes what it is
    /// handed and is not `me`. Those who do not take anything any more are
    /// unlinked on the way. `wanted` may be asked more than once of the first.
    #[inline(always)]
    fn find(
        &self,
        me: Option<&Waiter>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<(NonNull<Node<T>>, &Scheduler)> {
        let first = self.ends.first.get()?;
        let me = me.map_or(ptr::null(), ptr::from_ref);
        let scheduler = scheduler::current();
        // SAFETY: a node in a queue is valid, and so is its waiter.
        let serves = unsafe {
            let waiter = Head::links(first).waiter;
            !ptr::eq(waiter, me) && (*waiter).waits() && wanted(first.as_ref().tag)
        };
        match scheduler {
            Some(scheduler) if serves => Some((first.cast(), scheduler)),
            _ => self.search(me, scheduler, wanted),
        }
    }

    /// As [`find`](Self::find), where that is not simply the first.
    #[cold]
    #[inline(never)]
    fn search<'a>(
        &self,
        me: *const Waiter,
        scheduler: Option<&'a Scheduler>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<(NonNull<Node<T>>, &'a Scheduler)> {
        let mut next = self.ends.first.get();
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid.
            let (links, tag) = unsafe { (Head::links(place), place.as_ref().tag) };
            next = links.next.get();
            if ptr::eq(links.waiter, me) {
                continue;
            }
            // SAFETY: the waiter of a node in a queue is valid.
            if !unsafe { links.accepts(scheduler) } {
                // SAFETY: the node is valid, and we are its queue.
                unsafe { Head::unlink(place) };
            } else if wanted(tag) {
                return Some((place.cast(), scheduler?));
            }
        }
        None
    }

    /// Ends the wait of the first waiter but `me` that `wanted` says yes to, and gives its
    /// node, which stays where it is until others run.
    #[inline(always)]
    fn serve(&self, me: Option<&Waiter>, wanted: impl Fn(Tag) -> bool) -> Option<NonNull<Node<T>>> {
        let first = self.ends.first.get()?;
        // SAFETY: a node in a queue is valid, and so is its waiter.
        let (links, waiter, tag) = unsafe {
            let links = Head::links(first);
            (links, &*links.waiter, first.as_ref().tag)
        };
        let is_me = me.is_some_and(|me| ptr::eq(waiter, me));
        if let Some(scheduler) = scheduler::current()
            && !is_me
            && waiter.served().is_none()
            && wanted(tag)
            && scheduler.wake_swiftly(links.raw)
        {
            waiter.served.set(links.index);
            // SAFETY: it is the first in this queue.
            unsafe { self.ends.remove_first(links) };
            return Some(first.cast());
        }
        hint::cold_path();
        self.serve_after_search(me, wanted)
    }

    /// As [`serve`](Self::serve), where that is not simply the first.
    #[inline(never)]
    fn serve_after_search(
        &self,
        me: Option<&Waiter>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<NonNull<Node<T>>> {
        let (node, scheduler) = self.find(me, wanted)?;
        // SAFETY: a node in a queue is valid, and so is its waiter.
        unsafe {
            let links = Head::links(node.cast());
            let waiter = &*links.waiter;
            scheduler.wake(waiter.raw);
            waiter.served.set(links.index);
            Head::unlink(node.cast());
        }
        Some(node)
    }

    /// The tag of the first waiter but `me`.
    #[inline(always)]
    pub(crate) fn first(&self, me: Option<&Waiter>) -> Option<Tag> {
        let (node, _) = self.find(me, |_| true)?;
        // SAFETY: a node in a queue is valid.
        Some(unsafe { node.as_ref() }.head.tag)
    }

    /// Whether the first waiter is `me`, or there is none.
    pub(crate) fn is_turn_of(&self, me: Option<&Waiter>) -> bool {
        let me = me.map_or(ptr::null(), ptr::from_ref);
        let scheduler = scheduler::current();
        let mut next = self.ends.first.get();
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid.
            let links = unsafe { Head::links(place) };
            next = links.next.get();
            // Not whether it accepts: it runs, and its own frames tell what it can meet.
            if ptr::eq(links.waiter, me) {
                return true;
            }
            // SAFETY: as above, and so is its waiter.
            unsafe {
                if links.accepts(scheduler) {
                    return false;
                }
                Head::unlink(place);
            }
        }
        true
    }

    /// Hands `value` to the first waiter but `me`, and ends its wait.
    ///
    /// # Errors
    /// Nobody waits: the value comes back.
    #[inline(always)]
    pub(crate) fn give(&self, value: T, me: Option<&Waiter>) -> Result<(), T> {
        let Some(node) = self.serve(me, |_| true) else {
            return Err(value);
        };
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.put(value);
        Ok(())
    }

    /// Takes what the first waiter with this tag but `me` has brought, and ends its
    /// wait.
    #[inline(always)]
    pub(crate) fn take(&self, tag: Tag, me: Option<&Waiter>) -> Option<T> {
        let node = self.serve(me, |other| other == tag)?;
        // SAFETY: its coroutine has not run since it was served.
        unsafe { node.as_ref() }.take()
    }

    /// Wakes the first waiter but `me`, which stays where it is and sees for itself
    /// what there is.
    pub(crate) fn nudge(&self, me: Option<&Waiter>) {
        if let Some((node, scheduler)) = self.find(me, |_| true) {
            // SAFETY: a node in a queue is valid, and so is its waiter.
            scheduler.wake(unsafe { (*Head::links(node.cast()).waiter).raw });
        }
    }

    /// Ends all waits, with nothing given and nothing taken.
    pub(crate) fn release_all(&self) {
        let Some(scheduler) = scheduler::current() else {
            return;
        };
        let mut next = self.ends.first.take();
        self.ends.last.set(None);
        while let Some(place) = next {
            // SAFETY: a node in a queue is valid, and so is its waiter. Waking lets nobody
            // run, so the rest of them, which are in no queue now, stay where they are.
            unsafe {
                let links = Head::links(place);
                next = links.next.get();
                links.ends.set(ptr::null());
                let waiter = &*links.waiter;
                if waiter.served().is_none() && scheduler.wake_swiftly(links.raw) {
                    waiter.served.set(links.index);
                } else if links.accepts(Some(scheduler)) {
                    hint::cold_path();
                    scheduler.wake(waiter.raw);
                    waiter.served.set(links.index);
                }
            }
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        let count = Cell::new(0);
        self.search(ptr::null(), scheduler::current(), |_| {
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
        let park = Park::Raising(what, at);
        self.wait_by(scheduler, tag, value, park).1
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
        let park = Park::Deaf(what, at);
        self.wait_by(scheduler, tag, value, park).1
    }

    /// As [`WaitQueue::wait`], but says false where that would raise.
    pub(crate) fn wait_or_due(
        &self,
        scheduler: &Scheduler,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> bool {
        let park = Park::OrDue(what, at);
        self.wait_by(scheduler, Tag::Plain, None, park).0
    }

    /// Stands in the queue until it is served, which gives true, or `park` says that it
    /// does not go on.
    #[inline(always)]
    fn wait_by(
        &self,
        scheduler: &Scheduler,
        tag: Tag,
        value: Option<T>,
        park: Park<'_>,
    ) -> (bool, Option<T>) {
        /// Unlinks a node.
        struct Standing<'a, T>(&'a Node<T>);
        impl<T> Drop for Standing<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                // SAFETY: the node is borrowed, and so is its queue in the frame around us.
                unsafe { Head::unlink(self.0.place()) };
            }
        }
        let waiter = Waiter::new(scheduler);
        let node = Node::new(tag, value);
        // SAFETY: the node is new, and unlinked when this frame is left; queue and waiter
        // live longer.
        unsafe { self.push(&node, &waiter, 0, None) };
        let standing = Standing(&node);
        while park.once(scheduler) {
            if waiter.served.get() != NONE {
                // Whoever has served it has taken it out of the queue.
                mem::forget(standing);
                return (true, node.take());
            }
            // That wake was meant for an earlier wait.
            hint::cold_path();
        }
        drop(standing);
        (false, node.take())
    }
}

impl<T> Default for WaitQueue<T> {
    fn default() -> WaitQueue<T> {
        WaitQueue::new()
    }
}
