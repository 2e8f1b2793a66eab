//! The only door for other threads: messages for the loop, and its wake-up.
//!
//! The loop asks [`Inbox::has_mail`], one relaxed load, and takes what there is;
//! it sleeps in [`Inbox::sleep`], or where it also sees descriptors, in
//! [`Inbox::doze`], where a bell wakes it. A sender pushes first and raises the flag
//! second; the loop lowers the flag first and pops second. So a message is
//! either popped or has raised the flag after it was lowered.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_queue::SegQueue;

pub(crate) struct Inbox<M> {
    messages: SegQueue<M>,
    mail: AtomicBool,
    closed: AtomicBool,
    /// Nothing new is begun any more.
    ending: AtomicBool,
    /// A snapshot is wanted.
    asked: AtomicBool,
    /// Open [`Door`]s: whoever holds one may still send something.
    doors: AtomicUsize,
    thread: Thread,
    /// The loop sleeps where only the bell wakes it.
    dozes: AtomicBool,
    /// An eventfd(2). Locked also while it is decided whether to close.
    bell: RwLock<Option<Arc<OwnedFd>>>,
}

impl<M> Inbox<M> {
    /// An inbox that the calling thread reads.
    pub(crate) fn new() -> Arc<Inbox<M>> {
        Arc::new(Inbox {
            messages: SegQueue::new(),
            mail: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            doors: AtomicUsize::new(0),
            thread: thread::current(),
            dozes: AtomicBool::new(false),
            bell: RwLock::new(None),
        })
    }

    #[inline(always)]
    pub(crate) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Relaxed)
    }

    /// How many messages have come and were not taken.
    pub(crate) fn count(&self) -> usize {
        self.messages.len()
    }

    /// Hands `each` the messages that have come so far, but no more than `at_most`. The others,
    /// and what comes meanwhile, are left for the next time, so that those who send fast do not
    /// keep the loop here.
    pub(crate) fn take_mail(&self, at_most: usize, mut each: impl FnMut(M)) {
        self.mail.store(false, Ordering::SeqCst);
        for _ in 0..self.messages.len().min(at_most) {
            let Some(message) = self.messages.pop() else {
                return;
            };
            each(message);
        }
        if !self.messages.is_empty() {
            self.mail.store(true, Ordering::SeqCst);
        }
    }

    /// Sleeps until there is mail, a door has closed, or `timeout` has passed;
    /// sometimes less.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) {
        if self.mail.load(Ordering::SeqCst) {
            return;
        }
        match timeout {
            Some(timeout) => thread::park_timeout(timeout),
            None => thread::park(),
        }
    }

    /// Hangs up the bell that wakes from [`Inbox::doze`].
    pub(crate) fn hang(&self, bell: Arc<OwnedFd>) {
        *self.bell.write().unwrap_or_else(PoisonError::into_inner) = Some(bell);
    }

    /// Calls `sleep`, which returns after the timeout that it is given or when
    /// the bell rings: if there is mail, or a door has closed.
    pub(crate) fn doze(&self, timeout: Option<Duration>, sleep: impl FnOnce(Option<Duration>)) {
        // The flag first and the mail second; `ring` does it the other way
        // round, so one of them sees the other.
        self.dozes.store(true, Ordering::SeqCst);
        let has_mail = self.mail.load(Ordering::SeqCst);
        sleep(if has_mail {
            Some(Duration::ZERO)
        } else {
            timeout
        });
        self.dozes.store(false, Ordering::SeqCst);
    }

    /// Sends a message. After the end of the run it comes back.
    ///
    /// # Errors
    /// The message, and all others that were left, for the caller to dispose of.
    pub(crate) fn send(&self, message: M) -> Result<(), Vec<M>> {
        self.messages.push(message);
        self.ring();
        if self.closed.load(Ordering::SeqCst) && self.is_closed_for_good() {
            return Err(self.rest());
        }
        Ok(())
    }

    /// Waits for [`close`](Self::close) to decide.
    #[cold]
    fn is_closed_for_good(&self) -> bool {
        let _decided = self.bell.read().unwrap_or_else(PoisonError::into_inner);
        self.closed.load(Ordering::SeqCst)
    }

    /// Asks for a snapshot. True if it was asked for before, and is not answered.
    /// May be called in a signal handler.
    pub(crate) fn ask(&self) -> bool {
        let before = self.asked.swap(true, Ordering::SeqCst);
        self.ring();
        before
    }

    /// Whether a snapshot was asked for since the last look.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// May be called in a signal handler: no lock is waited for.
    fn ring(&self) {
        if self.mail.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.dozes.load(Ordering::SeqCst) {
            // Fails only at the beginning and the end of a run, when the loop does not
            // doze.
            if let Ok(bell) = self.bell.try_read()
                && let Some(bell) = &*bell
            {
                // It fails only if nobody has read it 2^64 - 2 times.
                let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
            }
        } else {
            self.thread.unpark();
        }
    }

    /// Asks those who would have something new begun to send it no more: they could send faster
    /// than it is disposed of. All else is still delivered.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Ends the delivery, if nothing is left; otherwise returns that, and goes on.
    pub(crate) fn close(&self) -> Vec<M> {
        // Until it is decided, nobody else takes what may have to be delivered.
        let mut bell = self.bell.write().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        let rest = self.rest();
        if rest.is_empty() {
            *bell = None;
        } else {
            self.closed.store(false, Ordering::SeqCst);
        }
        rest
    }

    fn rest(&self) -> Vec<M> {
        std::iter::from_fn(|| self.messages.pop()).collect()
    }

    /// Whether somebody holds a door.
    pub(crate) fn has_doors(&self) -> bool {
        self.doors.load(Ordering::SeqCst) > 0
    }
}

/// A right to send, which keeps the loop waiting: while one is open, a loop with
/// nothing to do sleeps, and is not in a deadlock.
pub(crate) struct Door<M>(Arc<Inbox<M>>);

impl<M> Door<M> {
    pub(crate) fn new(inbox: &Arc<Inbox<M>>) -> Door<M> {
        inbox.doors.fetch_add(1, Ordering::SeqCst);
        Door(Arc::clone(inbox))
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox<M>> {
        &self.0
    }
}

impl<M> Clone for Door<M> {
    fn clone(&self) -> Door<M> {
        Door::new(&self.0)
    }
}

impl<M> Drop for Door<M> {
    fn drop(&mut self) {
        if self.0.doors.fetch_sub(1, Ordering::SeqCst) == 1 {
            // The loop may be asleep and now have nothing left to wait for.
            self.0.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wake_the_sleeper_and_arrive_in_order() {
        let inbox = Inbox::new();
        let door = Door::new(&inbox);
        let sender = thread::spawn(move || {
            for n in 0..1000 {
                door.inbox().send(n).unwrap();
            }
        });
        let mut got = Vec::new();
        while got.len() < 1000 {
            inbox.sleep(None);
            inbox.take_mail(usize::MAX, |n| got.push(n));
        }
        sender.join().unwrap();
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
        assert!(!inbox.has_doors());
    }

    #[test]
    fn the_last_door_wakes_the_sleeper() {
        let inbox = Inbox::<()>::new();
        let door = Door::new(&inbox);
        let holder = thread::spawn(move || drop(door.clone()));
        while inbox.has_doors() {
            inbox.sleep(None);
            inbox.take_mail(usize::MAX, |()| {});
        }
        holder.join().unwrap();
    }

    #[test]
    fn an_inbox_closes_when_nothing_is_left_and_gives_messages_back_then() {
        let inbox = Inbox::new();
        inbox.send('a').unwrap();
        assert_eq!(inbox.close(), ['a']);
        inbox.send('b').unwrap();
        assert_eq!(inbox.close(), ['b']);
        assert_eq!(inbox.close(), []);
        assert_eq!(inbox.send('c'), Err(vec!['c']));
    }

    #[test]
    fn what_comes_while_the_mail_is_taken_is_taken_the_next_time() {
        let inbox = Inbox::new();
        let mut got = Vec::new();
        inbox.send(1).unwrap();
        inbox.take_mail(usize::MAX, |n| {
            got.push(n);
            inbox.send(n + 1).unwrap();
        });
        assert_eq!(got, [1]);
        assert!(inbox.has_mail());
        inbox.take_mail(usize::MAX, |n| got.push(n));
        assert_eq!(got, [1, 2]);
        assert!(!inbox.has_mail());
    }

    #[test]
    fn what_is_more_than_wanted_is_taken_the_next_time() {
        let inbox = Inbox::new();
        let mut got = Vec::new();
        (0..5).for_each(|n| inbox.send(n).unwrap());
        for expected in [2, 4, 5] {
            assert!(inbox.has_mail());
            inbox.take_mail(2, |n| got.push(n));
            assert_eq!(got, (0..expected).collect::<Vec<_>>());
        }
        assert!(!inbox.has_mail());
    }

    /// Nobody gets messages back that could still be delivered.
    #[test]
    fn messages_come_back_only_from_one_that_stays_closed() {
        let inbox = Inbox::new();
        let other = Arc::clone(&inbox);
        let sender = thread::spawn(move || {
            while other.send(()).is_ok() {}
            assert!(other.send(()).is_err(), "it was open again");
        });
        for _ in 0..10_000 {
            inbox.send(()).unwrap();
            assert!(!inbox.close().is_empty());
        }
        while !inbox.close().is_empty() {}
        sender.join().unwrap();
    }
}
