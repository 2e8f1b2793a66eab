//! Turns at something that a whole process shares, first come, first served.
//! Who waits for one may be a coroutine of any runtime, or a thread.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::block_on::block_on;
use crate::suspend;

/// A value that one has at a time.
pub(super) struct Turns<T>(Mutex<State<T>>);

struct State<T> {
    /// None while somebody has it.
    value: Option<T>,
    queue: VecDeque<(u64, Waker)>,
    next: u64,
}

impl<T> State<T> {
    /// Who is to be woken: the first, if it can go on.
    fn first(&self) -> Option<Waker> {
        let free = self.value.is_some();
        let (_, waker) = self.queue.front().filter(|_| free)?;
        Some(waker.clone())
    }
}

impl<T> Turns<T> {
    pub(super) const fn new(value: T) -> Turns<T> {
        Turns(Mutex::new(State {
            value: Some(value),
            queue: VecDeque::new(),
            next: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the value. A suspension point.
    #[track_caller]
    pub(super) fn take(&self) -> T {
        suspend::arrive();
        if let Some(value) = self.take_now() {
            return value;
        }
        block_on(Take {
            turns: self,
            ticket: None,
        })
    }

    /// The value, if nobody has it or waits for it.
    fn take_now(&self) -> Option<T> {
        let mut state = self.lock();
        let is_free = state.queue.is_empty();
        is_free.then(|| state.value.take()).flatten()
    }

    /// Gives it back to the next.
    pub(super) fn put(&self, value: T) {
        let mut state = self.lock();
        state.value = Some(value);
        let first = state.first();
        drop(state);
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

/// Takes the value in its turn. Dropped before, it passes its turn on.
struct Take<'a, T> {
    turns: &'a Turns<T>,
    /// Its place in the queue.
    ticket: Option<u64>,
}

impl<T> Future for Take<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.turns.lock();
        let first = state.queue.front().map(|(ticket, _)| *ticket);
        if first == self.ticket
            && let Some(value) = state.value.take()
        {
            let own = state.queue.pop_front();
            drop(state);
            drop(own);
            self.ticket = None;
            return Poll::Ready(value);
        }
        let waker = context.waker().clone();
        let ticket = self.ticket;
        let place = state
            .queue
            .iter_mut()
            .find(|(other, _)| Some(*other) == ticket);
        let old = match place {
            Some((_, old)) => Some(std::mem::replace(old, waker)),
            None => {
                let ticket = state.next;
                state.next += 1;
                state.queue.push_back((ticket, waker));
                self.ticket = Some(ticket);
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Take<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.turns.lock();
        let at = state.queue.iter().position(|(other, _)| *other == ticket);
        let own = at.and_then(|at| state.queue.remove(at));
        let first = state.first();
        drop(state);
        drop(own);
        if let Some(waker) = first {
            waker.wake();
        }
    }
}
