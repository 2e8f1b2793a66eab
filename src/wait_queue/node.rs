//! The nodes of a wait queue, and who they stand for.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::WaitQueue;
use crate::generator::raw::Raw;
use crate::scheduler::Scheduler;

pub(super) type Link = Option<NonNull<Links>>;

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
    pub(super) raw: Raw,
    /// The index of the node that was served, or `NONE`.
    pub(super) served: Cell<usize>,
}

pub(super) const NONE: usize = usize::MAX;

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
    pub(super) fn accepts(&self, scheduler: Option<&Scheduler>) -> bool {
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
        assert!(!node.stands.replace(true), "a node stands in one queue");
        let sibling = self.joined.replace(Some(node.place()));
        // SAFETY: all three are borrowed for longer than this crowd lives, which unlinks
        // the node; it is in no queue yet.
        unsafe { queue.push(node, self.waiter, index, sibling) };
    }
}

impl Drop for Crowd<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let mut next = self.joined.get();
        while let Some(place) = next {
            // SAFETY: what has joined outlives `'env`, and so us; so do the queues.
            unsafe {
                let links = place.as_ref();
                next = links.sibling;
                Links::unlink(place);
                (*links.stands).set(false);
            }
        }
    }
}

/// The part of a node that does not depend on what is handed over, written when it is
/// put into a queue.
///
/// Links in a queue are valid: their node is borrowed until whoever put them there has
/// taken them out. If its coroutine is leaked instead, so is the stack that it lies on;
/// such links stay until somebody passes over them.
pub(super) struct Links {
    /// The queue that they are in, or null.
    pub(super) ends: Cell<*const Ends>,
    pub(super) prev: Cell<Link>,
    pub(super) next: Cell<Link>,
    /// The node that joined before for the same waiter.
    pub(super) sibling: Link,
    pub(super) waiter: *const Waiter,
    pub(super) index: usize,
    pub(super) tag: Tag,
    pub(super) stands: *const Cell<bool>,
}

/// A place in a queue, with room for what is handed over.
#[repr(C)]
pub struct Node<T> {
    /// First, so that a pointer to them is one to the node.
    pub(super) links: UnsafeCell<MaybeUninit<Links>>,
    slot: Cell<Option<T>>,
    /// A crowd will take it out.
    pub(super) stands: Cell<bool>,
    pub(super) tag: Tag,
}

impl<T> Node<T> {
    /// One that brings `value`, or waits for one.
    #[inline(always)]
    pub(crate) fn new(tag: Tag, value: Option<T>) -> Node<T> {
        Node {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            slot: Cell::new(value),
            stands: Cell::new(false),
            tag,
        }
    }

    /// A pointer to the links that stands for the whole node.
    #[inline(always)]
    pub(super) fn place(&self) -> NonNull<Links> {
        NonNull::from(self).cast()
    }

    /// What it has been given, or what it brought and nobody has taken.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<T> {
        self.slot.take()
    }

    /// Fills an empty slot.
    #[inline(always)]
    pub(crate) fn put(&self, value: T) {
        self.slot.set(Some(value));
    }
}

pub(super) struct Ends {
    pub(super) first: Cell<Link>,
    pub(super) last: Cell<Link>,
}

impl Links {
    /// Takes them out of the queue that they are in, if they are in one.
    ///
    /// # Safety
    /// They were written and their node is alive, and so is the queue if they are in one.
    #[inline(always)]
    pub(super) unsafe fn unlink(place: NonNull<Links>) {
        // SAFETY: as the caller says; neighbours are in the queue, so valid.
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
