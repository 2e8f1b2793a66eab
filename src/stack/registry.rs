//! Where all stacks of the process are, for a signal handler to look up.
//!
//! A list that only grows: an entry is written by whoever maps a region and
//! becomes free when that is unmapped. Readers take no lock. An entry that they
//! rely on does not change meanwhile, since they stand on one of its stacks; the
//! others they may see half written, so they look twice at the start, which is
//! written last.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::base_of;
use super::region::Shape;

#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The first address; 0 if the entry is free, 1 while it is written.
    start: AtomicUsize,
    guard: AtomicUsize,
    body: AtomicUsize,
    len: AtomicUsize,
    next: AtomicPtr<Entry>,
}

const FREE: usize = 0;
const BUSY: usize = 1;

static FIRST: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

fn entries() -> impl Iterator<Item = &'static Entry> {
    // SAFETY: entries are leaked.
    let at = |entry: &AtomicPtr<Entry>| unsafe { entry.load(Ordering::Acquire).as_ref() };
    std::iter::successors(at(&FIRST), move |entry| at(&entry.next))
}

/// Notes a region of `len` stacks.
pub(super) fn add(start: usize, shape: Shape, len: usize) -> &'static Entry {
    let claims = |entry: &&Entry| {
        let (order, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        (entry.start.load(failed) == FREE)
            && (entry.start.compare_exchange(FREE, BUSY, order, failed)).is_ok()
    };
    let entry = entries().find(claims).unwrap_or_else(one_more);
    entry.guard.store(shape.guard, Ordering::Relaxed);
    entry.body.store(shape.body, Ordering::Relaxed);
    entry.len.store(len, Ordering::Relaxed);
    entry.start.store(start, Ordering::Release);
    entry
}

fn one_more() -> &'static Entry {
    let entry: &'static Entry = Box::leak(Box::new(Entry {
        start: AtomicUsize::new(BUSY),
        ..Entry::default()
    }));
    let mut first = FIRST.load(Ordering::Acquire);
    loop {
        entry.next.store(first, Ordering::Relaxed);
        let new = ptr::from_ref(entry).cast_mut();
        match FIRST.compare_exchange(first, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return entry,
            Err(other) => first = other,
        }
    }
}

impl Entry {
    /// The region is about to be unmapped.
    pub(super) fn remove(&self) {
        self.start.store(FREE, Ordering::Release);
    }

    fn find(&self, address: usize) -> Option<Found> {
        let start = self.start.load(Ordering::Acquire);
        let shape = Shape {
            guard: self.guard.load(Ordering::Acquire),
            body: self.body.load(Ordering::Acquire),
        };
        let offset = address.checked_sub(start)?;
        let index = offset.checked_div(shape.stride())?;
        let known = start > BUSY && index < self.len.load(Ordering::Acquire);
        if !known || self.start.load(Ordering::Acquire) != start {
            return None;
        }
        let low = start + index * shape.stride();
        Some(Found {
            low,
            bottom: low + shape.guard,
            base: base_of(low, shape.stride(), index),
        })
    }
}

/// A stack that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where its guard begins.
    pub(crate) low: usize,
    /// The lowest address that may be used.
    pub(crate) bottom: usize,
    /// See [`Stack::base`](super::Stack::base).
    pub(crate) base: usize,
}

impl Found {
    pub(crate) fn is_guard(&self, address: usize) -> bool {
        (self.low..self.bottom).contains(&address)
    }

    /// Whether `address` is on the stack or in its guard.
    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.low..self.base).contains(&address)
    }
}

/// The stack, of any thread, that `address` belongs to, guard and head included.
/// May be called in a signal handler.
pub(crate) fn find(address: usize) -> Option<Found> {
    entries().find_map(|entry| entry.find(address))
}

#[cfg(test)]
mod tests {
    use super::super::{Stack, StackClass};
    use super::*;

    #[test]
    fn every_address_finds_its_stack_until_it_is_given_back() {
        let class = StackClass::new(20_000).unwrap();
        let stacks: Vec<Stack> = (0..100).map(|_| class.take().unwrap()).collect();
        for stack in &stacks {
            let found = find(stack.base()).unwrap();
            assert_eq!((found.low, found.base), (stack.low(), stack.base()));
            assert!(found.base - found.bottom >= 20_000);
            assert_eq!(find(found.low), Some(found));
            assert_eq!(find(found.base - 1), Some(found));
            assert!(found.is_guard(found.bottom - 1) && !found.is_guard(found.bottom));
        }
        let lows: Vec<usize> = stacks.iter().map(Stack::low).collect();
        // SAFETY: nothing runs on these stacks.
        unsafe { class.give_back(stacks) };
        drop(class);
        // Other tests may have got the addresses since, for stacks of their own.
        let same = |low: &usize| find(*low).is_some_and(|found| found.low == *low);
        assert!(!lows.iter().all(same));
    }

    #[test]
    fn what_is_no_stack_is_not_found() {
        let here = 0_u8;
        assert_eq!(find((&raw const here).addr()), None);
        for address in [0, 1, 4096, usize::MAX] {
            assert_eq!(find(address), None);
        }
    }

    #[test]
    fn threads_may_come_and_go() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let class = StackClass::new(4096).unwrap();
                        let stack = class.take().unwrap();
                        assert_eq!(find(stack.base()).unwrap().base, stack.base());
                        // SAFETY: nothing runs on this stack.
                        unsafe { class.give_back([stack]) };
                    }
                });
            }
        });
    }
}
