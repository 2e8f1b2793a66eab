//! `oneshot`: a channel for one item.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::{RecvError, SendError, TryRecvError};

/// A channel for a single item, such as an answer.
///
/// Counterparts: `asyncio.Future`, `tokio::sync::oneshot`. Works outside of a
/// runtime, unless it would have to wait.
///
/// ```
/// corobin::run(|| {
///     let (tx, rx) = corobin::sync::oneshot();
///     corobin::spawn(move || tx.send(42));
///     assert_eq!(rx.recv(), Ok(42));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn oneshot<T>() -> (OneSender<T>, OneReceiver<T>) {
    let shot = Rc::new(Shot {
        item: Cell::new(None),
        has_sender: Cell::new(true),
        has_receiver: Cell::new(true),
        queue: WaitQueue::new(),
        made_at: Location::caller(),
    });
    let sender = OneSender {
        shot: Rc::clone(&shot),
    };
    (sender, OneReceiver { shot })
}

struct Shot<T> {
    item: Cell<Option<T>>,
    has_sender: Cell<bool>,
    has_receiver: Cell<bool>,
    queue: WaitQueue<T>,
    made_at: &'static Location<'static>,
}

/// The side of a [`oneshot`] that sends. If it is dropped unused, the receiver gets
/// [`RecvError`].
pub struct OneSender<T> {
    shot: Rc<Shot<T>>,
}

/// The side of a [`oneshot`] that receives.
pub struct OneReceiver<T> {
    shot: Rc<Shot<T>>,
}

impl<T> OneSender<T> {
    /// Sends the item. Not a suspension point.
    ///
    /// # Errors
    /// The receiver is gone: the item comes back.
    pub fn send(self, item: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(item));
        }
        if let Err(item) = self.shot.queue.give(item, Caller::now()) {
            self.shot.item.set(Some(item));
        }
        Ok(())
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shot.has_receiver.get()
    }
}

impl<T> OneReceiver<T> {
    /// Waits for the item.
    ///
    /// A suspension point. A cancelled wait is the end of the receiver: a later `send` gets its
    /// item back. An item that comes between the call of `cancel` and the unwinding is dropped.
    ///
    /// # Errors
    /// The sender is gone and has sent nothing.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv(self) -> Result<T, RecvError> {
        suspend::arrive();
        match self.try_recv() {
            Ok(item) => Ok(item),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => {
                let scheduler = scheduler::expect("a oneshot that has to wait");
                let made_at = self.shot.made_at;
                let what = fmt::from_fn(|f| write!(f, "the item of the oneshot made at {made_at}"));
                (self.shot.queue)
                    .wait(scheduler, Tag::Plain, None, &what, Location::caller())
                    .ok_or(RecvError)
            }
        }
    }

    /// Takes the item if it was sent. Not a suspension point.
    ///
    /// # Errors
    /// It was not sent yet, or it never will be.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.shot.item.take() {
            Some(item) => Ok(item),
            None if self.shot.has_sender.get() => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }

    /// Whether the sender is gone, with or without having sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shot.has_sender.get()
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        self.shot.has_sender.set(false);
        self.shot.queue.release_all();
    }
}

impl<T> Drop for OneReceiver<T> {
    fn drop(&mut self) {
        self.shot.has_receiver.set(false);
        drop(self.shot.item.take());
    }
}

impl<T> fmt::Debug for OneSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OneReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneReceiver").finish_non_exhaustive()
    }
}
