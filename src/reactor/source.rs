//! A descriptor that the kernel tells about, and who waits for it.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Weak;

use crate::generator::raw::Raw;

use super::operation::Offer;
use super::{Poll, Receive, abort_in_operation};

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
    /// What the first who waits there wants to receive.
    offer: Cell<Option<Offer>>,
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
            offer: Cell::new(None),
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

    /// Does `f`, and wakes a coroutine meanwhile when there is news. The look that brings them may
    /// start `receive`.
    #[inline(always)]
    pub(crate) fn while_enlisted<R>(
        &self,
        direction: Direction,
        raw: Raw,
        receive: Option<&Receive<'_>>,
        f: impl FnOnce() -> R,
    ) -> R {
        let side = self.side(direction);
        if side.first.get().is_none() {
            side.first.set(Some(raw));
            if direction == Direction::Read {
                self.offer.set(receive.map(Offer::new));
            }
        } else {
            self.more.borrow_mut().push((direction, raw));
            side.has_more.set(true);
        }
        let _enlisted = Enlisted {
            source: self,
            direction,
            raw,
            receive,
        };
        f()
    }

    /// Who is the only one that waits for data, and what he wants to receive.
    #[inline(always)]
    pub(super) fn only_receiver(&self) -> Option<(Raw, Offer)> {
        let is_only = !self.read.has_more.get();
        self.read
            .first
            .get()
            .zip(self.offer.get())
            .filter(|_| is_only)
    }

    /// There is a change.
    #[inline(always)]
    pub(super) fn has_news(&self, direction: Direction, over: bool) {
        let side = self.side(direction);
        side.ready.set(true);
        side.changes.set(side.changes.get().wrapping_add(1));
        if over {
            side.over.set(true);
        }
    }

    /// Wakes all who wait for a change there.
    #[inline(always)]
    pub(super) fn wake_all(&self, direction: Direction, wake: &mut impl FnMut(Raw)) {
        let side = self.side(direction);
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

    /// There is a change: wakes all who wait for one there.
    pub(crate) fn news(&self, direction: Direction, over: bool, wake: &mut impl FnMut(Raw)) {
        self.has_news(direction, over);
        self.wake_all(direction, wake);
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

struct Enlisted<'a> {
    source: &'a Source,
    direction: Direction,
    raw: Raw,
    receive: Option<&'a Receive<'a>>,
}

impl Drop for Enlisted<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let first = &self.source.side(self.direction).first;
        if first.get() == Some(self.raw) {
            first.set(None);
            if self.direction == Direction::Read {
                self.source.offer.set(None);
            }
        } else {
            self.source.strike(self.direction, self.raw);
        }
        if self.receive.is_some_and(Receive::is_under_way) {
            abort_in_operation();
        }
    }
}
