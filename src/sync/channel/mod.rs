//! Channels: items from any number of senders to any number of receivers.

#[allow(unsafe_code)]
mod buffer;
mod core;
mod error;
mod iter;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::time;
use crate::wait_queue::Caller;

pub(super) use self::core::Chan;
pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use iter::{IntoIter, Iter, TryIter};

/// A channel that buffers up to `capacity` items; at capacity 0 a sender waits for
/// a receiver and hands its item over (a rendezvous).
///
/// Both sides can be cloned; each item goes to one receiver. Who waits is served in
/// the order of arrival. The buffer grows as it is needed, so a huge capacity costs
/// nothing. Works outside of a runtime, unless it would have to wait.
///
/// Counterparts: [`std::sync::mpsc::sync_channel`], with many receivers and without
/// `Send`; `crossbeam_channel::bounded`; `asyncio.Queue(maxsize)`.
///
/// ```
/// use corobin::sync::channel;
///
/// corobin::run(|| {
///     let (tx, rx) = channel(1);
///     corobin::spawn(move || {
///         for n in 1..=3 {
///             tx.send(n).unwrap(); // waits while there is one unread
///         }
///     });
///     assert_eq!(rx.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(capacity, Location::caller())
}

/// A channel without a limit: `send` never waits.
///
/// Counterparts: [`std::sync::mpsc::channel`], `asyncio.Queue()`.
///
/// ```
/// let (tx, rx) = corobin::sync::unbounded();
/// tx.send("works outside of a runtime too").unwrap();
/// drop(tx);
/// assert_eq!(rx.iter().count(), 1);
/// ```
#[must_use]
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    pair(usize::MAX, Location::caller())
}

fn pair<T>(capacity: usize, made_at: &'static Location<'static>) -> (Sender<T>, Receiver<T>) {
    let chan = Rc::new(Chan::new(capacity, made_at));
    let sender = Sender {
        chan: Rc::clone(&chan),
    };
    (sender, Receiver { chan })
}

/// The side of a [`channel`] that sends.
///
/// When the last one is dropped the channel is closed: receivers get what is
/// buffered, then [`RecvError`]. Neither `Send` nor `Sync`:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<corobin::sync::Sender<u32>>();
/// ```
pub struct Sender<T> {
    chan: Rc<Chan<T>>,
}

impl<T> Sender<T> {
    /// Sends an item, and waits for room (at capacity 0, for a receiver) if there is
    /// none.
    ///
    /// A suspension point. A cancelled wait has not sent, and drops the item, as any
    /// value that an unwinding meets; who must keep it sends with
    /// [`select!`](crate::select), where it is made only when it goes.
    ///
    /// # Errors
    /// All receivers are gone, or went while this waited: the item comes back.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.chan.send(item)
    }

    /// Sends an item if there is room or a receiver waits, also at capacity 0.
    ///
    /// Not a suspension point.
    ///
    /// # Errors
    /// There is no room, or all receivers are gone: the item comes back.
    #[inline]
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.chan.send_now(item, false, Caller::now())
    }

    /// Sends an item, and waits for room, or at capacity 0 for a receiver, for at most `timeout`.
    ///
    /// It stands among those who wait as in [`send`](Sender::send). Zero waits for one turn, in
    /// which everybody runs who is ready; [`Duration::MAX`] never ends.
    ///
    /// A suspension point. A cancelled wait has not sent, and drops the item.
    ///
    /// # Errors
    /// The time is over, or all receivers are gone: the item comes back.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    ///
    /// ```
    /// use corobin::sync::{SendTimeoutError, channel};
    /// use std::time::Duration;
    ///
    /// corobin::run(|| {
    ///     let (tx, rx) = channel(1);
    ///     tx.send("first").unwrap();
    ///     let sent = tx.send_timeout("second", Duration::from_millis(1));
    ///     assert_eq!(sent, Err(SendTimeoutError::Timeout("second")));
    ///     assert_eq!(rx.recv(), Ok("first"));
    /// });
    /// ```
    #[track_caller]
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        let until = || time::now().checked_add(timeout);
        self.chan.send_until(item, until)
    }

    /// As [`send_timeout`](Sender::send_timeout), with a time to end at.
    ///
    /// A suspension point.
    ///
    /// # Errors
    /// The time has come, or all receivers are gone: the item comes back.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send_deadline(&self, item: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.chan.send_until(item, || Some(deadline))
    }

    /// Whether all receivers are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.chan.receivers.get() == 0
    }

    pub(super) fn chan(&self) -> &Chan<T> {
        &self.chan
    }
}

/// The side of a [`channel`] that receives.
///
/// When the last one is dropped the channel is closed: what is buffered is dropped,
/// and senders, also those that wait, get their item back.
pub struct Receiver<T> {
    chan: Rc<Chan<T>>,
}

impl<T> Receiver<T> {
    /// Takes the next item, and waits for one if there is none.
    ///
    /// A suspension point. A cancelled wait takes nothing.
    ///
    /// # Errors
    /// All senders are gone, and there is nothing left.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.chan.recv()
    }

    /// Takes the next item if there is one, or if somebody waits in
    /// [`send`](Sender::send), also at capacity 0.
    ///
    /// A [`select!`](crate::select) that waits to send at capacity 0 has nothing to
    /// give yet; to meet it, wait or `select!` as well. Not a suspension point.
    ///
    /// # Errors
    /// There is nothing, or there is nothing and all senders are gone.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// Takes the next item, and waits for one for at most `timeout`.
    ///
    /// It stands among those who wait as in [`recv`](Receiver::recv). Zero waits for one turn, in
    /// which everybody runs who is ready; [`Duration::MAX`] never ends.
    ///
    /// A suspension point. A cancelled wait takes nothing, nor does one whose time is over.
    ///
    /// # Errors
    /// The time is over; or all senders are gone, and there is nothing left.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    ///
    /// ```
    /// use corobin::{now, spawn, sync::{RecvTimeoutError, unbounded}};
    /// use std::time::Duration;
    ///
    /// corobin::run(|| {
    ///     let (tx, rx) = unbounded();
    ///     let ms = Duration::from_millis(1);
    ///     assert_eq!(rx.recv_timeout(ms), Err(RecvTimeoutError::Timeout));
    ///     spawn(move || tx.send(7));
    ///     assert_eq!(rx.recv_timeout(1000 * ms), Ok(7));
    ///     assert_eq!(rx.recv_deadline(now() + ms), Err(RecvTimeoutError::Closed));
    /// });
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.chan.recv_until(|| time::now().checked_add(timeout))
    }

    /// As [`recv_timeout`](Receiver::recv_timeout), with a time to end at.
    ///
    /// A suspension point.
    ///
    /// # Errors
    /// The time has come; or all senders are gone, and there is nothing left.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.chan.recv_until(|| Some(deadline))
    }

    /// What it receives until the channel is closed; each `next` is a
    /// [`recv`](Receiver::recv).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// What is there now; each `next` is a [`try_recv`](Receiver::try_recv).
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// Whether all senders are gone. There may still be items.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.chan.senders.get() == 0
    }

    pub(super) fn chan(&self) -> &Chan<T> {
        &self.chan
    }
}

/// What both sides tell.
macro_rules! both_sides {
    ($($side:ident, $count:ident, $name:literal;)*) => {$(
        impl<T> $side<T> {
            /// How many items are buffered.
            #[must_use]
            pub fn len(&self) -> usize {
                self.chan.len()
            }

            /// Whether nothing is buffered; always so at capacity 0.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.chan.len() == 0
            }

            /// Whether the buffer has no room; always so at capacity 0.
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.chan.is_full()
            }

            /// How many items can be buffered; `None` if there is no limit.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                Some(self.chan.capacity).filter(|&capacity| capacity < usize::MAX)
            }

            /// Whether both belong to one channel.
            #[must_use]
            pub fn same_channel(&self, other: &Self) -> bool {
                Rc::ptr_eq(&self.chan, &other.chan)
            }
        }

        impl<T> Clone for $side<T> {
            fn clone(&self) -> Self {
                self.chan.$count.set(self.chan.$count.get() + 1);
                $side { chan: Rc::clone(&self.chan) }
            }
        }

        impl<T> fmt::Debug for $side<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    )*};
}

both_sides! {
    Sender, senders, "Sender";
    Receiver, receivers, "Receiver";
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.chan.sender_is_gone();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.chan.receiver_is_gone();
    }
}
