//! What the two sides of a channel share.
//!
//! Three rules keep a channel in order:
//!
//! - Where receivers wait, nothing is buffered: a sender hands its item to the
//!   first of them.
//! - Where senders wait, there is no room: a receiver that makes some moves the
//!   item of the first of them into it, and at capacity 0 takes it for itself.
//! - A `select!` that waits to send has no item yet, since its message is evaluated
//!   only when it is picked. It stands in the queue as an *offer*: when its turn
//!   comes it is woken, and whoever stands behind it waits until it has sent, or
//!   has gone away, which ends in [`Chan::settle`].

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::time::Instant;

use crate::coroutine::Awaited;
use crate::scheduler;
use crate::suspend;
use crate::sync::timed;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::buffer::Buffer;
use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

pub(in crate::sync) struct Chan<T> {
    /// Items that it buffers; `usize::MAX` if there is no limit.
    pub(super) capacity: usize,
    pub(super) buffer: Buffer<T>,
    pub(super) senders: Cell<usize>,
    pub(super) receivers: Cell<usize>,
    pub(in crate::sync) sending: WaitQueue<T>,
    pub(in crate::sync) receiving: WaitQueue<T>,
    made_at: &'static Location<'static>,
}

impl<T> Chan<T> {
    pub(super) fn new(capacity: usize, made_at: &'static Location<'static>) -> Chan<T> {
        Chan {
            capacity,
            buffer: Buffer::new(),
            senders: Cell::new(1),
            receivers: Cell::new(1),
            sending: WaitQueue::new(),
            receiving: WaitQueue::new(),
            made_at,
        }
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.buffer.len() < self.capacity
    }

    /// Sends an item, and waits for room.
    ///
    /// # Errors
    /// As for `send`.
    #[inline(always)]
    #[track_caller]
    pub(super) fn send(&self, item: T) -> Result<(), SendError<T>> {
        let Some(scheduler) = scheduler::plain() else {
            return self.send_apart(item);
        };
        // Who waits to receive is a receiver.
        let Err(item) = self.receiving.give_plainly(item, scheduler) else {
            return Ok(());
        };
        if self.receivers.get() == 0 || !self.sending.is_empty() {
            return self.send_apart(item);
        }
        if !self.has_room() {
            return self.send_apart(item);
        }
        self.buffer.push_back(item);
        Ok(())
    }

    /// As [`send`](Self::send), in all cases: what is seldom needed is kept apart, so that
    /// the short way saves no registers.
    #[inline(never)]
    #[track_caller]
    fn send_apart(&self, item: T) -> Result<(), SendError<T>> {
        self.send_or_wait(item, true, Caller::arrive())
    }

    /// Takes the next item, and waits for it.
    ///
    /// # Errors
    /// As for `recv`.
    #[inline(always)]
    #[track_caller]
    pub(super) fn recv(&self) -> Result<T, RecvError> {
        let Some(scheduler) = scheduler::plain() else {
            return self.recv_apart();
        };
        if let Some(item) = self.buffer.pop_front() {
            if !self.sending.is_empty() {
                self.refill(Caller::now());
            }
            return Ok(item);
        }
        if !self.sending.is_empty() || self.senders.get() == 0 {
            return self.recv_apart();
        }
        (self.receiving)
            .wait_plainly(scheduler, None, self, Location::caller())
            .ok_or(RecvError)
    }

    /// As [`recv`](Self::recv), in all cases.
    #[inline(never)]
    #[track_caller]
    fn recv_apart(&self) -> Result<T, RecvError> {
        self.recv_or_wait(Caller::arrive())
    }

    /// Sends if that needs no wait. `queues` says that those who wait already come
    /// first.
    ///
    /// # Errors
    /// As for `try_send`.
    #[inline(always)]
    pub(in crate::sync) fn send_now(
        &self,
        item: T,
        queues: bool,
        caller: Caller<'_>,
    ) -> Result<(), TrySendError<T>> {
        if self.receivers.get() == 0 {
            return Err(TrySendError::Closed(item));
        }
        let Err(item) = self.receiving.give(item, caller) else {
            return Ok(());
        };
        if self.has_room() && !(queues && self.sending.first(caller).is_some()) {
            self.buffer.push_back(item);
            return Ok(());
        }
        Err(TrySendError::Full(item))
    }

    /// As [`send_now`](Self::send_now), and waits for room if there is none.
    ///
    /// # Errors
    /// As for `send`.
    #[inline(always)]
    #[track_caller]
    pub(in crate::sync) fn send_or_wait(
        &self,
        item: T,
        queues: bool,
        caller: Caller<'_>,
    ) -> Result<(), SendError<T>> {
        match self.send_now(item, queues, caller) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(item)) => Err(SendError(item)),
            Err(TrySendError::Full(item)) => self.wait_to_send(item, caller),
        }
    }

    /// Whether a `select!` can send without a wait.
    #[inline(always)]
    pub(in crate::sync) fn can_send(&self, caller: Caller<'_>) -> bool {
        self.receivers.get() == 0
            || self.receiving.first(caller).is_some()
            || self.has_room() && self.sending.is_turn_of(caller)
    }

    /// Receives if that needs no wait.
    ///
    /// # Errors
    /// As for `try_recv`.
    #[inline(always)]
    pub(in crate::sync) fn recv_now(&self, caller: Caller<'_>) -> Result<T, TryRecvError> {
        if let Some(item) = self.buffer.pop_front() {
            if !self.sending.is_empty() {
                self.refill(caller);
            }
            return Ok(item);
        }
        if self.sending.first(caller) == Some(Tag::Plain)
            && let Some(item) = self.sending.take(Tag::Plain, caller)
        {
            return Ok(item);
        }
        Err(self.empty())
    }

    fn empty(&self) -> TryRecvError {
        if self.senders.get() == 0 {
            TryRecvError::Closed
        } else {
            TryRecvError::Empty
        }
    }

    /// As [`recv_now`](Self::recv_now), and waits for an item if there is none.
    ///
    /// # Errors
    /// As for `recv`.
    #[inline(always)]
    #[track_caller]
    pub(in crate::sync) fn recv_or_wait(&self, caller: Caller<'_>) -> Result<T, RecvError> {
        match self.recv_now(caller) {
            Ok(item) => return Ok(item),
            Err(TryRecvError::Closed) => return Err(RecvError),
            Err(TryRecvError::Empty) => {}
        }
        let at = Location::caller();
        let scheduler = caller.needed("a receive that has to wait");
        self.tell_first_offer(caller);
        (self.receiving)
            .wait(scheduler, Tag::Plain, None, self, at)
            .ok_or(RecvError)
    }

    /// As [`Chan::recv_now`], past any offers, which cannot be waited for.
    ///
    /// # Errors
    /// As for `try_recv`.
    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let caller = Caller::now();
        let result = self.recv_now(caller);
        if result.is_err()
            && let Some(item) = self.sending.take(Tag::Plain, caller)
        {
            return Ok(item);
        }
        result
    }

    /// Whether a `select!` can receive without a wait.
    #[inline(always)]
    pub(in crate::sync) fn can_recv(&self, caller: Caller<'_>) -> bool {
        !self.buffer.is_empty()
            || self.senders.get() == 0
            || self.sending.first(caller) == Some(Tag::Plain)
    }

    /// Whether somebody's offer could be met, if a receiver stood in the queue.
    pub(in crate::sync) fn is_offered(&self) -> bool {
        self.sending.first(Caller::now()) == Some(Tag::Offer)
    }

    /// Moves the items of those who wait into the room that there is.
    #[cold]
    fn refill(&self, caller: Caller<'_>) {
        while self.has_room() {
            match self.sending.first(caller) {
                Some(Tag::Offer) => return self.sending.nudge(caller),
                Some(_) => match self.sending.take(Tag::Plain, caller) {
                    Some(item) => self.buffer.push_back(item),
                    None => return,
                },
                None => return,
            }
        }
    }

    /// After a sender has gone away from the queue: brings those together who have
    /// waited for its turn to end.
    pub(in crate::sync) fn settle(&self) {
        let caller = Caller::now();
        while !self.sending.is_empty() && self.receiving.first(caller).is_some() {
            match self.sending.first(caller) {
                Some(Tag::Offer) => return self.sending.nudge(caller),
                Some(_) => match self.sending.take(Tag::Plain, caller) {
                    Some(item) => self.hand_on(item),
                    None => return,
                },
                None => return,
            }
        }
        if !self.sending.is_empty() {
            self.refill(caller);
        }
    }

    /// Gives an item to the first receiver, or puts it where the next will find it: before all
    /// others.
    pub(in crate::sync) fn hand_on(&self, item: T) {
        if let Err(item) = self.receiving.give(item, Caller::now()) {
            self.buffer.push_front(item);
        }
    }

    /// Puts an item before all others, for a `recv_now` that comes at once: until then the rules
    /// above may not hold.
    pub(in crate::sync) fn lay_out(&self, item: T) {
        self.buffer.push_front(item);
    }

    /// Waits until the item is sent. Apart, so that a send that need not wait saves no
    /// registers.
    #[inline(never)]
    #[track_caller]
    fn wait_to_send(&self, item: T, caller: Caller<'_>) -> Result<(), SendError<T>> {
        let at = Location::caller();
        let scheduler = caller.needed("a send that has to wait");
        match (self.sending).wait(scheduler, Tag::Plain, Some(item), &Room(self), at) {
            None => Ok(()),
            Some(item) => Err(SendError(item)),
        }
    }

    /// An offer that stands first shall know that there is a receiver now; it looks only when it
    /// comes to run.
    #[inline(always)]
    fn tell_first_offer(&self, caller: Caller<'_>) {
        if !self.sending.is_empty() {
            self.sending.nudge(caller);
        }
    }

    /// As [`send`](Self::send), with a time to end at, or none; asked for only if it has to wait.
    ///
    /// # Errors
    /// As for `send_timeout`.
    #[track_caller]
    pub(super) fn send_until(
        &self,
        item: T,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        let caller = Caller::arrive();
        let item = match self.send_now(item, true, caller) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(item)) => return Err(SendTimeoutError::Closed(item)),
            Err(TrySendError::Full(item)) => item,
        };
        let at = Location::caller();
        let scheduler = caller.needed("a send that has to wait");
        let (sending, what) = (&self.sending, Room(self));
        match timed::wait(sending, scheduler, until(), Some(item), &what, at) {
            (_, None) => Ok(()),
            (true, Some(item)) => Err(SendTimeoutError::Closed(item)),
            (false, Some(item)) => {
                suspend::checkpoint(scheduler);
                Err(SendTimeoutError::Timeout(item))
            }
        }
    }

    /// As [`recv`](Self::recv), with a time to end at, or none; asked for only if it has to wait.
    ///
    /// # Errors
    /// As for `recv_timeout`.
    #[track_caller]
    pub(super) fn recv_until(
        &self,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        let caller = Caller::arrive();
        match self.recv_now(caller) {
            Ok(item) => return Ok(item),
            Err(TryRecvError::Closed) => return Err(RecvTimeoutError::Closed),
            Err(TryRecvError::Empty) => {}
        }
        let at = Location::caller();
        let scheduler = caller.needed("a receive that has to wait");
        self.tell_first_offer(caller);
        match timed::wait(&self.receiving, scheduler, until(), None, self, at) {
            (true, item) => item.ok_or(RecvTimeoutError::Closed),
            (false, _) => {
                suspend::checkpoint(scheduler);
                Err(RecvTimeoutError::Timeout)
            }
        }
    }

    pub(super) fn sender_is_gone(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.receiving.release_all();
        }
    }

    pub(super) fn receiver_is_gone(&self) {
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            self.sending.release_all();
            // Destructors may do anything, also with this channel: none of it is
            // borrowed any more.
            let items = self.buffer.take();
            drop(items);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_full(&self) -> bool {
        !self.has_room()
    }

    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.capacity {
            usize::MAX => f.write_str("the unbounded channel")?,
            capacity => write!(f, "the channel of capacity {capacity}")?,
        }
        write!(f, " made at {}", self.made_at)
    }
}

/// What who receives waits for: "an item from the channel of capacity 3 made at … (senders: 2)"
impl<T> Awaited for Chan<T> {}

impl<T> fmt::Display for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item from ")?;
        self.name(f)?;
        write!(f, " (senders: {})", self.senders.get())
    }
}

/// "room in the channel of capacity 3 made at … (receivers: 2)"
struct Room<'a, T>(&'a Chan<T>);

impl<T> Awaited for Room<'_, T> {}

impl<T> fmt::Display for Room<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.capacity {
            0 => "a receiver of ",
            _ => "room in ",
        })?;
        self.0.name(f)?;
        write!(f, " (receivers: {})", self.0.receivers.get())
    }
}
