//! Channels, `select!` and locks: how coroutines talk to each other.
//!
//! # When no lock is needed
//!
//! Coroutines of one runtime take turns on one thread, and a turn ends only at a
//! *suspension point*: a call that may wait, and whose documentation says so. Between two
//! of them nobody else runs. So a step that reads, decides and writes is atomic as it
//! stands, and a plain [`Cell`](std::cell::Cell) or [`RefCell`](std::cell::RefCell) is all
//! it takes:
//!
//! ```
//! use corobin::{gather, run, spawn, yield_now};
//! use std::{cell::Cell, rc::Rc};
//!
//! let total = run(|| {
//!     let account = Rc::new(Cell::new(100));
//!     let withdraw = |sum| {
//!         let account = Rc::clone(&account);
//!         spawn(move || {
//!             yield_now(); // others run here …
//!             if account.get() >= sum {
//!                 account.set(account.get() - sum); // … and not here: never overdrawn
//!             }
//!         })
//!     };
//!     gather((0..5).map(|_| withdraw(30))).unwrap();
//!     account.get()
//! });
//! assert_eq!(total, 10);
//! ```
//!
//! With threads the same lines would need an atomic or a mutex, and the compiler would not
//! let them share a `Cell`.
//!
//! # When one is needed after all
//!
//! When something must stay true *across* a suspension point. Here the balance is read, then
//! a bank is asked, which waits, then the balance is written, and what others have done
//! meanwhile is lost:
//!
//! ```should_panic
//! # use corobin::{gather, run, spawn, yield_now};
//! # use std::{cell::Cell, rc::Rc};
//! # fn ask_the_bank() { yield_now() }
//! # run(|| {
//! let account = Rc::new(Cell::new(100));
//! let withdraw = |sum| {
//!     let account = Rc::clone(&account);
//!     spawn(move || {
//!         let balance = account.get();
//!         ask_the_bank(); // somebody else withdraws meanwhile
//!         account.set(balance - sum);
//!     })
//! };
//! gather([withdraw(30), withdraw(50)]).unwrap();
//! assert_eq!(account.get(), 20); // it is 50
//! # });
//! ```
//!
//! A [`Mutex`] that is held across the wait keeps the others out until it is over:
//!
//! ```
//! # use corobin::{gather, run, spawn, yield_now};
//! # use corobin::sync::Mutex;
//! # use std::rc::Rc;
//! # fn ask_the_bank() { yield_now() }
//! # run(|| {
//! let account = Rc::new(Mutex::new(100));
//! let withdraw = |sum| {
//!     let account = Rc::clone(&account);
//!     spawn(move || {
//!         let mut balance = account.lock();
//!         ask_the_bank();
//!         *balance -= sum;
//!     })
//! };
//! gather([withdraw(30), withdraw(50)]).unwrap();
//! assert_eq!(*account.lock(), 20);
//! # });
//! ```
//!
//! Do not hold a `RefCell`'s borrow across a suspension point: the next one that borrows
//! panics, where with a `Mutex` it would wait. And do not hold a [`std::sync::Mutex`] across
//! one: the next one that locks it blocks the thread, and with it the one that should
//! unlock.
//!
//! # What there is
//!
//! | | for | as in |
//! | --- | --- | --- |
//! | [`channel`], [`unbounded`] | items, from many to many, each to one | crossbeam, `std::sync::mpsc`, `asyncio.Queue` |
//! | [`oneshot`] | one item, such as an answer | `asyncio.Future` |
//! | [`broadcast`] | items, each to all | tokio |
//! | [`watch`] | the newest value | tokio |
//! | [`select!`](crate::select), [`Select`] | one of several channel operations | crossbeam |
//! | [`Mutex`], [`RwLock`] | a value across suspension points | `std::sync`, `asyncio.Lock` |
//! | [`Condvar`] | a change of what a mutex holds | `std::sync`, `asyncio.Condition` |
//! | [`Semaphore`] | at most so many at a time | `asyncio.Semaphore` |
//! | [`Event`] | something that happens once, or again | `asyncio.Event` |
//! | [`Barrier`], [`WaitGroup`] | waiting for each other | `std::sync`, crossbeam |
//! | [`OnceCell`] | a value that is made once | `std::sync::OnceLock` |
//!
//! # What they have in common
//!
//! - There are no atomics, and nothing is `Send` or `Sync`; other threads come in through
//!   a [`Handle`](crate::Handle).
//! - Fair: who waits is served in the order of arrival, and what it waits for is handed to
//!   it, so that nobody can snatch it before it runs.
//! - Safe to cancel and to time out: a wait that is unwound has taken nothing, and passes
//!   its turn on. What was handed over before the cancel came is returned, and the cancel
//!   is met at the next suspension point.
//! - A [`timeout`](crate::timeout()) ends any of these waits. Those that end at a time of their
//!   own in std and crossbeam do so here: [`Receiver::recv_timeout`], [`Sender::send_timeout`],
//!   which gives its item back, [`Condvar::wait_timeout`].
//! - What may wait is a suspension point, also if it need not wait. What never waits is
//!   none: `try_send`, `try_lock`, `notify_one`, `set` and the like. A `select!` with a
//!   `default` and [`Select::try_select`] are suspension points all the same: what another
//!   `select!` offers takes a turn to fetch.
//! - A panic or a cancel releases a guard. There is no poisoning.
//! - They work outside of a runtime, unless they would have to wait; that panics.
//! - A [deadlock](crate::run) is reported with what each one waits for, where it was made or
//!   taken, and who holds it. While it is unwound, those who waited get nothing. Only
//!   destructors that wait during an unwinding are served: nothing can be raised there, so
//!   their wait might not end otherwise.

mod barrier;
mod broadcast;
mod channel;
mod condvar;
mod event;
mod holder;
#[allow(unsafe_code)]
mod mutex;
mod once_cell;
mod oneshot;
mod rwlock;
mod select;
mod semaphore;
mod timed;
mod unwind_safe;
mod wait_group;
mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use broadcast::{BroadcastError, BroadcastReceiver, BroadcastSender, broadcast};
pub use channel::{
    IntoIter, Iter, Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender,
    TryIter, TryRecvError, TrySendError, channel, unbounded,
};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use oneshot::{OneReceiver, OneSender, oneshot};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use select::{Select, SelectTimeoutError, SelectedOperation, TrySelectError};
pub use semaphore::{Semaphore, SemaphorePermit};
pub use wait_group::WaitGroup;
pub use watch::{WatchReceiver, WatchRef, WatchSender, watch};

/// What `select!` expands to.
#[doc(hidden)]
pub mod __select {
    pub use super::select::{Offer, Receive, impossible, select, select_timeout, try_select};
}
