//! The nodes of a wait queue, and who they stand for.

use std::cell::{Cell, UnsafeCell};
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
        let mark = node.head.mark.get();
        assert!(!mark.stands, "a node stands in one queue");
        node.head.mark.set(Mark {
            index: narrow(index),
            stands: true,
            ..mark
        });
        let sibling = self.joined.replace(Some(node.place()));
        node.head.sibling.set(MaybeUninit::new(sibling));
        // SAFETY: all three are borrowed for longer than this crowd lives, which unlinks
        // the node; it is in no queue yet.
        unsafe {
            node.head.write(queue.next_links(self.waiter, self.raw));
            queue.push(node);
        }
    }
}

impl Drop for Crowd<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let mut next = self.joined.get();
        while let Some(place) = next {
            // SAFETY: what has joined outlives `'env`, and so us; so do the queues. Its
            // sibling was told when it joined.
            unsafe {
                next = place.as_ref().sibling.get().assume_init();
                Head::unlink(place);
                let mark = &place.as_ref().mark;
                mark.set(Mark {
                    stands: false,
                    ..mark.get()
                });
            }
        }
    }
}

/// The part of a node that does not depend on what is handed over.
///
/// The order of its fields and those of the links is that of what a lone node begins with:
/// nothing, then four words, then zeros to the end of the node, which are written two at a time.
#[repr(C)]
pub(super) struct Head {
    /// The node that joined before it for the same waiter; written when it joins.
    sibling: Cell<MaybeUninit<Link>>,
    /// Written when the node is put into a queue.
    links: UnsafeCell<MaybeUninit<Links>>,
    pub(super) mark: Cell<Mark>,
}

/// What a node says of itself: eight bytes, with none left out, so that they are written at
/// once.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Mark {
    /// What its waiter knows it by.
    index: u32,
    /// A crowd will take it out.
    stands: bool,
    pub(super) tag: Tag,
    unused: u16,
}

/// How a node is linked, and for whom.
///
/// A node in a queue is valid: it is borrowed until whoever put it there has taken it
/// out. If its coroutine is leaked instead, so is the stack that it lies on; such a node
/// stays until somebody passes over it.
#[repr(C)]
pub(super) struct Links {
    pub(super) raw: Raw,
    /// The queue that it is in, null, or `SERVED`.
    pub(super) ends: Cell<*const Ends>,
    pub(super) prev: Cell<Link>,
    pub(super) next: Cell<Link>,
    /// Null for a node that is the only one of its coroutine.
    pub(super) waiter: *const Waiter,
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

    /// The only one of its coroutine, with the links that it is about to have.
    #[inline(always)]
    pub(super) fn lone(links: Links, tag: Tag, value: Option<T>) -> Node<T> {
        Node::with(MaybeUninit::new(links), tag, value)
    }

    #[inline(always)]
    fn with(links: MaybeUninit<Links>, tag: Tag, value: Option<T>) -> Node<T> {
        Node {
            head: Head {
                sibling: Cell::new(MaybeUninit::uninit()),
                links: UnsafeCell::new(links),
                mark: Cell::new(Mark {
                    index: 0,
                    stands: false,
                    tag,
                    unused: 0,
                }),
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
    /// Says nothing while there is no first.
    pub(super) last: Cell<Link>,
}

impl Ends {
    /// Takes out the first node, to be served at once.
    ///
    /// # Safety
    /// These are its links; it is the first.
    #[inline(always)]
    pub(super) unsafe fn remove_first(&self, links: &Links) {
        let next = links.next.get();
        self.first.set(next);
        if let Some(next) = next {
            // SAFETY: a node in a queue is valid.
            unsafe { Head::links(next) }.prev.set(None);
        }
    }
}

/// Stands for the queue of a node that was taken out to be served.
const SERVED: *const Ends = ptr::without_provenance(align_of::<Ends>());

impl Links {
    /// Whether it was taken out of its queue to be served.
    #[inline(always)]
    pub(super) fn was_served(&self) -> bool {
        self.ends.get() == SERVED
    }

    /// Asks the cache for what those who stand some places behind may have: stacks of who
    /// came one after another often lie at equal distances. A wrong guess costs nothing
    /// but itself.
    #[inline(always)]
    pub(super) fn fetch_ahead(&self, own: NonNull<Head>, next: NonNull<Head>) {
        const PLACES: usize = 8;
        let distance = next.addr().get().wrapping_sub(own.addr().get());
        let ahead = distance.wrapping_mul(PLACES);
        prefetch(own.addr().get().wrapping_add(ahead));
        self.raw.prefetch_wake(ahead);
    }

    /// Whether the waiter takes what it is handed.
    ///
    /// # Safety
    /// The waiter is alive.
    #[inline(always)]
    pub(super) unsafe fn accepts(&self, scheduler: Option<&Scheduler>) -> bool {
        // SAFETY: as the caller says.
        let waits = unsafe { Waiter::waits(self.waiter) };
        let accepts = |s: &Scheduler| self.raw.accepts(s.ignores_shields());
        // Without a runtime there are only coroutines that were leaked.
        waits && scheduler.is_some_and(accepts)
    }
}

impl Head {
    /// From here on its coroutine waits no more.
    ///
    /// # Safety
    /// These are its links and its waiter, which is alive; it is in no queue.
    #[inline(always)]
    pub(super) unsafe fn serve(&self, links: &Links, waiter: *const Waiter) {
        links.ends.set(SERVED);
        if !waiter.is_null() {
            // SAFETY: as the caller says.
            unsafe { (*waiter).served.set(self.mark.get().index) };
        }
    }

    /// # Safety
    /// The node is alive and in no queue.
    #[inline(always)]
    pub(super) unsafe fn write(&self, links: Links) {
        // SAFETY: nobody else looks at the links of a node that is in no queue.
        unsafe { (*self.links.get()).write(links) };
    }

    /// # Safety
    /// The node is alive, and has been put into a queue.
    #[inline(always)]
    pub(super) unsafe fn links<'a>(place: NonNull<Head>) -> &'a Links {
        // SAFETY: the links were written when it was put there.
        unsafe { (*place.as_ref().links.get()).assume_init_ref() }
    }

    /// Takes a node out of the queue that it is in, if it still is in one.
    ///
    /// # Safety
    /// The node is alive, and has been put into a queue, which is alive if it is in it.
    #[inline(always)]
    pub(super) unsafe fn unlink(place: NonNull<Head>) {
        // SAFETY: as the caller says; neighbours are in the queue, so valid.
        unsafe {
            let links = Head::links(place);
            let ends = links.ends.replace(ptr::null());
            if ends.is_null() || ends == SERVED {
                return;
            }
            let ends = &*ends;
            let (prev, next) = (links.prev.get(), links.next.get());
            match prev {
                Some(prev) => Head::links(prev).next.set(next),
                None => ends.first.set(next),
            }
            match next {
                Some(next) => Head::links(next).prev.set(prev),
                None => ends.last.set(prev),
            }
        }
    }
}
