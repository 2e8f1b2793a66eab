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

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::coroutine::Awaited;
use crate::generator::raw::Raw;
use crate::scheduler::{self, Scheduler};
use crate::suspend;

type Link = Option<NonNull<Links>>;

/// What a node says of itself to whoever serves the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// It takes or brings a value.
    Plain,
    /// The same, and it wants to be alone.
    Exclusive,
    /// It wants to be told that its turn has come, and sees to the rest itself.
    Offer,
}

/// A coroutine that waits, in one queue or in several.
pub struct Waiter {
    raw: Raw,
    /// The index of the node that was served, or `NONE`.
    served: Cell<usize>,
}

const NONE: usize = usize::MAX;

impl Waiter {
    /// Of the running coroutine.
    #[inline(always)]
    pub(crate) fn new(scheduler: &Scheduler) -> Waiter {
        Waiter {
            raw: scheduler.running(),
            served: Cell::new(NONE),
        }
    }

    /// The index of the node that was served.
    #[inline(always)]
    pub(crate) fn served(&self) -> Option<usize> {
        Some(self.served.get()).filter(|&index| index != NONE)
    }

    /// From here on nothing is handed to it any more.
    pub(crate) fn serve_itself(&self, index: usize) {
        self.served.set(index);
    }

    #[inline(always)]
    fn accepts(&self, scheduler: Option<&Scheduler>) -> bool {
        // Without a runtime there are only coroutines that were leaked.
        self.served.get() == NONE
            && scheduler.is_some_and(|scheduler| self.raw.accepts(scheduler.ignores_shields()))
    }

    /// Runs `f`, in which nodes may join queues, and takes them all out after.
    #[inline(always)]
    pub(crate) fn stand<'env, R>(&'env self, f: impl FnOnce(&Crowd<'env>) -> R) -> R {
        let crowd = Crowd {
            waiter: self,
            joined: Cell::new(None),
            _invariant: PhantomData,
        };
        f(&crowd)
    }
}

/// The nodes that stand in queues for one waiter; they leave when it is dropped.
pub struct Crowd<'env> {
    waiter: &'env Waiter,
    joined: Cell<Link>,
    /// What joins must outlive the call of [`Waiter::stand`].
    _invariant: PhantomData<Cell<&'env ()>>,
}

impl<'env> Crowd<'env> {
    /// Puts `node` at the end of `queue`.
    ///
    /// # Panics
    /// It stands in a queue already.
    #[inline(always)]
    pub(crate) fn join<T>(&self, queue: &'env WaitQueue<T>, node: &'env Node<T>, index: usize) {
        let links = &node.links;
        assert!(!links.stands.replace(true), "a node stands in one queue");
        links.waiter.set(self.waiter);
        links.index.set(index);
        links.sibling.set(self.joined.get());
        let place = node.place();
        self.joined.set(Some(place));
        queue.ends.push(place);
    }
}

impl Drop for Crowd<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let mut next = self.joined.get();
        while let Some(place) = next {
            // SAFETY: what has joined outlives `'env`, and so us.
            let links = unsafe { place.as_ref() };
            next = links.sibling.get();
            // SAFETY: if it is in a queue, that is alive too.
            unsafe { Ends::unlink(place) };
            links.stands.set(false);
        }
    }
}

/// The part of a node that does not depend on what is handed over.
///
/// A linked node is valid: it is borrowed until its crowd is dropped, which
/// unlinks it. If its coroutine is leaked instead, so is the stack that it lies on.
/// Such a node stays linked until somebody passes over it.
struct Links {
    /// The queue that it is linked into.
    ends: Cell<*const Ends>,
    prev: Cell<Link>,
    next: Cell<Link>,
    /// The node that joined before it for the same waiter.
    sibling: Cell<Link>,
    waiter: Cell<*const Waiter>,
    index: Cell<usize>,
    /// Its crowd will take it out.
    stands: Cell<bool>,
    tag: Tag,
}

/// A place in a queue, with room for what is handed over.
#[repr(C)]
pub struct Node<T> {
    links: Links,
    slot: Cell<Option<T>>,
}

impl<T> Node<T> {
    /// One that brings `value`, or waits for one.
    #[inline(always)]
    pub(crate) fn new(tag: Tag, value: Option<T>) -> Node<T> {
        Node {
            links: Links {
                ends: Cell::new(ptr::null()),
                prev: Cell::new(None),
                next: Cell::new(None),
                sibling: Cell::new(None),
                waiter: Cell::new(ptr::null()),
                index: Cell::new(0),
                stands: Cell::new(false),
                tag,
            },
            slot: Cell::new(value),
        }
    }

    /// A pointer to the links that stands for the whole node.
    #[inline(always)]
    fn place(&self) -> NonNull<Links> {
        NonNull::from(self).cast()
    }

    /// What it has been given, or what it brought and nobody has taken.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<T> {
        self.slot.take()
    }

    /// Fills an empty slot.
    pub(crate) fn put(&self, value: T) {
        self.slot.set(Some(value));
    }
}

#[derive(Default)]
struct Ends {
    first: Cell<Link>,
    last: Cell<Link>,
}

impl Ends {
    #[inline(always)]
    fn push(&self, place: NonNull<Links>) {
        let last = self.last.replace(Some(place));
        // SAFETY: linked nodes are valid, see `Links`, and this one is about to be.
        unsafe {
            place.as_ref().ends.set(self);
            place.as_ref().prev.set(last);
            place.as_ref().next.set(None);
            match last {
                Some(last) => last.as_ref().next.set(Some(place)),
                None => self.first.set(Some(place)),
            }
        }
    }

    /// Takes a node out of the queue that it is in, if it is in one.
    ///
    /// # Safety
    /// The node is valid, and so is its queue if it is in one.
    #[inline(always)]
    unsafe fn unlink(place: NonNull<Links>) {
        // SAFETY: as the caller says; neighbours are linked, so valid.
        unsafe {
            let links = place.as_ref();
            let ends = links.ends.replace(ptr::null());
            let Some(ends) = ends.as_ref() else { return };
            let (prev, next) = (links.prev.get(), links.next.get());
            match prev {
                Some(prev) => prev.as_ref().next.set(next),
                None => ends.first.set(next),
            }
            match next {
                Some(next) => next.as_ref().prev.set(prev),
                None => ends.last.set(prev),
            }
        }
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

    /// Whether nobody stands in it; false also if all who do are passed over.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.first.get().is_none()
    }

    /// The first node that `wanted` says yes to, of a waiter that takes what it is
    /// handed and is not `me`. Those who do not take anything any more are
    /// unlinked on the way.
    #[inline(always)]
    fn find(
        &self,
        me: Option<&Waiter>,
        wanted: impl Fn(Tag) -> bool,
    ) -> Option<(NonNull<Node<T>>, &Scheduler)> {
        if self.is_empty() {
            return None;
        }
        let scheduler = scheduler::current();
        let me = me.map_or(ptr::null(), ptr::from_ref);
        let mut next = self.ends.first.get();
        while let Some(place) = next {
            // SAFETY: linked nodes are valid, see `Links`, and the waiter outlives
            // its crowd.
            let (links, waiter) = unsafe { (place.as_ref(), &*place.as_ref().waiter.get()) };
            next = links.next.get();
            if ptr::eq(waiter, me) {
                continue;
            }
            if !waiter.accepts(scheduler) {
                // SAFETY: the node is valid, and we are its queue.
                unsafe { Ends::unlink(place) };
            } else if wanted(links.tag) {
                return Some((place.cast(), scheduler?));
            }
        }
        None
    }

    /// Ends the wait of a node that was found.
    ///
    /// # Safety
    /// `find` has just found it.
    #[inline(always)]
    unsafe fn serve(node: NonNull<Node<T>>, scheduler: &Scheduler) {
        // SAFETY: linked nodes are valid, and so is the waiter.
        unsafe {
            let links = &node.as_ref().links;
            let waiter = &*links.waiter.get();
            waiter.served.set(links.index.get());
            Ends::unlink(node.cast());
            scheduler.wake(waiter.raw);
        }
    }

    /// The tag of the first waiter but `me`.
    #[inline(always)]
    pub(crate) fn first(&self, me: Option<&Waiter>) -> Option<Tag> {
        let (node, _) = self.find(me, |_| true)?;
        // SAFETY: linked nodes are valid.
        Some(unsafe { node.as_ref() }.links.tag)
    }

    /// Whether the first waiter is `me`, or there is none.
    pub(crate) fn is_turn_of(&self, me: Option<&Waiter>) -> bool {
        self.find(None, |_| true).is_none_or(|(node, _)| {
            // SAFETY: linked nodes are valid.
            let first = unsafe { node.as_ref() }.links.waiter.get();
            ptr::eq(first, me.map_or(ptr::null(), ptr::from_ref))
        })
    }

    /// Hands `value` to the first waiter but `me`, and ends its wait.
    ///
    /// # Errors
    /// Nobody waits: the value comes back.
    #[inline(always)]
    pub(crate) fn give(&self, value: T, me: Option<&Waiter>) -> Result<(), T> {
        let Some((node, scheduler)) = self.find(me, |_| true) else {
            return Err(value);
        };
        // SAFETY: linked nodes are valid; it was just found.
        unsafe {
            node.as_ref().put(value);
            WaitQueue::serve(node, scheduler);
        }
        Ok(())
    }

    /// Takes what the first waiter with this tag but `me` has brought, and ends its
    /// wait.
    #[inline(always)]
    pub(crate) fn take(&self, tag: Tag, me: Option<&Waiter>) -> Option<T> {
        let (node, scheduler) = self.find(me, |other| other == tag)?;
        // SAFETY: linked nodes are valid; it was just found.
        unsafe {
            let value = node.as_ref().take();
            WaitQueue::serve(node, scheduler);
            value
        }
    }

    /// Wakes the first waiter but `me`, which stays where it is and sees for itself
    /// what there is.
    pub(crate) fn nudge(&self, me: Option<&Waiter>) {
        if let Some((node, scheduler)) = self.find(me, |_| true) {
            // SAFETY: linked nodes are valid, and so is the waiter.
            scheduler.wake(unsafe { (*node.as_ref().links.waiter.get()).raw });
        }
    }

    /// Ends all waits, with nothing given and nothing taken. Gives their number.
    pub(crate) fn release_all(&self) -> usize {
        let mut released = 0;
        while let Some((node, scheduler)) = self.find(None, |_| true) {
            // SAFETY: it was just found.
            unsafe { WaitQueue::serve(node, scheduler) };
            released += 1;
        }
        released
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        let count = Cell::new(0);
        self.find(None, |_| {
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
        let (_, value) = self.wait_by(scheduler, tag, value, || {
            suspend::park_on(scheduler, what, at);
            true
        });
        value
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
        let (_, value) = self.wait_by(scheduler, tag, value, || {
            suspend::park_deaf(scheduler, what, at);
            true
        });
        value
    }

    /// As [`WaitQueue::wait`], but says false where that would raise.
    pub(crate) fn wait_or_due(
        &self,
        scheduler: &Scheduler,
        what: &dyn Awaited,
        at: &'static Location<'static>,
    ) -> bool {
        let park = || suspend::park_or_due(scheduler, what, at);
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
        park: impl Fn() -> bool,
    ) -> (bool, Option<T>) {
        /// Unlinks a node.
        struct Standing<'a, T>(&'a Node<T>);
        impl<T> Drop for Standing<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                // SAFETY: the node is borrowed, and so is its queue in the frame around us.
                unsafe { Ends::unlink(self.0.place()) };
            }
        }
        let waiter = Waiter::new(scheduler);
        let node = Node::new(tag, value);
        node.links.waiter.set(&waiter);
        let standing = Standing(&node);
        self.ends.push(node.place());
        let mut goes_on = true;
        while goes_on && waiter.served.get() == NONE {
            goes_on = park();
        }
        drop(standing);
        (waiter.served.get() != NONE, node.take())
    }
}

impl<T> Default for WaitQueue<T> {
    fn default() -> WaitQueue<T> {
        WaitQueue::new()
    }
}
