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

/// One registration, shared by all who use the descriptor under this number.
pub(crate) struct Source {
    pub(super) fd: RawFd,
    pub(super) poll: Weak<Poll>,
    pub(super) users: Cell<usize>,
    /// Data out of band has come: a short read does not mean that nothing is
    /// left.
    pub(super) urgent: Cell<bool>,
    pub(super) read: Side,
    pub(super) write: Side,
}

/// What is known of one direction.
#[derive(Default)]
pub(super) struct Side {
    /// Worth a try. The kernel tells changes only, so this is set by what it
    /// tells and cleared by a try that found nothing.
    ready: Cell<bool>,
    /// How many changes were told.
    changes: Cell<u32>,
    /// The peer has closed, or there is an error: no further change need come.
    over: Cell<bool>,
    /// The one who waits, if there is one; more are rare.
    first: Cell<Option<Raw>>,
    more: RefCell<Vec<Raw>>,
}

impl Source {
    pub(super) fn new(fd: RawFd, poll: Weak<Poll>) -> Source {
        Source {
            fd,
            poll,
            users: Cell::new(0),
            urgent: Cell::new(false),
            read: Side::default(),
            write: Side::default(),
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
            side.more.borrow_mut().push(raw);
        }
        Enlisted { side, raw }
    }
}

impl Side {
    #[inline(always)]
    pub(super) fn news(&self, over: bool, wake: &mut impl FnMut(Raw)) {
        self.ready.set(true);
        self.changes.set(self.changes.get().wrapping_add(1));
        if over {
            self.over.set(true);
        }
        if let Some(raw) = self.first.get() {
            wake(raw);
        }
        self.more.borrow().iter().for_each(|&raw| wake(raw));
    }
}

pub(crate) struct Enlisted<'a> {
    side: &'a Side,
    raw: Raw,
}

impl Drop for Enlisted<'_> {
    fn drop(&mut self) {
        if self.side.first.get() == Some(self.raw) {
            self.side.first.set(None);
            return;
        }
        let mut more = self.side.more.borrow_mut();
        if let Some(at) = more.iter().position(|&raw| raw == self.raw) {
            more.remove(at);
        }
    }
}
