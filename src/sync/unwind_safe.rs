//! What may be used on both sides of a `catch_unwind`, as in std and crossbeam.
//!
//! Whatever unwinds finds queues and counts whole, and guards release. Of the value in a lock a
//! panic may leave half of a change, since there is no poisoning. A bound on the lock would not
//! keep that away: a coroutine that panics with it leaves the same to all others, and its `spawn`
//! asks for no `UnwindSafe` either.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::{
    Barrier, BroadcastReceiver, BroadcastSender, Condvar, Event, Mutex, MutexGuard, OneReceiver,
    OneSender, Receiver, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
    Sender, WaitGroup, WatchReceiver, WatchSender,
};

macro_rules! unwind_safe {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> UnwindSafe for $type {}
        impl<$($generics)*> RefUnwindSafe for $type {}
    )*};
}

unwind_safe! {
    [T] Sender<T>;
    [T] Receiver<T>;
    [T] OneSender<T>;
    [T] OneReceiver<T>;
    [T] BroadcastSender<T>;
    [T] BroadcastReceiver<T>;
    [T] WatchSender<T>;
    [T] WatchReceiver<T>;
    [T: ?Sized] Mutex<T>;
    [T: ?Sized] MutexGuard<'_, T>;
    [T: ?Sized] RwLock<T>;
    [T: ?Sized + RefUnwindSafe] RwLockReadGuard<'_, T>;
    [T: ?Sized] RwLockWriteGuard<'_, T>;
    [] Condvar;
    [] Semaphore;
    [] SemaphorePermit<'_>;
    [] Event;
    [] Barrier;
    [] WaitGroup;
}
