//! A descriptor that the kernel tells about, and who waits for it.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Weak;

use crate::generator::raw::Raw;

use super::Poll;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// One registration, shared by all who use the descriptor under this number. What each event
/// and each wait touches comes first.
#[repr(C)]
pub(crate) struct Source {
    pub(super) poll: Weak<Poll>,
    read: Side,
    write: Side,
    /// Data out of band has come: a short read does not mean that nothing is
    /// left.
    pub(super) urgent: Cell<bool>,
    pub(super) fd: RawFd,
    pub(super) users: Cell<usize>,
    /// Who waits besides the first of a side.
    more: RefCell<Vec<(Direction, Raw)>>,
}

/// What is known of one direction.
#[derive(Default)]
struct Side {
    /// Worth a try. The kernel tells changes only, so this is set by what it
    /// tells and cleared by a try that found nothing.
    ready: Cell<bool>,
    /// The peer has closed, or there is an error: no further change need come.
    over: Cell<bool>,
    /// There may be more than one who waits, which is rare.
    has_more: Cell<bool>,
    /// How many changes were told.
    changes: Cell<u32>,
    /// One who waits, if there is one.
    first: Cell<Option<Raw>>,
}

impl Source {
    pub(super) fn new(fd: RawFd, poll: Weak<Poll>) -> Source {
        Source {
            poll,
            read: Side::default(),
            write: Side::default(),
            urgent: Cell::new(false),
            fd,
            users: Cell::new(0),
            more: RefCell::default(),
        }
    }

    #[inline(always)]
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    #[inline(always)]
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.side(direction).ready.get()
    }

    #[inline(always)]
    pub(crate) fn changes(&self, direction: Direction) -> u32 {
        self.side(direction).changes.get()
    }

    /// A try, begun after so many changes, would have had to wait.
    #[inline(always)]
    pub(crate) fn set_blocked(&self, direction: Direction, changes: u32) {
        let side = self.side(direction);
        if side.changes.get() == changes {
            side.ready.set(false);
            side.over.set(false);
        }
    }

    /// A try on a stream moved less than it could have, so the next would have to
    /// wait, unless the stream is over.
    #[inline(always)]
    pub(crate) fn set_exhausted(&self, direction: Direction) {
        let side = self.side(direction);
        if !side.over.get() && !self.urgent.get() {
            side.ready.set(false);
        }
    }

    /// Adds a coroutine to those who are woken when there is news, until the
    /// guard is dropped.
    pub(crate) fn enlist(&self, direction: Direction, raw: Raw) -> Enlisted<'_> {
        let side = self.side(direction);
        if side.first.get().is_none() {
            side.first.set(Some(raw));
        } else {
            self.more.borrow_mut().push((direction, raw));
            side.has_more.set(true);
        }
        Enlisted {
            source: self,
            direction,
            raw,
        }
    }

    /// There is a change: wakes all who wait for one there.
    #[inline(always)]
    pub(crate) fn news(&self, direction: Direction, over: bool, wake: &mut impl FnMut(Raw)) {
        let side = self.side(direction);
        side.ready.set(true);
        side.changes.set(side.changes.get().wrapping_add(1));
        if over {
            side.over.set(true);
        }
        if let Some(raw) = side.first.get() {
            wake(raw);
        }
        if side.has_more.get() {
            for &(other, raw) in &*self.more.borrow() {
                if other == direction {
                    wake(raw);
                }
            }
        }
    }

    /// One of those who are not the first of their side goes.
    #[cold]
    fn strike(&self, direction: Direction, raw: Raw) {
        let mut more = self.more.borrow_mut();
        if let Some(at) = more.iter().position(|&one| one == (direction, raw)) {
            more.remove(at);
        }
        let has_more = more.iter().any(|&(other, _)| other == direction);
        self.side(direction).has_more.set(has_more);
    }
}

pub(crate) struct Enlisted<'a> {
    source: &'a Source,
    direction: Direction,
    raw: Raw,
}

impl Drop for Enlisted<'_> {
    fn drop(&mut self) {
        let first = &self.source.side(self.direction).first;
        if first.get() == Some(self.raw) {
            first.set(None);
        } else {
            self.source.strike(self.direction, self.raw);
        }
    }
}
