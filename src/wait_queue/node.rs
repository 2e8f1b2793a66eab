//! The nodes of a wait queue, and who they stand for.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::WaitQueue;
use crate::cpu::prefetch;
use crate::generator::raw::Raw;
use crate::scheduler::Scheduler;

pub(super) type Link = Option<NonNull<Head>>;

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

/// A coroutine that may wait in several queues.
pub struct Waiter {
    /// The index of the node that was served, or `NONE`.
    served: Cell<u32>,
}

const NONE: u32 = u32::MAX;

impl Waiter {
    #[inline(always)]
    pub(crate) fn new() -> Waiter {
        Waiter {
            served: Cell::new(NONE),
        }
    }

    #[inline(always)]
    fn is_served(&self) -> bool {
        self.served.get() != NONE
    }

    /// Whether none of its nodes was served; so it is for null, which stands for the one of a
    /// node that is in a queue.
    ///
    /// # Safety
    /// The waiter is alive, or null.
    #[inline(always)]
    pub(super) unsafe fn waits(waiter: *const Waiter) -> bool {
        // SAFETY: as the caller says.
        waiter.is_null() || unsafe { !(*waiter).is_served() }
    }

    /// The index of the node that was served.
    #[inline(always)]
    pub(crate) fn served(&self) -> Option<usize> {
        self.is_served().then_some(self.served.get() as usize)
    }

    /// From here on nothing is handed to it any more.
    pub(crate) fn serve_itself(&self, index: usize) {
        self.served.set(narrow(index));
    }

    /// Runs `f`, in which nodes of the running coroutine may join queues, and takes them
    /// all out after.
    #[inline(always)]
    pub(crate) fn stand<'env, R>(
        &'env self,
        scheduler: &Scheduler,
        f: impl FnOnce(&Crowd<'env>) -> R,
    ) -> R {
        let crowd = Crowd {
            waiter: self,
            raw: scheduler.running(),
            joined: Cell::new(None),
            _invariant: PhantomData,
        };
        f(&crowd)
    }
}

/// An index as nodes keep it.
fn narrow(index: usize) -> u32 {
    match u32::try_from(index) {
        Ok(index) if index != NONE => index,
        _ => panic!("no more than {NONE} operations in one select"),
    }
}

/// The nodes that stand in queues for one waiter; they leave when it is dropped.
pub struct Crowd<'env> {
    waiter: &'env Waiter,
    raw: Raw,
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
        let (head, index) = (&node.head, narrow(index));
        assert!(!head.has_joined.get(), "a node stands in one queue");
        head.joined.set(MaybeUninit::new(Joined {
            waiter: self.waiter,
            ends: &queue.ends,
            sibling: self.joined.replace(Some(node.place())),
        }));
        head.raw.set(MaybeUninit::new(self.raw));
        head.prev.set(None);
        head.next.set(None);
        head.index.set(index);
        head.stage.set(Stage::Stands);
        head.has_joined.set(true);
        // SAFETY: all three are borrowed for longer than this crowd lives, which unlinks
        // the node; it is in no queue yet.
        unsafe { queue.ends.push(node.place()) };
    }
}

impl Drop for Crowd<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let mut next = self.joined.get();
        while let Some(place) = next {
            // SAFETY: what has joined outlives `'env`, and so us; so do the queues.
            unsafe {
                let head = place.as_ref();
                let joined = head.joined.get().assume_init();
                next = joined.sibling;
                (*joined.ends).unlink(place);
                head.has_joined.set(false);
            }
        }
    }
}

/// What a node of several knows besides.
#[derive(Clone, Copy)]
struct Joined {
    waiter: *const Waiter,
    ends: *const Ends,
    /// The node that joined before it for the same waiter.
    sibling: Link,
}

/// Where a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// In its queue, or not put there yet.
    Stands,
    /// Taken out.
    Left,
    /// Taken out to be served.
    Served,
}

/// The part of a node that does not depend on what is handed over.
///
/// A node in a queue is valid: it is borrowed until whoever put it there has taken it
/// out. If its coroutine is leaked instead, so is the stack that it lies on; such a node
/// stays until somebody passes over it.
///
/// What a wait costs is counted in stores. So what only some nodes need is left unwritten in
/// the others, and what begins as zero lies together, to be written by the word pair.
#[repr(C)]
pub(super) struct Head {
    /// Written when it joins a crowd.
    joined: Cell<MaybeUninit<Joined>>,
    /// Written before it is put into a queue.
    raw: Cell<MaybeUninit<Raw>>,
    pub(super) prev: Cell<Link>,
    pub(super) next: Cell<Link>,
    /// What its waiter knows it by.
    index: Cell<u32>,
    /// Bytes, so that they are read as they are written: a load that is wider than the store
    /// before it waits until that is in memory.
    stage: Cell<Stage>,
    pub(super) tag: Tag,
    /// A crowd will take it out. If not, it is the only one of its coroutine.
    has_joined: Cell<bool>,
    /// What would be padding is written too, in one with the rest.
    unused: u8,
}

/// A place in a queue, with room for what is handed over.
#[repr(C)]
pub struct Node<T> {
    /// First, so that a pointer to it is one to the node.
    pub(super) head: Head,
    slot: Cell<Option<T>>,
}

impl<T> Node<T> {
    /// One of several of a coroutine, that brings `value`, or waits for one.
    #[inline(always)]
    pub(crate) fn new(tag: Tag, value: Option<T>) -> Node<T> {
        Node::with(MaybeUninit::uninit(), tag, value)
    }

    /// The only one of the coroutine `raw`.
    #[inline(always)]
    pub(super) fn lone(raw: Raw, tag: Tag, value: Option<T>) -> Node<T> {
        Node::with(MaybeUninit::new(raw), tag, value)
    }

    #[inline(always)]
    fn with(raw: MaybeUninit<Raw>, tag: Tag, value: Option<T>) -> Node<T> {
        Node {
            head: Head {
                joined: Cell::new(MaybeUninit::uninit()),
                raw: Cell::new(raw),
                prev: Cell::new(None),
                next: Cell::new(None),
                index: Cell::new(0),
                stage: Cell::new(Stage::Stands),
                tag,
                has_joined: Cell::new(false),
                unused: 0,
            },
            slot: Cell::new(value),
        }
    }

    /// A pointer to the head that stands for the whole node.
    #[inline(always)]
    pub(super) fn place(&self) -> NonNull<Head> {
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
    /// Says nothing unless there are two.
    last: Cell<Link>,
}

impl Ends {
    pub(super) const fn new() -> Ends {
        Ends {
            first: Cell::new(None),
            last: Cell::new(None),
        }
    }

    /// Puts a node at the end.
    ///
    /// # Safety
    /// It knows its coroutine, is in no queue, and is linked to nobody. It is not moved or
    /// dropped before it is unlinked; the queue and its waiter live as long as it is there.
    #[inline(always)]
    pub(super) unsafe fn push(&self, place: NonNull<Head>) {
        let Some(first) = self.first.get() else {
            return self.first.set(Some(place));
        };
        // SAFETY: nodes in a queue are valid, and so is the new one.
        unsafe {
            let has_two = first.as_ref().next.get();
            let last = has_two.and(self.last.get()).unwrap_or(first);
            last.as_ref().next.set(Some(place));
            place.as_ref().prev.set(Some(last));
        }
        self.last.set(Some(place));
    }

    /// Takes out the first node, to be served at once.
    ///
    /// # Safety
    /// This is the first.
    #[inline(always)]
    pub(super) unsafe fn remove_first(&self, head: &Head) {
        let next = head.next.get();
        self.first.set(next);
        if let Some(next) = next {
            // SAFETY: a node in a queue is valid.
            unsafe { next.as_ref() }.prev.set(None);
        }
    }

    /// Takes a node out, if it still is in its queue.
    ///
    /// # Safety
    /// The node is alive, and has been put into this queue.
    #[inline(always)]
    pub(super) unsafe fn unlink(&self, place: NonNull<Head>) {
        // SAFETY: as the caller says; neighbours are in the queue, so valid.
        unsafe {
            let head = place.as_ref();
            if head.stage.get() != Stage::Stands {
                return;
            }
            head.stage.set(Stage::Left);
            let (prev, next) = (head.prev.get(), head.next.get());
            match prev {
                Some(prev) => prev.as_ref().next.set(next),
                None => self.first.set(next),
            }
            match next {
                Some(next) => next.as_ref().prev.set(prev),
                None => self.last.set(prev),
            }
        }
    }
}

impl Head {
    /// Its coroutine.
    ///
    /// # Safety
    /// It has been put into a queue.
    #[inline(always)]
    pub(super) unsafe fn raw(&self) -> Raw {
        // SAFETY: whoever puts it there has written this before.
        unsafe { self.raw.get().assume_init() }
    }

    /// Its waiter; null if it is the only one of its coroutine.
    #[inline(always)]
    pub(super) fn waiter(&self) -> *const Waiter {
        match self.has_joined.get() {
            // SAFETY: written when it joined.
            true => unsafe { self.joined.get().assume_init() }.waiter,
            false => ptr::null(),
        }
    }

    /// Whether it was taken out of its queue to be served.
    #[inline(always)]
    pub(super) fn was_served(&self) -> bool {
        self.stage.get() == Stage::Served
    }

    /// It was taken out of its queue.
    #[inline(always)]
    pub(super) fn leaves(&self) {
        self.stage.set(Stage::Left);
    }

    /// From here on its coroutine waits no more.
    ///
    /// # Safety
    /// This is its waiter, which is alive; it is in no queue.
    #[inline(always)]
    pub(super) unsafe fn serve(&self, waiter: *const Waiter) {
        self.stage.set(Stage::Served);
        if !waiter.is_null() {
            // SAFETY: as the caller says.
            unsafe { (*waiter).served.set(self.index.get()) };
        }
    }

    /// Whether its coroutine takes what it is handed.
    ///
    /// # Safety
    /// It has been put into a queue, and its waiter is alive.
    #[inline(always)]
    pub(super) unsafe fn accepts(&self, scheduler: Option<&Scheduler>) -> bool {
        // SAFETY: as the caller says.
        let (waits, raw) = unsafe { (Waiter::waits(self.waiter()), self.raw()) };
        // Without a runtime there are only coroutines that were leaked.
        waits && scheduler.is_some_and(|s| raw.accepts(s.ignores_shields()))
    }

    /// Asks the cache for what those who stand some places behind may have: stacks of who
    /// came one after another often lie at equal distances. A wrong guess costs nothing
    /// but itself.
    ///
    /// # Safety
    /// As for [`raw`](Self::raw).
    #[inline(always)]
    pub(super) unsafe fn fetch_ahead(&self, next: NonNull<Head>) {
        const PLACES: usize = 8;
        let own = NonNull::from(self).addr().get();
        let ahead = next.addr().get().wrapping_sub(own).wrapping_mul(PLACES);
        prefetch(own.wrapping_add(ahead));
        // SAFETY: as the caller says.
        unsafe { self.raw() }.prefetch_wake(ahead);
    }
}
